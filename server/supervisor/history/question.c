#include "server/supervisor/history/question.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"

struct question *question_new(const char *sql)
{
    struct question *q = calloc(1, sizeof *q);
    if (q != NULL)
        hor_buf_puts(&q->sql, sql);
    return q;
}

void question_free(struct question *q)
{
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->count; i++)
        free(q->values[i].text);
    hor_buf_done(&q->sql);
    free(q);
}

void question_add(struct question *q, const char *sql)
{
    if (q != NULL)
        hor_buf_puts(&q->sql, sql);
}

static bool add_value(struct question *q, const char *sql, char type)
{
    if (q == NULL || q->failed)
        return false;
    if (q->count == QUESTION_VALUES) {
        q->failed = true;
        return false;
    }
    hor_buf_puts(&q->sql, sql);
    q->types[q->count++] = type;
    return true;
}

void question_text(struct question *q, const char *sql, const char *value)
{
    if (!add_value(q, sql, 's'))
        return;
    q->values[q->count - 1].text = hor_strdup(value);
    if (value != NULL && q->values[q->count - 1].text == NULL)
        q->failed = true;
}

void question_int(struct question *q, const char *sql, int64_t value)
{
    if (add_value(q, sql, 'i'))
        q->values[q->count - 1].number = value;
}

/* SUBSTR compares bytes; LIKE would ignore case in SQLite, and names of folders do not. */
void question_below(struct question *q, const char *sql_before, const char *column,
                    const char *folder)
{
    char sql[160];
    if (strcmp(folder, "/") == 0) {
        question_add(q, sql_before);
        question_add(q, "1 = 1");
        return;
    }
    char *prefix = hor_str_printf("%s/", folder);
    if (prefix == NULL) {
        if (q != NULL)
            q->failed = true;
        return;
    }
    snprintf(sql, sizeof sql, "%s(%s = ?", sql_before, column);
    question_text(q, sql, folder);
    snprintf(sql, sizeof sql, " OR SUBSTR(%s, 1, ?)", column);
    question_int(q, sql, (int64_t)strlen(prefix));
    question_text(q, " = ?)", prefix);
    free(prefix);
}

void question_scope(struct question *q, const char *column, const struct hor_scope *scope)
{
    if (scope == NULL || hor_scope_everywhere(scope))
        return;
    if (hor_scope_empty(scope)) {
        question_add(q, " AND 1 = 0");
        return;
    }
    question_add(q, " AND (");
    for (size_t i = 0; i < scope->allowed_count; i++)
        question_below(q, i == 0 ? "" : " OR ", column, scope->allowed[i]);
    question_add(q, ")");
    for (size_t i = 0; i < scope->denied_count; i++)
        question_below(q, " AND NOT ", column, scope->denied[i]);
}

int question_cursor_read(const char *cursor, struct question_place *ret, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    int rc = hor_base64_decode(cursor, strlen(cursor), &text);
    char *end = NULL;
    int64_t number = 0;
    if (rc == HOR_OK && text.len < sizeof ret->id && memchr(text.data, '\0', text.len) == NULL)
        number = strtoll(hor_buf_text(&text), &end, 10);
    if (end == NULL || end == text.data || *end != ' ')
        rc = hor_error_set(err, HOR_ERR_INVALID, "cursor '%.40s' is not one that a list gave",
                           cursor);
    if (rc == HOR_OK) {
        ret->number = number;
        snprintf(ret->id, sizeof ret->id, "%s", end + 1);
    }
    hor_buf_done(&text);
    return rc;
}

void question_cursor_write(const struct question_place *place, struct hor_buf *out)
{
    char text[440];
    int len = snprintf(text, sizeof text, "%" PRId64 " %s", place->number, place->id);
    hor_base64_encode(text, (size_t)len, out);
}

static int ask_on(struct hor_database *db, struct question *q, struct hor_batch *values,
                  question_row_fn *fn, void *ctx, struct hor_error *err)
{
    struct hor_rows *rows = NULL;
    int rc = hor_database_query(db, q->sql.data, values, &rows, err);
    while (rc == HOR_OK && (rc = hor_rows_next(rows, err)) == 1)
        rc = fn(rows, ctx, err);
    hor_rows_close(rows);
    return rc;
}

int question_ask(struct hor_store *store, struct question *q, question_row_fn *fn, void *ctx,
                 struct hor_error *err)
{
    if (q == NULL || q->failed || q->sql.failed)
        return q != NULL && q->count == QUESTION_VALUES
                   ? hor_error_set(err, HOR_ERR_LIMIT, "the question has too many conditions")
                   : hor_error_set(err, HOR_ERR_MEMORY, "ask the history: out of memory");
    struct hor_batch *values = hor_batch_new(q->types);
    for (size_t i = 0; i < q->count; i++) {
        if (q->types[i] == 's')
            hor_batch_text(values, q->values[i].text);
        else
            hor_batch_int(values, q->values[i].number);
    }
    struct hor_database *db;
    int rc = values != NULL ? store_read(store, &db, err)
                            : hor_error_set(err, HOR_ERR_MEMORY, "ask the history: out of memory");
    if (rc == HOR_OK) {
        rc = ask_on(db, q, values, fn, ctx, err);
        store_read_done(store, db, rc, err);
    }
    hor_batch_free(values);
    return rc;
}
