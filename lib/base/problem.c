#include "lib/base/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

const char *hor_severity_name(enum hor_severity severity)
{
    return severity == HOR_SEVERITY_ERROR ? "error" : "warning";
}

static void problem_done(struct hor_problem *problem)
{
    free(problem->file);
    free(problem->object);
    free(problem->text);
    free(problem->remedy);
}

static bool same(const struct hor_problem *a, const struct hor_problem *b)
{
    return a->line == b->line && hor_str_equal(a->text, b->text) && hor_str_equal(a->file, b->file);
}

void hor_problems_add(struct hor_problems *list, enum hor_severity severity, const char *file,
                      int line, const char *object, const char *remedy, const char *format, ...)
{
    if (list == NULL)
        return;
    if (severity == HOR_SEVERITY_ERROR)
        list->errors++;
    if (list->count >= HOR_PROBLEMS_MAX) {
        list->left_out++;
        return;
    }
    char text[4000]; /* types.xsd: Text */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    struct hor_problem added = {.severity = severity,
                                .file = hor_strdup(file),
                                .line = line,
                                .object = hor_strdup(object),
                                .text = hor_strdup(text),
                                .remedy = hor_strdup(remedy)};
    bool complete = added.text != NULL && (file == NULL || added.file != NULL) &&
                    (object == NULL || added.object != NULL) &&
                    (remedy == NULL || added.remedy != NULL);
    /* the parser tells some faults twice, once for each of its parts */
    if (complete && list->count > 0 && same(&list->items[list->count - 1], &added)) {
        problem_done(&added);
        if (severity == HOR_SEVERITY_ERROR)
            list->errors--;
        return;
    }
    struct hor_problem *items = list->items;
    if (complete && (list->count & (list->count - 1)) == 0)
        items = realloc(list->items, (list->count == 0 ? 1 : 2 * list->count) * sizeof *items);
    if (!complete || items == NULL) {
        problem_done(&added);
        if (!list->failed && severity == HOR_SEVERITY_WARNING)
            list->errors++;
        list->failed = true;
        return;
    }
    list->items = items;
    items[list->count++] = added;
}

static int text_order(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b);
}

void hor_problems_sort(struct hor_problems *list)
{
    /* insertion: lists are short, nearly sorted, and equal ones must keep their order */
    for (size_t i = 1; i < list->count; i++) {
        struct hor_problem moved = list->items[i];
        size_t at = i;
        for (; at > 0; at--) {
            const struct hor_problem *before = &list->items[at - 1];
            int order = text_order(before->file, moved.file);
            if (order < 0 || (order == 0 && before->line <= moved.line))
                break;
            list->items[at] = list->items[at - 1];
        }
        list->items[at] = moved;
    }
}

void hor_problem_write(const struct hor_problem *problem, struct hor_buf *out)
{
    if (problem->file != NULL && problem->line > 0)
        hor_buf_printf(out, "%s:%d: ", problem->file, problem->line);
    else if (problem->file != NULL)
        hor_buf_printf(out, "%s: ", problem->file);
    hor_buf_printf(out, "%s: ", hor_severity_name(problem->severity));
    if (problem->object != NULL)
        hor_buf_printf(out, "%s: ", problem->object);
    hor_buf_puts(out, problem->text);
    if (problem->remedy != NULL)
        hor_buf_printf(out, "; %s", problem->remedy);
}

void hor_problems_done(struct hor_problems *list)
{
    for (size_t i = 0; i < list->count; i++)
        problem_done(&list->items[i]);
    free(list->items);
    *list = (struct hor_problems){0};
}
