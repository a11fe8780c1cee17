/* server/controller/pages.c - GET: ask what the page's row says, show the answers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/controller/internal.h"

enum {
    CHANGES_WAIT_MS = 25000, /* a browser asks again after that */
    CHANGES_FRESH_MS = 200,  /* one look at the events serves everybody who asks meanwhile */
    EVENTS_SHOWN = 200,
    NEW_ORDER_MS = 3000, /* until a new order has come up from its Master */
};

/* A number in an answer's root: position or last. */
static uint64_t number_in(const struct hor_buf *answer, const char *name)
{
    struct hor_xml_doc *doc = NULL;
    uint64_t value = 0;
    if (hor_xml_parse("answer", hor_buf_text(answer), answer->len, NULL, NULL, &doc, NULL) != HOR_OK)
        return 0;
    const struct hor_xml_node *node = hor_xml_child(hor_xml_root(doc), name);
    struct hor_buf text = HOR_BUF_INIT;
    if (node != NULL)
        hor_xml_text(node, &text);
    if (hor_str_to_uint64(hor_buf_text(&text), &value) != HOR_OK)
        value = 0;
    hor_buf_done(&text);
    hor_xml_doc_free(doc);
    return value;
}

/* The newest event's position; one question serves all who ask within a moment. */
static int newest_position(struct hor_visit *visit, uint64_t *ret, struct hor_error *err)
{
    struct hor_controller *controller = visit->controller;
    uint64_t known = atomic_load(&controller->position);
    if (known == 0 ||
        hor_clock_monotonic_ms() - atomic_load(&controller->position_ms) >= CHANGES_FRESH_MS) {
        atomic_store(&controller->position_ms, hor_clock_monotonic_ms());
        struct hor_buf ask = HOR_BUF_INIT, answer = HOR_BUF_INIT;
        hor_buf_printf(&ask,
                       "<GetEvents xmlns=\"urn:horarium:supervisor:1\"><after>%" PRIu64
                       "</after><limit>1</limit><waitMs>0</waitMs></GetEvents>",
                       known);
        int code = hor_visit_ask(visit, hor_buf_text(&ask), ask.len, &answer, err);
        uint64_t last = code == HOR_OK ? number_in(&answer, "last") : 0;
        if (last == 0 && code == HOR_OK)
            last = number_in(&answer, "position");
        hor_buf_done(&ask);
        hor_buf_done(&answer);
        if (code != HOR_OK)
            return code;
        if (last > known)
            atomic_store(&controller->position, last);
        known = last > known ? last : known;
    }
    *ret = known;
    return HOR_OK;
}

enum hor_http_outcome hor_controller_changes(struct hor_visit *visit)
{
    struct hor_error err = {0};
    uint64_t after = 0, position = 0;
    const char *text = hor_form_get(&visit->form, "after", 0);
    bool waits = text != NULL && hor_str_to_uint64(text, &after) == HOR_OK;
    int code = newest_position(visit, &position, &err);
    if (code != HOR_OK)
        return hor_visit_plain(visit, hor_status_of(code), err.text);
    int64_t age_ms = hor_http_age_ms(visit->http);
    if (waits && position <= after && age_ms < CHANGES_WAIT_MS) {
        /* a wake within the moment that one look serves would go unseen: look again after it */
        int64_t look_ms = CHANGES_WAIT_MS;
        if (hor_clock_monotonic_ms() - atomic_load(&visit->controller->position_ms) <
            CHANGES_FRESH_MS)
            look_ms = age_ms + CHANGES_FRESH_MS;
        hor_http_park_until(visit->http, look_ms < CHANGES_WAIT_MS ? look_ms : CHANGES_WAIT_MS);
        return HOR_HTTP_PARK;
    }
    visit->response->status = 200;
    hor_http_header(visit->response, "Content-Type", "application/json");
    hor_http_header(visit->response, "Cache-Control", "no-store");
    hor_visit_security_headers(visit->response);
    hor_buf_printf(&visit->response->body, "{\"position\": %" PRIu64 "}\n", position);
    return HOR_HTTP_ANSWER;
}

