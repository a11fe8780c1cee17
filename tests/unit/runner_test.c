#define _DEFAULT_SOURCE /* usleep */
/* The runner as a process of its own, through the agent's client. The program is argv[1],
 * $HOR_RUNNER, or horarium-runner beside this test. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runner/client.h"
#include "agent/runner/protocol.h"
#include "agent/runner/records.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "tests/lib/tap.h"

enum { GUARD_MS = 30000 };

static char program[4096];
static char *directory;
static struct hor_loop *loop;
static struct hor_runner *runner;
static struct hor_timer *guard;

/* What was reported: the last report of each task. */
struct seen {
    struct hor_runner_report report;
    char text[256];
    int starts, ends;
};
static struct hor_map *seen;
static bool connected;
static int connects, disconnects, ends_total;
static bool (*done)(void); /* the loop stops when it holds */
static const char *waited_for;

static void check(void)
{
    if (done != NULL && done())
        hor_loop_stop(loop);
}

static struct seen *seen_of(const char *task)
{
    struct seen *one = hor_map_get(seen, task);
    if (one == NULL) {
        one = calloc(1, sizeof *one);
        hor_map_put(seen, task, one);
    }
    return one;
}

static void on_report(const struct hor_runner_report *report, void *ctx)
{
    struct seen *one = seen_of(report->task);
    (void)ctx;
    one->report = *report;
    one->report.task = NULL;
    snprintf(one->text, sizeof one->text, "%s", report->text != NULL ? report->text : "");
    if (report->fate == HOR_RUNNER_RUNNING) {
        one->starts++;
    } else {
        one->ends++;
        ends_total++;
    }
    check();
}

static void on_connected(bool now, void *ctx)
{
    (void)ctx;
    connected = now;
    if (now)
        connects++;
    else
        disconnects++;
    check();
}

static void give_up(void *ctx)
{
    (void)ctx;
    ok(false, "gave up waiting for: %s", waited_for);
    hor_loop_stop(loop);
}

static void await(bool (*condition)(void), const char *what)
{
    done = condition;
    waited_for = what;
    if (runner != NULL)
        hor_runner_flush(runner);
    if (!condition()) {
        hor_timer_start(guard, GUARD_MS);
        hor_loop_run(loop, NULL);
        hor_timer_stop(guard);
    }
    done = NULL;
}

static bool is_connected(void) { return connected; }
static const char *awaited;
static int awaited_count;
static bool has_ended(void) { return seen_of(awaited)->ends >= awaited_count; }
static bool has_started(void) { return seen_of(awaited)->starts >= awaited_count; }

static struct seen *await_end(const char *task, int count)
{
    awaited = task;
    awaited_count = count;
    await(has_ended, task);
    return seen_of(task);
}

static void open_runner(void)
{
    static const struct hor_runner_ops ops = {.report = on_report, .connected = on_connected};
    struct hor_error err;
    connected = false;
    if (hor_runner_open(loop, program, directory, &ops, NULL, &runner, &err) != HOR_OK)
        ok(false, "open: %s", err.text);
    await(is_connected, "the connection");
}

static char *in_directory(const char *name) { return hor_path_join(directory, name); }

static struct hor_runner_job job_of(const char *task, const char *const *argv)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "COLOUR=blue red", NULL};
    static char *log_file;
    free(log_file);
    char *name = hor_str_printf("%s.log", task);
    log_file = in_directory(name);
    free(name);
    return (struct hor_runner_job){.task = task,
                                   .fence = 7,
                                   .argv = argv,
                                   .environment = environment,
                                   .directory = hor_tap_tmpdir(),
                                   .log_file = log_file,
                                   .grace_ms = 200};
}

static void start(const struct hor_runner_job *job)
{
    struct hor_error err;
    if (hor_runner_start(runner, job, &err) != HOR_OK)
        ok(false, "start %s: %s", job->task, err.text);
}

