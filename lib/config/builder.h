/* lib/config/builder.h - how lib/config makes the model while documents stream by. Private to this
 * folder. One builder makes one hor_config; faults become problems and building goes on, so that a
 * person sees all of them; nothing is returned when there was an error. */
#ifndef HOR_CONFIG_BUILDER_H
#define HOR_CONFIG_BUILDER_H

#include "lib/base/buf.h"
#include "lib/base/map.h"
#include "lib/base/problem.h"
#include "lib/model/config.h"
#include "lib/xml/xml.h"
#include "lib/xml/xpath.h"

enum { HOR_PATH_BYTES = 400 };

/* An <after> whose node may stand further down. */
struct hor_pending_edge {
    size_t node, edge;
    const char *from; /* id */
    int line;
};

struct hor_builder {
    struct hor_config *config;
    struct hor_arena *arena; /* the configuration's */
    struct hor_problems *problems;
    struct hor_problems own_problems; /* for a caller that wants none */
    int code; /* HOR_ERR_MEMORY ends it all */

    /* the document or, in a release, the object */
    const char *file, *path;
    enum hor_kind kind;
    bool release; /* objects stand in a release document */
    bool taken;   /* the document's object was begun */
    int depth;    /* of elements that are looked at, the object's root is 1 */
    int skipping; /* depth inside an <extension> or what the schema refused */
    int line;     /* of the element at hand */
    struct hor_buf text;
    struct hor_object *object; /* one of the next, NULL outside of an object */
    struct hor_job *job;
    struct hor_chain *chain;
    struct hor_schedule *schedule;
    struct hor_calendar *calendar;
    struct hor_agent_cluster *cluster;
    struct hor_day_set **set; /* the <include> or <exclude> that is open */
    size_t *set_count;
    const char *name; /* of the named text that is open */
    struct hor_pending_edge *pending; /* of the chain */
    size_t pending_count, pending_capacity;
    bool at_start;           /* the node has <atStart/> */
    const char **same_agent; /* of the chain: node ids, as many as nodes; arena */
    struct hor_map *checked; /* rules and zones that were looked at */
    struct hor_map *broken;  /* see hor_config_cross_check */
};

typedef const struct hor_xml_attributes hor_attributes;

/* A problem at the element at hand. */
void hor_builder_problem(struct hor_builder *b, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Refuses what the language has and this version does not execute. */
void hor_builder_refuse(struct hor_builder *b, const char *what);
/* One more item in an array of the arena, zeroed; NULL when memory is out. */
void *hor_builder_add(struct hor_builder *b, void *array, size_t *count, size_t item_bytes);
#define HOR_ADD(b, array, count) hor_builder_add((b), &(array), &(count), sizeof *(array))

/* Attributes; NULL or the fallback when absent. A wrong value is a problem (the schema tells most). */
const char *hor_builder_text(struct hor_builder *b, hor_attributes *a, const char *name);
const char *hor_builder_reference(struct hor_builder *b, hor_attributes *a, const char *name);
int64_t hor_builder_int(struct hor_builder *b, hor_attributes *a, const char *name, int64_t fallback);
int64_t hor_builder_duration(struct hor_builder *b, hor_attributes *a, const char *name,
                             int64_t fallback_ms);
int32_t hor_builder_day(struct hor_builder *b, hor_attributes *a, const char *name);
int32_t hor_builder_time(struct hor_builder *b, hor_attributes *a, const char *name,
                         int32_t fallback_s);
int64_t hor_builder_size(struct hor_builder *b, hor_attributes *a, const char *name);
int hor_builder_milli(struct hor_builder *b, hor_attributes *a, const char *name, int fallback);
bool hor_builder_bool(hor_attributes *a, const char *name);
bool hor_builder_has(hor_attributes *a, const char *name);
/* Index of the value in a NULL-terminated list, `fallback` when absent. */
int hor_builder_choice(hor_attributes *a, const char *name, const char *const *values, int fallback);
/* "1 3-5" */
void hor_builder_codes(struct hor_builder *b, const char *text, struct hor_codes *ret);
void hor_builder_parameter(struct hor_builder *b, hor_attributes *a, struct hor_parameter **items,
                           size_t *count, hor_xpath_known_fn *known);
/* The text of the element that ends, without the white space around it. */
const char *hor_builder_trimmed(struct hor_builder *b);
/* Adds the open named text. */
void hor_builder_named(struct hor_builder *b, struct hor_named_text **items, size_t *count,
                       hor_xpath_known_fn *known);
void hor_builder_check_template(struct hor_builder *b, const char *text, hor_xpath_known_fn *known);
void hor_builder_check_xpath(struct hor_builder *b, const char *text, hor_xpath_known_fn *known);

/* Per kind: an element below the root starts or ends. `a` of the root comes with `begin`. */
void hor_job_begin(struct hor_builder *b, hor_attributes *a);
void hor_job_start(struct hor_builder *b, const char *name, hor_attributes *a);
void hor_job_end(struct hor_builder *b, const char *name);
void hor_chain_begin(struct hor_builder *b, hor_attributes *a);
void hor_chain_start(struct hor_builder *b, const char *name, hor_attributes *a);
void hor_chain_end(struct hor_builder *b, const char *name);
void hor_chain_finish(struct hor_builder *b);
/* An element below <requires>, and chain_knows of build_chain.c for its expressions. */
void hor_requires_start(struct hor_builder *b, const char *name, hor_attributes *a,
                        hor_xpath_known_fn *known);
/* "success 7-9" */
void hor_builder_on(struct hor_builder *b, const char *text, unsigned *ret_on,
                    struct hor_codes *ret_codes);
void hor_schedule_begin(struct hor_builder *b, hor_attributes *a);
void hor_schedule_start(struct hor_builder *b, const char *name, hor_attributes *a);
void hor_schedule_end(struct hor_builder *b, const char *name);
void hor_schedule_finish(struct hor_builder *b);
void hor_calendar_begin(struct hor_builder *b, hor_attributes *a);
void hor_calendar_start(struct hor_builder *b, const char *name, hor_attributes *a);
void hor_calendar_end(struct hor_builder *b, const char *name);
/* The text of an iCalendar file, whose first line is `line` of the document. */
void hor_icalendar_text(struct hor_builder *b, const char *text, size_t len, int line);
void hor_place_begin(struct hor_builder *b, hor_attributes *a); /* agentCluster, folder, lock */
void hor_place_start(struct hor_builder *b, const char *name, hor_attributes *a);
void hor_cluster_finish(struct hor_builder *b);

/* Makes the chains that nodes on other clusters run as; before the cross-check. HOR_ERR_MEMORY. */
int hor_config_add_parts(struct hor_config *config, struct hor_problems *problems);
/* Sorts, finds duplicates, resolves references, checks across objects. `broken` has the keys
 * "job:/x" of documents that are there but could not be taken in. */
void hor_config_cross_check(struct hor_config *config, const struct hor_map *broken,
                            struct hor_problems *problems);

#endif
