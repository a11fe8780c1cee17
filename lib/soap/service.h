/* lib/soap/service.h - the server side of the SOAP services.
 * A program gives a table of operations, each with the right that it needs and the function that
 * does it; a request that names none of them is refused. The order of work on a worker thread:
 * size and shape checked by the prescan -> schema validation (SOAP 1.1 or 1.2 envelope) -> who is
 * it -> may he -> gSOAP on memory -> the operation -> answer or typed fault.
 * Files that include this header see gSOAP's generated types ("soapH.h"): only service code does.
 */
#ifndef HOR_SOAP_SERVICE_H
#define HOR_SOAP_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/http/server.h"
#include "lib/soap/codec.h"

struct hor_soap_service;

/* Who calls. Strings are owned by whoever filled it in and live until the call ends. */
struct hor_identity {
    char user[128];   /* "anna", or a member's name for a program */
    bool program;     /* known by a client certificate */
    char session[48]; /* id of the session, not the token; empty without */
    char from[64];    /* peer address */
    void *principal;  /* the program's own record (roles and scopes), may be NULL */
};

/* One call under way, passed to every operation. */
struct hor_soap_call {
    struct soap *soap; /* memory: soap_malloc and the hor_soap_* helpers below */
    const struct hor_identity *who;
    const struct hor_http_request *http; /* NULL for hor_soap_local */
    const char *correlation;             /* goes into faults, log and audit */
    const char *operation;               /* "ListOrders" */
    void *ctx;                           /* of the service */
    bool may_park;                       /* false: answer now */
    struct hor_buf *answer; /* an operation may append its response element here, with all namespaces
                               declared, instead of filling the response; as its last act */
};

/* What an operation returns: HOR_OK (the response is filled), HOR_SOAP_PARKED (see
 * hor_soap_park) or a negative code with `err` set, which becomes the typed fault. */
enum { HOR_SOAP_PARKED = 1 };
typedef int hor_soap_operation_fn(struct hor_soap_call *call, const void *request, void *response,
                                  struct hor_error *err);

/* One row of the table:
 * HOR_SOAP_OPERATION(sup, ListOrders, "order.view", false, list_orders),
 * where list_orders is int f(struct hor_soap_call *, const struct _sup__ListOrders *,
 * struct _sup__ListOrdersResponse *, struct hor_error *). The response comes zeroed. The last row
 * is HOR_SOAP_OPERATIONS_END. */
struct hor_soap_operation {
    const char *ns; /* urn:horarium:supervisor:1 */
    const char *name;
    const char *right; /* "" : anybody who is known; NULL: nobody needs to be known (Login) */
    bool changes;      /* goes into the audit, refused calls included */
    hor_soap_operation_fn *run;
    const struct hor_soap_codec *codec;
};

struct hor_soap_policy {
    /* Who sends this? `wsse_user`/`wsse_password` are NULL without a UsernameToken.
     * HOR_ERR_UNAUTHENTICATED; anonymous callers get who->user "" and HOR_OK. */
    int (*authenticate)(const struct hor_http_request *request, const char *wsse_user,
                        const char *wsse_password, struct hor_identity *who, void *ctx,
                        struct hor_error *err);
    void (*release)(struct hor_identity *who, void *ctx); /* may be NULL */
    /* HOR_OK or HOR_ERR_DENIED. */
    int (*authorize)(const struct hor_identity *who, const struct hor_soap_operation *operation,
                     void *ctx, struct hor_error *err);
    /* Told after each call whose row `changes`; rc is the outcome. May be NULL. */
    void (*audit)(const struct hor_soap_call *call, const struct hor_soap_operation *operation,
                  int rc, const struct hor_error *err, void *ctx);
};

/* `schema_dir` holds the .xsd and .wsdl files (also served at /soap/NAME.wsdl, /soap/NAME.xsd and
 * ?wsdl). `name` is "supervisor", "master" or "agent"; requests arrive at /soap/NAME. `operations`
 * ends with a row whose name is NULL and is borrowed. */
int hor_soap_service_new(const char *name, const char *schema_dir,
                         const struct hor_soap_operation *operations,
                         const struct hor_soap_policy *policy, void *ctx,
                         struct hor_soap_service **ret, struct hor_error *err);
void hor_soap_service_free(struct hor_soap_service *service);
/* Handles POST and GET below /soap/. Worker thread. */
enum hor_http_outcome hor_soap_handle(struct hor_soap_service *service,
                                      const struct hor_http_request *request,
                                      struct hor_http_response *response);
/* A call from inside (the Controller): `body` is the request element; the answer appended to
 * `answer` is the response element, or the Fault detail's element with a negative return code.
 * The same checks as for a SOAP client, but `who` is already known. Worker thread. */
int hor_soap_local(struct hor_soap_service *service, const struct hor_identity *who,
                   const char *body, size_t len, struct hor_buf *answer, struct hor_error *err);
/* Parks the call when it may wait: returns HOR_SOAP_PARKED when it is younger than wait_ms and was
 * parked, else HOR_OK (answer with what there is). Wake with hor_http_server_wake. */
int hor_soap_park(struct hor_soap_call *call, int64_t wait_ms);
/* Adds problems to the fault that this call is going to answer with (InvalidRequest). */
int hor_soap_fault_problem(struct hor_soap_call *call, const char *severity, const char *file,
                           int line, const char *object, const char *text, const char *remedy);
void hor_soap_fault_active(struct hor_soap_call *call, const char *url); /* for NotActive */

/* Memory that lives as long as the call; NULL when out (return HOR_ERR_MEMORY). */
void *hor_soap_alloc(struct soap *soap, size_t bytes);      /* zeroed */
char *hor_soap_string(struct soap *soap, const char *text); /* copy; NULL gives NULL */
int64_t *hor_soap_time(struct soap *soap, int64_t utc_us);  /* optional dateTime; NULL for
                                                               HOR_EVENT_NONE */
int *hor_soap_int(struct soap *soap, int64_t value); /* optional int; NULL for HOR_EVENT_NONE */

#endif
