/* server/cli/cluster.c - the members of a cluster: who they are, how far, and changing them. These
 * commands talk to the members themselves, with the certificate of one of them (--settings FILE of an
 * agent or a Master), since a cluster is looked after where it runs. `cluster force` works on files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/cluster/cluster.h"
#include "lib/config/settings.h"
#include "lib/http/client.h"
#include "lib/soap/client.h"
#include "server/cli/cli.h"

enum { STATUS_MS = 3000, CHANGE_MS = 30000, MEMBERS = 64, TRIES = 8, PAUSE_MS = 250 };

struct place { /* a cluster and a way in */
    const char *settings_file, *url;
    struct hor_settings_agent *agent;
    struct hor_settings_master *master;
    const struct hor_settings_common *common; /* NULL: only a URL */
    const char *service;                      /* "agent" or "master" */
    struct hor_http_client *http;
    const char *urls[MEMBERS + 1], *names[MEMBERS + 1];
    unsigned count;
};

static void place_done(struct place *place)
{
    if (place->http != NULL)
        hor_http_client_free(place->http);
    if (place->agent != NULL)
        hor_settings_agent_free(place->agent);
    if (place->master != NULL)
        hor_settings_master_free(place->master);
}

static int read_settings(struct place *place, struct hor_error *err)
{
    struct hor_error other;
    const struct hor_settings_member *members;
    size_t count;
    if (hor_settings_agent_read(place->settings_file, &place->agent, err) == HOR_OK) {
        place->common = &place->agent->common;
        members = place->agent->members;
        count = place->agent->member_count;
        place->service = "agent";
    } else if (hor_settings_master_read(place->settings_file, &place->master, &other) == HOR_OK) {
        place->common = &place->master->common;
        members = place->master->members;
        count = place->master->member_count;
        place->service = "master";
    } else {
        return HOR_ERR_INVALID;
    }
    for (size_t i = 0; i < count && place->count < MEMBERS; i++) {
        if (members[i].url == NULL)
            continue;
        place->urls[place->count] = members[i].url;
        place->names[place->count++] = members[i].name;
    }
    return HOR_OK;
}

/* Exit code; -1: go on. */
static int find_place(struct place *place, bool is_master, struct hor_error *err)
{
    struct hor_http_client_settings http = {.certificate_file = NULL};
    int rc = HOR_OK;
    place->service = is_master ? "master" : "agent";
    if (place->settings_file != NULL) {
        rc = read_settings(place, err);
        if (rc != HOR_OK) {
            fprintf(stderr, "horarium: %s\n", err->text);
            return HOR_EXIT_SETTINGS;
        }
        http.certificate_file = place->common->listen.certificate;
        http.key_file = place->common->listen.key;
        http.ca_file = place->common->listen.ca;
    }
    if (place->url != NULL) { /* it alone, with the settings' certificate */
        place->urls[0] = place->url;
        place->names[0] = NULL;
        place->count = 1;
    }
    rc = hor_http_client_new(&http, &place->http, err);
    return rc == HOR_OK ? -1 : hor_cli_failed(err);
}

static int call(struct place *place, const char *url, const char *name, const char *request,
                int64_t timeout_ms, struct hor_buf *answer, struct hor_error *err)
{
    struct hor_soap_partner *partner = NULL;
    char *address = hor_str_printf("%s/soap/%s", url, place->service);
    if (!hor_str_starts(url, "https:"))
        name = NULL; /* nobody says who answers */
    int rc = address == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                             : hor_soap_partner_new(place->http, (const char *const *)&address, &name,
                                                    1, &partner, err);
    hor_buf_clear(answer);
    if (rc == HOR_OK)
        rc = hor_soap_call_text(partner, request, answer, timeout_ms, err);
    hor_soap_partner_free(partner);
    free(address);
    return rc;
}

static int status_of(struct place *place, const char *url, const char *name,
                     struct hor_xml_doc **ret, struct hor_error *err)
{
    struct hor_buf answer = HOR_BUF_INIT;
    char request[128];
    snprintf(request, sizeof request, "<ClusterStatus xmlns=\"urn:horarium:%s:1\"/>", place->service);
    int rc = call(place, url, name, request, STATUS_MS, &answer, err);
    if (rc == HOR_OK)
        rc = hor_xml_parse("answer", answer.data, answer.len, NULL, NULL, ret, err);
    hor_buf_done(&answer);
    return rc;
}

