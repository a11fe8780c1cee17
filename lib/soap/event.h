/* lib/soap/event.h - events between lib/model and the services' type t:Event. Any thread. */
#ifndef HOR_SOAP_EVENT_H
#define HOR_SOAP_EVENT_H

#include "lib/base/error.h"
#include "lib/model/event.h"

struct soap;
struct t__Event;
struct t__Argument;

/* Fills *ret in memory of *soap; the event may go afterwards. HOR_ERR_MEMORY. */
int hor_soap_event_write(struct soap *soap, const struct hor_event *event, struct t__Event *ret);
/* A new event the caller owns. HOR_ERR_INVALID: a type that is not known. */
int hor_soap_event_read(const struct t__Event *event, struct hor_event **ret,
                        struct hor_error *err);
/* Values of secret arguments are left out when `hide` says so. */
enum hor_soap_secrets { HOR_SOAP_SECRETS_SHOW, HOR_SOAP_SECRETS_HIDE };
int hor_soap_arguments_write(struct soap *soap, const struct hor_arguments *list,
                             enum hor_soap_secrets secrets, int *ret_count,
                             struct t__Argument **ret);
int hor_soap_arguments_read(const struct t__Argument *items, int count, struct hor_arguments *ret);

#endif
