/* server/cli/views.c - commands that only look, each a request, columns and a note. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/cli/cli.h"

static const struct hor_cli_column member_columns[] = {
    {"MEMBER", "name", false},   {"ROLE", "role", false},   {"STATE", "state", false},
    {"TASKS", "tasks", true},    {"OF", "maxTasks", true},  {"JOURNAL", "journalIndex", true},
    {"VERSION", "version", false}, {"URL", "url", false}};

static void print_clusters(const struct hor_xml_node *root, const char *name)
{
    static const struct hor_cli_column columns[] = {
        {"CLUSTER", "path", false},    {"STATE", "state", false},   {"RELEASE", "release", true},
        {"ORDERS", "orders", true},    {"TASKS", "tasks", true},    {"WAITING COMMANDS", "waitingCommands", true},
        {"LAST SEEN", "lastSeen", false}, {"CAUSE", "cause", false}};
    hor_cli_table(root, name, columns, HOR_CLI_COUNT(columns), NULL);
    for (const struct hor_xml_node *c = hor_xml_child(root, name); c != NULL;
         c = hor_xml_next(c, name)) {
        char *path = hor_cli_child_text(c, "path");
        printf("\nmembers of %s\n", path != NULL ? path : "");
        hor_cli_table(c, "member", member_columns, HOR_CLI_COUNT(member_columns), "none is known");
        free(path);
    }
}

/* Sends a request that options have filled, prints the table. Consumes the request. */
static int view(struct hor_cli *cli, struct hor_buf *request, const char *row,
                const struct hor_cli_column *columns, size_t count, const char *none)
{
    struct hor_xml_doc *doc = NULL;
    int code = hor_cli_call(cli, request, &doc);
    hor_buf_done(request);
    if (code == HOR_EXIT_OK && !cli->xml) {
        hor_cli_table(hor_xml_root(doc), row, columns, count, none);
        char *more = hor_cli_child_text(hor_xml_root(doc), "cursor");
        if (more != NULL)
            printf("there are more: --cursor '%s'\n", more);
        free(more);
    }
    hor_xml_doc_free(doc);
    return code;
}

static int status(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "GetStatus");
    hor_cli_end(&request, "GetStatus");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK && !cli->xml) {
        puts("Masters");
        print_clusters(hor_xml_root(doc), "master");
        puts("\nAgent clusters");
        print_clusters(hor_xml_root(doc), "cluster");
    }
    hor_xml_doc_free(doc);
    return code;
}

