#include "server/supervisor/history/cursors.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "server/supervisor/history/record.h"

static int no_memory(struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_MEMORY, "write history: out of memory");
}

/* Where an agent cluster's journal was read up to, by this Master. */
struct cluster_cursor {
    char run_id[64];
    int64_t read_up_to;
    bool changed;
};

static void copy_id(char to[64], const char *from)
{
    size_t len = from != NULL ? strnlen(from, 63) : 0;
    memcpy(to, from != NULL ? from : "", len);
    to[len] = '\0';
}

static int put_cluster(struct cursors *cursors, const char *path, const char *run_id, int64_t at)
{
    struct cluster_cursor *c = calloc(1, sizeof *c);
    if (c == NULL)
        return HOR_ERR_MEMORY;
    copy_id(c->run_id, run_id);
    c->read_up_to = at;
    if (hor_map_put(cursors->clusters, path, c) == HOR_OK)
        return HOR_OK;
    free(c);
    return HOR_ERR_MEMORY;
}

int cursors_read(struct hor_database *db, const char *master, struct cursors *cursors,
                 struct hor_error *err)
{
    struct hor_batch *key = hor_batch_new("s");
    struct hor_rows *rows = NULL;
    hor_batch_text(key, master);
    int rc = key != NULL && cursors->clusters != NULL ? HOR_OK : no_memory(err);
    if (rc == HOR_OK)
        rc = hor_database_query(db, "SELECT run_id, read_up_to FROM master_cursor WHERE master = ?",
                                key, &rows, err);
    if (rc == HOR_OK && (rc = hor_rows_next(rows, err)) == 1) {
        copy_id(cursors->run_id, hor_rows_text(rows, 0));
        cursors->read_up_to = (uint64_t)hor_rows_int(rows, 1);
        cursors->known = true;
        rc = HOR_OK;
    }
    hor_rows_close(rows);
    rows = NULL;
    if (rc == HOR_OK)
        rc = hor_database_query(
            db, "SELECT cluster_path, run_id, read_up_to FROM cluster_cursor WHERE master = ?", key,
            &rows, err);
    while (rc == HOR_OK && (rc = hor_rows_next(rows, err)) == 1)
        rc = put_cluster(cursors, hor_rows_text(rows, 0), hor_rows_text(rows, 1),
                         hor_rows_int(rows, 2)) == HOR_OK
                 ? HOR_OK
                 : no_memory(err);
    hor_rows_close(rows);
    hor_batch_free(key);
    return rc;
}

int cursors_is_news(struct cursors *cursors, const struct hor_store_batch *batch,
                    const struct hor_event *event, bool *ret)
{
    *ret = false;
    if (strcmp(cursors->run_id, batch->run_id) == 0 && event->index <= cursors->read_up_to)
        return HOR_OK;
    *ret = true;
    if (event->cluster == NULL)
        return HOR_OK;
    struct cluster_cursor *c = hor_map_get(cursors->clusters, event->cluster);
    if (event->type == HOR_EVENT_CLUSTER_COUPLED && event->run_id != NULL) {
        if (c != NULL && strcmp(c->run_id, event->run_id) == 0)
            return HOR_OK;
        if (put_cluster(cursors, event->cluster, event->run_id, 0) != HOR_OK)
            return HOR_ERR_MEMORY;
        c = hor_map_get(cursors->clusters, event->cluster);
        c->changed = true;
        return HOR_OK;
    }
    if (!record_from_cluster(event))
        return HOR_OK;
    if (c == NULL) {
        if (put_cluster(cursors, event->cluster, "", 0) != HOR_OK)
            return HOR_ERR_MEMORY;
        c = hor_map_get(cursors->clusters, event->cluster);
    }
    if (event->cluster_index <= c->read_up_to) {
        *ret = false;
        return HOR_OK;
    }
    c->read_up_to = event->cluster_index;
    c->changed = true;
    return HOR_OK;
}

int cursors_write_clusters(struct hor_database *db, const char *master,
                           const struct cursors *cursors, struct hor_error *err)
{
    struct hor_batch *drop = hor_batch_new("ss"), *add = hor_batch_new("sssi");
    size_t pos = 0;
    const char *path;
    for (struct cluster_cursor *c; (c = hor_map_next(cursors->clusters, &pos, &path)) != NULL;) {
        if (!c->changed)
            continue;
        hor_batch_text(drop, master);
        hor_batch_text(drop, path);
        hor_batch_text(add, master);
        hor_batch_text(add, path);
        hor_batch_text(add, c->run_id);
        hor_batch_int(add, c->read_up_to);
    }
    int rc = hor_database_run(
        db, "DELETE FROM cluster_cursor WHERE master = ? AND cluster_path = ?", drop, NULL, err);
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db,
                                         "INSERT INTO cluster_cursor (master, cluster_path, "
                                         "run_id, read_up_to) VALUES (?, ?, ?, ?)",
                                         add, NULL, err);
    hor_batch_free(drop);
    hor_batch_free(add);
    return rc;
}

int cursors_write_master(struct hor_database *db, const struct hor_store_batch *batch,
                         const struct cursors *cursors, struct hor_error *err)
{
    struct hor_batch *row = hor_batch_new(cursors->known ? "siissi" : "siis");
    hor_batch_text(row, batch->run_id);
    hor_batch_int(row, (int64_t)batch->read_up_to);
    hor_batch_int(row, hor_clock_utc_us());
    hor_batch_text(row, batch->master);
    int64_t changed = -1;
    int rc;
    if (cursors->known) {
        hor_batch_text(row, cursors->run_id);
        hor_batch_int(row, (int64_t)cursors->read_up_to);
        rc = hor_database_run(db,
                              "UPDATE master_cursor SET run_id = ?, read_up_to = ?, updated_us = ? "
                              "WHERE master = ? AND run_id = ? AND read_up_to = ?",
                              row, &changed, err);
    } else {
        rc = hor_database_run(db,
                              "INSERT INTO master_cursor (run_id, read_up_to, updated_us, master) "
                              "VALUES (?, ?, ?, ?)",
                              row, NULL, err);
    }
    hor_batch_free(row);
    if (rc == HOR_ERR_EXISTS || (rc == HOR_OK && changed == 0))
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "Master '%s': another Supervisor stored its events meanwhile",
                             batch->master);
    return rc;
}
