/* lib/soap/envelope.c - envelopes: writing them, checking what comes in, faults. */
#include <stdio.h>
#include <string.h>

#include "lib/soap/internal.h"
#include "lib/soap/prescan.h"
#include "lib/xml/xml.h"

const char *hor_soap_envelope_ns(enum hor_soap_version version)
{
    return version == HOR_SOAP_1_1 ? "http://schemas.xmlsoap.org/soap/envelope/"
                                   : "http://www.w3.org/2003/05/soap-envelope";
}

void hor_soap_envelope_begin(struct hor_buf *out, enum hor_soap_version version)
{
    hor_buf_printf(out,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"%s\"><SOAP-ENV:Body>",
                   hor_soap_envelope_ns(version));
}

void hor_soap_envelope_end(struct hor_buf *out)
{
    hor_buf_puts(out, "</SOAP-ENV:Body></SOAP-ENV:Envelope>\n");
}

struct check {
    struct hor_soap_outline *outline;
    const char *envelope_ns;
    unsigned depth;
    bool in_body;
};

static int on_start(const char *name, const char *uri, const struct hor_xml_attributes *attributes,
                    int line, void *ctx)
{
    struct check *check = ctx;
    (void)attributes;
    (void)line;
    check->depth++;
    if (check->depth == 1 && strcmp(uri, check->envelope_ns) != 0) {
        check->outline->other_version = strcmp(name, "Envelope") == 0;
        return check->outline->other_version ? HOR_ERR_CONFLICT : HOR_OK;
    }
    if (check->depth == 2)
        check->in_body = strcmp(name, "Body") == 0;
    if (check->depth == 3 && check->in_body && check->outline->name[0] == '\0') {
        snprintf(check->outline->ns, sizeof check->outline->ns, "%s", uri);
        snprintf(check->outline->name, sizeof check->outline->name, "%s", name);
    }
    return HOR_OK;
}

static int on_end(const char *name, const char *uri, int line, void *ctx)
{
    struct check *check = ctx;
    (void)name;
    (void)uri;
    (void)line;
    check->depth--;
    return HOR_OK;
}

int hor_soap_check(const char *bytes, size_t len, enum hor_soap_version version,
                   const struct hor_xml_schema *schema, struct hor_soap_outline *ret,
                   struct hor_error *err)
{
    *ret = (struct hor_soap_outline){0};
    int rc = hor_soap_prescan(bytes, len, err);
    if (rc != HOR_OK)
        return rc;
    struct check check = {.outline = ret, .envelope_ns = hor_soap_envelope_ns(version)};
    const struct hor_xml_scan handlers = {.start = on_start, .end = on_end};
    rc = hor_xml_scan("request", bytes, len,
                      len > HOR_XML_DOCUMENT_BYTES ? len : HOR_XML_DOCUMENT_BYTES + 1, schema,
                      &handlers, &check, NULL, err);
    if (ret->other_version)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "the envelope is not the one of SOAP %s, which "
                             "the content type promised",
                             version == HOR_SOAP_1_1 ? "1.1" : "1.2");
    return rc;
}

/* ---- faults ---- */

const char *hor_soap_fault_code(int rc)
{
    switch (rc) {
    case HOR_ERR_UNAUTHENTICATED:
        return "NotAuthenticated";
    case HOR_ERR_DENIED:
        return "NotAuthorized";
    case HOR_ERR_NOT_FOUND:
        return "NotFound";
    case HOR_ERR_INVALID:
    case HOR_ERR_LIMIT:
        return "InvalidRequest";
    case HOR_ERR_EXISTS:
    case HOR_ERR_STATE:
    case HOR_ERR_CONFLICT:
        return "Conflict";
    case HOR_ERR_NOT_ACTIVE:
        return "NotActive";
    case HOR_ERR_BUSY:
    case HOR_ERR_TIMEOUT:
    case HOR_ERR_UNREACHABLE:
        return "Busy";
    default:
        return "Internal";
    }
}

static bool is(const struct hor_soap_fault *fault, const char *code)
{
    return strcmp(fault->code, code) == 0;
}

