/* agent/runner/main.c - horarium-runner: options, becoming a service, the one runner of a folder. */
#define _GNU_SOURCE /* close_range */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/runner/server.h"
#include "agent/runner/spawn.h"
#include "lib/base/crc32c.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"

enum { EXIT_USAGE = 2, EXIT_NO_START = 4 };

static const char help[] =
    "horarium-runner --directory DIR [--detach] [--no-cgroup]\n\n"
    "Starts, watches and kills the jobs of one agent, and outlives it.\n\n"
    "  --directory DIR  where it keeps its socket, records, lock and (with --detach) log\n"
    "  --detach         go to the background once the socket is there\n"
    "  --no-cgroup      find the processes of a task in /proc even where control groups work\n"
    "  --help, --version\n\n"
    "Exit codes: 0 ended, 1 failed, 2 usage, 4 cannot start (another one runs, folder, records).\n"
    "SIGTERM kills the tasks and ends; SIGHUP opens the log again.\n";

struct options {
    const char *directory;
    bool detach, no_cgroup;
};

/* Returns an exit code, or -1 to go on. */
static int read_options(int argc, char **argv, struct options *ret)
{
    static const struct option known[] = {
        {"directory", required_argument, NULL, 'd'}, {"detach", no_argument, NULL, 'b'},
        {"no-cgroup", no_argument, NULL, 'c'},       {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},         {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'd':
            ret->directory = optarg;
            break;
        case 'b':
            ret->detach = true;
            break;
        case 'c':
            ret->no_cgroup = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case 'v':
            puts("horarium-runner " HOR_VERSION);
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (ret->directory == NULL || optind < argc) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    return -1;
}

/* Jobs inherit nothing of what this process inherited: descriptors, masks, ignored signals. */
static void clean_process(void)
{
    sigset_t blocked;
    for (int number = 1; number < 65; number++)
        signal(number, SIG_DFL);
    /* The two that the C library keeps for itself can be inherited as ignored, too. */
    static const struct {
        void *handler;
        unsigned long words[4];
    } by_default;
    syscall(SYS_rt_sigaction, 32, &by_default, NULL, 8);
    syscall(SYS_rt_sigaction, 33, &by_default, NULL, 8);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    for (int fd; (fd = open("/dev/null", O_RDWR)) >= 0;) { /* 0, 1 and 2 are taken */
        if (fd > 2) {
            close(fd);
            break;
        }
    }
    close_range(3, ~0U, 0);
}

/* The parent waits until the child says that it listens, and passes its success on. */
static int detach(void)
{
    int pipe_fds[2];
    char ready;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid > 0) {
        close(pipe_fds[1]);
        _exit(read(pipe_fds[0], &ready, 1) == 1 ? 0 : EXIT_NO_START);
    }
    close(pipe_fds[0]);
    setsid();
    return pipe_fds[1];
}

static void say_ready(int ready_fd)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (write(ready_fd, "r", 1) != 1)
        hor_log_debug("nobody waited for the start");
    close(ready_fd);
    if (null_fd >= 0) {
        for (int fd = 0; fd <= 2; fd++)
            dup2(null_fd, fd);
        close(null_fd);
    }
}

static int run(const struct options *options, int ready_fd)
{
    struct hor_error err = {0};
    struct hor_runner_server *server = NULL;
    int lock_fd = -1, code = hor_dir_make(options->directory, 0700, &err);
    if (code == HOR_OK && chdir(options->directory) != 0)
        code = hor_error_set_errno(&err, HOR_ERR_IO, errno, "enter %s", options->directory);
    if (code == HOR_OK && (code = hor_file_lock("runner.lock", &lock_fd, &err)) == HOR_ERR_BUSY)
        hor_error_set(&err, code, "another runner serves %s", options->directory);
    if (code == HOR_OK && options->detach)
        code = hor_log_open("horarium-runner", "runner.log", HOR_LOG_INFO, &err);
    if (code == HOR_OK && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        code = hor_error_set_errno(&err, HOR_ERR_IO, errno, "become the tasks' reaper");
    struct hor_groups *groups = NULL;
    char here[4096];
    if (code == HOR_OK && !options->no_cgroup && getcwd(here, sizeof here) != NULL) {
        char name[64];
        snprintf(name, sizeof name, "horarium-%08x", hor_crc32c(0, here, strlen(here)));
        groups = hor_groups_new(name);
    }
    if (code == HOR_OK)
        code = hor_runner_server_open(groups, &server, &err);
    if (code != HOR_OK) {
        fprintf(stderr, "horarium-runner: %s\n", err.text);
        hor_groups_free(groups);
        return EXIT_NO_START;
    }
    hor_log_info("serves '%s', %s%s", options->directory, groups != NULL ? "control groups in " : "",
                 groups != NULL ? hor_groups_path(groups) : "trees from /proc");
    if (ready_fd >= 0)
        say_ready(ready_fd);
    code = hor_runner_server_run(server, &err);
    if (code != HOR_OK)
        hor_log_error("%s", err.text);
    hor_runner_server_free(server);
    hor_groups_free(groups);
    hor_log_info("ends");
    close(lock_fd);
    return code == HOR_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    int code = read_options(argc, argv, &options), ready_fd = -1;
    if (code >= 0)
        return code;
    clean_process();
    umask(077);
    hor_log_open("horarium-runner", NULL, HOR_LOG_INFO, NULL);
    hor_spawn_init();
    if (options.detach && (ready_fd = detach()) < 0) {
        perror("horarium-runner: detach");
        return EXIT_NO_START;
    }
    return run(&options, ready_fd);
}
