#define _GNU_SOURCE /* clone flags, setresuid, getgrouplist */
#include "agent/runner/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { STACK_BYTES = 64 * 1024, MAX_GROUPS = 256 };

struct identity {
    bool change;
    uid_t uid;
    gid_t gid, groups[MAX_GROUPS];
    int group_count;
};

/* What the child needs, made before it starts: between clone and execve it only makes system
 * calls, because the memory, locks and all, is the runner's. */
struct plan {
    const struct hor_runner_job *job;
    char *const *environment;
    const struct identity *identity;
    int null_fd, log_fd, group_fd;
    bool born_in_group;
    sigset_t no_signals;
    /* written by the child */
    const char *failed_step;
    int failed_errno;
    bool lease_over;
};

static struct rlimit files_of_jobs;

void hor_spawn_init(void)
{
    if (getrlimit(RLIMIT_NOFILE, &files_of_jobs) != 0)
        return;
    struct rlimit most = {files_of_jobs.rlim_max, files_of_jobs.rlim_max};
    setrlimit(RLIMIT_NOFILE, &most);
}

/* On the child's own stack, which it leaves without return: not for a sanitizer to follow. */
#define ON_CHILD __attribute__((no_sanitize_address, noinline))

ON_CHILD static bool limit(int resource, int64_t value)
{
    if (value <= 0)
        return true;
    struct rlimit both = {(rlim_t)value, (rlim_t)value}, old;
    if (getrlimit((__rlimit_resource_t)resource, &old) == 0 && old.rlim_max < both.rlim_max)
        both.rlim_max = both.rlim_cur = old.rlim_max; /* only root may raise it */
    return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

ON_CHILD static const char *child_steps(struct plan *plan)
{
    const struct hor_runner_job *job = plan->job;
    if (setsid() < 0)
        return "start a session";
    if (plan->group_fd >= 0 && !plan->born_in_group) {
        int fd = openat(plan->group_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
            return "join the control group";
    }
    /* The shell and most programs expect the default; what is ignored would stay so. */
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    if (dup2(plan->null_fd, 0) < 0 || dup2(plan->log_fd, 1) < 0 || dup2(plan->log_fd, 2) < 0)
        return "connect the log";
    if (files_of_jobs.rlim_max > 0)
        setrlimit(RLIMIT_NOFILE, &files_of_jobs);
    if (!limit(RLIMIT_AS, job->memory_bytes) || !limit(RLIMIT_CPU, job->cpu_seconds) ||
        !limit(RLIMIT_FSIZE, job->file_bytes) || !limit(RLIMIT_NPROC, job->processes) ||
        !limit(RLIMIT_NOFILE, job->open_files))
        return "set the limits";
    if (plan->identity->change &&
        (syscall(SYS_setgroups, plan->identity->group_count, plan->identity->groups) != 0 ||
         syscall(SYS_setresgid, plan->identity->gid, plan->identity->gid, plan->identity->gid) != 0 ||
         syscall(SYS_setresuid, plan->identity->uid, plan->identity->uid, plan->identity->uid) != 0))
        return "become the user";
    if (job->directory != NULL && chdir(job->directory) != 0)
        return "enter the directory";
    umask(022);
    sigprocmask(SIG_SETMASK, &plan->no_signals, NULL);
    if (job->lease_end_ms != 0 && hor_clock_monotonic_ms() >= job->lease_end_ms) {
        plan->lease_over = true;
        return "start";
    }
    execve(job->argv[0], (char *const *)job->argv, plan->environment);
    return "run the program";
}

ON_CHILD static int child(void *ctx)
{
    struct plan *plan = ctx;
    plan->failed_step = child_steps(plan);
    plan->failed_errno = errno;
    _exit(127);
}

#if defined(__x86_64__)
/* clone3 puts the child into its cgroup at birth; moving it there later makes the kernel wait for a
 * grace period of milliseconds. The C library has no wrapper, and the child needs a stack of its
 * own. -1 and errno when the kernel cannot. */
static long clone_into_group(struct plan *plan, char *stack, size_t stack_bytes)
{
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = stack_bytes,
        .cgroup = (uint64_t)plan->group_fd,
    };
    long result;
    register struct plan *kept_plan __asm__("r12") = plan;
    register int (*kept_child)(void *) __asm__("r13") = child;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r12, %%rdi\n\t"
                     "call *%%r13\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_clone3), "D"(&args), "S"(sizeof args), "r"(kept_plan),
                       "r"(kept_child)
                     : "rcx", "r11", "memory");
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}
#else
static long clone_into_group(struct plan *plan, char *stack, size_t stack_bytes)
{
    (void)plan;
    (void)stack;
    (void)stack_bytes;
    errno = ENOSYS;
    return -1;
}
#endif

static pid_t start_child(struct plan *plan)
{
    static _Alignas(64) char stack[STACK_BYTES]; /* one child at a time: the runner waits for it */
    static bool no_clone3;
    if (plan->group_fd >= 0 && !no_clone3) {
        plan->born_in_group = true;
        long pid = clone_into_group(plan, stack, sizeof stack);
        if (pid >= 0)
            return (pid_t)pid;
        if (errno != ENOSYS && errno != EINVAL && errno != E2BIG)
            return -1;
        no_clone3 = true; /* an older kernel */
        plan->born_in_group = false;
    }
    return clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, plan);
}

