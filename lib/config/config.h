/* lib/config/config.h - configuration documents and release documents to the model (lib/model/config.h)
 * and back. A set of documents is checked as one unit: the schema, then what no schema can say
 * (references resolve, no cycles, rules and expressions are right, zones are known). All problems of
 * the set are listed; nothing is loaded when one of them is an error. Any thread. */
#ifndef HOR_CONFIG_CONFIG_H
#define HOR_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/problem.h"
#include "lib/model/config.h"

enum { HOR_RELEASE_BYTES = 1024 * 1024 * 1024 }; /* largest release document */

struct hor_source {
    char *file; /* below the folder: "finance/eod.chain.xml" */
    char *data;
    size_t len;
};

struct hor_sources { /* all zero is empty */
    struct hor_source *items;
    size_t count;
};

/* Adds a document that was read elsewhere (from a revision); copies. */
int hor_sources_add(struct hor_sources *sources, const char *file, const void *data, size_t len);
/* Reads all *.xml and *.ics below `dir`, sorted by name; names that begin with a dot are left out. Links to
 * files are followed, links to folders are not. HOR_ERR_NOT_FOUND, HOR_ERR_IO; a document that is too
 * large is a problem. */
int hor_sources_read(const char *dir, struct hor_sources *sources, struct hor_problems *problems,
                     struct hor_error *err);
void hor_sources_done(struct hor_sources *sources);

/* Loads and checks. On HOR_OK the caller owns *ret, and problems holds warnings at most.
 * HOR_ERR_INVALID: problems tells all, err the first of them and how many. */
int hor_config_load_sources(const struct hor_sources *sources, struct hor_problems *problems,
                            struct hor_config **ret, struct hor_error *err);
int hor_config_load_folder(const char *dir, struct hor_problems *problems, struct hor_config **ret,
                           struct hor_error *err);

struct hor_release_info {
    int64_t number;
    int64_t created_us;
    const char *author, *reason; /* reason may be NULL */
};

/* Makes the release document (xsd/release.xsd): canonical XML, objects sorted by path and kind, so
 * that equal sources and info give equal bytes. Loads and checks the sources first: problems and
 * codes as hor_config_load_sources. sha256 is that of the bytes. ret_config may be NULL; otherwise it
 * gets the loaded configuration. */
int hor_config_write_release(const struct hor_sources *sources, const struct hor_release_info *info,
                             struct hor_buf *out, char sha256[65], struct hor_problems *problems,
                             struct hor_config **ret_config, struct hor_error *err);
/* Loads a release document, streaming. */
int hor_config_load_release(const char *bytes, size_t len, struct hor_problems *problems,
                            struct hor_config **ret, struct hor_error *err);
/* Takes the documents out of a release document again, for showing, comparing and rolling back:
 * file names as they were, content in canonical form. */
int hor_config_release_sources(const char *bytes, size_t len, struct hor_sources *ret,
                               struct hor_error *err);

#endif
