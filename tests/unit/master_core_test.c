/* The Master's core on a journal made of an array: the same events give the same state, a plan made
 * twice changes nothing, a release's difference is exact, and no planned start vanishes. */
#include "server/master/core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/model/day.h"
#include "lib/model/plan.h"
#include "tests/lib/documents.h"
#include "tests/lib/tap.h"

#define COMMON                                                                                     \
    "c.agentCluster.xml",                                                                          \
        "<agentCluster><member name='a1' url='https://127.0.0.1:1'/></agentCluster>",              \
        "j.job.xml", "<job><parameter name='day'/><script>true</script></job>", "eod.chain.xml",   \
        "<jobChain agentCluster='/c'><parameter name='day' type='date'/>"                          \
        "<parameter name='key' type='secret'/><node id='n' job='/j'/></jobChain>"
#define AT_12 "at12.schedule.xml", "<schedule chain='/eod'><at time='12:00'/></schedule>"
#define AT_13 "at13.schedule.xml", "<schedule chain='/eod'><at time='13:00'/></schedule>"
#define AT_13_DAY                                                                                  \
    "at13.schedule.xml", "<schedule chain='/eod'><at time='13:00'/>"                               \
                         "<argument name='day'>{$plan/@day}</argument></schedule>"

static const char *const first_release[] = {COMMON, AT_12, AT_13, NULL};
static const char *const second_release[] = {COMMON, AT_13_DAY, NULL};

static int64_t utc(const char *text)
{
    int64_t ret = 0;
    hor_time_parse_us(text, &ret);
    return ret;
}

/* ---- a journal ---- */

static struct hor_event *journal[20000];
static size_t journal_count;
static struct hor_master_core *core;

struct emitted {
    struct hor_event *events[4000];
    size_t count;
};

static void collect(struct hor_event *take_event, void *ctx)
{
    struct emitted *e = ctx;
    e->events[e->count++] = take_event;
}

static void commit_event(struct hor_event *take_event)
{
    take_event->index = journal_count + 1;
    journal[journal_count++] = take_event;
    hor_master_core_apply(core, take_event);
}

static void commit(struct emitted *e)
{
    for (size_t i = 0; i < e->count; i++)
        commit_event(e->events[i]);
    e->count = 0;
}

/* Decides until there is nothing to do; returns how many events that took. */
static size_t settle(int64_t now_us)
{
    static struct emitted e;
    size_t total = 0, before;
    do {
        bool more = false;
        before = total;
        hor_master_core_decide(core, now_us, 1000, collect, &e, &more);
        total += e.count;
        commit(&e);
    } while (total != before);
    return total;
}

static int deploy(const char *const *documents, int number, int64_t now_us)
{
    static struct emitted e;
    struct hor_buf document = HOR_BUF_INIT;
    char sha256[65];
    hor_test_release(documents, number, &document, sha256);
    int rc = hor_master_core_apply_release(core, number, sha256, "anna", document.data,
                                           document.len, now_us, collect, &e, NULL);
    commit(&e);
    hor_buf_done(&document);
    return rc;
}

static void begin(void)
{
    for (size_t i = 0; i < journal_count; i++)
        hor_event_free(journal[i]);
    journal_count = 0;
    hor_master_core_free(core);
    core = NULL;
    hor_master_core_new("main", 2, &core, NULL);
}

static char *snapshot_of(const struct hor_master_core *of)
{
    struct hor_buf out = HOR_BUF_INIT;
    hor_master_core_snapshot(of, &out);
    return hor_buf_take(&out);
}

/* Replay and restore must both give the live state. */
static void same_state(const char *when)
{
    struct hor_master_core *replayed = NULL, *restored = NULL;
    struct hor_error err = {0};
    hor_master_core_new("main", 2, &replayed, NULL);
    hor_master_core_new("main", 2, &restored, NULL);
    for (size_t i = 0; i < journal_count; i++)
        hor_master_core_apply(replayed, journal[i]);
    char *live = snapshot_of(core), *again = snapshot_of(replayed);
    ok(strcmp(live, again) == 0, "%s: replay gives the live state", when);
    int rc = hor_master_core_restore(restored, live, strlen(live), &err);
    char *third = snapshot_of(restored);
    ok(rc == HOR_OK && strcmp(live, third) == 0, "%s: so does the snapshot %s", when, err.text);
    free(live);
    free(again);
    free(third);
    hor_master_core_free(replayed);
    hor_master_core_free(restored);
}

