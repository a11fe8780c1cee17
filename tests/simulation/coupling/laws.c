#include "tests/simulation/coupling/sim.h"

/* What the ledgers say of one order. */
struct order {
    int64_t due_us;
    bool added, forwarded, started;      /* the Master's own entries; agents' orderStarted */
    unsigned ends_master, ends_agents;   /* orderEnded in the Master's and in the agents' ledgers */
    char end_master[24], end_agents[24]; /* the state that they tell */
    int at;                              /* the cluster that took it; -1: none */
};

/* What the ledgers say of one request of a person. */
struct asked {
    unsigned added, received, done, received_there, done_there;
};

static struct hor_map *orders, *requests;
static uint64_t cursors[CLUSTERS]; /* index there of the last event in the Master's ledger */
static bool *stored[CLUSTERS];     /* by index: it is in the Master's ledger */
static size_t stored_room[CLUSTERS];
static uint64_t rows;

void sim_laws_open(void)
{
    orders = hor_map_new(free);
    requests = hor_map_new(free);
    rows = 0;
    for (unsigned c = 0; c < CLUSTERS; c++) {
        cursors[c] = 0;
        stored[c] = NULL;
        stored_room[c] = 0;
    }
}

void sim_laws_close(void)
{
    hor_map_free(orders);
    hor_map_free(requests);
    for (unsigned c = 0; c < CLUSTERS; c++)
        free(stored[c]);
}

static struct order *order_of(const char *id)
{
    struct order *order = hor_map_get(orders, id);
    if (order == NULL) {
        order = calloc(1, sizeof *order);
        order->at = -1;
        hor_map_put(orders, id, order);
        sim->t.orders++;
    }
    return order;
}

static void end(char state[24], unsigned *ends, const struct hor_event *event, const char *where)
{
    if (++*ends > 1)
        world_law(&sim->world, "order %s ended twice %s: %s, then %s", event->order, where, state,
                  event->state);
    snprintf(state, 24, "%s", event->state != NULL ? event->state : "");
}

/* Law 1: every event of an agent cluster is in the Master's journal once, and in order. */
static void from_cluster(const struct hor_event *event)
{
    unsigned c = (unsigned)(event->cluster[2] - '0');
    uint64_t index = (uint64_t)event->cluster_index;
    if (index <= cursors[c])
        world_law(&sim->world, "event %" PRIu64 " of %s is stored after event %" PRIu64, index,
                  event->cluster, cursors[c]);
    cursors[c] = index;
    if (index >= stored_room[c]) {
        size_t room = (size_t)index * 2 + 64;
        stored[c] = realloc(stored[c], room * sizeof(bool));
        memset(stored[c] + stored_room[c], 0, (room - stored_room[c]) * sizeof(bool));
        stored_room[c] = room;
    }
    stored[c][index] = true;
}

/* Law 9: a request is done once, however often it was sent. */
static void request(const struct hor_event *event, bool at_agents)
{
    if (event->command == NULL || strncmp(event->command, "wish-", 5) != 0)
        return;
    struct asked *asked = hor_map_get(requests, event->command);
    if (asked == NULL) {
        asked = calloc(1, sizeof *asked);
        hor_map_put(requests, event->command, asked);
    }
    if (event->type == HOR_EVENT_ORDER_ADDED && !at_agents)
        asked->added++;
    else if (event->type == HOR_EVENT_COMMAND_RECEIVED)
        (*(at_agents ? &asked->received_there : &asked->received))++;
    else if (event->type == HOR_EVENT_COMMAND_DONE)
        (*(at_agents ? &asked->done_there : &asked->done))++;
    if (asked->added > 1 || asked->received > 1 || asked->done > 1 || asked->received_there > 1 ||
        asked->done_there > 1)
        world_law(&sim->world, "request %s is done more than once: %s %s", event->command,
                  hor_event_type_name(event->type), at_agents ? "at the agents" : "at the Master");
}

void sim_law_master_entry(const struct hor_event *event)
{
    bool agents = event->cluster_index != HOR_EVENT_NONE &&
                  event->type != HOR_EVENT_CLUSTER_COUPLED &&
                  event->type != HOR_EVENT_EVENTS_ACKNOWLEDGED;
    if (agents)
        from_cluster(event);
    else
        request(event, false);
    if (event->order == NULL)
        return;
    struct order *order = order_of(event->order);
    if (event->type == HOR_EVENT_ORDER_ADDED && !agents) {
        order->added = true;
        order->due_us = event->due_at != HOR_EVENT_NONE ? event->due_at : event->planned_at;
    } else if (event->type == HOR_EVENT_ORDER_FORWARDED) {
        order->forwarded = true;
    } else if (event->type == HOR_EVENT_ORDER_CHANGED && event->due_at != HOR_EVENT_NONE) {
        order->due_us = event->due_at;
    } else if (event->type == HOR_EVENT_ORDER_ENDED) {
        /* Law 2: an order ends once. */
        end(order->end_master, &order->ends_master, event, "at the Master");
    }
}

