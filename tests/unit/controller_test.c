/* The Controller over HTTP, with a stand-in for the Supervisor: pages and their requests, forms and
 * tokens, headers, addresses that lie, and text that tries to be markup. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/loop/loop.h"
#include "lib/xml/xml.h"
#include "server/controller/internal.h"
#include "tests/lib/fake_supervisor.h"
#include "tests/lib/tap.h"

struct bench {
    struct hor_fake_supervisor fake;
    struct hor_controller *controller;
    struct hor_loop *loop;
    struct hor_http_server *server;
    pthread_t thread;
    char cookie[160], csrf[80], fixtures[4096];
};

static enum hor_http_outcome handle(const struct hor_http_request *request,
                                    struct hor_http_response *response, void *ctx)
{
    return hor_controller_handle(ctx, request, response);
}

static void *run_loop(void *loop)
{
    hor_loop_run(loop, NULL);
    return NULL;
}

static bool bench_start(struct bench *bench, const char *answers)
{
    struct hor_error err = {0};
    char gui[4096];
    snprintf(bench->fixtures, sizeof bench->fixtures, "%s/tests/fixtures/gui/%s", hor_tap_srcdir(),
             answers);
    snprintf(gui, sizeof gui, "%s/xslt-gui", hor_tap_srcdir());
    hor_fake_supervisor_init(&bench->fake, bench->fixtures);
    struct hor_controller_settings settings = {
        .folder = gui, .version = "9.8.7", .backend = hor_fake_supervisor_backend(&bench->fake)};
    struct hor_http_settings http = {.address = "127.0.0.1", .port = 0};
    bench->loop = hor_loop_new();
    if (!ok(bench->loop != NULL &&
                hor_controller_new(&settings, &bench->controller, &err) == HOR_OK,
            "every style sheet compiles: %s", err.text) ||
        !ok(hor_http_server_start(bench->loop, &http, handle, bench->controller, &bench->server,
                                  &err) == HOR_OK,
            "a server runs %s", err.text))
        return false;
    return pthread_create(&bench->thread, NULL, run_loop, bench->loop) == 0;
}

static void bench_stop(struct bench *bench)
{
    hor_loop_stop(bench->loop);
    pthread_join(bench->thread, NULL);
    hor_http_server_stop(bench->server);
    hor_controller_free(bench->controller);
    hor_fake_supervisor_done(&bench->fake);
    hor_loop_free(bench->loop);
}

/* Sends exactly these bytes and gives the whole answer: status line, headers, body. */
static char *exchange(struct bench *bench, const char *bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(hor_http_server_port(bench->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct hor_buf answer = HOR_BUF_INIT;
    char part[65536];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) == (ssize_t)strlen(bytes)) {
        ssize_t got;
        while ((got = recv(fd, part, sizeof part, 0)) > 0)
            hor_buf_add(&answer, part, (size_t)got);
    }
    if (fd >= 0)
        close(fd);
    char *text = hor_strdup(hor_buf_text(&answer));
    hor_buf_done(&answer);
    return text;
}

static char *get_with(struct bench *bench, const char *path, const char *headers)
{
    char *request = hor_str_printf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                   "Cookie: other=1; %s\r\n%s\r\n",
                                   path, bench->cookie, headers);
    char *answer = exchange(bench, request);
    free(request);
    return answer;
}

static char *get(struct bench *bench, const char *path) { return get_with(bench, path, ""); }

static char *post_with(struct bench *bench, const char *path, const char *form, const char *headers)
{
    char *request =
        hor_str_printf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Content-Type: application/x-www-form-urlencoded\r\nCookie: %s\r\n%s"
                       "Content-Length: %zu\r\n\r\n%s",
                       path, bench->cookie, headers, strlen(form), form);
    char *answer = exchange(bench, request);
    free(request);
    return answer;
}

static char *post(struct bench *bench, const char *path, const char *form)
{
    char *with = hor_str_printf("csrf=%s&%s", bench->csrf, form);
    char *answer = post_with(bench, path, with, "");
    free(with);
    return answer;
}

static int status(const char *answer) { return strlen(answer) > 9 ? atoi(answer + 9) : 0; }

/* The value of a header, "" without; valid until the next call. */
static const char *header(const char *answer, const char *name)
{
    static char value[4096];
    const char *line = answer, *end = strstr(answer, "\r\n\r\n");
    value[0] = '\0';
    while (line != NULL && end != NULL && line < end) {
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            line += strlen(name) + 1;
            line += strspn(line, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
            return value;
        }
        line = strstr(line, "\r\n");
        line = line != NULL ? line + 2 : NULL;
    }
    return value;
}

