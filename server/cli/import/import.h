/* server/cli/import/import.h - turns what other schedulers are configured with into one XML
 * document, which a style sheet of examples/import/ then turns into Horarium's objects. Nothing
 * here runs anything or knows the job language: what maps to what is said in the style sheets
 * alone. */
#ifndef HOR_CLI_IMPORT_IMPORT_H
#define HOR_CLI_IMPORT_IMPORT_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

enum { HOR_IMPORT_BYTES = 16 * 1024 * 1024 }; /* one source file */

#define HOR_IMPORT_NAMESPACE "urn:horarium:import:1"

/* crontab(5) of Debian's cron: `system` files have a user after the five time fields. Adds
 * <crontab file=""> with one <entry line="" name="" user="" zone="" shell="" home=""> for every
 * line that starts something, in it <when> (five fields or @word), <variable name="">...,
 * <command>, <input> (what follows the first %) and <comment>; a line that cannot be understood is
 * <refused line="" why="">. HOR_ERR_NOT_FOUND, HOR_ERR_IO, HOR_ERR_LIMIT. */
int hor_import_crontab(const char *file, bool system, struct hor_buf *out, struct hor_error *err);

/* A folder of JobScheduler 1.x objects ("live" folder). Adds <i:jobscheduler> with one <i:file
 * path="" kind="" object="" name="" folder=""> for every NAME.KIND.xml of a known kind below it,
 * holding the document; orders also have chain="" and id="". What is no well-formed XML, or is of
 * no known kind, is <i:refused path="" why="">; documents stand in them as they were.
 * HOR_ERR_NOT_FOUND, HOR_ERR_IO, HOR_ERR_LIMIT. */
int hor_import_jobscheduler(const char *dir, struct hor_buf *out, struct hor_error *err);

/* A name that an object may have: every other character becomes '-'. At most 60 bytes. */
void hor_import_name(const char *text, struct hor_buf *out);

#endif
