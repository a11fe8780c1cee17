/* The Supervisor: pulls the Master's events after its cursor, and stores rows and cursor together.
 * And people, who repeat a request under the same id until somebody answers it. */
#include "lib/base/str.h"
#include "tests/simulation/coupling/sim.h"

enum { TICK_MS = 300, BATCH = 200 };

/* Whom it takes for the active one: now and then a deposed one still says it is. */
static struct master *believed(void)
{
    if (sim->chaos && world_chance(&sim->world, 20))
        for (unsigned i = 0; i < sim->master_count; i++)
            if (sim->all[i]->believes && sim->all[i] != sim->active)
                return sim->all[i];
    return sim->active;
}

/* ---- events ---- */

struct pull {
    uint64_t life, after, count;
};

static void free_it(void *ctx, void *arg)
{
    (void)arg;
    free(ctx);
}

static void store(void *ctx, void *arg)
{
    struct pull *pull = ctx;
    if (sim->supervisor_up && pull->life == sim->supervisor_life && pull->after == sim->stored)
        for (uint64_t i = 0; i < pull->count; i++) {
            sim_law_row(sim->masters.entries.items[pull->after + i]);
            sim->stored++;
            sim->t.rows++;
        }
    free_it(ctx, arg);
}

static void pull(void)
{
    struct master *m = believed();
    int64_t at = sim_arrival();
    if (m == NULL || at < 0 || m->applied <= sim->stored)
        return;
    struct pull *pull = malloc(sizeof *pull);
    *pull = (struct pull){sim->supervisor_life, sim->stored, m->applied - sim->stored};
    if (pull->count > BATCH)
        pull->count = BATCH;
    world_at(&sim->world, at, store, free_it, pull, NULL);
}

/* ---- people ---- */

struct asking {
    struct wish *wish;
    bool done;
};

static void confirmed(int code, void *ctx)
{
    struct asking *asking = ctx;
    if (code == HOR_OK &&
        !world_chance(&sim->world, sim->chaos ? 20 : 0)) { /* or the answer is lost */
        asking->wish->answered = true;
        asking->wish->done = asking->done;
    }
    free(asking);
}

static void emit(struct hor_event *take_event, void *ctx)
{
    sim_events_add(take_event, ctx);
}

static int ask_add(struct master *m, struct wish *wish, struct events *events)
{
    static const char *const chains[] = {"/report", "/etl",  "/report", "/report",
                                         "/report", "/slow", "/report", "/report"};
    char id[256] = "";
    struct hor_error err = {0};
    struct hor_master_new_order order = {.request = wish->id,
                                         .chain = chains[atoi(wish->id + 5) % 8],
                                         .actor = "ben",
                                         .start_at = HOR_EVENT_NONE,
                                         .priority = HOR_EVENT_NONE};
    int rc = hor_master_core_add(m->core, &order, sim_now_us(), emit, events, id, &err);
    snprintf(wish->order, sizeof wish->order, "%s", id);
    return rc;
}

static int ask_command(struct master *m, const struct wish *wish, struct events *events,
                       bool *ret_done)
{
    struct hor_master_answer answer = {0};
    struct hor_error err = {0};
    struct hor_master_command command = {.id = wish->id,
                                         .action = wish->action,
                                         .order = wish->order,
                                         .actor = "ben",
                                         .reason = "why not",
                                         .start_at = HOR_EVENT_NONE,
                                         .priority = HOR_EVENT_NONE};
    int rc = hor_master_core_command(m->core, &command, sim_now_us(), emit, events, &answer, &err);
    *ret_done = answer.kind != HOR_MASTER_REFUSED;
    return rc;
}

