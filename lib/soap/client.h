/* lib/soap/client.h - calling another program's SOAP service. Blocking, for worker threads. gSOAP
 * writes and reads memory; lib/http/client carries it. */
#ifndef HOR_SOAP_CLIENT_H
#define HOR_SOAP_CLIENT_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/http/client.h"
#include "lib/soap/codec.h"

struct hor_soap_partner; /* one service at one or several addresses */

/* `urls` are the partner's members ("https://127.0.0.1:4443/soap/agent"), `names` the common names
 * that their certificates must have (NULL entries: unchecked); both are copied. Calls go to the one
 * that answered last; when it is unreachable or answers NotActive the others are tried. `http` is
 * borrowed. */
int hor_soap_partner_new(struct hor_http_client *http, const char *const *urls,
                         const char *const *names, unsigned count, struct hor_soap_partner **ret,
                         struct hor_error *err);
void hor_soap_partner_free(struct hor_soap_partner *partner);
/* For a cluster that elects an active member: calls that find none (some member answered NotActive)
 * are tried again for that long, and so are those that are answered with Busy, as while leadership is
 * passed on. Only for services whose operations may be repeated. Not while a call
 * is under way. */
void hor_soap_partner_patience(struct hor_soap_partner *partner, int64_t ms);
/* The certificate name of the member that answered last, or is asked next; NULL: unchecked. */
const char *hor_soap_partner_current(struct hor_soap_partner *partner);
/* A session token sent as X-Horarium-Session, or user and password as HTTP Basic; copied. */
int hor_soap_partner_session(struct hor_soap_partner *partner, const char *token);
int hor_soap_partner_basic(struct hor_soap_partner *partner, const char *user,
                           const char *password);

/* Calls an operation: hor_soap_call_op(partner, agt, GetEvents, &request, &soap, &response, 5000,
 * &err) with a struct _agt__GetEvents and a struct _agt__GetEventsResponse * that lives in *soap.
 * *ret_soap is set on success and must be given to hor_soap_done by the caller. A fault becomes its
 * code (NotFound -> HOR_ERR_NOT_FOUND, ...) with the fault's text.
 * HOR_ERR_UNREACHABLE, HOR_ERR_TIMEOUT when no member answered. */
int hor_soap_call_raw(struct hor_soap_partner *partner, const struct hor_soap_codec *codec,
                      const void *request, struct soap **ret_soap, void **ret_response,
                      int64_t timeout_ms, struct hor_error *err);
void hor_soap_done(struct soap *soap); /* accepts NULL */

/* The same with text: posts `body` (one request element) and appends the response element, or the
 * fault detail's element. For the command line's --xml and the tests. */
struct hor_buf;
int hor_soap_call_text(struct hor_soap_partner *partner, const char *body, struct hor_buf *answer,
                       int64_t timeout_ms, struct hor_error *err);

#endif
