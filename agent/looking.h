/* agent/looking.h - the operations of the agent's service that change nothing: who is there, what is
 * the state, what happened, what does the log say. Worker threads. */
#ifndef HOR_AGENT_LOOKING_H
#define HOR_AGENT_LOOKING_H

#include "lib/soap/codec.h"
#include "lib/soap/service.h"

int hor_agent_ping(struct hor_soap_call *call, const struct _agt__Ping *request,
                   struct _agt__PingResponse *response, struct hor_error *err);
int hor_agent_couple(struct hor_soap_call *call, const struct _agt__Couple *request,
                     struct _agt__CoupleResponse *response, struct hor_error *err);
int hor_agent_get_state(struct hor_soap_call *call, const struct _agt__GetState *request,
                        struct _agt__GetStateResponse *response, struct hor_error *err);
int hor_agent_get_order_state(struct hor_soap_call *call, const struct _agt__GetOrderState *request,
                              struct _agt__GetOrderStateResponse *response, struct hor_error *err);
int hor_agent_get_events(struct hor_soap_call *call, const struct _agt__GetEvents *request,
                         struct _agt__GetEventsResponse *response, struct hor_error *err);
/* readlog.c */
int hor_agent_read_log(struct hor_soap_call *call, const struct _agt__ReadLog *request,
                       struct _agt__ReadLogResponse *response, struct hor_error *err);

#endif
