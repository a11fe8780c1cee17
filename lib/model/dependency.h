/* lib/model/dependency.h - what dependencies on the history of other chains are decided by: when
 * orders of a chain ended last, and how. The agents keep it for their own chains and the Master for
 * all of its, by the same rules. Times are UTC microseconds. One thread owns a struct. */
#ifndef HOR_MODEL_DEPENDENCY_H
#define HOR_MODEL_DEPENDENCY_H

#include <stdint.h>

enum {
    HOR_ENDS = 5, /* success, warning, failure, skipped as the bits of enum hor_on, then all others */
    HOR_ON_TEXT_BYTES = 40,
};

struct hor_ends {
    int64_t at[HOR_ENDS]; /* HOR_EVENT_NONE: never */
};

void hor_ends_init(struct hor_ends *ends);
/* The end of an order: its state, as in the event orderEnded. Returns the index that it counts for. */
int hor_ends_note(struct hor_ends *ends, const char *state, int64_t at_us);
/* The newest end that one of HOR_ON_... takes; HOR_EVENT_NONE: none. Every end counts for HOR_ON_ANY,
 * cancelled and missed ones for nothing else. */
int64_t hor_ends_latest(const struct hor_ends *ends, unsigned on);
const char *hor_ends_name(int i); /* "success", ... "other" */

/* "success warning" or "any" for HOR_ON_..., and back. */
const char *hor_on_format(unsigned on, char out[HOR_ON_TEXT_BYTES]);
unsigned hor_on_parse(const char *text);
/* The outcome of a task that ran as an order of its own: success, warning or failure. */
const char *hor_outcome_of_end(const char *state);

#endif
