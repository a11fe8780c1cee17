/* Expressions and templates over the engine's variables: values, checks before use, bounds. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/xml/xpath.h"
#include "tests/lib/tap.h"

static struct hor_xpath_scope *new_scope(void)
{
    static const char nodes[] = "<nodes><node id='load' state='succeeded'><output name='rows'>12"
                                "</output></node><node id='check' state='failed'/></nodes>";
    static const char plan[] = "<plan day='2026-11-24'/>";
    int64_t now_us;
    if (hor_time_parse_us("2026-11-24T03:00:00Z", &now_us) != HOR_OK)
        abort();
    struct hor_xpath_scope *scope = hor_xpath_scope_new(now_us);
    if (hor_xpath_set_xml(scope, "nodes", nodes, strlen(nodes), NULL) != HOR_OK ||
        hor_xpath_set_xml(scope, "plan", plan, strlen(plan), NULL) != HOR_OK ||
        hor_xpath_set_text(scope, "source", "/data/in") != HOR_OK)
        abort();
    return scope;
}

static void gives(struct hor_xpath_scope *scope, const char *text, const char *wanted)
{
    struct hor_buf out = HOR_BUF_INIT;
    struct hor_error err = {0};
    int code = hor_template_text(scope, text, &out, &err);
    is(code == HOR_OK ? hor_buf_text(&out) : err.text, wanted, "%s", text);
    hor_buf_done(&out);
}

static void test_templates(struct hor_xpath_scope *scope)
{
    gives(scope, "", "");
    gives(scope, "plain", "plain");
    gives(scope, "{$source}/x", "/data/in/x");
    gives(scope, "{{{$plan/@day}}}", "{2026-11-24}");
    gives(scope, "{$nodes/node[@id='load']/output[@name='rows']}", "12");
    gives(scope, "{concat('}', \"{\")}", "}{");
    gives(scope, "{h:now()}", "2026-11-24T03:00:00.000000Z");
    gives(scope, "{h:date-add($plan/@day, 7)} {h:date-add('2024-02-28', 1)} {h:date-add('2026-01-01', -1)}",
          "2026-12-01 2024-02-29 2025-12-31");
    gives(scope, "{h:date-format('2026-01-02', '%Y%m%d %j %a %b %V %%')}", "20260102 002 Fri Jan 01 %");
    gives(scope, "{h:date-format('2027-01-01', '%V')} {h:date-format('2024-12-30', '%V %j')}",
          "53 01 365");
    gives(scope, "{h:date-format(h:now(), '%H:%M:%S')}", "03:00:00");
    gives(scope, "{count($nodes/node)}", "2");
    gives(scope, "{$none}", "XPath '$none': Undefined variable");
    gives(scope, "a}b", "'a}b': a single '}', write '}}' for a brace");
    gives(scope, "{'x}", "'{'x}': a single '{', write '{{' for a brace");
    gives(scope, "{h:date-add('today', 1)}",
          "XPath 'h:date-add('today', 1)': Invalid operand");
    gives(scope, "{h:date-format('2026-01-01', '%Q')}",
          "XPath 'h:date-format('2026-01-01', '%Q')': Invalid operand");
    struct hor_buf out = HOR_BUF_INIT;
    hor_buf_puts(&out, "kept");
    ok(hor_template_text(scope, "more {$none}", &out, NULL) == HOR_ERR_INVALID, "a failure");
    is(hor_buf_text(&out), "kept", "leaves what stood there");
    hor_buf_done(&out);
}

static void test_tests(struct hor_xpath_scope *scope)
{
    static const struct {
        const char *expression;
        bool wanted;
    } cases[] = {{"$nodes/node[@id='load']/output[@name='rows'] > 0", true},
                 {"$nodes/node[@id='load']/output[@name='rows'] > 12", false},
                 {"$nodes/node[@id='none']", false},
                 {"$source = '/data/in' and not(false())", true},
                 {"0", false},
                 {"''", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool result = !cases[i].wanted;
        struct hor_error err = {0};
        int code = hor_xpath_test(scope, cases[i].expression, &result, &err);
        ok(code == HOR_OK && result == cases[i].wanted, "%s %s", cases[i].expression, err.text);
    }
}

static void test_replaced_variables(struct hor_xpath_scope *scope)
{
    static const char other[] = "<nodes><node id='load'><output name='rows'>13</output></node></nodes>";
    hor_xpath_set_xml(scope, "nodes", other, strlen(other), NULL);
    gives(scope, "{$nodes/node/output}", "13");
    hor_xpath_set_text(scope, "nodes", "text");
    gives(scope, "{$nodes}", "text");
    hor_xpath_scope_set_now(scope, 0);
    gives(scope, "{h:now()}", "1970-01-01T00:00:00.000000Z");
    struct hor_error err = {0};
    ok(hor_xpath_set_xml(scope, "bad", "<!DOCTYPE a><a/>", 16, &err) == HOR_ERR_INVALID,
       "a variable's document is read as safely as any");
}

static bool known(const char *variable, void *ctx)
{
    (void)ctx;
    return strcmp(variable, "rows") == 0;
}

static void test_checks(void)
{
    static const struct {
        const char *expression, *wanted;
    } cases[] = {
        {"$rows > 0 and ($rows) < (5 div (2)) or h:now() = ''", ""},
        {"child::a/text() = '$x unknown(' ", ""},
        {"$ rows", "XPath '$ rows': Expected $ for variable reference at position 2"},
        {"$row > 0", "XPath '$row > 0': unknown variable $row"},
        {"$rows >", "XPath '$rows >': Invalid expression at position 8"},
        {"document('x')", "XPath 'document('x')': unknown function document()"},
        {"h:then()", "XPath 'h:then()': unknown function h:then()"},
        {"", "XPath '': Invalid expression at position 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hor_error err = {0};
        hor_xpath_check(cases[i].expression, known, NULL, &err);
        is(err.text, cases[i].wanted, "check %s", cases[i].expression);
    }
    struct hor_error err = {0};
    ok(hor_template_check("a {$rows} {{b}}", known, NULL, &err) == HOR_OK, "a template");
    ok(hor_template_check("a {$row}", known, NULL, &err) == HOR_ERR_INVALID, "with a wrong variable");
    ok(hor_xpath_check("$anything", NULL, NULL, &err) == HOR_OK, "any variable when none are told");
    char *long_text = malloc(5001);
    memset(long_text, '1', 5000);
    long_text[5000] = '\0';
    ok(hor_xpath_check(long_text, NULL, NULL, &err) == HOR_ERR_LIMIT, "a limit of length");
    free(long_text);
}

static void test_bounds(struct hor_xpath_scope *scope)
{
    /* each predicate multiplies the steps */
    struct hor_buf xml = HOR_BUF_INIT;
    hor_buf_puts(&xml, "<r>");
    for (int i = 0; i < 2000; i++)
        hor_buf_puts(&xml, "<a/>");
    hor_buf_puts(&xml, "</r>");
    hor_xpath_set_xml(scope, "r", xml.data, xml.len, NULL);
    hor_buf_done(&xml);
    bool result;
    struct hor_error err = {0};
    ok(hor_xpath_test(scope, "count($r/a[count($r/a[count($r/a) > 0]) > 0]) > 0", &result, &err) ==
           HOR_ERR_LIMIT,
       "an expression that never ends is ended");
    like(err.text, "takes more than 1000000 steps", "and says so");
    ok(hor_xpath_test(scope, "count($r/a) = 2000", &result, &err) == HOR_OK && result,
       "the next one is counted anew");
    char *deep = malloc(4000);
    memset(deep, '(', 1999);
    deep[1999] = '1';
    memset(deep + 2000, ')', 1999);
    deep[3999] = '\0';
    struct hor_buf number = HOR_BUF_INIT;
    int code = hor_xpath_text(scope, deep, &number, &err);
    ok(code != HOR_OK || strcmp(hor_buf_text(&number), "1") == 0, "depth does no harm");
    hor_buf_done(&number);
    free(deep);
    char *value = malloc(1024 * 1024 + 1);
    memset(value, 'x', 1024 * 1024);
    value[1024 * 1024] = '\0';
    ok(hor_xpath_set_text(scope, "v", value) == HOR_OK, "a large value");
    struct hor_buf out = HOR_BUF_INIT;
    ok(hor_xpath_text(scope, "concat($v, $v)", &out, &err) == HOR_ERR_LIMIT && out.len == 0,
       "a result is bounded");
    hor_buf_done(&out);
    free(value);
}

int main(void)
{
    struct hor_xpath_scope *scope = new_scope();
    test_templates(scope);
    test_tests(scope);
    test_replaced_variables(scope);
    test_checks();
    test_bounds(scope);
    hor_xpath_scope_free(scope);
    hor_xpath_scope_free(NULL);
    return done_testing();
}
