#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "server/master/coupling.h"

enum {
    CALL_MS = 10000,
    RELEASE_MS = 60000, /* large, and answered after its commit */
    PLAN_MS = 10000,    /* so is a plan; then another member is asked, which knows what was taken */
    BUSY_MS = 50,
};

/* ---- releases ---- */

struct wanted {
    int64_t number; /* 0: the deployed one */
    char sha256[65];
    struct hor_buf document;
};

static int ask_release(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct wanted *wanted = arg;
    const struct hor_config *config = hor_master_core_config(master->core);
    const char *sha256 = NULL;
    if (wanted->number == 0 && config != NULL)
        wanted->number = config->release;
    const struct hor_buf *document =
        hor_master_core_release(master->core, wanted->number, &sha256);
    if (document == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "release %lld is not there",
                             (long long)wanted->number);
    snprintf(wanted->sha256, sizeof wanted->sha256, "%s", sha256);
    hor_buf_add(&wanted->document, hor_buf_text(document), document->len);
    return wanted->document.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
}

static bool has_release(const struct hor_coupling *c, int64_t number)
{
    for (size_t i = 0; i < c->release_count; i++)
        if (c->releases[i] == number)
            return true;
    return false;
}

int hor_coupling_give_release(struct hor_coupling *c, int64_t number, struct hor_error *err)
{
    struct wanted wanted = {.number = number};
    ULONG64 fence = c->fence;
    struct soap *soap = NULL;
    struct _agt__ApplyReleaseResponse *response = NULL;
    if (has_release(c, number))
        return HOR_OK;
    int rc = hor_master_ask(c->master, ask_release, &wanted, err);
    if (rc == HOR_OK) {
        struct _agt__ApplyRelease request = {
            .master = (char *)c->master->settings->cluster,
            .number = (int)wanted.number,
            .sha256 = wanted.sha256,
            .document = {.__ptr = (unsigned char *)wanted.document.data,
                         .__size = (int)wanted.document.len},
            .fence = &fence};
        rc = hor_soap_call_op(c->partner, agt, ApplyRelease, &request, &soap, &response, RELEASE_MS,
                              err);
        if (rc != HOR_OK)
            hor_error_prefix(err, "release %lld", (long long)wanted.number);
    }
    if (rc == HOR_OK) {
        if (c->release_count == 64)
            memmove(c->releases, c->releases + 1, --c->release_count * sizeof *c->releases);
        c->releases[c->release_count++] = wanted.number;
        hor_log_info("cluster=%s release=%lld handed over", c->path, (long long)wanted.number);
    }
    hor_soap_done(soap);
    hor_buf_done(&wanted.document);
    return rc;
}

/* ---- orders ---- */

struct handing {
    struct hor_coupling *coupling;
    struct hor_arena arena;
    struct t__NewOrder *orders;
    int *priorities;
    int count;
    int64_t release;
};

static struct t__Argument *copy_arguments(struct hor_arena *arena, const struct hor_arguments *from)
{
    static bool yes = true;
    struct t__Argument *to = hor_arena_alloc(arena, (from->count + 1) * sizeof *to);
    for (size_t i = 0; to != NULL && i < from->count; i++) {
        to[i].name = hor_arena_strdup(arena, from->items[i].name);
        to[i].__item = hor_arena_strdup(arena, from->items[i].value);
        to[i].secret = from->items[i].secret ? &yes : NULL;
    }
    return to;
}

static void copy_order(const struct hor_master_order *order, void *ctx)
{
    struct handing *h = ctx;
    struct hor_arena *arena = &h->arena;
    int *priority = &h->priorities[h->count];
    struct t__NewOrder *to = &h->orders[h->count++];
    *priority = order->priority != HOR_EVENT_NONE ? (int)order->priority : 0;
    h->release = order->release;
    *to = (struct t__NewOrder){
        .id = hor_arena_strdup(arena, order->id),
        .chain = hor_arena_strdup(arena, order->chain),
        .release = (int)order->release,
        .planDay = hor_arena_strdup(arena, order->plan_day),
        .schedule = hor_arena_strdup(arena, order->schedule),
        .plannedAt = order->due_at,
        .priority = order->priority != HOR_EVENT_NONE ? priority : NULL,
        .title = hor_arena_strdup(arena, order->title),
        .actor = hor_arena_strdup(arena, order->actor),
        .reason = hor_arena_strdup(arena, order->reason),
        .__sizeargument = (int)order->arguments->count,
        .argument = copy_arguments(arena, order->arguments),
    };
}

