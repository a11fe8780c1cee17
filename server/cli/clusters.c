/* server/cli/clusters.c - what people decide about Master clusters and agent clusters, and commands
 * that wait for one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/cli.h"

static int switch_master(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                         char **argv)
{
    return hor_cli_on_one(cli, command, "SwitchMaster", NULL, "member", argc, argv);
}

static int recouple(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                    char **argv)
{
    return hor_cli_on_one(cli, command, "ControlCluster", "recouple", "cluster", argc, argv);
}

static int revoke(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return hor_cli_on_one(cli, command, "RevokeCommand", NULL, "command", argc, argv);
}

static int list(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    static const struct hor_cli_column columns[] = {
        {"COMMAND", "id", false},      {"ACTION", "action", false}, {"OBJECT", "object", false},
        {"CLUSTER", "cluster", false}, {"MASTER", "master", false}, {"SINCE", "receivedAt", false},
        {"ACTOR", "actor", false},     {"REASON", "reason", false}};
    static const struct hor_cli_column problems[] = {{"MASTER", "object", false},
                                                     {"NOT ASKED", "text", false}};
    const char *master = NULL;
    const struct hor_cli_option options[] = {
        {"--master", "NAME", "only of this Master cluster", &master, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 0)
        return hor_cli_usage(command, "'%s' is too much", argv[0]);
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "ListCommands");
    hor_cli_add(&request, "master", master);
    hor_cli_end(&request, "ListCommands");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK && !cli->xml && cli->quiet) {
        const struct hor_xml_node *c = hor_xml_child(hor_xml_root(doc), "command");
        for (; c != NULL; c = hor_xml_next(c, "command")) {
            char *id = hor_cli_child_text(c, "id");
            puts(id != NULL ? id : "");
            free(id);
        }
    } else if (code == HOR_EXIT_OK && !cli->xml) {
        hor_cli_table(hor_xml_root(doc), "command", columns, HOR_CLI_COUNT(columns),
                      "no command waits");
        hor_cli_table(hor_xml_root(doc), "problem", problems, HOR_CLI_COUNT(problems), NULL);
    }
    if (code == HOR_EXIT_OK && hor_xml_child(hor_xml_root(doc), "problem") != NULL)
        code = HOR_EXIT_UNREACHABLE;
    hor_xml_doc_free(doc);
    return code;
}

const struct hor_cli_command hor_cli_clusters[] = {
    {"master switch", "MEMBER", "Passes the Masters' leadership on to this member", switch_master},
    {"cluster recouple", "CLUSTER", "Couples with an agent cluster anew after its history was lost",
     recouple},
    {"command list", "", "Shows commands that wait for their agent cluster", list},
    {"command revoke", "COMMAND", "Takes back a command that waits", revoke},
    {NULL, NULL, NULL, NULL},
};