static const char *body(const char *answer)
{
    const char *at = strstr(answer, "\r\n\r\n");
    return at != NULL ? at + 4 : "";
}

static bool has(const char *text, const char *part) { return strstr(text, part) != NULL; }

static const char *asked(struct bench *bench)
{
    static char copy[65536];
    mtx_lock(&bench->fake.mutex);
    snprintf(copy, sizeof copy, "%s", hor_buf_text(&bench->fake.asked));
    mtx_unlock(&bench->fake.mutex);
    return copy;
}

static unsigned calls(struct bench *bench)
{
    mtx_lock(&bench->fake.mutex);
    unsigned count = bench->fake.calls;
    mtx_unlock(&bench->fake.mutex);
    return count;
}

static void sign_in(struct bench *bench)
{
    bench->cookie[0] = '\0';
    char *answer = post_with(bench, "/controller/do/sign-in",
                             "user=anna&password=secret+of+anna&next=%2Fcontroller%2Fplan%3Fday%3D1",
                             "");
    is_int(status(answer), 303, "signing in redirects");
    is(header(answer, "Location"), "/controller/plan?day=1", "to where one wanted to go");
    const char *cookie = header(answer, "Set-Cookie");
    ok(has(cookie, "HttpOnly") && has(cookie, "Secure") && has(cookie, "SameSite=Strict") &&
           has(cookie, "Path=/controller"),
       "the session's cookie is for this server and no script");
    snprintf(bench->cookie, sizeof bench->cookie, "%.*s", (int)strcspn(cookie, ";"), cookie);
    free(answer);
    answer = get(bench, "/controller/orders");
    const char *field = strstr(answer, "name=\"csrf\" value=\"");
    if (ok(field != NULL, "a form holds a token"))
        snprintf(bench->csrf, sizeof bench->csrf, "%.64s", field + strlen("name=\"csrf\" value=\""));
    free(answer);
}

static void sessions(struct bench *bench)
{
    char *answer = get(bench, "/");
    is(header(answer, "Location"), "/controller/overview", "the bare address leads to the overview");
    free(answer);
    answer = get(bench, "/controller/orders?state=failed&text=a%26b");
    is_int(status(answer), 303, "without a session one is led to sign in");
    is(header(answer, "Location"),
       "/controller/sign-in?next=%2Fcontroller%2Forders%3Fstate%3Dfailed%26text%3Da%2526b",
       "and back to the page with its filter");
    free(answer);
    answer = get(bench, "/controller/changes");
    is_int(status(answer), 401, "the script is told, not led");
    free(answer);
    answer = get_with(bench, "/controller/orders", "Sec-Fetch-Site: cross-site\r\n");
    ok(status(answer) == 200 && has(answer, "http-equiv=\"refresh\"") && !has(answer, "table"),
       "a link from elsewhere hops once, so that the strict cookie is sent");
    free(answer);
    answer = post_with(bench, "/controller/do/sign-in", "user=anna&password=wrong", "");
    ok(status(answer) == 401 && has(answer, "User or password is wrong.") &&
           header(answer, "Set-Cookie")[0] == '\0',
       "a wrong password is told without saying which half was wrong");
    free(answer);
    answer = post_with(bench, "/controller/do/sign-in", "user=anna&password=secret+of+anna",
                       "Sec-Fetch-Site: cross-site\r\n");
    is_int(status(answer), 403, "another site cannot sign somebody in");
    free(answer);
    static const char *const bad[] = {"https://evil.example/",   "//evil.example/",
                                      "/\\evil.example",          "/controller.evil.example/",
                                      "/controller/\r\nX-A: b",   "javascript:alert(1)",
                                      "/controller/../soap/x",    "/controller/do/sign-out",
                                      "/controller\\@evil.example", "\t//evil.example"};
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *next = hor_visit_next(bad[i]);
        refused += strcmp(next, "/controller/overview") == 0;
        free(next);
    }
    is_int(refused, sizeof bad / sizeof bad[0], "no address of a form leads away from here");
    char *next = hor_visit_next("/controller/order?id=a-1");
    is(next, "/controller/order?id=a-1", "one of ours does");
    free(next);
    sign_in(bench);
}

