#include "lib/model/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "tests/lib/tap.h"

static struct hor_event *read_text(const char *xml, struct hor_error *err)
{
    struct hor_event *event = NULL;
    char *exact = malloc(strlen(xml) + 1); /* exact, so that a sanitizer sees any step beyond */
    memcpy(exact, xml, strlen(xml));
    hor_event_read(exact, strlen(xml), &event, err);
    free(exact);
    return event;
}

static char *written(const struct hor_event *event)
{
    struct hor_buf out = HOR_BUF_INIT;
    hor_event_write(event, &out);
    return hor_buf_take(&out);
}

static void test_round_trip(void)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_TASK_ENDED, 17);
    int64_t number = -3;
#define FILL_S(member) hor_event_set(&event->member, "a<b>&\"'\t\r\n \xC3\xA9 " #member)
#define FILL_N(member) event->member = number *= -7
#define FILL_T(member) event->member = 1795575600123456 + (number *= -7)
#define FILL(member, attribute, kind) FILL_##kind(member);
    HOR_EVENT_FIELDS(FILL)
    hor_event_set(&event->text, "two\nlines & <more>");
    hor_arguments_add(&event->arguments, "day", " 2026-11-24\n", false);
    hor_arguments_add(&event->arguments, "empty", "", false);
    hor_arguments_add(&event->arguments, "password", "s3cret", true);
    char *first = written(event);
    ok(strchr(first, '\n') == NULL, "an event is one line");
    struct hor_error err;
    struct hor_event *again = read_text(first, &err);
    if (!ok(again != NULL, "every field is read again"))
        diag("%s", err.text);
    char *second = again != NULL ? written(again) : NULL;
    is(second, first, "and written the same");
    is(again->cause, event->cause, "white space and markup in a field are kept");
    is(again->text, event->text, "the text is kept");
    is(hor_arguments_get(&again->arguments, "day"), " 2026-11-24\n", "an argument is kept");
    is(hor_arguments_get(&again->arguments, "empty"), "", "an empty argument is kept");
    ok(again->arguments.items[2].secret && !again->arguments.items[0].secret, "secret is kept");
    is_int(again->at_us, 0, "the time stands on the journal's entry");
    struct hor_event *copy = hor_event_copy(again);
    char *third = written(copy);
    is(third, first, "a copy is the same");
    hor_event_free(copy);
    hor_event_free(again);
    hor_event_free(event);
    free(first);
    free(second);
    free(third);

    event = hor_event_new(HOR_EVENT_ORDER_STARTED, 0);
    hor_event_set(&event->order, "");
    hor_event_set(&event->text, "  ");
    first = written(event);
    is(first, "<orderStarted order=\"\">&#32; </orderStarted>", "spaces alone stay a text");
    again = read_text(first, &err);
    is(again->text, "  ", "and are read as one");
    is(again->order, "", "an empty field is not an absent one");
    ok(again->node == NULL && again->pid == HOR_EVENT_NONE, "absent fields stay absent");
    hor_event_free(again);
    hor_event_free(event);
    free(first);
    for (int i = 0; i < (int)HOR_EVENT_TYPES; i++) {
        event = hor_event_new((enum hor_event_type)i, 0);
        first = written(event);
        again = read_text(first, &err);
        enum hor_event_type type;
        if (again == NULL || again->type != event->type ||
            hor_event_type_from_name(hor_event_type_name(event->type), &type) != HOR_OK ||
            type != event->type)
            ok(false, "type %s", hor_event_type_name(event->type));
        hor_event_free(event);
        hor_event_free(again);
        free(first);
    }
}

static void test_equivalent(void)
{
    struct hor_error err;
    struct hor_event *event = read_text(
        "\n <orderAdded\n\torder = 'eod&#45;1'  chain=\"/e&#x6F;d\" priority=' +5 ' "
        "xmlns=\"urn:horarium:journal:1\" plannedAt='2026-11-24T04:00:00+01:00' >\n  "
        "<argument secret='0' name='a'>1\r\n2\r3</argument >\n <argument name='b'/></orderAdded >\n",
        &err);
    if (!ok(event != NULL, "other spellings of an element are read"))
        diag("%s", err.text);
    else {
        is(event->order, "eod-1", "a decimal reference");
        is(event->chain, "/eod", "a hexadecimal reference");
        is_int(event->priority, 5, "a number with a sign and spaces");
        is_int(event->planned_at, 1795489200000000, "a time with an offset");
        is(hor_arguments_get(&event->arguments, "a"), "1\n2\n3", "line ends are normalised");
        ok(event->text == NULL, "space between elements is no text");
    }
    hor_event_free(event);
}

