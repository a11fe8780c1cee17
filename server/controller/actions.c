/* server/controller/actions.c - POST: check the token, do the operation, go back with a message.
 * Actions on orders that lose work are previewed by a dry run first. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/controller/internal.h"

enum { HOR_TOKEN_TEXT = 64 };

static char *text_at(const struct hor_buf *answer, const char *outer, const char *inner)
{
    struct hor_xml_doc *doc = NULL;
    if (hor_xml_parse("answer", hor_buf_text(answer), answer->len, NULL, NULL, &doc, NULL) != HOR_OK)
        return NULL;
    struct hor_buf text = HOR_BUF_INIT;
    const struct hor_xml_node *node = hor_xml_child(hor_xml_root(doc), outer);
    node = node != NULL ? hor_xml_child(node, inner) : NULL;
    if (node != NULL)
        hor_xml_text(node, &text);
    hor_xml_doc_free(doc);
    return hor_buf_take(&text);
}

enum hor_http_outcome hor_controller_sign_in_page(struct hor_visit *visit, int status,
                                                  const char *message)
{
    struct hor_buf inner = HOR_BUF_INIT;
    visit->page = "sign-in";
    if (message != NULL) {
        hor_buf_puts(&inner, "<message kind=\"form\" text=\"");
        hor_buf_xml(&inner, message);
        hor_buf_puts(&inner, "\"/>");
        hor_buf_puts(&inner, "<query><value name=\"next\">");
        hor_buf_xml(&inner, hor_form_get(&visit->form, "next", 0) != NULL
                                ? hor_form_get(&visit->form, "next", 0)
                                : "");
        hor_buf_puts(&inner, "</value></query>");
    }
    enum hor_http_outcome outcome = hor_visit_render(visit, NULL, status, &inner);
    hor_buf_done(&inner);
    return outcome;
}

static enum hor_http_outcome sign_in(struct hor_visit *visit)
{
    const struct hor_controller_backend *backend = &visit->controller->backend;
    struct hor_error err = {0};
    const char *user = hor_form_get(&visit->form, "user", 0);
    const char *password = hor_form_get(&visit->form, "password", 0);
    char token[HOR_CONTROLLER_TOKEN_BYTES] = "";
    if (user == NULL || password == NULL || user[0] == '\0' || password[0] == '\0')
        return hor_controller_sign_in_page(visit, 400, "User and password are needed.");
    int code = backend->login(user, password, hor_http_peer(visit->http), token, backend->ctx, &err);
    if (code == HOR_ERR_UNAUTHENTICATED)
        return hor_controller_sign_in_page(visit, 401, "User or password is wrong.");
    if (code != HOR_OK)
        return hor_controller_sign_in_page(visit, code == HOR_ERR_BUSY ? 429 : 503, err.text);
    if (visit->token[0] != '\0') /* a session that somebody else may know ends here */
        backend->logout(visit->token, backend->ctx, NULL);
    hor_visit_set_cookie(visit, "horarium-session", token, false);
    char *to = hor_visit_next(hor_form_get(&visit->form, "next", 0));
    enum hor_http_outcome outcome =
        hor_visit_redirect(visit, to != NULL ? to : "/controller/overview");
    free(to);
    return outcome;
}

static enum hor_http_outcome sign_out(struct hor_visit *visit)
{
    const struct hor_controller_backend *backend = &visit->controller->backend;
    backend->logout(visit->token, backend->ctx, NULL);
    hor_visit_set_cookie(visit, "horarium-session", "", false);
    return hor_visit_redirect(visit, "/controller/sign-in");
}

static enum hor_http_outcome preferences(struct hor_visit *visit)
{
    const char *theme = hor_form_get(&visit->form, "theme", 0);
    const char *zone = hor_form_get(&visit->form, "zone", 0);
    if (theme != NULL && (strcmp(theme, "light") == 0 || strcmp(theme, "dark") == 0 ||
                          strcmp(theme, "auto") == 0))
        hor_visit_set_cookie(visit, "horarium-theme", theme, true);
    if (zone != NULL && (strcmp(zone, "utc") == 0 || strcmp(zone, "browser") == 0))
        hor_visit_set_cookie(visit, "horarium-zone", zone, true);
    const char *next = hor_form_get(&visit->form, "next", 0);
    char *to = next != NULL && hor_str_starts(next, "/controller/sign-in")
                   ? hor_strdup("/controller/sign-in")
                   : hor_visit_next(next);
    enum hor_http_outcome outcome =
        hor_visit_redirect(visit, to != NULL ? to : "/controller/overview");
    free(to);
    return outcome;
}

static enum hor_http_outcome back_with(struct hor_visit *visit, const char *to, const char *message)
{
    char *noted = hor_visit_note(visit, to, message);
    enum hor_http_outcome outcome = hor_visit_redirect(visit, noted != NULL ? noted : to);
    free(noted);
    return outcome;
}

