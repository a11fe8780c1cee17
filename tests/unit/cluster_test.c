/* lib/cluster: one member, and three in one process over a network that loses messages. */
#include "lib/cluster/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/cluster/exchange.h"
#include "lib/journal/identity.h"
#include "tests/lib/tap.h"

enum { MEMBERS = 4 };

struct net;
struct node {
    struct net *net;
    uint64_t id;
    struct hor_cluster *cluster; /* NULL: stopped */
    char directory[512];
    bool leader;
    unsigned led, lost;
    uint64_t applied, index, restored;
    uint64_t sum; /* over what was applied, in order */
    char run_id[64];
};

struct net {
    struct hor_loop *loop;
    struct node nodes[MEMBERS + 1];
    struct hor_cluster_member members[MEMBERS];
    unsigned count, loss_percent, random;
    uint64_t cut; /* this member hears and says nothing */
    uint64_t snapshot_every;
    bool joins, fatal_wanted;
    unsigned fatal;
    char refusal[300];
    int64_t election_ms;
    bool (*until)(struct net *net);
    bool timed_out;
    unsigned done, failed;
};

static void on_apply(const struct hor_event *event, void *ctx)
{
    struct node *node = ctx;
    if (event->index != node->index + 1 && node->index != 0 && event->index <= node->index)
        node->sum = 0; /* out of order: never equal to the others again */
    node->index = event->index;
    if (event->type == HOR_EVENT_CLUSTER_STARTED)
        snprintf(node->run_id, sizeof node->run_id, "%s", event->run_id);
    else
        node->applied++;
    for (const char *c = event->order; c != NULL && *c != '\0'; c++)
        node->sum = node->sum * 31 + (unsigned char)*c;
}

static int on_snapshot(struct hor_buf *out, void *ctx)
{
    const struct node *node = ctx;
    hor_buf_printf(out, "<test applied=\"%" PRIu64 "\" sum=\"%" PRIu64 "\" index=\"%" PRIu64 "\"/>",
                   node->applied, node->sum, node->index);
    return HOR_OK;
}

static int on_restore(const char *xml, size_t len, void *ctx, struct hor_error *err)
{
    struct node *node = ctx;
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)len, xml);
    if (sscanf(text, "<test applied=\"%" SCNu64 "\" sum=\"%" SCNu64 "\" index=\"%" SCNu64,
               &node->applied, &node->sum, &node->index) != 3)
        return hor_error_set(err, HOR_ERR_CORRUPT, "not our snapshot: %s", text);
    node->restored++;
    return HOR_OK;
}

static void check(struct net *net)
{
    if (net->until != NULL && net->until(net))
        hor_loop_stop(net->loop);
}

static void on_applied(uint64_t index, void *ctx)
{
    (void)index;
    check(((struct node *)ctx)->net);
}

static void on_role(bool leader, uint64_t leader_id, uint64_t term, void *ctx)
{
    struct node *node = ctx;
    (void)leader_id;
    (void)term;
    node->led += leader && !node->leader;
    node->lost += !leader && node->leader;
    node->leader = leader;
    check(node->net);
}

static void on_fatal(const struct hor_error *err, void *ctx)
{
    struct net *net = ((struct node *)ctx)->net;
    diag("member %d: fatal: %s", (int)((struct node *)ctx)->id, err->text);
    net->fatal++;
    if (!net->fatal_wanted)
        ok(false, "nothing is fatal here");
    hor_loop_stop(net->loop);
}

struct letter {
    struct net *net;
    uint64_t to, from;
    size_t len;
    char text[];
};

static void arrive(void *ctx)
{
    struct letter *letter = ctx;
    struct node *node = letter->net->nodes;
    struct hor_error err;
    while (node <= &letter->net->nodes[MEMBERS] && node->id != letter->to)
        node++; /* ids differ from places when members come and go */
    if (node <= &letter->net->nodes[MEMBERS] && node->cluster != NULL &&
        letter->net->cut != letter->to) {
        int rc = hor_cluster_receive(node->cluster, letter->text, letter->len, &err);
        for (unsigned i = 1; rc == HOR_ERR_CONFLICT && i <= MEMBERS; i++)
            if (letter->net->nodes[i].id == letter->from && letter->net->nodes[i].cluster != NULL)
                hor_cluster_refused(letter->net->nodes[i].cluster);
        if (rc != HOR_OK) {
            snprintf(letter->net->refusal, sizeof letter->net->refusal, "%.299s", err.text);
            check(letter->net);
        }
    }
    free(letter);
}

