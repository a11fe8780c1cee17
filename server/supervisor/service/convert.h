/* server/supervisor/service/convert.h - rows and models as the types of the services, in the memory
 * of the call. Functions that return bool give false when memory is out. */
#ifndef HOR_SUPERVISOR_SERVICE_CONVERT_H
#define HOR_SUPERVISOR_SERVICE_CONVERT_H

#include "lib/base/problem.h"
#include "lib/soap/codec.h"
#include "server/supervisor/history/query.h"
#include "server/supervisor/history/release_rows.h"
#include "server/supervisor/service/service.h"

static inline const struct hor_supervisor_parts *service_parts(const struct hor_soap_call *call)
{
    return call->ctx;
}

/* Notes what the call is about, for the audit; forgets a text noted before. */
void service_note(const struct hor_soap_call *call, const char *object, const char *reason);
/* And what was done to it, where the operation's name does not say it: "suspend". */
void service_note_text(const char *text);

int service_no_memory(struct hor_error *err);
/* A place for one more item in an array of `*count`; NULL: out of memory. */
void *service_add(struct soap *soap, void **items, int *count, size_t item_bytes);
#define SERVICE_ADD(soap, items, count)                                                            \
    service_add((soap), (void **)(items), (count), sizeof **(items))

LONG64 *service_long(struct soap *soap, int64_t value); /* NULL for HOR_EVENT_NONE */
bool *service_bool(struct soap *soap, bool value);

bool service_order(struct soap *soap, const struct hor_order_row *row, struct t__Order *out);
bool service_task(struct soap *soap, const struct hor_task_row *row, struct t__Task *out);
bool service_release(struct soap *soap, const struct hor_release_row *row, struct t__Release *out);
bool service_problem(struct soap *soap, const struct hor_problem *problem, struct t__Problem *out);
bool service_cluster(struct soap *soap, const struct t__Cluster *in, struct t__Cluster *out);
bool service_argument(struct soap *soap, const char *name, const char *value, bool secret,
                      struct t__Argument *out);

/* Problems of a draft: into the fault of this call. */
void service_fault_problems(struct hor_soap_call *call, const struct hor_problems *problems);

/* A list of orders being filled by a query. */
struct service_orders {
    struct soap *soap;
    struct t__Order *items;
    int count;
    bool failed;
};
int service_take_order(const struct hor_order_row *row, void *ctx); /* hor_order_row_fn */
/* Puts expected durations and numbers of nodes in, from one question and the loaded releases. */
int service_complete_orders(struct hor_soap_call *call, struct t__Order *items, int count,
                            struct hor_error *err);

/* Today as a plan day in UTC. */
void service_today(char out[11]);
/* xsd:date must be a day: "2026-11-24", perhaps with a zone that is cut off. */
int service_day(const char *given, char out[11], struct hor_error *err);
int service_limit(const int *given, int fallback);

#endif