static const struct hor_xml_node *status_node(const struct hor_xml_doc *doc)
{
    return hor_xml_child(hor_xml_root(doc), "status");
}

static const char *text(const struct hor_xml_node *node, const char *name)
{
    const char *value = node != NULL ? hor_xml_attribute(node, name) : NULL;
    return value != NULL ? value : "";
}

static bool leads(const struct hor_xml_doc *doc)
{
    const struct hor_xml_node *status = status_node(doc);
    return strcmp(text(status, "self"), text(status, "leader")) == 0;
}

/* What the member says that `doc` calls the leader; perhaps nobody whom the settings name. */
static struct hor_xml_doc *ask_leader(struct place *place, const struct hor_xml_doc *doc)
{
    const struct hor_xml_node *status = status_node(doc);
    const struct hor_xml_node *m = hor_xml_child(status, "member");
    struct hor_xml_doc *led = NULL;
    struct hor_error err;
    while (m != NULL && strcmp(text(m, "id"), text(status, "leader")) != 0)
        m = hor_xml_next(m, "member");
    if (m != NULL)
        status_of(place, text(m, "url"), text(m, "name"), &led, &err);
    return led;
}

/* The best view: the leader's, or that of whoever answers. One that was removed does not know it, and
 * says that nobody leads. */
static int best_status(struct place *place, struct hor_xml_doc **ret, struct hor_error *err)
{
    struct hor_xml_doc *best = NULL;
    int rc = hor_error_set(err, HOR_ERR_UNREACHABLE, "no member is named");
    for (unsigned i = 0; i < place->count && (best == NULL || !leads(best)); i++) {
        struct hor_xml_doc *doc = NULL, *led;
        struct hor_error why;
        int code = status_of(place, place->urls[i], place->names[i], &doc, &why);
        if (code != HOR_OK) {
            if (best == NULL) {
                rc = code;
                *err = why;
            }
            continue;
        }
        if (!leads(doc) && (led = ask_leader(place, doc)) != NULL) {
            hor_xml_doc_free(doc);
            doc = led;
        }
        if (best == NULL || leads(doc)) {
            hor_xml_doc_free(best);
            best = doc;
        } else {
            hor_xml_doc_free(doc);
        }
        rc = HOR_OK;
    }
    if (rc == HOR_OK || best != NULL)
        *ret = best;
    return best != NULL ? HOR_OK : rc;
}

static void print_status(const struct hor_xml_node *status)
{
    static const struct hor_cli_column columns[] = {
        {"ID", "@id", true}, {"NAME", "@name", false}, {"ROLE", "@role", false},
        {"STATE", "@state", false}, {"WITNESS", "@witness", false}, {"UP TO", "@match", true},
        {"HEARD MS AGO", "@heardMsAgo", true}, {"URL", "@url", false}};
    printf("cluster %s, run %s, incarnation %s\n", text(status, "cluster"), text(status, "runId"),
           text(status, "incarnation"));
    printf("term %s, entries %s..%s, committed up to %s; ", text(status, "term"),
           text(status, "firstIndex"), text(status, "lastIndex"), text(status, "commitIndex"));
    if (strcmp(text(status, "leader"), "0") == 0)
        printf("nobody leads");
    else
        printf("member %s leads", text(status, "leader"));
    printf("; as member %s sees it\n", text(status, "self"));
    hor_cli_table(status, "member", columns, HOR_CLI_COUNT(columns), "no members");
}

#define PLACE_OPTIONS(place, is_master)                                                            \
    {"--settings", "FILE", "settings of a member: who it is and whom it knows",                   \
     &(place).settings_file, NULL, false},                                                         \
        {"--member", "URL", "ask this member", &(place).url, NULL, false},                         \
    {                                                                                              \
        "--master", NULL, "with --member alone: it is a Master", NULL, &(is_master), false         \
    }