static size_t count_type(enum hor_event_type type, const char *state)
{
    size_t count = 0;
    for (size_t i = 0; i < journal_count; i++)
        count += journal[i]->type == type &&
                 (state == NULL || hor_str_equal(journal[i]->state, state));
    return count;
}

static struct hor_event *theirs(enum hor_event_type type, const char *order, int64_t index,
                                const char *state)
{
    struct hor_event *event = hor_event_new(type, utc("2026-11-24T12:00:01Z"));
    hor_event_set(&event->order, order);
    hor_event_set(&event->cluster, "/c");
    hor_event_set(&event->master, "main");
    hor_event_set(&event->state, state);
    event->cluster_index = index;
    return event;
}

static void own(enum hor_event_type type, int64_t upto, int64_t at_us)
{
    struct hor_event *event = hor_event_new(type, at_us);
    event->cluster_index = upto;
    commit_event(event);
}

static const char *order_at(const char *day, const char *schedule, const char *at)
{
    static char id[HOR_ORDER_ID_BYTES];
    int32_t plan_day = 0;
    hor_day_parse(day, &plan_day);
    hor_plan_order_id("/eod", "main", plan_day, schedule, utc(at), utc(at) / 1000000, id);
    return id;
}

static const char *state_of(const char *id)
{
    struct hor_master_order order;
    return hor_master_core_order(core, id, &order) == HOR_OK ? order.state : "none";
}

/* ---- what was handed over ---- */

struct handed {
    char ids[2000][64];
    size_t count;
    char value[64];
};

static void note_order(const struct hor_master_order *order, void *ctx)
{
    struct handed *handed = ctx;
    const char *value = hor_arguments_get(order->arguments, "day");
    strcpy(handed->value, value != NULL ? value : "");
    strcpy(handed->ids[handed->count++], order->id);
}

static size_t forward(size_t limit)
{
    static struct emitted e;
    static struct handed handed;
    handed.count = 0;
    size_t count = hor_master_core_forward(core, "/c", limit, note_order, &handed);
    hor_master_core_forwarded(core, "/c", true, utc("2026-11-24T10:00:01Z"), collect, &e);
    commit(&e);
    return count;
}

/* ---- the tests ---- */

static void test_plan(void)
{
    int64_t now = utc("2026-11-24T12:30:00Z");
    begin();
    is_int(settle(now), 0, "without a release there is nothing to do");
    is_int(deploy(first_release, 1, now), HOR_OK, "a release is deployed");
    is_int(deploy(first_release, 1, now), HOR_ERR_EXISTS, "once");
    settle(now);
    is_int(count_type(HOR_EVENT_PLAN_MADE, NULL), 4, "yesterday, today, and two days ahead");
    is_int(count_type(HOR_EVENT_ORDER_ADDED, NULL), 5, "today only what is still to come");
    is(state_of(order_at("2026-11-24", "/at12", "2026-11-24T12:00:00Z")), "none",
       "a start before the deployment is not planned");
    is(state_of(order_at("2026-11-24", "/at13", "2026-11-24T13:00:00Z")), "planned",
       "a start after it is");
    ok(hor_master_core_plan_is_made(core, now), "the plan is made");
    is_int(settle(now + 3600000000), 0, "and making it again changes nothing");
    hor_master_core_lead(core);
    is_int(settle(now), 0, "neither does a new leader");
    same_state("planned");
    int64_t tomorrow = utc("2026-11-25T00:00:01Z");
    is_int(hor_master_core_next_due(core, now) <= utc("2026-11-25T00:00:00Z"), 1,
           "it asks to be called at midnight at the latest");
    is_int(settle(tomorrow), 3, "then one more day is planned");
    is(state_of(order_at("2026-11-27", "/at12", "2026-11-27T12:00:00Z")), "planned", "the third");
    same_state("the next day");
}

