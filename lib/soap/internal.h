/* lib/soap/internal.h - what the files of lib/soap share. */
#ifndef HOR_SOAP_INTERNAL_H
#define HOR_SOAP_INTERNAL_H

#include "lib/base/problem.h"
#include "lib/soap/codec.h"
#include "lib/soap/service.h"

enum hor_soap_version { HOR_SOAP_1_1, HOR_SOAP_1_2 };

/* context.c: gSOAP contexts, which are large, are kept and used again. Reads from `in`. NULL: out
 * of memory. */
struct soap *hor_soap_context_take(const char *in, size_t len);
void hor_soap_context_give(struct soap *soap); /* frees all memory of the call */
/* Writes one element into `out`, with the namespaces declared on it. HOR_ERR_MEMORY,
 * HOR_ERR_INTERNAL. */
int hor_soap_context_write(struct soap *soap, const struct hor_soap_element *element,
                           const void *value, const char *prefix, const char *ns,
                           struct hor_buf *out);
/* What gSOAP says is wrong, one line. */
void hor_soap_context_error(struct soap *soap, int code, const char *what, struct hor_error *err);

/* envelope.c */
const char *hor_soap_envelope_ns(enum hor_soap_version version);
void hor_soap_envelope_begin(struct hor_buf *out, enum hor_soap_version version);
void hor_soap_envelope_end(struct hor_buf *out);

struct hor_xml_schema;
/* What a first pass says about a request. */
struct hor_soap_outline {
    char ns[128], name[128]; /* of the body's element */
    bool other_version;      /* another envelope than the content type promised */
};
/* Prescan and schema in one go. HOR_ERR_INVALID, HOR_ERR_LIMIT. */
int hor_soap_check(const char *bytes, size_t len, enum hor_soap_version version,
                   const struct hor_xml_schema *schema, struct hor_soap_outline *ret,
                   struct hor_error *err);

/* A fault on its way out. */
struct hor_soap_fault {
    const char *code; /* "NotFound", or "MustUnderstand", "VersionMismatch" */
    const char *text;
    const char *correlation;
    const char *active_url; /* may be NULL */
    const struct hor_problems *problems;
};
const char *hor_soap_fault_code(int rc); /* the typed fault of an error code */
/* The detail's element alone. */
void hor_soap_fault_detail(struct hor_buf *out, const struct hor_soap_fault *fault);
/* A whole envelope; returns the HTTP status. */
int hor_soap_fault_envelope(struct hor_buf *out, const struct hor_soap_fault *fault,
                            enum hor_soap_version version);

/* client.c: the two halves of a call. The answer has passed the prescan. */
struct hor_soap_partner;
int hor_soap_ask(struct hor_soap_partner *partner, const struct hor_soap_codec *codec,
                 const void *request, struct hor_buf *answer, int64_t timeout_ms,
                 struct hor_error *err);
int hor_soap_read_answer(const struct hor_buf *answer, const struct hor_soap_codec *codec,
                         struct soap **ret_soap, void **ret_response, struct hor_error *err);

/* events.c: an answer of GetEvents, whole; for hor_soap_call_events and the tests. */
struct hor_soap_told;
/* HOR_ERR_INVALID: it is not in the form that we write. HOR_ERR_MEMORY. */
int hor_soap_events_read_own(const struct hor_buf *answer, const struct hor_soap_codec *codec,
                             struct hor_soap_told *ret);
int hor_soap_events_read(const struct hor_buf *answer, const struct hor_soap_codec *codec,
                         struct hor_soap_told *ret, struct hor_error *err);

/* files.c: the contract's files, as a service gives them to clients. */
struct hor_soap_files;
int hor_soap_files_load(const char *dir, const char *name, struct hor_soap_files **ret,
                        struct hor_error *err);
void hor_soap_files_free(struct hor_soap_files *files);
void hor_soap_files_answer(const struct hor_soap_files *files,
                           const struct hor_http_request *request,
                           struct hor_http_response *response);

#endif
