/* The SOAP server and client over real TLS with two operations of the agent's contract: faults,
 * authentication, validation, long poll, the contract's files, and messages meant to harm. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/http/certificates.h"
#include "lib/soap/client.h"
#include "lib/soap/prescan.h"
#include "lib/soap/service.h"
#include "tests/lib/tap.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CPU_MS = 15000 };
#else
enum { CPU_MS = 1500 };
#endif
enum { MUTATIONS = 400 };

static struct hor_soap_service *service;
static struct hor_http_server *server;
static atomic_int last_event = 0, audited, parked;
static char audit_text[200];
static char *url, *ca_file;

static int ping(struct hor_soap_call *call, const struct _agt__Ping *request,
                struct _agt__PingResponse *response, struct hor_error *err)
{
    (void)request;
    (void)err;
    response->member = hor_soap_alloc(call->soap, sizeof *response->member);
    if (response->member == NULL)
        return HOR_ERR_MEMORY;
    response->member->name = hor_soap_string(call->soap, "a1");
    response->member->role = hor_soap_string(call->soap, "leader");
    response->member->state = hor_soap_string(call->soap, call->who->user);
    response->member->lastSeen = hor_soap_time(call->soap, 1795488000123456);
    response->cluster = hor_soap_string(call->soap, "/clusters/\xc3\xa4<&>\"'");
    response->runId = hor_soap_string(call->soap, call->who->program ? "program" : "person");
    return HOR_OK;
}

static int get_events(struct hor_soap_call *call, const struct _agt__GetEvents *request,
                      struct _agt__GetEventsResponse *response, struct hor_error *err)
{
    int last = atomic_load(&last_event);
    if (request->after > (ULONG64)last)
        return hor_error_set(err, HOR_ERR_CONFLICT, "the journal ends at %d", last);
    if (request->after == (ULONG64)last && request->waitMs != NULL &&
        hor_soap_park(call, *request->waitMs) == HOR_SOAP_PARKED) {
        atomic_fetch_add(&parked, 1);
        return HOR_SOAP_PARKED;
    }
    int count = last - (int)request->after;
    if (count > request->limit)
        count = request->limit;
    response->runId = hor_soap_string(call->soap, "r1");
    response->position = request->after + (ULONG64)count;
    response->event = hor_soap_alloc(call->soap, sizeof *response->event * (size_t)count + 1);
    if (response->event == NULL)
        return HOR_ERR_MEMORY;
    response->__sizeevent = count;
    for (int i = 0; i < count; i++) {
        response->event[i].index = request->after + (ULONG64)i + 1;
        response->event[i].at = 1795488000000001 + i;
        response->event[i].type = hor_soap_string(call->soap, "orderAdded");
    }
    return HOR_OK;
}

static int command(struct hor_soap_call *call, const struct _agt__Command *request,
                   struct _agt__CommandResponse *response, struct hor_error *err)
{
    (void)response;
    const char *order = request->command->order != NULL ? request->command->order : "";
    hor_soap_fault_problem(call, "error", "a.chain.xml", 12, "/a", "wrong <here>", "mend it");
    if (strcmp(order, "busy") == 0)
        return hor_error_set(err, HOR_ERR_BUSY, "too much to do");
    if (strcmp(order, "elsewhere") == 0) {
        hor_soap_fault_active(call, "https://127.0.0.1:9");
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "another member is active");
    }
    return hor_error_set(err, HOR_ERR_NOT_FOUND, "no order '%s'", order);
}

static const struct hor_soap_operation operations[] = {
    HOR_SOAP_OPERATION(agt, Ping, "", false, ping),
    HOR_SOAP_OPERATION(agt, GetEvents, "event.read", false, get_events),
    HOR_SOAP_OPERATION(agt, Command, "order.control", true, command),
    HOR_SOAP_OPERATIONS_END,
};

static int authenticate(const struct hor_http_request *request, const char *wsse_user,
                        const char *wsse_password, struct hor_identity *who, void *ctx,
                        struct hor_error *err)
{
    (void)ctx;
    const char *name = hor_http_certificate_name(request);
    if (wsse_user != NULL) {
        if (strcmp(wsse_password, "s3cret") != 0)
            return hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "wrong user name or password");
        name = wsse_user;
    }
    if (name != NULL)
        snprintf(who->user, sizeof who->user, "%s", name);
    who->program = name != NULL && wsse_user == NULL;
    return HOR_OK;
}

static int authorize(const struct hor_identity *who, const struct hor_soap_operation *operation,
                     void *ctx, struct hor_error *err)
{
    (void)ctx;
    if (strcmp(who->user, "guest") == 0 && operation->right[0] != '\0')
        return hor_error_set(err, HOR_ERR_DENIED, "guest lacks the right %s", operation->right);
    return HOR_OK;
}

static void audit(const struct hor_soap_call *call, const struct hor_soap_operation *operation,
                  int rc, const struct hor_error *err, void *ctx)
{
    (void)err;
    (void)ctx;
    snprintf(audit_text, sizeof audit_text, "%s %s %s", call->who->user, operation->name,
             hor_error_words(rc));
    atomic_fetch_add(&audited, 1);
}

static enum hor_http_outcome handle(const struct hor_http_request *request,
                                    struct hor_http_response *response, void *ctx)
{
    (void)ctx;
    return hor_soap_handle(service, request, response);
}

static void *run_loop(void *ctx)
{
    hor_loop_run(ctx, NULL);
    return NULL;
}

/* ---- typed calls ---- */

