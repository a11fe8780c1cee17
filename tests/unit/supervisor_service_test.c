/* The services as a caller sees them: answers, typed faults, folders, audit; and the drawing of a
 * chain. No Master is there: what needs one says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/supervisor/history/query.h"
#include "server/supervisor/service/layout.h"
#include "server/supervisor/service/service.h"
#include "tests/lib/tap.h"

#define SUP "xmlns=\"urn:horarium:supervisor:1\""
#define NS "xmlns=\"urn:horarium:configuration:1\""

static struct hor_supervisor_parts parts;
static struct hor_soap_service *service;
static struct hor_identity admin, bert, nobody;
static struct hor_buf answer;

static int call(const struct hor_identity *who, const char *body)
{
    struct hor_error err = {0};
    hor_buf_clear(&answer);
    return hor_soap_local(service, who, body, strlen(body), &answer, &err);
}

static const char *text(void)
{
    return hor_buf_text(&answer);
}

static void test_layout(void)
{
    /* a -> b, a -> c, b+c -> d, a -> d, and e alone */
    struct hor_edge to_b[] = {{.from = 0}}, to_c[] = {{.from = 0}},
                    to_d[] = {{.from = 1}, {.from = 2}, {.from = 0}};
    struct hor_node nodes[] = {{.id = "a"},
                               {.id = "b", .edges = to_b, .edge_count = 1},
                               {.id = "c", .edges = to_c, .edge_count = 1},
                               {.id = "d", .edges = to_d, .edge_count = 3},
                               {.id = "e"}};
    size_t order[] = {0, 1, 2, 3, 4};
    struct hor_chain chain = {.nodes = nodes, .node_count = 5, .order = order};
    int columns[5], rows[5];
    is_int(hor_layout(&chain, columns, rows), HOR_OK, "a chain is laid out");
    ok(columns[0] == 0 && columns[1] == 1 && columns[2] == 1 && columns[3] == 2 && columns[4] == 0,
       "columns are the longest way from a beginning");
    bool apart = true;
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            apart = apart && (columns[i] != columns[j] || rows[i] != rows[j]);
    ok(apart, "no two nodes in one place");
}

static void put(const char *folder, const char *file, const char *content)
{
    struct hor_error err = {0};
    char path[800];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    hor_dir_make(path, 0700, &err);
    *slash = '/';
    hor_file_write_atomic(path, content, strlen(content), 0600, &err);
}

static void sign_in(const char *name, struct hor_identity *who)
{
    char token[HOR_TOKEN_BYTES];
    struct hor_error err = {0};
    ok(hor_auth_login(parts.auth, name, "correct horse", "10.0.0.1", token, NULL, &err) == HOR_OK &&
           hor_auth_identify(parts.auth, token, "10.0.0.1", who, &err) == HOR_OK,
       "%s signs in: %s", name, err.text);
}

