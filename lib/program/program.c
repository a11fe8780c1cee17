#include "lib/program/program.h"

#include <getopt.h>
#include <locale.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>

#include "lib/base/log.h"

static void print_help(const struct hor_program *program)
{
    printf("Usage: %s --settings FILE\n\n%s\n"
           "  --settings FILE   the program's settings (xsd/settings.xsd)\n"
           "  --check-settings  read the settings, say what is wrong with them, and end\n"
           "  --version         print the version\n"
           "  --help            print this text\n\n"
           "%s"
           "Signals: TERM and INT end it, HUP opens the log file anew.\n"
           "Exit codes: 0 ended, 1 failed, 2 usage, 3 settings wrong, 4 cannot start\n(%s).\n",
           program->name, program->what, program->more, program->cannot_start);
}

static void on_end(int number, void *ctx)
{
    hor_log_info("signal %d: ending", number);
    hor_loop_stop(ctx);
}

static void on_hangup(int number, void *ctx)
{
    (void)number;
    (void)ctx;
    hor_log_reopen();
}

static int watch_signals(struct hor_loop *loop, struct hor_error *err)
{
    if (hor_loop_on_signal(loop, SIGTERM, on_end, loop) != HOR_OK ||
        hor_loop_on_signal(loop, SIGINT, on_end, loop) != HOR_OK ||
        hor_loop_on_signal(loop, SIGHUP, on_hangup, loop) != HOR_OK)
        return hor_error_set(err, HOR_ERR_IO, "signals cannot be watched");
    return HOR_OK;
}

/* The log may be a file that nobody looks at yet: a person who starts it by hand is told too. */
static int cannot_start(const struct hor_program *program,
                        const struct hor_settings_common *settings, const struct hor_error *err)
{
    hor_log_error("cannot start: %s", err->text);
    if (settings->log_file != NULL)
        fprintf(stderr, "%s: cannot start: %s\n", program->name, err->text);
    return HOR_EXIT_CANNOT_START;
}

static int run(const struct hor_program *program, const struct hor_settings_common *settings)
{
    struct hor_error err = {0};
    if (hor_log_open(program->name, settings->log_file, settings->log_level, &err) != HOR_OK) {
        fprintf(stderr, "%s: %s\n", program->name, err.text);
        return HOR_EXIT_CANNOT_START;
    }
    void *service = NULL;
    struct hor_loop *loop = hor_loop_new();
    int rc = loop == NULL ? hor_error_set(&err, HOR_ERR_MEMORY, "out of memory")
                          : watch_signals(loop, &err);
    if (rc == HOR_OK)
        rc = program->start(settings, loop, &service, &err);
    if (rc != HOR_OK) {
        hor_loop_free(loop);
        return cannot_start(program, settings, &err);
    }
    rc = hor_loop_run(loop, &err);
    if (rc != HOR_OK)
        hor_log_error("%s", err.text);
    int status = program->end(service);
    hor_loop_free(loop);
    hor_log_info("ended");
    return rc != HOR_OK ? HOR_EXIT_FAILED : status;
}

/* A heap for each thread keeps what its thread once needed: a service's many threads work for moments,
 * so a few heaps serve them all, and what is free at their ends goes back. */
static void keep_memory_low(void)
{
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024);
#endif
}

int hor_program_main(const struct hor_program *program, int argc, char **argv)
{
    static const struct option options[] = {{"settings", required_argument, NULL, 's'},
                                            {"check-settings", no_argument, NULL, 'c'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    bool check = false;
    keep_memory_low();
    setlocale(LC_CTYPE, "C.UTF-8"); /* database drivers ask for the character set */
    signal(SIGPIPE, SIG_IGN);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            file = optarg;
            break;
        case 'c':
            check = true;
            break;
        case 'v':
            printf("%s " HOR_VERSION "\n", program->name);
            return HOR_EXIT_ENDED;
        case 'h':
            print_help(program);
            return HOR_EXIT_ENDED;
        default:
            fprintf(stderr, "Try '%s --help'.\n", program->name);
            return HOR_EXIT_USAGE;
        }
    }
    if (file == NULL || optind < argc) {
        fprintf(stderr, "%s: --settings FILE is needed, and nothing else.\nTry '%s --help'.\n",
                program->name, program->name);
        return HOR_EXIT_USAGE;
    }
    void *settings = NULL;
    struct hor_error err = {0};
    if (program->read(file, &settings, &err) != HOR_OK) {
        fprintf(stderr, "%s: %s\n", program->name, err.text);
        return HOR_EXIT_SETTINGS;
    }
    int status = HOR_EXIT_ENDED;
    if (check)
        printf("%s: the settings are good\n", file);
    else
        status = run(program, settings);
    program->free_settings(settings);
    return status;
}