/* The script with MARK replaced, and the mark. New string. */
static char *marked(const char *script, char mark[32])
{
    static int count;
    struct hor_buf out = HOR_BUF_INIT;
    snprintf(mark, 32, "%d%03d", (int)getpid(), ++count);
    for (const char *at = script, *next; at != NULL; at = next) {
        next = strstr(at, "MARK");
        hor_buf_add(&out, at, next != NULL ? (size_t)(next - at) : strlen(at));
        if (next != NULL) {
            hor_buf_puts(&out, mark);
            next += 4;
        }
    }
    return hor_buf_take(&out);
}

static void start_shell(const char *task, const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, "argument zero", "argument 'one'", NULL};
    struct hor_runner_job job = job_of(task, argv);
    start(&job);
}

static const char *log_of(const char *task)
{
    static struct hor_buf text;
    char *name = hor_str_printf("%s.log", task), *path = in_directory(name);
    hor_buf_clear(&text);
    hor_file_read(path, 1 << 20, &text, NULL);
    free(name);
    free(path);
    return hor_buf_text(&text);
}

/* Living processes with the mark as an argument, whoever is their parent; sends them `number`. */
static int count_marked(const char *mark, int number)
{
    DIR *proc = opendir("/proc");
    int count = 0;
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
        struct hor_buf text = HOR_BUF_INIT;
        char path[300];
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            hor_file_read(path, 1 << 20, &text, NULL) == HOR_OK)
            for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
                if (strcmp(text.data + at, mark) == 0) {
                    count++;
                    if (number != 0)
                        kill((pid_t)strtol(entry->d_name, NULL, 10), number);
                    break;
                }
        hor_buf_done(&text);
    }
    if (proc != NULL)
        closedir(proc);
    return count;
}

static pid_t runner_pid(void)
{
    DIR *proc = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
        struct hor_buf text = HOR_BUF_INIT;
        char path[300];
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            hor_file_read(path, 1 << 20, &text, NULL) == HOR_OK) {
            const char *second = text.len > 0 ? text.data + strlen(text.data) + 1 : NULL;
            if (second != NULL && second < text.data + text.len &&
                strcmp(second, "--directory") == 0 &&
                strcmp(second + strlen(second) + 1, directory) == 0)
                found = (pid_t)strtol(entry->d_name, NULL, 10);
        }
        hor_buf_done(&text);
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

static void test_start(void)
{
    start_shell("exit", "echo \"out $1\"; echo err >&2; echo \"$COLOUR|$HORARIUM_TASK|$HOME\"; pwd; "
                        "read x; echo \"read $?\"; exit 3");
    struct seen *s = await_end("exit", 1);
    is_int(s->report.fate, HOR_RUNNER_EXITED, "a job runs");
    is_int(s->report.exit_code, 3, "its exit code");
    is_int(s->report.fence, 7, "its fence");
    ok(s->starts >= 1 && s->report.pid > 1, "its start was told");
    ok(s->report.started_us > 0 && s->report.ended_us >= s->report.started_us, "its times");
    ok(s->report.max_rss_kb > 0, "its usage");
    char *wanted = hor_str_printf("out argument 'one'\nerr\nblue red|exit|\n%s\nread 1\n",
                                  hor_tap_tmpdir());
    is(log_of("exit"), wanted, "arguments, environment, directory, input, both outputs in the log");
    free(wanted);

    start_shell("signal", "kill -USR1 $$");
    s = await_end("signal", 1);
    is_int(s->report.fate, HOR_RUNNER_SIGNALLED, "a signal ends a job");
    is_int(s->report.signal, SIGUSR1, "which one");

    start_shell("clean", "ls /proc/self/fd | tr '\\n' ' '; grep -E 'SigBlk|SigIgn' /proc/self/status; "
                         "ps -o sid= -p $$ | tr -d ' '; echo $$");
    await_end("clean", 1);
    like(log_of("clean"), "0 1 2 3 SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
         "nothing is inherited: descriptors, masks, ignored signals");

    const char *missing[] = {"/nonexistent/program", NULL};
    struct hor_runner_job job = job_of("missing", missing);
    start(&job);
    s = await_end("missing", 1);
    is_int(s->report.fate, HOR_RUNNER_NOT_STARTED, "a program that is not there");
    like(s->text, "/nonexistent/program: No such file", "is named");
    const char *yes[] = {"/bin/true", NULL};
    job = job_of("nodir", yes);
    job.directory = "/nonexistent/folder";
    start(&job);
    s = await_end("nodir", 1);
    is_int(s->report.fate, HOR_RUNNER_NOT_STARTED, "a folder that is not there");
    like(s->text, "/nonexistent/folder: No such file", "is named");
    job = job_of("nouser", yes);
    job.user = "no such user";
    start(&job);
    like(await_end("nouser", 1)->text, "unknown user", "a user that is not there");
    job = job_of("nolog", yes);
    job.log_file = "/nonexistent/log";
    start(&job);
    like(await_end("nolog", 1)->text, "log file /nonexistent/log", "a log that cannot be");
}

