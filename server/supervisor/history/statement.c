/* Values, parameter arrays, and rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "server/supervisor/history/database_internal.h"

enum {
    BATCH_MAX_TYPES = 400,
    BATCH_ARRAY_ROWS = 512,             /* rows in one call of the driver */
    BATCH_ARRAY_BYTES = 4 * 1024 * 1024 /* memory for one call, unless one row needs more */
};

struct value {
    int64_t number; /* or the offset of the text in `texts` */
    size_t len;
    bool null;
};

struct hor_batch {
    char types[BATCH_MAX_TYPES + 1];
    size_t width; /* values in a row */
    struct value *values;
    size_t count, cap;
    struct hor_buf texts;
    bool failed;
};

struct hor_batch *hor_batch_new(const char *types)
{
    size_t width = strlen(types);
    struct hor_batch *batch = width <= BATCH_MAX_TYPES ? calloc(1, sizeof *batch) : NULL;
    if (batch != NULL) {
        memcpy(batch->types, types, width + 1);
        batch->width = width;
    }
    return batch;
}

void hor_batch_free(struct hor_batch *batch)
{
    if (batch == NULL)
        return;
    free(batch->values);
    hor_buf_done(&batch->texts);
    free(batch);
}

void hor_batch_clear(struct hor_batch *batch)
{
    batch->count = 0;
    batch->failed = false;
    hor_buf_clear(&batch->texts);
}

static struct value *add_value(struct hor_batch *batch)
{
    if (batch == NULL || batch->failed)
        return NULL;
    if (batch->count == batch->cap) {
        size_t cap = batch->cap > 0 ? batch->cap * 2 : 64;
        struct value *values = realloc(batch->values, cap * sizeof *values);
        if (values == NULL) {
            batch->failed = true;
            return NULL;
        }
        batch->values = values;
        batch->cap = cap;
    }
    struct value *value = &batch->values[batch->count++];
    *value = (struct value){.null = true};
    return value;
}

void hor_batch_text(struct hor_batch *batch, const char *text)
{
    struct value *value = add_value(batch);
    if (value == NULL || text == NULL)
        return;
    value->null = false;
    value->number = (int64_t)batch->texts.len;
    value->len = strlen(text);
    hor_buf_add(&batch->texts, text, value->len + 1);
}

void hor_batch_int(struct hor_batch *batch, int64_t number)
{
    struct value *value = add_value(batch);
    if (value == NULL || number == HOR_EVENT_NONE)
        return;
    value->null = false;
    value->number = number;
}

size_t hor_batch_rows(const struct hor_batch *batch)
{
    return batch == NULL || batch->width == 0 ? 0 : batch->count / batch->width;
}

/* One call of the driver: `count` rows from `first`, as columns. */
struct arrays {
    void *columns[BATCH_MAX_TYPES];
    SQLLEN *indicators[BATCH_MAX_TYPES];
};

static void arrays_done(struct arrays *arrays, size_t width)
{
    for (size_t c = 0; c < width; c++) {
        free(arrays->columns[c]);
        free(arrays->indicators[c]);
    }
}

static size_t column_bytes(const struct hor_batch *batch, size_t c, size_t first, size_t count)
{
    if (batch->types[c] == 'i')
        return sizeof(int64_t);
    size_t longest = 0;
    for (size_t r = first; r < first + count; r++) {
        const struct value *value = &batch->values[r * batch->width + c];
        if (!value->null && value->len > longest)
            longest = value->len;
    }
    return longest + 1;
}

static int bind_column(SQLHSTMT handle, const struct hor_batch *batch, size_t c, size_t first,
                       size_t count, struct arrays *arrays)
{
    size_t bytes = column_bytes(batch, c, first, count);
    arrays->columns[c] = calloc(count, bytes);
    arrays->indicators[c] = calloc(count, sizeof(SQLLEN));
    if (arrays->columns[c] == NULL || arrays->indicators[c] == NULL)
        return HOR_ERR_MEMORY;
    bool number = batch->types[c] == 'i';
    for (size_t r = 0; r < count; r++) {
        const struct value *value = &batch->values[(first + r) * batch->width + c];
        if (value->null) {
            arrays->indicators[c][r] = SQL_NULL_DATA;
        } else if (number) {
            ((int64_t *)arrays->columns[c])[r] = value->number;
        } else {
            memcpy((char *)arrays->columns[c] + r * bytes, batch->texts.data + value->number,
                   value->len);
            arrays->indicators[c][r] = (SQLLEN)value->len;
        }
    }
    SQLRETURN r = number
                      ? SQLBindParameter(handle, (SQLUSMALLINT)(c + 1), SQL_PARAM_INPUT,
                                         SQL_C_SBIGINT, SQL_BIGINT, 19, 0, arrays->columns[c],
                                         (SQLLEN)bytes, arrays->indicators[c])
                      : SQLBindParameter(handle, (SQLUSMALLINT)(c + 1), SQL_PARAM_INPUT, SQL_C_CHAR,
                                         bytes > 4000 ? SQL_LONGVARCHAR : SQL_VARCHAR,
                                         bytes > 1 ? bytes - 1 : 1, 0, arrays->columns[c],
                                         (SQLLEN)bytes, arrays->indicators[c]);
    return SQL_SUCCEEDED(r) ? HOR_OK : HOR_ERR_IO;
}

