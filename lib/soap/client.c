/* lib/soap/client.c - calls to another program, at whichever of its members answers. */
#include "lib/soap/client.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/soap/internal.h"
#include "lib/soap/prescan.h"
#include "lib/xml/xml.h"

enum { MAX_TEXT = 2000, ELECTION_PAUSE_MS = 50 };

struct member {
    char *url, *name; /* name NULL: unchecked */
};

struct hor_soap_partner {
    struct hor_http_client *http; /* borrowed */
    char *header;                 /* "Authorization: ...", NULL: none */
    int64_t patience_ms;
    atomic_uint current;          /* the member that answered last */
    unsigned count;
    struct member members[];
};

int hor_soap_partner_new(struct hor_http_client *http, const char *const *urls,
                         const char *const *names, unsigned count, struct hor_soap_partner **ret,
                         struct hor_error *err)
{
    struct hor_soap_partner *partner =
        count > 0 ? calloc(1, sizeof *partner + count * sizeof partner->members[0]) : NULL;
    if (partner == NULL)
        return hor_error_set(err, count == 0 ? HOR_ERR_INVALID : HOR_ERR_MEMORY,
                             count == 0 ? "a partner without an address" : "out of memory");
    partner->http = http;
    partner->count = count;
    for (unsigned i = 0; i < count; i++) {
        partner->members[i].url = hor_strdup(urls[i]);
        partner->members[i].name = names != NULL ? hor_strdup(names[i]) : NULL;
        if (partner->members[i].url == NULL ||
            (names != NULL && names[i] != NULL && partner->members[i].name == NULL)) {
            hor_soap_partner_free(partner);
            return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        }
    }
    *ret = partner;
    return HOR_OK;
}

void hor_soap_partner_free(struct hor_soap_partner *partner)
{
    if (partner == NULL)
        return;
    for (unsigned i = 0; i < partner->count; i++) {
        free(partner->members[i].url);
        free(partner->members[i].name);
    }
    free(partner->header);
    free(partner);
}

void hor_soap_partner_patience(struct hor_soap_partner *partner, int64_t ms)
{
    partner->patience_ms = ms;
}

const char *hor_soap_partner_current(struct hor_soap_partner *partner)
{
    return partner->members[atomic_load(&partner->current) % partner->count].name;
}

static int set_header(struct hor_soap_partner *partner, char *take_header)
{
    if (take_header == NULL)
        return HOR_ERR_MEMORY;
    if (strpbrk(take_header, "\r\n") != NULL) {
        free(take_header);
        return HOR_ERR_INVALID;
    }
    free(partner->header);
    partner->header = take_header;
    return HOR_OK;
}

int hor_soap_partner_session(struct hor_soap_partner *partner, const char *token)
{
    return set_header(partner, hor_str_printf("X-Horarium-Session: %s", token));
}

int hor_soap_partner_basic(struct hor_soap_partner *partner, const char *user, const char *password)
{
    struct hor_buf coded = HOR_BUF_INIT;
    char *both = hor_str_printf("%s:%s", user, password);
    if (both == NULL)
        return HOR_ERR_MEMORY;
    hor_base64_encode(both, strlen(both), &coded);
    free(both);
    int rc =
        coded.failed
            ? HOR_ERR_MEMORY
            : set_header(partner, hor_str_printf("Authorization: Basic %s", hor_buf_text(&coded)));
    hor_buf_done(&coded);
    return rc;
}

/* ---- faults ---- */

struct seen_fault {
    char code[64];       /* local name of the detail's element */
    char text[MAX_TEXT]; /* its text, else the fault's string */
    char active_url[300];
    unsigned depth, detail_depth;
    char *into; /* where character data goes */
    size_t room;
};

static void collect(struct seen_fault *seen, char *into, size_t room)
{
    into[0] = '\0';
    seen->into = into;
    seen->room = room;
}

