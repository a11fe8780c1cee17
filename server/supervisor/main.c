/* server/supervisor/main.c - horarium-supervisor: options, signals, life and end. */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/config/settings.h"
#include "lib/loop/loop.h"
#include "server/supervisor/supervisor.h"

enum { EXIT_USAGE = 2, EXIT_SETTINGS = 3, EXIT_CANNOT_START = 4 };

static void print_help(void)
{
    puts("horarium-supervisor --settings FILE\n\n"
         "Keeps configuration, releases, history, users and roles, and serves the Controller and "
         "the\n"
         "web services.\n\n"
         "  --settings FILE   the program's settings (xsd/settings.xsd)\n"
         "  --check-settings  read the settings, say what is wrong with them, and end\n"
         "  --version         print the version\n"
         "  --help            print this text\n\n"
         "The first user is made with 'horarium user add admin --role administrator'.\n"
         "Signals: TERM and INT end it, HUP opens the log file again.\n"
         "Exit codes: 0 ended, 1 failed, 2 usage, 3 settings wrong, 4 cannot start (port, data\n"
         "folder, database, users).");
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

static int run(const struct hor_settings_supervisor *settings)
{
    struct hor_error err = {0};
    struct hor_supervisor *supervisor = NULL;
    if (hor_log_open("horarium-supervisor", settings->common.log_file, settings->common.log_level,
                     &err) != HOR_OK) {
        fprintf(stderr, "horarium-supervisor: %s\n", err.text);
        return EXIT_CANNOT_START;
    }
    struct hor_loop *loop = hor_loop_new();
    int rc = loop == NULL ? hor_error_set(&err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
    if (rc == HOR_OK)
        rc = hor_supervisor_start(settings, loop, &supervisor, &err);
    if (rc != HOR_OK) {
        hor_log_error("cannot start: %s", err.text);
        if (settings->common.log_file != NULL)
            fprintf(stderr, "horarium-supervisor: %s\n", err.text);
        hor_loop_free(loop);
        return EXIT_CANNOT_START;
    }
    hor_loop_on_signal(loop, SIGTERM, on_end, loop);
    hor_loop_on_signal(loop, SIGINT, on_end, loop);
    hor_loop_on_signal(loop, SIGHUP, on_hangup, loop);
    hor_log_info("Supervisor %s listens on %s port %u", settings->common.name,
                 settings->common.listen.address, hor_supervisor_port(supervisor));
    rc = hor_loop_run(loop, &err);
    if (rc != HOR_OK)
        hor_log_error("%s", err.text);
    hor_supervisor_stop(supervisor);
    hor_loop_free(loop);
    hor_log_info("ended");
    return rc != HOR_OK ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"settings", required_argument, NULL, 's'},
                                            {"check-settings", no_argument, NULL, 'c'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    bool check = false;
    setlocale(LC_CTYPE, "C.UTF-8"); /* drivers ask for the character set */
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
            puts("horarium-supervisor " HOR_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            print_help();
            return EXIT_SUCCESS;
        default:
            fputs("Try 'horarium-supervisor --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (file == NULL || optind < argc) {
        fputs("horarium-supervisor: --settings FILE is needed, and nothing else.\n"
              "Try 'horarium-supervisor --help'.\n",
              stderr);
        return EXIT_USAGE;
    }
    struct hor_settings_supervisor *settings = NULL;
    struct hor_error err = {0};
    if (hor_settings_supervisor_read(file, &settings, &err) != HOR_OK) {
        fprintf(stderr, "horarium-supervisor: %s\n", err.text);
        return EXIT_SETTINGS;
    }
    int status = EXIT_SUCCESS;
    if (check)
        printf("%s: the settings are good\n", file);
    else
        status = run(settings);
    hor_settings_supervisor_free(settings);
    return status;
}
