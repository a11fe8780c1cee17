/* ReadLog: a range of a task's log, from this member's disk or from the member that has it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/looking.h"
#include "lib/base/str.h"
#include "lib/soap/client.h"

enum { LOG_RANGE_BYTES = 4 * 1024 * 1024, OTHER_MS = 5000 };

struct log_query {
    struct hor_agent *agent;
    const char *task;
    bool active; /* it can still grow */
    bool own;    /* on this member */
    struct hor_soap_partner *partners[HOR_CORE_MEMBERS]; /* whom to ask, likely ones first */
    size_t partner_count;
};

static void log_on_loop(void *ctx)
{
    struct log_query *query = ctx;
    struct hor_agent *agent = query->agent;
    struct hor_core_task_view view;
    size_t at = SIZE_MAX;
    query->active = hor_core_task(agent->core, query->task, &view) == HOR_OK;
    if (query->active)
        hor_agent_member(agent, view.agent, &at);
    query->own = at == agent->settings->self;
    for (size_t k = 0; k <= agent->settings->member_count; k++) {
        size_t i = k == 0 ? at : k - 1;
        if (i == SIZE_MAX || i == agent->settings->self || (k > 0 && i == at) ||
            agent->peers[i].partner == NULL)
            continue;
        query->partners[query->partner_count++] = agent->peers[i].partner;
    }
}

static int read_file(struct hor_soap_call *call, const struct _agt__ReadLog *request, const char *path,
                     struct t__LogRange *range, struct hor_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? HOR_ERR_NOT_FOUND
                               : hor_error_set_errno(err, HOR_ERR_IO, errno, "log of task %s",
                                                     request->task);
    int rc = HOR_OK;
    ssize_t n = 0;
    size_t length = request->length < LOG_RANGE_BYTES ? (size_t)request->length : LOG_RANGE_BYTES;
    unsigned char *data = hor_soap_alloc(call->soap, length + 1);
    if (data == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    else if (fstat(fd, &st) < 0 || (n = pread(fd, data, length, (off_t)request->offset)) < 0)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "log of task %s", request->task);
    close(fd);
    if (rc < 0)
        return rc;
    range->offset = request->offset;
    range->size = st.st_size;
    range->data.__ptr = data;
    range->data.__size = (int)n;
    return HOR_OK;
}

static int read_elsewhere(struct hor_soap_call *call, const struct log_query *query,
                          const struct _agt__ReadLog *request, struct t__LogRange *range,
                          struct hor_error *err)
{
    for (size_t i = 0; i < query->partner_count; i++) {
        struct soap *soap = NULL;
        struct _agt__ReadLogResponse *response = NULL;
        struct _agt__ReadLog asked = *request;
        asked.waitMs = NULL;
        if (hor_soap_call_op(query->partners[i], agt, ReadLog, &asked, &soap, &response, OTHER_MS,
                             NULL) < 0)
            continue;
        const struct t__LogRange *from = response->range;
        unsigned char *data = hor_soap_alloc(call->soap, (size_t)from->data.__size + 1);
        if (data != NULL && from->data.__size > 0)
            memcpy(data, from->data.__ptr, (size_t)from->data.__size);
        range->offset = from->offset;
        range->size = from->size;
        range->data.__ptr = data;
        range->data.__size = data != NULL ? from->data.__size : 0;
        hor_soap_done(soap);
        return data != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    return hor_error_set(err, HOR_ERR_NOT_FOUND, "no reachable member has a log of task %s",
                         request->task);
}

int hor_agent_read_log(struct hor_soap_call *call, const struct _agt__ReadLog *request,
                       struct _agt__ReadLogResponse *response, struct hor_error *err)
{
    struct hor_agent *agent = call->ctx;
    struct log_query query = {.agent = agent, .task = request->task};
    struct t__LogRange *range = hor_soap_alloc(call->soap, sizeof *range);
    char *path = hor_agent_log_path(agent, request->task);
    int rc = HOR_OK;
    if (path == NULL || request->offset < 0 || request->length < 0)
        rc = hor_error_set(err, HOR_ERR_INVALID, "'%.250s' from %lld for %d is no range of a task's log",
                           request->task, (long long)request->offset, request->length);
    else if (range == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    else if (hor_loop_call(agent->loop, log_on_loop, &query) < 0)
        rc = hor_error_set(err, HOR_ERR_BUSY, "the agent is ending");
    if (rc == HOR_OK)
        rc = read_file(call, request, path, range, err);
    bool here = rc == HOR_OK;
    if (rc == HOR_ERR_NOT_FOUND) {
        if (query.own)
            rc = HOR_OK; /* it has written nothing yet */
        else if (hor_agent_is_from_member(call))
            rc = hor_error_set(err, HOR_ERR_NOT_FOUND, "no log of task %s here", request->task);
        else
            rc = read_elsewhere(call, &query, request, range, err);
    }
    free(path);
    if (rc < 0)
        return rc;
    range->task = hor_soap_string(call->soap, request->task);
    range->complete = !query.active;
    response->range = range;
    here = here || query.own;
    if (here && query.active && range->data.__size == 0 && request->waitMs != NULL &&
        *request->waitMs > 0)
        return hor_soap_park(call, *request->waitMs);
    return range->task != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}