static const struct _agt__Ping nothing;
static char main_name[] = "main", id[] = "c1", kill_action[] = "kill", busy_order[] = "busy",
            elsewhere[] = "elsewhere", no_identifier[] = "x y";

static void test_calls(struct hor_soap_partner *partner)
{
    struct hor_error err = {0};
    struct soap *soap = NULL;
    struct _agt__PingResponse *pong = NULL;
    is_int(hor_soap_call_op(partner, agt, Ping, &nothing, &soap, &pong, 5000, &err), HOR_OK,
           "Ping: %s", err.text);
    if (pong != NULL) {
        is(pong->member->state, "m1", "known by the certificate");
        is(pong->cluster, "/clusters/\xc3\xa4<&>\"'", "text comes through unchanged");
        ok(pong->member->lastSeen != NULL && *pong->member->lastSeen == 1795488000123456,
           "a time keeps its microseconds");
        ok(pong->member->priority == NULL, "what is absent is absent");
    }
    hor_soap_done(soap);
    struct _agt__GetEventsResponse *events = NULL;
    struct _agt__GetEvents after = {.master = main_name, .after = 0, .limit = 100};
    atomic_store(&last_event, 250);
    soap = NULL;
    is_int(hor_soap_call_op(partner, agt, GetEvents, &after, &soap, &events, 5000, &err), HOR_OK,
           "GetEvents");
    if (events != NULL) {
        is_int(events->__sizeevent, 100, "as many as asked for");
        is_int(events->event[99].index, 100, "in order");
        is_int(events->position, 100, "and where to go on");
    }
    hor_soap_done(soap);
    after.after = 1000;
    soap = NULL;
    is_int(hor_soap_call_op(partner, agt, GetEvents, &after, &soap, &events, 5000, &err),
           HOR_ERR_CONFLICT, "a fault is its error");
    like(err.text, "the journal ends at 250", "with its text");
    ok(soap == NULL, "and nothing to free");
    struct t__Command what = {.id = id, .action = kill_action, .order = busy_order};
    struct _agt__Command busy = {.master = main_name, .command = &what};
    struct _agt__CommandResponse *done = NULL;
    is_int(hor_soap_call_op(partner, agt, Command, &busy, &soap, &done, 5000, &err), HOR_ERR_BUSY,
           "busy");
    what.order = elsewhere;
    is_int(hor_soap_call_op(partner, agt, Command, &busy, &soap, &done, 5000, &err),
           HOR_ERR_NOT_ACTIVE, "not active");
    what.order = no_identifier;
    is_int(hor_soap_call_op(partner, agt, Command, &busy, &soap, &done, 5000, &err),
           HOR_ERR_INVALID, "what the schema forbids");
    like(err.text, "order", "names the element");
    is(audit_text, "m1 Command not the active member", "changing calls are audited, refused too");
}

struct poller {
    struct hor_soap_partner *partner;
    int rc, count;
    int64_t took_ms;
};