static int find_identity(const char *user, struct identity *ret, struct hor_error *err)
{
    *ret = (struct identity){0};
    if (user == NULL)
        return HOR_OK;
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL)
        return errno == 0 ? hor_error_set(err, HOR_ERR_NOT_FOUND, "unknown user '%s'", user)
                          : hor_error_set_errno(err, HOR_ERR_IO, errno, "look up user '%s'", user);
    if (entry->pw_uid == geteuid())
        return HOR_OK; /* is that already */
    if (geteuid() != 0)
        return hor_error_set(err, HOR_ERR_DENIED,
                             "the runner is not root and cannot become user '%s'", user);
    ret->change = true;
    ret->uid = entry->pw_uid;
    ret->gid = entry->pw_gid;
    ret->group_count = MAX_GROUPS;
    if (getgrouplist(user, entry->pw_gid, ret->groups, &ret->group_count) < 0)
        return hor_error_set(err, HOR_ERR_LIMIT, "user '%s' has more than %d groups", user,
                             MAX_GROUPS);
    return HOR_OK;
}

int64_t hor_spawn_ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    long per_second = sysconf(_SC_CLK_TCK);
    return (int64_t)now.tv_sec * per_second + now.tv_nsec / (1000000000 / per_second);
}

/* The job's environment with the mark by which a restarted runner finds the process again. */
static char **marked_environment(const struct hor_runner_job *job, char **ret_mark)
{
    size_t count = 0;
    while (job->environment[count] != NULL)
        count++;
    char **all = malloc((count + 2) * sizeof *all);
    char *mark = hor_str_printf("HORARIUM_TASK=%s", job->task);
    if (all == NULL || mark == NULL) {
        free(all);
        free(mark);
        return NULL;
    }
    size_t used = 0;
    all[used++] = mark;
    for (size_t i = 0; i < count; i++)
        if (!hor_str_starts(job->environment[i], "HORARIUM_TASK="))
            all[used++] = (char *)job->environment[i];
    all[used] = NULL;
    *ret_mark = mark;
    return all;
}

static int open_log(const struct hor_runner_job *job, struct hor_error *err)
{
    int fd = open(job->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        hor_error_set_errno(err, HOR_ERR_IO, errno, "log file %s", job->log_file);
    return fd;
}

/* Closed to other users. */
static bool is_private_folder(const char *file)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    struct stat status;
    if (slash == NULL || slash == file || (size_t)(slash - file) >= sizeof folder)
        return false;
    memcpy(folder, file, (size_t)(slash - file));
    folder[slash - file] = '\0';
    return stat(folder, &status) == 0 && S_ISDIR(status.st_mode) && (status.st_mode & 077) == 0;
}

/* Most jobs give no outputs, and a file costs more than all else here: where only the job's own user
 * gets at it, the job makes it when it writes. */
static int make_output(const struct hor_runner_job *job, const struct identity *identity,
                       struct hor_error *err)
{
    if (job->output_file == NULL)
        return HOR_OK;
    if (!identity->change && is_private_folder(job->output_file)) {
        if (unlink(job->output_file) == 0 || errno == ENOENT) /* of an earlier assignment */
            return HOR_OK;
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "output file %s", job->output_file);
    }
    int fd = open(job->output_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || (identity->change && fchown(fd, identity->uid, identity->gid) != 0)) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return hor_error_set_errno(err, HOR_ERR_IO, why, "output file %s", job->output_file);
    }
    close(fd);
    return HOR_OK;
}

/* After a child that ended without running the program: takes its exit away and says why. */
static int tell_failure(const struct plan *plan, pid_t pid, struct hor_spawned *ret,
                        struct hor_error *err)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (plan->lease_over) {
        ret->lease_over = true;
        return hor_error_set(err, HOR_ERR_STATE, "the lease had ended before the start");
    }
    const char *object = strcmp(plan->failed_step, "enter the directory") == 0
                             ? plan->job->directory
                             : strcmp(plan->failed_step, "run the program") == 0 ? plan->job->argv[0]
                                                                                   : NULL;
    return object != NULL ? hor_error_set_errno(err, HOR_ERR_IO, plan->failed_errno, "%s %s",
                                                plan->failed_step, object)
                          : hor_error_set_errno(err, HOR_ERR_IO, plan->failed_errno, "%s",
                                                plan->failed_step);
}

int hor_spawn(const struct hor_runner_job *job, int group_fd, int null_fd,
              struct hor_spawned *ret, struct hor_error *err)
{
    struct identity identity;
    char *mark = NULL, **environment = NULL;
    int log_fd = -1;
    int code = find_identity(job->user, &identity, err);
    *ret = (struct hor_spawned){0};
    if (code != HOR_OK)
        return code;
    if ((log_fd = open_log(job, err)) < 0)
        return HOR_ERR_IO;
    code = make_output(job, &identity, err);
    if (code != HOR_OK)
        goto out;
    environment = marked_environment(job, &mark);
    if (environment == NULL) {
        code = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        goto out;
    }
    struct plan plan = {.job = job,
                        .environment = environment,
                        .identity = &identity,
                        .null_fd = null_fd,
                        .log_fd = log_fd,
                        .group_fd = group_fd};
    sigemptyset(&plan.no_signals);
    ret->ticks_from = hor_spawn_ticks();
    pid_t pid = start_child(&plan);
    ret->ticks_to = hor_spawn_ticks();
    if (pid < 0)
        code = hor_error_set_errno(err, HOR_ERR_IO, errno, "start a process");
    else if (plan.failed_step != NULL)
        code = tell_failure(&plan, pid, ret, err);
    else
        ret->pid = pid;
out:
    close(log_fd);
    free(environment);
    free(mark);
    return code;
}
