#include "agent/runner/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/runner/tree.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { EMPTY_WITHIN_MS = 5000, MAX_FREE = 256 };

struct hor_groups {
    char *path;
    int fd; /* of the folder that holds the tasks' groups */
    int free_fds[MAX_FREE];
    int free_count;
    unsigned made;
};

/* Where cgroup v2 is mounted, new string; mountinfo: "... ROOT MOUNTPOINT OPTIONS ... - TYPE ...". */
static char *mount_point(void)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    char line[4096], *found = NULL;
    while (mounts != NULL && found == NULL && fgets(line, sizeof line, mounts) != NULL) {
        char point[1024];
        if (strstr(line, " - cgroup2 ") != NULL &&
            sscanf(line, "%*s %*s %*s %*s %1023s", point) == 1)
            found = strdup(point);
    }
    if (mounts != NULL)
        fclose(mounts);
    return found;
}

/* This process's own group below the mount point, new string. */
static char *own_group(void)
{
    struct hor_buf text = HOR_BUF_INIT;
    char *found = NULL;
    if (hor_file_read("/proc/self/cgroup", 1 << 20, &text, NULL) == HOR_OK) {
        char *line = strncmp(text.data, "0::", 3) == 0 ? text.data : strstr(text.data, "\n0::");
        if (line != NULL) {
            line = strchr(line, '/');
            if (line != NULL)
                found = strndup(line, strcspn(line, "\n"));
        }
    }
    hor_buf_done(&text);
    return found;
}

/* Kills what lives in the group and waits until the kernel says that it is empty. */
static void empty_group(int fd)
{
    struct hor_tree tree = {.group_fd = fd, .task = ""};
    int64_t until = hor_clock_monotonic_ms() + EMPTY_WITHIN_MS;
    int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    while (events >= 0 && hor_tree_signal(&tree, SIGKILL) > 0) {
        char text[256];
        int64_t left = until - hor_clock_monotonic_ms();
        struct pollfd wait = {.fd = events, .events = POLLPRI};
        if (left <= 0 || pread(events, text, sizeof text, 0) < 0)
            break;
        poll(&wait, 1, left > 100 ? 100 : (int)left); /* killed again if it forked meanwhile */
    }
    if (events >= 0)
        close(events);
}

static void clear_folder(int base)
{
    int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != 't')
            continue;
        int group = openat(base, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (group < 0)
            continue;
        empty_group(group);
        close(group);
        unlinkat(base, entry->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
}

struct hor_groups *hor_groups_new(const char *name)
{
    char *point = mount_point(), *own = own_group();
    struct hor_groups *groups = calloc(1, sizeof *groups);
    bool usable = false;
    if (point == NULL || own == NULL || groups == NULL)
        goto out;
    groups->fd = -1;
    groups->path = hor_str_printf("%s%s/%s", point, strcmp(own, "/") == 0 ? "" : own, name);
    if (groups->path == NULL || (mkdir(groups->path, 0755) != 0 && errno != EEXIST))
        goto out;
    groups->fd = open(groups->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (groups->fd < 0)
        goto out;
    clear_folder(groups->fd);
    int first = hor_groups_take(groups);
    if (first < 0)
        goto out;
    usable = faccessat(first, "cgroup.procs", W_OK, 0) == 0 &&
             faccessat(first, "cgroup.kill", W_OK, 0) == 0;
    hor_groups_give(groups, first, false);
out:
    free(point);
    free(own);
    if (usable)
        return groups;
    hor_groups_free(groups);
    return NULL;
}

void hor_groups_free(struct hor_groups *groups)
{
    if (groups == NULL)
        return;
    for (int i = 0; i < groups->free_count; i++)
        close(groups->free_fds[i]);
    if (groups->path != NULL && groups->fd >= 0) {
        clear_folder(groups->fd);
        close(groups->fd);
        rmdir(groups->path);
    }
    free(groups->path);
    free(groups);
}

int hor_groups_take(struct hor_groups *groups)
{
    if (groups == NULL)
        return -1;
    if (groups->free_count > 0)
        return groups->free_fds[--groups->free_count];
    char name[32];
    snprintf(name, sizeof name, "t%u", groups->made);
    if (mkdirat(groups->fd, name, 0755) != 0 && errno != EEXIST)
        return -1;
    groups->made++;
    return openat(groups->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void hor_groups_give(struct hor_groups *groups, int group_fd, bool killed)
{
    if (group_fd < 0)
        return;
    if (!killed && groups->free_count < MAX_FREE) {
        groups->free_fds[groups->free_count++] = group_fd;
        return;
    }
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", group_fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    close(group_fd);
    if (len > 0) {
        path[len] = '\0';
        rmdir(path);
    }
}

const char *hor_groups_path(const struct hor_groups *groups) { return groups->path; }
