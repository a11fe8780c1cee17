/* Answers of GetEvents as text: what is written is valid by the contract and read back alike, by our
 * own reader and by gSOAP; what is not in our form is gSOAP's; damage is an error, not a crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/soap/events.h"
#include "lib/soap/internal.h"
#include "lib/xml/xml.h"
#include "tests/lib/tap.h"

static const struct hor_soap_codec *const codec = &hor_soap_codec_agt_GetEvents;

static struct hor_event *plain_event(void)
{
    struct hor_event *e = hor_event_new(HOR_EVENT_TASK_ENDED, 1795435200123456);
    e->index = 18446744073709551615u;
    hor_event_set(&e->order, "eod-1");
    hor_event_set(&e->task, "eod-1:load:1");
    hor_event_set(&e->cause, "it said \"no > yes\"\n& <left>\tb\xc3\xb6se");
    e->exit_code = -1;
    e->started_at = 1795435200000001;
    return e;
}

static struct hor_event *rich_event(void)
{
    struct hor_event *e = plain_event();
    e->index = 1;
    e->type = HOR_EVENT_ORDER_ADDED;
    e->text = hor_strdup("free <text> & \n more");
    hor_arguments_add(&e->arguments, "day", "2026-11-24", false);
    hor_arguments_add(&e->arguments, "a-name", " </t:argument> ", false);
    hor_arguments_add(&e->arguments, "key", "s3cret", true);
    hor_arguments_add(&e->arguments, "empty", "", false);
    return e;
}

static struct hor_event *spaces_event(void)
{
    struct hor_event *e = hor_event_new(HOR_EVENT_EXTERNAL_EVENT, 0);
    e->index = 2;
    e->text = hor_strdup("   ");
    return e;
}

/* The whole envelope. */
static void write_answer(struct hor_event *const *items, size_t count, struct hor_buf *out)
{
    struct hor_soap_events events = {.codec = codec};
    struct hor_soap_call call = {.answer = out};
    struct hor_error err = {0};
    for (size_t i = 0; i < count; i++)
        hor_soap_events_add(&events, items[i]);
    is_int((long long)events.count, (long long)count, "%zu events written", count);
    hor_soap_envelope_begin(out, HOR_SOAP_1_1);
    is_int(hor_soap_events_answer(&events, "run & 1", 42, &call, &err), HOR_OK, "an answer made");
    hor_soap_envelope_end(out);
    hor_soap_events_done(&events);
}

static bool same(const struct hor_event *a, const struct hor_event *b)
{
    struct hor_buf x = HOR_BUF_INIT, y = HOR_BUF_INIT;
    hor_event_write(a, &x);
    hor_event_write(b, &y);
    bool yes = a->index == b->index && a->at_us == b->at_us &&
               strcmp(hor_buf_text(&x), hor_buf_text(&y)) == 0;
    if (!yes)
        printf("# %s\n# %s\n", hor_buf_text(&x), hor_buf_text(&y));
    hor_buf_done(&x);
    hor_buf_done(&y);
    return yes;
}

static void check_told(const struct hor_soap_told *told, struct hor_event *const *items,
                       size_t count, const char *how)
{
    bool all = told->count == count;
    for (size_t i = 0; all && i < count; i++)
        all = same(told->events[i], items[i]);
    ok(all && told->position == 42 && told->told == count, "%s: the same %zu events", how, count);
    is_int((long long)told->last, count > 0 ? (long long)items[count - 1]->index : 0, "the last one");
}

static void replace(struct hor_buf *text, const char *from, const char *to)
{
    struct hor_buf made = HOR_BUF_INIT;
    const char *at = hor_buf_text(text), *hit;
    while ((hit = strstr(at, from)) != NULL) {
        hor_buf_add(&made, at, (size_t)(hit - at));
        hor_buf_puts(&made, to);
        at = hit + strlen(from);
    }
    hor_buf_puts(&made, at);
    hor_buf_done(text);
    *text = made;
}

/* Not our form, the same meaning. */
static void check_foreign(const struct hor_buf *answer, const char *from, const char *to,
                          struct hor_event *const *items, size_t count)
{
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_soap_told told = {.count = 0};
    struct hor_error err = {0};
    hor_buf_add(&text, answer->data, answer->len);
    replace(&text, from, to);
    is_int(hor_soap_events_read_own(&text, codec, &told), HOR_ERR_INVALID, "'%s' is not our form", to);
    if (is_int(hor_soap_events_read(&text, codec, &told, &err), HOR_OK, "read by gSOAP: %s", err.text))
        check_told(&told, items, count, "by gSOAP");
    hor_soap_told_done(&told);
    hor_buf_done(&text);
}

