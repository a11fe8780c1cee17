#include "tests/simulation/world.h"

#include <stdarg.h>

#include "tests/lib/tap.h"

void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    world->now_ms = 1000; /* times of 0 mean "never" in places */
    world->trace = calloc(WORLD_TRACE, sizeof *world->trace);
    for (int i = 0; i < 8; i++)
        world_random(world, 2);
}

void world_done(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        if (world->heap[i].drop != NULL)
            world->heap[i].drop(world->heap[i].ctx, world->heap[i].arg);
    free(world->heap);
    free(world->trace);
    memset(world, 0, sizeof *world);
}

uint64_t world_random(struct world *world, uint64_t below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (world->random >> 11) % below;
}

bool world_chance(struct world *world, unsigned percent)
{
    return world_random(world, 100) < percent;
}

/* ---- time ---- */

static bool before(const struct world_event *a, const struct world_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void world_at(struct world *world, int64_t at_ms, world_fn *fn, world_fn *drop, void *ctx, void *arg)
{
    struct world_event event = {.at_ms = at_ms < world->now_ms ? world->now_ms : at_ms,
                                .order = ++world->order,
                                .fn = fn,
                                .drop = drop,
                                .ctx = ctx,
                                .arg = arg};
    if (world->count == world->cap) {
        world->cap = world->cap ? world->cap * 2 : 256;
        world->heap = realloc(world->heap, world->cap * sizeof *world->heap);
        if (world->heap == NULL)
            abort();
    }
    size_t i = world->count++;
    for (; i > 0 && before(&event, &world->heap[(i - 1) / 2]); i = (i - 1) / 2)
        world->heap[i] = world->heap[(i - 1) / 2];
    world->heap[i] = event;
}

static struct world_event take_first(struct world *world)
{
    struct world_event first = world->heap[0], last = world->heap[--world->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < world->count; i = child) {
        if (child + 1 < world->count && before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!before(&world->heap[child], &last))
            break;
        world->heap[i] = world->heap[child];
    }
    world->heap[i] = last;
    return first;
}

bool world_step(struct world *world, int64_t until_ms)
{
    if (world->broken || world->count == 0 || world->heap[0].at_ms > until_ms) {
        if (!world->broken && world->now_ms < until_ms)
            world->now_ms = until_ms;
        return false;
    }
    struct world_event event = take_first(world);
    world->now_ms = event.at_ms;
    world->events_run++;
    event.fn(event.ctx, event.arg);
    return !world->broken;
}

/* ---- network ---- */

int64_t world_arrival(struct world *world, unsigned from, unsigned to)
{
    struct world_net *net = &world->net;
    int64_t at_ms = world->now_ms + 1 + (int64_t)world_random(world, 4);
    if (net->cut[from][to] || (net->bad && world_chance(world, net->loss_percent)))
        return -1;
    if (net->bad && world_chance(world, 10))
        at_ms += (int64_t)world_random(world, (uint64_t)net->delay_ms + 1);
    if (!net->reorder || !net->bad) { /* one connection: in order */
        if (at_ms < net->link_ms[from][to])
            at_ms = net->link_ms[from][to];
        net->link_ms[from][to] = at_ms;
    }
    return at_ms;
}

/* ---- verdict ---- */

void world_law(struct world *world, const char *format, ...)
{
    va_list args;
    char text[240];
    if (world->broken)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    world->broken = true;
    snprintf(world->what, sizeof world->what, "at %" PRId64 " ms: %s", world->now_ms, text);
    world_note(world, "BROKEN: %.120s", text);
}

void world_note(struct world *world, const char *format, ...)
{
    char *line = world->trace[world->traced++ % WORLD_TRACE];
    int n = snprintf(line, WORLD_LINE, "%8" PRId64 " ", world->now_ms);
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, WORLD_LINE - (size_t)n, format, args);
    va_end(args);
}

void world_print_trace(const struct world *world, unsigned lines)
{
    uint64_t from = world->traced > WORLD_TRACE ? world->traced - WORLD_TRACE : 0;
    if (world->traced - from > lines)
        from = world->traced - lines;
    for (uint64_t i = from; i < world->traced; i++)
        diag("  %s", world->trace[i % WORLD_TRACE]);
}

struct world_seeds world_seeds_of(int argc, char **argv, unsigned usual)
{
    const char *count = argc > 1 ? argv[1] : getenv("SEEDS");
    const char *first = argc > 2 ? argv[2] : getenv("SEED");
    struct world_seeds seeds = {.first = 1, .count = usual};
    if (first != NULL && *first != '\0') {
        seeds.first = strtoull(first, NULL, 10);
        seeds.count = 1;
        seeds.chosen = true;
    }
    if (count != NULL && *count != '\0') {
        seeds.count = (unsigned)strtoul(count, NULL, 10);
        seeds.chosen = seeds.chosen && seeds.count == 1;
    }
    return seeds;
}