static void on_send(uint64_t to, const char *exchange, size_t len, void *ctx)
{
    struct node *node = ctx;
    struct net *net = node->net;
    struct letter *letter;
    net->random = net->random * 1103515245 + 12345;
    if (net->cut == node->id || (net->random >> 16) % 100 < net->loss_percent)
        return;
    letter = malloc(sizeof *letter + len);
    letter->net = net;
    letter->to = to;
    letter->from = node->id;
    letter->len = len;
    memcpy(letter->text, exchange, len);
    hor_loop_post(net->loop, arrive, letter);
}

static const struct hor_cluster_ops ops = {.apply = on_apply, .applied = on_applied,
                                           .snapshot = on_snapshot, .restore = on_restore,
                                           .role = on_role, .send = on_send, .fatal = on_fatal};

static int start_node(struct net *net, uint64_t place, struct hor_error *err)
{
    struct node *node = &net->nodes[place];
    struct hor_cluster_settings settings = {
        .cluster = "/clusters/etl", .directory = node->directory, .self = node->id,
        .joins = net->joins, .incarnation = 1, .members = net->members, .member_count = net->count, .heartbeat_ms = 20,
        .election_ms = net->election_ms, .snapshot_every = net->snapshot_every,
        .segment_bytes = 16384};
    node->applied = node->sum = node->index = 0;
    node->leader = false;
    return hor_cluster_open(net->loop, &settings, &ops, node, &node->cluster, err);
}

static void stop_node(struct net *net, uint64_t id)
{
    hor_cluster_close(net->nodes[id].cluster);
    net->nodes[id].cluster = NULL;
    net->nodes[id].leader = false;
}

static void net_init(struct net *net, unsigned count)
{
    static unsigned number;
    static const char *const names[] = {"a1", "a2", "a3", "a4"};
    memset(net, 0, sizeof *net);
    net->loop = hor_loop_new();
    net->count = count;
    net->random = 4711;
    net->election_ms = 150;
    number++;
    for (unsigned i = 0; i < count; i++) {
        struct node *node = &net->nodes[i + 1];
        net->members[i] = (struct hor_cluster_member){.id = i + 1, .name = names[i],
                                                      .url = "https://127.0.0.1:4451"};
        node->net = net;
        node->id = i + 1;
        snprintf(node->directory, sizeof node->directory, "%s/net%u/%s", hor_tap_tmpdir(), number,
                 names[i]);
    }
}

static void net_done(struct net *net)
{
    for (unsigned i = 1; i <= net->count; i++)
        stop_node(net, i);
    net->until = NULL;
    struct hor_error err;
    hor_loop_post(net->loop, (hor_loop_fn *)hor_loop_stop, net->loop);
    hor_loop_run(net->loop, &err); /* what was on its way is freed */
    hor_loop_free(net->loop);
}

static void give_up(void *ctx)
{
    struct net *net = ctx;
    net->timed_out = true;
    hor_loop_stop(net->loop);
}

/* Runs until the condition holds; false after 20 seconds. */
static bool run_until(struct net *net, bool (*until)(struct net *net))
{
    struct hor_error err;
    struct hor_timer *timer = hor_timer_new(net->loop, give_up, net);
    net->until = until;
    net->timed_out = false;
    hor_timer_start(timer, 20000);
    if (!until(net))
        hor_loop_run(net->loop, &err);
    hor_timer_free(timer);
    net->until = NULL;
    return !net->timed_out;
}

static struct node *leader_of(struct net *net)
{
    for (unsigned i = 1; i <= net->count; i++)
        if (net->nodes[i].cluster != NULL && net->nodes[i].leader && net->cut != i)
            return &net->nodes[i];
    return NULL;
}

