/* server/controller/routes.c - which address asks which operation, and how its parameters become
 * the request. A new page is a row here and a style sheet; the service's schema checks values. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/controller/internal.h"

#define TEXT(parameter, to) {HOR_FIELD_TEXT, parameter, to, NULL}
#define TEXT_OR(parameter, to, otherwise) {HOR_FIELD_TEXT, parameter, to, otherwise}
#define TIME(parameter, to) {HOR_FIELD_TIME, parameter, to, NULL}
#define FIXED(to, value) {HOR_FIELD_FIXED, value, to, NULL}
#define BEGIN(to) {HOR_FIELD_BEGIN, NULL, to, NULL}
#define BEGIN_ALWAYS(to) {HOR_FIELD_BEGIN_ALWAYS, NULL, to, NULL}
#define END(to) {HOR_FIELD_END, NULL, to, NULL}
#define STOP {HOR_FIELD_TEXT, NULL, NULL, NULL}

/* clang-format off */
static const struct hor_field none[] = {STOP};
static const struct hor_field orders[] = {
    BEGIN("filter"), TEXT("state", "state"), TEXT("chain", "chain"), TEXT("folder", "folder"),
    TEXT("agent", "agent"), TEXT("master", "master"), TEXT("day", "planDay"), TIME("from", "from"),
    TIME("to", "to"), TEXT("text", "text"), END("filter"),
    TEXT("cursor", "cursor"), TEXT_OR("limit", "limit", "100"), STOP};
static const struct hor_field history[] = {
    BEGIN("filter"), TEXT_OR("state", "state", "ended"), TEXT("chain", "chain"),
    TEXT("folder", "folder"), TEXT("agent", "agent"), TEXT("master", "master"),
    TEXT("day", "planDay"), TIME("from", "from"), TIME("to", "to"), TEXT("text", "text"),
    END("filter"), TEXT("cursor", "cursor"), TEXT_OR("limit", "limit", "100"), STOP};
static const struct hor_field tasks[] = {
    TEXT("order", "order"), TEXT("job", "job"), TEXT("agent", "agent"), TEXT("outcome", "outcome"),
    TIME("from", "from"), TIME("to", "to"), TEXT("cursor", "cursor"),
    TEXT_OR("limit", "limit", "100"), STOP};
static const struct hor_field plan[] = {
    TEXT("day", "planDay"), TEXT("cursor", "cursor"), TEXT_OR("limit", "limit", "1000"), STOP};
static const struct hor_field order[] = {TEXT("id", "id"), STOP};
static const struct hor_field chain_orders[] = {
    BEGIN("filter"), TEXT("path", "chain"), END("filter"), FIXED("limit", "40"), STOP};
static const struct hor_field releases[] = {FIXED("limit", "200"), STOP};
static const struct hor_field difference[] = {TEXT("from", "from"), TEXT("to", "to"), STOP};
static const struct hor_field objects[] = {TEXT("folder", "folder"), TEXT("release", "release"), STOP};
static const struct hor_field object[] = {
    TEXT("path", "path"), TEXT("kind", "kind"), TEXT("release", "release"), STOP};
static const struct hor_field events[] = {
    TEXT_OR("after", "after", "0"), TEXT("order", "order"), TEXT_OR("limit", "limit", "200"),
    FIXED("waitMs", "0"), STOP};
static const struct hor_field audit[] = {
    TEXT("user", "user"), TEXT("object", "object"), TEXT("cursor", "cursor"),
    TEXT_OR("limit", "limit", "100"), STOP};

