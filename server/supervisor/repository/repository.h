/* server/supervisor/repository/repository.h - where the draft of the configuration lives: a folder
 * of documents. Reading gives all of it at one moment; nothing is kept. Worker threads. */
#ifndef HOR_SUPERVISOR_REPOSITORY_REPOSITORY_H
#define HOR_SUPERVISOR_REPOSITORY_REPOSITORY_H

#include "lib/config/config.h"

struct hor_repository;

/* HOR_ERR_NOT_FOUND when the folder is not there. */
int hor_repository_open(const char *folder, struct hor_repository **ret, struct hor_error *err);
void hor_repository_close(struct hor_repository *repository);
/* Reads the draft. `revision` names its content: equal drafts have equal revisions. */
int hor_repository_draft(const struct hor_repository *repository, struct hor_sources *ret,
                         char revision[65], struct hor_problems *problems, struct hor_error *err);

/* What a document's file name says: "finance/eod.chain.xml" is the chain /finance/eod. `kind` is
 * borrowed and static. False for a name of another form. */
enum { HOR_REPOSITORY_PATH_BYTES = 410 };
bool hor_repository_name(const char *file, char path[HOR_REPOSITORY_PATH_BYTES],
                         const char **ret_kind);

#endif
