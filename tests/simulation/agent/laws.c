/* The laws of an agent cluster, held against one journal: the first commit of each entry. */
#include "lib/base/str.h"
#include "tests/simulation/agent/sim.h"

/* ---- the journal ---- */

static void note_event(const struct hor_event *event)
{
    struct sim *s = sim;
    switch (event->type) {
    case HOR_EVENT_ORDER_ENDED:
        for (unsigned i = 0; i < s->order_count; i++)
            if (strcmp(s->orders[i].id, event->order) == 0 && s->orders[i].ends++ > 0)
                world_law(&s->world, "order %s ends twice", event->order);
        s->t.ends++;
        break;
    case HOR_EVENT_MEMBER_CHANGED:
        for (unsigned i = 0; i < s->members; i++)
            if (strcmp(s->hosts[i].name, event->agent) == 0)
                s->lost[i] = strcmp(event->state, "lost") == 0;
        s->t.losses += strcmp(event->state, "lost") == 0;
        world_note(&s->world, "journal: %s is %s", event->agent, event->state);
        break;
    case HOR_EVENT_TASK_ASSIGNED:
        world_note(&s->world, "journal %" PRIu64 ": %s for %s", event->index, event->task,
                   event->agent);
        break;
    case HOR_EVENT_TASK_IN_DOUBT:
        s->t.doubts++;
        world_note(&s->world, "journal: %s in doubt: %s", event->task, event->cause);
        break;
    case HOR_EVENT_TASK_ENDED:
        s->t.restarts += hor_str_equal(event->action, "restart");
        world_note(&s->world, "journal: %s ended, %s %s %s", event->task, event->outcome,
                   event->action != NULL ? event->action : "", event->cause != NULL ? event->cause : "");
        break;
    default:
        break;
    }
}

/* A member applied an entry: it is the one that all others apply there. */
void sim_law_committed(struct hor_loop *host, uint64_t index, struct blob *blob)
{
    struct sim *s = sim;
    if (index <= s->committed_count) {
        const struct blob *first = s->committed[index];
        if (first->term != blob->term || first->len != blob->len ||
            memcmp(first->xml, blob->xml, blob->len) != 0)
            world_law(&s->world, "%s applies another entry %" PRIu64 " than others", host->name,
                      index);
        return;
    }
    if (index != s->committed_count + 1) {
        world_law(&s->world, "%s applies entry %" PRIu64 " out of order", host->name, index);
        return;
    }
    blob->refs++;
    s->committed[++s->committed_count] = blob;
    if (hor_journal_kind_of(blob->xml, blob->len) != HOR_JOURNAL_EVENT)
        return;
    struct hor_event *event = NULL;
    struct hor_error err;
    if (hor_event_read(blob->xml, blob->len, &event, &err) < 0) {
        world_law(&s->world, "entry %" PRIu64 " cannot be read: %s", index, err.text);
        return;
    }
    event->index = index;
    event->at_us = blob->at_us;
    note_event(event);
    hor_core_apply(s->oracle, event);
    hor_event_free(event);
}

/* ---- processes ---- */

static size_t node_len(const char *task) { return (size_t)(strrchr(task, ':') - task) + 1; }

/* A process begins. It was decided, for this member, nobody gave it up since, and it is the first. */
void sim_law_start(struct hor_loop *host, const struct record *record)
{
    struct sim *s = sim;
    struct world *world = &s->world;
    const char *task = record->task;
    char wanted[HOR_CORE_NAME_BYTES + 20], agent[30];
    struct hor_core_task_view view;
    world_note(world, "%s starts %s, fence %" PRIu64, host->name, task, record->fence);
    for (unsigned i = 0; i < s->start_count; i++) {
        const struct start *start = &s->starts[i];
        if (start->fence == record->fence && strcmp(start->task, task) == 0)
            world_law(world, "%s starts %s (fence %" PRIu64 "), which %s has started before",
                      host->name, task, record->fence, s->hosts[start->host].name);
        else if (start->live && strncmp(start->task, task, node_len(task)) == 0)
            world_law(world, "%s starts %s while %s of the same node runs on %s", host->name, task,
                      start->task, s->hosts[start->host].name);
    }
    snprintf(wanted, sizeof wanted, "task=\"%s\"", task);
    snprintf(agent, sizeof agent, "agent=\"%s\"", host->name);
    if (record->fence == 0 || record->fence > s->committed_count ||
        strstr(s->committed[record->fence]->xml, "<taskAssigned") == NULL ||
        strstr(s->committed[record->fence]->xml, wanted) == NULL ||
        strstr(s->committed[record->fence]->xml, agent) == NULL)
        world_law(world, "%s starts %s, which the journal has not given it", host->name, task);
    if (s->lost[host->number] && (host->agent == NULL || !host->agent->leader))
        world_law(world, "%s starts %s although the journal says that it is lost", host->name, task);
    if (hor_core_task(s->oracle, task, &view) < 0 || view.fence != record->fence)
        world_law(world, "%s starts %s, which the cluster has given up", host->name, task);
    else if (strcmp(view.state, "assigned") != 0 && strcmp(view.state, "inDoubt") != 0)
        world_law(world, "%s starts %s, which is %s already", host->name, task, view.state);
    if (s->start_count == STARTS_MAX) {
        world_law(world, "more than %d starts", STARTS_MAX);
        return;
    }
    struct start *start = &s->starts[s->start_count++];
    *start = (struct start){.fence = record->fence, .host = host->number, .live = true};
    snprintf(start->task, sizeof start->task, "%s", task);
    s->t.starts++;
}

