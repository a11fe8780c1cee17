/* server/cli/outside.c - external events, and agents that are taken out of use for a while. */
#include "server/cli/cli.h"

static int drain(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return hor_cli_on_one(cli, command, "ControlAgent", "drain", "agent", argc, argv);
}

static int resume(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return hor_cli_on_one(cli, command, "ControlAgent", "resume", "agent", argc, argv);
}

static int post(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *reason = NULL, *master = NULL, *id = NULL;
    const struct hor_cli_option options[] = {
        {"--reason", "TEXT", "goes into the audit", &reason, NULL, false},
        {"--master", "NAME", "only to this Master (all)", &master, NULL, false},
        {"--request-id", "ID", "a repeat with the same id changes nothing", &id, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc < 1)
        return hor_cli_usage(command, "it wants the event's name");
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, "PostEvent");
    hor_cli_add(&request, "requestId", id);
    hor_cli_add(&request, "name", argv[0]);
    hor_cli_add(&request, "master", master);
    hor_cli_add(&request, "reason", reason);
    for (int i = 1; i < argc; i++)
        if (!hor_cli_add_argument(&request, argv[i])) {
            hor_buf_done(&request);
            return hor_cli_usage(command, "'%s' is not NAME=VALUE", argv[i]);
        }
    hor_cli_end(&request, "PostEvent");
    return hor_cli_send(cli, &request);
}

const struct hor_cli_command hor_cli_outside[] = {
    {"agent drain", "AGENT", "Gives the agent no more tasks; those that it has end", drain},
    {"agent resume", "AGENT", "Lets a drained agent take tasks again", resume},
    {"event post", "NAME [NAME=VALUE...]", "Posts an external event for chains that require it",
     post},
    {NULL, NULL, NULL, NULL},
};
