/* agent/runner/tree.h - the processes that came from a task: found in /proc by parent, session and
 * the mark in their environment, or held together by a control group. One thread.
 *
 * The runner is a subreaper: a process whose parent has ended becomes the runner's child, so
 * everything that came from a task stays below the runner. */
#ifndef HOR_AGENT_RUNNER_TREE_H
#define HOR_AGENT_RUNNER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hor_member {
    pid_t pid;
    int64_t start_ticks;
};

/* How to know the processes of one task. */
struct hor_tree {
    pid_t main;          /* its first process, also its session's id; 0: unknown */
    const char *task;    /* the mark HORARIUM_TASK */
    int group_fd;        /* its control group's folder, -1: none */
    bool group_killed;   /* cgroup.kill was used */
    pid_t below;         /* look only below this process (the runner); 0: everywhere */
    bool all_below;      /* every process below `below` belongs to it */
    int64_t ticks_from, ticks_to; /* when `main` started; 0: not to be checked */
    /* Who belonged to it when it was last looked at in /proc; kept here so that a process which
     * lost its parent meanwhile is still known. Free with hor_tree_done. */
    struct hor_member *members;
    size_t member_count;
};

void hor_tree_done(struct hor_tree *tree);

/* Sends `signal` to every living process of the tree (0: only counts) and returns how many there
 * are. A control group is told to kill itself as a whole for SIGKILL. */
size_t hor_tree_signal(struct hor_tree *tree, int signal);
/* How many children this process has, zombies included, from the kernel's own list: a few
 * microseconds. -1: the kernel does not tell. */
int hor_tree_children(void);

#endif