static void test_identity_and_limits(void)
{
    const char *argv[] = {"/bin/sh", "-c", "id -un; id -Gn; ulimit -n; ulimit -t; ulimit -c; "
                          "echo x=1 >$HORARIUM_OUTPUT && echo wrote", NULL};
    char *output = in_directory("output");
    char *variable = hor_str_printf("HORARIUM_OUTPUT=%s", output);
    const char *environment[] = {"PATH=/usr/bin:/bin", variable, NULL};
    struct hor_runner_job job = job_of("limits", argv);
    job.environment = environment;
    job.output_file = output;
    job.open_files = 77;
    job.cpu_seconds = 88;
    job.directory = "/";
    bool root = geteuid() == 0;
    if (root) {
        job.user = "nobody";
        chmod(hor_tap_tmpdir(), 0755);
        chmod(directory, 0755);
    }
    start(&job);
    struct seen *s = await_end("limits", 1);
    is_int(s->report.exit_code, 0, "limits are set (%s)", s->text);
    like(log_of("limits"), "77\n88\n", "they are those of the job");
    like(log_of("limits"), "wrote", "the output file is the job's own");
    if (root)
        like(log_of("limits"), "nobody\nnogroup\n", "user and groups are switched");
    else
        skip("only root can switch users");
    free(variable);
    free(output);
}

/* The output file is there and empty; in a folder closed to others the job makes it itself. */
static void test_output(void)
{
    const char *argv[] = {"/bin/sh", "-c", "test -e \"$HORARIUM_OUTPUT\" && echo there || echo none",
                          NULL};
    for (int closed = 0; closed < 2; closed++) {
        const char *task = closed ? "closed" : "open";
        char *folder = in_directory(task), *output = hor_path_join(folder, "output");
        char *variable = hor_str_printf("HORARIUM_OUTPUT=%s", output);
        const char *environment[] = {"PATH=/usr/bin:/bin", variable, NULL};
        hor_dir_make(folder, closed ? 0700 : 0755, NULL);
        hor_file_write_atomic(output, "old", 3, 0600, NULL);
        struct hor_runner_job job = job_of(task, argv);
        job.environment = environment;
        job.output_file = output;
        start(&job);
        await_end(task, 1);
        is(log_of(task), closed ? "none\n" : "there\n", "the output file of a job in a %s folder",
           task);
        struct hor_buf text = HOR_BUF_INIT;
        hor_file_read(output, 100, &text, NULL);
        is(hor_buf_text(&text), "", "what an earlier assignment wrote is gone");
        hor_buf_done(&text);
        free(variable);
        free(output);
        free(folder);
    }
}