static void test_half_a_plan(void)
{
    static struct emitted e;
    int64_t now = utc("2026-11-24T10:00:00Z");
    bool more = false;
    begin();
    deploy(first_release, 1, now);
    hor_master_core_decide(core, now, 1, collect, &e, &more);
    commit(&e); /* yesterday has no orders: its planMade is all */
    hor_master_core_decide(core, now, 1, collect, &e, &more);
    ok(more && e.count == 1 && e.events[0]->type == HOR_EVENT_ORDER_ADDED, "a plan in parts");
    commit(&e);
    is_int(forward(100), 0, "orders of a plan that is not whole stay here");
    hor_master_core_lead(core);
    settle(now);
    is_int(count_type(HOR_EVENT_ORDER_ADDED, NULL), 6, "a new leader adds only what is missing");
    is_int(forward(100), 6, "then they go");
    same_state("after half a plan");
}

static void test_replan(void)
{
    int64_t now = utc("2026-11-24T10:00:00Z");
    begin();
    deploy(first_release, 1, now);
    settle(now);
    size_t before = journal_count;
    deploy(second_release, 2, now + 1000000);
    settle(now + 1000000);
    size_t ended = 0, changed = 0, added = 0;
    for (size_t i = before; i < journal_count; i++) {
        ended += journal[i]->type == HOR_EVENT_ORDER_ENDED;
        changed += journal[i]->type == HOR_EVENT_ORDER_CHANGED && journal[i]->release == 2;
        added += journal[i]->type == HOR_EVENT_ORDER_ADDED;
    }
    is_int(ended, 3, "orders of the schedule that is gone are cancelled");
    is_int(changed, 3, "those of the other go over to the new release");
    is_int(added, 0, "with the same ids: nothing is added");
    const char *sha = NULL;
    ok(hor_master_core_release(core, 1, &sha) == NULL, "nobody needs the old release");
    same_state("planned anew");
    static struct handed handed;
    handed.count = 0;
    hor_master_core_forward(core, "/c", 1, note_order, &handed);
    is(handed.value, "2026-11-24", "templates of arguments are filled in");
    hor_master_core_lead(core);

    begin();
    deploy(first_release, 1, now);
    settle(now);
    forward(100);
    before = journal_count;
    deploy(second_release, 2, now + 1000000);
    settle(now + 1000000);
    size_t pos = 0, cancels = 0;
    const struct hor_event *command;
    while ((command = hor_master_core_waiting(core, "/c", &pos)) != NULL)
        cancels += strcmp(command->action, "cancel") == 0;
    is_int(cancels, 3, "orders that were handed over are cancelled by command");
    is_int(settle(now + 2000000), 0, "once");
    same_state("planned anew after handing over");
    struct hor_master_order order;
    const char *id = order_at("2026-11-24", "/at13", "2026-11-24T13:00:00Z");
    hor_master_core_order(core, id, &order);
    ok(order.release == 2 && strcmp(order.where, "agents") == 0,
       "the others are there, and go over to the new release");
    handed.count = 0;
    is_int(hor_master_core_forward(core, "/c", 10, note_order, &handed), 3, "by being sent again");
    is(handed.value, "2026-11-26", "with their new arguments");
    hor_master_core_lead(core);
    is_int(forward(100), 3, "again when the leader changed");
    is_int(forward(100), 0, "and not once more");
    same_state("sent again");
    commit_event(theirs(HOR_EVENT_ORDER_STARTED, id, 10, NULL));
    deploy(first_release, 3, now + 3000000);
    settle(now + 3000000);
    hor_master_core_order(core, id, &order);
    is_int(order.release, 2, "an order keeps its release from its start to its end");
    same_state("after a start");
}