static bool has_leader(struct net *net) { return leader_of(net) != NULL; }

static void on_done(int code, uint64_t index, void *ctx)
{
    struct net *net = ctx;
    (void)index;
    if (code == HOR_OK)
        net->done++;
    else
        net->failed++;
    check(net);
}

static unsigned serial;
static int submit(struct net *net, unsigned count, struct hor_error *err)
{
    struct hor_event *events[512];
    struct node *leader = leader_of(net);
    int rc;
    for (unsigned i = 0; i < count; i++) {
        char order[64];
        snprintf(order, sizeof order, "eod-%u", serial++);
        events[i] = hor_event_new(HOR_EVENT_ORDER_STARTED, hor_clock_utc_us());
        hor_event_set(&events[i]->order, order);
    }
    rc = leader != NULL ? hor_cluster_submit(leader->cluster, events, count, on_done, net, err)
                        : HOR_ERR_NOT_ACTIVE;
    for (unsigned i = 0; rc != HOR_OK && i < count; i++)
        hor_event_free(events[i]);
    return rc;
}

static unsigned wanted_done;
static bool all_done(struct net *net) { return net->done + net->failed >= wanted_done; }

/* All running members have the same state as the leader. */
static bool same_state(struct net *net)
{
    struct node *leader = leader_of(net);
    if (leader == NULL)
        return false;
    for (unsigned i = 1; i <= net->count; i++)
        if (net->nodes[i].cluster != NULL && (net->nodes[i].sum != leader->sum ||
                                              net->nodes[i].applied != leader->applied))
            return false;
    return true;
}

static bool collect(const struct hor_event *event, void *ctx)
{
    uint64_t *last = ctx;
    if (event->index <= *last)
        return false;
    *last = event->index;
    return true;
}

static void test_alone(void)
{
    struct net net;
    struct hor_error err;
    struct hor_cluster_status status;
    uint64_t sum, applied, position, last = 0;
    char run_id[64];
    net_init(&net, 1);
    net.snapshot_every = 200;
    ok(start_node(&net, 1, &err) == HOR_OK, "a new cluster of one opens");
    ok(submit(&net, 1, &err) == HOR_ERR_NOT_ACTIVE, "nobody leads before the loop runs");
    ok(run_until(&net, has_leader), "it leads by itself");
    hor_cluster_get_status(net.nodes[1].cluster, &status);
    ok(status.leader && status.leader_id == 1 && strlen(status.run_id) == 36,
       "it says so, and has a run id");
    snprintf(run_id, sizeof run_id, "%s", status.run_id);
    for (unsigned i = 0; i < 100; i++)
        ok(submit(&net, 5, &err) == HOR_OK || (diag("%s", err.text), false), "submit %u", i);
    wanted_done = 100;
    ok(run_until(&net, all_done) && net.failed == 0, "all are committed");
    is_int(net.nodes[1].applied, 500, "and applied, each once");
    ok(hor_cluster_read(net.nodes[1].cluster, 0, 1000, collect, &last, &position, &err) == HOR_OK,
       "a consumer reads them");
    is_int(last, 503, "to the last"); /* one entry notes whose folder it is */
    last = 0;
    hor_cluster_read(net.nodes[1].cluster, 0, 10, collect, &last, &position, &err);
    ok(last == 12 && position == 12, "or some of them");
    sum = net.nodes[1].sum;
    applied = net.nodes[1].applied;
    hor_cluster_get_status(net.nodes[1].cluster, &status);
    struct node second = net.nodes[1];
    ok(start_node(&net, 1, &err) == HOR_ERR_BUSY, "a second process is refused: %s", err.text);
    net.nodes[1].cluster = second.cluster;
    stop_node(&net, 1);
    ok(start_node(&net, 1, &err) == HOR_OK, "it opens again");
    ok(net.nodes[1].sum == sum && net.nodes[1].applied == applied,
       "and replay gives the state that was (before open returns)");
    ok(net.nodes[1].restored > 0, "beginning with a snapshot");
    ok(run_until(&net, has_leader), "and leads again");
    hor_cluster_get_status(net.nodes[1].cluster, &status);
    is(status.run_id, run_id, "the run id stays");
    last = 0;
    ok(hor_cluster_read(net.nodes[1].cluster, 100, 1000, collect, &last, &position, &err) ==
               HOR_OK && last == 503,
       "what is before the snapshot can still be read");
    wanted_done = 101;
    ok(submit(&net, 300, &err) == HOR_OK && run_until(&net, all_done), "and goes on");
    struct net other;
    net_init(&other, 1);
    stop_node(&net, 1);
    snprintf(other.nodes[1].directory, sizeof other.nodes[1].directory, "%s",
             net.nodes[1].directory);
    other.members[0].name = "b7";
    ok(start_node(&other, 1, &err) == HOR_ERR_INVALID, "another member is refused");
    like(err.text, "belongs to member 'a1'", "with the reason");
    net_done(&other);
    net_done(&net);
}