static void *poll_events(void *ctx)
{
    struct poller *poller = ctx;
    int wait_ms = 20000;
    struct _agt__GetEvents after = {
        .master = main_name, .after = 250, .limit = 10, .waitMs = &wait_ms};
    struct _agt__GetEventsResponse *events = NULL;
    struct soap *soap = NULL;
    int64_t began_ms = hor_clock_monotonic_ms();
    poller->rc =
        hor_soap_call_op(poller->partner, agt, GetEvents, &after, &soap, &events, 30000, NULL);
    poller->took_ms = hor_clock_monotonic_ms() - began_ms;
    poller->count = events != NULL ? events->__sizeevent : -1;
    hor_soap_done(soap);
    return NULL;
}

static void test_long_poll(struct hor_soap_partner *partner)
{
    enum { COUNT = 12 }; /* more than there are workers */
    struct poller pollers[COUNT];
    pthread_t threads[COUNT];
    atomic_store(&parked, 0);
    for (int i = 0; i < COUNT; i++) {
        pollers[i] = (struct poller){.partner = partner};
        pthread_create(&threads[i], NULL, poll_events, &pollers[i]);
    }
    while (atomic_load(&parked) < COUNT)
        sched_yield();
    struct soap *soap = NULL;
    struct _agt__PingResponse *pong = NULL;
    is_int(hor_soap_call_op(partner, agt, Ping, &nothing, &soap, &pong, 5000, NULL), HOR_OK,
           "%d long polls hold no worker", COUNT);
    hor_soap_done(soap);
    atomic_store(&last_event, 253);
    hor_http_server_wake(server);
    int good = 0;
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        good += pollers[i].rc == HOR_OK && pollers[i].count == 3 && pollers[i].took_ms < 15000;
    }
    is_int(good, COUNT, "all get the news when it comes");
    int wait_ms = 60;
    struct _agt__GetEvents after = {
        .master = main_name, .after = 253, .limit = 10, .waitMs = &wait_ms};
    struct _agt__GetEventsResponse *events = NULL;
    int64_t began_ms = hor_clock_monotonic_ms();
    soap = NULL;
    is_int(hor_soap_call_op(partner, agt, GetEvents, &after, &soap, &events, 5000, NULL), HOR_OK,
           "no news");
    ok(events != NULL && events->__sizeevent == 0 && hor_clock_monotonic_ms() - began_ms >= 60,
       "are told after the time that was asked for");
    hor_soap_done(soap);
}

static void test_members(struct hor_http_client *http)
{
    char *dead = hor_strdup("https://127.0.0.1:1/soap/agent");
    const char *urls[] = {dead, url}, *names[] = {NULL, "m1"};
    struct hor_soap_partner *partner = NULL;
    struct hor_error err;
    hor_soap_partner_new(http, urls, names, 2, &partner, &err);
    struct soap *soap = NULL;
    struct _agt__PingResponse *pong = NULL;
    is_int(hor_soap_call_op(partner, agt, Ping, &nothing, &soap, &pong, 5000, &err), HOR_OK,
           "a dead member is passed over");
    hor_soap_done(soap);
    hor_soap_partner_free(partner);
    hor_soap_partner_new(http, urls, NULL, 1, &partner, &err);
    is_int(hor_soap_call_op(partner, agt, Ping, &nothing, &soap, &pong, 5000, &err),
           HOR_ERR_UNREACHABLE, "nobody there");
    hor_soap_partner_free(partner);
    free(dead);
}

/* ---- raw messages ---- */

static struct hor_http_client *person; /* has no certificate */

#define E11 "http://schemas.xmlsoap.org/soap/envelope/"
#define E12 "http://www.w3.org/2003/05/soap-envelope"
#define WSSE "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define ENVELOPE(ns, header, body)                                                                 \
    "<e:Envelope xmlns:e=\"" ns "\" xmlns:a=\"urn:horarium:agent:1\" xmlns:w=\"" WSSE "\">" header \
    "<e:Body>" body "</e:Body></e:Envelope>"
#define TOKEN(user, password)                                                                      \
    "<e:Header><w:Security e:mustUnderstand=\"1\"><w:UsernameToken><w:Username>" user              \
    "</w:Username><w:Password>" password "</w:Password></w:UsernameToken></w:Security></e:Header>"
#define PING ENVELOPE(E11, TOKEN("anna", "s3cret"), "<a:Ping/>")