static bool open_all(void)
{
    struct hor_error err = {0};
    char users_file[600], draft[600];
    snprintf(users_file, sizeof users_file, "%s/users.xml", hor_tap_tmpdir());
    snprintf(draft, sizeof draft, "%s/draft", hor_tap_tmpdir());
    struct hor_users *users = hor_users_new();
    hor_users_add(users, "admin", "correct horse", &err);
    hor_users_grant(users, "admin", "administrator", NULL, false, &err);
    hor_users_add(users, "bert", "correct horse", &err);
    hor_users_grant(users, "bert", "operator", "/finance", false, &err);
    hor_users_save(users, users_file, &err);
    hor_users_free(users);
    put(draft, "clusters/etl.agentCluster.xml",
        "<agentCluster " NS "><member name=\"a1\" url=\"https://127.0.0.1:4451\"/></agentCluster>");
    put(draft, "finance/load.job.xml", "<job " NS "><command program=\"/bin/true\"/></job>");
    put(draft, "finance/eod.chain.xml",
        "<jobChain " NS " agentCluster=\"/clusters/etl\" title=\"End &amp; day\"><node id=\"load\" "
        "job=\"load\"/><node id=\"alarm\" job=\"load\"><after node=\"load\" on=\"failure\"/></node>"
        "</jobChain>");
    put(draft, "it/x.job.xml", "<job " NS "><command program=\"/bin/true\"/></job>");
    char *connection = hor_str_printf("Driver=SQLite3;Database=%s/h.sqlite", hor_tap_tmpdir());
    struct hor_auth_settings auth = {.users_file = users_file};
    parts.version = "test";
    bool good = hor_store_open(connection, 2, &parts.store, &err) == HOR_OK &&
                hor_auth_new(&auth, &parts.auth, &err) == HOR_OK &&
                hor_repository_open(draft, &parts.repository, &err) == HOR_OK &&
                hor_releases_open(hor_tap_tmpdir(), parts.store, &parts.releases, &err) == HOR_OK &&
                hor_masters_new(NULL, 0, NULL, parts.store, parts.releases, &parts.masters, &err) ==
                    HOR_OK &&
                hor_soap_service_new("supervisor", hor_datadir(), hor_supervisor_operations,
                                     &hor_supervisor_policy, &parts, &service, &err) == HOR_OK;
    free(connection);
    return ok(good, "open: %s", err.text);
}

static void add_order(const char *id, const char *chain, bool ended, uint64_t index)
{
    struct hor_error err = {0};
    struct hor_event *events[3];
    events[0] = hor_event_new(HOR_EVENT_ORDER_ADDED, 1795435200000000);
    hor_event_set(&events[0]->order, id);
    hor_event_set(&events[0]->chain, chain);
    events[0]->planned_at = 1795435200000000;
    events[0]->release = 1;
    events[1] = hor_event_new(HOR_EVENT_TASK_ENDED, 1795435201000000);
    hor_event_set(&events[1]->order, id);
    hor_event_set(&events[1]->node, "load");
    hor_event_set(&events[1]->task, "eod-1:load:1");
    hor_event_set(&events[1]->outcome, "success");
    events[1]->exit_code = 0;
    events[2] =
        hor_event_new(ended ? HOR_EVENT_ORDER_ENDED : HOR_EVENT_ORDER_STARTED, 1795435202000000);
    hor_event_set(&events[2]->order, id);
    if (ended)
        hor_event_set(&events[2]->state, "succeeded");
    for (int i = 0; i < 3; i++)
        events[i]->index = index + (uint64_t)i;
    struct hor_store_batch batch = {
        .master = "main", .run_id = "r", .events = events, .count = 3, .read_up_to = index + 2};
    ok(hor_store_write(parts.store, &batch, &err) == HOR_OK, "order %s: %s", id, err.text);
    for (int i = 0; i < 3; i++)
        hor_event_free(events[i]);
}

static void test_releases(void)
{
    is_int(call(&admin, "<ValidateConfiguration " SUP "/>"), HOR_OK, "the draft is checked");
    like(text(), "valid>true<", "and valid");
    is_int(call(&admin, "<CreateRelease " SUP "><reason>first</reason></CreateRelease>"), HOR_OK,
           "a release");
    like(text(), "state>validated<", "validated");
    is_int(call(&admin, "<DeployRelease " SUP "><number>1</number></DeployRelease>"),
           HOR_ERR_CONFLICT, "what is not approved is not deployed");
    like(text(), "Conflict", "as a typed fault");
    like(text(), "release 1 is validated", "with a sentence");
    is_int(call(&admin, "<ApproveRelease " SUP "><number>1</number></ApproveRelease>"), HOR_OK,
           "approved");
    is_int(call(&admin, "<DeployRelease " SUP "><number>1</number></DeployRelease>"),
           HOR_ERR_NOT_FOUND, "no Master to deploy to");
    is_int(call(&admin, "<ApproveRelease " SUP "><number>9</number></ApproveRelease>"),
           HOR_ERR_NOT_FOUND, "no such release");
    like(text(), "release 9 does not exist", "is named");
    is_int(call(&admin, "<GetReleaseDifference " SUP "><from>1</from></GetReleaseDifference>"),
           HOR_OK, "no difference");
    ok(strstr(text(), "<sup:difference") == NULL && strstr(text(), "<difference") == NULL,
       "to the draft it was made of");
    is_int(call(&admin, "<GetObject " SUP "><path>/finance/eod</path><kind>chain</kind>"
                        "<release>1</release></GetObject>"),
           HOR_OK, "an object of a release");
    like(text(), "title>End &amp; day<", "with its title");
    is_int(
        call(&admin, "<GetObject " SUP "><path>/finance/no</path><kind>chain</kind></GetObject>"),
        HOR_ERR_NOT_FOUND, "an object that is not there");
    like(text(), "the draft has no chain /finance/no", "is named");
}

