/* tests/simulation/world.h - virtual time, seeded chance, a bad network, and the verdict: what all
 * simulations share. Everything happens at a virtual millisecond, in one thread; the same seed does
 * the same. */
#ifndef HOR_TESTS_SIMULATION_WORLD_H
#define HOR_TESTS_SIMULATION_WORLD_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORLD_MEMBERS = 7, WORLD_TRACE = 400, WORLD_LINE = 160 };

typedef void world_fn(void *ctx, void *arg);

struct world_event {
    int64_t at_ms;
    uint64_t order; /* of equal times */
    world_fn *fn, *drop;
    void *ctx, *arg;
};

struct world_net { /* what happens to a message while `bad` */
    bool bad, reorder;
    unsigned loss_percent;
    int64_t delay_ms; /* at most, now and then */
    bool cut[WORLD_MEMBERS][WORLD_MEMBERS]; /* from, to; whether bad or not */
    int64_t link_ms[WORLD_MEMBERS][WORLD_MEMBERS];
};

struct world {
    uint64_t random, order, events_run;
    int64_t now_ms;
    struct world_event *heap;
    size_t count, cap;
    struct world_net net;
    bool broken, quiet;
    char what[300];
    char (*trace)[WORLD_LINE];
    uint64_t traced;
};

void world_init(struct world *world, uint64_t seed);
void world_done(struct world *world); /* drops what is still to come */

/* 0 <= result < below */
uint64_t world_random(struct world *world, uint64_t below);
bool world_chance(struct world *world, unsigned percent);

/* Calls fn(ctx, arg) at that time, or drop(ctx, arg) (may be NULL) when the world ends before. */
void world_at(struct world *world, int64_t at_ms, world_fn *fn, world_fn *drop, void *ctx, void *arg);
/* Goes on to the next event, at most until `until_ms`. False: there is none, or a law is broken. */
bool world_step(struct world *world, int64_t until_ms);

/* When a message sent now arrives; -1: never. */
int64_t world_arrival(struct world *world, unsigned from, unsigned to);

/* The first broken law ends the run. */
void world_law(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of the trace that a failing run prints. */
void world_note(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_print_trace(const struct world *world, unsigned lines);

/* Seeds to run: SEEDS and SEED of the environment, or the program's arguments (seeds, first seed). */
struct world_seeds {
    uint64_t first;
    unsigned count;
    bool chosen; /* by the caller: only these, and the trace is printed */
};
struct world_seeds world_seeds_of(int argc, char **argv, unsigned usual);

#endif
