/* server/supervisor/history/question.h - puts a SELECT and its values together piece by piece, so
 * that each condition stands beside the value that it needs. For the files of the history only. */
#ifndef HOR_SUPERVISOR_HISTORY_QUESTION_H
#define HOR_SUPERVISOR_HISTORY_QUESTION_H

#include "lib/base/buf.h"
#include "server/supervisor/auth/rights.h"
#include "server/supervisor/history/database.h"
#include "server/supervisor/history/store_internal.h"

enum { QUESTION_VALUES = 400 };

struct question {
    struct hor_buf sql;
    char types[QUESTION_VALUES + 1];
    struct {
        char *text; /* owned */
        int64_t number;
    } values[QUESTION_VALUES];
    size_t count;
    bool failed;
};

struct question *question_new(const char *sql);
void question_free(struct question *q);
void question_add(struct question *q, const char *sql);
/* A piece with one question mark and its value. */
void question_text(struct question *q, const char *sql, const char *value);
void question_int(struct question *q, const char *sql, int64_t value);
/* " AND <column> is in the scope's folders"; the root folder and NULL need no condition. */
void question_scope(struct question *q, const char *column, const struct hor_scope *scope);
/* " AND <column> lies below folder". */
void question_below(struct question *q, const char *sql_before, const char *column,
                    const char *folder);
/* A keyset page: after (number, id) in the direction, then the order and the limit. */
struct question_place {
    int64_t number;
    char id[401];
};
int question_cursor_read(const char *cursor, struct question_place *ret, struct hor_error *err);
void question_cursor_write(const struct question_place *place, struct hor_buf *out);

/* Asks on a reading connection and gives each row to fn until it returns not 0. */
typedef int question_row_fn(struct hor_rows *rows, void *ctx, struct hor_error *err);
int question_ask(struct hor_store *store, struct question *q, question_row_fn *fn, void *ctx,
                 struct hor_error *err);

#endif
