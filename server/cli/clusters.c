/* server/cli/clusters.c - what people decide about Master clusters and agent clusters, and commands
 * that wait for one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/cli.h"

/* Sends the request, shows its results. */
static int finish(struct hor_cli *cli, struct hor_buf *request)
{
    static const struct hor_cli_column columns[] = {
        {"OBJECT", "object", false}, {"OUTCOME", "outcome", false}, {"TEXT", "text", false}};
    struct hor_xml_doc *doc = NULL;
    int code = hor_cli_call(cli, request, &doc);
    hor_buf_done(request);
    if (code != HOR_EXIT_OK)
        return code;
    if (!cli->xml && !cli->quiet)
        hor_cli_table(hor_xml_root(doc), "result", columns, HOR_CLI_COUNT(columns), NULL);
    const struct hor_xml_node *r = hor_xml_child(hor_xml_root(doc), "result");
    for (; r != NULL; r = hor_xml_next(r, "result")) {
        char *outcome = hor_cli_child_text(r, "outcome");
        if (outcome != NULL && strcmp(outcome, "refused") == 0)
            code = HOR_EXIT_REFUSED;
        free(outcome);
    }
    hor_xml_doc_free(doc);
    return code;
}

/* Commands that name one thing: `operation` with the element `field`, and `action` where it has one. */
static int on_one(struct hor_cli *cli, const struct hor_cli_command *command, const char *operation,
                  const char *action, const char *field, int argc, char **argv)
{
    const char *reason = NULL, *master = NULL, *id = NULL;
    const struct hor_cli_option options[] = {
        {"--reason", "TEXT", "goes into the audit", &reason, NULL, false},
        {"--master", "NAME", "the Master cluster, where there are several", &master, NULL, false},
        {"--request-id", "ID", "a repeat with the same id changes nothing", &id, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants one %s", field);
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, operation);
    hor_cli_add(&request, "requestId", id);
    hor_cli_add(&request, "action", action);
    hor_cli_add(&request, field, argv[0]);
    hor_cli_add(&request, "master", master);
    hor_cli_add(&request, "reason", reason);
    hor_cli_end(&request, operation);
    return finish(cli, &request);
}

static int switch_master(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                         char **argv)
{
    return on_one(cli, command, "SwitchMaster", NULL, "member", argc, argv);
}

static int recouple(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return on_one(cli, command, "ControlCluster", "recouple", "cluster", argc, argv);
}

static int revoke(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return on_one(cli, command, "RevokeCommand", NULL, "command", argc, argv);
}

static int list(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    static const struct hor_cli_column columns[] = {
        {"COMMAND", "id", false},         {"ACTION", "action", false}, {"OBJECT", "object", false},
        {"CLUSTER", "cluster", false},    {"MASTER", "master", false}, {"SINCE", "receivedAt", false},
        {"ACTOR", "actor", false},        {"REASON", "reason", false}};
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
