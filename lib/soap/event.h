/* lib/soap/event.h - events between the model and the services: t:Event and struct hor_event.
 * Any thread; strings of a t__Event live in the call's memory. */
#ifndef HOR_SOAP_EVENT_H
#define HOR_SOAP_EVENT_H

#include "lib/base/error.h"
#include "lib/model/event.h"

struct soap;
struct t__Event;
struct t__Argument;

/* Fills *out with copies. HOR_ERR_MEMORY. */
int hor_soap_event_put(struct soap *soap, const struct hor_event *event, struct t__Event *out);
/* The caller owns *ret. HOR_ERR_INVALID for a type that is unknown, HOR_ERR_MEMORY. */
int hor_soap_event_get(const struct t__Event *in, struct hor_event **ret, struct hor_error *err);
/* Lists of arguments. *ret is an array in the call's memory, NULL for none. HOR_ERR_MEMORY. */
int hor_soap_arguments_put(struct soap *soap, const struct hor_arguments *list, int *ret_count,
                           struct t__Argument **ret);
int hor_soap_arguments_get(const struct t__Argument *items, int count, struct hor_arguments *list);

#endif