static int ask_orders(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct handing *h = arg;
    if (!hor_coupling_is_present(h->coupling))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    hor_master_core_forward(master->core, h->coupling->path, HOR_MASTER_BATCH_ORDERS, copy_order, h);
    return HOR_OK;
}

static int tell_forwarded(struct hor_master *master, struct hor_master_events *events, void *arg,
                          struct hor_error *err)
{
    struct hor_coupling *c = arg;
    return hor_master_core_forwarded(master->core, c->path, true, hor_clock_utc_us(),
                                     hor_master_collect, events) == HOR_OK
               ? HOR_OK
               : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

/* The session is over then, and the next coupling tells which orders arrived. */
static int ask_not_forwarded(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct hor_coupling *c = arg;
    (void)err;
    hor_master_core_unsettled(master->core, c->path);
    hor_master_core_forwarded(master->core, c->path, false, 0, NULL, NULL);
    return HOR_OK;
}

static int accept_plan(struct hor_coupling *c, struct handing *h, struct hor_error *err)
{
    char id[HOR_UUID_BYTES];
    ULONG64 fence = c->fence;
    struct soap *soap = NULL;
    struct _agt__AcceptPlanResponse *response = NULL;
    hor_uuid(id);
    struct _agt__AcceptPlan request = {.master = (char *)c->master->settings->cluster,
                                       .id = id,
                                       .__sizeorder = h->count,
                                       .order = h->orders,
                                       .fence = &fence};
    int rc = hor_soap_call_op(c->partner, agt, AcceptPlan, &request, &soap, &response, PLAN_MS, err);
    if (rc == HOR_OK)
        hor_log_info("cluster=%s orders=%d new=%d handed over", c->path, h->count, response->added);
    hor_soap_done(soap);
    return rc;
}

int hor_coupling_hand_over(struct hor_coupling *c, int *ret_count, struct hor_error *err)
{
    struct handing h = {.coupling = c};
    h.orders = calloc(HOR_MASTER_BATCH_ORDERS, sizeof *h.orders);
    h.priorities = calloc(HOR_MASTER_BATCH_ORDERS, sizeof *h.priorities);
    int rc = h.orders == NULL || h.priorities == NULL
                 ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                 : hor_master_ask(c->master, ask_orders, &h, err);
    if (rc == HOR_OK && h.arena.failed)
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc == HOR_OK && h.count > 0)
        rc = hor_coupling_give_release(c, h.release, err);
    if (rc == HOR_OK && h.count > 0)
        rc = accept_plan(c, &h, err);
    if (rc == HOR_OK && h.count > 0)
        while ((rc = hor_master_transact(c->master, tell_forwarded, c, err)) == HOR_ERR_BUSY &&
               hor_coupling_may_go_on(c))
            hor_coupling_pause(c, BUSY_MS);
    if (rc != HOR_OK) {
        struct hor_error ignored;
        hor_master_ask(c->master, ask_not_forwarded, c, &ignored);
    }
    *ret_count = h.count;
    hor_arena_done(&h.arena);
    free(h.orders);
    free(h.priorities);
    return rc;
}

/* ---- commands ---- */

struct waiting {
    struct hor_coupling *coupling;
    struct hor_event *received; /* a copy, NULL: none */
    bool done;
    bool stranger; /* the cluster does not know what it is about */
    char text[HOR_ERROR_TEXT_BYTES];
    char skip[260]; /* the last one looked at */
};

