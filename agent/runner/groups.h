/* agent/runner/groups.h - control groups (cgroup v2) for tasks, used again and again: making one
 * costs more than looking whether it is empty. One thread. */
#ifndef HOR_AGENT_RUNNER_GROUPS_H
#define HOR_AGENT_RUNNER_GROUPS_H

#include <stdbool.h>

#include "lib/base/error.h"

struct hor_groups;

/* Looks for a control group that this process may write, makes the folder `name` there and kills
 * all that a runner before left in it. NULL when there is none: then trees are found in /proc. */
struct hor_groups *hor_groups_new(const char *name);
void hor_groups_free(struct hor_groups *groups); /* removes the folders */
/* An empty group's folder, -1 when none can be made. */
int hor_groups_take(struct hor_groups *groups);
/* Gives it back; it must be empty again. A group that was killed as a whole is removed: Linux (6.18
 * still) also kills what is later cloned into it. */
void hor_groups_give(struct hor_groups *groups, int group_fd, bool killed);
const char *hor_groups_path(const struct hor_groups *groups);

#endif