static void test_orders(void)
{
    static struct emitted e;
    int64_t now = utc("2026-11-24T10:00:00Z");
    char id[HOR_ORDER_ID_BYTES], again[HOR_ORDER_ID_BYTES];
    struct hor_error err = {0};
    struct hor_arguments arguments = {0};
    struct hor_master_new_order order = {.request = "r1",
                                         .chain = "/eod",
                                         .start_at = HOR_EVENT_NONE,
                                         .priority = HOR_EVENT_NONE,
                                         .arguments = &arguments};
    begin();
    ok(hor_master_core_add(core, &order, now, collect, &e, id, &err) == HOR_ERR_STATE, "%s",
       err.text);
    deploy(first_release, 1, now);
    settle(now);
    hor_arguments_add(&arguments, "key", "sesame", false);
    is_int(hor_master_core_add(core, &order, now, collect, &e, id, &err), HOR_OK, "added: %s", id);
    ok(e.count == 1 && e.events[0]->arguments.items[0].secret, "secrets are marked");
    commit(&e);
    is_int(hor_master_core_add(core, &order, now + 9000000, collect, &e, again, &err),
           HOR_ERR_EXISTS, "a repeat adds nothing");
    is(again, id, "and tells the same id, whenever it comes");
    hor_arguments_done(&arguments);
    order.request = "r2";
    hor_arguments_add(&arguments, "day", "yesterday", false);
    ok(hor_master_core_add(core, &order, now, collect, &e, id, &err) == HOR_ERR_INVALID, "%s",
       err.text);
    hor_arguments_done(&arguments);
    hor_arguments_add(&arguments, "dya", "2026-11-24", false);
    ok(hor_master_core_add(core, &order, now, collect, &e, id, &err) == HOR_ERR_INVALID, "%s",
       err.text);
    hor_arguments_done(&arguments);
    order.chain = "/none";
    ok(hor_master_core_add(core, &order, now, collect, &e, id, &err) == HOR_ERR_NOT_FOUND, "%s",
       err.text);

    forward(100);
    is_int(forward(100), 0, "orders are handed over once");
    commit_event(theirs(HOR_EVENT_ORDER_STARTED, again, 10, NULL));
    is(state_of(again), "running", "the cluster's events tell how an order is");
    commit_event(theirs(HOR_EVENT_ORDER_ENDED, again, 11, "succeeded"));
    struct hor_event *late = theirs(HOR_EVENT_ORDER_STARTED, again, 10, NULL);
    late->index = 10;
    ok(!hor_master_core_takes(core, "/c", late), "what was taken is not taken again");
    commit_event(late);
    is(state_of(again), "succeeded", "and changes nothing when it is");
    struct hor_event *part = theirs(HOR_EVENT_RELEASE_PART, NULL, 12, NULL);
    part->index = 12;
    ok(!hor_master_core_takes(core, "/c", part), "what concerns the cluster alone stays there");
    hor_event_free(part);
    struct hor_master_cluster cluster;
    hor_master_core_cluster(core, "/c", &cluster);
    ok(cluster.cursor == 11 && cluster.orders == 6, "cursor and orders are counted");
    same_state("orders");

    own(HOR_EVENT_EVENTS_ACKNOWLEDGED, (int64_t)journal_count - 2, now);
    is(state_of(again), "succeeded", "an end that the Supervisor has not seen is kept");
    own(HOR_EVENT_EVENTS_ACKNOWLEDGED, (int64_t)journal_count - 1, now + 60000000);
    is(state_of(again), "none", "then it is forgotten");
    same_state("forgotten");
}

static int command(const char *id, const char *action, const char *order, const char *chain,
                   struct hor_master_answer *answer, struct hor_error *err)
{
    static struct emitted e;
    struct hor_master_command command = {.id = id,
                                         .action = action,
                                         .order = order,
                                         .chain = chain,
                                         .actor = "anna",
                                         .start_at = HOR_EVENT_NONE,
                                         .priority = HOR_EVENT_NONE};
    *answer = (struct hor_master_answer){0};
    int rc = hor_master_core_command(core, &command, utc("2026-11-24T10:00:00Z"), collect, &e,
                                     answer, err);
    commit(&e);
    return rc;
}