/* What some pages need beyond their parameters. */
static int prepare(struct hor_visit *visit, struct hor_form *ask, struct hor_error *err)
{
    char text[24];
    const char *value;
    int64_t number;
    if (strcmp(visit->page, "release") == 0) {
        value = hor_form_get(ask, "number", 0);
        if (value == NULL || hor_str_to_int64(value, &number) != HOR_OK)
            return hor_error_set(err, HOR_ERR_INVALID, "the address needs the number of a release");
        const char *to = hor_form_get(ask, "to", 0);
        bool draft = to != NULL && strcmp(to, "draft") == 0;
        snprintf(text, sizeof text, "%lld", (long long)number);
        int code = hor_form_set(ask, draft ? "from" : "to", text);
        if (code == HOR_OK && draft)
            code = hor_form_set(ask, "to", NULL);
        else if (code == HOR_OK && hor_form_get(ask, "from", 0) == NULL && number > 1) {
            snprintf(text, sizeof text, "%lld", (long long)number - 1);
            code = hor_form_set(ask, "from", text);
        }
        return code;
    }
    if (strcmp(visit->page, "orders") == 0) {
        /* without any filter the page would begin with what is planned for the last known day */
        static const char *const transient[] = {"message", "format", "limit", NULL};
        struct hor_buf rest = HOR_BUF_INIT;
        hor_form_write(ask, transient, &rest);
        bool bare = rest.len == 0 && hor_form_get(&visit->form, "state", 0) == NULL;
        hor_buf_done(&rest);
        int code = bare ? hor_form_set(ask, "state", "active") : HOR_OK;
        return bare && code == HOR_OK ? hor_form_set(&visit->form, "state", "active") : code;
    }
    value = hor_form_get(ask, "after", 0);
    if (strcmp(visit->page, "events") == 0) {
        uint64_t after = 0, last = 0;
        const char *order = hor_form_get(ask, "order", 0);
        bool given = value != NULL && hor_str_to_uint64(value, &after) == HOR_OK;
        if (!given && (order == NULL || order[0] == '\0')) {
            int code = newest_position(visit, &last, err);
            if (code != HOR_OK)
                return code;
            after = last > EVENTS_SHOWN ? last - EVENTS_SHOWN : 0;
        }
        if (after > 0)
            hor_buf_printf(&visit->extra, " earlier=\"%" PRIu64 "\"",
                           after > EVENTS_SHOWN ? after - EVENTS_SHOWN : 0);
        snprintf(text, sizeof text, "%" PRIu64, after);
        return hor_form_set(ask, "after", text);
    }
    return HOR_OK;
}

/* An order that was just added is known here once its Master's event has come up: the page waits
 * for that, holding no worker. */
static bool comes_soon(const struct hor_visit *visit, int code)
{
    return code == HOR_ERR_NOT_FOUND && strcmp(visit->page, "order") == 0 &&
           hor_form_get(&visit->form, "message", 0) != NULL &&
           hor_http_age_ms(visit->http) < NEW_ORDER_MS;
}

