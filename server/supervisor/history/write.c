/* Writing what a Master reports: one transaction for events, rows and cursors. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "server/supervisor/history/cursors.h"
#include "server/supervisor/history/record.h"
#include "server/supervisor/history/rows.h"
#include "server/supervisor/history/store_internal.h"

static int no_memory(struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_MEMORY, "write history: out of memory");
}

/* The event as it is kept: without what is kept elsewhere (a release's parts) or nowhere (secrets).
 */
static int add_event(struct hor_batch *b, uint64_t number, const struct record *record,
                     const struct hor_event *event, struct hor_buf *xml)
{
    bool secrets = false;
    for (size_t i = 0; i < event->arguments.count; i++)
        secrets = secrets || event->arguments.items[i].secret;
    const struct hor_event *shown = event;
    struct hor_event *copy = NULL, flat = *event;
    if (event->type == HOR_EVENT_RELEASE_PART) {
        flat.text = NULL;
        shown = &flat;
    } else if (secrets) {
        if ((copy = hor_event_copy(event)) == NULL)
            return HOR_ERR_MEMORY;
        for (size_t i = 0; i < copy->arguments.count; i++)
            if (copy->arguments.items[i].secret)
                copy->arguments.items[i].value[0] = '\0';
        shown = copy;
    }
    hor_buf_clear(xml);
    hor_event_write(shown, xml);
    hor_event_free(copy);
    const struct record_order *order =
        event->order != NULL ? hor_map_get(record->orders, event->order) : NULL;
    hor_batch_int(b, (int64_t)number);
    hor_batch_text(b, record->master);
    hor_batch_int(b, (int64_t)event->index);
    hor_batch_int(b, event->at_us);
    hor_batch_text(b, hor_event_type_name(event->type));
    hor_batch_text(b, event->order);
    hor_batch_text(b, event->chain != NULL ? event->chain : order != NULL ? order->chain : NULL);
    hor_batch_text(b, hor_buf_text(xml));
    return xml->failed ? HOR_ERR_MEMORY : HOR_OK;
}

/* People's work on nodes makes counting on impossible: count from the order's events. */
static int recount(struct hor_database *db, struct record_order *order, struct hor_error *err)
{
    struct hor_batch *key = hor_batch_new("s");
    struct hor_rows *rows = NULL;
    struct record_nodes nodes = {0};
    hor_batch_text(key, order->id);
    int rc = key != NULL ? hor_database_query(
                               db,
                               "SELECT document FROM event_log WHERE order_id = ? AND event_type IN"
                               " ('taskEnded', 'nodeSkipped', 'nodeSet', 'nodeReset') ORDER BY "
                               "event_no",
                               key, &rows, err)
                         : no_memory(err);
    while (rc == HOR_OK && (rc = hor_rows_next(rows, err)) == 1) {
        const char *document = hor_rows_text(rows, 0);
        struct hor_event *event = NULL;
        rc = hor_event_read(document, document != NULL ? strlen(document) : 0, &event, err);
        if (rc == HOR_OK && record_nodes_apply(&nodes, event) != HOR_OK)
            rc = no_memory(err);
        hor_event_free(event);
    }
    if (rc == HOR_OK)
        order->nodes_done = record_nodes_count(&nodes);
    record_nodes_done(&nodes);
    hor_rows_close(rows);
    hor_batch_free(key);
    return rc;
}

/* A doubt was settled by the event just applied. Another task of the order may still be in doubt,
 * in this batch or by its row: of several the first by name tells the cause, so that it does not
 * matter how events are cut into batches. */
static int doubt_again(struct hor_database *db, const struct record *record,
                       struct record_order *order, struct hor_error *err)
{
    struct hor_batch *key = hor_batch_new("s");
    struct hor_rows *rows = NULL;
    const struct record_task *task, *first = NULL;
    size_t pos = 0;
    order->redoubt = false;
    while ((task = hor_map_next(record->tasks, &pos, NULL)) != NULL)
        if (strcmp(task->order, order->id) == 0 && hor_str_equal(task->state, "inDoubt") &&
            (first == NULL || strcmp(task->id, first->id) < 0))
            first = task;
    hor_batch_text(key, order->id);
    int rc = key == NULL ? no_memory(err)
                         : hor_database_query(db,
                                              "SELECT task_id, cause FROM task_run WHERE "
                                              "order_id = ? AND state = 'inDoubt' ORDER BY task_id",
                                              key, &rows, err);
    bool found = false;
    while (rc == HOR_OK && !found && (rc = hor_rows_next(rows, err)) == 1) {
        const char *id = hor_rows_text(rows, 0);
        rc = HOR_OK;
        /* Of a task in this batch the row is old. */
        if (id == NULL || hor_map_get(record->tasks, id) != NULL)
            continue;
        found = true;
        if ((first == NULL || strcmp(id, first->id) < 0) &&
            record_doubt(order, hor_rows_text(rows, 1)) != HOR_OK)
            rc = no_memory(err);
    }
    if (rc == HOR_OK && first != NULL && record_doubt(order, first->cause) != HOR_OK)
        rc = no_memory(err);
    hor_rows_close(rows);
    hor_batch_free(key);
    return rc;
}