/* MARK becomes a number of seconds that no other process sleeps. */
#define STUBBORN                                                                                   \
    "trap '' TERM; (setsid sh -c 'trap \"\" TERM; (sleep MARK & sleep MARK) & sleep MARK' &); "    \
    "sleep MARK & env -i setsid sh -c 'trap \"\" TERM; sleep MARK' & wait; sleep MARK"

static void test_kill(void)
{
    char mark[32], *script = marked(STUBBORN, mark);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct hor_runner_job job = job_of("timeout", argv);
    job.timeout_ms = 300;
    start(&job);
    struct seen *s = await_end("timeout", 1);
    is_int(s->report.fate, HOR_RUNNER_TIMED_OUT, "a timeout ends a job that does not listen");
    is_int(s->report.signal, SIGKILL, "in the end by force");
    free(script);
    is_int(count_marked(mark, 0), 0, "with all that it started, far away as it may be");
    int64_t took = s->report.ended_us - s->report.started_us;
    ok(took >= 300000 && took < 20000000, "after timeout and grace (%d ms)", (int)(took / 1000));

    script = marked("trap 'exit 9' TERM; sleep MARK & wait", mark);
    start_shell("killed", script);
    free(script);
    awaited = "killed";
    awaited_count = 1;
    await(has_started, "killed");
    struct hor_error err;
    hor_runner_kill(runner, "killed", &err);
    hor_runner_kill(runner, "unknown", &err);
    s = await_end("killed", 1);
    is_int(s->report.fate, HOR_RUNNER_KILLED, "killed on request");
    ok(s->report.exit_code == 9 || s->report.signal == SIGTERM, "it was asked first");
    is_int(count_marked(mark, 0), 0, "nothing is left");

    int64_t from = hor_clock_monotonic_ms();
    script = marked("(setsid sleep MARK &) ; sleep MARK & exit 4", mark);
    start_shell("leftover", script);
    free(script);
    s = await_end("leftover", 1);
    is_int(s->report.fate, HOR_RUNNER_EXITED, "a job that leaves processes behind has exited");
    is_int(s->report.exit_code, 4, "with its own code");
    is_int(count_marked(mark, 0), 0, "what it left is killed before that is told");
    ok(hor_clock_monotonic_ms() - from < 10000, "in a short time");
}

static void test_lease(void)
{
    const char *argv[] = {"/bin/true", NULL};
    struct hor_runner_job job = job_of("late", argv);
    job.lease_end_ms = hor_clock_monotonic_ms() - 1;
    start(&job);
    struct seen *s = await_end("late", 1);
    is_int(s->report.fate, HOR_RUNNER_FENCED, "not started after the lease");
    is_int(s->report.pid, 0, "no process");

    const char *sleeper[] = {"/bin/sleep", "4324", NULL};
    struct hor_error err;
    job = job_of("fenced", sleeper);
    int64_t now = hor_clock_monotonic_ms();
    job.lease_end_ms = now + 20000;
    job.kill_at_ms = now + 150;
    start(&job);
    hor_runner_renew(runner, now + 20000, now + 400, &err);
    s = await_end("fenced", 1);
    is_int(s->report.fate, HOR_RUNNER_FENCED, "killed when the lease was not renewed");
    ok(hor_clock_monotonic_ms() >= now + 400, "but not before the renewal's end");

    job = job_of("renewed", argv);
    job.lease_end_ms = hor_clock_monotonic_ms() - 1;
    hor_runner_renew(runner, now + 60000, now + 60000, &err);
    start(&job);
    is_int(await_end("renewed", 1)->report.fate, HOR_RUNNER_EXITED, "a renewal counts for new ones");
}