static void headers(struct bench *bench)
{
    static const char *const names[] = {"overview", "plan",     "orders",        "order?id=a",
                                        "chains",   "chain?path=/warehouse/load", "history",
                                        "tasks",    "clusters", "configuration", "validation",
                                        "object?path=/jobs/import&kind=job",      "releases",
                                        "release?number=13",    "events",        "audit",
                                        "sessions", "help",     "log?task=a:b:1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = hor_str_printf("/controller/%s", names[i]);
        char *answer = get(bench, path);
        const char *page = body(answer);
        ok(status(answer) == 200 && has(page, "<main id=\"main\"") && has(page, "</html>") &&
               has(page, "Horarium 9.8.7"),
           "%s is a whole page", path);
        ok(has(header(answer, "Content-Security-Policy"), "default-src 'none'") &&
               has(header(answer, "Content-Security-Policy"), "frame-ancestors 'none'") &&
               strcmp(header(answer, "X-Content-Type-Options"), "nosniff") == 0 &&
               strcmp(header(answer, "Cache-Control"), "no-store") == 0 &&
               header(answer, "Referrer-Policy")[0] != '\0',
           "%s has its headers", path);
        ok(!has(page, " style=") && !has(page, "<style") && !has(page, " onclick") &&
               !has(page, "<script>") && has(page, "<script src=\"/controller/static/"),
           "%s has neither script nor style of its own", path);
        free(answer);
        free(path);
    }
}

static void requests(struct bench *bench)
{
    free(get(bench, "/controller/orders?state=failed&state=inDoubt&day=2026-11-24&from=2026-11-24T06:00"
                    "&to=2026-11-24T07:00:30%2B01:00&text=%3Cb%3E%26%22'&cursor=abc&limit=7"));
    is(asked(bench),
       "<ListOrders xmlns=\"urn:horarium:supervisor:1\"><filter><state>failed</state><state>inDoubt"
       "</state><planDay>2026-11-24</planDay><from>2026-11-24T06:00:00Z</from>"
       "<to>2026-11-24T07:00:30+01:00</to><text>&lt;b&gt;&amp;&quot;'</text></filter><cursor>abc"
       "</cursor><limit>7</limit></ListOrders>",
       "an address becomes a request, in the order of the schema, escaped");
    free(get(bench, "/controller/orders?state=&text="));
    is(asked(bench), "<ListOrders xmlns=\"urn:horarium:supervisor:1\"><limit>100</limit></ListOrders>",
       "an empty filter is none");
    free(get(bench, "/controller/orders"));
    like(asked(bench), "<filter><state>active</state></filter>", "the bare page shows what is active");
    free(get(bench, "/controller/history"));
    like(asked(bench), "<filter><state>ended</state></filter>", "history is what has ended");
    free(get(bench, "/controller/release?number=13&to=draft"));
    char *answer = get(bench, "/controller/orders?limit=many");
    ok(status(answer) == 400 && has(answer, "This request is not valid"),
       "a value that the schema refuses is told on the page");
    free(answer);
    answer = get(bench, "/controller/orders?format=xml");
    ok(has(header(answer, "Content-Type"), "application/xml") && has(answer, "ListOrdersResponse") &&
           !has(answer, "csrf"),
       "the document behind the page");
    free(answer);
    answer = get(bench, "/controller/history?format=csv");
    ok(has(header(answer, "Content-Type"), "text/csv") &&
           has(header(answer, "Content-Disposition"), "attachment") &&
           has(body(answer), "id,chain,title,state,") && has(body(answer), "\r\n\""),
       "history as comma-separated values");
    free(answer);
    answer = get(bench, "/controller/nowhere");
    is_int(status(answer), 404, "an unknown page");
    free(answer);
    answer = post_with(bench, "/controller/orders", "a=b", "");
    ok(status(answer) == 405 && strcmp(header(answer, "Allow"), "GET") == 0, "a page takes no form");
    free(answer);
    answer = get(bench, "/controller/do/add-order");
    is_int(status(answer), 405, "an action is not done by an address");
    free(answer);
    mtx_lock(&bench->fake.mutex);
    bench->fake.refuse = HOR_ERR_NOT_FOUND;
    mtx_unlock(&bench->fake.mutex);
    answer = get(bench, "/controller/order?id=gone");
    ok(status(answer) == 404 && has(answer, "Not found") &&
           has(answer, "refused &lt;b&gt;here&lt;/b&gt;"),
       "a fault is a page with its sentence");
    free(answer);
    mtx_lock(&bench->fake.mutex);
    bench->fake.refuse = 0;
    mtx_unlock(&bench->fake.mutex);
}

