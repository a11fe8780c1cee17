#define _GNU_SOURCE /* syscall */
#include "agent/runner/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/buf.h"

enum { MAX_ENVIRON_BYTES = 4 << 20, MAX_PROCESSES = 1 << 20 };

struct process {
    pid_t pid, parent, session;
    int64_t start_ticks;
    bool zombie, below, mine;
};

struct snapshot {
    struct process *items;
    size_t count, capacity;
};

static ssize_t read_small(int dir, const char *path, char *out, size_t bytes)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    /* The kernel makes such a text in one go. */
    ssize_t got = read(fd, out, bytes - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got;
}

/* /proc/PID/stat; the name in parentheses may hold anything, so the fields count from the last one. */
static bool read_process(int proc, pid_t pid, struct process *ret)
{
    char path[32], text[1024], state;
    snprintf(path, sizeof path, "%d/stat", (int)pid);
    if (read_small(proc, path, text, sizeof text) <= 0)
        return false;
    const char *rest = strrchr(text, ')');
    int parent, session;
    unsigned long long start;
    if (rest == NULL ||
        sscanf(rest + 1,
               " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &parent, &session, &start) != 4)
        return false;
    *ret = (struct process){.pid = pid,
                            .parent = parent,
                            .session = session,
                            .start_ticks = (int64_t)start,
                            .zombie = state == 'Z' || state == 'X'};
    return true;
}

static bool add_process(struct snapshot *all, const struct process *one)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity == 0 ? 256 : all->capacity * 2;
        struct process *items = capacity > MAX_PROCESSES
                                    ? NULL
                                    : realloc(all->items, capacity * sizeof *items);
        if (items == NULL)
            return false;
        all->items = items;
        all->capacity = capacity;
    }
    all->items[all->count++] = *one;
    return true;
}

static int compare_pid(const void *a, const void *b)
{
    pid_t x = ((const struct process *)a)->pid, y = ((const struct process *)b)->pid;
    return (x > y) - (x < y);
}

static bool take_snapshot(int proc, struct snapshot *all)
{
    int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool complete = true;
    for (const struct dirent *entry; complete && (entry = readdir(dir)) != NULL;) {
        struct process one;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        if (read_process(proc, (pid_t)strtol(entry->d_name, NULL, 10), &one))
            complete = add_process(all, &one);
    }
    closedir(dir);
    if (all->count > 0)
        qsort(all->items, all->count, sizeof all->items[0], compare_pid);
    return complete;
}

static struct process *find(const struct snapshot *all, pid_t pid)
{
    struct process key = {.pid = pid};
    return all->count == 0
               ? NULL
               : bsearch(&key, all->items, all->count, sizeof all->items[0], compare_pid);
}

/* Spreads a mark from parents to children until nothing changes. */
static void spread(const struct snapshot *all, bool below)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < all->count; i++) {
            struct process *one = &all->items[i];
            if (below ? one->below : one->mine)
                continue;
            const struct process *parent = find(all, one->parent);
            if (parent == NULL || !(below ? parent->below : parent->mine))
                continue;
            if (below)
                one->below = true;
            else
                one->mine = true;
            changed = true;
        }
    }
}

static bool has_mark(int proc, pid_t pid, const char *task)
{
    char path[32], mark[1024];
    int len = snprintf(mark, sizeof mark, "HORARIUM_TASK=%s", task);
    snprintf(path, sizeof path, "%d/environ", (int)pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || len >= (int)sizeof mark) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    struct hor_buf text = HOR_BUF_INIT;
    ssize_t got;
    do {
        if (!hor_buf_reserve(&text, 65536))
            break;
        got = read(fd, text.data + text.len, 65536);
        text.len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && text.len < MAX_ENVIRON_BYTES);
    close(fd);
    if (text.data != NULL)
        text.data[text.len] = '\0';
    bool found = false;
    for (size_t at = 0; !found && at < text.len; at += strlen(text.data + at) + 1)
        found = strcmp(text.data + at, mark) == 0;
    hor_buf_done(&text);
    return found;
}

static bool is_main(const struct hor_tree *tree, const struct process *one)
{
    return one->pid == tree->main && (tree->ticks_to == 0 || (one->start_ticks >= tree->ticks_from &&
                                                              one->start_ticks <= tree->ticks_to));
}