/* What would be done, with a form that does it. */
static enum hor_http_outcome preview(struct hor_visit *visit, const struct hor_action *action)
{
    struct hor_error err = {0};
    struct hor_buf request = HOR_BUF_INIT, answer = HOR_BUF_INIT, inner = HOR_BUF_INIT;
    visit->page = "confirm";
    int code = hor_form_set(&visit->form, "dry-run", "true");
    if (code == HOR_OK) /* a dry run must not use up the id of the real request */
        code = hor_form_set(&visit->form, "request", NULL);
    hor_request_write(action->operation, action->fields, &visit->form, &request);
    if (code == HOR_OK)
        code = hor_visit_ask(visit, hor_buf_text(&request), request.len, &answer, &err);
    if (code == HOR_OK) {
        hor_buf_puts(&inner, "<form action=\"control-orders\">");
        for (size_t i = 0; i < visit->form.count; i++) {
            const char *name = visit->form.values[i].name;
            if (strcmp(name, "csrf") == 0 || strcmp(name, "dry-run") == 0 ||
                strcmp(name, "confirm") == 0)
                continue;
            hor_buf_puts(&inner, "<value name=\"");
            hor_buf_xml(&inner, name);
            hor_buf_puts(&inner, "\">");
            hor_buf_xml(&inner, visit->form.values[i].value);
            hor_buf_puts(&inner, "</value>");
        }
        hor_buf_puts(&inner, "</form><response>");
        hor_buf_add(&inner, answer.data, answer.len);
        hor_buf_puts(&inner, "</response>");
    } else
        hor_fault_write(&answer, code, &err, &inner);
    enum hor_http_outcome outcome =
        hor_visit_render(visit, code == HOR_OK ? "confirm.xsl" : "error.xsl", hor_status_of(code),
                         &inner);
    hor_buf_done(&request);
    hor_buf_done(&answer);
    hor_buf_done(&inner);
    return outcome;
}

static bool harmless(const char *action)
{
    return action != NULL && (strcmp(action, "start") == 0 || strcmp(action, "suspend") == 0 ||
                              strcmp(action, "resume") == 0 || strcmp(action, "retry") == 0);
}

/* *ret is set when the answer is already there. */
static const struct hor_action *orders_action(struct hor_visit *visit,
                                              const struct hor_action *action, const char *to,
                                              bool *ret_answered, enum hor_http_outcome *ret)
{
    const char *scope = hor_form_get(&visit->form, "scope", 0);
    const char *confirm = hor_form_get(&visit->form, "confirm", 0);
    bool filtered = scope != NULL && strcmp(scope, "filter") == 0;
    if (filtered)
        action = hor_action_find("control-filtered");
    else if (hor_form_get(&visit->form, "order", 0) == NULL) {
        *ret = back_with(visit, to, "<message kind=\"form\" text=\"No order was selected.\"/>");
        *ret_answered = true;
        return action;
    }
    bool now = !filtered && ((confirm != NULL && strcmp(confirm, "1") == 0) ||
                             (strcmp(action->name, "control-order-now") == 0 &&
                              harmless(hor_form_get(&visit->form, "action", 0))));
    if (!now) {
        *ret = preview(visit, action);
        *ret_answered = true;
    } else
        hor_form_set(&visit->form, "dry-run", NULL);
    return action;
}

static enum hor_http_outcome run(struct hor_visit *visit, const struct hor_action *action)
{
    struct hor_error err = {0};
    struct hor_buf request = HOR_BUF_INIT, answer = HOR_BUF_INIT, message = HOR_BUF_INIT;
    char *to = hor_visit_next(hor_form_get(&visit->form, "next", 0));
    const char *place = to != NULL ? to : "/controller/overview";
    bool answered = false;
    enum hor_http_outcome outcome = HOR_HTTP_ANSWER;
    if (strcmp(action->operation, "ControlOrders") == 0)
        action = orders_action(visit, action, place, &answered, &outcome);
    if (answered)
        goto out;
    hor_request_write(action->operation, action->fields, &visit->form, &request);
    int code = hor_visit_ask(visit, hor_buf_text(&request), request.len, &answer, &err);
    hor_buf_puts(&message, "<message action=\"");
    hor_buf_xml(&message, action->name);
    hor_buf_puts(&message, "\">");
    if (code != HOR_OK)
        hor_fault_write(&answer, code, &err, &message);
    else {
        hor_buf_puts(&message, "<response>");
        hor_buf_add(&message, answer.data, answer.len);
        hor_buf_puts(&message, "</response>");
    }
    hor_buf_puts(&message, "</message>");
    char *id = code == HOR_OK && strcmp(action->operation, "AddOrder") == 0
                   ? text_at(&answer, "order", "id")
                   : NULL;
    if (id != NULL) {
        struct hor_buf address = HOR_BUF_INIT;
        hor_buf_puts(&address, "/controller/order?id=");
        hor_http_encode(&address, id);
        outcome = back_with(visit, hor_buf_text(&address), hor_buf_text(&message));
        hor_buf_done(&address);
    } else
        outcome = back_with(visit, place, hor_buf_text(&message));
    free(id);
out:
    free(to);
    hor_buf_done(&request);
    hor_buf_done(&answer);
    hor_buf_done(&message);
    return outcome;
}

enum hor_http_outcome hor_controller_do(struct hor_visit *visit, const char *name)
{
    if (!hor_visit_same_origin(visit->http))
        return hor_visit_plain(visit, 403, "This form was sent by another site.");
    if (strcmp(name, "sign-in") == 0)
        return sign_in(visit);
    if (strcmp(name, "preferences") == 0)
        return preferences(visit);
    if (!visit->known)
        return hor_visit_redirect(visit, "/controller/sign-in");
    char csrf[HOR_TOKEN_TEXT + 1];
    const char *sent = hor_form_get(&visit->form, "csrf", 0);
    hor_visit_csrf(visit, csrf);
    if (sent == NULL || !hor_secret_equal(sent, csrf))
        return hor_visit_plain(visit, 403,
                               "This form is not from this session, or the Supervisor was started "
                               "again meanwhile. Go back, load the page again, and repeat.");
    if (strcmp(name, "sign-out") == 0)
        return sign_out(visit);
    const struct hor_action *action = hor_action_find(name);
    return action != NULL ? run(visit, action) : hor_visit_plain(visit, 404, "No such action.");
}