static void test_orders(void)
{
    add_order("eod-1", "/finance/eod", true, 1);
    add_order("eod-2", "/finance/eod", false, 10);
    add_order("it-1", "/it/x", true, 20);
    is_int(call(&admin, "<ListOrders " SUP "/>"), HOR_OK, "orders");
    ok(strstr(text(), "eod-1") && strstr(text(), "it-1"), "all of them");
    like(text(), "nodes>2<", "with the number of nodes from the release");
    is_int(call(&bert, "<ListOrders " SUP "/>"), HOR_OK, "for somebody who is limited");
    ok(strstr(text(), "eod-1") && !strstr(text(), "it-1"), "only his folder's");
    is_int(
        call(&admin, "<ListOrders " SUP "><filter><state>sleeping</state></filter></ListOrders>"),
        HOR_ERR_INVALID, "a state that is none");
    like(text(), "InvalidRequest", "is an invalid request");
    is_int(call(&admin, "<GetOrder " SUP "><id>eod-1</id></GetOrder>"), HOR_OK, "one");
    like(text(), "on=\"failure\"", "its edges with their conditions");
    like(text(), "column>1<", "places");
    like(text(), "event>orderEnded<", "and its history");
    ok(!strstr(text(), "obstacle"), "an ended order has no obstacles");
    is_int(call(&admin, "<GetOrder " SUP "><id>eod-2</id></GetOrder>"), HOR_OK, "a live one");
    like(text(), "kind>uncoupled<", "that its Master cannot be asked is an obstacle");
    is_int(call(&bert, "<GetOrder " SUP "><id>it-1</id></GetOrder>"), HOR_ERR_DENIED,
           "another folder's order");
    like(text(), "lacks the right order.view for /it/x", "is refused with a sentence");
    is_int(call(&admin, "<GetOrder " SUP "><id>nope</id></GetOrder>"), HOR_ERR_NOT_FOUND,
           "unknown");
    is_int(call(&admin, "<ListTasks " SUP "><order>eod-1</order></ListTasks>"), HOR_OK, "attempts");
    is_int(call(&admin, "<GetPlan " SUP "><planDay>2026-11-24</planDay></GetPlan>"), HOR_OK,
           "plan");
    is_int(call(&admin, "<GetOverview " SUP "/>"), HOR_OK, "overview");
    is_int(call(&admin, "<ListChains " SUP "/>"), HOR_OK, "chains");
    is_int(call(&admin, "<GetEvents " SUP "><after>0</after></GetEvents>"), HOR_OK, "events");
    like(text(), "position>9<", "with the position to go on from");
    is_int(call(&bert, "<GetEvents " SUP "><after>0</after></GetEvents>"), HOR_OK, "events");
    ok(!strstr(text(), "it-1"), "of his folder only");
}

