/* server/cli/releases.c - configuration and releases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/cli.h"

static const struct hor_cli_column release_columns[] = {
    {"NUMBER", "number", true},   {"STATE", "state", false},  {"OBJECTS", "objects", true},
    {"CREATED", "createdAt", false}, {"AUTHOR", "author", false}, {"APPROVER", "approver", false},
    {"DEPLOYED TO", "deployment/master", false}, {"STATE THERE", "deployment/state", false},
    {"REASON", "reason", false},
};

static int validate(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                    char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 0)
        return hor_cli_usage(command, "'%s' is too much", argv[0]);
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "ValidateConfiguration");
    hor_cli_end(&request, "ValidateConfiguration");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code != HOR_EXIT_OK)
        return code;
    char *valid = hor_cli_child_text(hor_xml_root(doc), "valid");
    char *objects = hor_cli_child_text(hor_xml_root(doc), "objects");
    bool good = valid != NULL && (strcmp(valid, "true") == 0 || strcmp(valid, "1") == 0);
    if (!cli->xml) {
        static const struct hor_cli_column columns[] = {
            {"FILE", "file", false},     {"LINE", "line", true}, {"SEVERITY", "severity", false},
            {"OBJECT", "object", false}, {"PROBLEM", "text", false}, {"REMEDY", "remedy", false},
        };
        hor_cli_table(hor_xml_root(doc), "problem", columns, HOR_CLI_COUNT(columns), NULL);
        printf("%s: %s objects\n", good ? "valid" : "not valid", objects != NULL ? objects : "0");
    }
    free(valid);
    free(objects);
    hor_xml_doc_free(doc);
    return good ? HOR_EXIT_OK : HOR_EXIT_REFUSED;
}

static int list(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *limit = NULL;
    const struct hor_cli_option options[] = {
        {"--limit", "N", "how many at most, newest first", &limit, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "ListReleases");
    hor_cli_add(&request, "limit", limit);
    hor_cli_end(&request, "ListReleases");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK && !cli->xml)
        hor_cli_table(hor_xml_root(doc), "release", release_columns,
                      HOR_CLI_COUNT(release_columns), "no release was made yet");
    hor_xml_doc_free(doc);
    return code;
}

/* One call that answers with a release. */
static int change(struct hor_cli *cli, const struct hor_cli_command *command,
                  const char *operation, bool number, bool master_option, int argc, char **argv)
{
    const char *reason = NULL, *master = NULL, *request_id = NULL;
    bool with_id = strcmp(operation, "CreateRelease") == 0 || master_option;
    const struct hor_cli_option options[] = {
        {"--reason", "TEXT", "goes into the audit", &reason, NULL, false},
        {with_id ? "--request-id" : NULL, "ID", "a repeat with the same id changes nothing",
         &request_id, NULL, false},
        {master_option ? "--master" : NULL, "NAME", "only to this Master", &master, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != (number ? 1 : 0))
        return hor_cli_usage(command, "%s", number ? "it wants one release number"
                                                   : "it takes no argument");
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, operation);
    hor_cli_add(&request, "requestId", request_id);
    if (number)
        hor_cli_add(&request, "number", argv[0]);
    hor_cli_add(&request, "master", master);
    hor_cli_add(&request, "reason", reason);
    hor_cli_end(&request, operation);
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK && !cli->xml) {
        const struct hor_xml_node *release = hor_xml_child(hor_xml_root(doc), "release");
        char *n = release != NULL ? hor_cli_child_text(release, "number") : NULL;
        if (cli->quiet)
            puts(n != NULL ? n : "");
        else
            hor_cli_table(hor_xml_root(doc), "release", release_columns,
                          HOR_CLI_COUNT(release_columns), NULL);
        free(n);
    }
    hor_xml_doc_free(doc);
    return code;
}

static int create(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return change(cli, command, "CreateRelease", false, false, argc, argv);
}

static int approve(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                   char **argv)
{
    return change(cli, command, "ApproveRelease", true, false, argc, argv);
}

static int reject(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return change(cli, command, "RejectRelease", true, false, argc, argv);
}

static int deploy(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return change(cli, command, "DeployRelease", true, true, argc, argv);
}

static int diff(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    if (argc > 2)
        return hor_cli_usage(command, "two releases at most");
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "GetReleaseDifference");
    hor_cli_add(&request, "from", argc > 0 ? argv[0] : NULL);
    hor_cli_add(&request, "to", argc > 1 ? argv[1] : NULL);
    hor_cli_end(&request, "GetReleaseDifference");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    static const struct hor_cli_column columns[] = {
        {"CHANGE", "change", false}, {"KIND", "kind", false}, {"OBJECT", "path", false}};
    if (code == HOR_EXIT_OK && !cli->xml)
        hor_cli_table(hor_xml_root(doc), "difference", columns, HOR_CLI_COUNT(columns),
                      "no difference");
    hor_xml_doc_free(doc);
    return code;
}

const struct hor_cli_command hor_cli_releases[] = {
    {"validate", "", "Checks the whole draft: schema, references, rules, expressions", validate},
    {"release list", "", "Shows releases, newest first", list},
    {"release create", "", "Makes the valid draft the next release", create},
    {"release approve", "NUMBER", "Approves a release", approve},
    {"release reject", "NUMBER", "Rejects a release", reject},
    {"release diff", "[FROM [TO]]", "Compares releases; without TO with the draft", diff},
    {"deploy", "NUMBER", "Deploys an approved release to the Masters; an older one rolls back",
     deploy},
    {NULL, NULL, NULL, NULL},
};
