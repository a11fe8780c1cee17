/* lib/soap/codec.c - the codecs, and the namespace table that gSOAP wants. */
#include "lib/soap/codec.h"

/* SOAP 1.1 is what we write unless the caller came with 1.2. */
SOAP_NMAC struct Namespace namespaces[] = {
    {"SOAP-ENV", "http://schemas.xmlsoap.org/soap/envelope/",
     "http://www.w3.org/2003/05/soap-envelope", NULL},
    {"SOAP-ENC", "http://schemas.xmlsoap.org/soap/encoding/",
     "http://www.w3.org/2003/05/soap-encoding", NULL},
    {"xsi", "http://www.w3.org/2001/XMLSchema-instance", NULL, NULL},
    {"xsd", "http://www.w3.org/2001/XMLSchema", NULL, NULL},
    {"wsse", "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
     NULL, NULL},
    {"t", HOR_SOAP_NS_t, NULL, NULL},
    {"agt", HOR_SOAP_NS_agt, NULL, NULL},
    {"mst", HOR_SOAP_NS_mst, NULL, NULL},
    {"sup", HOR_SOAP_NS_sup, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

#define HOR_SOAP_ELEMENT(prefix, name)                                                             \
    static void default_##prefix##_##name(struct soap *soap, void *value)                          \
    {                                                                                              \
        soap_default__##prefix##__##name(soap, value);                                             \
    }                                                                                              \
    static void *get_##prefix##_##name(struct soap *soap, void *value)                             \
    {                                                                                              \
        return soap_get__##prefix##__##name(soap, value, #prefix ":" #name, NULL);                 \
    }                                                                                              \
    static int put_##prefix##_##name(struct soap *soap, const void *value)                         \
    {                                                                                              \
        return soap_put__##prefix##__##name(soap, value, #prefix ":" #name, NULL);                 \
    }
#define HOR_SOAP_CODEC(prefix, op)                                                                 \
    HOR_SOAP_ELEMENT(prefix, op)                                                                   \
    HOR_SOAP_ELEMENT(prefix, op##Response)                                                         \
    const struct hor_soap_codec hor_soap_codec_##prefix##_##op = {                                 \
        .ns = HOR_SOAP_NS_##prefix,                                                                \
        .name = #op,                                                                               \
        .request = {#prefix ":" #op, sizeof(struct _##prefix##__##op), default_##prefix##_##op,    \
                    get_##prefix##_##op, put_##prefix##_##op},                                     \
        .response = {#prefix ":" #op "Response", sizeof(struct _##prefix##__##op##Response),       \
                     default_##prefix##_##op##Response, get_##prefix##_##op##Response,             \
                     put_##prefix##_##op##Response},                                               \
    };
#include "operations.def"