static int post(const char *type, const char *body, size_t len, struct hor_buf *got)
{
    int status = 0;
    struct hor_error err = {0};
    hor_buf_clear(got);
    if (hor_http_client_post(person, url, "m1", type, NULL, body, len, 10000, &status, got, &err) !=
        HOR_OK) {
        diag("%s", err.text);
        return -1;
    }
    return status;
}

struct message {
    const char *what, *type, *body;
    int status;
    const char *answer;
};

static const struct message messages[] = {
    {"SOAP 1.1", "text/xml; charset=utf-8", PING, 200, "<t:state>anna</t:state>"},
    {"SOAP 1.2", "application/soap+xml; charset=utf-8",
     ENVELOPE(E12, TOKEN("anna", "s3cret"), "<a:Ping/>"), 200, E12},
    {"an XML declaration and a byte order mark", "text/xml",
     "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>" PING, 200, "anna"},
    {"nobody", "text/xml", ENVELOPE(E11, "", "<a:Ping/>"), 500, "<t:NotAuthenticated"},
    {"a wrong password", "text/xml", ENVELOPE(E11, TOKEN("anna", "x"), "<a:Ping/>"), 500,
     "wrong user name or password"},
    {"a wrong password in SOAP 1.2", "application/soap+xml",
     ENVELOPE(E12, TOKEN("anna", "x"), "<a:Ping/>"), 400, "SOAP-ENV:Sender"},
    {"a digest", "text/xml",
     ENVELOPE(
         E11,
         "<e:Header><w:Security><w:UsernameToken><w:Username>anna</w:Username><w:Password "
         "Type=\"x#PasswordDigest\">abc</w:Password></w:UsernameToken></w:Security></e:Header>",
         "<a:Ping/>"),
     500, "PasswordText"},
    {"a right that is missing", "text/xml",
     ENVELOPE(E11, TOKEN("guest", "s3cret"),
              "<a:GetEvents><a:master>m</a:master><a:after>0</a:after><a:limit>1</a:limit></"
              "a:GetEvents>"),
     500, "<t:NotAuthorized"},
    {"a typed fault with problems", "text/xml",
     ENVELOPE(
         E11, TOKEN("anna", "s3cret"),
         "<a:Command xmlns:t=\"urn:horarium:types:1\"><a:master>m</a:master><a:command>"
         "<t:id>1</t:id><t:action>kill</t:action><t:order>o</t:order></a:command></a:Command>"),
     500,
     "<t:problem><t:severity>error</t:severity><t:file>a.chain.xml</t:file><t:line>12</t:line>"},
    {"an unknown header", "text/xml",
     ENVELOPE(E11, "<e:Header><a:X e:mustUnderstand=\"0\"/></e:Header>", "<a:Ping/>"), 500,
     "<t:NotAuthenticated"},
    {"an unknown header that must be understood", "text/xml",
     ENVELOPE(E11, "<e:Header><a:X e:mustUnderstand=\"1\"/></e:Header>", "<a:Ping/>"), 500,
     "SOAP-ENV:MustUnderstand"},
    {"the same in SOAP 1.2", "application/soap+xml",
     ENVELOPE(E12, "<e:Header><a:X e:mustUnderstand=\"true\"/></e:Header>", "<a:Ping/>"), 500,
     "SOAP-ENV:MustUnderstand"},
    {"another version than promised", "text/xml", ENVELOPE(E12, "", "<a:Ping/>"), 500,
     "SOAP-ENV:VersionMismatch"},
    {"an envelope of nobody", "text/xml", ENVELOPE("urn:x", "", "<a:Ping/>"), 500,
     "SOAP-ENV:VersionMismatch"},
    {"no content type of SOAP", "application/json", "{}", 415, "text/xml"},
    {"another charset", "text/xml; charset=iso-8859-1", PING, 415, "UTF-8"},
    {"another encoding", "text/xml", "<?xml version='1.0' encoding='utf-16'?>" PING, 500, "UTF-8"},
    {"an attachment", "multipart/related; boundary=x", "--x\r\n\r\n--x--", 415, "attachments"},
    {"no XML", "text/xml", "hello", 500, "no XML"},
    {"an empty body", "text/xml", "", 500, "no XML"},
    {"half a message", "text/xml", "<e:Envelope xmlns:e=\"" E11 "\"><e:Body>", 500, "cut off"},
    {"an unclosed tag", "text/xml", "<e:Envelope xmlns:e=\"" E11 "\"", 500, "does not end"},
    {"crossed tags", "text/xml", "<e:Envelope xmlns:e=\"" E11 "\"><e:Body></e:Envelope></e:Body>",
     500, "InvalidRequest"},
    {"an empty envelope", "text/xml", "<e:Envelope xmlns:e=\"" E11 "\"/>", 500, "InvalidRequest"},
    {"an empty soap body", "text/xml", ENVELOPE(E11, "", ""), 500, "InvalidRequest"},
    {"two requests in one", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"), "<a:Ping/><a:Ping/>"), 500, "InvalidRequest"},
    {"two bodies", "text/xml",
     "<e:Envelope xmlns:e=\"" E11 "\" xmlns:a=\"urn:horarium:agent:1\"><e:Body><a:Ping/></e:Body>"
     "<e:Body><a:Ping/></e:Body></e:Envelope>",
     500, "InvalidRequest"},
    {"an unknown operation", "text/xml", ENVELOPE(E11, TOKEN("anna", "s3cret"), "<a:Pong/>"), 500,
     "InvalidRequest"},
    {"an operation of another service", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"), "<b:Ping xmlns:b=\"urn:horarium:master:1\"/>"), 500,
     "no operation"},
    {"an operation that this program lacks", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"), "<a:GetState/>"), 500, "no operation"},
    {"an element too many", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"), "<a:Ping><a:x/></a:Ping>"), 500, "InvalidRequest"},
    {"elements in another order", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"),
              "<a:GetEvents><a:after>0</a:after><a:master>m</a:master><a:limit>1</a:limit></"
              "a:GetEvents>"),
     500, "InvalidRequest"},
    {"a number that is none", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"),
              "<a:GetEvents><a:master>m</a:master><a:after>1x</a:after><a:limit>1</a:limit></"
              "a:GetEvents>"),
     500, "'1x'"},
    {"a document type", "text/xml", "<!DOCTYPE x [<!ENTITY a \"b\">]>" PING, 500, "document type"},
    {"an entity bomb", "text/xml",
     "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
     "<e:Envelope xmlns:e=\"" E11 "\"><e:Body>&b;</e:Body></e:Envelope>",
     500, "document type"},
    {"an external entity", "text/xml", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><x/>", 500,
     "document type"},
    {"an entity that is not declared", "text/xml",
     ENVELOPE(E11, TOKEN("&a;", "s3cret"), "<a:Ping/>"), 500, "InvalidRequest"},
    {"a processing instruction", "text/xml",
     ENVELOPE(E11, "", "<?xml-stylesheet href=\"x\"?><a:Ping/>"), 500, "processing instruction"},
    {"XInclude", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"),
              "<i:include xmlns:i=\"http://www.w3.org/2001/XInclude\" href=\"/etc/passwd\"/>"),
     500, "InvalidRequest"},
    {"wrong UTF-8", "text/xml", ENVELOPE(E11, TOKEN("\xff\xfe", "s3cret"), "<a:Ping/>"), 500,
     "InvalidRequest"},
    {"a forbidden character", "text/xml", ENVELOPE(E11, TOKEN("a&#0;b", "s3cret"), "<a:Ping/>"),
     500, "InvalidRequest"},
    {"an undeclared prefix", "text/xml", ENVELOPE(E11, "", "<q:Ping/>"), 500, "InvalidRequest"},
    {"an attribute twice", "text/xml", ENVELOPE(E11, "", "<a:Ping x=\"1\" x=\"2\"/>"), 500,
     "InvalidRequest"},
    {"a cycle of references", "text/xml",
     ENVELOPE(E11, TOKEN("anna", "s3cret"),
              "<a:Command id=\"x\"><a:master href=\"#x\">m</a:master></a:Command>"),
     500, "InvalidRequest"},
    {"markup in a name", "text/xml", ENVELOPE(E11, TOKEN("&lt;b&gt;", "s3cret"), "<a:Ping/>"), 200,
     "<t:state>&lt;b&gt;</t:state>"},
};

