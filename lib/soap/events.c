#include "lib/soap/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/soap/event.h"
#include "lib/soap/internal.h"

/* ---- writing ---- */

static void put_prefix(const struct hor_soap_codec *codec, struct hor_buf *out)
{
    hor_buf_add(out, codec->response.tag, strcspn(codec->response.tag, ":") + 1);
}

/* "<agt:event" or "</agt:event" */
static void put_tag(const struct hor_soap_codec *codec, const char *open, const char *name,
                    struct hor_buf *out)
{
    hor_buf_puts(out, open);
    put_prefix(codec, out);
    hor_buf_puts(out, name);
}

static void put_content(const struct hor_event *event, struct hor_buf *out)
{
    for (size_t i = 0; i < event->arguments.count; i++) {
        const struct hor_argument *argument = &event->arguments.items[i];
        hor_buf_puts(out, "<t:argument name=\"");
        hor_buf_xml(out, argument->name);
        hor_buf_puts(out, argument->secret ? "\" secret=\"true\">" : "\">");
        hor_buf_xml(out, argument->value);
        hor_buf_puts(out, "</t:argument>");
    }
    const char *text = event->text;
    if (text == NULL || *text == '\0')
        return;
    hor_buf_puts(out, "<t:text>");
    if (text[strspn(text, " ")] == '\0') { /* spaces alone would be read as formatting */
        hor_buf_puts(out, "&#32;");
        text++;
    }
    hor_buf_xml(out, text);
    hor_buf_puts(out, "</t:text>");
}

void hor_soap_events_add(struct hor_soap_events *events, const struct hor_event *event)
{
    struct hor_buf *out = &events->text;
    const char *name = hor_event_type_name(event->type);
    char time[HOR_TIME_TEXT_BYTES];
    struct hor_event bare = *event; /* its attributes are the same as in a journal */
    bare.text = NULL;
    bare.arguments = (struct hor_arguments){.items = NULL};
    hor_buf_clear(&events->scratch);
    hor_event_write(&bare, &events->scratch);
    if (events->scratch.failed) {
        out->failed = true;
        return;
    }
    size_t skip = 1 + strlen(name), end = events->scratch.len - strlen("/>");
    put_tag(events->codec, "<", "event index=\"", out);
    hor_buf_printf(out, "%" PRIu64 "\" at=\"%s\" type=\"%s\"", event->index,
                   hor_time_format_us(event->at_us, time), name);
    hor_buf_add(out, events->scratch.data + skip, end - skip);
    events->count++;
    if (event->arguments.count == 0 && (event->text == NULL || event->text[0] == '\0')) {
        hor_buf_puts(out, "/>");
        return;
    }
    hor_buf_puts(out, ">");
    put_content(event, out);
    put_tag(events->codec, "</", "event>", out);
}

/* All that stands before the run's id, from the response element on. */
static void put_head(const struct hor_soap_codec *codec, struct hor_buf *out)
{
    hor_buf_printf(out, "<%s xmlns:", codec->response.tag);
    hor_buf_add(out, codec->response.tag, strcspn(codec->response.tag, ":"));
    hor_buf_printf(out, "=\"%s\" xmlns:t=\"%s\">", codec->ns, HOR_SOAP_NS_t);
    put_tag(codec, "<", "runId>", out);
}

int hor_soap_events_answer(const struct hor_soap_events *events, const char *run_id,
                           uint64_t position, struct hor_soap_call *call, struct hor_error *err)
{
    const struct hor_soap_codec *codec = events->codec;
    struct hor_buf *out = call->answer;
    put_head(codec, out);
    hor_buf_xml(out, run_id);
    put_tag(codec, "</", "runId>", out);
    put_tag(codec, "<", "position>", out);
    hor_buf_printf(out, "%" PRIu64, position);
    put_tag(codec, "</", "position>", out);
    hor_buf_add(out, hor_buf_text(&events->text), events->text.len);
    hor_buf_printf(out, "</%s>", codec->response.tag);
    return events->text.failed || out->failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                                              : HOR_OK;
}

void hor_soap_events_done(struct hor_soap_events *events)
{
    hor_buf_done(&events->text);
    hor_buf_done(&events->scratch);
}

/* ---- reading our own form ---- */

struct reading {
    const char *at; /* ends with a zero byte */
    struct hor_buf event_begin, event_end, scratch;
};

static bool take(struct reading *in, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(in->at, text, len) != 0)
        return false;
    in->at += len;
    return true;
}

static bool take_number(struct reading *in, uint64_t *ret)
{
    char *end;
    if (*in->at < '0' || *in->at > '9')
        return false;
    errno = 0;
    *ret = strtoull(in->at, &end, 10);
    in->at = end;
    return errno == 0;
}

/* Everything up to `stop`, which stays. */
static bool take_until(struct reading *in, char stop, const char **ret, size_t *ret_len)
{
    const char *end = strchr(in->at, stop);
    if (end == NULL)
        return false;
    *ret = in->at;
    *ret_len = (size_t)(end - in->at);
    in->at = end;
    return true;
}

