/* From an assigned task to what the runner starts: script file, argument vector, environment, log. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum {
    OUTPUTS_MAX = 100,
    OUTPUT_NAME_BYTES = 100,
    OUTPUT_VALUE_BYTES = 4000,
    VARIABLES_MAX = 2000,
    LOG_FOLDERS = 64,
};

/* ---- paths ---- */

/* A name that may stand as one part of a path: ids are [A-Za-z0-9_.:-]+, "." and ".." are not. */
static bool is_file_name(const char *name, size_t len)
{
    if (len == 0 || len > 200 || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("_.:-", name[i]) == NULL)
            return false;
    return true;
}

/* ORDER:NODE:ATTEMPT; nodes have no colon in their names. */
static bool split_task(const char *task, size_t *ret_order_len, size_t *ret_node_at)
{
    const char *attempt = strrchr(task, ':');
    if (attempt == NULL || attempt == task)
        return false;
    const char *node = attempt - 1;
    while (node > task && *node != ':')
        node--;
    if (*node != ':')
        return false;
    *ret_order_len = (size_t)(node - task);
    *ret_node_at = *ret_order_len + 1;
    return is_file_name(task, *ret_order_len) &&
           is_file_name(node + 1, (size_t)(attempt - node - 1)) &&
           is_file_name(attempt + 1, strlen(attempt + 1));
}

char *hor_agent_log_path(const struct hor_agent *agent, const char *task)
{
    size_t order_len, node_at;
    if (!split_task(task, &order_len, &node_at))
        return NULL;
    /* Spread over a few folders instead of one for each order: making a folder costs more than
     * making the log. */
    unsigned folder = hor_crc32c(0, task, order_len) % LOG_FOLDERS;
    char *path = hor_str_printf("%s/logs/%02x/%s.log", agent->settings->common.data_directory,
                                folder, task);
    if (path != NULL)
        *strrchr(path, ':') = '.'; /* order:node:1.log becomes order:node.1.log */
    return path;
}

char *hor_agent_output_path(const struct hor_agent *agent, const char *task)
{
    if (!is_file_name(task, strlen(task)))
        return NULL;
    return hor_str_printf("%s/outputs/%s", agent->settings->common.data_directory, task);
}

int hor_agent_outputs_make(const struct hor_agent *agent, bool other_users, struct hor_error *err)
{
    char *path = hor_str_printf("%s/outputs", agent->settings->common.data_directory);
    if (path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = hor_dir_make(path, 0700, err);
    /* Jobs of other users find their own file, which the runner made for them, and no more. */
    if (rc == HOR_OK && other_users && chmod(path, 0711) != 0)
        rc = hor_error_set_errno(err, HOR_ERR_IO, errno, "folder %s", path);
    free(path);
    return rc;
}

static int make_parent(const char *path, struct hor_error *err)
{
    char *dir = hor_strdup(path);
    if (dir == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    *strrchr(dir, '/') = '\0';
    int rc = hor_dir_make(dir, 0755, err);
    free(dir);
    return rc;
}

/* ---- outputs ---- */

static bool is_output_name(const char *name, size_t len)
{
    if (len == 0 || len > OUTPUT_NAME_BYTES || !(isalpha((unsigned char)name[0]) || name[0] == '_'))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("_.-", name[i]) == NULL)
            return false;
    return true;
}

int hor_agent_outputs_parse(const char *text, size_t len, struct hor_arguments *ret,
                            size_t *ret_dropped)
{
    struct hor_arguments list = {0};
    const char *end = text + len;
    *ret_dropped = 0;
    while (text < end) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        const char *stop = eol != NULL ? eol : end;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        bool blank = stop == text;
        if (equals != NULL && is_output_name(text, (size_t)(equals - text)) &&
            stop - equals - 1 <= OUTPUT_VALUE_BYTES && list.count < OUTPUTS_MAX &&
            memchr(text, '\0', (size_t)(stop - text)) == NULL) {
            char *name = strndup(text, (size_t)(equals - text));
            char *value = strndup(equals + 1, (size_t)(stop - equals - 1));
            size_t n = value != NULL ? strlen(value) : 0;
            if (n > 0 && value[n - 1] == '\r')
                value[n - 1] = '\0';
            int rc = name != NULL && value != NULL ? hor_arguments_add(&list, name, value, false)
                                                   : HOR_ERR_MEMORY;
            free(name);
            free(value);
            if (rc < 0) {
                hor_arguments_done(&list);
                return rc;
            }
        } else if (!blank) {
            ++*ret_dropped;
        }
        text = eol != NULL ? eol + 1 : end;
    }
    *ret = list;
    return HOR_OK;
}

/* ---- script ---- */

/* Scripts are kept under the hash of their text: written once, read by many tasks. */
static char *script_file(const struct hor_agent *agent, const char *script, struct hor_error *err)
{
    char sha[65];
    struct stat st;
    hor_sha256_hex(script, strlen(script), sha);
    char *path =
        hor_str_printf("%s/scripts/%s.sh", agent->settings->common.data_directory, sha);
    if (path == NULL) {
        hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        return NULL;
    }
    if (stat(path, &st) == 0 && (size_t)st.st_size == strlen(script))
        return path;
    if (make_parent(path, err) < 0 ||
        hor_file_write_atomic(path, script, strlen(script), 0500, err) < 0) {
        free(path);
        return NULL;
    }
    return path;
}