static void test_once(void)
{
    start_shell("once", "echo started");
    start_shell("once", "echo started");
    await_end("once", 1);
    start_shell("once", "echo started");
    struct seen *s = await_end("once", 2);
    is(log_of("once"), "started\n", "the same task and fence starts once");
    const char *argv[] = {"/bin/true", NULL};
    struct hor_runner_job job = job_of("once", argv);
    job.fence = 6;
    start(&job);
    s = await_end("once", s->ends + 1);
    is_int(s->report.fate, HOR_RUNNER_FENCED, "an older assignment does not start");
    job.fence = 8;
    start(&job);
    s = await_end("once", s->ends + 1);
    ok(s->report.fate == HOR_RUNNER_EXITED && s->report.fence == 8, "a newer one does");
    struct hor_error err;
    hor_runner_forget(runner, "once", 8, &err);
    hor_runner_close(runner);
    hor_map_remove(seen, "once");
    open_runner();
    is_int(seen_of("once")->ends, 0, "what is forgotten is not told again");
    is_int(seen_of("exit")->report.exit_code, 3, "what is not forgotten is");
}

static void test_reconnect(void)
{
    char *fifo = in_directory("fifo");
    mkfifo(fifo, 0600);
    char *script = hor_str_printf("read line <%s; exit 5", fifo);
    start_shell("across", script);
    start_shell("meanwhile", "exit 6");
    awaited = "across";
    awaited_count = 1;
    await(has_started, "across");
    hor_runner_close(runner);
    hor_map_remove(seen, "across");
    hor_map_remove(seen, "meanwhile");
    open_runner();
    is_int(seen_of("across")->starts, 1, "a running task is told after a reconnect");
    is_int(await_end("meanwhile", 1)->report.exit_code, 6, "and one that ended meanwhile");
    int out = open(fifo, O_RDWR | O_CLOEXEC); /* never blocks */
    ok(write(out, "go\n", 3) == 3, "the task is told to go on");
    is_int(await_end("across", 1)->report.exit_code, 5, "and its end");
    close(out);
    free(script);
    free(fifo);
}

static bool was_disconnected(void) { return disconnects > 0 && connected; }

static void test_runner_killed(void)
{
    char mark[32];
    char *script = marked("trap '' TERM HUP; (env -i setsid sleep MARK &); "
                          "(setsid sh -c 'sleep MARK; :' &); sleep MARK",
                          mark);
    start_shell("lost", script);
    free(script);
    awaited = "lost";
    awaited_count = 1;
    await(has_started, "lost");
    disconnects = 0;
    pid_t first = runner_pid();
    ok(first > 1 && kill(first, SIGKILL) == 0, "the runner is killed");
    await(was_disconnected, "another runner");
    pid_t second = runner_pid();
    ok(second > 1 && second != first, "another one was started");
    struct seen *s = await_end("lost", 1);
    is_int(s->report.fate, HOR_RUNNER_UNKNOWN, "the running task's end is not known");
    like(s->text, "runner ended", "and that is said");
    is_int(seen_of("exit")->report.exit_code, 3, "ends from before are");
    /* An escaped process with an empty environment and a session of its own can only be found
     * through a control group; the two others always. */
    int left = count_marked(mark, SIGKILL);
    char *log = in_directory("runner.log");
    struct hor_buf text = HOR_BUF_INIT;
    hor_file_read(log, 1 << 20, &text, NULL);
    bool groups = strstr(hor_buf_text(&text), "control groups in") != NULL;
    ok(left <= (groups ? 0 : 1), "no survivor is left (%d, %s)", left, groups ? "groups" : "/proc");
    diag("trees are found by %s", groups ? "control groups" : "/proc");
    hor_buf_done(&text);
    free(log);
}

static int wanted_ends;
static bool all_ended(void) { return ends_total >= wanted_ends; }