static int plan(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *cursor = NULL, *limit = NULL;
    const struct hor_cli_option options[] = {
        {"--limit", "N", "how many at most (1..1000)", &limit, NULL, false},
        {"--cursor", "TEXT", "go on where an answer ended", &cursor, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    static const struct hor_cli_column columns[] = {
        {"PLANNED", "plannedAt", false}, {"ORDER", "id", false},       {"CHAIN", "chain", false},
        {"STATE", "state", false},       {"STARTED", "startedAt", false}, {"ENDED", "endedAt", false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc > 1)
        return hor_cli_usage(command, "one day at most");
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, "GetPlan");
    hor_cli_add(&request, "planDay", argc > 0 ? argv[0] : NULL);
    hor_cli_add(&request, "cursor", cursor);
    hor_cli_add(&request, "limit", limit);
    hor_cli_end(&request, "GetPlan");
    return view(cli, &request, "order", columns, HOR_CLI_COUNT(columns), "nothing is planned");
}

static int chains(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    static const struct hor_cli_column columns[] = {
        {"CHAIN", "path", false},     {"TITLE", "title", false},   {"NODES", "nodes", true},
        {"HELD", "held", false},      {"CLUSTER", "cluster", false}, {"LAST", "lastState", false},
        {"ENDED", "lastEndedAt", false}, {"NEXT", "nextAt", false}};
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, "ListChains");
    hor_cli_end(&request, "ListChains");
    return view(cli, &request, "chain", columns, HOR_CLI_COUNT(columns), "no release is deployed");
}

static int tasks(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *order = NULL, *job = NULL, *agent = NULL, *outcome = NULL, *from = NULL, *to = NULL,
               *cursor = NULL, *limit = NULL;
    const struct hor_cli_option options[] = {
        {"--order", "ORDER", "only of this order", &order, NULL, false},
        {"--job", "PATH", "only of this job", &job, NULL, false},
        {"--agent", "NAME", "only on this agent", &agent, NULL, false},
        {"--outcome", "OUTCOME", "success, warning or failure", &outcome, NULL, false},
        {"--from", "TIME", "started at or after", &from, NULL, false},
        {"--to", "TIME", "started before", &to, NULL, false},
        {"--limit", "N", "how many at most (1..1000)", &limit, NULL, false},
        {"--cursor", "TEXT", "go on where an answer ended", &cursor, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    static const struct hor_cli_column columns[] = {
        {"TASK", "id", false},           {"JOB", "job", false},       {"AGENT", "agent", false},
        {"STATE", "state", false},       {"OUTCOME", "outcome", false}, {"EXIT", "exitCode", true},
        {"STARTED", "startedAt", false}, {"ENDED", "endedAt", false}, {"CPU ms", "cpuMs", true},
        {"RSS kB", "maxRssKb", true}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, "ListTasks");
    hor_cli_add(&request, "order", order);
    hor_cli_add(&request, "job", job);
    hor_cli_add(&request, "agent", agent);
    hor_cli_add(&request, "outcome", outcome);
    hor_cli_add(&request, "from", from);
    hor_cli_add(&request, "to", to);
    hor_cli_add(&request, "cursor", cursor);
    hor_cli_add(&request, "limit", limit);
    hor_cli_end(&request, "ListTasks");
    return view(cli, &request, "task", columns, HOR_CLI_COUNT(columns), "no task");
}

static int events(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *after = "0", *order = NULL, *limit = NULL, *wait = NULL;
    bool follow = false;
    const struct hor_cli_option options[] = {
        {"--after", "POSITION", "only what came later", &after, NULL, false},
        {"--order", "ORDER", "only of this order", &order, NULL, false},
        {"--limit", "N", "how many at most (1..1000)", &limit, NULL, false},
        {"--wait", "MS", "wait so long for something new", &wait, NULL, false},
        {"--follow", NULL, "go on for ever (-f)", NULL, &follow, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    static const struct hor_cli_column columns[] = {
        {"POSITION", "@index", true}, {"AT", "@at", false},     {"EVENT", "@type", false},
        {"ORDER", "@order", false},   {"NODE", "@node", false}, {"STATE", "@state", false},
        {"OUTCOME", "@outcome", false}, {"ACTOR", "@actor", false}, {"CAUSE", "@cause", false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    char *position = hor_strdup(after);
    do {
        struct hor_buf request = HOR_BUF_INIT;
        struct hor_xml_doc *doc = NULL;
        hor_cli_begin(&request, "GetEvents");
        hor_cli_add(&request, "after", position);
        hor_cli_add(&request, "order", order);
        hor_cli_add(&request, "limit", limit);
        hor_cli_add(&request, "waitMs", wait != NULL ? wait : follow ? "30000" : NULL);
        hor_cli_end(&request, "GetEvents");
        code = hor_cli_call(cli, &request, &doc);
        hor_buf_done(&request);
        if (code == HOR_EXIT_OK) {
            if (!cli->xml)
                hor_cli_table(hor_xml_root(doc), "event", columns, HOR_CLI_COUNT(columns),
                              follow ? NULL : "no event");
            char *next = hor_cli_child_text(hor_xml_root(doc), "position");
            if (next != NULL) {
                free(position);
                position = next;
            }
            fflush(stdout);
        }
        hor_xml_doc_free(doc);
    } while (follow && code == HOR_EXIT_OK && position != NULL);
    free(position);
    return code;
}

static int audit(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *user = NULL, *object = NULL, *cursor = NULL, *limit = NULL;
    const struct hor_cli_option options[] = {
        {"--by", "NAME", "only of this user", &user, NULL, false},
        {"--object", "TEXT", "only on this object", &object, NULL, false},
        {"--limit", "N", "how many at most (1..1000)", &limit, NULL, false},
        {"--cursor", "TEXT", "go on where an answer ended", &cursor, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    static const struct hor_cli_column columns[] = {
        {"AT", "at", false},         {"USER", "user", false},       {"FROM", "from", false},
        {"OPERATION", "operation", false}, {"OBJECT", "object", false}, {"OUTCOME", "outcome", false},
        {"REASON", "reason", false}, {"TEXT", "text", false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, "ListAudit");
    hor_cli_add(&request, "user", user);
    hor_cli_add(&request, "object", object);
    hor_cli_add(&request, "cursor", cursor);
    hor_cli_add(&request, "limit", limit);
    hor_cli_end(&request, "ListAudit");
    return view(cli, &request, "entry", columns, HOR_CLI_COUNT(columns), "no entry");
}

static int sessions(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                    char **argv)
{
    static const struct hor_cli_column columns[] = {
        {"SESSION", "id", false},       {"USER", "user", false},      {"FROM", "from", false},
        {"STARTED", "startedAt", false}, {"LAST USED", "lastUsedAt", false}, {"THIS", "current", false}};
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, "ListSessions");
    hor_cli_end(&request, "ListSessions");
    return view(cli, &request, "session", columns, HOR_CLI_COUNT(columns), "no session");
}

static int end_session(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                       char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants one session id");
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "EndSession");
    hor_cli_add(&request, "id", argv[0]);
    hor_cli_end(&request, "EndSession");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    hor_xml_doc_free(doc);
    return code;
}

static int who_am_i(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                    char **argv)
{
    static const struct hor_cli_column roles[] = {{"ROLES", ".", false}};
    static const struct hor_cli_column rights[] = {{"RIGHTS", ".", false}};
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "WhoAmI");
    hor_cli_end(&request, "WhoAmI");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK && !cli->xml) {
        char *user = hor_cli_child_text(hor_xml_root(doc), "user");
        printf("%s\n", user != NULL ? user : "");
        hor_cli_table(hor_xml_root(doc), "role", roles, 1, NULL);
        hor_cli_table(hor_xml_root(doc), "right", rights, 1, NULL);
        free(user);
    }
    hor_xml_doc_free(doc);
    return code;
}

static int login(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    return code >= 0 ? code : hor_cli_login(cli);
}

static int logout(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    return code >= 0 ? code : hor_cli_logout(cli);
}

const struct hor_cli_command hor_cli_views[] = {
    {"status", "", "Shows Masters, agent clusters and their members", status},
    {"plan", "[DAY]", "Shows the daily plan (YYYY-MM-DD; today)", plan},
    {"chain list", "", "Shows the chains with their last and next run", chains},
    {"task list", "", "Shows attempts, newest first", tasks},
    {"events", "", "Shows events; --follow goes on", events},
    {"audit", "", "Shows who did what", audit},
    {"session list", "", "Shows open sessions", sessions},
    {"session end", "SESSION", "Ends a session", end_session},
    {"whoami", "", "Shows who is signed in, with roles and rights", who_am_i},
    {"login", "", "Opens a session and keeps it", login},
    {"logout", "", "Ends the kept session", logout},
    {NULL, NULL, NULL, NULL},
};