static void ask(struct wish *wish)
{
    struct master *m = believed();
    struct events events = {0};
    struct asking *asking = malloc(sizeof *asking);
    if (m == NULL || (sim->chaos && world_chance(&sim->world, 20))) {
        free(asking);
        return;
    }
    *asking = (struct asking){.wish = wish, .done = true};
    int rc = wish->adds ? ask_add(m, wish, &events) : ask_command(m, wish, &events, &asking->done);
    if (rc == HOR_OK && events.count > 0) {
        sim_submit(&sim->masters, m->life, &events, confirmed, asking);
        return;
    }
    sim_events_done(&events);
    /* EXISTS: it was done before. What a deposed one says of that is as true. */
    if (rc == HOR_OK || rc == HOR_ERR_EXISTS || rc == HOR_ERR_NOT_FOUND || rc == HOR_ERR_INVALID)
        confirmed(HOR_OK, asking);
    else
        free(asking);
}

static const struct hor_event *any_order(void)
{
    size_t count = sim->masters.entries.count;
    for (int tries = 0; count > 0 && tries < 50; tries++) {
        const struct hor_event *event =
            sim->masters.entries.items[world_random(&sim->world, count)];
        if (event->order != NULL)
            return event;
    }
    return NULL;
}

static struct wish *new_wish(const char *action, const char *order)
{
    if (sim->wish_count == WISHES)
        return NULL;
    struct wish *wish = &sim->wishes[sim->wish_count];
    *wish = (struct wish){.adds = action == NULL};
    snprintf(wish->id, sizeof wish->id, "wish-%zu", ++sim->wish_count);
    snprintf(wish->action, sizeof wish->action, "%s", action != NULL ? action : "");
    snprintf(wish->order, sizeof wish->order, "%s", order != NULL ? order : "");
    sim->t.commands++;
    return wish;
}

static void wishes(void)
{
    static const char *const actions[] = {"suspend", "resume", "cancel", "kill", "retry", "start"};
    if (sim->chaos && world_chance(&sim->world, 5))
        new_wish(NULL, NULL);
    if (sim->chaos && world_chance(&sim->world, 4)) {
        const struct hor_event *event = any_order();
        if (event != NULL)
            new_wish(actions[world_random(&sim->world, 6)], event->order);
    }
    for (size_t i = 0; i < sim->wish_count; i++)
        if (!sim->wishes[i].answered && world_chance(&sim->world, 40))
            ask(&sim->wishes[i]);
}

struct stuck {
    struct hor_core *core;
    char ids[64][HOR_CORE_NAME_BYTES + 1];
    size_t count;
};

static void find_stuck(const char *id, void *ctx)
{
    struct stuck *stuck = ctx;
    struct hor_core_order_view view;
    if (stuck->count < 64 && hor_core_order(stuck->core, id, sim_now_us(), &view) == HOR_OK &&
        (strcmp(view.state, "failed") == 0 || strcmp(view.state, "suspended") == 0))
        snprintf(stuck->ids[stuck->count++], HOR_CORE_NAME_BYTES + 1, "%s", id);
}

void sim_supervisor_settle(void)
{
    for (unsigned c = 0; c < CLUSTERS; c++) {
        struct stuck *stuck = calloc(1, sizeof *stuck);
        stuck->core = sim->clusters[c].core;
        hor_core_each_order(stuck->core, MASTER, find_stuck, stuck);
        for (size_t i = 0; i < stuck->count; i++) {
            bool asked = false;
            for (size_t w = 0; w < sim->wish_count; w++)
                asked |=
                    strcmp(sim->wishes[w].order, stuck->ids[i]) == 0 && !sim->wishes[w].answered;
            if (!asked)
                new_wish("cancel", stuck->ids[i]);
        }
        free(stuck);
    }
}

static void tick(void *ctx, void *arg)
{
    if (sim->supervisor_up) {
        pull();
        wishes();
    }
    world_at(&sim->world, sim->world.now_ms + TICK_MS, tick, NULL, ctx, arg);
}

void sim_supervisor_start(void)
{
    sim->supervisor_up = true;
    if (sim->supervisor_life++ == 0)
        tick(NULL, NULL);
}

void sim_supervisor_crash(void)
{
    sim->supervisor_up = false;
    sim->t.crashes++;
}
