/* Fuzz target: a SOAP message through the first look, the schema and gSOAP, as a service reads it
 * before it knows who sent it. The first byte chooses the SOAP version. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/soap/client.h"
#include "lib/soap/internal.h"
#include "lib/xml/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct hor_xml_schema *schema(enum hor_soap_version version)
{
    static const struct hor_xml_schema *loaded[2];
    if (loaded[version] == NULL) {
        const char *dir = getenv("HOR_SRCDIR");
        char *path = hor_str_printf("%s/xsd/envelope%d.xsd", dir != NULL ? dir : ".",
                                    version == HOR_SOAP_1_1 ? 11 : 12);
        loaded[version] = hor_xml_schema_load(path, NULL);
        free(path);
        if (loaded[version] == NULL)
            abort(); /* set HOR_SRCDIR */
    }
    return loaded[version];
}

/* What is valid must be readable, and what was read writable. */
static void read_valid(const char *text, size_t len, const struct hor_soap_codec *codec)
{
    struct soap *soap = hor_soap_context_take(text, len);
    struct hor_buf out = HOR_BUF_INIT;
    if (soap == NULL)
        return;
    if (soap_begin_recv(soap) == SOAP_OK && soap_envelope_begin_in(soap) == SOAP_OK &&
        soap_recv_header(soap) == SOAP_OK && soap_body_begin_in(soap) == SOAP_OK) {
        void *request = codec->request.get(soap, NULL);
        if (request != NULL)
            hor_soap_context_write(soap, &codec->request, request, "x", codec->ns, &out);
    }
    hor_buf_done(&out);
    hor_soap_done(soap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct hor_soap_codec *const codecs[] = {
#define HOR_SOAP_CODEC(prefix, op) &hor_soap_codec_##prefix##_##op,
#include "operations.def"
#undef HOR_SOAP_CODEC
    };
    struct hor_soap_outline outline;
    struct hor_error err;
    if (len == 0)
        return 0;
    enum hor_soap_version version = data[0] == '2' ? HOR_SOAP_1_2 : HOR_SOAP_1_1;
    const char *text = (const char *)data + 1;
    if (hor_soap_check(text, len - 1, version, schema(version), &outline, &err) != HOR_OK)
        return 0;
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        if (hor_str_equal(codecs[i]->name, outline.name) &&
            hor_str_equal(codecs[i]->ns, outline.ns))
            read_valid(text, len - 1, codecs[i]);
    }
    return 0;
}
