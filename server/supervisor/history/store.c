#include "server/supervisor/history/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "server/supervisor/history/migration.h"
#include "server/supervisor/history/store_internal.h"

enum { READERS_MAX = 32 };

struct reader {
    struct hor_database *db;
    bool busy;
};

struct hor_store {
    char *connection;
    hor_store_events_fn *on_events;
    void *on_events_ctx;

    pthread_mutex_t write_lock; /* held through a transaction; guards these */
    struct hor_database *writer;
    bool migrated;
    uint64_t next_number[2]; /* by enum store_numbers; 0: ask the database */

    pthread_mutex_t lock; /* held for moments; guards these */
    pthread_cond_t reader_free;
    struct reader readers[READERS_MAX];
    unsigned reader_count;
    bool healthy, last_event_known;
    char failure[HOR_ERROR_TEXT_BYTES];
    uint64_t last_event;
    struct hor_store_counts counts;
};

/* A database that is away is told once in the log, not with every call. */
static void note_outcome(struct hor_store *store, int rc, const struct hor_error *err)
{
    bool bad = rc == HOR_ERR_UNREACHABLE || rc == HOR_ERR_IO || rc == HOR_ERR_NOT_FOUND ||
               rc == HOR_ERR_DENIED;
    if (!bad && rc != HOR_OK)
        return; /* says nothing about the database */
    pthread_mutex_lock(&store->lock);
    bool changed = store->healthy == bad;
    store->healthy = !bad;
    if (bad) {
        store->counts.failures++;
        hor_log_quote(err != NULL ? err->text : hor_error_words(rc), store->failure,
                      sizeof store->failure);
    }
    pthread_mutex_unlock(&store->lock);
    if (changed && bad)
        hor_log_error("database fails: %s; history waits at the Masters",
                      err != NULL ? err->text : hor_error_words(rc));
    else if (changed)
        hor_log_info("database works again");
}

/* Under write_lock. */
static int ready_writer(struct hor_store *store, struct hor_error *err)
{
    int rc = HOR_OK;
    if (store->writer == NULL)
        rc = hor_database_open(store->connection, &store->writer, err);
    if (rc == HOR_OK && !store->migrated) {
        rc = hor_migration_run(store->writer, 0, err);
        store->migrated = rc == HOR_OK;
    }
    return rc;
}

int hor_store_open(const char *connection, unsigned readers, struct hor_store **ret,
                   struct hor_error *err)
{
    struct hor_store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->connection = hor_strdup(connection)) == NULL) {
        free(store);
        return hor_error_set(err, HOR_ERR_MEMORY, "open the history: out of memory");
    }
    pthread_mutex_init(&store->write_lock, NULL);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->reader_free, NULL);
    store->reader_count = readers == 0 ? 4 : readers > READERS_MAX ? READERS_MAX : readers;
    store->healthy = true;
    struct hor_error why = {0};
    int rc = ready_writer(store, &why);
    if (rc == HOR_ERR_UNREACHABLE) {
        hor_log_warning("%s; starting without the history, trying again", why.text);
        store->healthy = false;
        rc = HOR_OK;
    }
    if (rc != HOR_OK) {
        hor_error_set(err, rc, "%s", why.text);
        hor_store_close(store);
        return rc;
    }
    *ret = store;
    return HOR_OK;
}

void hor_store_close(struct hor_store *store)
{
    if (store == NULL)
        return;
    for (unsigned i = 0; i < store->reader_count; i++)
        hor_database_close(store->readers[i].db);
    hor_database_close(store->writer);
    pthread_cond_destroy(&store->reader_free);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->write_lock);
    free(store->connection);
    free(store);
}

void hor_store_on_events(struct hor_store *store, hor_store_events_fn *fn, void *ctx)
{
    store->on_events = fn;
    store->on_events_ctx = ctx;
}

