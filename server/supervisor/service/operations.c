/* The table of operations and who may call them. An operation that is not here is refused. */
#include "server/supervisor/service/operations.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

const struct hor_soap_operation hor_supervisor_operations[] = {
#define ROW(op, function, right, changes) HOR_SOAP_OPERATION(sup, op, right, changes, function),
    SERVICE_OPERATIONS(ROW)
#undef ROW
        HOR_SOAP_OPERATIONS_END};

/* What the call under way on this thread is about: an operation runs and is audited on one thread.
 */
static _Thread_local struct {
    char correlation[40], object[401], reason[1001], text[200];
} note;

void service_note(const struct hor_soap_call *call, const char *object, const char *reason)
{
    snprintf(note.correlation, sizeof note.correlation, "%s", call->correlation);
    snprintf(note.object, sizeof note.object, "%s", object != NULL ? object : "");
    snprintf(note.reason, sizeof note.reason, "%s", reason != NULL ? reason : "");
    note.text[0] = '\0';
}

void service_note_text(const char *text)
{
    snprintf(note.text, sizeof note.text, "%s", text);
}

static int authenticate(const struct hor_http_request *request, const char *wsse_user,
                        const char *wsse_password, struct hor_identity *who, void *ctx,
                        struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = ctx;
    return hor_auth_request(parts->auth, request, wsse_user, wsse_password, who, err);
}

static void release(struct hor_identity *who, void *ctx)
{
    (void)ctx;
    hor_auth_release(who);
}

static int authorize(const struct hor_identity *who, const struct hor_soap_operation *operation,
                     void *ctx, struct hor_error *err)
{
    (void)ctx;
    if (operation->right == NULL)
        return HOR_OK;
    if (who->user[0] == '\0')
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "%s: sign in first", operation->name);
    if (operation->right[0] == '\0')
        return HOR_OK;
    int rc = hor_auth_require(who, operation->right, NULL, err);
    return rc == HOR_OK ? rc : (hor_error_prefix(err, "%s", operation->name), rc);
}

static void audit(const struct hor_soap_call *call, const struct hor_soap_operation *operation,
                  int rc, const struct hor_error *err, void *ctx)
{
    const struct hor_supervisor_parts *parts = ctx;
    bool noted = strcmp(note.correlation, call->correlation) == 0;
    const char *object = noted && note.object[0] != '\0' ? note.object : NULL;
    struct hor_audit_entry entry = {
        .at_us = hor_clock_utc_us(),
        .user = call->who->user[0] != '\0' || object == NULL ? call->who->user : object,
        .address = call->who->from,
        .operation = operation->name,
        .object = object,
        .reason = noted && note.reason[0] != '\0' ? note.reason : NULL,
        .outcome = rc == HOR_OK                                            ? "done"
                   : rc == HOR_ERR_DENIED || rc == HOR_ERR_UNAUTHENTICATED ? "refused"
                                                                           : "failed",
        .detail = rc != HOR_OK && err != NULL     ? err->text
                  : noted && note.text[0] != '\0' ? note.text
                                                  : NULL,
        .correlation = call->correlation};
    note.correlation[0] = '\0';
    struct hor_error why;
    if (hor_store_audit(parts->store, &entry, &why) != HOR_OK) {
        char user[150], about[420];
        /* the log is the trail while the database is away */
        hor_log_error(
            "audit is not stored: %s; operation=%s user=%s from=%s object=%s outcome=%s", why.text,
            operation->name, hor_log_quote(entry.user, user, sizeof user), entry.address,
            hor_log_quote(object != NULL ? object : "", about, sizeof about), entry.outcome);
    }
}

const struct hor_soap_policy hor_supervisor_policy = {
    .authenticate = authenticate, .release = release, .authorize = authorize, .audit = audit};