static int fault_start(const char *name, const char *uri,
                       const struct hor_xml_attributes *attributes, int line, void *ctx)
{
    struct seen_fault *seen = ctx;
    (void)attributes;
    (void)line;
    seen->depth++;
    seen->into = NULL;
    bool ours = strcmp(uri, HOR_SOAP_NS_t) == 0;
    if (strcmp(name, "detail") == 0 || (strcmp(name, "Detail") == 0 && !ours))
        seen->detail_depth = seen->depth;
    else if (ours && seen->detail_depth != 0 && seen->depth == seen->detail_depth + 1)
        strncpy(seen->code, name, sizeof seen->code - 1);
    else if (ours && seen->depth == seen->detail_depth + 2 && strcmp(name, "text") == 0)
        collect(seen, seen->text, sizeof seen->text);
    else if (ours && seen->depth == seen->detail_depth + 2 && strcmp(name, "activeUrl") == 0)
        collect(seen, seen->active_url, sizeof seen->active_url);
    else if (strcmp(name, "faultstring") == 0 || (strcmp(name, "Text") == 0 && !ours))
        collect(seen, seen->text, sizeof seen->text);
    return HOR_OK;
}

static int fault_text(const char *text, size_t len, void *ctx)
{
    struct seen_fault *seen = ctx;
    if (seen->into == NULL)
        return HOR_OK;
    size_t have = strlen(seen->into);
    if (len > seen->room - 1 - have)
        len = seen->room - 1 - have;
    memcpy(seen->into + have, text, len);
    seen->into[have + len] = '\0';
    return HOR_OK;
}

static int fault_end(const char *name, const char *uri, int line, void *ctx)
{
    struct seen_fault *seen = ctx;
    (void)name;
    (void)uri;
    (void)line;
    seen->depth--;
    seen->into = NULL;
    return HOR_OK;
}

static int code_of(const char *name)
{
    static const int codes[] = {
        HOR_ERR_UNAUTHENTICATED, HOR_ERR_DENIED,     HOR_ERR_NOT_FOUND, HOR_ERR_INVALID,
        HOR_ERR_CONFLICT,        HOR_ERR_NOT_ACTIVE, HOR_ERR_BUSY};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(hor_soap_fault_code(codes[i]), name) == 0)
            return codes[i];
    }
    return HOR_ERR_INTERNAL;
}

/* Makes an error of an answer that is none. */
static int read_fault(const struct hor_buf *answer, int status, const char *url,
                      struct seen_fault *seen, struct hor_error *err)
{
    const struct hor_xml_scan handlers = {fault_start, fault_end, fault_text};
    *seen = (struct seen_fault){0};
    int rc = hor_xml_scan("answer", hor_buf_text(answer), answer->len, 0, NULL, &handlers, seen,
                          NULL, NULL);
    if (rc == HOR_OK && seen->text[0] != '\0')
        return hor_error_set(err, seen->code[0] != '\0' ? code_of(seen->code) : HOR_ERR_INVALID,
                             "%s", seen->text);
    if (status == 503)
        return hor_error_set(err, HOR_ERR_BUSY, "%s: busy", url);
    return hor_error_set(err, HOR_ERR_INTERNAL, "%s: HTTP status %d, no SOAP answer", url, status);
}

/* ---- calls ---- */

/* Posts to one member; HOR_OK with a good answer in `answer`. */
static int post(struct hor_soap_partner *partner, const struct member *member,
                const struct hor_buf *envelope, struct hor_buf *answer, int64_t timeout_ms,
                struct seen_fault *seen, struct hor_error *err)
{
    const char *headers[] = {"SOAPAction: \"\"", partner->header, NULL};
    int status = 0;
    hor_buf_clear(answer);
    int rc = hor_http_client_post(partner->http, member->url, member->name,
                                  "text/xml; charset=utf-8", headers, envelope->data, envelope->len,
                                  timeout_ms, &status, answer, err);
    if (rc != HOR_OK)
        return rc;
    return status == 200 ? HOR_OK : read_fault(answer, status, member->url, seen, err);
}