static bool others_follow(struct net *net) { return same_state(net); }

static void test_three(unsigned loss_percent)
{
    struct net net;
    struct hor_error err;
    struct node *leader, *old;
    net_init(&net, 3);
    net.loss_percent = loss_percent;
    net.snapshot_every = 1000000;
    for (unsigned i = 1; i <= 3; i++)
        if (start_node(&net, i, &err) != HOR_OK)
            diag("%s", err.text);
    ok(run_until(&net, has_leader), "three members elect a leader (%u %% lost)", loss_percent);
    wanted_done = 40;
    for (unsigned i = 0; i < 40; i++)
        submit(&net, 5, &err);
    ok(run_until(&net, all_done), "the leader answers");
    ok(run_until(&net, others_follow), "all members have the same state");
    ok(net.nodes[1].run_id[0] != '\0' && strcmp(net.nodes[1].run_id, net.nodes[2].run_id) == 0,
       "and the same run id");
    old = leader_of(&net);
    stop_node(&net, old->id);
    ok(run_until(&net, has_leader), "the leader stops, another takes over");
    leader = leader_of(&net);
    ok(leader != NULL && leader->applied >= 5u * net.done, "it has all that was acknowledged");
    net.done = net.failed = 0;
    wanted_done = 200;
    for (unsigned i = 0; i < 200; i++)
        submit(&net, 5, &err);
    ok(run_until(&net, all_done), "and goes on with two");
    ok(start_node(&net, old->id, &err) == HOR_OK, "the old leader comes back");
    ok(run_until(&net, others_follow), "and catches up by entries");
    is_int(net.nodes[old->id].restored, 0, "not by a snapshot");
    net_done(&net);
}

static void test_snapshot(void)
{
    struct net net;
    struct hor_error err;
    unsigned behind;
    net_init(&net, 3);
    net.snapshot_every = 3000;
    for (unsigned i = 1; i <= 3; i++)
        start_node(&net, i, &err);
    ok(run_until(&net, has_leader), "three members with snapshots");
    behind = leader_of(&net)->id == 3 ? 2 : 3;
    stop_node(&net, behind);
    for (unsigned round = 0; round < 60; round++) {
        net.done = net.failed = 0;
        wanted_done = 1;
        while (submit(&net, 500, &err) != HOR_OK)
            if (!run_until(&net, has_leader))
                break;
        if (!run_until(&net, all_done))
            break;
    }
    struct node *leader = leader_of(&net);
    ok(leader != NULL && leader->applied >= 30000, "30,000 entries while one is away");
    for (unsigned i = 1; i <= 3; i++)
        if (net.nodes[i].cluster != NULL)
            hor_cluster_release(net.nodes[i].cluster, 1000000);
    ok(start_node(&net, behind, &err) == HOR_OK, "it comes back");
    ok(run_until(&net, others_follow), "and catches up");
    ok(net.nodes[behind].restored > 0, "by a snapshot");
    uint64_t sum = net.nodes[behind].sum;
    stop_node(&net, behind);
    ok(start_node(&net, behind, &err) == HOR_OK || (diag("%s", err.text), false),
       "what it got is a whole journal");
    ok(run_until(&net, others_follow) && net.nodes[behind].sum == sum, "with the same state");
    net_done(&net);
}

