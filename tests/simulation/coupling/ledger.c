#include "tests/simulation/coupling/sim.h"

struct batch {
    struct batch *next;
    struct ledger *ledger;
    uint64_t life;
    struct events events;
    commit_fn *done;
    void *ctx;
};

void sim_events_add(struct hor_event *take_event, void *ctx)
{
    struct events *events = ctx;
    if (events->count == events->room) {
        events->room = events->room == 0 ? 16 : events->room * 2;
        events->items = realloc(events->items, events->room * sizeof(struct hor_event *));
    }
    if (take_event == NULL || events->items == NULL)
        abort();
    events->items[events->count++] = take_event;
}

void sim_events_done(struct events *events)
{
    for (size_t i = 0; i < events->count; i++)
        hor_event_free(events->items[i]);
    free(events->items);
    *events = (struct events){0};
}

static void commit(struct ledger *ledger, struct batch *batch)
{
    for (size_t i = 0; i < batch->events.count; i++) {
        struct hor_event *event = batch->events.items[i];
        event->index = ledger->entries.count + 1;
        sim_events_add(event, &ledger->entries);
        ledger->apply(ledger, event);
    }
    free(batch->events.items);
    if (batch->done != NULL)
        batch->done(HOR_OK, batch->ctx);
    free(batch);
}

static void drop(void *ctx, void *arg)
{
    struct batch *batch = ctx;
    (void)arg;
    sim_events_done(&batch->events);
    if (batch->done != NULL)
        batch->done(HOR_ERR_NOT_ACTIVE, batch->ctx);
    free(batch);
}

/* The oldest one of this life; entries are committed in order. */
static void commit_next(void *ctx, void *arg)
{
    struct ledger *ledger = ctx;
    struct batch *batch = ledger->head;
    (void)arg;
    if (batch == NULL)
        return;
    ledger->head = batch->next;
    if (ledger->head == NULL)
        ledger->tail = &ledger->head;
    commit(ledger, batch);
}

void sim_submit(struct ledger *ledger, uint64_t life, struct events *take_events, commit_fn *done,
                void *ctx)
{
    struct batch *batch = calloc(1, sizeof *batch);
    *batch = (struct batch){
        .ledger = ledger, .life = life, .events = *take_events, .done = done, .ctx = ctx};
    *take_events = (struct events){0};
    if (life != ledger->life) { /* deposed: it learns that when nobody confirms */
        world_at(&sim->world, sim->world.now_ms + 500 + (int64_t)world_random(&sim->world, 2000),
                 drop, drop, batch, NULL);
        return;
    }
    if (ledger->tail == NULL)
        ledger->tail = &ledger->head;
    *ledger->tail = batch;
    ledger->tail = &batch->next;
    world_at(&sim->world,
             sim->world.now_ms + 1 + (int64_t)world_random(&sim->world, sim->chaos ? 60 : 5),
             commit_next, NULL, ledger, NULL);
}

void sim_ledger_depose(struct ledger *ledger)
{
    struct batch *batch = ledger->head;
    bool committed = world_chance(&sim->world, 50);
    ledger->head = NULL;
    ledger->tail = &ledger->head;
    while (batch != NULL) {
        struct batch *next = batch->next;
        batch->next = NULL;
        committed = committed && world_chance(&sim->world, 80);
        if (committed) {
            /* Nobody hears of it: the answer was with the member that is gone. */
            commit_fn *done = batch->done;
            void *ctx = batch->ctx;
            batch->done = NULL;
            commit(ledger, batch);
            if (done != NULL)
                done(HOR_ERR_NOT_ACTIVE, ctx);
        } else {
            drop(batch, NULL);
        }
        batch = next;
    }
    ledger->life++;
}

void sim_ledger_done(struct ledger *ledger)
{
    while (ledger->head != NULL) {
        struct batch *batch = ledger->head;
        ledger->head = batch->next;
        drop(batch, NULL);
    }
    sim_events_done(&ledger->entries);
}