static void actions(struct bench *bench)
{
    unsigned before = calls(bench);
    char *answer = post_with(bench, "/controller/do/add-order", "chain=/a/b", "");
    is_int(status(answer), 403, "a form without a token is refused");
    free(answer);
    answer = post_with(bench, "/controller/do/add-order",
                       "csrf=0000000000000000000000000000000000000000000000000000000000000000", "");
    is_int(status(answer), 403, "and with a wrong one");
    free(answer);
    char *form = hor_str_printf("csrf=%s&chain=/a/b", bench->csrf);
    answer = post_with(bench, "/controller/do/add-order", form, "Origin: https://evil.example\r\n");
    is_int(status(answer), 403, "and with the right one from another site");
    free(answer);
    char *kept = hor_strdup(bench->cookie);
    snprintf(bench->cookie, sizeof bench->cookie, "horarium-session=guess");
    answer = post_with(bench, "/controller/do/add-order", form, "");
    is(header(answer, "Location"), "/controller/sign-in", "and without a session");
    free(answer);
    snprintf(bench->cookie, sizeof bench->cookie, "%s", kept);
    free(kept);
    free(form);
    answer = exchange(bench, "POST /controller/do/add-order HTTP/1.1\r\nHost: a\r\nConnection: close"
                             "\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\na");
    is_int(status(answer), 415, "other types than forms are refused");
    free(answer);
    is_int(calls(bench), before, "none of these reached the services");

    answer = post(bench, "/controller/do/add-order",
                  "request=r-1&chain=/warehouse/load&start-at=2026-11-25T06:30&priority=&title=%3C%26"
                  "&argument-name=a&argument-value=1%0A2&argument-name=b&argument-value="
                  "&argument-name=c&argument-value=%22x%22");
    is(asked(bench),
       "<AddOrder xmlns=\"urn:horarium:supervisor:1\"><requestId>r-1</requestId><chain>/warehouse/load"
       "</chain><startAt>2026-11-25T06:30:00Z</startAt><title>&lt;&amp;</title>"
       "<argument name=\"a\">1&#10;2</argument><argument name=\"c\">&quot;x&quot;</argument></AddOrder>",
       "a form becomes a request");
    ok(status(answer) == 303 && hor_str_starts(header(answer, "Location"),
                                               "/controller/order?id=load-20261124-0515-19aa04c7&message="),
       "a new order is shown");
    char *to = hor_strdup(header(answer, "Location"));
    free(answer);
    answer = get(bench, to);
    ok(has(body(answer), "was added") && has(body(answer), "class=\"message\""),
       "with what became of it");
    free(answer);
    free(to);
    answer = get(bench, "/controller/overview?message=%3Cb%3Eyou+won%3C/b%3E");
    ok(!has(body(answer), "you won") || !has(body(answer), "<b>you won"), "a message cannot be made up");
    free(answer);

    answer = post(bench, "/controller/do/control-orders",
                  "scope=selected&action=kill&order=a-1&order=a-2&reason=x");
    like(asked(bench), "<order>a-1</order><order>a-2</order><dryRun>true</dryRun>",
         "what loses work is tried dry first");
    ok(status(answer) == 200 && has(body(answer), "Nothing has been done yet") &&
           has(body(answer), "name=\"confirm\" value=\"1\""),
       "and shown with a form that does it");
    free(answer);
    answer = post(bench, "/controller/do/control-order-now", "scope=selected&action=kill&order=a-1");
    like(asked(bench), "<dryRun>true</dryRun>", "the short way is for harmless actions only");
    free(answer);
    answer = post(bench, "/controller/do/control-order-now",
                  "scope=selected&action=suspend&order=a-1&next=/controller/order?id=a-1");
    ok(!has(asked(bench), "dryRun") && status(answer) == 303, "those are done at once");
    free(answer);
    answer = post(bench, "/controller/do/control-orders",
                  "scope=selected&confirm=1&dry-run=true&action=kill&order=a-1");
    ok(!has(asked(bench), "dryRun") && has(asked(bench), "<action>kill</action>"),
       "what was confirmed is done");
    free(answer);
    before = calls(bench);
    answer = post(bench, "/controller/do/control-orders", "scope=selected&confirm=1&action=kill");
    ok(status(answer) == 303 && calls(bench) == before, "no selection means none, never all");
    free(answer);
    answer = post(bench, "/controller/do/control-orders",
                  "scope=filter&confirm=1&action=cancel&order=a-1&filter-state=failed&filter-text=z");
    is(asked(bench),
       "<ControlOrders xmlns=\"urn:horarium:supervisor:1\"><action>cancel</action><filter><state>failed"
       "</state><text>z</text></filter><dryRun>true</dryRun></ControlOrders>",
       "a filter is always tried dry");
    ok(has(body(answer), "name=\"order\" value=\"load-20261124-0330-a1b2c3d4\"") &&
           !has(body(answer), "value=\"eod-20261124-0200-0badcafe\"") &&
           !has(body(answer), "filter-state"),
       "and confirmed as the orders that it found");
    free(answer);
    answer = post(bench, "/controller/do/preferences", "theme=dark&zone=%22%3E&next=/controller/plan");
    ok(has(header(answer, "Set-Cookie"), "horarium-theme=dark") && status(answer) == 303,
       "colours can be chosen");
    free(answer);
}

