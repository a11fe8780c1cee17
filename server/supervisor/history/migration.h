/* server/supervisor/history/migration.h - the tables of the history database, as numbered steps
 * from nothing to the newest version. A step, once published, never changes: a new version is a new
 * step. The table schema_version tells which steps a database has had; each step and its row are
 * one transaction where the database can do that (MariaDB commits by itself at each change of a
 * table; there a step that was broken off is told and needs a person). */
#ifndef HOR_SUPERVISOR_HISTORY_MIGRATION_H
#define HOR_SUPERVISOR_HISTORY_MIGRATION_H

#include "server/supervisor/history/database.h"

/* The newest version this program knows. */
int hor_migration_newest(void);
/* Brings the database to version `to` (0: the newest). HOR_ERR_STATE when it is newer than this
 * program knows: nothing is changed. */
int hor_migration_run(struct hor_database *db, int to, struct hor_error *err);
/* The version it has; 0 for an empty one. */
int hor_migration_version(struct hor_database *db, int *ret, struct hor_error *err);

#endif