static int run_rows(struct hor_database *db, SQLHSTMT handle, const char *sql,
                    const struct hor_batch *batch, size_t first, size_t count,
                    struct arrays *arrays, struct hor_error *err)
{
    char doing[100];
    snprintf(doing, sizeof doing, "run '%.70s'", sql);
    SQLSetStmtAttr(handle, SQL_ATTR_PARAM_BIND_TYPE, (SQLPOINTER)SQL_PARAM_BIND_BY_COLUMN, 0);
    if (!SQL_SUCCEEDED(
            SQLSetStmtAttr(handle, SQL_ATTR_PARAMSET_SIZE, (SQLPOINTER)(uintptr_t)count, 0)))
        return database_error(db, SQL_HANDLE_STMT, handle, doing, err);
    for (size_t c = 0; c < batch->width; c++) {
        int rc = bind_column(handle, batch, c, first, count, arrays);
        if (rc == HOR_ERR_MEMORY)
            return hor_error_set(err, rc, "%s: out of memory", doing);
        if (rc != HOR_OK)
            return database_error(db, SQL_HANDLE_STMT, handle, doing, err);
    }
    SQLRETURN r = SQLExecute(handle);
    if (!SQL_SUCCEEDED(r) && r != SQL_NO_DATA) /* no data: an update that met no row */
        return database_error(db, SQL_HANDLE_STMT, handle, doing, err);
    return HOR_OK;
}

/* How many rows from `first` fit into one call. */
static size_t rows_that_fit(const struct hor_batch *batch, size_t first, size_t rows)
{
    size_t longest = 0, count = 0;
    while (first + count < rows && count < BATCH_ARRAY_ROWS) {
        size_t bytes = 0;
        for (size_t c = 0; c < batch->width; c++)
            bytes += batch->values[(first + count) * batch->width + c].len + sizeof(int64_t);
        if (bytes > longest)
            longest = bytes;
        if (count > 0 && longest * (count + 1) > BATCH_ARRAY_BYTES)
            break;
        count++;
    }
    return count;
}

int hor_database_run(struct hor_database *db, const char *sql, const struct hor_batch *batch,
                     int64_t *ret_changed, struct hor_error *err)
{
    size_t rows = hor_batch_rows(batch);
    if (batch == NULL || batch->failed || batch->texts.failed)
        return hor_error_set(err, HOR_ERR_MEMORY, "run '%.70s': out of memory", sql);
    int64_t changed = 0;
    SQLHSTMT handle;
    int rc = HOR_OK;
    for (size_t first = 0; rc == HOR_OK && first < rows;) {
        struct arrays arrays = {0};
        size_t count = rows_that_fit(batch, first, rows);
        rc = database_prepare(db, sql, &handle, err);
        if (rc != HOR_OK)
            return rc;
        rc = run_rows(db, handle, sql, batch, first, count, &arrays, err);
        SQLLEN touched = -1;
        if (rc == HOR_OK && SQL_SUCCEEDED(SQLRowCount(handle, &touched)) && touched >= 0)
            changed = changed >= 0 ? changed + touched : -1;
        else
            changed = -1;
        SQLFreeStmt(handle, SQL_CLOSE);
        SQLFreeStmt(handle, SQL_RESET_PARAMS);
        SQLSetStmtAttr(handle, SQL_ATTR_PARAMSET_SIZE, (SQLPOINTER)(uintptr_t)1, 0);
        arrays_done(&arrays, batch->width);
        first += count;
    }
    if (rc == HOR_OK && ret_changed != NULL)
        *ret_changed = changed;
    return rc;
}