bool hor_store_healthy(struct hor_store *store, char *text, size_t text_bytes)
{
    pthread_mutex_lock(&store->lock);
    bool healthy = store->healthy;
    if (text != NULL && text_bytes > 0) {
        size_t len = strnlen(store->failure, text_bytes - 1);
        memcpy(text, store->failure, len);
        text[len] = '\0';
    }
    pthread_mutex_unlock(&store->lock);
    return healthy;
}

void hor_store_counts(struct hor_store *store, struct hor_store_counts *ret)
{
    pthread_mutex_lock(&store->lock);
    *ret = store->counts;
    pthread_mutex_unlock(&store->lock);
}

int store_read(struct hor_store *store, struct hor_database **ret, struct hor_error *err)
{
    struct reader *mine = NULL;
    pthread_mutex_lock(&store->lock);
    for (;;) {
        for (unsigned i = 0; i < store->reader_count && mine == NULL; i++)
            if (!store->readers[i].busy)
                mine = &store->readers[i];
        if (mine != NULL)
            break;
        pthread_cond_wait(&store->reader_free, &store->lock);
    }
    mine->busy = true;
    pthread_mutex_unlock(&store->lock);
    int rc = HOR_OK;
    if (mine->db == NULL) { /* the tables must be there before the first question */
        pthread_mutex_lock(&store->write_lock);
        rc = ready_writer(store, err);
        pthread_mutex_unlock(&store->write_lock);
        if (rc == HOR_OK)
            rc = hor_database_open(store->connection, &mine->db, err);
    }
    if (rc != HOR_OK) {
        note_outcome(store, rc, err);
        pthread_mutex_lock(&store->lock);
        mine->busy = false;
        pthread_cond_signal(&store->reader_free);
        pthread_mutex_unlock(&store->lock);
        return rc;
    }
    *ret = mine->db;
    return HOR_OK;
}

void store_read_done(struct hor_store *store, struct hor_database *db, int rc,
                     const struct hor_error *err)
{
    /* "not found" is an answer here, not a missing driver */
    note_outcome(store, rc == HOR_ERR_NOT_FOUND ? HOR_OK : rc, err);
    pthread_mutex_lock(&store->lock);
    for (unsigned i = 0; i < store->reader_count; i++)
        if (store->readers[i].db == db)
            store->readers[i].busy = false;
    pthread_cond_signal(&store->reader_free);
    pthread_mutex_unlock(&store->lock);
}

int store_write(struct hor_store *store, struct hor_database **ret, struct hor_error *err)
{
    pthread_mutex_lock(&store->write_lock);
    int rc = ready_writer(store, err);
    if (rc == HOR_OK)
        rc = hor_database_begin(store->writer, err);
    if (rc != HOR_OK) {
        note_outcome(store, rc, err);
        pthread_mutex_unlock(&store->write_lock);
        return rc;
    }
    *ret = store->writer;
    return HOR_OK;
}

int store_write_done(struct hor_store *store, int rc, struct hor_error *err)
{
    if (rc == HOR_OK)
        rc = hor_database_commit(store->writer, err);
    else
        hor_database_rollback(store->writer);
    if (rc != HOR_OK) /* the numbers that were taken may be free again, or another one's */
        memset(store->next_number, 0, sizeof store->next_number);
    note_outcome(store, rc == HOR_ERR_NOT_FOUND ? HOR_OK : rc, err);
    pthread_mutex_unlock(&store->write_lock);
    return rc;
}

int store_write_one(struct hor_store *store, const char *sql, struct hor_batch *take_batch,
                    int64_t *ret_changed, struct hor_error *err)
{
    struct hor_database *db;
    int rc = take_batch != NULL ? store_write(store, &db, err)
                                : hor_error_set(err, HOR_ERR_MEMORY, "write: out of memory");
    if (rc == HOR_OK) {
        rc = hor_database_run(db, sql, take_batch, ret_changed, err);
        rc = store_write_done(store, rc, err);
    }
    hor_batch_free(take_batch);
    return rc;
}