static bool another_may_answer(int rc)
{
    return rc == HOR_ERR_UNREACHABLE || rc == HOR_ERR_TIMEOUT || rc == HOR_ERR_NOT_ACTIVE;
}

/* Which member to ask next: the one that was named as active, else the next. */
static unsigned next_member(const struct hor_soap_partner *partner, unsigned now, int rc,
                            const struct seen_fault *seen)
{
    size_t len = rc == HOR_ERR_NOT_ACTIVE ? strlen(seen->active_url) : 0;
    for (unsigned i = 0; i < partner->count && len > 0; i++) {
        if (i != now && strncmp(partner->members[i].url, seen->active_url, len) == 0 &&
            strchr("/", partner->members[i].url[len]) != NULL) /* '/' or the end */
            return i;
    }
    return (now + 1) % partner->count;
}

/* Asks each member once, and the one that was named as active. */
static int ask_round(struct hor_soap_partner *partner, const struct hor_buf *envelope,
                     struct hor_buf *answer, int64_t timeout_ms, bool *ret_electing,
                     struct hor_error *err)
{
    unsigned at = atomic_load(&partner->current) % partner->count;
    struct seen_fault seen = {0};
    int rc = HOR_ERR_UNREACHABLE;
    bool not_active = false;
    for (unsigned tries = 0; tries < partner->count + (not_active ? 1 : 0); tries++) {
        rc = post(partner, &partner->members[at], envelope, answer, timeout_ms, &seen, err);
        if (!another_may_answer(rc)) {
            atomic_store(&partner->current, at);
            break;
        }
        not_active = not_active || rc == HOR_ERR_NOT_ACTIVE;
        at = next_member(partner, at, rc, &seen);
        atomic_store(&partner->current, at); /* the next call begins elsewhere */
    }
    *ret_electing = rc == HOR_ERR_BUSY || (not_active && another_may_answer(rc));
    return rc;
}

static int post_any(struct hor_soap_partner *partner, const struct hor_buf *envelope,
                    struct hor_buf *answer, int64_t timeout_ms, struct hor_error *err)
{
    struct hor_error own = {0};
    int64_t end_ms = hor_clock_monotonic_ms() + partner->patience_ms;
    bool electing = false;
    int rc = ask_round(partner, envelope, answer, timeout_ms, &electing, &own);
    while (rc != HOR_OK && electing && hor_clock_monotonic_ms() < end_ms) {
        const struct timespec pause = {.tv_nsec = ELECTION_PAUSE_MS * 1000000};
        nanosleep(&pause, NULL); /* an election is nothing that this program hears of */
        rc = ask_round(partner, envelope, answer, timeout_ms, &electing, &own);
    }
    if (rc != HOR_OK && err != NULL)
        *err = own;
    return rc;
}

static int read_response(struct soap *soap, const struct hor_soap_codec *codec, void **ret,
                         struct hor_error *err)
{
    void *response = NULL;
    if (soap_begin_recv(soap) == SOAP_OK && soap_envelope_begin_in(soap) == SOAP_OK &&
        soap_recv_header(soap) == SOAP_OK && soap_body_begin_in(soap) == SOAP_OK)
        response = codec->response.get(soap, NULL);
    if (response == NULL) {
        hor_soap_context_error(soap, HOR_ERR_INTERNAL, codec->response.tag, err);
        return err != NULL ? err->code : HOR_ERR_INTERNAL;
    }
    *ret = response;
    return HOR_OK;
}

