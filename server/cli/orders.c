/* server/cli/orders.c - orders and chains: adding, looking, waiting, and every action. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "server/cli/cli.h"

static const struct hor_cli_column order_columns[] = {
    {"ORDER", "id", false},          {"STATE", "state", false},       {"CHAIN", "chain", false},
    {"PLANNED", "plannedAt", false}, {"STARTED", "startedAt", false}, {"ENDED", "endedAt", false},
    {"CAUSE", "cause", false},
};

static int add(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *at = NULL, *priority = NULL, *title = NULL, *reason = NULL, *id = NULL,
               *count_text = NULL, *master = NULL;
    const struct hor_cli_option options[] = {
        {"--at", "TIME", "xsd:dateTime; now when absent", &at, NULL, false},
        {"--priority", "N", "higher goes first", &priority, NULL, false},
        {"--title", "TEXT", "words for people", &title, NULL, false},
        {"--reason", "TEXT", "goes into the audit", &reason, NULL, false},
        {"--request-id", "ID", "a repeat with the same id adds nothing", &id, NULL, false},
        {"--master", "NAME", "where several have the chain", &master, NULL, false},
        {"--count", "N", "that many orders", &count_text, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    int64_t count = 1;
    if (code >= 0)
        return code;
    if (argc < 1)
        return hor_cli_usage(command, "which chain?");
    if (count_text != NULL &&
        (hor_str_to_int64(count_text, &count) != HOR_OK || count < 1 || count > 1000000))
        return hor_cli_usage(command, "--count wants a number from 1 to 1000000");
    char uuid[HOR_UUID_BYTES];
    hor_uuid(uuid);
    for (int64_t n = 0; n < count && code <= 0; n++) {
        struct hor_buf request = HOR_BUF_INIT;
        struct hor_xml_doc *doc = NULL;
        char *one_id = count == 1 ? hor_strdup(id != NULL ? id : uuid)
                                  : hor_str_printf("%s-%lld", id != NULL ? id : uuid, (long long)n);
        hor_cli_begin(&request, "AddOrder");
        hor_cli_add(&request, "requestId", one_id);
        hor_cli_add(&request, "chain", argv[0]);
        hor_cli_add(&request, "master", master);
        hor_cli_add(&request, "startAt", at);
        hor_cli_add(&request, "priority", priority);
        hor_cli_add(&request, "title", title);
        hor_cli_add(&request, "reason", reason);
        for (int i = 1; i < argc; i++) {
            if (!hor_cli_add_argument(&request, argv[i])) {
                hor_buf_done(&request);
                free(one_id);
                return hor_cli_usage(command, "'%s' is not NAME=VALUE", argv[i]);
            }
        }
        hor_cli_end(&request, "AddOrder");
        code = hor_cli_call(cli, &request, &doc);
        if (code == HOR_EXIT_OK && !cli->xml) {
            const struct hor_xml_node *order = hor_xml_child(hor_xml_root(doc), "order");
            char *name = order != NULL ? hor_cli_child_text(order, "id") : NULL;
            if (cli->quiet || count > 1)
                puts(name != NULL ? name : "");
            else
                hor_cli_table(hor_xml_root(doc), "order", order_columns,
                              HOR_CLI_COUNT(order_columns), NULL);
            free(name);
        }
        hor_xml_doc_free(doc);
        hor_buf_done(&request);
        free(one_id);
    }
    return code;
}

/* What ListOrders and ControlOrders take as a filter. */
struct filter {
    const char *state[HOR_CLI_VALUES];
    const char *chain, *folder, *agent, *master, *day, *from, *to, *text;
};

#define FILTER_OPTIONS(f)                                                                          \
    {"--state", "STATE", "a state, or active, waiting, ended, problem", (f).state, NULL, true},    \
        {"--chain", "PATH", "only this chain", &(f).chain, NULL, false},                           \
        {"--folder", "PATH", "only chains below", &(f).folder, NULL, false},                       \
        {"--agent", "NAME", "only what ran there", &(f).agent, NULL, false},                       \
        {"--of-master", "NAME", "only of this Master", &(f).master, NULL, false},                  \
        {"--day", "DATE", "only of this plan day", &(f).day, NULL, false},                         \
        {"--from", "TIME", "planned at or after", &(f).from, NULL, false},                         \
        {"--to", "TIME", "planned before", &(f).to, NULL, false},                                  \
    {                                                                                              \
        "--text", "TEXT", "found in id, chain or title", &(f).text, NULL, false                    \
    }