static void static_files(struct bench *bench)
{
    char *answer = get(bench, "/controller/static/style.css");
    char tag[80];
    ok(status(answer) == 200 && has(header(answer, "Content-Type"), "text/css"), "the style sheet");
    snprintf(tag, sizeof tag, "If-None-Match: %.40s\r\n", header(answer, "ETag"));
    free(answer);
    answer = get_with(bench, "/controller/static/style.css", tag);
    ok(status(answer) == 304 && body(answer)[0] == '\0', "is not sent again unchanged");
    free(answer);
    static const char *const bad[] = {
        "/controller/static/../layout.xsl",        "/controller/static/%2e%2e/layout.xsl",
        "/controller/static/..%2f..%2fCOPYING",    "/controller/static//etc/passwd",
        "/controller/static/layout.xsl",           "/controller/static/style.css%00.txt",
        "/controller/static/..\\layout.xsl",       "/controller/static/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        answer = get(bench, bad[i]);
        ok(status(answer) >= 400 && status(answer) < 500 && !has(body(answer), "xsl:"),
           "%s is no file of ours", bad[i]);
        free(answer);
    }
}

static void logs(struct bench *bench)
{
    char *answer = get(bench, "/controller/log?task=load:import:1");
    ok(has(body(answer), "id=\"o0\"") && has(body(answer), "class=\"ansi-f1\">ERROR</span>") &&
           has(body(answer), "&lt;account id="),
       "a log has line addresses, colours and no markup");
    free(answer);
    answer = get(bench, "/controller/log?task=load:import:1&find=error");
    ok(has(body(answer), "in line 612") && has(body(answer), "class=\"hit\""), "text is found");
    free(answer);
    answer = get(bench, "/controller/log?task=load:import:1&find=nothing+like+this");
    like(body(answer), "does not occur", "or not");
    free(answer);
    answer = get(bench, "/controller/log-file?task=load%3Aimport%3A1");
    is(header(answer, "Content-Disposition"), "attachment; filename=\"load_import_1.log\"",
       "a log is downloaded under a tame name");
    ok(status(answer) == 200 && hor_str_starts(body(answer), "\x1b[1mimport"), "as it is");
    free(answer);
    answer = get(bench, "/controller/log-file?task=a%22%0D%0AX-A%3A+b");
    ok(status(answer) == 400 && header(answer, "X-A")[0] == '\0', "no name becomes a header");
    free(answer);
    struct hor_buf out = HOR_BUF_INIT;
    int64_t next = 0, line = 0;
    struct hor_log_view view = {"a<\x1b[1;32mb\x1b[0m\x1b]c\xff\n\nlast", 24, 100, 7, -1};
    view.len = strlen(view.data);
    hor_log_view_write(&view, true, &out, &next, &line);
    is(hor_buf_text(&out),
       "<line n=\"7\" offset=\"100\"><run>a&lt;</run><run class=\"ansi-f2 ansi-b\">b</run><run>c"
       "\xEF\xBF\xBD</run></line><line n=\"8\" offset=\"119\"></line>",
       "bytes become lines and runs");
    ok(next == 120 && line == 9, "an unfinished line waits");
    hor_buf_done(&out);
    unsigned seed = 17, bad = 0;
    for (int round = 0; round < 200; round++) {
        char noise[300];
        for (size_t i = 0; i < sizeof noise; i++) {
            seed = seed * 1103515245 + 12345;
            noise[i] = "\x1b[0;1m<&\n\xC3\xA9\xF0\x00\x7f]\r\tab"[(seed >> 16) % 20];
        }
        view = (struct hor_log_view){noise, sizeof noise, 0, 1, -1};
        struct hor_xml_doc *doc = NULL;
        hor_buf_puts(&out, "<log>");
        hor_log_view_write(&view, false, &out, &next, &line);
        hor_buf_puts(&out, "</log>");
        bad += hor_xml_parse("log", out.data, out.len, NULL, NULL, &doc, NULL) != HOR_OK ||
               next != (int64_t)sizeof noise;
        hor_xml_doc_free(doc);
        hor_buf_done(&out);
    }
    is_int(bad, 0, "whatever a job writes is well-formed and counted to the last byte (seed 17)");
}