static bool take_time(struct reading *in, int64_t *ret)
{
    char text[HOR_TIME_TEXT_BYTES];
    const char *begin;
    size_t len;
    if (!take_until(in, '"', &begin, &len) || len >= sizeof text)
        return false;
    memcpy(text, begin, len);
    text[len] = '\0';
    return hor_time_parse_us(text, ret) == HOR_OK;
}

/* The rest of a start tag with its '>', quotes respected. */
static bool copy_tag(struct reading *in, bool *ret_empty)
{
    const char *at = in->at;
    while (*at != '>') {
        if (*at == '\0' || *at == '<')
            return false;
        if (*at == '"' && (at = strchr(at + 1, '"')) == NULL)
            return false;
        at++;
    }
    *ret_empty = at > in->at && at[-1] == '/';
    hor_buf_add(&in->scratch, in->at, (size_t)(at + 1 - in->at));
    in->at = at + 1;
    return true;
}

static bool copy_text(struct reading *in)
{
    const char *text;
    size_t len;
    if (!take_until(in, '<', &text, &len))
        return false;
    hor_buf_add(&in->scratch, text, len);
    return true;
}

/* Arguments and text, as they stand in a journal. */
static bool copy_content(struct reading *in)
{
    while (!take(in, hor_buf_text(&in->event_end))) {
        bool empty;
        if (take(in, "<t:argument")) {
            hor_buf_puts(&in->scratch, "<argument");
            if (!copy_tag(in, &empty))
                return false;
            if (empty)
                continue;
            if (!copy_text(in) || !take(in, "</t:argument>"))
                return false;
            hor_buf_puts(&in->scratch, "</argument>");
        } else if (!take(in, "<t:text>") || !copy_text(in) || !take(in, "</t:text>")) {
            return false;
        }
    }
    return true;
}

/* HOR_ERR_INVALID: not in our form. */
static int take_event(struct reading *in, struct hor_event **ret)
{
    uint64_t index;
    int64_t at_us;
    const char *name;
    size_t name_len;
    bool empty;
    if (!take_number(in, &index) || !take(in, "\" at=\"") || !take_time(in, &at_us) ||
        !take(in, "\" type=\"") || !take_until(in, '"', &name, &name_len))
        return HOR_ERR_INVALID;
    in->at++;
    hor_buf_clear(&in->scratch);
    hor_buf_putc(&in->scratch, '<');
    hor_buf_add(&in->scratch, name, name_len);
    if (!copy_tag(in, &empty))
        return HOR_ERR_INVALID;
    if (!empty) {
        if (!copy_content(in))
            return HOR_ERR_INVALID;
        hor_buf_puts(&in->scratch, "</");
        hor_buf_add(&in->scratch, name, name_len);
        hor_buf_putc(&in->scratch, '>');
    }
    if (in->scratch.failed)
        return HOR_ERR_MEMORY;
    int rc = hor_event_read(hor_buf_text(&in->scratch), in->scratch.len, ret, NULL);
    if (rc != HOR_OK)
        return rc;
    (*ret)->index = index;
    (*ret)->at_us = at_us;
    return HOR_OK;
}

static int push(struct hor_soap_told *told, struct hor_event *take_event)
{
    if ((told->count & (told->count - 1)) == 0) {
        size_t room = told->count == 0 ? 1 : told->count * 2;
        struct hor_event **events = realloc(told->events, room * sizeof *events);
        if (events == NULL) {
            hor_event_free(take_event);
            return HOR_ERR_MEMORY;
        }
        told->events = events;
    }
    told->events[told->count++] = take_event;
    told->last = take_event->index;
    return HOR_OK;
}

static int take_answer(struct reading *in, const struct hor_soap_codec *codec,
                       struct hor_soap_told *told)
{
    struct hor_buf text = HOR_BUF_INIT;
    const char *run_id;
    size_t len;
    hor_soap_envelope_begin(&text, HOR_SOAP_1_1);
    put_head(codec, &text);
    put_tag(codec, "<", "event index=\"", &in->event_begin);
    put_tag(codec, "</", "event>", &in->event_end);
    int rc = text.failed || in->event_begin.failed || in->event_end.failed ? HOR_ERR_MEMORY : HOR_OK;
    if (rc == HOR_OK && (!take(in, hor_buf_text(&text)) || !take_until(in, '<', &run_id, &len) ||
                         len >= sizeof told->run_id || memchr(run_id, '&', len) != NULL))
        rc = HOR_ERR_INVALID;
    if (rc == HOR_OK) {
        memcpy(told->run_id, run_id, len);
        hor_buf_clear(&text);
        put_tag(codec, "</", "runId>", &text);
        put_tag(codec, "<", "position>", &text);
        rc = take(in, hor_buf_text(&text)) && take_number(in, &told->position) ? HOR_OK
                                                                               : HOR_ERR_INVALID;
        hor_buf_clear(&text);
        put_tag(codec, "</", "position>", &text);
        rc = rc == HOR_OK && take(in, hor_buf_text(&text)) ? HOR_OK : HOR_ERR_INVALID;
    }
    while (rc == HOR_OK && take(in, hor_buf_text(&in->event_begin))) {
        struct hor_event *event;
        rc = take_event(in, &event);
        rc = rc == HOR_OK ? push(told, event) : rc;
    }
    hor_buf_clear(&text);
    hor_buf_printf(&text, "</%s>", codec->response.tag);
    hor_soap_envelope_end(&text);
    if (rc == HOR_OK)
        rc = text.failed                             ? HOR_ERR_MEMORY
             : strcmp(in->at, hor_buf_text(&text)) == 0 ? HOR_OK
                                                     : HOR_ERR_INVALID;
    hor_buf_done(&text);
    told->told = told->count;
    return rc;
}

