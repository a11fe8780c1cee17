/* Whether this machine was started anew, and what follows for tasks. What the runner wrote down is
 * in the page cache, not on the disk: it survives every process and not the machine. So after a
 * start of the machine a task that the runner does not know may have run all the same, when it was
 * assigned before. DATA/boot holds the id of the start and the last such index: 9c2e7a51-... 4711
 * Tasks with a fence up to there are never given to the runner; later ones are certainly new, as
 * the leader assigned them after it had granted this start's first lease. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/boot.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum { FILE_BYTES = 200, SAVE_AGAIN_MS = 1000 };

static char *path_of(const struct hor_agent *agent)
{
    return hor_str_printf("%s/boot", agent->settings->common.data_directory);
}

/* True when the file is about the present start. What cannot be read is about none. */
static bool parse(const char *text, const char *id, uint64_t *ret_until)
{
    size_t len = strlen(id);
    char *end;
    if (strncmp(text, id, len) != 0 || text[len] != ' ' || text[len + 1] < '0' ||
        text[len + 1] > '9')
        return false;
    *ret_until = strtoull(text + len + 1, &end, 10);
    return strcmp(end, "\n") == 0;
}

int hor_agent_boot_open(struct hor_agent *agent, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    int code = hor_boot_id(agent->boot_id, err);
    if (code < 0)
        return code;
    char *path = path_of(agent);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    code = hor_file_read(path, FILE_BYTES, &text, err);
    agent->boot_known =
        code == HOR_OK && parse(hor_buf_text(&text), agent->boot_id, &agent->doubt_until);
    if (!agent->boot_known && code != HOR_ERR_NOT_FOUND)
        hor_log_info(
            "the machine was started anew: tasks assigned before follow their agentLoss rule");
    hor_buf_done(&text);
    free(path);
    return HOR_OK;
}

void hor_agent_boot_confirm(struct hor_agent *agent, uint64_t index)
{
    if (agent->boot_known || agent->boot_pending)
        return;
    agent->boot_pending = true;
    agent->doubt_until = index;
    hor_agent_boot_save(agent);
}

void hor_agent_boot_save(struct hor_agent *agent)
{
    char text[FILE_BYTES];
    struct hor_error err = {0};
    if (!agent->boot_pending)
        return;
    char *path = path_of(agent);
    int len = snprintf(text, sizeof text, "%s %" PRIu64 "\n", agent->boot_id, agent->doubt_until);
    int code = path == NULL ? HOR_ERR_MEMORY
                            : hor_dir_make(agent->settings->common.data_directory, 0755, &err);
    if (code == HOR_OK)
        code = hor_file_write_atomic(path, text, (size_t)len, 0644, &err);
    free(path);
    if (code < 0) {
        if (!agent->boot_failed)
            hor_log_error(
                "the machine's start cannot be noted: %s: no task is started until it can",
                err.text);
        agent->boot_failed = true;
        hor_timer_start(agent->retry_timer, SAVE_AGAIN_MS);
        return;
    }
    if (agent->boot_failed)
        hor_log_info("the machine's start is noted");
    agent->boot_failed = agent->boot_pending = false;
    agent->boot_known = true;
    /* What was applied after the last comparison may have been there before the start, too. */
    if (agent->live && agent->runner_connected)
        hor_agent_tasks_reconcile(agent);
}