static const struct hor_page pages[] = {
    {"overview", {{"GetOverview", none, false}}, true},
    {"plan", {{"GetPlan", plan, false}}, true},
    {"orders", {{"ListOrders", orders, false}}, true},
    {"order", {{"GetOrder", order, false}}, true},
    {"chains", {{"ListChains", none, false}}, true},
    {"chain", {{"ListChains", none, false}, {"ListOrders", chain_orders, true}}, true},
    {"history", {{"ListOrders", history, false}}, false},
    {"tasks", {{"ListTasks", tasks, false}}, false},
    {"clusters", {{"GetStatus", none, false}, {"ListCommands", none, true}}, true},
    {"configuration", {{"ListObjects", objects, false}}, false},
    {"object", {{"GetObject", object, false}}, false},
    {"validation", {{"ValidateConfiguration", none, false}}, false},
    {"releases", {{"ListReleases", releases, false}}, true},
    {"release", {{"GetReleaseDifference", difference, false}, {"ListReleases", releases, true}}, false},
    {"events", {{"GetEvents", events, false}}, true},
    {"audit", {{"ListAudit", audit, false}}, false},
    {"sessions", {{"ListSessions", none, false}}, false},
    {"help", {{NULL, NULL, false}}, false},
};

static const struct hor_field add_order[] = {
    TEXT("request", "requestId"), TEXT("chain", "chain"), TEXT("master", "master"),
    TIME("start-at", "startAt"), TEXT("priority", "priority"), TEXT("title", "title"),
    TEXT("reason", "reason"), {HOR_FIELD_ARGUMENTS, "argument", "argument", NULL}, STOP};
/* actions.c takes care that either orders or a filter stand here */
static const struct hor_field selected_orders[] = {
    TEXT("request", "requestId"), TEXT("action", "action"), TEXT("order", "order"),
    TEXT("dry-run", "dryRun"), TEXT("node", "node"), TEXT("outcome", "outcome"),
    TIME("start-at", "startAt"), TEXT("priority", "priority"), TEXT("reason", "reason"),
    {HOR_FIELD_ARGUMENTS, "argument", "argument", NULL}, STOP};
static const struct hor_field filtered_orders[] = {
    TEXT("request", "requestId"), TEXT("action", "action"), BEGIN_ALWAYS("filter"),
    TEXT("filter-state", "state"), TEXT("filter-chain", "chain"), TEXT("filter-folder", "folder"),
    TEXT("filter-agent", "agent"), TEXT("filter-master", "master"), TEXT("filter-day", "planDay"),
    TIME("filter-from", "from"), TIME("filter-to", "to"), TEXT("filter-text", "text"),
    END("filter"), TEXT("dry-run", "dryRun"), TEXT("reason", "reason"), STOP};
static const struct hor_field control_chain[] = {
    TEXT("request", "requestId"), TEXT("action", "action"), TEXT("chain", "chain"),
    TEXT("master", "master"), TEXT("reason", "reason"), STOP};
static const struct hor_field control_agent[] = {
    TEXT("request", "requestId"), TEXT("action", "action"), TEXT("agent", "agent"),
    TEXT("master", "master"), TEXT("reason", "reason"), STOP};
static const struct hor_field post_event[] = {
    TEXT("request", "requestId"), TEXT("name", "name"), TEXT("master", "master"),
    TEXT("reason", "reason"), STOP};
static const struct hor_field control_cluster[] = {
    TEXT("request", "requestId"), TEXT("action", "action"), TEXT("cluster", "cluster"),
    TEXT("master", "master"), TEXT("reason", "reason"), STOP};
static const struct hor_field switch_master[] = {
    TEXT("request", "requestId"), TEXT("member", "member"), TEXT("master", "master"),
    TEXT("reason", "reason"), STOP};
static const struct hor_field revoke_command[] = {
    TEXT("request", "requestId"), TEXT("command", "command"), TEXT("master", "master"),
    TEXT("reason", "reason"), STOP};
static const struct hor_field create_release[] = {
    TEXT("request", "requestId"), TEXT("reason", "reason"), STOP};
static const struct hor_field numbered[] = {TEXT("number", "number"), TEXT("reason", "reason"), STOP};
static const struct hor_field deploy[] = {
    TEXT("request", "requestId"), TEXT("number", "number"), TEXT("master", "master"),
    TEXT("reason", "reason"), STOP};
static const struct hor_field end_session[] = {TEXT("id", "id"), STOP};