void sim_law_cluster_entry(struct cluster *cluster, const struct hor_event *event)
{
    request(event, true);
    if (event->order == NULL)
        return;
    struct order *order = order_of(event->order);
    if (event->type == HOR_EVENT_ORDER_ADDED) {
        /* Law 3: an order is at one cluster, and does not come back after its end. */
        if (order->at >= 0 && order->at != (int)cluster->number)
            world_law(&sim->world, "order %s is at two clusters", event->order);
        if (order->ends_agents > 0)
            world_law(&sim->world, "order %s is taken again after its end", event->order);
        if (order->started)
            world_law(&sim->world, "order %s is taken again after its start", event->order);
        order->at = (int)cluster->number;
    } else if (event->type == HOR_EVENT_ORDER_STARTED) {
        order->started = true;
        /* Law 4: what the Master ended itself does not run. */
        if (order->ends_master > 0 && order->ends_agents == 0)
            world_law(&sim->world, "order %s starts, though it ended as %s", event->order,
                      order->end_master);
    } else if (event->type == HOR_EVENT_ORDER_ENDED) {
        end(order->end_agents, &order->ends_agents, event, "at the agents");
    }
}

/* Law 5: agents get only orders that the Master cluster has committed. */
void sim_law_accept(struct cluster *cluster, const char *id)
{
    const struct order *order = hor_map_get(orders, id);
    if (order == NULL || !order->added)
        world_law(&sim->world, "%s is given order %s, which the Master's journal does not have",
                  cluster->path, id);
}

/* Law 6: the Supervisor has every event of the Master once, in order. */
void sim_law_row(const struct hor_event *event)
{
    if (event->index != ++rows)
        world_law(&sim->world, "row %" PRIu64 " is event %" PRIu64, rows, event->index);
}

/* Everything that was due a while ago has ended, and everybody knows. */
static int64_t settled_before_us;
static unsigned open_orders;
static char open_order[300];

static void look_at_order(const char *id, const struct order *order)
{
    if (order->added && order->due_us < settled_before_us && order->ends_master == 0) {
        open_orders++;
        snprintf(open_order, sizeof open_order,
                 "%s due %" PRId64 " s ago, %sforwarded, %sstarted, ended at the agents: %s", id,
                 (sim_now_us() - order->due_us) / 1000000, order->forwarded ? "" : "not ",
                 order->started ? "" : "not ", order->ends_agents > 0 ? order->end_agents : "no");
    }
}

static void each_order(void (*fn)(const char *id, const struct order *order))
{
    size_t pos = 0;
    const char *id;
    const struct order *order;
    while ((order = hor_map_next(orders, &pos, &id)) != NULL)
        fn(id, order);
}

bool sim_settled(void)
{
    open_orders = 0;
    settled_before_us = sim_now_us() - INT64_C(120000000);
    each_order(look_at_order);
    for (size_t i = 0; i < sim->wish_count; i++)
        if (!sim->wishes[i].answered)
            return false;
    return open_orders == 0 && sim->active != NULL;
}

static void same_end(const char *id, const struct order *order)
{
    /* Law 8: both sides tell the same end. */
    if (order->ends_agents > 0 && order->ends_master > 0 &&
        strcmp(order->end_agents, order->end_master) != 0)
        world_law(&sim->world, "order %s ended as %s, the Master says %s", id, order->end_agents,
                  order->end_master);
}

void sim_law_end(void)
{
    /* Law 7: in the end every order has ended, every command is answered, nothing waits for
     * nothing. */
    if (!sim_settled()) {
        size_t unanswered = 0;
        const struct wish *wish = NULL;
        for (size_t i = 0; i < sim->wish_count; i++)
            if (!sim->wishes[i].answered) {
                unanswered++;
                wish = &sim->wishes[i];
            }
        world_law(&sim->world,
                  "it does not settle: %u orders open (%s), %zu requests unanswered (%s %s %s)",
                  open_orders, open_order, unanswered, wish != NULL ? wish->id : "",
                  wish != NULL ? wish->action : "", wish != NULL ? wish->order : "");
        return;
    }
    each_order(same_end);
    for (size_t i = 0; i < sim->wish_count; i++) {
        const struct wish *wish = &sim->wishes[i];
        const struct asked *asked = hor_map_get(requests, wish->id);
        if (wish->adds && (asked == NULL || asked->added != 1))
            world_law(&sim->world, "request %s was answered, and its order is not there", wish->id);
    }
    for (unsigned c = 0; c < CLUSTERS; c++) {
        const struct ledger *ledger = &sim->clusters[c].ledger;
        for (size_t i = 0; i < ledger->entries.count && i + 1 <= cursors[c]; i++) {
            const struct hor_event *event = ledger->entries.items[i];
            bool kept =
                event->type == HOR_EVENT_TASK_STARTED || event->type == HOR_EVENT_TASK_ENDED ||
                event->type == HOR_EVENT_ORDER_STARTED || event->type == HOR_EVENT_ORDER_ENDED ||
                event->type == HOR_EVENT_TASK_ASSIGNED;
            if (kept && !stored[c][event->index])
                world_law(&sim->world,
                          "event %" PRIu64 " of %s (%s) is not in the Master's journal",
                          event->index, sim->clusters[c].path, hor_event_type_name(event->type));
        }
    }
}