struct waiting {
    struct bench *bench;
    char *answer;
};

static void *wait_for_changes(void *ctx)
{
    struct waiting *waiting = ctx;
    waiting->answer = get(waiting->bench, "/controller/changes?after=1");
    return NULL;
}

static void changes(struct bench *bench)
{
    char *answer = get(bench, "/controller/changes");
    like(body(answer), "{\"position\": 1}", "where the events stand");
    free(answer);
    struct waiting waiting = {bench, NULL};
    pthread_t thread;
    if (!ok(pthread_create(&thread, NULL, wait_for_changes, &waiting) == 0, "somebody waits for news"))
        return;
    mtx_lock(&bench->fake.mutex);
    bench->fake.position = 42;
    mtx_unlock(&bench->fake.mutex);
    hor_http_server_wake(bench->server);
    pthread_join(thread, NULL);
    like(body(waiting.answer), "{\"position\": 42}", "and gets it, whenever it came");
    free(waiting.answer);
}

/* Walks the tags of a page as a browser does: no element that runs or loads, no attribute that is
 * script, no address of a scheme of its own. */
static bool tame(const char *page)
{
    for (const char *at = page; *at != '\0'; at++) {
        if (*at != '<')
            continue;
        if (strncasecmp(at, "<script", 7) == 0 || strncasecmp(at, "<img", 4) == 0 ||
            strncasecmp(at, "<iframe", 7) == 0 || strncasecmp(at, "<b>", 3) == 0)
            return false;
        while (*at != '\0' && *at != '>') {
            if (*at == '"' || *at == '\'') {
                const char *end = strchr(at + 1, *at);
                if (end == NULL || strncasecmp(at + 1, "javascript:", 11) == 0)
                    return false;
                at = end;
            } else if (*at == ' ' && (strncasecmp(at, " on", 3) == 0 || strncasecmp(at, " style", 6) == 0))
                return false;
            at++;
        }
        if (*at == '\0')
            return false;
    }
    return true;
}

/* The text that the fixtures hold in every field must be text wherever it is shown. */
static void hostile(void)
{
    struct bench bench = {0};
    if (!bench_start(&bench, "hostile"))
        return;
    sign_in(&bench);
    static const char *const names[] = {
        "overview", "plan", "orders?text=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "order?id=a",
        "chains", "chain?path=/warehouse/load", "history", "tasks", "clusters", "configuration",
        "validation", "object?path=/jobs/import&kind=job", "releases", "release?number=13", "events",
        "audit", "sessions", "log?task=a:b:1&find=%3Cscript%3E", "%3Cscript%3E",
        "order?id=%3Cscript%3Ealert(1)%3C/script%3E"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = hor_str_printf("/controller/%s", names[i]);
        char *answer = get(&bench, path);
        const char *page = strstr(body(answer), "<main");
        ok(page == NULL || tame(page),
           "%s shows foreign markup as text", path);
        free(answer);
        free(path);
    }
    char *answer = get(&bench, "/controller/history?format=csv");
    ok(!has(body(answer), "\"=") && !has(body(answer), "\"@"), "no cell is a formula");
    free(answer);
    bench_stop(&bench);
}

int main(void)
{
    struct bench bench = {0};
    if (setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1) != 0 || !bench_start(&bench, "day"))
        return done_testing();
    sessions(&bench);
    headers(&bench);
    requests(&bench);
    actions(&bench);
    static_files(&bench);
    logs(&bench);
    changes(&bench);
    char *answer = post(&bench, "/controller/do/sign-out", "");
    ok(status(answer) == 303 && has(header(answer, "Set-Cookie"), "Max-Age=0"), "signing out");
    free(answer);
    answer = get(&bench, "/controller/orders");
    is_int(status(answer), 303, "ends the session");
    free(answer);
    bench_stop(&bench);
    hostile();
    return done_testing();
}