static struct node *cut_leader;
static bool new_leader(struct net *net)
{
    struct node *leader = leader_of(net);
    return leader != NULL && leader != cut_leader;
}
static bool is_followed(struct net *net)
{
    struct hor_cluster_status status;
    hor_cluster_get_status(leader_of(net)->cluster, &status);
    return status.majority_ms > 0 && status.majority_ms <= hor_clock_monotonic_ms();
}
static bool stepped_down(struct net *net)
{
    (void)net;
    return !cut_leader->leader;
}

static bool folders_are_known(struct net *net);
static void test_cut_off(void)
{
    struct net net;
    struct hor_error err;
    net_init(&net, 3);
    net.snapshot_every = 1000000;
    for (unsigned i = 1; i <= 3; i++)
        start_node(&net, i, &err);
    run_until(&net, has_leader);
    cut_leader = leader_of(&net);
    ok(submit(&net, 3, &err) == HOR_OK, "a leader takes events");
    net.cut = cut_leader->id;
    ok(run_until(&net, new_leader), "it is cut off, and another leads");
    ok(run_until(&net, stepped_down), "it steps down by itself");
    wanted_done = 1;
    ok(run_until(&net, all_done) && net.failed == 1, "what it had taken has an unknown outcome");
    net.done = net.failed = 0;
    submit(&net, 10, &err);
    ok(run_until(&net, all_done) && net.failed == 0, "the majority goes on");
    net.cut = 0;
    ok(run_until(&net, others_follow), "and the lost one joins again, without its leftovers");
    struct node *leader = leader_of(&net);
    uint64_t to = leader->id % 3 + 1;
    cut_leader = leader;
    ok(hor_cluster_transfer(leader->cluster, to, &err) == HOR_OK, "leadership is passed on");
    ok(run_until(&net, new_leader) && leader_of(&net)->id == to, "to whom it was meant for");
    ok(hor_cluster_receive(leader->cluster, "<exchange cluster=\"x\"/>", 23, &err) ==
           HOR_ERR_INVALID, "another cluster's exchange is refused");
    static const char old[] = "<exchange cluster=\"/clusters/etl\" incarnation=\"9\" from=\"1\" "
                              "to=\"2\" formatVersion=\"1\"></exchange>";
    ok(hor_cluster_receive(net.nodes[2].cluster, old, sizeof old - 1, &err) == HOR_ERR_CONFLICT,
       "another incarnation's too: %s", err.text);
    char foreign[300];
    struct hor_cluster_member_status known[MEMBERS];
    run_until(&net, folders_are_known);
    run_until(&net, same_state);
    hor_cluster_get_members(net.nodes[2].cluster, known, MEMBERS);
    snprintf(foreign, sizeof foreign, "<exchange cluster=\"/clusters/etl\" incarnation=\"1\" from=\"1\" "
             "to=\"2\" formatVersion=\"1\" folder=\"%s\"></exchange>", known[0].member.folder);
    ok(hor_cluster_receive_from(net.nodes[2].cluster, 3, foreign, strlen(foreign), &err) ==
           HOR_ERR_DENIED, "no member speaks for another: %s", err.text);
    struct hor_cluster_status status;
    net.done = net.failed = 0;
    submit(&net, 10, &err);
    ok(run_until(&net, all_done) && is_followed(&net), "a leader knows when it was followed last");
    hor_cluster_get_status(leader->cluster, &status);
    ok(status.majority_ms == 0, "and one that leads no longer does not");
    net_done(&net);
}

