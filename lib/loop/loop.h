/* lib/loop/loop.h - the event loop (libevent), timers, descriptors, signals, and workers.
 * One thread per process owns the state and runs the loop; whatever blocks (gSOAP, ODBC, LDAP,
 * libcurl) runs on workers, which reach the state only through hor_loop_post and hor_loop_call.
 * Functions are for the loop's own thread unless they say otherwise. */
#ifndef HOR_LOOP_LOOP_H
#define HOR_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

struct hor_loop;
struct hor_timer;
struct hor_watch;
struct hor_workers;
struct event_base;

typedef void hor_loop_fn(void *ctx);
typedef void hor_watch_fn(int fd, bool readable, bool writable, void *ctx);
typedef void hor_signal_fn(int signal, void *ctx);

/* Also makes the process ignore SIGPIPE: a closed connection is an error of write(2) alone. */
struct hor_loop *hor_loop_new(void);
/* After everything that lives on it, workers included. What was posted and has not run is dropped. */
void hor_loop_free(struct hor_loop *loop);
/* Until hor_loop_stop (at once when that was called before). HOR_ERR_IO. */
int hor_loop_run(struct hor_loop *loop, struct hor_error *err);
void hor_loop_stop(struct hor_loop *loop);                      /* any thread */
struct event_base *hor_loop_base(struct hor_loop *loop);        /* for lib/http only */

/* Runs fn(ctx) on the loop's thread soon, in order of posting. Any thread. HOR_ERR_MEMORY. */
int hor_loop_post(struct hor_loop *loop, hor_loop_fn *fn, void *ctx);
/* Runs fn(ctx) on the loop's thread and returns when it has run; before hor_loop_run it waits for
 * that. From the loop's own thread it just calls fn. HOR_ERR_STATE once the loop has stopped: fn
 * did not run. */
int hor_loop_call(struct hor_loop *loop, hor_loop_fn *fn, void *ctx);

struct hor_timer *hor_timer_new(struct hor_loop *loop, hor_loop_fn *fn, void *ctx);
void hor_timer_start(struct hor_timer *timer, int64_t in_ms); /* once; replaces an earlier time */
void hor_timer_stop(struct hor_timer *timer);
bool hor_timer_pending(const struct hor_timer *timer);
void hor_timer_free(struct hor_timer *timer);

/* Watches a descriptor, level-triggered, until freed. The descriptor stays the caller's; free the
 * watch before closing it. */
struct hor_watch *hor_watch_new(struct hor_loop *loop, int fd, bool read, bool write,
                                hor_watch_fn *fn, void *ctx);
void hor_watch_change(struct hor_watch *watch, bool read, bool write);
void hor_watch_free(struct hor_watch *watch);

int hor_loop_on_signal(struct hor_loop *loop, int signal, hor_signal_fn *fn, void *ctx);

/* A pool of `count` threads with one queue. */
struct hor_workers *hor_workers_new(unsigned count, const char *name);
/* Runs fn(ctx) on some worker. Any thread. HOR_ERR_BUSY when `limit` jobs wait already (0: none). */
int hor_workers_run(struct hor_workers *workers, hor_loop_fn *fn, void *ctx, unsigned limit);
/* Lets running and queued jobs end, then joins. A job that calls into the loop needs the loop
 * running meanwhile or gets HOR_ERR_STATE. */
void hor_workers_free(struct hor_workers *workers);

#endif