static void test_commands(void)
{
    int64_t now = utc("2026-11-24T10:00:00Z");
    struct hor_master_answer answer;
    struct hor_error err = {0};
    begin();
    deploy(first_release, 1, now);
    settle(now);
    char *id = hor_strdup(order_at("2026-11-24", "/at12", "2026-11-24T12:00:00Z"));
    command("k1", "suspend", id, NULL, &answer, &err);
    ok(answer.kind == HOR_MASTER_DONE && strcmp(state_of(id), "suspended") == 0, "suspend, here");
    is_int(forward(100), 5, "a suspended order stays here");
    is_int(command("k1", "suspend", id, NULL, &answer, &err), HOR_ERR_EXISTS, "a repeat");
    ok(answer.kind == HOR_MASTER_DONE, "gets the first answer");
    command("k2", "retry", id, NULL, &answer, &err);
    ok(answer.kind == HOR_MASTER_REFUSED, "refused: %s", answer.text);
    command("k2", "retry", id, NULL, &answer, &err);
    ok(answer.kind == HOR_MASTER_REFUSED && answer.text[0] != '\0', "a repeat is refused as well");
    command("k3", "resume", id, NULL, &answer, &err);
    is(state_of(id), "planned", "resumed");
    command("k4", "cancel", id, NULL, &answer, &err);
    is(state_of(id), "cancelled", "cancelled");
    command("k5", "cancel", id, NULL, &answer, &err);
    ok(answer.kind == HOR_MASTER_REFUSED, "not twice: %s", answer.text);
    command("k6", "hold", NULL, "/eod", &answer, &err);
    ok(answer.kind == HOR_MASTER_REMOTE && strcmp(answer.cluster, "/c") == 0, "a chain is theirs");
    command("k6", "hold", NULL, "/eod", &answer, &err);
    ok(answer.kind == HOR_MASTER_WAITING, "it waits for them");
    commit_event(hor_master_core_command_done("k6", "/c", false, "no", now));
    command("k6", "hold", NULL, "/eod", &answer, &err);
    ok(answer.kind == HOR_MASTER_REFUSED && strcmp(answer.text, "no") == 0, "and has their answer");
    ok(command("k7", "hold", NULL, "/none", &answer, &err) == HOR_ERR_NOT_FOUND, "%s", err.text);
    ok(command("k8", "cancel", "none", NULL, &answer, &err) == HOR_ERR_NOT_FOUND, "%s", err.text);
    ok(command("k9", "cancel", NULL, NULL, &answer, &err) == HOR_ERR_INVALID, "%s", err.text);
    same_state("commands");
    own(HOR_EVENT_EVENTS_ACKNOWLEDGED, (int64_t)journal_count, now + 1000000);
    deploy(second_release, 2, now + 2000000);
    settle(now + 2000000);
    ok(strcmp(state_of(id), "cancelled") == 0,
       "an order that a person cancelled does not come back with a new plan");
    free(id);
}

/* The cluster came back without its journal, and a person said: couple anew. */
static void test_recouple(void)
{
    static struct emitted e;
    int64_t now = utc("2026-11-24T10:00:00Z");
    struct hor_master_answer answer;
    struct hor_error err = {0};
    struct hor_event *coupled = hor_event_new(HOR_EVENT_CLUSTER_COUPLED, now);
    char *held[] = {NULL};
    begin();
    deploy(first_release, 1, now);
    settle(now);
    forward(100);
    hor_event_set(&coupled->cluster, "/c");
    hor_event_set(&coupled->run_id, "run-1");
    coupled->cluster_index = 0;
    commit_event(coupled);
    hor_master_core_reached(core, "/c", true);
    command("w1", "recouple", NULL, "/c", &answer, &err);
    ok(answer.kind == HOR_MASTER_REFUSED, "refused: %s", answer.text);
    hor_master_core_reached(core, "/c", false);
    ok(!hor_master_core_is_anew(core, "/c"), "nobody decided yet");
    char *started = hor_strdup(order_at("2026-11-24", "/at12", "2026-11-24T12:00:00Z"));
    held[0] = hor_strdup(order_at("2026-11-24", "/at13", "2026-11-24T13:00:00Z"));
    commit_event(theirs(HOR_EVENT_ORDER_STARTED, started, 5, NULL));
    command("w2", "recouple", NULL, "/c", &answer, &err);
    ok(answer.kind == HOR_MASTER_DONE && hor_master_core_is_anew(core, "/c"), "decided");
    same_state("recouple");
    struct hor_master_cluster cluster;
    hor_master_core_cluster(core, "/c", &cluster);
    ok(cluster.run_id == NULL && cluster.cursor == 0, "its journal is forgotten");
    hor_master_core_recoupled(core, "/c", held, 1, now, collect, &e);
    commit(&e);
    is(state_of(started), "failedFinally", "what had started and is lost is told, and not run again");
    is_int(forward(100), 4, "what had not started goes there again, unless it is there");
    same_state("recoupled");
    free(started);
    free(held[0]);
}