struct written {
    uint64_t last_event;
    size_t events, orders, tasks;
};

static int write_events(struct hor_store *store, struct hor_database *db, struct record *record,
                        const struct hor_store_batch *batch, const bool *news, size_t news_count,
                        struct written *written, struct hor_error *err)
{
    uint64_t number = 0;
    struct hor_buf xml = HOR_BUF_INIT;
    struct hor_batch *rows = hor_batch_new("isiissss");
    int rc = store_take_numbers(store, db, STORE_EVENT_NUMBERS, news_count, &number, err);
    for (size_t i = 0; rc == HOR_OK && i < batch->count; i++) {
        if (!news[i])
            continue;
        const char *id = batch->events[i]->order;
        struct record_order *order;
        if (record_apply(record, batch->events[i]) != HOR_OK ||
            add_event(rows, number++, record, batch->events[i], &xml) != HOR_OK)
            rc = no_memory(err);
        if (rc == HOR_OK && id != NULL && (order = hor_map_get(record->orders, id)) != NULL &&
            order->redoubt)
            rc = doubt_again(db, record, order, err);
    }
    rc = rc != HOR_OK ? rc
                      : hor_database_run(db,
                                         "INSERT INTO event_log (event_no, master, master_index, "
                                         "at_us, event_type, order_id, chain, document) VALUES "
                                         "(?, ?, ?, ?, ?, ?, ?, ?)",
                                         rows, NULL, err);
    hor_batch_free(rows);
    hor_buf_done(&xml);
    size_t pos = 0;
    for (struct record_order *o; rc == HOR_OK && (o = hor_map_next(record->orders, &pos, NULL));)
        if (o->recount)
            rc = recount(db, o, err);
    rc = rc != HOR_OK ? rc : record_write_orders(db, record, &written->orders, err);
    rc = rc != HOR_OK ? rc : record_write_tasks(db, record, &written->tasks, err);
    rc = rc != HOR_OK ? rc : record_write_holds(db, record, err);
    rc = rc != HOR_OK ? rc : record_write_chains(db, record, err);
    written->events = news_count;
    written->last_event = number - 1;
    return rc;
}

static int write_batch(struct hor_store *store, struct hor_database *db,
                       const struct hor_store_batch *batch, struct written *written,
                       struct hor_error *err)
{
    struct cursors cursors = {.clusters = hor_map_new(free)};
    struct record record = {0};
    bool *news = calloc(batch->count + 1, sizeof *news);
    size_t news_count = 0;
    int rc =
        news != NULL && record_init(&record, batch->master) == HOR_OK ? HOR_OK : no_memory(err);
    rc = rc != HOR_OK ? rc : cursors_read(db, batch->master, &cursors, err);
    for (size_t i = 0; rc == HOR_OK && i < batch->count; i++) {
        if (cursors_is_news(&cursors, batch, batch->events[i], &news[i]) != HOR_OK)
            rc = no_memory(err);
        news_count += news[i];
    }
    bool same_run = rc == HOR_OK && strcmp(cursors.run_id, batch->run_id) == 0;
    if (rc == HOR_OK && news_count > 0) {
        rc = record_fetch(db, &record, batch, news, err);
        rc = rc != HOR_OK ? rc
                          : write_events(store, db, &record, batch, news, news_count, written, err);
        rc = rc != HOR_OK ? rc : cursors_write_clusters(db, batch->master, &cursors, err);
    }
    if (rc == HOR_OK && (!same_run || batch->read_up_to > cursors.read_up_to))
        rc = cursors_write_master(db, batch, &cursors, err);
    record_done(&record);
    hor_map_free(cursors.clusters);
    free(news);
    return rc;
}

int hor_store_write(struct hor_store *store, const struct hor_store_batch *batch,
                    struct hor_error *err)
{
    struct written written = {0};
    struct hor_database *db;
    int64_t begun_us = hor_clock_monotonic_us();
    int rc = store_write(store, &db, err);
    if (rc != HOR_OK)
        return rc;
    rc = write_batch(store, db, batch, &written, err);
    rc = store_write_done(store, rc, err);
    if (rc == HOR_OK)
        store_events_written(store, written.last_event, written.events, written.orders,
                             written.tasks, (uint64_t)(hor_clock_monotonic_us() - begun_us));
    return rc;
}