static void test_messages(void)
{
    struct hor_buf got = HOR_BUF_INIT;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        const struct message *m = &messages[i];
        int status = post(m->type, m->body, strlen(m->body), &got);
        bool good = status == m->status && strstr(hor_buf_text(&got), m->answer) != NULL;
        ok(good, "%s", m->what);
        const char *text = strstr(hor_buf_text(&got), "<t:text>");
        if (text == NULL)
            text = strstr(hor_buf_text(&got), "faultstring>");
        text = text != NULL ? strchr(text, '>') + 1 : "";
        diag("%-42s %d %.*s", m->what, status, (int)strcspn(text, "<"), text);
        if (!good)
            diag("%s", hor_buf_text(&got));
    }
    hor_buf_done(&got);
}

/* ---- large ones ---- */

static void repeat(struct hor_buf *out, const char *format, int count)
{
    for (int i = 0; i < count; i++) {
        char one[100];
        int len = 0;
        for (const char *c = format; *c != '\0'; c++) {
            if (*c == '#')
                len += snprintf(one + len, sizeof one - (size_t)len, "%d", i);
            else
                one[len++] = *c;
        }
        hor_buf_add(out, one, (size_t)len);
    }
}

static void test_large(void)
{
    static const struct {
        const char *what, *before, *repeated, *after;
        int count;
        const char *answer;
    } table[] = {
        {"100,000 attributes", "<a:Ping ", "x#='1' ", "/>", 100000, "100 attributes"},
        {"50,000 namespaces on one element", "<a:Ping ", "xmlns:x#='u' ", "/>", 50000,
         "100 attributes"},
        {"50,000 namespaces on many elements", "", "<x:y xmlns:x='u#'/>", "", 50000,
         "declarations"},
        {"nesting of 100,000", "", "<a:Ping>", "", 100000, "deeper than 64"},
        {"9,000 ids", "<a:Ping>", "<a:x id='i#'/>", "</a:Ping>", 9000, "InvalidRequest"},
        {"300,000 unknown elements", "<a:Ping>", "<a:x/>", "</a:Ping>", 300000, "InvalidRequest"},
        {"a name of 1 MB", "<a:Ping ", "abcdefghij", "='1'/>", 100000, "256 characters"},
        {"1,000,000 orders", "<a:AcceptPlan><a:master>m</a:master><a:id>1</a:id>", "<a:order/>",
         "</a:AcceptPlan>", 1000000, "InvalidRequest"},
        {"a comment of 10 MB", "<!-- ", "0123456789", "--><a:Ping/>", 1000000, "anna"},
        {"a header of 20,000 blocks", "</e:Body><e:Header>", "<a:x/>",
         "</e:Header><e:Body><a:Ping/>", 20000, "InvalidRequest"},
    };
    struct hor_buf body = HOR_BUF_INIT, got = HOR_BUF_INIT;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        hor_buf_clear(&body);
        hor_buf_puts(&body, "<e:Envelope xmlns:e=\"" E11 "\" xmlns:a=\"urn:horarium:agent:1\" "
                            "xmlns:w=\"" WSSE "\">" TOKEN("anna", "s3cret") "<e:Body>");
        hor_buf_puts(&body, table[i].before);
        repeat(&body, table[i].repeated, table[i].count);
        hor_buf_puts(&body, table[i].after);
        hor_buf_puts(&body, "</e:Body></e:Envelope>");
        clock_t began = clock(); /* of the whole process: client and server */
        int status = post("text/xml", body.data, body.len, &got);
        long cpu_ms = (clock() - began) * 1000 / CLOCKS_PER_SEC;
        ok(status > 0 && strstr(hor_buf_text(&got), table[i].answer) != NULL, "%s", table[i].what);
        ok(cpu_ms < CPU_MS, "at little cost");
        diag("%-36s %8zu bytes, status %d, %ld ms of CPU", table[i].what, body.len, status, cpu_ms);
    }
    hor_buf_done(&body);
    hor_buf_done(&got);
}

