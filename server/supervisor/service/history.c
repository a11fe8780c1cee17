/* Attempts and their logs. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "server/supervisor/service/operations.h"

enum {
    LOG_DEFAULT = 64 * 1024,
    LOG_MAX = 4 * 1024 * 1024,
    LOG_TIMEOUT_MS = 10000,
    LOG_AGAIN_MS = 400 /* a reader who waits looks this often */
};

struct tasks {
    struct soap *soap;
    struct t__Task *items;
    int count;
};

static int take_task(const struct hor_task_row *row, void *ctx)
{
    struct tasks *tasks = ctx;
    struct t__Task *out = SERVICE_ADD(tasks->soap, &tasks->items, &tasks->count);
    return out != NULL && service_task(tasks->soap, row, out) ? HOR_OK : HOR_ERR_MEMORY;
}

int service_list_tasks(struct hor_soap_call *call, const struct _sup__ListTasks *request,
                       struct _sup__ListTasksResponse *response, struct hor_error *err)
{
    struct tasks tasks = {.soap = call->soap};
    struct hor_buf next = HOR_BUF_INIT;
    struct hor_scope scope;
    int rc = hor_auth_scope(call->who, "order.view", &scope, err);
    if (rc != HOR_OK)
        return rc;
    struct hor_task_filter filter = {.order = request->order,
                                     .job = request->job,
                                     .agent = request->agent,
                                     .outcome = request->outcome,
                                     .from_us = request->from != NULL ? *request->from : 0,
                                     .to_us = request->to != NULL ? *request->to : 0,
                                     .scope = &scope};
    response->asOf = hor_clock_utc_us();
    rc = hor_query_tasks(service_parts(call)->store, &filter, request->cursor,
                         service_limit(request->limit, 100), take_task, &tasks, &next, err);
    response->task = tasks.items;
    response->__sizetask = tasks.count;
    if (next.len > 0)
        response->cursor = hor_soap_string(call->soap, hor_buf_text(&next));
    if (rc == HOR_ERR_MEMORY || (next.len > 0 && response->cursor == NULL))
        rc = service_no_memory(err);
    hor_buf_done(&next);
    hor_scope_done(&scope);
    return rc;
}

/* ---- logs ---- */

/* Length of the well-formed UTF-8 character at p that XML allows, 0 for anything else. */
static size_t good_character(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 || p[0] == '\t' || p[0] == '\n' || p[0] == '\r' ? 1 : 0;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > left)
        return 0;
    uint32_t code = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    bool shortest = len == 2 || (len == 3 ? code >= 0x800 : code >= 0x10000);
    bool allowed =
        (code < 0xd800 || code > 0xdfff) && code != 0xfffe && code != 0xffff && code <= 0x10ffff;
    return shortest && allowed ? len : 0;
}

static char *as_text(struct soap *soap, const struct xsd__base64Binary *data)
{
    struct hor_buf out = HOR_BUF_INIT;
    const unsigned char *p = data->__ptr;
    for (size_t i = 0, n = (size_t)data->__size; i < n;) {
        size_t len = good_character(p + i, n - i);
        if (len > 0)
            hor_buf_add(&out, p + i, len);
        else
            hor_buf_puts(&out, "\xef\xbf\xbd");
        i += len > 0 ? len : 1;
    }
    char *text = out.failed ? NULL : hor_soap_string(soap, hor_buf_text(&out));
    hor_buf_done(&out);
    return text;
}

static bool copy_range(struct soap *soap, const struct t__LogRange *in, const char *task,
                       struct t__LogRange *out)
{
    *out = (struct t__LogRange){.task = hor_soap_string(soap, task),
                                .offset = in->offset,
                                .size = in->size,
                                .complete = in->complete};
    int size = in->data.__size;
    if (size > 0) {
        out->data.__ptr = hor_soap_alloc(soap, (size_t)size);
        if (out->data.__ptr == NULL)
            return false;
        memcpy(out->data.__ptr, in->data.__ptr, (size_t)size);
        out->data.__size = size;
    }
    return out->task != NULL;
}

static int ask_log(struct hor_soap_call *call, const struct _sup__ReadLog *request,
                   const struct t__Task *task, const char *master, struct t__LogRange *out,
                   struct hor_error *err)
{
    int length = request->length != NULL ? *request->length : LOG_DEFAULT;
    if (length < 0 || length > LOG_MAX)
        return hor_error_set(err, HOR_ERR_INVALID, "length: %d is not between 0 and %d", length,
                             LOG_MAX);
    if (task->agent == NULL || task->cluster == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "task '%.250s' has not run anywhere",
                             task->id);
    struct _mst__ReadLog ask = {.task = task->id,
                                .cluster = task->cluster,
                                .agent = task->agent,
                                .offset = request->offset != NULL ? *request->offset : 0,
                                .length = length};
    struct _mst__ReadLogResponse *answer = NULL;
    struct hor_soap_partner *partner;
    struct soap *soap = NULL;
    int rc = hor_masters_partner(service_parts(call)->masters, master, &partner, NULL, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(partner, mst, ReadLog, &ask, &soap, &answer, LOG_TIMEOUT_MS, err);
    if (rc == HOR_OK && answer->range == NULL)
        rc = hor_error_set(err, HOR_ERR_INTERNAL, "the Master's answer has no range");
    if (rc == HOR_OK && !copy_range(call->soap, answer->range, task->id, out))
        rc = service_no_memory(err);
    hor_soap_done(soap);
    return rc;
}

struct found {
    struct soap *soap;
    struct t__Task task;
    char *master;
};

static int take_found(const struct hor_task_row *row, void *ctx)
{
    struct found *found = ctx;
    found->master = hor_soap_string(found->soap, row->master);
    return found->master != NULL && service_task(found->soap, row, &found->task) ? HOR_OK
                                                                                 : HOR_ERR_MEMORY;
}

int service_read_log(struct hor_soap_call *call, const struct _sup__ReadLog *request,
                     struct _sup__ReadLogResponse *response, struct hor_error *err)
{
    struct found found = {.soap = call->soap};
    struct t__LogRange *range = hor_soap_alloc(call->soap, sizeof *range);
    if (range == NULL)
        return service_no_memory(err);
    int rc = hor_query_task(service_parts(call)->store, request->task, take_found, &found, err);
    if (rc == HOR_ERR_MEMORY)
        service_no_memory(err);
    if (rc == HOR_OK)
        rc = hor_auth_require(call->who, "log.view", found.task.chain, err);
    if (rc == HOR_OK)
        rc = ask_log(call, request, &found.task, found.master, range, err);
    if (rc != HOR_OK)
        return rc;
    if (range->data.__size == 0 && !range->complete && request->waitMs != NULL &&
        *request->waitMs > 0 && hor_soap_park(call, *request->waitMs) == HOR_SOAP_PARKED) {
        /* The log lies on another host and nobody tells when it grows: look again soon. */
        int64_t again_ms = hor_http_age_ms(call->http) + LOG_AGAIN_MS;
        hor_http_park_until(call->http, again_ms < *request->waitMs ? again_ms : *request->waitMs);
        return HOR_SOAP_PARKED;
    }
    response->range = range;
    response->text = as_text(call->soap, &range->data);
    return response->text != NULL ? HOR_OK : service_no_memory(err);
}
