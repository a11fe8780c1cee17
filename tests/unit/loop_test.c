#include "lib/loop/loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tests/lib/tap.h"

static struct hor_loop *loop;
static struct hor_workers *workers;
static int order[8], steps;

static void note(void *ctx) { order[steps++] = *(int *)ctx; }
static void stop(void *ctx)
{
    (void)ctx;
    hor_loop_stop(loop);
}

static void test_posts(void)
{
    static int numbers[] = {1, 2, 3};
    for (int i = 0; i < 3; i++)
        hor_loop_post(loop, note, &numbers[i]);
    hor_loop_post(loop, stop, NULL);
    is_int(hor_loop_run(loop, NULL), HOR_OK, "the loop ends when it is stopped");
    ok(steps == 3 && order[0] == 1 && order[1] == 2 && order[2] == 3, "posts run in their order");
    hor_loop_stop(loop);
    is_int(hor_loop_run(loop, NULL), HOR_OK, "stopped before it ran: ends at once");
}

static int64_t fired_ms;
static void fire(void *ctx)
{
    (void)ctx;
    fired_ms = hor_clock_monotonic_ms();
    hor_loop_stop(loop);
}

static void test_timers(void)
{
    struct hor_timer *timer = hor_timer_new(loop, fire, NULL);
    ok(!hor_timer_pending(timer), "a new timer waits for nothing");
    int64_t start = hor_clock_monotonic_us();
    hor_timer_start(timer, 60000);
    hor_timer_start(timer, 15);
    ok(hor_timer_pending(timer), "started");
    hor_loop_run(loop, NULL);
    int64_t took = hor_clock_monotonic_us() - start;
    ok(took >= 15000 && took < 5000000, "not early, and by the later time (%d us)", (int)took);
    ok(!hor_timer_pending(timer), "once");
    hor_timer_start(timer, -5);
    hor_loop_run(loop, NULL);
    hor_timer_start(timer, 0);
    hor_timer_stop(timer);
    ok(!hor_timer_pending(timer), "stopped");
    hor_timer_free(timer);
    hor_timer_free(NULL);
}

static int pipe_fds[2];
static struct hor_watch *watch;
static int reads;
static void readable(int fd, bool read_it, bool write_it, void *ctx)
{
    char c;
    (void)ctx;
    ok(read_it && !write_it && read(fd, &c, 1) == 1, "a byte is seen");
    if (++reads == 2) {
        hor_watch_free(watch); /* in its own call */
        watch = NULL;
        hor_loop_stop(loop);
    }
}

static void test_watch(void)
{
    if (pipe(pipe_fds) != 0)
        return;
    watch = hor_watch_new(loop, pipe_fds[0], false, false, readable, NULL);
    hor_watch_change(watch, true, false);
    ok(write(pipe_fds[1], "ab", 2) == 2, "two bytes, two calls");
    hor_loop_run(loop, NULL);
    is_int(reads, 2, "both seen");
    close(pipe_fds[0]);
    ok(write(pipe_fds[1], "c", 1) < 0, "a broken pipe is an error, not the end");
    close(pipe_fds[1]);
}

static void on_signal(int number, void *ctx)
{
    *(int *)ctx = number;
    hor_loop_stop(loop);
}

static void send_signal(void *ctx)
{
    (void)ctx;
    raise(SIGUSR1);
}

static void test_signal(void)
{
    static int seen;
    is_int(hor_loop_on_signal(loop, SIGUSR1, on_signal, &seen), HOR_OK, "a signal is watched");
    hor_loop_post(loop, send_signal, NULL);
    hor_loop_run(loop, NULL);
    is_int(seen, SIGUSR1, "and seen");
}

static atomic_int called, refused, jobs;
static int on_loop; /* no lock: only the loop's thread */
static void on_loop_count(void *ctx)
{
    (void)ctx;
    if (++on_loop == 200)
        hor_loop_stop(loop);
}
static void call_loop(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&jobs, 1);
    if (hor_loop_call(loop, on_loop_count, NULL) == HOR_OK)
        atomic_fetch_add(&called, 1);
    else
        atomic_fetch_add(&refused, 1);
}

static void hold(void *ctx)
{
    char c;
    ok(read(*(int *)ctx, &c, 1) == 0, "the only thread is busy until the pipe ends");
}

/* On the loop's thread: before the loop runs, calls are refused and would not be counted. */
static void give_jobs(void *ctx)
{
    for (int i = 0; i < 300; i++)
        if (hor_workers_run(ctx, call_loop, NULL, 0) != HOR_OK)
            ok(false, "a job");
}

static void test_workers(void)
{
    workers = hor_workers_new(4, "test");
    hor_loop_post(loop, give_jobs, workers);
    hor_loop_run(loop, NULL);
    hor_workers_free(workers);
    is_int(jobs, 300, "every job ran");
    ok(called >= 200 && called == on_loop, "%d calls ran on the loop's thread", on_loop);
    is_int(called + refused, 300, "the others were told that the loop has stopped");
    is_int(hor_loop_call(loop, on_loop_count, NULL), HOR_OK, "the own thread calls straight");

    if (pipe(pipe_fds) != 0)
        return;
    workers = hor_workers_new(1, "a name that is too long");
    hor_workers_run(workers, hold, &pipe_fds[0], 0);
    int accepted = 0, code = HOR_OK;
    while (code == HOR_OK && accepted < 10)
        accepted += (code = hor_workers_run(workers, call_loop, NULL, 2)) == HOR_OK;
    ok(code == HOR_ERR_BUSY && accepted <= 3, "a full queue refuses");
    close(pipe_fds[1]);
    hor_workers_free(workers);
    close(pipe_fds[0]);
    is_int(jobs, 300 + accepted, "what was accepted still ran");
    hor_workers_free(NULL);
}

int main(void)
{
    loop = hor_loop_new();
    ok(loop != NULL, "a loop");
    test_posts();
    test_timers();
    test_watch();
    test_signal();
    test_workers();
    hor_loop_post(loop, note, order); /* dropped, not leaked */
    hor_loop_free(loop);
    hor_loop_free(NULL);
    return done_testing();
}