static void test_control(void)
{
    is_int(call(&admin, "<ControlOrders " SUP "><action>suspend</action></ControlOrders>"),
           HOR_ERR_INVALID, "neither orders nor a filter");
    like(text(), "order, filter", "the fields are named");
    is_int(call(&admin, "<ControlOrders " SUP "><action>skipNode</action><order>eod-2</order>"
                        "</ControlOrders>"),
           HOR_ERR_INVALID, "a node is missing");
    is_int(call(&admin, "<ControlOrders " SUP "><action>suspend</action><order>nope</order>"
                        "</ControlOrders>"),
           HOR_ERR_NOT_FOUND, "one order that is unknown is a fault");
    is_int(call(&admin, "<ControlOrders " SUP "><action>suspend</action><order>nope</order>"
                        "<order>eod-1</order><order>eod-2</order><dryRun>true</dryRun>"
                        "</ControlOrders>"),
           HOR_OK, "of several it is a result");
    like(text(), "outcome>refused<", "refused");
    like(text(), "it has ended", "with the reason");
    like(text(), "outcome>wouldDo<", "and one would be done");
    is_int(call(&bert,
                "<ControlOrders " SUP "><action>suspend</action><filter><state>active</state>"
                "<state>ended</state></filter><dryRun>true</dryRun></ControlOrders>"),
           HOR_OK, "a filter");
    ok(strstr(text(), "eod-2") && !strstr(text(), "it-1"), "reaches one's own folder only");
    is_int(call(&bert, "<AddOrder " SUP "><chain>/it/x</chain></AddOrder>"), HOR_ERR_DENIED,
           "an order elsewhere is refused");
    is_int(call(&bert, "<DeployRelease " SUP "><number>1</number></DeployRelease>"), HOR_ERR_DENIED,
           "and so is deploying");
    is_int(call(&nobody, "<ListOrders " SUP "/>"), HOR_ERR_UNAUTHENTICATED, "nobody sees nothing");
    is_int(call(&admin, "<DropTables " SUP "/>"), HOR_ERR_INVALID, "no such operation");
    is_int(call(&admin, "<ListAudit " SUP "><user>bert</user></ListAudit>"), HOR_OK, "the audit");
    like(text(), "operation>AddOrder<", "has what was refused");
    like(text(), "object>/it/x<", "on what");
    like(text(), "outcome>refused<", "and how it ended");
    is_int(call(&bert, "<ListAudit " SUP "/>"), HOR_ERR_DENIED, "which is not for everybody");
}

static void test_sessions(void)
{
    is_int(call(&nobody, "<Login " SUP "><user>bert</user><password>wrong word</password></Login>"),
           HOR_ERR_UNAUTHENTICATED, "a wrong password");
    like(text(), "user or password is wrong", "is told so");
    is_int(
        call(&nobody, "<Login " SUP "><user>bert</user><password>correct horse</password></Login>"),
        HOR_OK, "the right one");
    is_int(call(&bert, "<WhoAmI " SUP "/>"), HOR_OK, "who am I");
    ok(strstr(text(), "role>operator<") && strstr(text(), "right>order.control<") &&
           !strstr(text(), "release.deploy"),
       "with roles and rights");
    call(&bert, "<ListSessions " SUP "/>");
    ok(strstr(text(), "user>bert<") && !strstr(text(), "user>admin<"), "one's own sessions");
    call(&admin, "<ListSessions " SUP "/>");
    ok(strstr(text(), "user>bert<") && strstr(text(), "user>admin<"), "or everybody's");
    char body[200];
    snprintf(body, sizeof body, "<EndSession " SUP "><id>%s</id></EndSession>", admin.session);
    is_int(call(&bert, body), HOR_ERR_NOT_FOUND, "nobody ends another one's session");
    is_int(call(&bert, "<Logout " SUP "/>"), HOR_OK, "sign out");
}

int main(void)
{
    hor_xml_init();
    setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 0);
    test_layout();
    if (open_all()) {
        snprintf(nobody.from, sizeof nobody.from, "10.0.0.2");
        sign_in("admin", &admin);
        sign_in("bert", &bert);
        test_releases();
        test_orders();
        test_control();
        test_sessions();
        hor_auth_release(&admin);
        hor_auth_release(&bert);
    }
    hor_soap_service_free(service);
    hor_masters_free(parts.masters);
    hor_releases_close(parts.releases);
    hor_repository_close(parts.repository);
    hor_auth_free(parts.auth);
    hor_store_close(parts.store);
    hor_buf_done(&answer);
    return done_testing();
}
