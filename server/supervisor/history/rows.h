/* server/supervisor/history/rows.h - rows of orders, tasks and chains: read before events are
 * applied, written afterwards, inside the writer's transaction. For write.c. */
#ifndef HOR_SUPERVISOR_HISTORY_ROWS_H
#define HOR_SUPERVISOR_HISTORY_ROWS_H

#include "server/supervisor/history/database.h"
#include "server/supervisor/history/record.h"
#include "server/supervisor/history/store.h"

/* Reads the rows that the news of a batch will change. */
int record_fetch(struct hor_database *db, struct record *record,
                 const struct hor_store_batch *batch, const bool *news, struct hor_error *err);
/* Write what changed; *ret_count is how many. */
int record_write_orders(struct hor_database *db, const struct record *record, size_t *ret_count,
                        struct hor_error *err);
int record_write_tasks(struct hor_database *db, const struct record *record, size_t *ret_count,
                       struct hor_error *err);
int record_write_holds(struct hor_database *db, const struct record *record, struct hor_error *err);
/* What is known of the chains whose orders have ended by this batch. */
int record_write_chains(struct hor_database *db, const struct record *record,
                        struct hor_error *err);

#endif