static int newest_number(struct hor_database *db, enum store_numbers which, uint64_t *ret,
                         struct hor_error *err)
{
    struct hor_rows *rows = NULL;
    int rc =
        hor_database_query(db,
                           which == STORE_EVENT_NUMBERS ? "SELECT MAX(event_no) FROM event_log"
                                                        : "SELECT MAX(audit_no) FROM audit_entry",
                           NULL, &rows, err);
    if (rc == HOR_OK)
        rc = hor_rows_next(rows, err);
    if (rc == 1) {
        int64_t newest = hor_rows_int(rows, 0);
        *ret = newest == HOR_EVENT_NONE ? 0 : (uint64_t)newest;
        rc = HOR_OK;
    }
    hor_rows_close(rows);
    return rc;
}

int store_take_numbers(struct hor_store *store, struct hor_database *db, enum store_numbers which,
                       size_t count, uint64_t *ret, struct hor_error *err)
{
    uint64_t *next = &store->next_number[which];
    if (*next == 0) {
        uint64_t newest = 0;
        int rc = newest_number(db, which, &newest, err);
        if (rc != HOR_OK)
            return rc;
        *next = newest + 1;
    }
    *ret = *next;
    *next += count;
    return HOR_OK;
}

void store_events_written(struct hor_store *store, uint64_t last_event, size_t events,
                          size_t orders, size_t tasks, uint64_t us)
{
    pthread_mutex_lock(&store->lock);
    if (last_event > store->last_event)
        store->last_event = last_event;
    store->counts.events += events;
    store->counts.orders += orders;
    store->counts.tasks += tasks;
    store->counts.batches++;
    store->counts.write_us += us;
    pthread_mutex_unlock(&store->lock);
    if (events > 0 && store->on_events != NULL)
        store->on_events(store->on_events_ctx);
}

uint64_t hor_store_last_event(struct hor_store *store)
{
    pthread_mutex_lock(&store->lock);
    bool known = store->last_event_known;
    uint64_t last = store->last_event;
    pthread_mutex_unlock(&store->lock);
    struct hor_database *db;
    struct hor_error err;
    if (known || store_read(store, &db, &err) != HOR_OK)
        return last;
    int rc = newest_number(db, STORE_EVENT_NUMBERS, &last, &err);
    store_read_done(store, db, rc, &err);
    pthread_mutex_lock(&store->lock);
    if (rc == HOR_OK) {
        store->last_event_known = true;
        if (last > store->last_event)
            store->last_event = last;
    }
    last = store->last_event;
    pthread_mutex_unlock(&store->lock);
    return last;
}

int hor_store_cursor(struct hor_store *store, const char *master, char run_id[64],
                     uint64_t *ret_read_up_to, struct hor_error *err)
{
    struct hor_database *db;
    int rc = store_read(store, &db, err);
    if (rc != HOR_OK)
        return rc;
    struct hor_batch *key = hor_batch_new("s");
    hor_batch_text(key, master);
    struct hor_rows *rows = NULL;
    rc = key == NULL
             ? hor_error_set(err, HOR_ERR_MEMORY, "read a cursor: out of memory")
             : hor_database_query(db,
                                  "SELECT run_id, read_up_to FROM master_cursor WHERE master = ?",
                                  key, &rows, err);
    if (rc == HOR_OK)
        rc = hor_rows_next(rows, err);
    if (rc >= 0) {
        const char *id = rc == 1 ? hor_rows_text(rows, 0) : NULL;
        size_t len = id != NULL ? strnlen(id, 63) : 0;
        memcpy(run_id, id != NULL ? id : "", len);
        run_id[len] = '\0';
        *ret_read_up_to = rc == 1 ? (uint64_t)hor_rows_int(rows, 1) : 0;
        rc = HOR_OK;
    }
    hor_rows_close(rows);
    hor_batch_free(key);
    store_read_done(store, db, rc, err);
    return rc;
}