static int cluster_status(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                          char **argv)
{
    struct place place = {.count = 0};
    bool is_master = false;
    const struct hor_cli_option options[] = {PLACE_OPTIONS(place, is_master),
                                             {NULL, NULL, NULL, NULL, NULL, false}};
    struct hor_error err = {0};
    struct hor_xml_doc *doc = NULL;
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 0 || (place.settings_file == NULL && place.url == NULL))
        return hor_cli_usage(command, "it wants --settings FILE or --member URL");
    code = find_place(&place, is_master, &err);
    if (code < 0)
        code = best_status(&place, &doc, &err) == HOR_OK ? HOR_EXIT_OK : hor_cli_failed(&err);
    if (code == HOR_EXIT_OK && cli->xml) {
        struct hor_buf out = HOR_BUF_INIT;
        if (hor_xml_pretty(hor_xml_root(doc), &out, &err) == HOR_OK)
            fwrite(hor_buf_text(&out), 1, out.len, stdout);
        hor_buf_done(&out);
    } else if (code == HOR_EXIT_OK) {
        print_status(status_node(doc));
    }
    hor_xml_doc_free(doc);
    place_done(&place);
    return code;
}

/* Sends a change to the leader, which may be another one a moment later. */
static int make_change(struct place *place, const char *inner, struct hor_error *err)
{
    struct hor_buf request = HOR_BUF_INIT, answer = HOR_BUF_INIT;
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    int rc = HOR_ERR_UNREACHABLE;
    hor_buf_printf(&request,
                   "<ChangeCluster xmlns=\"urn:horarium:%s:1\"><change "
                   "xmlns:t=\"urn:horarium:types:1\">%s</change></ChangeCluster>",
                   place->service, inner);
    for (int i = 0; i < TRIES; i++) {
        struct hor_xml_doc *doc = NULL;
        if (i > 0)
            nanosleep(&pause, NULL); /* an election, or a leader that passes leadership on */
        rc = best_status(place, &doc, err);
        if (rc != HOR_OK)
            break;
        const struct hor_xml_node *status = status_node(doc);
        rc = hor_error_set(err, HOR_ERR_BUSY, "nobody leads the cluster at present");
        for (const struct hor_xml_node *m = hor_xml_child(status, "member"); m != NULL;
             m = hor_xml_next(m, "member"))
            if (strcmp(text(m, "id"), text(status, "leader")) == 0)
                rc = call(place, text(m, "url"), text(m, "name"), request.data, CHANGE_MS, &answer,
                          err);
        hor_xml_doc_free(doc);
        bool again = rc == HOR_ERR_NOT_ACTIVE || rc == HOR_ERR_BUSY ||
                     (rc != HOR_OK && strstr(err->text, "ask again") != NULL);
        if (!again)
            break;
    }
    hor_buf_done(&request);
    hor_buf_done(&answer);
    return rc;
}

static void add_element(struct hor_buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    hor_buf_printf(out, "<t:%s>", name);
    hor_buf_xml(out, value);
    hor_buf_printf(out, "</t:%s>", name);
}

