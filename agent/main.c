/* horarium-agent: one member of an agent cluster. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/log.h"
#include "lib/xml/xml.h"

enum { EXIT_USAGE = 2, EXIT_SETTINGS = 3, EXIT_CANNOT_START = 4 };

static const char help[] =
    "Usage: horarium-agent --settings FILE\n"
    "Runs one member of an agent cluster: it takes plans from Masters and runs their jobs.\n"
    "\n"
    "  --settings FILE    the program's settings (xsd/settings.xsd)\n"
    "  --check-settings   check the settings and end\n"
    "  --help             this text\n"
    "  --version          the version\n"
    "\n"
    "SIGTERM and SIGINT end it; running tasks go on under the runner and are taken back at the next\n"
    "start. SIGHUP opens the log file anew.\n"
    "Exit codes: 0 ended as asked, 1 failed, 2 wrong usage, 3 wrong settings, 4 cannot start.\n";

static void on_end(int number, void *ctx)
{
    struct hor_loop *loop = ctx;
    hor_log_info("ending on signal %d", number);
    hor_loop_stop(loop);
}

static void on_hangup(int number, void *ctx)
{
    (void)number;
    (void)ctx;
    hor_log_reopen();
}

static int run(const struct hor_settings_agent *settings)
{
    struct hor_error err = {0};
    struct hor_agent *agent = NULL;
    struct hor_loop *loop = hor_loop_new();
    int status = EXIT_CANNOT_START;
    if (loop == NULL) {
        hor_log_error("out of memory");
        return EXIT_CANNOT_START;
    }
    hor_xml_init();
    signal(SIGPIPE, SIG_IGN);
    if (hor_loop_on_signal(loop, SIGTERM, on_end, loop) < 0 ||
        hor_loop_on_signal(loop, SIGINT, on_end, loop) < 0 ||
        hor_loop_on_signal(loop, SIGHUP, on_hangup, NULL) < 0) {
        hor_log_error("signals cannot be handled");
    } else if (hor_agent_start(settings, loop, &agent, &err) < 0) {
        hor_log_error("cannot start: %s", err.text);
        fprintf(stderr, "horarium-agent: cannot start: %s\n", err.text);
    } else if (hor_loop_run(loop, &err) < 0) {
        hor_log_error("%s", err.text);
        status = EXIT_FAILURE;
    } else {
        status = agent->exit_status;
    }
    hor_agent_free(agent);
    hor_loop_free(loop);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"settings", required_argument, NULL, 's'},
                                            {"check-settings", no_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {0}};
    const char *file = NULL;
    bool check = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            file = optarg;
            break;
        case 'c':
            check = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        case 'v':
            puts("horarium-agent " PACKAGE_VERSION);
            return EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    if (file == NULL || optind != argc) {
        fputs("horarium-agent: --settings FILE is needed; --help tells more\n", stderr);
        return EXIT_USAGE;
    }
    struct hor_error err = {0};
    struct hor_settings_agent *settings = NULL;
    if (hor_settings_agent_read(file, &settings, &err) < 0) {
        fprintf(stderr, "horarium-agent: %s\n", err.text);
        return EXIT_SETTINGS;
    }
    if (check) {
        printf("%s: right\n", settings->common.file);
        hor_settings_agent_free(settings);
        return EXIT_SUCCESS;
    }
    int status = EXIT_CANNOT_START;
    if (hor_log_open("horarium-agent", settings->common.log_file, settings->common.log_level, &err) <
        0)
        fprintf(stderr, "horarium-agent: %s\n", err.text);
    else
        status = run(settings);
    hor_settings_agent_free(settings);
    return status;
}