static const char *where_of(const char *id)
{
    struct hor_master_order order = {0};
    return hor_master_core_order(core, id, &order) == HOR_OK ? order.where : "";
}

/* Another member became active: what its predecessor handed over is not certain. */
static void test_compare(void)
{
    static struct emitted e;
    int64_t now = utc("2026-11-24T10:00:00Z"), late = utc("2026-11-24T13:30:00Z");
    struct hor_master_answer answer;
    struct hor_error err = {0};
    struct hor_event *coupled = hor_event_new(HOR_EVENT_CLUSTER_COUPLED, now);
    size_t pos = 0;
    begin();
    deploy(first_release, 1, now);
    settle(now);
    char *there = hor_strdup(order_at("2026-11-24", "/at12", "2026-11-24T12:00:00Z"));
    char *here = hor_strdup(order_at("2026-11-24", "/at13", "2026-11-24T13:00:00Z"));
    char *held[] = {there, here};
    hor_event_set(&coupled->cluster, "/c");
    hor_event_set(&coupled->run_id, "run-1");
    commit_event(coupled);
    hor_master_core_lead(core);
    is_int(settle(late), 0, "nothing is missed while it is not certain which orders the cluster has");
    command("w1", "cancel", here, NULL, &answer, &err);
    is_int(answer.kind, HOR_MASTER_REMOTE, "and a command waits");
    is(state_of(here), "planned", "nothing was done here");
    hor_master_core_compare(core, "/c", held, 1, now, collect, &e);
    is_int((long long)e.count, 1, "the cluster tells which it has: one");
    commit(&e);
    is(where_of(there), "agents", "that one is there after all");
    is(where_of(here), "master", "the other one is here");
    same_state("compared");
    hor_master_core_reached(core, "/c", true);
    is_int(hor_master_core_compare(core, "/c", held, 2, now, collect, &e) == HOR_OK ? (long long)e.count : -1,
           0, "once it is certain nothing is compared");
    bool was_here = false;
    hor_master_core_command_here(core, "w1", now, collect, &e, &was_here);
    commit(&e);
    ok(was_here && strcmp(state_of(here), "cancelled") == 0,
       "the command that waited is carried out here when the cluster knows nothing of the order");
    ok(hor_master_core_waiting(core, NULL, &pos) == NULL, "and waits no more");
    hor_master_core_unsettled(core, "/c");
    hor_master_core_compare(core, "/c", held, 2, now, collect, &e);
    ok(e.count == 1 && e.events[0]->type == HOR_EVENT_COMMAND_RECEIVED &&
           strcmp(e.events[0]->action, "cancel") == 0 && strcmp(e.events[0]->order, here) == 0,
       "an order that ended here and arrived there nevertheless is taken back");
    commit(&e);
    same_state("taken back");
    free(there);
    free(here);
}

static void test_switch_and_revoke(void)
{
    static struct emitted e;
    int64_t now = utc("2026-11-24T10:00:00Z");
    struct hor_master_answer answer;
    struct hor_error err = {0};
    size_t pos = 0;
    begin();
    deploy(first_release, 1, now);
    settle(now);
    forward(100);
    ok(hor_master_core_preferred(core) == NULL, "at first no member is preferred");
    struct hor_master_command to = {.id = "s1", .action = "switch", .agent = "m2", .actor = "anna",
                                    .start_at = HOR_EVENT_NONE, .priority = HOR_EVENT_NONE};
    hor_master_core_command(core, &to, now, collect, &e, &answer, &err);
    commit(&e);
    ok(answer.kind == HOR_MASTER_DONE && hor_str_equal(hor_master_core_preferred(core), "m2"),
       "the member that a person switched to is");
    same_state("switched");
    command("w1", "cancel", order_at("2026-11-24", "/at12", "2026-11-24T12:00:00Z"), NULL, &answer, &err);
    is_int(answer.kind, HOR_MASTER_REMOTE, "a command waits for its cluster");
    same_state("waiting");
    struct hor_master_command revoke = {.id = "r1", .action = "revoke", .command = "w1", .actor = "anna",
                                        .start_at = HOR_EVENT_NONE, .priority = HOR_EVENT_NONE};
    hor_master_core_command_sent(core, "w1", true);
    hor_master_core_command(core, &revoke, now, collect, &e, &answer, &err);
    commit(&e);
    is_int(answer.kind, HOR_MASTER_REFUSED, "one that was sent is not taken back: who knows what became of it");
    hor_master_core_command_sent(core, "w1", false);
    revoke.id = "r2";
    hor_master_core_command(core, &revoke, now, collect, &e, &answer, &err);
    commit(&e);
    ok(answer.kind == HOR_MASTER_DONE && hor_master_core_waiting(core, NULL, &pos) == NULL,
       "one that was not is");
    same_state("revoked");
}

