#include "tests/lib/documents.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/config/config.h"
#include "tests/lib/tap.h"

static void give_up(const struct hor_problems *problems, const struct hor_error *err)
{
    for (size_t i = 0; i < problems->count; i++) {
        struct hor_buf text = HOR_BUF_INIT;
        hor_problem_write(&problems->items[i], &text);
        diag("%s", hor_buf_text(&text));
        hor_buf_done(&text);
    }
    diag("the test's own documents do not load: %s", err->text);
    exit(99);
}

static void add_documents(const char *const *documents, struct hor_sources *sources)
{
    setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 0);
    for (; documents[0] != NULL; documents += 2) {
        size_t name = 1 + strcspn(documents[1] + 1, " />");
        char *text = documents[1][0] != '<'
                         ? hor_strdup(documents[1]) /* an iCalendar file */
                         : hor_str_printf("%.*s xmlns=\"urn:horarium:configuration:1\"%s", (int)name,
                                          documents[1], documents[1] + name);
        if (text == NULL || hor_sources_add(sources, documents[0], text, strlen(text)) != 0)
            exit(99);
        free(text);
    }
}

struct hor_config *hor_test_config(const char *const *documents)
{
    struct hor_sources sources = {0};
    struct hor_problems problems = {0};
    struct hor_error err = {0};
    struct hor_config *config = NULL;
    add_documents(documents, &sources);
    if (hor_config_load_sources(&sources, &problems, &config, &err) != HOR_OK)
        give_up(&problems, &err);
    hor_problems_done(&problems);
    hor_sources_done(&sources);
    return config;
}

void hor_test_release(const char *const *documents, int number, struct hor_buf *ret, char sha256[65])
{
    struct hor_sources sources = {0};
    struct hor_problems problems = {0};
    struct hor_error err = {0};
    struct hor_release_info info = {
        .number = number, .created_us = 1700000000000000, .author = "anna"};
    add_documents(documents, &sources);
    if (hor_config_write_release(&sources, &info, ret, sha256, &problems, NULL, &err) != HOR_OK)
        give_up(&problems, &err);
    hor_problems_done(&problems);
    hor_sources_done(&sources);
}
