/* server/supervisor/main.c - horarium-supervisor. */
#include "lib/base/log.h"
#include "lib/program/program.h"
#include "server/supervisor/supervisor.h"

static int read_settings(const char *file, void **settings, struct hor_error *err)
{
    struct hor_settings_supervisor *read = NULL;
    int rc = hor_settings_supervisor_read(file, &read, err);
    *settings = read;
    return rc;
}

static void free_settings(void *settings)
{
    hor_settings_supervisor_free(settings);
}

static int start(const void *ctx, struct hor_loop *loop, void **service, struct hor_error *err)
{
    const struct hor_settings_supervisor *settings = ctx;
    struct hor_supervisor *supervisor = NULL;
    int rc = hor_supervisor_start(settings, loop, &supervisor, err);
    if (rc == HOR_OK)
        hor_log_info("Supervisor %s listens on %s port %u", settings->common.name,
                     settings->common.listen.address, hor_supervisor_port(supervisor));
    *service = supervisor;
    return rc;
}

static int end(void *service)
{
    hor_supervisor_stop(service);
    return HOR_EXIT_ENDED;
}

int main(int argc, char **argv)
{
    static const struct hor_program program = {
        .name = "horarium-supervisor",
        .what =
            "Keeps configuration, releases, history, users and roles, and serves the Controller\n"
            "and the web services.\n",
        .more = "The first user is made with 'horarium user add admin --role administrator'.\n",
        .cannot_start = "port, data folder, database, users",
        .read = read_settings,
        .free_settings = free_settings,
        .start = start,
        .end = end,
    };
    return hor_program_main(&program, argc, argv);
}