/* ---- reading any form ---- */

static int convert(const char *run_id, uint64_t position, const struct t__Event *items, int count,
                   struct hor_soap_told *told, struct hor_error *err)
{
    size_t len = run_id != NULL ? strlen(run_id) : 0;
    if (len == 0 || len >= sizeof told->run_id)
        return hor_error_set(err, HOR_ERR_INTERNAL, "the answer names no run");
    memcpy(told->run_id, run_id, len + 1);
    told->position = position;
    for (int i = 0; i < count; i++) {
        struct hor_event *event;
        struct hor_error why = {0};
        int rc = hor_soap_event_read(&items[i], &event, &why);
        if (rc == HOR_OK)
            rc = push(told, event);
        if (rc == HOR_ERR_MEMORY)
            return hor_error_set(err, rc, "out of memory");
        if (rc != HOR_OK && told->unknown++ == 0)
            hor_error_set(&told->why, rc, "event %" PRIu64 ": %s", (uint64_t)items[i].index,
                          why.text);
        told->told++;
        told->last = items[i].index;
    }
    return HOR_OK;
}

static int read_any(const struct hor_buf *answer, const struct hor_soap_codec *codec,
                    struct hor_soap_told *told, struct hor_error *err)
{
    struct soap *soap = NULL;
    void *response = NULL;
    int rc = hor_soap_read_answer(answer, codec, &soap, &response, err);
    if (rc == HOR_OK && codec == &hor_soap_codec_agt_GetEvents) {
        const struct _agt__GetEventsResponse *r = response;
        rc = convert(r->runId, r->position, r->event, r->__sizeevent, told, err);
    } else if (rc == HOR_OK) {
        const struct _mst__GetEventsResponse *r = response;
        rc = convert(r->runId, r->position, r->event, r->__sizeevent, told, err);
    }
    hor_soap_done(soap);
    return rc;
}

int hor_soap_events_read_own(const struct hor_buf *answer, const struct hor_soap_codec *codec,
                             struct hor_soap_told *ret)
{
    struct reading in = {.at = hor_buf_text(answer)};
    struct hor_soap_told told = {.count = 0};
    int rc = strlen(in.at) == answer->len ? take_answer(&in, codec, &told) : HOR_ERR_INVALID;
    hor_buf_done(&in.event_begin);
    hor_buf_done(&in.event_end);
    hor_buf_done(&in.scratch);
    if (rc == HOR_OK)
        *ret = told;
    else
        hor_soap_told_done(&told);
    return rc;
}

int hor_soap_events_read(const struct hor_buf *answer, const struct hor_soap_codec *codec,
                         struct hor_soap_told *ret, struct hor_error *err)
{
    struct hor_soap_told told = {.count = 0};
    int rc = hor_soap_events_read_own(answer, codec, ret);
    if (rc == HOR_OK)
        return rc;
    if (rc == HOR_ERR_MEMORY)
        return hor_error_set(err, rc, "out of memory");
    rc = read_any(answer, codec, &told, err);
    if (rc == HOR_OK)
        *ret = told;
    else
        hor_soap_told_done(&told);
    return rc;
}

int hor_soap_call_events(struct hor_soap_partner *partner, const struct hor_soap_codec *codec,
                         const void *request, struct hor_soap_told *ret, int64_t timeout_ms,
                         struct hor_error *err)
{
    struct hor_buf answer = HOR_BUF_INIT;
    int rc = hor_soap_ask(partner, codec, request, &answer, timeout_ms, err);
    if (rc == HOR_OK)
        rc = hor_soap_events_read(&answer, codec, ret, err);
    if (rc != HOR_OK && err != NULL)
        hor_error_prefix(err, "%s", codec->name);
    hor_buf_done(&answer);
    return rc;
}

void hor_soap_told_done(struct hor_soap_told *told)
{
    for (size_t i = 0; i < told->count; i++)
        hor_event_free(told->events[i]);
    free(told->events);
    *told = (struct hor_soap_told){.count = 0};
}