static void test_join(void)
{
    struct hor_exchange_head head = {.cluster = "/c", .incarnation = 1, .from = 1, .to = 2, .sent_at = 5};
    struct hor_raft_message message = {.kind = HOR_RAFT_APPEND_ENTRIES_RESULT, .term = 3};
    struct hor_buf one = HOR_BUF_INIT, two = HOR_BUF_INIT, other = HOR_BUF_INIT, both = HOR_BUF_INIT;
    hor_exchange_open(&head, &one);
    hor_exchange_message_open(&message, false, 0, 0, &one);
    hor_exchange_message_close(&one);
    hor_exchange_close(&one);
    head.sent_at = 6;
    head.echo = 7;
    message.term = 4;
    hor_exchange_open(&head, &two);
    hor_exchange_message_open(&message, false, 0, 0, &two);
    hor_exchange_message_close(&two);
    hor_exchange_close(&two);
    head.incarnation = 2;
    hor_exchange_open(&head, &other);
    hor_exchange_close(&other);
    hor_buf_add(&both, one.data, one.len);
    ok(hor_exchange_join(&both, two.data, two.len), "what waits for a member is joined");
    ok(strstr(both.data, "sentAt=\"5\"") != NULL && strstr(both.data, "sentAt=\"6\"") == NULL &&
           strstr(both.data, "term=\"3\"") < strstr(both.data, "term=\"4\"") &&
           strstr(both.data, "</exchange>") == both.data + both.len - strlen("</exchange>"),
       "in order, as one exchange with the times of the first");
    size_t len = both.len;
    ok(!hor_exchange_join(&both, other.data, other.len) && both.len == len,
       "what is of another incarnation stays apart");
    hor_buf_done(&one);
    hor_buf_done(&two);
    hor_buf_done(&other);
    hor_buf_done(&both);
}

static void test_witness(void)
{
    struct net net;
    struct hor_error err;
    net_init(&net, 3);
    net.members[0].witness = true;
    net.snapshot_every = 1000000;
    for (unsigned i = 1; i <= 3; i++)
        start_node(&net, i, &err);
    ok(run_until(&net, has_leader), "a cluster with a witness elects");
    for (unsigned round = 0; round < 3; round++) {
        stop_node(&net, leader_of(&net)->id);
        ok(run_until(&net, has_leader), "it goes on without one");
        for (unsigned i = 1; i <= 3; i++)
            if (net.nodes[i].cluster == NULL)
                start_node(&net, i, &err);
    }
    is_int(net.nodes[1].led, 0, "the witness never led");
    net_done(&net);
}

/* ---- members come and go ---- */

static uint64_t changed_id;
static int changed_code;
static char changed_text[300];
static void on_changed(int code, uint64_t id, const char *text, void *ctx)
{
    changed_code = code;
    changed_id = id;
    snprintf(changed_text, sizeof changed_text, "%s", text);
    check(ctx);
}

/* What the leader says: id and role of the newest member of this name, and how many vote. */
static const struct hor_cluster_member *member_named(struct net *net, const char *name,
                                                     unsigned *ret_voters)
{
    static struct hor_cluster_member_status list[31];
    struct node *leader = leader_of(net);
    unsigned count = leader != NULL ? hor_cluster_get_members(leader->cluster, list, 31) : 0;
    const struct hor_cluster_member *found = NULL;
    *ret_voters = 0;
    for (unsigned i = 0; i < count; i++) {
        *ret_voters += !list[i].member.standby;
        if (strcmp(list[i].member.name, name) == 0)
            found = &list[i].member;
    }
    return found;
}

static const char *wanted_name;
static unsigned wanted_voters;
static bool name_votes(struct net *net)
{
    unsigned voters;
    const struct hor_cluster_member *m = member_named(net, wanted_name, &voters);
    return m != NULL && !m->standby && m->folder[0] != '\0' && voters == wanted_voters &&
           same_state(net);
}
static bool name_is_gone(struct net *net)
{
    unsigned voters;
    return leader_of(net) != NULL && member_named(net, wanted_name, &voters) == NULL &&
           voters == wanted_voters;
}
static bool folders_are_known(struct net *net)
{
    unsigned voters;
    for (unsigned i = 1; i <= 3; i++) {
        const struct hor_cluster_member *m = member_named(net, net->members[i - 1].name, &voters);
        if (m == NULL || m->folder[0] == '\0')
            return false;
    }
    return true;
}
static bool change_ended(struct net *net)
{
    (void)net;
    return changed_code != 1;
}
static bool was_fatal(struct net *net) { return net->fatal > 0; }
static bool was_refused(struct net *net) { return strstr(net->refusal, "was removed") != NULL; }
static bool last_leads(struct net *net)
{
    return leader_of(net) == &net->nodes[4];
}