/* ---- environment ---- */

struct variables {
    char **items;
    size_t count;
    bool failed;
};

static void variable(struct variables *v, const char *name, const char *value)
{
    char *text = v->count < VARIABLES_MAX ? hor_str_printf("%s=%s", name, value) : NULL;
    if (text == NULL) {
        v->failed = true;
        return;
    }
    size_t len = strlen(name);
    for (size_t i = 0; i < v->count; i++)
        if (strncmp(v->items[i], text, len + 1) == 0) { /* a later one counts */
            free(v->items[i]);
            v->items[i] = text;
            return;
        }
    v->items[v->count++] = text;
}

static void parameter_variable(struct variables *v, const char *name, const char *value)
{
    char *full = hor_str_printf("HORARIUM_PARAM_%s", name);
    if (full == NULL) {
        v->failed = true;
        return;
    }
    for (char *c = full; *c != '\0'; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    variable(v, full, value);
    free(full);
}

static void variables_done(struct variables *v)
{
    for (size_t i = 0; v->items != NULL && i < v->count; i++)
        free(v->items[i]);
    free(v->items);
}

static int environment(const struct hor_agent *agent, const struct hor_core_task_view *task,
                       const struct hor_core_execution *e, const char *output, struct variables *v)
{
    char fence[24];
    *v = (struct variables){.items = calloc(VARIABLES_MAX + 1, sizeof *v->items)};
    if (v->items == NULL)
        return HOR_ERR_MEMORY;
    variable(v, "PATH", "/usr/local/bin:/usr/bin:/bin");
    variable(v, "LANG", "C.UTF-8");
    for (size_t i = 0; i < e->environment.count; i++)
        variable(v, e->environment.items[i].name, e->environment.items[i].value);
    for (size_t i = 0; i < e->parameters.count; i++)
        parameter_variable(v, e->parameters.items[i].name, e->parameters.items[i].value);
    for (size_t i = 0; i < e->context.count; i++)
        variable(v, e->context.items[i].name, e->context.items[i].value);
    snprintf(fence, sizeof fence, "%llu", (unsigned long long)task->fence);
    variable(v, "HORARIUM_AGENT", agent->name);
    variable(v, "HORARIUM_FENCE", fence);
    variable(v, "HORARIUM_OUTPUT", output);
    return v->failed ? HOR_ERR_LIMIT : HOR_OK;
}

/* ---- start ---- */

static int give(struct hor_agent *agent, const struct hor_core_task_view *task,
                const struct hor_core_execution *e, const char *const *argv, char *const *env,
                const char *log, const char *output, struct hor_error *err)
{
    const struct hor_job *job = task->job;
    int64_t lease_end_ms = 0;
    if (!hor_agent_lease_holds(agent, &lease_end_ms))
        return hor_error_set(err, HOR_ERR_UNREACHABLE, "no lease");
    bool fenced = lease_end_ms != 0 && job->agent_loss == HOR_AGENT_LOSS_RESTART;
    struct hor_runner_job run = {
        .task = task->task,
        .fence = task->fence,
        .argv = argv,
        .environment = (const char *const *)env,
        .directory = e->directory != NULL ? e->directory : "/",
        .user = job->user,
        .log_file = log,
        .output_file = output,
        .lease_end_ms = lease_end_ms,
        .kill_at_ms = fenced ? lease_end_ms + HOR_AGENT_GRACE_MS : 0,
        .timeout_ms = job->timeout_ms,
        .terminate_signal = job->terminate_signal,
        .grace_ms = job->grace_ms,
        .memory_bytes = job->memory_bytes,
        .cpu_seconds = job->cpu_seconds,
        .file_bytes = job->file_bytes,
        .processes = job->processes,
        .open_files = job->open_files,
    };
    return hor_runner_start(agent->runner, &run, err);
}

int hor_agent_launch(struct hor_agent *agent, const struct hor_core_task_view *task,
                     struct hor_error *err)
{
    struct hor_core_execution e = {0};
    struct variables v = {0};
    char *log = hor_agent_log_path(agent, task->task);
    char *output = hor_agent_output_path(agent, task->task), *script = NULL;
    int rc = hor_core_execution(agent->core, task->task, hor_clock_utc_us(), &e, err);
    if (rc < 0)
        goto out;
    if (log == NULL || output == NULL) {
        rc = hor_error_set(err, HOR_ERR_INVALID, "the names of order and node make no file name");
        goto out;
    }
    if ((rc = make_parent(log, err)) < 0 ||
        (task->job->user != NULL && (rc = hor_agent_outputs_make(agent, true, err)) < 0))
        goto out;
    rc = environment(agent, task, &e, output, &v);
    if (rc < 0) {
        hor_error_set(err, rc, "environment: %s", hor_error_words(rc));
        goto out;
    }
    if (task->job->script != NULL) {
        script = script_file(agent, task->job->script, err);
        rc = script == NULL ? HOR_ERR_IO : HOR_OK;
        const char *argv[] = {task->job->shell != NULL ? task->job->shell : "/bin/sh", script, NULL};
        if (rc == HOR_OK)
            rc = give(agent, task, &e, argv, v.items, log, output, err);
    } else {
        rc = give(agent, task, &e, (const char *const *)e.argv, v.items, log, output, err);
    }
out:
    hor_core_execution_done(&e);
    variables_done(&v);
    free(log);
    free(output);
    free(script);
    return rc;
}
