#include <signal.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/config/builder.h"

static bool job_knows(const char *variable, void *ctx)
{
    const struct hor_builder *b = ctx;
    return strcmp(variable, "order") == 0 || strcmp(variable, "plan") == 0 ||
           strcmp(variable, "nodes") == 0 ||
           hor_parameter_find(b->job->parameters, b->job->parameter_count, variable) != NULL;
}

void hor_job_begin(struct hor_builder *b, hor_attributes *a)
{
    (void)a;
    b->job->terminate_signal = SIGTERM;
    b->job->grace_ms = 15000;
    b->job->retry_attempts = 1;
    b->job->retry_factor_milli = 1000;
}

static void read_execution(struct hor_builder *b, hor_attributes *a)
{
    struct hor_job *job = b->job;
    job->user = hor_builder_text(b, a, "user");
    job->directory = hor_builder_text(b, a, "directory");
    hor_builder_check_template(b, job->directory, job_knows);
    job->timeout_ms = hor_builder_duration(b, a, "timeout", 0);
    job->max_tasks = (int)hor_builder_int(b, a, "maxTasks", 0);
    job->priority = (int)hor_builder_int(b, a, "priority", 0);
}

static void read_limits(struct hor_builder *b, hor_attributes *a)
{
    struct hor_job *job = b->job;
    job->memory_bytes = hor_builder_size(b, a, "memory");
    job->file_bytes = hor_builder_size(b, a, "fileSize");
    job->processes = hor_builder_int(b, a, "processes", 0);
    job->open_files = hor_builder_int(b, a, "openFiles", 0);
    job->cpu_seconds = (hor_builder_duration(b, a, "cpuTime", 0) + 999) / 1000;
    if (hor_builder_has(a, "cpu"))
        hor_builder_refuse(b, "limits cpu");
}

static void read_threshold(struct hor_builder *b, hor_attributes *a, const char *name,
                           int *ret_percent, int64_t *ret_ms)
{
    const char *value = hor_xml_attribute_of(a, name);
    if (value != NULL && strchr(value, '%') != NULL)
        *ret_percent = hor_builder_milli(b, a, name, 0) / 1000;
    else
        *ret_ms = hor_builder_duration(b, a, name, 0);
}

static void read_terminate(struct hor_builder *b, hor_attributes *a)
{
    static const char *const names[] = {"TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL", NULL};
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGKILL};
    b->job->terminate_signal = signals[hor_builder_choice(a, "signal", names, 0)];
    b->job->grace_ms = hor_builder_duration(b, a, "grace", 15000);
}

static void read_codes(struct hor_builder *b, hor_attributes *a)
{
    struct hor_job *job = b->job;
    const char *success = hor_xml_attribute_of(a, "success");
    const char *warning = hor_xml_attribute_of(a, "warning");
    hor_builder_codes(b, success == NULL ? "0" : success, &job->success);
    hor_builder_codes(b, warning == NULL ? "" : warning, &job->warning);
    for (size_t i = 0; i < job->warning.count; i++)
        for (size_t k = 0; k < job->success.count; k++)
            if (job->warning.items[i].from <= job->success.items[k].to &&
                job->success.items[k].from <= job->warning.items[i].to)
                hor_builder_problem(b, "let each code mean one thing",
                                    "exit code %d means success and warning",
                                    job->warning.items[i].from > job->success.items[k].from
                                        ? job->warning.items[i].from
                                        : job->success.items[k].from);
}

static void read_retry(struct hor_builder *b, hor_attributes *a)
{
    struct hor_job *job = b->job;
    job->retry_attempts = (int)hor_builder_int(b, a, "attempts", 1);
    job->retry_delay_ms = hor_builder_duration(b, a, "delay", 0);
    job->retry_max_delay_ms = hor_builder_duration(b, a, "maxDelay", 0);
    job->retry_factor_milli = hor_builder_milli(b, a, "factor", 1000);
}

static void read_lock(struct hor_builder *b, hor_attributes *a)
{
    struct hor_lock_use *use = HOR_ADD(b, b->job->locks, b->job->lock_count);
    if (use == NULL)
        return;
    static const char *const modes[] = {"exclusive", "shared", NULL};
    use->lock_path = hor_builder_reference(b, a, "ref");
    use->exclusive = hor_builder_choice(a, "mode", modes, 0) == 0;
    use->weight = (int)hor_builder_int(b, a, "weight", 1);
}

void hor_job_start(struct hor_builder *b, const char *name, hor_attributes *a)
{
    struct hor_job *job = b->job;
    if (strcmp(name, "parameter") == 0) {
        hor_builder_parameter(b, a, &job->parameters, &job->parameter_count, job_knows);
    } else if (strcmp(name, "script") == 0) {
        job->shell = hor_builder_text(b, a, "shell");
        if (job->shell == NULL)
            job->shell = "/bin/sh";
    } else if (strcmp(name, "command") == 0) {
        job->program = hor_builder_text(b, a, "program");
    } else if (strcmp(name, "environment") == 0) {
        b->name = hor_builder_text(b, a, "name");
        if (b->name != NULL && hor_str_starts(b->name, "HORARIUM_"))
            hor_builder_problem(b, "choose another name",
                                "variable '%s': names beginning with HORARIUM_ are taken", b->name);
    } else if (strcmp(name, "execution") == 0) {
        read_execution(b, a);
    } else if (strcmp(name, "limits") == 0) {
        read_limits(b, a);
    } else if (strcmp(name, "warn") == 0) {
        read_threshold(b, a, "ifLongerThan", &job->warn_longer_percent, &job->warn_longer_ms);
        read_threshold(b, a, "ifShorterThan", &job->warn_shorter_percent, &job->warn_shorter_ms);
        hor_builder_refuse(b, "warn");
    } else if (strcmp(name, "terminate") == 0) {
        read_terminate(b, a);
    } else if (strcmp(name, "returnCodes") == 0) {
        read_codes(b, a);
    } else if (strcmp(name, "retry") == 0) {
        read_retry(b, a);
    } else if (strcmp(name, "agentLoss") == 0) {
        static const char *const actions[] = {"hold", "restart", NULL};
        job->agent_loss = (enum hor_agent_loss)hor_builder_choice(a, "action", actions, 0);
    } else if (strcmp(name, "lock") == 0) {
        read_lock(b, a);
    }
}

void hor_job_end(struct hor_builder *b, const char *name)
{
    struct hor_job *job = b->job;
    if (strcmp(name, "script") == 0) {
        job->script = hor_arena_text(b->arena, hor_buf_text(&b->text), b->text.len);
    } else if (strcmp(name, "argument") == 0) {
        const char **place = HOR_ADD(b, job->arguments, job->argument_count);
        if (place == NULL)
            return;
        *place = hor_arena_text(b->arena, hor_buf_text(&b->text), b->text.len);
        hor_builder_check_template(b, *place, job_knows);
    } else if (strcmp(name, "environment") == 0) {
        hor_builder_named(b, &job->environment, &job->environment_count, job_knows);
    } else if (strcmp(name, "job") == 0 && job->success.count == 0) {
        hor_builder_codes(b, "0", &job->success);
    }
}