static void test_forms(struct hor_event *const *items, size_t count)
{
    struct hor_buf answer = HOR_BUF_INIT;
    struct hor_soap_told told = {.count = 0};
    struct hor_soap_outline outline;
    struct hor_error err = {0};
    write_answer(items, count, &answer);
    char *path = hor_str_printf("%s/xsd/envelope11.xsd", getenv("HOR_SRCDIR") != NULL
                                                            ? getenv("HOR_SRCDIR")
                                                            : getenv("HORARIUM_DATADIR"));
    const struct hor_xml_schema *schema = hor_xml_schema_load(path, &err);
    ok(schema != NULL, "schema: %s", err.text);
    is_int(hor_soap_check(answer.data, answer.len, HOR_SOAP_1_1, schema, &outline, &err), HOR_OK,
           "valid by the contract: %s", err.text);
    free(path);
    is_int(hor_soap_events_read_own(&answer, codec, &told), HOR_ERR_INVALID,
           "a run's id with a reference is gSOAP's");
    is_int(hor_soap_events_read(&answer, codec, &told, &err), HOR_OK, "which reads it: %s", err.text);
    is(told.run_id, "run & 1", "the run");
    check_told(&told, items, count, "by gSOAP");
    hor_soap_told_done(&told);

    replace(&answer, "run &amp; 1", "run-1");
    is_int(hor_soap_events_read_own(&answer, codec, &told), HOR_OK, "our own form");
    is(told.run_id, "run-1", "the run");
    check_told(&told, items, count, "by our reader");
    hor_soap_told_done(&told);

    check_foreign(&answer, "agt", "xyz", items, count);
    check_foreign(&answer, "</agt:runId>", "</agt:runId>\n ", items, count);
    if (count > 0) {
        check_foreign(&answer, "<agt:event index=", "<agt:event  index=", items, count);
        check_foreign(&answer, " type=\"", " newer=\"?\" type=\"", items, count);
        check_foreign(&answer, "Ended\" order=", "Ended\" newer=\"?\" order=", items, count);
    }
    hor_buf_done(&answer);
}

static void test_unknown(struct hor_event *const *items, size_t count)
{
    struct hor_buf answer = HOR_BUF_INIT;
    struct hor_soap_told told = {.count = 0};
    struct hor_error err = {0};
    write_answer(items, count, &answer);
    replace(&answer, "\"orderAdded\"", "\"orderPraised\"");
    is_int(hor_soap_events_read(&answer, codec, &told, &err), HOR_OK, "a type of a newer program");
    ok(told.count == count - 1 && told.told == count && told.unknown == 1, "is left out and counted");
    ok(strstr(told.why.text, "orderPraised") != NULL, "and named: %s", told.why.text);
    hor_soap_told_done(&told);
    replace(&answer, "type=\"externalEvent\"", "type=\"taskLoved\"");
    is_int(hor_soap_events_read(&answer, codec, &told, &err), HOR_OK, "also as the last one");
    is_int((long long)told.last, 2, "whose index counts");
    hor_soap_told_done(&told);
    hor_buf_done(&answer);
}

/* Cut at every place, and with every byte changed: an error or fewer events, never more. */
static void test_damage(struct hor_event *const *items, size_t count)
{
    struct hor_buf answer = HOR_BUF_INIT;
    size_t taken = 0, more = 0;
    write_answer(items, count, &answer);
    replace(&answer, "run &amp; 1", "run-1");
    for (size_t cut = 0; cut < answer.len; cut++) {
        struct hor_soap_told told = {.count = 0};
        struct hor_buf part = HOR_BUF_INIT;
        hor_buf_add(&part, answer.data, cut);
        taken += hor_soap_events_read_own(&part, codec, &told) == HOR_OK;
        hor_soap_told_done(&told);
        hor_buf_done(&part);
    }
    is_int((long long)taken, 0, "an answer that was cut off is none");
    static const char bad[] = {'<', '>', '"', '\0', '&', '/', ' ', 'x'};
    for (size_t i = 0; i < answer.len; i++)
        for (size_t b = 0; b < sizeof bad; b++) {
            struct hor_soap_told told = {.count = 0};
            char kept = answer.data[i];
            answer.data[i] = bad[b];
            more += hor_soap_events_read_own(&answer, codec, &told) == HOR_OK && told.count != count;
            hor_soap_told_done(&told);
            answer.data[i] = kept;
        }
    is_int((long long)more, 0, "no changed byte loses or makes an event in silence");
    hor_buf_done(&answer);
}

int main(void)
{
    struct hor_event *items[] = {plain_event(), rich_event(), spaces_event()};
    test_forms(items, 3);
    test_forms(items, 1);
    test_forms(items, 0);
    test_unknown(items, 3);
    test_damage(items, 3);
    for (size_t i = 0; i < 3; i++)
        hor_event_free(items[i]);
    return done_testing();
}