static const struct hor_action actions[] = {
    {"add-order", "AddOrder", add_order},
    {"control-orders", "ControlOrders", selected_orders},
    {"control-order-now", "ControlOrders", selected_orders},
    {"control-filtered", "ControlOrders", filtered_orders},
    {"control-chain", "ControlChain", control_chain},
    {"control-agent", "ControlAgent", control_agent},
    {"control-cluster", "ControlCluster", control_cluster},
    {"switch-master", "SwitchMaster", switch_master},
    {"revoke-command", "RevokeCommand", revoke_command},
    {"post-event", "PostEvent", post_event},
    {"create-release", "CreateRelease", create_release},
    {"approve-release", "ApproveRelease", numbered},
    {"reject-release", "RejectRelease", numbered},
    {"deploy-release", "DeployRelease", deploy},
    {"end-session", "EndSession", end_session},
};
/* clang-format on */

const struct hor_page *hor_page_find(const char *name)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(pages[i].name, name) == 0)
            return &pages[i];
    }
    return NULL;
}

const struct hor_action *hor_action_find(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    }
    return NULL;
}

static void write_element(const char *element, const char *value, struct hor_buf *out)
{
    hor_buf_printf(out, "<%s>", element);
    hor_buf_xml(out, value);
    hor_buf_printf(out, "</%s>", element);
}

/* What <input type="datetime-local"> gives, 2026-11-24T06:00[:00[.000]], as xsd:dateTime in UTC. */
static void write_time(const char *element, const char *value, struct hor_buf *out)
{
    struct hor_buf text = HOR_BUF_INIT;
    size_t len = strlen(value);
    hor_buf_puts(&text, value);
    if (len == 16)
        hor_buf_puts(&text, ":00");
    if (len >= 16 && strpbrk(value + 16, "Z+-") == NULL)
        hor_buf_putc(&text, 'Z');
    write_element(element, hor_buf_text(&text), out);
    hor_buf_done(&text);
}

static void write_arguments(const struct hor_field *field, const struct hor_form *form,
                            struct hor_buf *out)
{
    const char *name, *value;
    for (unsigned n = 0; (name = hor_form_get(form, "argument-name", n)) != NULL; n++) {
        value = hor_form_get(form, "argument-value", n);
        if (name[0] == '\0' || value == NULL || value[0] == '\0')
            continue; /* left empty: the chain's own value holds */
        hor_buf_printf(out, "<%s name=\"", field->element);
        hor_buf_xml(out, name);
        hor_buf_puts(out, "\">");
        hor_buf_xml(out, value);
        hor_buf_printf(out, "</%s>", field->element);
    }
}

void hor_request_write(const char *operation, const struct hor_field *fields,
                       const struct hor_form *form, struct hor_buf *out)
{
    hor_buf_printf(out, "<%s xmlns=\"urn:horarium:supervisor:1\">", operation);
    size_t opened = 0; /* where an element that is still empty began */
    for (const struct hor_field *field = fields; field->name != NULL || field->element != NULL;
         field++) {
        bool any = false;
        switch (field->kind) {
        case HOR_FIELD_FIXED:
            write_element(field->element, field->name, out);
            break;
        case HOR_FIELD_ARGUMENTS:
            write_arguments(field, form, out);
            break;
        case HOR_FIELD_BEGIN:
        case HOR_FIELD_BEGIN_ALWAYS:
            opened = field->kind == HOR_FIELD_BEGIN ? out->len : 0;
            hor_buf_printf(out, "<%s>", field->element);
            break;
        case HOR_FIELD_END:
            if (opened > 0 && out->len == opened + strlen(field->element) + 2) {
                out->len = opened;
                out->data[opened] = '\0';
            } else
                hor_buf_printf(out, "</%s>", field->element);
            break;
        case HOR_FIELD_TEXT:
        case HOR_FIELD_TIME:
            for (unsigned n = 0;; n++) {
                const char *value = hor_form_get(form, field->name, n);
                if (value == NULL)
                    break;
                if (value[0] == '\0')
                    continue;
                any = true;
                if (field->kind == HOR_FIELD_TIME)
                    write_time(field->element, value, out);
                else
                    write_element(field->element, value, out);
            }
            if (!any && field->fallback != NULL)
                write_element(field->element, field->fallback, out);
            break;
        }
    }
    hor_buf_printf(out, "</%s>", operation);
}