static bool filter_given(const struct filter *f)
{
    return f->state[0] || f->chain || f->folder || f->agent || f->master || f->day || f->from ||
           f->to || f->text;
}

static void add_filter(struct hor_buf *request, const struct filter *f)
{
    if (!filter_given(f))
        return;
    hor_buf_puts(request, "<sup:filter>");
    for (size_t i = 0; f->state[i] != NULL; i++)
        hor_cli_add(request, "state", f->state[i]);
    hor_cli_add(request, "chain", f->chain);
    hor_cli_add(request, "folder", f->folder);
    hor_cli_add(request, "agent", f->agent);
    hor_cli_add(request, "master", f->master);
    hor_cli_add(request, "planDay", f->day);
    hor_cli_add(request, "from", f->from);
    hor_cli_add(request, "to", f->to);
    hor_cli_add(request, "text", f->text);
    hor_buf_puts(request, "</sup:filter>");
}

static int list_with(struct hor_cli *cli, const struct hor_cli_command *command,
                     const char *default_state, int argc, char **argv)
{
    struct filter filter = {0};
    const char *limit = NULL, *cursor = NULL;
    const struct hor_cli_option options[] = {
        FILTER_OPTIONS(filter),
        {"--limit", "N", "how many at most (1..1000)", &limit, NULL, false},
        {"--cursor", "TEXT", "go on where an answer ended", &cursor, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 0)
        return hor_cli_usage(command, "'%s' is too much", argv[0]);
    if (filter.state[0] == NULL)
        filter.state[0] = default_state;
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "ListOrders");
    add_filter(&request, &filter);
    hor_cli_add(&request, "cursor", cursor);
    hor_cli_add(&request, "limit", limit);
    hor_cli_end(&request, "ListOrders");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK && !cli->xml) {
        if (cli->quiet) {
            const struct hor_xml_node *o = hor_xml_child(hor_xml_root(doc), "order");
            for (; o != NULL; o = hor_xml_next(o, "order")) {
                char *id = hor_cli_child_text(o, "id");
                puts(id != NULL ? id : "");
                free(id);
            }
        } else {
            hor_cli_table(hor_xml_root(doc), "order", order_columns, HOR_CLI_COUNT(order_columns),
                          "no order");
            char *more = hor_cli_child_text(hor_xml_root(doc), "cursor");
            if (more != NULL)
                printf("there are more: --cursor '%s'\n", more);
            free(more);
        }
    }
    hor_xml_doc_free(doc);
    return code;
}

static int list(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return list_with(cli, command, NULL, argc, argv);
}

static int history(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                   char **argv)
{
    return list_with(cli, command, "ended", argc, argv);
}

static int get_order(struct hor_cli *cli, const char *id, bool print, struct hor_xml_doc **ret)
{
    struct hor_buf request = HOR_BUF_INIT;
    hor_cli_begin(&request, "GetOrder");
    hor_cli_add(&request, "id", id);
    hor_cli_end(&request, "GetOrder");
    int code = print ? hor_cli_call(cli, &request, ret) : hor_cli_ask(cli, &request, ret);
    hor_buf_done(&request);
    return code;
}

