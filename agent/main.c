/* agent/main.c - horarium-agent. */
#include "agent/agent.h"
#include "lib/program/program.h"
#include "lib/xml/xml.h"

static int read_settings(const char *file, void **settings, struct hor_error *err)
{
    struct hor_settings_agent *read = NULL;
    int rc = hor_settings_agent_read(file, &read, err);
    *settings = read;
    return rc;
}

static void free_settings(void *settings)
{
    hor_settings_agent_free(settings);
}

static int start(const void *settings, struct hor_loop *loop, void **service, struct hor_error *err)
{
    struct hor_agent *agent = NULL;
    hor_xml_init();
    int rc = hor_agent_start(settings, loop, &agent, err);
    *service = agent;
    return rc;
}

static int end(void *service)
{
    int status = ((struct hor_agent *)service)->exit_status;
    hor_agent_free(service);
    return status;
}

int main(int argc, char **argv)
{
    static const struct hor_program program = {
        .name = "horarium-agent",
        .what =
            "One member of an agent cluster: it takes plans from Masters and runs their jobs.\n",
        .more =
            "Running tasks go on under the runner when it ends; its next start takes them back.\n",
        .cannot_start = "port, data folder, journal, runner",
        .read = read_settings,
        .free_settings = free_settings,
        .start = start,
        .end = end,
    };
    return hor_program_main(&program, argc, argv);
}
