/* server/master/main.c - horarium-master: options, signals, life and end. */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/config/settings.h"
#include "lib/loop/loop.h"
#include "server/master/master.h"

enum { EXIT_USAGE = 2, EXIT_SETTINGS = 3, EXIT_CANNOT_START = 4 };

static void print_help(void)
{
    puts("horarium-master --settings FILE\n\n"
         "A member of a Master cluster: makes the daily plan, hands it to the agent clusters, and\n"
         "collects what they report.\n\n"
         "  --settings FILE   the program's settings (xsd/settings.xsd)\n"
         "  --check-settings  read the settings, say what is wrong with them, and end\n"
         "  --version         print the version\n"
         "  --help            print this text\n\n"
         "Signals: TERM and INT end it, HUP opens the log file again.\n"
         "Exit codes: 0 ended, 1 failed, 2 usage, 3 settings wrong, 4 cannot start (port, data\n"
         "folder, journal).");
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

static int run(const struct hor_settings_master *settings)
{
    struct hor_error err = {0};
    struct hor_master *master = NULL;
    if (hor_log_open("horarium-master", settings->common.log_file, settings->common.log_level,
                     &err) != HOR_OK) {
        fprintf(stderr, "horarium-master: %s\n", err.text);
        return EXIT_CANNOT_START;
    }
    struct hor_loop *loop = hor_loop_new();
    int rc = loop == NULL ? hor_error_set(&err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
    if (rc == HOR_OK)
        rc = hor_master_start(settings, loop, &master, &err);
    if (rc != HOR_OK) {
        hor_log_error("cannot start: %s", err.text);
        fprintf(stderr, "horarium-master: %s\n", err.text);
        hor_loop_free(loop);
        return EXIT_CANNOT_START;
    }
    hor_loop_on_signal(loop, SIGTERM, on_end, loop);
    hor_loop_on_signal(loop, SIGINT, on_end, loop);
    hor_loop_on_signal(loop, SIGHUP, on_hangup, loop);
    hor_log_info("Master %s of cluster '%s' listens on %s port %u", settings->common.name,
                 settings->cluster, settings->common.listen.address,
                 (unsigned)hor_http_server_port(master->server));
    rc = hor_loop_run(loop, &err);
    if (rc != HOR_OK)
        hor_log_error("%s", err.text);
    int status = rc != HOR_OK ? EXIT_FAILURE : master->exit_status;
    hor_master_free(master);
    hor_loop_free(loop);
    hor_log_info("ended");
    return status;
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
    int option;
    setlocale(LC_ALL, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            file = optarg;
            break;
        case 'c':
            check = true;
            break;
        case 'v':
            puts("horarium-master " PACKAGE_VERSION);
            return 0;
        case 'h':
            print_help();
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (file == NULL || optind < argc) {
        fputs("horarium-master: --settings FILE is needed; --help tells more\n", stderr);
        return EXIT_USAGE;
    }
    struct hor_settings_master *settings = NULL;
    struct hor_error err = {0};
    if (hor_settings_master_read(file, &settings, &err) != HOR_OK) {
        fprintf(stderr, "horarium-master: %s\n", err.text);
        return EXIT_SETTINGS;
    }
    int status = check ? 0 : run(settings);
    if (check)
        printf("%s: right\n", file);
    hor_settings_master_free(settings);
    return status;
}
