/* lib/soap/events.h - the answers of agt:GetEvents and mst:GetEvents, written and read as text. They
 * are most of what the programs tell one another, and making gSOAP's objects of every field, twice on
 * each way, cost more than all else that is done with an event. What is written is the contract's
 * (xsd/types.xsd, t:Event); an answer in any other form than this one is read by gSOAP. Any thread. */
#ifndef HOR_SOAP_EVENTS_H
#define HOR_SOAP_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/model/event.h"
#include "lib/soap/client.h"
#include "lib/soap/service.h"

/* An answer being written. Begin with {.codec = &hor_soap_codec_agt_GetEvents}. */
struct hor_soap_events {
    const struct hor_soap_codec *codec;
    struct hor_buf text; /* of the events; text.failed: out of memory */
    struct hor_buf scratch;
    size_t count;
};

void hor_soap_events_add(struct hor_soap_events *events, const struct hor_event *event);
/* Makes them the answer of this call. HOR_ERR_MEMORY. */
int hor_soap_events_answer(const struct hor_soap_events *events, const char *run_id,
                           uint64_t position, struct hor_soap_call *call, struct hor_error *err);
void hor_soap_events_done(struct hor_soap_events *events);

/* An answer that was read. */
struct hor_soap_told {
    char run_id[64];
    uint64_t position;
    struct hor_event **events; /* owned */
    size_t count;
    size_t told;    /* events in the answer, with those that this program does not know */
    uint64_t last;  /* index of the last one of them */
    size_t unknown; /* left out: of a newer program */
    struct hor_error why; /* the first of those was left out */
};

/* Calls GetEvents with its request struct. Errors of hor_soap_call_op. The caller gives *ret back to
 * hor_soap_told_done after success. */
int hor_soap_call_events(struct hor_soap_partner *partner, const struct hor_soap_codec *codec,
                         const void *request, struct hor_soap_told *ret, int64_t timeout_ms,
                         struct hor_error *err);
void hor_soap_told_done(struct hor_soap_told *told);

#endif