/* The document that the page is made from, instead of the page. */
static enum hor_http_outcome give_xml(struct hor_visit *visit, int code, const struct hor_buf *body)
{
    visit->response->status = hor_status_of(code);
    hor_http_header(visit->response, "Content-Type", "application/xml; charset=utf-8");
    hor_http_header(visit->response, "Cache-Control", "no-store");
    hor_visit_security_headers(visit->response);
    hor_buf_puts(&visit->response->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    hor_buf_add(&visit->response->body, body->data, body->len);
    hor_buf_putc(&visit->response->body, '\n');
    return HOR_HTTP_ANSWER;
}

static enum hor_http_outcome give_csv(struct hor_visit *visit, const struct hor_buf *inner)
{
    enum hor_http_outcome outcome = hor_visit_render(visit, "csv.xsl", 200, inner);
    if (visit->response->status == 200) {
        char *name = hor_str_printf("attachment; filename=\"horarium-%s.csv\"", visit->page);
        hor_buf_clear(&visit->response->headers);
        hor_http_header(visit->response, "Content-Type", "text/csv; charset=utf-8");
        if (name != NULL)
            hor_http_header(visit->response, "Content-Disposition", name);
        hor_http_header(visit->response, "Cache-Control", "no-store");
        hor_visit_security_headers(visit->response);
        free(name);
    }
    return outcome;
}

enum hor_http_outcome hor_controller_page(struct hor_visit *visit, const struct hor_page *page)
{
    struct hor_error err = {0};
    struct hor_form ask = {0};
    struct hor_buf inner = HOR_BUF_INIT, request = HOR_BUF_INIT, answer = HOR_BUF_INIT,
                   first = HOR_BUF_INIT, query = HOR_BUF_INIT;
    static const char *const nothing[] = {NULL};
    const char *format = hor_form_get(&visit->form, "format", 0);
    format = format != NULL ? format : "";
    /* a copy: what pages add for the question does not belong into their links */
    hor_form_write(&visit->form, nothing, &query);
    int code = hor_form_parse(hor_buf_text(&query), query.len, &ask, &err);
    if (code == HOR_OK)
        code = prepare(visit, &ask, &err);
    for (size_t i = 0; i < HOR_QUESTIONS && page->questions[i].operation != NULL && code == HOR_OK;
         i++) {
        const struct hor_question *question = &page->questions[i];
        hor_buf_clear(&request);
        hor_buf_clear(&answer);
        hor_request_write(question->operation, question->fields, &ask, &request);
        int rc = hor_visit_ask(visit, hor_buf_text(&request), request.len, &answer, &err);
        if (rc != HOR_OK && !question->optional)
            code = rc;
        if (i == 0 && (rc == HOR_OK || !question->optional))
            hor_buf_add(&first, answer.data, answer.len);
        if (rc != HOR_OK)
            continue;
        hor_buf_puts(&inner, "<request>");
        hor_buf_add(&inner, request.data, request.len);
        hor_buf_puts(&inner, "</request><response>");
        hor_buf_add(&inner, answer.data, answer.len);
        hor_buf_puts(&inner, "</response>");
    }
    enum hor_http_outcome outcome;
    if (code == HOR_ERR_UNAUTHENTICATED) {
        outcome = hor_visit_redirect(visit, "/controller/sign-in");
    } else if (comes_soon(visit, code)) {
        hor_http_park_until(visit->http, NEW_ORDER_MS);
        outcome = HOR_HTTP_PARK;
    } else if (strcmp(format, "xml") == 0 && first.len > 0) {
        outcome = give_xml(visit, code, &first);
    } else if (code != HOR_OK) {
        hor_buf_clear(&inner);
        if (page->live)
            hor_buf_puts(&visit->extra, " live=\"true\"");
        hor_fault_write(first.len > 0 ? &first : NULL, code, &err, &inner);
        outcome = hor_visit_render(visit, NULL, hor_status_of(code), &inner);
    } else if (strcmp(format, "csv") == 0 &&
               (strcmp(page->name, "history") == 0 || strcmp(page->name, "tasks") == 0)) {
        outcome = give_csv(visit, &inner);
    } else {
        if (page->live && hor_form_get(&visit->form, "cursor", 0) == NULL)
            hor_buf_puts(&visit->extra, " live=\"true\"");
        outcome = hor_visit_render(visit, NULL, 200, &inner);
    }
    hor_form_done(&ask);
    hor_buf_done(&inner);
    hor_buf_done(&request);
    hor_buf_done(&answer);
    hor_buf_done(&first);
    hor_buf_done(&query);
    return outcome;
}
