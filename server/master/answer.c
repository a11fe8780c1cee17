#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/soap/codec.h"
#include "lib/soap/event.h"
#include "lib/soap/service.h"
#include "server/master/coupling.h"

enum { CALL_MS = 10000, LIMIT = 500 };

struct answers {
    struct hor_coupling *coupling;
    struct hor_event *events[LIMIT];
    int count;
    bool failed;
};

static void copy_answer(const struct hor_event *event, void *ctx)
{
    struct answers *answers = ctx;
    struct hor_event *copy = hor_event_copy(event);
    if (copy == NULL)
        answers->failed = true;
    else
        answers->events[answers->count++] = copy;
}

static int ask_answers(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct answers *answers = arg;
    if (!atomic_load(&master->leader))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    hor_master_core_answers(master->core, answers->coupling->path, LIMIT, copy_answer, answers);
    return answers->failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
}

static int ask_taken(struct hor_master *master, void *arg, struct hor_error *err)
{
    (void)err;
    hor_master_core_answered(master->core, ((struct answers *)arg)->coupling->path, true);
    return HOR_OK;
}

static int ask_not_taken(struct hor_master *master, void *arg, struct hor_error *err)
{
    (void)err;
    hor_master_core_answered(master->core, ((struct answers *)arg)->coupling->path, false);
    return HOR_OK;
}

static int call_resolve(struct answers *answers, struct hor_error *err)
{
    struct hor_coupling *c = answers->coupling;
    struct soap *own = soap_new(), *soap = NULL;
    struct _agt__ResolveDependenciesResponse *response = NULL;
    struct _agt__ResolveDependencies request = {.master = (char *)c->master->settings->cluster};
    int rc = HOR_OK;
    if (own == NULL ||
        (request.event = hor_soap_alloc(own, LIMIT * sizeof *request.event)) == NULL)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (int i = 0; rc == HOR_OK && i < answers->count; i++)
        rc = hor_soap_event_write(own, answers->events[i], &request.event[request.__sizeevent++]);
    if (rc == HOR_OK)
        rc = hor_soap_call_op(c->partner, agt, ResolveDependencies, &request, &soap, &response,
                              CALL_MS, err);
    if (rc == HOR_OK)
        hor_log_info("cluster=%s dependencies=%d taken=%d answered", c->path, answers->count,
                     response->taken);
    hor_soap_done(soap);
    if (own != NULL) {
        soap_destroy(own);
        soap_end(own);
        soap_free(own);
    }
    return rc;
}

int hor_coupling_answer(struct hor_coupling *c, int *ret_count, struct hor_error *err)
{
    struct answers *answers = calloc(1, sizeof *answers);
    struct hor_error ignored;
    if (answers == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    answers->coupling = c;
    int rc = hor_master_ask(c->master, ask_answers, answers, err);
    if (rc == HOR_OK && answers->count > 0)
        rc = call_resolve(answers, err);
    if (answers->count > 0 || rc != HOR_OK)
        hor_master_ask(c->master, rc == HOR_OK ? ask_taken : ask_not_taken, answers, &ignored);
    *ret_count = answers->count;
    for (int i = 0; i < answers->count; i++)
        hor_event_free(answers->events[i]);
    free(answers);
    return rc;
}
