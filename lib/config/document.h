/* lib/config/document.h - one document, or all of a release, into the builder's configuration.
 * Private to this folder. */
#ifndef HOR_CONFIG_DOCUMENT_H
#define HOR_CONFIG_DOCUMENT_H

#include <stdbool.h>

#include "lib/config/builder.h"
#include "lib/config/config.h"

int hor_builder_init(struct hor_builder *b, struct hor_problems *problems, struct hor_error *err);
void hor_builder_done(struct hor_builder *b);
/* NAME.ics */
bool hor_source_is_icalendar(const char *file);
/* Path and kind of a file name: "finance/eod.chain.xml" is /finance/eod. HOR_ERR_INVALID. */
int hor_source_name(const char *file, char path[HOR_PATH_BYTES + 1], enum hor_kind *ret,
                    struct hor_error *err);
/* Faults of the document are problems; only HOR_ERR_MEMORY is returned. */
int hor_builder_document(struct hor_builder *b, const struct hor_source *source,
                         struct hor_error *err);
/* Checked by somebody else, or by the schema as it is read. */
enum hor_builder_check { HOR_BUILDER_NO_CHECK, HOR_BUILDER_CHECK };
int hor_builder_release(struct hor_builder *b, const char *bytes, size_t len,
                        enum hor_builder_check check, struct hor_error *err);
/* Cross checks; gives the configuration when no error was found. Codes as
 * hor_config_load_sources. */
int hor_builder_finish(struct hor_builder *b, struct hor_config **ret, struct hor_error *err);

#endif