static void test_missed(const char *rule, const char *expected)
{
    char schedule[400];
    snprintf(schedule, sizeof schedule,
             "<schedule chain='/eod'><every interval='PT1H' from='12:00' to='14:00'/>%s</schedule>",
             rule);
    const char *const documents[] = {COMMON, "s.schedule.xml", schedule, NULL};
    int64_t now = utc("2026-11-24T10:00:00Z");
    char got[200] = "";
    begin();
    deploy(documents, 1, now);
    settle(now);
    hor_master_core_reached(core, "/c", true);
    is_int(settle(utc("2026-11-24T14:30:00Z")), 0, "nothing is missed while the cluster is reached");
    hor_master_core_reached(core, "/c", false);
    settle(utc("2026-11-24T14:31:00Z"));
    for (int hour = 12; hour <= 14; hour++) {
        char at[40];
        snprintf(at, sizeof at, "2026-11-24T%d:00:00Z", hour);
        strcat(strcat(got, hour > 12 ? " " : ""), state_of(order_at("2026-11-24", "/s", at)));
    }
    is(got, expected, "missed %s", rule);
    same_state("missed");
}

/* Masters that were away for days plan what was due then, and the rule decides. */
static void test_away(void)
{
    begin();
    deploy(first_release, 1, utc("2026-11-20T10:00:00Z"));
    settle(utc("2026-11-20T10:00:00Z"));
    hor_master_core_lead(core);
    hor_master_core_reached(core, "/c", true);
    settle(utc("2026-11-27T10:00:00Z"));
    is(state_of(order_at("2026-11-24", "/at12", "2026-11-24T12:00:00Z")), "missed",
       "a day on which no Master ran is planned afterwards, and its starts are missed");
    is(state_of(order_at("2026-11-26", "/at12", "2026-11-26T12:00:00Z")), "planned",
       "but for the last start of the schedule");
    is_int(count_type(HOR_EVENT_ORDER_ENDED, "missed"), 2 * 4 - 2,
           "of the days that nobody had planned whatever was not the last is told at once");
    hor_master_core_reached(core, "/c", false);
    settle(utc("2026-11-27T10:01:00Z"));
    is_int(count_type(HOR_EVENT_ORDER_ENDED, "missed"), 2 * 7 - 2, "and those that had been planned in time, when they cannot go");
    same_state("away");
}

static void test_snapshot_refusals(void)
{
    static const char *const bad[] = {"<masterState>\n<orderAdded/>\n</masterState>",
                                      "<masterState>\n<nonsense/>\n</masterState>",
                                      "<masterState>\n<planMade\n</masterState>",
                                      "<masterState>\n<commandDone/>\n</masterState>"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hor_error err = {0};
        struct hor_master_core *other = NULL;
        hor_master_core_new("main", 2, &other, NULL);
        ok(hor_master_core_restore(other, bad[i], strlen(bad[i]), &err) == HOR_ERR_CORRUPT,
           "a damaged state is refused: %s", err.text);
        hor_master_core_free(other);
    }
}

int main(void)
{
    test_plan();
    test_half_a_plan();
    test_replan();
    test_orders();
    test_commands();
    test_recouple();
    test_compare();
    test_switch_and_revoke();
    test_missed("", "missed missed planned");
    test_missed("<missed action='run'/>", "planned planned planned");
    test_missed("<missed action='skip'/>", "missed missed missed");
    test_missed("<missed action='run' within='PT2H'/>", "missed planned planned");
    test_away();
    test_snapshot_refusals();
    begin();
    hor_master_core_free(core);
    return done_testing();
}
