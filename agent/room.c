/* Whether this member has room on its disk. Without it the member takes nothing new: it gets no tasks and
 * starts none, since a task wants a log, outputs and a record, and its end wants a journal. */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "agent/agent.h"
#include "lib/base/log.h"

enum { LEAST_BYTES = 1 << 20 };

bool hor_agent_has_room(struct hor_agent *agent)
{
    struct hor_cluster_status status = {0};
    struct statvfs disk;
    const char *directory = agent->settings->common.data_directory;
    if (agent->cluster != NULL)
        hor_cluster_get_status(agent->cluster, &status);
    bool room = !status.no_room;
    if (statvfs(directory, &disk) == 0)
        room = room && (uint64_t)disk.f_bavail * disk.f_frsize >= LEAST_BYTES;
    else if (errno != ENOENT)
        hor_log_debug("statvfs %s: %s", directory, strerror(errno));
    if (!room && !agent->no_room)
        hor_log_error("no room on the disk of '%s': no new work is taken until there is", directory);
    else if (room && agent->no_room)
        hor_log_info("room again on the disk of '%s'", directory);
    agent->no_room = !room;
    return room;
}