static int write_request(const struct hor_soap_codec *codec, const void *request,
                         struct hor_buf *envelope)
{
    struct soap *soap = hor_soap_context_take("", 0);
    if (soap == NULL)
        return HOR_ERR_MEMORY;
    char prefix[8] = "";
    memcpy(prefix, codec->request.tag, strcspn(codec->request.tag, ":"));
    hor_soap_envelope_begin(envelope, HOR_SOAP_1_1);
    int rc = hor_soap_context_write(soap, &codec->request, request, prefix, codec->ns, envelope);
    hor_soap_envelope_end(envelope);
    hor_soap_context_give(soap);
    return rc == HOR_OK && envelope->failed ? HOR_ERR_MEMORY : rc;
}

int hor_soap_ask(struct hor_soap_partner *partner, const struct hor_soap_codec *codec,
                 const void *request, struct hor_buf *answer, int64_t timeout_ms,
                 struct hor_error *err)
{
    struct hor_buf envelope = HOR_BUF_INIT;
    int rc = write_request(codec, request, &envelope);
    if (rc != HOR_OK)
        hor_error_set(err, rc, "the request could not be written");
    else
        rc = post_any(partner, &envelope, answer, timeout_ms, err);
    if (rc == HOR_OK)
        rc = hor_soap_prescan(hor_buf_text(answer), answer->len, err);
    hor_buf_done(&envelope);
    return rc;
}

int hor_soap_read_answer(const struct hor_buf *answer, const struct hor_soap_codec *codec,
                         struct soap **ret_soap, void **ret_response, struct hor_error *err)
{
    struct soap *soap = hor_soap_context_take(answer->data, answer->len);
    if (soap == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = read_response(soap, codec, ret_response, err);
    if (rc == HOR_OK)
        *ret_soap = soap;
    else
        hor_soap_context_give(soap);
    return rc;
}

int hor_soap_call_raw(struct hor_soap_partner *partner, const struct hor_soap_codec *codec,
                      const void *request, struct soap **ret_soap, void **ret_response,
                      int64_t timeout_ms, struct hor_error *err)
{
    struct hor_buf answer = HOR_BUF_INIT;
    int rc = hor_soap_ask(partner, codec, request, &answer, timeout_ms, err);
    if (rc == HOR_OK)
        rc = hor_soap_read_answer(&answer, codec, ret_soap, ret_response, err);
    if (rc != HOR_OK && err != NULL)
        hor_error_prefix(err, "%s", codec->name);
    hor_buf_done(&answer); /* gSOAP has copied what it needs */
    return rc;
}

/* The element inside of `outer` ("Body>", "etail>"), as text: what our own servers write declares
 * its namespaces itself. */
static int cut_out(const struct hor_buf *answer, const char *outer, struct hor_buf *out)
{
    const char *text = hor_buf_text(answer);
    const char *begin = strstr(text, outer), *end = NULL;
    for (const char *hit = begin; hit != NULL; hit = strstr(hit + 1, outer))
        end = hit;
    if (begin == NULL || end == begin)
        return HOR_ERR_NOT_FOUND;
    begin += strlen(outer);
    while (end > begin && *end != '<')
        end--;
    hor_buf_add(out, begin, (size_t)(end - begin));
    return HOR_OK;
}

int hor_soap_call_text(struct hor_soap_partner *partner, const char *body, struct hor_buf *answer,
                       int64_t timeout_ms, struct hor_error *err)
{
    struct hor_buf envelope = HOR_BUF_INIT, got = HOR_BUF_INIT;
    hor_soap_envelope_begin(&envelope, HOR_SOAP_1_1);
    hor_buf_puts(&envelope, body);
    hor_soap_envelope_end(&envelope);
    int rc = envelope.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                             : post_any(partner, &envelope, &got, timeout_ms, err);
    if (rc == HOR_OK && cut_out(&got, "Body>", answer) != HOR_OK)
        rc = hor_error_set(err, HOR_ERR_INTERNAL, "the answer has no body");
    else if (rc != HOR_OK && got.len > 0)
        cut_out(&got, "detail>", answer); /* a fault of HTTP has none */
    hor_buf_done(&envelope);
    hor_buf_done(&got);
    return rc;
}
