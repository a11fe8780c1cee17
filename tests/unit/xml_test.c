/* XML as Horarium takes it: no DOCTYPE, limits, schemas, streaming, canonical form. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "tests/lib/tap.h"

static int parse(const char *text, struct hor_xml_doc **ret, struct hor_error *err)
{
    return hor_xml_parse("t.xml", text, strlen(text), NULL, NULL, ret, err);
}

static void test_document(void)
{
    static const char text[] = "<?xml version=\"1.0\"?>\n<a xmlns=\"urn:a\" n='5' t=\"true\" e=\"\" "
                               "q=\"&lt;&#65;&amp;&quot;\">\n  <b/>x<!-- c --><c>1<![CDATA[<2>]]>"
                               "<d>3</d></c>\n  <b i='2'/></a>";
    struct hor_xml_doc *doc;
    struct hor_error err = {0};
    is_int(parse(text, &doc, &err), HOR_OK, "a document is read");
    const struct hor_xml_node *root = hor_xml_root(doc);
    is(hor_xml_name(root), "a", "its name");
    is(hor_xml_namespace(root), "urn:a", "its namespace");
    is_int(hor_xml_line(root), 2, "its line");
    is(hor_xml_attribute(root, "q"), "<A&\"", "an attribute, decoded");
    is(hor_xml_attribute(root, "e"), "", "an empty attribute");
    ok(hor_xml_attribute(root, "x") == NULL, "no attribute");
    is_int(hor_xml_attribute_int(root, "n", 7), 5, "a number");
    is_int(hor_xml_attribute_int(root, "q", 7), 7, "no number");
    ok(hor_xml_attribute_bool(root, "t", false), "a truth");
    const struct hor_xml_node *b = hor_xml_child(root, "b");
    ok(hor_xml_next(b, "b") != NULL && hor_xml_next(hor_xml_next(b, "b"), NULL) == NULL, "a walk");
    is_int(hor_xml_line(hor_xml_next(b, "b")), 4, "the line of a child");
    struct hor_buf out = HOR_BUF_INIT;
    hor_xml_text(hor_xml_child(root, "c"), &out);
    is(hor_buf_text(&out), "1<2>3", "all text below");
    hor_buf_clear(&out);
    is_int(hor_xml_canonical(hor_xml_child(root, "c"), &out, &err), HOR_OK, "a canonical form");
    is(hor_buf_text(&out), "<c xmlns=\"urn:a\">1&lt;2&gt;<d>3</d></c>", "stands alone");
    hor_buf_done(&out);
    hor_xml_doc_free(doc);
}

static void test_canonical_is_one(void)
{
    static const char *const forms[] = {"<a y='1'   x='2'><b/></a>",
                                        "<?xml version='1.0'?><a x=\"2\" y=\"1\"><b></b></a>\n",
                                        "<a x='&#50;' y='1'><b\n/></a>"};
    for (size_t i = 0; i < 3; i++) {
        struct hor_xml_doc *doc;
        struct hor_buf out = HOR_BUF_INIT;
        if (parse(forms[i], &doc, NULL) != HOR_OK)
            abort();
        hor_xml_canonical(hor_xml_root(doc), &out, NULL);
        is(hor_buf_text(&out), "<a x=\"2\" y=\"1\"><b></b></a>", "equal content, equal bytes");
        hor_buf_done(&out);
        hor_xml_doc_free(doc);
    }
}

static int count_start(const char *name, const char *uri, const struct hor_xml_attributes *a,
                       int line, void *ctx)
{
    (void)name, (void)uri, (void)a, (void)line;
    ++*(int *)ctx;
    return HOR_OK;
}

static void refused(const char *text, size_t len, int code, const char *part, const char *what)
{
    struct hor_xml_doc *doc = NULL;
    struct hor_error err = {0};
    is_int(hor_xml_parse("t.xml", text, len, NULL, NULL, &doc, &err), code, "%s", what);
    like(err.text, part, "%s: told", what);
    ok(doc == NULL, "%s: nothing is given", what);
    int starts = 0;
    struct hor_xml_scan count = {.start = count_start};
    is_int(hor_xml_scan("t.xml", text, len, 0, NULL, &count, &starts, NULL, &err), code,
           "%s, streaming", what);
    like(err.text, part, "%s, streaming: told", what);
}

static void refused_text(const char *text, const char *part, const char *what)
{
    refused(text, strlen(text), HOR_ERR_INVALID, part, what);
}

static void test_refusals(void)
{
    static const char doctype[] = "line 1: a document type declaration (DOCTYPE) is not allowed";
    refused_text("<!DOCTYPE a><a/>", doctype, "a DOCTYPE");
    refused_text("<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a/>", doctype, "an external DTD");
    refused_text("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", doctype,
                 "an external entity");
    refused_text("<!DOCTYPE a [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><a/>", doctype,
                 "a parameter entity");
    refused_text("<a>&x;</a>", "Entity 'x' not defined", "an entity that nobody declared");
    refused_text("<a><b></a>", "Opening and ending tag mismatch", "tags that do not match");
    refused_text("", "Document is empty", "nothing");
    refused_text("<a/><b/>", "Extra content", "two roots");
    refused_text("<a x='1' x='2'/>", "Attribute x redefined", "an attribute twice");
    refused_text("<p:a/>", "Namespace prefix p", "an unknown prefix");
    refused_text("<a>\x01</a>", "line 1", "a control character");
    refused_text("<a>\xff\xfe</a>", "not proper UTF-8", "a wrong encoding");
    refused("<a>\0</a>", 8, HOR_ERR_INVALID, "line 1", "a zero byte");
    struct hor_buf deep = HOR_BUF_INIT;
    for (int i = 0; i < 101; i++)
        hor_buf_puts(&deep, "<a>");
    for (int i = 0; i < 101; i++)
        hor_buf_puts(&deep, "</a>");
    refused(deep.data, deep.len, HOR_ERR_LIMIT, "elements are nested more than 100 deep", "depth 101");
    struct hor_xml_doc *doc = NULL;
    ok(hor_xml_parse("t.xml", deep.data + 3, deep.len - 7, NULL, NULL, &doc, NULL) == HOR_OK,
       "depth 100 is taken");
    hor_xml_doc_free(doc);
    hor_buf_done(&deep);
    struct hor_buf large = HOR_BUF_INIT;
    hor_buf_puts(&large, "<a>");
    for (int i = 0; i < 16 * 1024 + 1; i++)
        hor_buf_printf(&large, "<b>%01017d</b>", i);
    hor_buf_puts(&large, "</a>");
    refused(large.data, large.len, HOR_ERR_LIMIT, "more than 16 MiB", "more than 16 MiB");
    hor_buf_done(&large);
}

static void test_xinclude(void)
{
    struct hor_xml_doc *doc;
    if (parse("<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd' "
              "parse='text'/></a>",
              &doc, NULL) != HOR_OK)
        abort();
    struct hor_buf out = HOR_BUF_INIT;
    hor_xml_text(hor_xml_root(doc), &out);
    is(hor_buf_text(&out), "", "XInclude is not followed");
    hor_buf_done(&out);
    hor_xml_doc_free(doc);
}

static char *write_file(const char *name, const char *text)
{
    char *path = hor_path_join(hor_tap_tmpdir(), name);
    if (path == NULL || hor_file_write_atomic(path, text, strlen(text), 0600, NULL) != HOR_OK)
        abort();
    return path;
}

#define SCHEMA_OPEN "<xsd:schema xmlns:xsd='http://www.w3.org/2001/XMLSchema' xmlns='urn:t' "       \
                    "targetNamespace='urn:t' elementFormDefault='qualified'>"

static void test_schema(void)
{
    free(write_file("part.xsd", SCHEMA_OPEN "<xsd:simpleType name='N'><xsd:restriction base='xsd:int'>"
                                            "<xsd:maxInclusive value='9'/></xsd:restriction>"
                                            "</xsd:simpleType></xsd:schema>"));
    char *file = write_file("t.xsd", SCHEMA_OPEN "<xsd:include schemaLocation='part.xsd'/><xsd:element "
                                                 "name='a'><xsd:complexType><xsd:sequence><xsd:element "
                                                 "name='b' type='N' maxOccurs='9'/></xsd:sequence>"
                                                 "</xsd:complexType></xsd:element></xsd:schema>");
    struct hor_error err = {0};
    const struct hor_xml_schema *schema = hor_xml_schema_load(file, &err);
    ok(schema != NULL, "a schema with an include is compiled: %s", err.text);
    ok(hor_xml_schema_load(file, &err) == schema, "once");
    static const char good[] = "<a xmlns='urn:t'><b>1</b></a>";
    static const char bad[] = "<a xmlns='urn:t'>\n<b>1</b>\n<b>10</b>\n<c/></a>";
    struct hor_xml_doc *doc = NULL;
    ok(hor_xml_parse("g", good, strlen(good), schema, NULL, &doc, &err) == HOR_OK, "a valid one");
    hor_xml_doc_free(doc);
    doc = NULL;
    struct hor_problems whole = {0}, stream = {0};
    ok(hor_xml_parse("bad", bad, strlen(bad), schema, &whole, &doc, &err) == HOR_ERR_INVALID &&
           doc == NULL,
       "an invalid one");
    like(err.text, "bad: line 3: Element 'b': [facet 'maxInclusive'] The value '10' is greater than "
                   "the maximum value allowed ('9')",
         "and its first fault");
    int starts = 0;
    struct hor_xml_scan count = {.start = count_start};
    is_int(hor_xml_scan("bad", bad, strlen(bad), 0, schema, &count, &starts, &stream, &err),
           HOR_ERR_INVALID, "the same, streaming");
    bool same = whole.count == stream.count && whole.count >= 2;
    for (size_t i = 0; same && i < whole.count; i++)
        same = strcmp(whole.items[i].text, stream.items[i].text) == 0 &&
               whole.items[i].line == stream.items[i].line;
    ok(same, "with the same faults at the same lines");
    hor_problems_done(&whole);
    hor_problems_done(&stream);
    free(file);
    file = write_file("away.xsd", SCHEMA_OPEN "<xsd:include schemaLocation='../../../etc/passwd'/>"
                                              "</xsd:schema>");
    ok(hor_xml_schema_load(file, &err) == NULL, "a schema reads nothing outside of its folder");
    like(err.text, "must not be read", "and says so: %s", err.text);
    free(file);
    ok(hor_xml_schema_load("/does/not/exist.xsd", &err) == NULL && err.code == HOR_ERR_NOT_FOUND,
       "no schema");
}

struct log {
    struct hor_buf text;
    int stop_at;
};

static int log_start(const char *name, const char *uri, const struct hor_xml_attributes *a,
                     int line, void *ctx)
{
    struct log *log = ctx;
    const char *x = hor_xml_attribute_of(a, "x"), *y = hor_xml_attribute_of(a, "y");
    hor_buf_printf(&log->text, "%d<%s %s %s=%s>", line, name, uri, x == NULL ? "-" : x,
                   y == NULL ? "-" : y);
    return line == log->stop_at ? HOR_ERR_BUSY : HOR_OK;
}

static int log_end(const char *name, const char *uri, int line, void *ctx)
{
    (void)uri;
    hor_buf_printf(&((struct log *)ctx)->text, "%d</%s>", line, name);
    return HOR_OK;
}

static int log_text(const char *text, size_t len, void *ctx)
{
    hor_buf_add(&((struct log *)ctx)->text, text, len);
    return HOR_OK;
}

static void test_scan(void)
{
    static const char text[] =
        "<a xmlns='urn:t' xmlns:q='urn:q' q:x='no' y='&amp;&#x41;'>\n<b x='' y='2'><![CDATA[<>]]>&lt;</b>\n</a>";
    static const struct hor_xml_scan handlers = {log_start, log_end, log_text};
    struct log log = {0};
    struct hor_error err = {0};
    is_int(hor_xml_scan("t", text, strlen(text), 0, NULL, &handlers, &log, NULL, &err), HOR_OK,
           "a scan");
    is(hor_buf_text(&log.text), "1<a urn:t -=&A>\n2<b urn:t =2><><2</b>\n3</a>", "what it meets");
    hor_buf_clear(&log.text);
    log.stop_at = 2;
    is_int(hor_xml_scan("t", text, strlen(text), 0, NULL, &handlers, &log, NULL, &err), HOR_ERR_BUSY,
           "a handler ends it");
    is(hor_buf_text(&log.text), "1<a urn:t -=&A>\n2<b urn:t =2>", "at once");
    hor_buf_done(&log.text);
}

static void test_encodings(void)
{
    static const char latin[] = "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>";
    struct hor_xml_doc *doc = NULL;
    struct hor_buf out = HOR_BUF_INIT;
    struct hor_error err = {0};
    is_int(parse(latin, &doc, &err), HOR_OK, "another encoding");
    hor_xml_text(hor_xml_root(doc), &out);
    is(hor_buf_text(&out), "\xc3\xa4", "becomes UTF-8");
    hor_buf_done(&out);
    hor_xml_doc_free(doc);
}

int main(void)
{
    hor_xml_init();
    test_document();
    test_canonical_is_one();
    test_refusals();
    test_xinclude();
    test_schema();
    test_scan();
    test_encodings();
    return done_testing();
}