struct column {
    struct hor_buf text;
    bool null;
};

struct hor_rows {
    struct hor_database *db;
    SQLHSTMT handle;
    struct arrays arrays; /* bound values must outlive the reading of rows */
    size_t width;
    struct column *columns;
    unsigned column_count;
};

int hor_database_query(struct hor_database *db, const char *sql, const struct hor_batch *batch,
                       struct hor_rows **ret, struct hor_error *err)
{
    SQLHSTMT handle;
    SQLSMALLINT columns = 0;
    static const struct hor_batch no_values = {.width = 0};
    if (batch == NULL)
        batch = &no_values;
    if (batch->failed || batch->texts.failed)
        return hor_error_set(err, HOR_ERR_MEMORY, "run '%.70s': out of memory", sql);
    int rc = database_prepare(db, sql, &handle, err);
    if (rc != HOR_OK)
        return rc;
    struct hor_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "run '%.70s': out of memory", sql);
    rows->db = db;
    rows->handle = handle;
    rows->width = batch->width;
    rc = run_rows(db, handle, sql, batch, 0, 1, &rows->arrays, err);
    if (rc == HOR_OK && (!SQL_SUCCEEDED(SQLNumResultCols(handle, &columns)) || columns < 1))
        rc = hor_error_set(err, HOR_ERR_INTERNAL, "'%.70s' gives no rows", sql);
    if (rc == HOR_OK) {
        rows->columns = calloc((size_t)columns, sizeof *rows->columns);
        rows->column_count = (unsigned)columns;
        if (rows->columns == NULL)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "run '%.70s': out of memory", sql);
    }
    if (rc != HOR_OK) {
        hor_rows_close(rows);
        return rc;
    }
    *ret = rows;
    return HOR_OK;
}

/* Reads one column whole, in pieces: its length is not known before. */
static int read_column(struct hor_rows *rows, unsigned c, struct hor_error *err)
{
    struct column *column = &rows->columns[c];
    hor_buf_clear(&column->text);
    column->null = false;
    char piece[2048];
    for (;;) {
        SQLLEN len = 0;
        SQLRETURN r =
            SQLGetData(rows->handle, (SQLUSMALLINT)(c + 1), SQL_C_CHAR, piece, sizeof piece, &len);
        if (r == SQL_NO_DATA)
            break;
        if (!SQL_SUCCEEDED(r))
            return database_error(rows->db, SQL_HANDLE_STMT, rows->handle, "read a row", err);
        if (len == SQL_NULL_DATA) {
            column->null = true;
            break;
        }
        bool more =
            r == SQL_SUCCESS_WITH_INFO && (len == SQL_NO_TOTAL || len >= (SQLLEN)sizeof piece);
        hor_buf_add(&column->text, piece, more ? sizeof piece - 1 : (size_t)len);
        if (!more)
            break;
    }
    if (column->text.failed)
        return hor_error_set(err, HOR_ERR_MEMORY, "read a row: out of memory");
    return HOR_OK;
}

int hor_rows_next(struct hor_rows *rows, struct hor_error *err)
{
    SQLRETURN r = SQLFetch(rows->handle);
    if (r == SQL_NO_DATA)
        return 0;
    if (!SQL_SUCCEEDED(r))
        return database_error(rows->db, SQL_HANDLE_STMT, rows->handle, "read a row", err);
    for (unsigned c = 0; c < rows->column_count; c++) {
        int rc = read_column(rows, c, err);
        if (rc != HOR_OK)
            return rc;
    }
    return 1;
}

const char *hor_rows_text(struct hor_rows *rows, unsigned column)
{
    if (column >= rows->column_count || rows->columns[column].null)
        return NULL;
    return hor_buf_text(&rows->columns[column].text);
}

int64_t hor_rows_int(struct hor_rows *rows, unsigned column)
{
    const char *text = hor_rows_text(rows, column);
    return text != NULL && *text != '\0' ? strtoll(text, NULL, 10) : HOR_EVENT_NONE;
}

void hor_rows_close(struct hor_rows *rows)
{
    if (rows == NULL)
        return;
    SQLFreeStmt(rows->handle, SQL_CLOSE);
    SQLFreeStmt(rows->handle, SQL_RESET_PARAMS);
    arrays_done(&rows->arrays, rows->width);
    for (unsigned c = 0; c < rows->column_count && rows->columns != NULL; c++)
        hor_buf_done(&rows->columns[c].text);
    free(rows->columns);
    free(rows);
}
