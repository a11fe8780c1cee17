/* server/supervisor/history/cursors.h - where the journals were read up to: the Master's, and
 * through it each agent cluster's. They decide what is news. For write.c, inside its transaction.
 */
#ifndef HOR_SUPERVISOR_HISTORY_CURSORS_H
#define HOR_SUPERVISOR_HISTORY_CURSORS_H

#include "lib/base/map.h"
#include "server/supervisor/history/database.h"
#include "server/supervisor/history/store.h"

struct cursors {
    char run_id[64]; /* the Master's */
    uint64_t read_up_to;
    bool known;
    struct hor_map *clusters; /* path -> its own; made by the caller, values are free()d */
};

int cursors_read(struct hor_database *db, const char *master, struct cursors *cursors,
                 struct hor_error *err);
/* Whether the event is news, and moves the clusters' cursors on. Coupling with another run of a
 * cluster makes its numbers begin again. HOR_ERR_MEMORY. */
int cursors_is_news(struct cursors *cursors, const struct hor_store_batch *batch,
                    const struct hor_event *event, bool *ret);
int cursors_write_clusters(struct hor_database *db, const char *master,
                           const struct cursors *cursors, struct hor_error *err);
/* Moves the Master's cursor. HOR_ERR_CONFLICT when somebody else did. */
int cursors_write_master(struct hor_database *db, const struct hor_store_batch *batch,
                         const struct cursors *cursors, struct hor_error *err);

#endif