static void test_mutations(void)
{
    static const char good[] = ENVELOPE(E11, TOKEN("anna", "s3cret"),
                                        "<a:GetEvents><a:master>m</a:master><a:after>0</"
                                        "a:after><a:limit>1</a:limit></a:GetEvents>");
    static const char *const pieces[] = {
        "<",         ">",          "\"",           "&", "</", "<!--", "]]>", "xmlns:a=\"\"",
        "<![CDATA[", "&#x10FFFF;", "\xed\xa0\x80", "'", "a:", ":"};
    enum { PIECES = sizeof pieces / sizeof pieces[0] };
    unsigned seed = 20261124, answered = 0, fine = 0;
    struct hor_buf body = HOR_BUF_INIT, got = HOR_BUF_INIT;
    for (int i = 0; i < MUTATIONS; i++) {
        hor_buf_clear(&body);
        hor_buf_add(&body, good, sizeof good - 1);
        for (int n = 0; n < 1 + i % 3; n++) {
            seed = seed * 1103515245 + 12345;
            size_t at = (seed >> 8) % body.len;
            seed = seed * 1103515245 + 12345;
            unsigned how = (seed >> 16) % 4;
            if (how == 0) {
                body.data[at] = (char)(seed >> 24);
            } else if (how == 1) {
                size_t len = strlen(pieces[(seed >> 20) % PIECES]);
                if (at + len < body.len)
                    memcpy(body.data + at, pieces[(seed >> 20) % PIECES], len);
            } else if (how == 2) {
                body.len = at + 1;
            } else {
                size_t len = (seed >> 20) % 40;
                if (at + 2 * len < body.len)
                    memmove(body.data + at, body.data + at + len, len);
            }
        }
        int status = post("text/xml", body.data, body.len, &got);
        answered +=
            status == 200 || (status == 500 && strstr(hor_buf_text(&got), ":Fault>") != NULL);
        fine += status == 200;
    }
    is_int(answered, MUTATIONS, "every mutation gets an answer or a fault (%u were still good)",
           fine);
    hor_buf_done(&body);
    hor_buf_done(&got);
}