static void load(struct net *net, unsigned count)
{
    struct hor_error err;
    net->done = net->failed = 0;
    wanted_done = count;
    for (unsigned i = 0; i < count; i++)
        while (submit(net, 1, &err) == HOR_ERR_NOT_ACTIVE && run_until(net, has_leader))
            ;
    ok(run_until(net, all_done) && net->failed == 0, "%u events are committed", count);
}

/* As the cluster names them, for one that joins. */
static void begin_joining(struct net *net, unsigned place, uint64_t id)
{
    static struct hor_cluster_member_status list[31];
    static struct hor_cluster_member members[MEMBERS];
    static char names[MEMBERS][16];
    struct hor_error err;
    unsigned count = hor_cluster_get_members(leader_of(net)->cluster, list, 31), kept = net->count;
    for (unsigned i = 0; i < count && i < MEMBERS; i++) {
        members[i] = list[i].member;
        snprintf(names[i], sizeof names[i], "%s", members[i].name);
        members[i].name = names[i];
        members[i].url = "https://127.0.0.1:4451";
        members[i].folder = NULL;
    }
    memcpy(net->members, members, sizeof members);
    net->count = count;
    net->nodes[place].net = net;
    net->nodes[place].id = id;
    net->joins = true;
    ok(start_node(net, place, &err) == HOR_OK || (diag("%s", err.text), false),
       "it starts with nothing as member %d", (int)id);
    net->joins = false;
    net->count = kept;
}