/* The first waiting command after the one that could not be delivered. */
static int ask_command(struct hor_master *master, void *arg, struct hor_error *err)
{
    struct waiting *w = arg;
    size_t pos = 0;
    const struct hor_event *event;
    bool passed = w->skip[0] == '\0';
    if (!hor_coupling_is_present(w->coupling))
        return hor_error_set(err, HOR_ERR_NOT_ACTIVE, "this Master is not the active one");
    while ((event = hor_master_core_waiting(master->core, w->coupling->path, &pos)) != NULL) {
        if (passed)
            break;
        passed = strcmp(event->command, w->skip) == 0;
    }
    if (event == NULL)
        return HOR_OK;
    w->received = hor_event_copy(event);
    hor_master_core_command_sent(master->core, event->command, true);
    return w->received != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

static int tell_done(struct hor_master *master, struct hor_master_events *events, void *arg,
                     struct hor_error *err)
{
    struct waiting *w = arg;
    bool here = false;
    hor_master_core_command_sent(master->core, w->received->command, false);
    if (w->stranger &&
        hor_master_core_command_here(master->core, w->received->command, hor_clock_utc_us(),
                                     hor_master_collect, events, &here) != HOR_OK)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (here)
        return HOR_OK;
    struct hor_event *event = hor_master_core_command_done(
        w->received->command, w->coupling->path, w->done, w->text[0] != '\0' ? w->text : NULL,
        hor_clock_utc_us());
    if (event == NULL || hor_event_set(&event->order, w->received->order) != HOR_OK) {
        hor_event_free(event);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_master_collect(event, events);
    return HOR_OK;
}

static int call_command(struct waiting *w, struct hor_error *err)
{
    struct hor_coupling *c = w->coupling;
    const struct hor_event *e = w->received;
    struct hor_arena arena = {0};
    int priority = (int)e->priority;
    LONG64 start_at = e->due_at;
    ULONG64 fence = c->fence;
    struct t__Command command = {
        .id = e->command,
        .action = e->action,
        .order = e->order,
        .chain = e->chain,
        .agent = e->agent,
        .node = e->node,
        .outcome = e->outcome,
        .startAt = e->due_at != HOR_EVENT_NONE ? &start_at : NULL,
        .priority = e->priority != HOR_EVENT_NONE ? &priority : NULL,
        .actor = e->actor,
        .reason = e->reason,
        .__sizeargument = (int)e->arguments.count,
        .argument = copy_arguments(&arena, &e->arguments),
    };
    struct _agt__Command request = {.master = (char *)c->master->settings->cluster,
                                    .command = &command,
                                    .fence = &fence};
    struct _agt__CommandResponse *response = NULL;
    struct soap *soap = NULL;
    int rc = arena.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                          : hor_soap_call_op(c->partner, agt, Command, &request, &soap, &response,
                                             CALL_MS, err);
    if (rc == HOR_OK) {
        w->done = strcmp(response->result->outcome, "done") == 0;
        snprintf(w->text, sizeof w->text, "%s",
                 response->result->text != NULL ? response->result->text : "");
    } else if (rc == HOR_ERR_NOT_FOUND || rc == HOR_ERR_INVALID || rc == HOR_ERR_CONFLICT ||
               rc == HOR_ERR_STATE) {
        w->done = false; /* it will not be better next time */
        w->stranger = rc == HOR_ERR_NOT_FOUND;
        snprintf(w->text, sizeof w->text, "%s", err->text);
        rc = HOR_OK;
    }
    hor_soap_done(soap);
    hor_arena_done(&arena);
    return rc;
}

int hor_coupling_deliver(struct hor_coupling *c, bool *ret_waiting, struct hor_error *err)
{
    struct waiting w = {.coupling = c};
    int rc;
    *ret_waiting = false;
    do {
        w.received = NULL;
        w.stranger = false;
        w.text[0] = '\0';
        rc = hor_master_ask(c->master, ask_command, &w, err);
        if (rc != HOR_OK || w.received == NULL)
            return rc;
        rc = call_command(&w, err);
        if (rc == HOR_OK)
            rc = hor_master_transact(c->master, tell_done, &w, err);
        if (rc == HOR_ERR_BUSY) { /* its order has events under way: next time */
            snprintf(w.skip, sizeof w.skip, "%s", w.received->command);
            *ret_waiting = true;
            rc = HOR_OK;
        }
        hor_event_free(w.received);
    } while (rc == HOR_OK && hor_coupling_may_go_on(c));
    return rc;
}
