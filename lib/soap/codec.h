/* lib/soap/codec.h - one codec for each operation of the three services: how gSOAP reads and writes
 * its request and its response. Made from the WSDL files through operations.def, so that tables of
 * operations and clients use the same. Whoever includes this sees gSOAP's generated types. */
#ifndef HOR_SOAP_CODEC_H
#define HOR_SOAP_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "soapH.h"

#define HOR_SOAP_NS_sup "urn:horarium:supervisor:1"
#define HOR_SOAP_NS_mst "urn:horarium:master:1"
#define HOR_SOAP_NS_agt "urn:horarium:agent:1"
#define HOR_SOAP_NS_t "urn:horarium:types:1"

/* One direction. `get` reads the element at hand into memory of *soap, NULL on failure
 * (soap->error); `put` writes it. */
struct hor_soap_element {
    const char *tag; /* "sup:ListOrders" */
    size_t bytes;    /* of its struct */
    void (*set_default)(struct soap *soap, void *value);
    void *(*get)(struct soap *soap, void *value);
    int (*put)(struct soap *soap, const void *value);
};

struct hor_soap_codec {
    const char *ns, *name;
    struct hor_soap_element request, response;
};

#define HOR_SOAP_CODEC(prefix, op)                                                                 \
    extern const struct hor_soap_codec hor_soap_codec_##prefix##_##op;
#include "operations.def"
#undef HOR_SOAP_CODEC

/* A table's row: function is int f(struct hor_soap_call *, const struct _sup__ListOrders *,
 * struct _sup__ListOrdersResponse *, struct hor_error *); any other type does not compile without
 * a warning. It is called through a pointer whose two middle arguments are void pointers, which all
 * our platforms pass alike. */
#define HOR_SOAP_OPERATION(prefix, op, right_, changes_, function)                                 \
    {                                                                                              \
        .ns = HOR_SOAP_NS_##prefix, .name = #op, .right = (right_), .changes = (changes_),         \
        .run = (hor_soap_operation_fn *)(1 ? (function)                                            \
                                           : (int (*)(struct hor_soap_call *,                      \
                                                      const struct _##prefix##__##op *,            \
                                                      struct _##prefix##__##op##Response *,        \
                                                      struct hor_error *))0),                      \
        .codec = &hor_soap_codec_##prefix##_##op                                                   \
    }
#define HOR_SOAP_OPERATIONS_END                                                                    \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* hor_soap_call_op(partner, agt, GetEvents, &request, &soap, &response, 5000, &err): see
 * lib/soap/client.h. */
struct hor_soap_partner;
int hor_soap_call_raw(struct hor_soap_partner *partner, const struct hor_soap_codec *codec,
                      const void *request, struct soap **ret_soap, void **ret_response,
                      int64_t timeout_ms, struct hor_error *err);
#define HOR_SOAP_CODEC(prefix, op)                                                                 \
    static inline int hor_soap_call_##prefix##_##op(                                               \
        struct hor_soap_partner *partner, const struct _##prefix##__##op *request,                 \
        struct soap **ret_soap, struct _##prefix##__##op##Response **ret_response,                 \
        int64_t timeout_ms, struct hor_error *err)                                                 \
    {                                                                                              \
        void *response = NULL;                                                                     \
        int rc = hor_soap_call_raw(partner, &hor_soap_codec_##prefix##_##op, request, ret_soap,    \
                                   &response, timeout_ms, err);                                    \
        if (rc == HOR_OK)                                                                          \
            *ret_response = response;                                                              \
        return rc;                                                                                 \
    }
#include "operations.def"
#undef HOR_SOAP_CODEC
#define hor_soap_call_op(partner, prefix, op, request, ret_soap, ret_response, timeout_ms, err)    \
    hor_soap_call_##prefix##_##op(partner, request, ret_soap, ret_response, timeout_ms, err)

#endif
