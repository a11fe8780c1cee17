/* Rendering: sheets of one folder, made anew when a file changed, with nothing else in reach. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "lib/xml/xslt.h"
#include "tests/lib/tap.h"

#define OPEN "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>"
#define CLOSE "</xsl:stylesheet>"
#define TEXT "<xsl:output method='text'/>"

static const char *folder;

static void sheet(const char *name, const char *text)
{
    char *path = hor_path_join(folder, name);
    if (path == NULL || hor_file_write_atomic(path, text, strlen(text), 0600, NULL) != HOR_OK)
        abort();
    free(path);
}

static int code_of;
/* The result, or the message. To be freed. */
static char *apply(struct hor_xslt *xslt, const char *name, const char *xml,
                   const char *const *parameters)
{
    struct hor_buf out = HOR_BUF_INIT;
    struct hor_error err = {0};
    code_of = hor_xslt_apply(xslt, name, xml, strlen(xml), parameters, &out, &err);
    if (code_of != HOR_OK) {
        hor_buf_done(&out);
        return hor_strdup(err.text);
    }
    hor_buf_puts(&out, "");
    return hor_buf_take(&out);
}

static void test_apply(struct hor_xslt *xslt)
{
    sheet("part.xsl", OPEN "<xsl:template name='hello'>Hello, <xsl:value-of select='$who'/>!"
                           "</xsl:template>" CLOSE);
    sheet("hello.xsl", OPEN "<xsl:import href='part.xsl'/>" TEXT "<xsl:param name='who'/>"
                            "<xsl:template match='/'><xsl:call-template name='hello'/><xsl:text> </xsl:text>"
                            "<xsl:value-of select='/a/@x'/></xsl:template>" CLOSE);
    const char *parameters[] = {"who", "'\"<&> Anna", NULL};
    char *text = apply(xslt, "hello.xsl", "<a x='1'/>", parameters);
    is(text, "Hello, '\"<&> Anna! 1", "a document is rendered, parameters are only text");
    free(text);
    sheet("part.xsl", OPEN "<xsl:template name='hello'>Bye, <xsl:value-of select='$who'/>."
                           "</xsl:template>" CLOSE);
    text = apply(xslt, "hello.xsl", "<a x='1'/>", parameters);
    is(text, "Bye, '\"<&> Anna. 1", "an import that changed is seen");
    free(text);
    sheet("html.xsl", OPEN "<xsl:output method='html' media-type='text/html'/><xsl:template match='/'>"
                           "<p title='{/a}'><xsl:value-of select='/a'/></p></xsl:template>" CLOSE);
    text = apply(xslt, "html.xsl", "<a>&lt;script>&quot;</a>", NULL);
    ok(strstr(text, "<script") == NULL, "markup of the document stays text");
    free(text);
    char type[40];
    ok(hor_xslt_media_type(xslt, "html.xsl", type, sizeof type, NULL) == HOR_OK, "a media type");
    is(type, "text/html", "of its output");
}

static void fails(struct hor_xslt *xslt, const char *name, const char *xml, int code,
                  const char *part, const char *what)
{
    char *text = apply(xslt, name, xml, NULL);
    is_int(code_of, code, "%s", what);
    like(text, part, "%s: told", what);
    free(text);
}

static void test_faults(struct hor_xslt *xslt)
{
    fails(xslt, "none.xsl", "<a/>", HOR_ERR_NOT_FOUND, "no style sheet 'none.xsl'", "no sheet");
    fails(xslt, "../x.xsl", "<a/>", HOR_ERR_NOT_FOUND, "no style sheet", "a path is no sheet");
    sheet("broken.xsl", OPEN "<xsl:template match='/'>");
    fails(xslt, "broken.xsl", "<a/>", HOR_ERR_INVALID, "style sheet 'broken.xsl': line 1", "broken XML");
    sheet("wrong.xsl", OPEN "<xsl:template match='/'><xsl:value-of select='1 +'/></xsl:template>" CLOSE);
    fails(xslt, "wrong.xsl", "<a/>", HOR_ERR_INVALID, "style sheet 'wrong.xsl'", "a wrong expression");
    sheet("stop.xsl", OPEN "<xsl:template match='/'><xsl:message terminate='yes'>no orders"
                           "</xsl:message></xsl:template>" CLOSE);
    fails(xslt, "stop.xsl", "<a/>", HOR_ERR_INVALID, "no orders", "a message that ends it");
    sheet("loop.xsl", OPEN "<xsl:template match='/' name='l'><xsl:call-template name='l'/>"
                           "</xsl:template>" CLOSE);
    fails(xslt, "loop.xsl", "<a/>", HOR_ERR_INVALID, "style sheet 'loop.xsl'", "a loop");
    fails(xslt, "stop.xsl", "<a>", HOR_ERR_INVALID, "document: line 1", "a broken document");
    fails(xslt, "stop.xsl", "<!DOCTYPE a><a/>", HOR_ERR_INVALID, "DOCTYPE", "a DOCTYPE");
}

static void test_reach(struct hor_xslt *xslt)
{
    char *outside = hor_str_printf("%s/../outside.xml", folder);
    hor_file_write_atomic(outside, "<secret>42</secret>", 19, 0600, NULL);
    sheet("near.xml", "<near>7</near>");
    sheet("read.xsl", OPEN TEXT "<xsl:param name='file'/><xsl:template match='/'>[<xsl:value-of "
                                "select='document($file)'/>]</xsl:template>" CLOSE);
    const char *near_file[] = {"file", "near.xml", NULL};
    const char *far[] = {"file", outside, NULL};
    const char *net[] = {"file", "http://127.0.0.1:1/x.xml", NULL};
    char *text = apply(xslt, "read.xsl", "<a/>", near_file);
    is(text, "[7]", "a file of the folder can be read");
    free(text);
    text = apply(xslt, "read.xsl", "<a/>", far);
    ok(strstr(text, "42") == NULL, "no file outside: %s", text);
    free(text);
    text = apply(xslt, "read.xsl", "<a/>", net);
    ok(code_of != HOR_OK || strcmp(text, "[]") == 0, "no network: %s", text);
    free(text);
    sheet("write.xsl", "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform' "
                       "xmlns:exsl='http://exslt.org/common' extension-element-prefixes='exsl'>"
                       "<xsl:template match='/'><exsl:document href='made.xml'><x/></exsl:document>"
                       "</xsl:template>" CLOSE);
    text = apply(xslt, "write.xsl", "<a/>", NULL);
    char *made = hor_path_join(folder, "made.xml");
    ok(access(made, F_OK) != 0 && access("made.xml", F_OK) != 0, "nothing is written: %s", text);
    free(text);
    free(made);
    free(outside);
}

int main(void)
{
    char *path = hor_path_join(hor_tap_tmpdir(), "sheets");
    if (path == NULL || hor_dir_make(path, 0700, NULL) != HOR_OK)
        return 1;
    folder = path;
    struct hor_xslt *xslt = NULL;
    struct hor_error err = {0};
    ok(hor_xslt_open("/does/not/exist", &xslt, &err) == HOR_ERR_NOT_FOUND, "no folder");
    ok(hor_xslt_open(folder, &xslt, &err) == HOR_OK, "a folder: %s", err.text);
    test_apply(xslt);
    test_faults(xslt);
    test_reach(xslt);
    hor_xslt_close(xslt);
    hor_xslt_close(NULL);
    free(path);
    return done_testing();
}