static void test_refusals(void)
{
    static const char *const bad[] = {
        "",
        "<",
        "orderStarted",
        "<orderStarted",
        "<orderStarted/",
        "<orderStarted>",
        "<orderStarted></orderstarted>",
        "<orderStarted></orderStarted",
        "<nothingKnown/>",
        "<j:orderStarted/>",
        "<orderStarted order/>",
        "<orderStarted order=/>",
        "<orderStarted order=x/>",
        "<orderStarted order=\"x/>",
        "<orderStarted order=\"x\"node=\"y\"/>",
        "<orderStarted order=\"x\" order=\"y\"/>",
        "<orderStarted colour=\"x\"/>",
        "<orderStarted order=\"&unknown;\"/>",
        "<orderStarted order=\"&#0;\"/>",
        "<orderStarted order=\"&#xD800;\"/>",
        "<orderStarted order=\"&#x110000;\"/>",
        "<orderStarted order=\"&#99999999999999999999;\"/>",
        "<orderStarted order=\"&#;\"/>",
        "<orderStarted order=\"a & b\"/>",
        "<orderStarted order=\"a<b\"/>",
        "<orderStarted order=\"\x01\"/>",
        "<orderStarted order=\"\xC3\"/>",
        "<orderStarted order=\"\xC0\x80\"/>",
        "<orderStarted order=\"\xED\xA0\x80\"/>",
        "<orderStarted pid=\"\"/>",
        "<orderStarted pid=\"1x\"/>",
        "<orderStarted pid=\"+-1\"/>",
        "<orderStarted pid=\"9223372036854775808\"/>",
        "<orderStarted pid=\"-9223372036854775808\"/>",
        "<orderStarted dueAt=\"2026-11-24T03:00:00\"/>",
        "<orderStarted dueAt=\"2026-02-30T03:00:00Z\"/>",
        "<orderStarted><argument/></orderStarted>",
        "<orderStarted><argument name=\"a\" name=\"b\"/></orderStarted>",
        "<orderStarted><argument name=\"a\" secret=\"perhaps\"/></orderStarted>",
        "<orderStarted><argument name=\"a\"/><argument name=\"a\"/></orderStarted>",
        "<orderStarted><argument name=\"a\"><b/></argument></orderStarted>",
        "<orderStarted><other/></orderStarted>",
        "<orderStarted><!-- no --></orderStarted>",
        "<orderStarted><![CDATA[no]]></orderStarted>",
        "<orderStarted/><orderStarted/>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><orderStarted/>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hor_error err = {0};
        struct hor_event *event = read_text(bad[i], &err);
        ok(event == NULL && err.code == HOR_ERR_INVALID && strncmp(err.text, "event: byte ", 12) == 0,
           "refused: %s (%s)", bad[i], err.text);
        hor_event_free(event);
    }
    const char whole[] = "<orderAdded order=\"&#x41;\" pid=\"1\"><argument name=\"a\">v</argument>t"
                         "</orderAdded>";
    bool quiet = true;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        char *part = hor_str_printf("%.*s", (int)len, whole);
        struct hor_error err;
        struct hor_event *event = read_text(part, &err);
        quiet = quiet && event == NULL;
        hor_event_free(event);
        free(part);
    }
    ok(quiet, "every cut of an event is refused");

    struct hor_buf many = HOR_BUF_INIT;
    hor_buf_puts(&many, "<orderAdded>");
    for (int i = 0; i < 1001; i++)
        hor_buf_printf(&many, "<argument name=\"a%d\"/>", i);
    hor_buf_puts(&many, "</orderAdded>");
    struct hor_error err;
    struct hor_event *event = NULL;
    is_int(hor_event_read(many.data, many.len, &event, &err), HOR_ERR_LIMIT,
           "more than 1,000 arguments pass a limit");
    hor_buf_done(&many);
}

static void test_arguments(void)
{
    struct hor_arguments list = {0}, copy = {0};
    hor_arguments_add(&list, "a", "1", false);
    hor_arguments_add(&list, "b", NULL, true);
    hor_arguments_add(&list, "a", "2", false);
    is_int(list.count, 2, "a name stands once");
    is(hor_arguments_get(&list, "a"), "2", "the later value counts");
    is(hor_arguments_get(&list, "b"), "", "no value is an empty one");
    ok(hor_arguments_get(&list, "c") == NULL, "an unknown name has none");
    ok(hor_arguments_copy(&copy, &list) == HOR_OK && copy.count == 2 && copy.items[1].secret,
       "a copy has them all");
    hor_arguments_done(&list);
    hor_arguments_done(&list);
    is(hor_arguments_get(&copy, "a"), "2", "a copy stands alone");
    hor_arguments_done(&copy);
}

static void test_schema(void)
{
    struct hor_buf schema = HOR_BUF_INIT;
    char *path = hor_path_join(hor_tap_srcdir(), "xsd/event.xsd");
    struct hor_error err = {0};
    if (!ok(hor_file_read(path, 1 << 20, &schema, &err) == HOR_OK, "xsd/event.xsd is there"))
        diag("%s", err.text);
    free(path);
    const char *text = hor_buf_text(&schema);
    for (int i = 0; i < (int)HOR_EVENT_TYPES; i++) {
        const char *name = hor_event_type_name((enum hor_event_type)i);
        char *element = hor_str_printf("<xsd:element name=\"%s\"", name);
        char *ref = hor_str_printf("<xsd:element ref=\"%s\"", name);
        if (strstr(text, element) == NULL || strstr(text, ref) == NULL)
            ok(false, "the schema lacks the event %s", name);
        free(element);
        free(ref);
    }
#define KNOWN(member, attribute, kind)                                                             \
    if (strstr(text, "<xsd:attribute name=\"" attribute "\"") == NULL)                             \
        ok(false, "the schema lacks the attribute %s", attribute);
    HOR_EVENT_FIELDS(KNOWN)
    hor_buf_done(&schema);
}

int main(void)
{
    test_schema();
    test_round_trip();
    test_equivalent();
    test_refusals();
    test_arguments();
    return done_testing();
}