static void test_many(void)
{
    const char *argv[] = {"/bin/true", NULL};
    int64_t from = hor_clock_monotonic_ms();
    struct hor_error err;
    wanted_ends = ends_total + 1000;
    for (int i = 0; i < 1000; i++) {
        char task[32];
        snprintf(task, sizeof task, "many-%d", i);
        struct hor_runner_job job = job_of(task, argv);
        job.log_file = "/dev/null";
        start(&job);
    }
    await(all_ended, "1,000 tasks");
    int64_t took = hor_clock_monotonic_ms() - from;
    int good = 0;
    for (int i = 0; i < 1000; i++) {
        char task[32];
        snprintf(task, sizeof task, "many-%d", i);
        const struct seen *s = seen_of(task);
        good += s->starts == 1 && s->ends == 1 && s->report.fate == HOR_RUNNER_EXITED &&
                s->report.exit_code == 0;
        hor_runner_forget(runner, task, 7, &err);
    }
    is_int(good, 1000, "1,000 quick tasks, each once (%d ms)", (int)took);
    char path[64];
    struct hor_buf status = HOR_BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/status", (int)runner_pid());
    hor_file_read(path, 65536, &status, NULL);
    const char *rss = strstr(hor_buf_text(&status), "VmRSS:");
    diag("the runner's %.*s", rss != NULL ? (int)strcspn(rss, "\n") : 0, rss);
    hor_buf_done(&status);
}

static int count_records(const struct hor_record *record, void *ctx)
{
    (void)record;
    ++*(int *)ctx;
    return HOR_OK;
}

static void test_records(void)
{
    struct hor_records records;
    struct hor_error err;
    struct hor_buf text = HOR_BUF_INIT;
    int count = 0;
    char *path = in_directory("some-records");
    ok(hor_records_open(&records, path, count_records, &count, &err) == HOR_OK && count == 0,
       "no records yet");
    hor_records_boot(&records, "b");
    hor_records_start(&records, "a:b:1", 5, 6);
    hor_records_end(&records, &(struct hor_runner_report){.task = "a:b:1", .text = "two\nlines"});
    hor_records_forget(&records, "a:b:1", 5);
    ok(hor_records_flush(&records, &err) == HOR_OK, "written");
    hor_records_done(&records);
    hor_file_read(path, 10000, &text, &err);
    hor_records_open(&records, path, count_records, &count, &err);
    hor_records_done(&records);
    is_int(count, 4, "each line is read again");
    bool right = true;
    for (size_t cut = 0; cut < text.len; cut++) {
        int lines = 0;
        for (size_t i = 0; i < cut; i++)
            lines += text.data[i] == '\n';
        lines += cut > 0 && text.data[cut] == '\n'; /* a whole line but for its end */
        hor_file_write_atomic(path, text.data, cut, 0600, &err);
        count = 0;
        hor_records_open(&records, path, count_records, &count, &err);
        hor_records_start(&records, "after", 1, 1);
        hor_records_flush(&records, &err);
        hor_records_done(&records);
        right = right && count == lines;
        count = 0;
        hor_records_open(&records, path, count_records, &count, &err);
        hor_records_done(&records);
        right = right && count == lines + 1;
        if (cut % 8 != 0)
            cut += 6;
    }
    ok(right, "a file cut anywhere gives its whole lines, and goes on");
    text.data[20] ^= 1;
    hor_file_write_atomic(path, text.data, text.len, 0600, &err);
    count = 0;
    hor_records_open(&records, path, count_records, &count, &err);
    hor_records_done(&records);
    ok(count >= 2 && count < 4, "a damaged line is passed over");
    hor_buf_done(&text);
    free(path);
}