static void test_members(void)
{
    struct net net;
    struct hor_error err;
    struct hor_cluster_remains remains;
    char aside[600];
    net_init(&net, 3);
    net.snapshot_every = 100;
    for (unsigned i = 1; i <= 3; i++)
        start_node(&net, i, &err);
    ok(run_until(&net, folders_are_known), "the cluster learns whose folders are whose");
    load(&net, 250);
    for (unsigned i = 1; i <= 3; i++)
        hor_cluster_release(net.nodes[i].cluster, 250);
    load(&net, 250);

    struct hor_cluster_member fourth = {.name = "a4", .url = "https://127.0.0.1:4452"};
    changed_code = 1;
    ok(hor_cluster_add(leader_of(&net)->cluster, &fourth, on_changed, &net, &err) == HOR_OK &&
           run_until(&net, change_ended) && changed_code == HOR_OK,
       "a member is added");
    is_int((long long)changed_id, 4, "it gets the next id");
    snprintf(net.nodes[4].directory, sizeof net.nodes[4].directory, "%s/fourth", hor_tap_tmpdir());
    begin_joining(&net, 4, 4);
    net.count = 4;
    wanted_name = "a4";
    wanted_voters = 4;
    ok(run_until(&net, name_votes), "it catches up and gets its vote");
    ok(net.nodes[4].restored > 0, "by a snapshot, since the beginning of the journal is gone");

    ok(hor_cluster_transfer(leader_of(&net)->cluster, 4, &err) == HOR_OK &&
           run_until(&net, last_leads), "it can lead");
    changed_code = 1;
    ok(hor_cluster_remove(leader_of(&net)->cluster, "a4", on_changed, &net, &err) == HOR_ERR_STATE,
       "who leads is not removed: %s", err.text);
    cut_leader = &net.nodes[4];
    ok(run_until(&net, new_leader), "but passes leadership on");
    load(&net, 20);
    wanted_name = "a1";
    wanted_voters = 3;
    changed_code = HOR_ERR_STATE;
    for (int i = 0; i < 10 && changed_code != HOR_OK; i++) {
        changed_code = 1;
        cut_leader = leader_of(&net);
        if (hor_cluster_remove(cut_leader->cluster, "a1", on_changed, &net, &err) == HOR_OK)
            run_until(&net, change_ended);
        else
            run_until(&net, new_leader); /* it leads: its successor is asked */
    }
    ok(changed_code == HOR_OK && run_until(&net, name_is_gone), "a member is removed %s",
       changed_text);
    ok(run_until(&net, was_refused), "and not heard any more: %s", net.refusal);
    stop_node(&net, 1);
    load(&net, 20);
    changed_code = 1;
    hor_cluster_remove(leader_of(&net)->cluster, leader_of(&net)->id == 2 ? "a3" : "a2", on_changed,
                       &net, &err);
    ok(run_until(&net, change_ended) && changed_code == HOR_ERR_INVALID, "three stay: %s",
       changed_text);

    /* The disk of one that does not lead is lost. */
    unsigned lost = leader_of(&net)->id == 2 ? 3 : 2;
    char name[8];
    snprintf(name, sizeof name, "a%u", lost);
    stop_node(&net, lost);
    ok(hor_journal_set_aside(net.nodes[lost].directory, aside, sizeof aside, &err) == HOR_OK,
       "%s loses its disk", name);
    net.fatal_wanted = true;
    err.text[0] = '\0';
    ok(start_node(&net, lost, &err) == HOR_OK && run_until(&net, was_fatal),
       "begun anew under the old id it ends itself %s", err.text);
    net.fatal_wanted = false;
    stop_node(&net, lost);
    struct hor_journal_identity identity;
    ok(hor_journal_identity_read(net.nodes[lost].directory, &identity, &err) == HOR_OK &&
           identity.abandoned && start_node(&net, lost, &err) == HOR_ERR_STATE,
       "and does not begin again: %s", err.text);
    ok(hor_journal_set_aside(net.nodes[lost].directory, aside, sizeof aside, &err) == HOR_OK,
       "so it is set aside");
    struct hor_cluster_member again = {.name = name, .url = "https://127.0.0.1:4453",
                                       .folder = "new-folder"};
    changed_code = 1;
    ok(hor_cluster_add(leader_of(&net)->cluster, &again, on_changed, &net, &err) == HOR_OK &&
           run_until(&net, change_ended) && changed_code == HOR_OK && changed_id == 5,
       "under a new id it may come back");
    identity = (struct hor_journal_identity){.folder = "new-folder", .member = 5};
    hor_dir_make(net.nodes[lost].directory, 0700, &err);
    hor_journal_identity_write(net.nodes[lost].directory, &identity, &err);
    begin_joining(&net, lost, 5);
    wanted_name = name;
    wanted_voters = 3;
    ok(run_until(&net, name_votes), "it votes, and the old one is gone");
    load(&net, 20);

    /* All but one are gone for good. */
    struct node *survivor = leader_of(&net);
    uint64_t sum = survivor->sum;
    for (unsigned i = 1; i <= 4; i++)
        if (net.nodes[i].cluster != NULL && &net.nodes[i] != survivor)
            stop_node(&net, i);
    ok(hor_cluster_look(survivor->directory, &remains, &err) == HOR_ERR_BUSY,
       "a running member is not forced");
    unsigned place = (unsigned)(survivor - net.nodes);
    stop_node(&net, place);
    ok(hor_cluster_look(survivor->directory, &remains, &err) == HOR_OK && remains.voters == 3 &&
           remains.incarnation == 1,
       "a stopped one shows what it has: entries to %d", (int)remains.last_index);
    ok(hor_cluster_force(survivor->directory, &remains, &err) == HOR_OK && remains.incarnation > 1,
       "it is made the beginning of a new incarnation");
    err.text[0] = '\0';
    ok(start_node(&net, place, &err) == HOR_OK && run_until(&net, has_leader) &&
           leader_of(&net) == survivor && survivor->sum == sum,
       "it leads alone, and has all that it had %s", err.text);
    load(&net, 20);
    hor_cluster_receive(survivor->cluster, "", 0, &err);
    char old[300];
    snprintf(old, sizeof old, "<exchange cluster=\"/clusters/etl\" incarnation=\"1\" from=\"5\" "
             "to=\"%d\" formatVersion=\"1\" folder=\"new-folder\"></exchange>", (int)survivor->id);
    ok(hor_cluster_receive(survivor->cluster, old, strlen(old), &err) == HOR_ERR_CONFLICT,
       "those of before are refused: %s", err.text);
    net_done(&net);
}

int main(void)
{
    test_members();
    test_alone();
    test_three(0);
    test_three(10);
    test_cut_off();
    test_snapshot();
    test_join();
    test_witness();
    return done_testing();
}