/* ---- the rest ---- */

static void test_files(void)
{
    struct hor_buf got = HOR_BUF_INIT;
    struct hor_error err;
    int status = 0;
    static const struct {
        const char *path, *holds;
        int status;
    } files[] = {{"agent?wsdl", "schemaLocation=\"agent.xsd\"", 200},
                 {"agent.wsdl", "<wsdl:port name=\"Agent12\"", 200},
                 {"agent-flat.wsdl", "targetNamespace=\"urn:horarium:types:1\"", 200},
                 {"agent.xsd", "GetEventsResponse", 200},
                 {"types.xsd", "NotAuthenticated", 200},
                 {"agent", "?wsdl", 404},
                 {"..%2ftypes.xsd", "not allowed", 400},
                 {"master.wsdl", "no such file", 404}};
    char *base = hor_strdup(url);
    *strrchr(base, '/') = '\0';
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *address = hor_str_printf("%s/%s", base, files[i].path);
        hor_buf_clear(&got);
        hor_http_client_get(person, address, NULL, 5000, &status, &got, &err);
        ok(status == files[i].status && strstr(hor_buf_text(&got), files[i].holds) != NULL,
           "GET %s", files[i].path);
        if (i == 0) {
            ok(strstr(hor_buf_text(&got), url) != NULL,
               "holds the address by which it was reached");
            ok(strstr(hor_buf_text(&got), "localhost:4451") == NULL, "and no other");
        }
        free(address);
    }
    char *address = hor_str_printf("%s/agent?wsdl", base);
    const char *evil[] = {"Host: a\"><x>", NULL};
    hor_buf_clear(&got);
    hor_http_client_get(person, address, evil, 5000, &status, &got, &err);
    ok(status == 200 && strstr(hor_buf_text(&got), "https://localhost/soap/agent") != NULL,
       "a Host with markup counts as none");
    free(address);
    free(base);
    hor_buf_done(&got);
}