static void test_protocol(void)
{
    const char *argv[] = {"/bin/a", "b", NULL}, *environment[] = {"X=1", NULL};
    struct hor_runner_job job = {.task = "t", .fence = UINT64_MAX, .argv = argv,
                                 .environment = environment, .log_file = "/l", .grace_ms = -1},
                          got;
    struct hor_buf frame = HOR_BUF_INIT;
    struct hor_runner_frame one;
    void *lists = NULL;
    size_t pos = 0;
    hor_runner_put_start(&frame, &job);
    ok(hor_runner_next_frame(frame.data, frame.len, &pos, &one) == 1 && pos == frame.len &&
           hor_runner_get_start(&one, &got, &lists) == HOR_OK,
       "a start request is read again");
    ok(got.fence == UINT64_MAX && got.grace_ms == -1 && got.user == NULL &&
           strcmp(got.argv[1], "b") == 0 && got.argv[2] == NULL &&
           strcmp(got.environment[0], "X=1") == 0 && got.environment[1] == NULL,
       "with all its fields");
    free(lists);
    bool quiet = true;
    for (size_t cut = 0; cut < frame.len; cut++) {
        pos = 0;
        char *part = malloc(cut + 1);
        memcpy(part, frame.data, cut);
        quiet = quiet && hor_runner_next_frame(part, cut, &pos, &one) == 0;
        free(part);
    }
    ok(quiet, "a cut frame waits for more");
    int crashes_not = 0;
    for (size_t i = 6; i < frame.len; i++) /* each byte of the body to its extremes */
        for (int v = 0; v < 256; v += 51) {
            char *copy = malloc(frame.len);
            memcpy(copy, frame.data, frame.len);
            copy[i] = (char)v;
            pos = 0;
            lists = NULL;
            if (hor_runner_next_frame(copy, frame.len, &pos, &one) == 1)
                hor_runner_get_start(&one, &got, &lists);
            free(lists);
            free(copy);
            crashes_not++;
        }
    ok(crashes_not > 0, "%d damaged requests are refused or read within their bounds", crashes_not);
    pos = 0;
    is_int(hor_runner_next_frame("\xff\xff\xff\xff\x01\x01", 6, &pos, &one), HOR_ERR_INVALID,
           "a frame that is too long");
    is_int(hor_runner_next_frame("\x06\0\0\0\x02\x01\0\0\0\0", 10, &pos, &one), HOR_ERR_INVALID,
           "another version");
    hor_buf_done(&frame);
}

static void end_runner(void)
{
    hor_runner_close(runner);
    pid_t pid = runner_pid();
    if (pid > 1)
        kill(pid, SIGTERM);
    for (int i = 0; i < 1000 && runner_pid() > 1; i++)
        usleep(10000); /* nobody's child here: its end can only be seen */
    ok(runner_pid() == 0, "SIGTERM ends the runner");
    hor_map_free(seen);
    free(directory);
}

static bool begin(const char *name)
{
    directory = hor_path_join(hor_tap_tmpdir(), name);
    hor_dir_make(directory, 0700, NULL);
    seen = hor_map_new(free);
    open_runner();
    return ok(connected, "the runner is started and connected");
}

int main(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : getenv("HOR_RUNNER");
    char *self = strdup(argv[0]);
    if (given != NULL)
        snprintf(program, sizeof program, "%s", given);
    else
        snprintf(program, sizeof program, "%s/horarium-runner", dirname(self));
    free(self);
    char *resolved = realpath(program, NULL);
    if (resolved != NULL)
        snprintf(program, sizeof program, "%s", resolved);
    free(resolved);
    loop = hor_loop_new();
    guard = hor_timer_new(loop, give_up, NULL);

    if (begin("runner")) {
        test_protocol();
        test_records();
        test_start();
        test_identity_and_limits();
    test_output();
        test_kill();
        test_lease();
        test_once();
        test_reconnect();
        test_runner_killed();
        test_many();
    }
    end_runner();

    diag("without control groups");
    char *wrapper = hor_path_join(hor_tap_tmpdir(), "no-groups");
    char *script = hor_str_printf("#!/bin/sh\nexec '%s' \"$@\" --no-cgroup\n", program);
    hor_file_write_atomic(wrapper, script, strlen(script), 0755, NULL);
    snprintf(program, sizeof program, "%s", wrapper);
    free(script);
    free(wrapper);
    if (begin("runner2")) {
        test_start();
        test_kill();
        test_runner_killed();
        test_many();
    }
    end_runner();
    hor_timer_free(guard);
    hor_loop_free(loop);
    return done_testing();
}