static void mark_tree(int proc, const struct hor_tree *tree, const struct snapshot *all)
{
    struct process *root = tree->below != 0 ? find(all, tree->below) : NULL;
    if (root != NULL) {
        root->below = true;
        spread(all, true);
        root->below = false;
    }
    /* A session's id is not given away while it has members; but after a restart of the runner the
     * pid may be a stranger's, and then so is the session. */
    const struct process *main = tree->main != 0 ? find(all, tree->main) : NULL;
    bool session_ours = tree->main != 0 && (main == NULL || is_main(tree, main));
    for (size_t i = 0; i < all->count; i++) {
        struct process *one = &all->items[i];
        if (one->pid == getpid() || (tree->below != 0 && !one->below))
            continue;
        one->mine = tree->all_below || is_main(tree, one) ||
                    (session_ours && one->session == tree->main &&
                     one->start_ticks >= tree->ticks_from) ||
                    (!one->zombie && has_mark(proc, one->pid, tree->task));
    }
    for (size_t i = 0; i < tree->member_count; i++) {
        struct process *one = find(all, tree->members[i].pid);
        if (one != NULL && one->start_ticks == tree->members[i].start_ticks)
            one->mine = true;
    }
    spread(all, false);
}

/* Without memory the members of before stay. */
static void remember(struct hor_tree *tree, const struct snapshot *all, size_t count)
{
    struct hor_member *members = malloc((count + 1) * sizeof *members);
    if (members == NULL)
        return;
    size_t used = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct process *one = &all->items[i];
        if (one->mine && !one->zombie && one->pid != getpid() && used < count)
            members[used++] = (struct hor_member){one->pid, one->start_ticks};
    }
    free(tree->members);
    tree->members = members;
    tree->member_count = used;
}

void hor_tree_done(struct hor_tree *tree)
{
    free(tree->members);
    tree->members = NULL;
    tree->member_count = 0;
}

/* The process cannot be another one by the time that the signal arrives. */
static void send_signal(int proc, const struct process *one, int number)
{
    struct process now;
    int fd = (int)syscall(SYS_pidfd_open, one->pid, 0);
    if (fd < 0) {
        if (errno == ENOSYS && read_process(proc, one->pid, &now) &&
            now.start_ticks == one->start_ticks)
            kill(one->pid, number);
        return;
    }
    if (read_process(proc, one->pid, &now) && now.start_ticks == one->start_ticks)
        syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
    close(fd);
}

static size_t signal_group(int group_fd, int number, bool *ret_known)
{
    char text[256];
    *ret_known = true;
    if (number == 0 || number == SIGKILL) {
        if (number == SIGKILL) {
            int fd = openat(group_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
            if (fd < 0 || write(fd, "1", 1) != 1)
                *ret_known = false;
            if (fd >= 0)
                close(fd);
        }
        if (read_small(group_fd, "cgroup.events", text, sizeof text) < 0)
            *ret_known = false;
        return strstr(text, "populated 0") == NULL;
    }
    int fd = openat(group_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *list = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (list == NULL) {
        if (fd >= 0)
            close(fd);
        *ret_known = false;
        return 0;
    }
    int pid, proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t count = 0;
    while (fscanf(list, "%d", &pid) == 1) {
        struct process one;
        if (pid > 0 && proc >= 0 && read_process(proc, pid, &one)) {
            send_signal(proc, &one, number);
            count++;
        }
    }
    if (proc >= 0)
        close(proc);
    fclose(list);
    return count;
}

size_t hor_tree_signal(struct hor_tree *tree, int number)
{
    if (tree->group_fd >= 0) {
        bool known;
        tree->group_killed = tree->group_killed || number == SIGKILL;
        size_t count = signal_group(tree->group_fd, number, &known);
        if (known)
            return count;
    }
    struct snapshot all = {0};
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0 || !take_snapshot(proc, &all)) {
        free(all.items);
        if (proc >= 0)
            close(proc);
        return 1; /* not known: not empty */
    }
    mark_tree(proc, tree, &all);
    size_t count = 0;
    for (size_t i = 0; i < all.count; i++) {
        const struct process *one = &all.items[i];
        if (!one->mine || one->zombie || one->pid == getpid())
            continue;
        count++;
        if (number != 0)
            send_signal(proc, one, number);
    }
    remember(tree, &all, count);
    free(all.items);
    close(proc);
    return count;
}

int hor_tree_children(void)
{
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    char text[4096];
    int count = 0;
    ssize_t got;
    while ((got = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < got; i++)
            count += text[i] == ' '; /* one follows each pid */
    close(fd);
    return got < 0 ? -1 : count;
}