/* What add, remove and transfer share. */
static int change(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv,
                  const char *action)
{
    struct place place = {.count = 0};
    bool is_master = false, witness = false, adds = strcmp(action, "add") == 0;
    const char *priority = NULL, *max_tasks = NULL;
    const struct hor_cli_option options[] = {
        PLACE_OPTIONS(place, is_master),
        {"--witness", NULL, "add: it votes and stores, and runs nothing", NULL, &witness, false},
        {"--priority", "N", "add: priority of an agent (1)", &priority, NULL, false},
        {"--max-tasks", "N", "add: how many tasks an agent takes (8)", &max_tasks, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    struct hor_buf inner = HOR_BUF_INIT;
    struct hor_error err = {0};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (place.settings_file == NULL && place.url == NULL)
        return hor_cli_usage(command, "it wants --settings FILE or --member URL");
    if (argc != (adds ? 2 : 1) && !(strcmp(action, "transfer") == 0 && argc == 0))
        return hor_cli_usage(command, adds ? "it wants a name and a URL" : "it wants a name");
    add_element(&inner, "action", action);
    add_element(&inner, "name", argc > 0 ? argv[0] : NULL);
    add_element(&inner, "url", adds ? argv[1] : NULL);
    add_element(&inner, "witness", witness ? "true" : NULL);
    add_element(&inner, "priority", priority);
    add_element(&inner, "maxTasks", max_tasks);
    code = find_place(&place, is_master, &err);
    if (code < 0)
        code = make_change(&place, hor_buf_text(&inner), &err) == HOR_OK ? HOR_EXIT_OK
                                                                       : hor_cli_failed(&err);
    if (code == HOR_EXIT_OK && !cli->quiet) {
        if (adds)
            printf("%s is a member; it gets its vote when it runs and has caught up\n", argv[0]);
        else if (strcmp(action, "remove") == 0)
            printf("%s is no member any more; its process can be ended\n", argv[0]);
        else
            printf("leadership is passed on\n");
    }
    hor_buf_done(&inner);
    place_done(&place);
    return code;
}

static int cluster_add(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                       char **argv)
{
    return change(cli, command, argc, argv, "add");
}

static int cluster_remove(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                          char **argv)
{
    return change(cli, command, argc, argv, "remove");
}

static int cluster_transfer(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                            char **argv)
{
    return change(cli, command, argc, argv, "transfer");
}

/* ---- force: offline ---- */

static bool is_confirmed(const char *cluster)
{
    char line[600];
    printf("If any other member still runs or comes back with its files there are two clusters, and both\n"
           "run the same orders. Type the cluster's name to confirm that all others are dead for good: ");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    return strcmp(line, cluster) == 0;
}

static int cluster_force(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                         char **argv)
{
    struct place place = {.count = 0};
    const char *folder = NULL;
    bool confirmed = false;
    const struct hor_cli_option options[] = {
        {"--settings", "FILE", "settings of the member that survives", &place.settings_file, NULL,
         false},
        {"--journal", "FOLDER", "its journal's folder, instead", &folder, NULL, false},
        {"--others-are-dead", NULL, "do not ask: all other members are dead for good", NULL,
         &confirmed, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    struct hor_cluster_remains *r = calloc(1, sizeof *r);
    struct hor_error err = {0};
    char *path = NULL, at[HOR_TIME_TEXT_BYTES];
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0 || r == NULL)
        goto out;
    if (argc != 0 || (place.settings_file == NULL) == (folder == NULL)) {
        code = hor_cli_usage(command, "it wants --settings FILE or --journal FOLDER");
        goto out;
    }
    if (place.settings_file != NULL && read_settings(&place, &err) != HOR_OK) {
        fprintf(stderr, "horarium: %s\n", err.text);
        code = HOR_EXIT_SETTINGS;
        goto out;
    }
    path = folder != NULL ? hor_strdup(folder)
                          : hor_path_join(place.common->data_directory, "journal");
    if (path == NULL || hor_cluster_look(path, r, &err) != HOR_OK) {
        code = hor_cli_failed(&err);
        goto out;
    }
    printf("cluster      %s\nmember       %s (%" PRIu64 ")\nrun          %s\nincarnation  %" PRIu64
           "\nterm         %" PRIu64 "\nentries      up to %" PRIu64 ", of %s; known to be committed: %"
           PRIu64 "\nmembers      %u, of whom %u vote\n\n"
           "What others had committed and this member had not received is lost. What it has beyond the\n"
           "committed entries counts from now on.\n",
           r->cluster, r->member, r->id, r->run_id, r->incarnation, r->term, r->last_index,
           hor_time_format_us(r->last_at_us, at), r->commit_index, r->member_count, r->voters);
    if (!confirmed && !is_confirmed(r->cluster)) {
        fprintf(stderr, "horarium: not confirmed, nothing was changed\n");
        code = HOR_EXIT_FAILED;
        goto out;
    }
    if (hor_cluster_force(path, r, &err) != HOR_OK) {
        code = hor_cli_failed(&err);
        goto out;
    }
    printf("member %" PRIu64 " is the cluster now, in incarnation %" PRIu64 ". Start it, then add the others"
           " with\n'horarium cluster add'; their old folders are refused, so they start empty.\n",
           r->id, r->incarnation);
    code = HOR_EXIT_OK;
out:
    free(r);
    free(path);
    place_done(&place);
    return code >= 0 ? code : HOR_EXIT_FAILED;
}

const struct hor_cli_command hor_cli_cluster[] = {
    {"cluster status", "", "members, roles, who leads, who lags", cluster_status},
    {"cluster transfer", "[NAME]", "pass leadership on", cluster_transfer},
    {"cluster add", "NAME URL", "a member joins while the cluster runs", cluster_add},
    {"cluster remove", "NAME", "a member leaves", cluster_remove},
    {"cluster force", "", "one survivor begins anew", cluster_force},
    {NULL, NULL, NULL, NULL}};