static int show(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants one order id");
    struct hor_xml_doc *doc = NULL;
    code = get_order(cli, argv[0], true, &doc);
    if (code == HOR_EXIT_OK && !cli->xml) {
        static const struct hor_cli_column nodes[] = {
            {"NODE", "id", false},       {"STATE", "state", false}, {"ATTEMPT", "attempt", true},
            {"EXIT", "exitCode", true},  {"AGENT", "agent", false}, {"STARTED", "startedAt", false},
            {"ENDED", "endedAt", false}, {"CAUSE", "cause", false}};
        static const struct hor_cli_column tasks[] = {
            {"TASK", "id", false},       {"OUTCOME", "outcome", false},
            {"EXIT", "exitCode", true},  {"STARTED", "startedAt", false},
            {"ENDED", "endedAt", false}, {"CPU ms", "cpuMs", true},
            {"LOG", "logBytes", true},   {"CAUSE", "cause", false}};
        static const struct hor_cli_column values[] = {{"NAME", "@name", false},
                                                       {"VALUE", ".", false}};
        const struct hor_xml_node *root = hor_xml_root(doc);
        hor_cli_table(root, "order", order_columns, HOR_CLI_COUNT(order_columns), NULL);
        const struct hor_xml_node *order = hor_xml_child(root, "order");
        if (order != NULL && hor_xml_child(order, "argument") != NULL) {
            puts("");
            hor_cli_table(order, "argument", values, HOR_CLI_COUNT(values), NULL);
        }
        puts("");
        hor_cli_table(root, "node", nodes, HOR_CLI_COUNT(nodes), "no node has begun");
        if (hor_xml_child(root, "task") != NULL) {
            puts("");
            hor_cli_table(root, "task", tasks, HOR_CLI_COUNT(tasks), NULL);
        }
        if (hor_xml_child(root, "obstacle") != NULL)
            puts("\nIt does not go on because:");
        const struct hor_xml_node *o = hor_xml_child(root, "obstacle");
        for (; o != NULL; o = hor_xml_next(o, "obstacle")) {
            struct hor_buf text = HOR_BUF_INIT;
            hor_cli_value(o, "text", &text);
            printf("  - %s\n", hor_buf_text(&text));
            hor_buf_done(&text);
        }
    }
    hor_xml_doc_free(doc);
    return code;
}

/* Whether a state is an end, or one in which only a person can help. */
static bool comes_to_rest(const char *state, bool *ret_good)
{
    static const char *const rest[] = {"failed",    "suspended", "inDoubt", "failedFinally",
                                       "cancelled", "skipped",   "missed"};
    *ret_good = strcmp(state, "succeeded") == 0 || strcmp(state, "warned") == 0;
    bool found = *ret_good;
    for (size_t i = 0; i < HOR_CLI_COUNT(rest); i++)
        found = found || strcmp(state, rest[i]) == 0;
    return found;
}

/* Waits for news of one order by the Event service's long poll. */
static int await_event(struct hor_cli *cli, const char *id, char **position, int64_t wait_ms)
{
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)wait_ms);
    hor_cli_begin(&request, "GetEvents");
    hor_cli_add(&request, "after", *position);
    hor_cli_add(&request, "order", id);
    hor_cli_add(&request, "limit", "1000");
    hor_cli_add(&request, "waitMs", text);
    hor_cli_end(&request, "GetEvents");
    int code = hor_cli_ask(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK) {
        char *next = hor_cli_child_text(hor_xml_root(doc), "position");
        if (next != NULL) {
            free(*position);
            *position = next;
        }
    }
    hor_xml_doc_free(doc);
    return code;
}

