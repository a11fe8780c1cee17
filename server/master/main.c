/* server/master/main.c - horarium-master. */
#include "lib/base/log.h"
#include "lib/program/program.h"
#include "server/master/master.h"

static int read_settings(const char *file, void **settings, struct hor_error *err)
{
    struct hor_settings_master *read = NULL;
    int rc = hor_settings_master_read(file, &read, err);
    *settings = read;
    return rc;
}

static void free_settings(void *settings)
{
    hor_settings_master_free(settings);
}

static int start(const void *ctx, struct hor_loop *loop, void **service, struct hor_error *err)
{
    const struct hor_settings_master *settings = ctx;
    struct hor_master *master = NULL;
    int rc = hor_master_start(settings, loop, &master, err);
    if (rc == HOR_OK)
        hor_log_info("Master %s of cluster '%s' listens on %s port %u", settings->common.name,
                     settings->cluster, settings->common.listen.address,
                     (unsigned)hor_http_server_port(master->server));
    *service = master;
    return rc;
}

static int end(void *service)
{
    int status = ((struct hor_master *)service)->exit_status;
    hor_master_free(service);
    return status;
}

int main(int argc, char **argv)
{
    static const struct hor_program program = {
        .name = "horarium-master",
        .what =
            "A member of a Master cluster: makes the daily plan, hands it to the agent clusters,\n"
            "and collects what they report.\n",
        .more = "",
        .cannot_start = "port, data folder, journal",
        .read = read_settings,
        .free_settings = free_settings,
        .start = start,
        .end = end,
    };
    return hor_program_main(&program, argc, argv);
}