/* Faults that SOAP itself defines carry no detail: nothing of the body was looked at. */
static bool is_protocol(const struct hor_soap_fault *fault)
{
    return is(fault, "MustUnderstand") || is(fault, "VersionMismatch");
}

static void element(struct hor_buf *out, const char *name, const char *text, size_t max)
{
    if (text == NULL)
        return;
    char cut[4001];
    size_t len = strnlen(text, max < sizeof cut ? max : sizeof cut - 1);
    while (len > 0 && text[len] != '\0' && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--; /* not in the middle of a character */
    memcpy(cut, text, len);
    cut[len] = '\0';
    hor_buf_printf(out, "<t:%s>", name);
    hor_buf_xml(out, cut);
    hor_buf_printf(out, "</t:%s>", name);
}

void hor_soap_fault_detail(struct hor_buf *out, const struct hor_soap_fault *fault)
{
    bool retryable = is(fault, "NotActive") || is(fault, "Busy");
    hor_buf_printf(out, "<t:%s xmlns:t=\"%s\">", fault->code, HOR_SOAP_NS_t);
    element(out, "code", fault->code, 100);
    element(out, "text", fault->text, 3900);
    element(out, "correlation", fault->correlation, 100);
    element(out, "retryable", retryable ? "true" : "false", 10);
    element(out, "activeUrl", fault->active_url, 1000);
    if (retryable)
        element(out, "retryAfterMs", "1000", 10);
    for (size_t i = 0; fault->problems != NULL && i < fault->problems->count; i++) {
        const struct hor_problem *problem = &fault->problems->items[i];
        char line[16];
        snprintf(line, sizeof line, "%d", problem->line);
        hor_buf_puts(out, "<t:problem>");
        element(out, "severity", hor_severity_name(problem->severity), 20);
        element(out, "file", problem->file, 1000);
        element(out, "line", problem->line > 0 ? line : NULL, 20);
        element(out, "object", problem->object, 1000);
        element(out, "text", problem->text, 3900);
        element(out, "remedy", problem->remedy, 3900);
        hor_buf_puts(out, "</t:problem>");
    }
    hor_buf_printf(out, "</t:%s>", fault->code);
}

int hor_soap_fault_envelope(struct hor_buf *out, const struct hor_soap_fault *fault,
                            enum hor_soap_version version)
{
    bool server = is(fault, "NotActive") || is(fault, "Busy") || is(fault, "Internal");
    hor_buf_clear(out);
    hor_soap_envelope_begin(out, version);
    if (version == HOR_SOAP_1_1) {
        const char *code = is_protocol(fault) ? fault->code : server ? "Server" : "Client";
        hor_buf_printf(out, "<SOAP-ENV:Fault><faultcode>SOAP-ENV:%s</faultcode><faultstring>",
                       code);
        hor_buf_xml(out, fault->text);
        hor_buf_puts(out, "</faultstring>");
        if (!is_protocol(fault)) {
            hor_buf_puts(out, "<detail>");
            hor_soap_fault_detail(out, fault);
            hor_buf_puts(out, "</detail>");
        }
    } else {
        const char *code = is_protocol(fault) ? fault->code : server ? "Receiver" : "Sender";
        hor_buf_printf(out,
                       "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:%s</SOAP-ENV:Value>"
                       "</SOAP-ENV:Code><SOAP-ENV:Reason><SOAP-ENV:Text xml:lang=\"en\">",
                       code);
        hor_buf_xml(out, fault->text);
        hor_buf_puts(out, "</SOAP-ENV:Text></SOAP-ENV:Reason>");
        if (!is_protocol(fault)) {
            hor_buf_puts(out, "<SOAP-ENV:Detail>");
            hor_soap_fault_detail(out, fault);
            hor_buf_puts(out, "</SOAP-ENV:Detail>");
        }
    }
    hor_buf_puts(out, "</SOAP-ENV:Fault>");
    hor_soap_envelope_end(out);
    return version == HOR_SOAP_1_2 && !server && !is_protocol(fault) ? 400 : 500;
}
