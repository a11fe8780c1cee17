/* lib/soap/custom/time.c - xsd:dateTime for gSOAP's serializers as UTC microseconds; part of the
 * library of generated code, with its flags. gSOAP calls these; nobody else. */
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "soapH.h"

void soap_default_xsd__dateTime(struct soap *soap, LONG64 *value)
{
    (void)soap;
    *value = 0;
}

void soap_serialize_xsd__dateTime(struct soap *soap, const LONG64 *value)
{
    (void)soap;
    (void)value;
}

const char *soap_xsd__dateTime2s(struct soap *soap, LONG64 value)
{
    char text[HOR_TIME_TEXT_BYTES];
    return soap_strdup(soap, hor_time_format_us(value, text));
}

int soap_s2xsd__dateTime(struct soap *soap, const char *text, LONG64 *value)
{
    int64_t utc_us;
    if (text == NULL || hor_time_parse_us(text, &utc_us) != HOR_OK)
        return soap->error = SOAP_TYPE;
    *value = utc_us;
    return SOAP_OK;
}

int soap_out_xsd__dateTime(struct soap *soap, const char *tag, int id, const LONG64 *value,
                           const char *type)
{
    char text[HOR_TIME_TEXT_BYTES];
    (void)id;
    if (soap_element_begin_out(soap, tag, -1, type) != SOAP_OK ||
        soap_string_out(soap, hor_time_format_us(*value, text), 0) != SOAP_OK)
        return soap->error;
    return soap_element_end_out(soap, tag);
}

LONG64 *soap_in_xsd__dateTime(struct soap *soap, const char *tag, LONG64 *value, const char *type)
{
    (void)type;
    if (soap_element_begin_in(soap, tag, 0, NULL) != SOAP_OK)
        return NULL;
    if (value == NULL && (value = soap_malloc(soap, sizeof *value)) == NULL) {
        soap->error = SOAP_EOM;
        return NULL;
    }
    soap_default_xsd__dateTime(soap, value);
    if (soap_s2xsd__dateTime(soap, soap_value(soap), value) != SOAP_OK)
        return NULL;
    if (soap->body && soap_element_end_in(soap, tag) != SOAP_OK)
        return NULL;
    return value;
}
