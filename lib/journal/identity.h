/* lib/journal/identity.h - member.xml: whose recovery files a folder holds. Its `folder` is made at
 * random when the folder is begun: a member whose disk was lost comes with another one, and the
 * others see that it has forgotten what it promised. Any thread. */
#ifndef HOR_JOURNAL_IDENTITY_H
#define HOR_JOURNAL_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

#define HOR_JOURNAL_IDENTITY_NAME "member.xml"
enum { HOR_JOURNAL_FOLDER_BYTES = 40 };

struct hor_journal_identity {
    char folder[HOR_JOURNAL_FOLDER_BYTES]; /* "": not known */
    uint64_t member;                       /* id; 0: not known */
    bool joining;   /* it was given its id by a cluster, and has not seen itself in the journal yet */
    bool abandoned; /* the cluster counts on another folder: this one is to be begun anew */
};

/* HOR_ERR_NOT_FOUND: a folder of before, or a new one; HOR_ERR_CORRUPT; HOR_ERR_IO. */
int hor_journal_identity_read(const char *directory, struct hor_journal_identity *ret,
                              struct hor_error *err);
/* Durable when it returns. */
int hor_journal_identity_write(const char *directory, const struct hor_journal_identity *identity,
                               struct hor_error *err);
/* Puts the folder's files out of the way (DIRECTORY.lost-1, -2, ..), for a member that begins anew. */
int hor_journal_set_aside(const char *directory, char *ret_path, size_t path_bytes,
                          struct hor_error *err);

#endif