static int await(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    const char *timeout_text = NULL;
    const struct hor_cli_option options[] = {
        {"--timeout", "SECONDS", "give up after; 3600 when absent", &timeout_text, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    int64_t timeout_s = 3600;
    if (code >= 0)
        return code;
    if (argc < 1)
        return hor_cli_usage(command, "which order?");
    if (timeout_text != NULL && (hor_str_to_int64(timeout_text, &timeout_s) != HOR_OK ||
                                 timeout_s < 0 || timeout_s > 31536000))
        return hor_cli_usage(command, "--timeout wants seconds");
    int64_t end_ms = hor_clock_monotonic_ms() + timeout_s * 1000;
    char *position = hor_strdup("0");
    bool all_good = true;
    for (int i = 0; i < argc && position != NULL;) {
        struct hor_xml_doc *doc = NULL;
        code = get_order(cli, argv[i], false, &doc);
        if (code != HOR_EXIT_OK)
            break;
        const struct hor_xml_node *order = hor_xml_child(hor_xml_root(doc), "order");
        char *state = order != NULL ? hor_cli_child_text(order, "state") : NULL;
        bool good = false, rests = state != NULL && comes_to_rest(state, &good);
        if (rests) {
            all_good = all_good && good;
            if (!cli->quiet)
                printf("%s %s\n", argv[i], state);
            i++;
        }
        free(state);
        hor_xml_doc_free(doc);
        int64_t left_ms = end_ms - hor_clock_monotonic_ms();
        if (rests)
            continue;
        if (left_ms <= 0) {
            fprintf(stderr, "horarium: order %s has not ended within %lld s\n", argv[i],
                    (long long)timeout_s);
            code = HOR_EXIT_FAILED;
            break;
        }
        code = await_event(cli, argv[i], &position, left_ms < 20000 ? left_ms : 20000);
        if (code != HOR_EXIT_OK)
            break;
    }
    free(position);
    return code != HOR_EXIT_OK ? code : all_good ? HOR_EXIT_OK : HOR_EXIT_FAILED;
}

int hor_cli_results(struct hor_cli *cli, const struct hor_xml_doc *doc)
{
    static const struct hor_cli_column columns[] = {
        {"OBJECT", "object", false}, {"OUTCOME", "outcome", false}, {"TEXT", "text", false}};
    int code = HOR_EXIT_OK;
    if (!cli->xml && !cli->quiet)
        hor_cli_table(hor_xml_root(doc), "result", columns, HOR_CLI_COUNT(columns),
                      "nothing matches");
    const struct hor_xml_node *r = hor_xml_child(hor_xml_root(doc), "result");
    for (; r != NULL; r = hor_xml_next(r, "result")) {
        char *outcome = hor_cli_child_text(r, "outcome");
        if (outcome != NULL && strcmp(outcome, "refused") == 0)
            code = HOR_EXIT_REFUSED;
        free(outcome);
    }
    return code;
}

static int control(struct hor_cli *cli, const struct hor_cli_command *command, const char *action,
                   int argc, char **argv)
{
    struct filter filter = {0};
    const char *node = NULL, *outcome = NULL, *at = NULL, *priority = NULL, *reason = NULL,
               *id = NULL;
    const char *argument[HOR_CLI_VALUES] = {0};
    bool dry_run = false;
    const struct hor_cli_option options[] = {
        {"--reason", "TEXT", "goes into the audit", &reason, NULL, false},
        {"--node", "NODE", "the node meant (skip, set-outcome, resolve, resume)", &node, NULL,
         false},
        {"--outcome", "OUTCOME", "success, warning or failure; resolve also: again", &outcome, NULL,
         false},
        {"--at", "TIME", "change: the new start", &at, NULL, false},
        {"--priority", "N", "change: the new priority", &priority, NULL, false},
        {"--argument", "NAME=VALUE", "change, resume: a new value", argument, NULL, true},
        {"--dry-run", NULL, "only tell what would be done", NULL, &dry_run, false},
        {"--request-id", "ID", "a repeat with the same id changes nothing", &id, NULL, false},
        FILTER_OPTIONS(filter),
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if ((argc == 0) == !filter_given(&filter))
        return hor_cli_usage(command, argc == 0 ? "which orders? Name them or give a filter"
                                                : "either order ids or a filter, not both");
    struct hor_buf request = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    hor_cli_begin(&request, "ControlOrders");
    hor_cli_add(&request, "requestId", id);
    hor_cli_add(&request, "action", action);
    for (int i = 0; i < argc; i++)
        hor_cli_add(&request, "order", argv[i]);
    add_filter(&request, &filter);
    hor_cli_add(&request, "dryRun", dry_run ? "true" : NULL);
    hor_cli_add(&request, "node", node);
    hor_cli_add(&request, "outcome", outcome);
    hor_cli_add(&request, "startAt", at);
    hor_cli_add(&request, "priority", priority);
    hor_cli_add(&request, "reason", reason);
    for (size_t i = 0; argument[i] != NULL; i++) {
        if (!hor_cli_add_argument(&request, argument[i])) {
            hor_buf_done(&request);
            return hor_cli_usage(command, "'%s' is not NAME=VALUE", argument[i]);
        }
    }
    hor_cli_end(&request, "ControlOrders");
    code = hor_cli_call(cli, &request, &doc);
    hor_buf_done(&request);
    if (code == HOR_EXIT_OK)
        code = hor_cli_results(cli, doc);
    hor_xml_doc_free(doc);
    return code;
}

/* words of the command line, OrderAction, summary */
#define ACTION_TABLE(X)                                                                            \
    X(start, "start", "Starts waiting orders now")                                                 \
    X(suspend, "suspend", "Lets running tasks end and starts no more of the order")                \
    X(resume, "resume", "Goes on with suspended orders; with --node from that node")               \
    X(cancel, "cancel", "Ends orders that have not started, are suspended or have failed")         \
    X(kill, "kill", "Kills running tasks with all their processes and ends the order")             \
    X(retry, "retry", "Runs the failed nodes again")                                               \
    X(skip, "skipNode", "Skips a node that has not run (--node)")                                  \
    X(set_outcome, "setOutcome", "Sets the outcome of a failed node (--node, --outcome)")          \
    X(change, "change", "Changes start, priority or arguments of orders that have not started")    \
    X(resolve, "resolve", "Settles an in-doubt node: success, failure or again")

#define DEFINE_ACTION(function, action, summary)                                                   \
    static int function##_orders(struct hor_cli *cli, const struct hor_cli_command *command,       \
                                 int argc, char **argv)                                            \
    {                                                                                              \
        return control(cli, command, action, argc, argv);                                          \
    }
ACTION_TABLE(DEFINE_ACTION)

int hor_cli_send(struct hor_cli *cli, struct hor_buf *request)
{
    struct hor_xml_doc *doc = NULL;
    int code = hor_cli_call(cli, request, &doc);
    hor_buf_done(request);
    if (code == HOR_EXIT_OK)
        code = hor_cli_results(cli, doc);
    hor_xml_doc_free(doc);
    return code;
}

int hor_cli_on_one(struct hor_cli *cli, const struct hor_cli_command *command,
                   const char *operation, const char *action, const char *field, int argc,
                   char **argv)
{
    const char *reason = NULL, *master = NULL, *id = NULL;
    const struct hor_cli_option options[] = {
        {"--reason", "TEXT", "goes into the audit", &reason, NULL, false},
        {"--master", "NAME", "only on this Master", &master, NULL, false},
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
    return hor_cli_send(cli, &request);
}

static int hold(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv)
{
    return hor_cli_on_one(cli, command, "ControlChain", "hold", "chain", argc, argv);
}

static int release(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                   char **argv)
{
    return hor_cli_on_one(cli, command, "ControlChain", "release", "chain", argc, argv);
}

#define ORDER_ARGUMENTS "ORDER... | --state ..."

const struct hor_cli_command hor_cli_orders[] = {
    {"order add", "CHAIN [NAME=VALUE...]", "Adds an order outside the plan", add},
    {"order list", "", "Shows orders in any state, newest first", list},
    {"order show", "ORDER", "Shows an order, its nodes and attempts, and why it waits", show},
    {"order wait", "ORDER...", "Waits until orders have ended or need a person", await},
    {"order start", ORDER_ARGUMENTS, "Starts waiting orders now", start_orders},
    {"order suspend", ORDER_ARGUMENTS, "Lets running tasks end and starts no more", suspend_orders},
    {"order resume", ORDER_ARGUMENTS, "Goes on with suspended orders (--node: from there)",
     resume_orders},
    {"order cancel", ORDER_ARGUMENTS, "Ends orders that do not run", cancel_orders},
    {"order kill", ORDER_ARGUMENTS, "Kills running tasks and ends the order", kill_orders},
    {"order retry", ORDER_ARGUMENTS, "Runs the failed nodes again", retry_orders},
    {"order skip", ORDER_ARGUMENTS, "Skips a node that has not run (--node)", skip_orders},
    {"order set-outcome", ORDER_ARGUMENTS, "Sets a failed node's outcome", set_outcome_orders},
    {"order change", ORDER_ARGUMENTS, "Changes start, priority or arguments", change_orders},
    {"order resolve", ORDER_ARGUMENTS, "Settles an in-doubt node", resolve_orders},
    {"chain hold", "CHAIN", "Lets no order of the chain start", hold},
    {"chain release", "CHAIN", "Ends holding the chain", release},
    {"history", "", "Shows orders that have ended, newest first", history},
    {NULL, NULL, NULL, NULL},
};