void sim_law_stop(struct hor_loop *host, const struct record *record)
{
    for (unsigned i = sim->start_count; i-- > 0;) {
        struct start *start = &sim->starts[i];
        if (start->host == host->number && start->fence == record->fence &&
            strcmp(start->task, record->task) == 0)
            start->live = false;
    }
}

/* ---- states ---- */

static void compare_state(struct hor_loop *host)
{
    struct hor_buf here = HOR_BUF_INIT, there = HOR_BUF_INIT;
    hor_core_snapshot(sim->oracle, &there);
    hor_core_snapshot(host->agent->core, &here);
    if (here.len != there.len || memcmp(here.data, there.data, here.len) != 0) {
        world_law(&sim->world, "%s has another state at %" PRIu64 " than the journal gives",
                  host->name, sim->committed_count);
        if (getenv("SIM_STATES") != NULL)
            fprintf(stderr, "journal: %s\n%s: %s\n", hor_buf_text(&there), host->name,
                    hor_buf_text(&here));
    }
    hor_buf_done(&here);
    hor_buf_done(&there);
}

static uint64_t applied(const struct hor_loop *host)
{
    struct hor_cluster_status status;
    hor_cluster_get_status(host->agent->cluster, &status);
    return status.applied_index;
}

/* The same events give the same bytes, from replays and snapshots as well. */
void sim_law_states(void)
{
    for (unsigned i = 0; i < sim->members; i++) {
        struct hor_loop *host = &sim->hosts[i];
        if (host->agent != NULL && applied(host) == sim->committed_count)
            compare_state(host);
        if (host->ended)
            world_law(&sim->world, "%s: the agent ends by itself", host->name);
    }
}

static void count_obstacle(const struct hor_core_obstacle *obstacle, void *ctx)
{
    *(unsigned *)ctx += obstacle->text != NULL && obstacle->text[0] != '\0';
}

static void order_is_settled(const struct order *order)
{
    struct world *world = &sim->world;
    struct hor_core_order_view view;
    unsigned reasons = 0;
    if (!order->acknowledged) {
        world_law(world, "order %s was never accepted", order->id);
        return;
    }
    if (hor_core_order(sim->oracle, order->id, UTC_START_US + world->now_ms * 1000, &view) < 0) {
        world_law(world, "order %s was acknowledged and is lost", order->id);
        return;
    }
    if (order->ends == 1)
        return;
    hor_core_obstacles(sim->oracle, order->id, UTC_START_US + world->now_ms * 1000, count_obstacle,
                       &reasons, NULL);
    sim->t.waits++;
    if (strcmp(view.state, "failed") != 0 && strcmp(view.state, "suspended") != 0 &&
        strcmp(view.state, "inDoubt") != 0)
        world_law(world, "order %s is still %s", order->id, view.state);
    else if (reasons == 0)
        world_law(world, "order %s is %s and nothing says why", order->id, view.state);
}

bool sim_settled(void)
{
    for (unsigned i = 0; i < sim->order_count; i++) {
        struct hor_core_order_view view;
        if (!sim->orders[i].acknowledged ||
            hor_core_order(sim->oracle, sim->orders[i].id,
                           UTC_START_US + sim->world.now_ms * 1000, &view) < 0 ||
            (sim->orders[i].ends == 0 && strcmp(view.state, "failed") != 0 &&
             strcmp(view.state, "suspended") != 0))
            return false;
    }
    for (unsigned i = 0; i < sim->start_count; i++)
        if (sim->starts[i].live)
            return false;
    for (unsigned i = 0; i < sim->members; i++)
        if (sim->hosts[i].agent == NULL || applied(&sim->hosts[i]) != sim->committed_count)
            return false;
    return true;
}

/* The faults are over and everything had its time. */
void sim_law_end(void)
{
    unsigned leaders = 0;
    for (unsigned i = 0; i < sim->members; i++) {
        const struct hor_agent *agent = sim->hosts[i].agent;
        if (agent != NULL)
            world_note(&sim->world, "%s: %s, runner %s, lease %" PRId64 " ms, %zu to launch",
                       agent->name, agent->leader ? "leads" : "follows",
                       agent->runner_connected ? "here" : "away",
                       agent->lease_end_ms - sim_monotonic_ms(&sim->hosts[i]), agent->launch_count);
    }
    for (unsigned i = 0; i < sim->members; i++) {
        struct hor_loop *host = &sim->hosts[i];
        leaders += host->agent != NULL && host->agent->leader;
        if (host->agent == NULL || applied(host) != sim->committed_count)
            world_law(&sim->world, "%s did not catch up", host->name);
    }
    if (leaders != 1)
        world_law(&sim->world, "%u leaders at the end", leaders);
    for (unsigned i = 0; i < sim->start_count; i++)
        if (sim->starts[i].live)
            world_law(&sim->world, "%s still runs", sim->starts[i].task);
    for (unsigned i = 0; i < sim->order_count; i++)
        order_is_settled(&sim->orders[i]);
    sim_law_states();
}