static void test_local_and_text(struct hor_soap_partner *partner)
{
    struct hor_buf got = HOR_BUF_INIT;
    struct hor_error err;
    struct hor_identity who = {.user = "anna"};
    static const char request[] = "<Ping xmlns=\"urn:horarium:agent:1\"/>";
    is_int(hor_soap_local(service, &who, request, sizeof request - 1, &got, &err), HOR_OK,
           "a call from inside");
    ok(hor_str_starts(hor_buf_text(&got), "<agt:PingResponse xmlns:agt=\"urn:horarium:agent:1\""),
       "gives the response element");
    hor_buf_clear(&got);
    struct hor_identity nobody = {.user = ""};
    is_int(hor_soap_local(service, &nobody, request, sizeof request - 1, &got, &err),
           HOR_ERR_UNAUTHENTICATED, "nobody is refused inside, too");
    ok(hor_str_starts(hor_buf_text(&got), "<t:NotAuthenticated"), "with the fault's element");
    hor_buf_clear(&got);
    is_int(hor_soap_local(service, &who, "<x/></e>", 8, &got, &err), HOR_ERR_INVALID,
           "an invalid request");
    hor_buf_clear(&got);
    is_int(hor_soap_call_text(partner, request, &got, 5000, &err), HOR_OK, "a call by text");
    ok(hor_str_starts(hor_buf_text(&got), "<agt:PingResponse") &&
           strcmp(got.data + got.len - 19, "</agt:PingResponse>") == 0,
       "gives the response element, no more");
    hor_buf_clear(&got);
    is_int(hor_soap_call_text(partner,
                              "<Command xmlns=\"urn:horarium:agent:1\"><master>m</master><command>"
                              "<id xmlns=\"urn:horarium:types:1\">1</id><action "
                              "xmlns=\"urn:horarium:types:1\">x</action></command></Command>",
                              &got, 5000, &err),
           HOR_ERR_NOT_FOUND, "a fault by text");
    is(err.text, "no order ''", "has its text");
    ok(hor_str_starts(hor_buf_text(&got), "<t:NotFound"), "and its element");
    hor_buf_done(&got);
}

static void test_prescan(void)
{
    struct hor_error err;
    static const char good[] = "<a b='>' c=\"<\"><![CDATA[<x>]]><!-- <y --><d/></a>\n";
    is_int(hor_soap_prescan(good, sizeof good - 1, &err), HOR_OK,
           "the first look sees markup only");
    int cut_off = 0;
    for (size_t len = 0; len < sizeof good - 2; len++)
        cut_off += hor_soap_prescan(good, len, &err) != HOR_OK;
    is_int(cut_off, sizeof good - 2, "and every cut");
}

int main(void)
{
    struct hor_error err = {0};
    hor_log_open("soap_test", "/dev/null", HOR_LOG_INFO, NULL);
    char *dir = hor_str_printf("%s/tls", hor_tap_tmpdir());
    const char *members[] = {"m1"};
    hor_certificates_init(dir, members, 1, &err);
    char *crt = hor_str_printf("%s/m1.crt", dir), *key = hor_str_printf("%s/m1.key", dir);
    ca_file = hor_str_printf("%s/ca.crt", dir);
    struct hor_soap_policy policy = {
        .authenticate = authenticate, .authorize = authorize, .audit = audit};
    struct hor_loop *loop = hor_loop_new();
    if (!ok(hor_soap_service_new("agent", hor_tap_srcdir(), operations, &policy, NULL, &service,
                                 &err) == HOR_OK,
            "a service %s", err.text))
        return done_testing();
    struct hor_http_settings settings = {
        .address = "127.0.0.1", .certificate_file = crt, .key_file = key, .ca_file = ca_file};
    if (!ok(hor_http_server_start(loop, &settings, handle, NULL, &server, &err) == HOR_OK,
            "a server %s", err.text))
        return done_testing();
    pthread_t thread;
    pthread_create(&thread, NULL, run_loop, loop);
    url = hor_str_printf("https://127.0.0.1:%u/soap/agent", hor_http_server_port(server));
    struct hor_http_client *program = NULL;
    struct hor_http_client_settings client = {
        .certificate_file = crt, .key_file = key, .ca_file = ca_file};
    hor_http_client_new(&client, &program, &err);
    client.certificate_file = client.key_file = NULL;
    hor_http_client_new(&client, &person, &err);
    const char *urls[] = {url}, *names[] = {"m1"};
    struct hor_soap_partner *partner = NULL;
    hor_soap_partner_new(program, urls, names, 1, &partner, &err);

    test_prescan();
    test_calls(partner);
    test_long_poll(partner);
    test_members(program);
    test_messages();
    test_large();
    test_mutations();
    test_files();
    test_local_and_text(partner);
    struct hor_buf got = HOR_BUF_INIT;
    is_int(post("text/xml", PING, strlen(PING), &got), 200, "after all that the service lives on");
    hor_buf_done(&got);

    hor_loop_stop(loop);
    pthread_join(thread, NULL);
    hor_http_server_stop(server);
    hor_soap_service_free(service);
    hor_loop_free(loop);
    hor_soap_partner_free(partner);
    hor_http_client_free(program);
    hor_http_client_free(person);
    free(url);
    free(ca_file);
    free(crt);
    free(key);
    free(dir);
    return done_testing();
}
