/* Values: what expressions see, the parameters of orders and jobs, and what a task gets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/state.h"
#include "lib/base/str.h"
#include "lib/xml/xpath.h"

static void attribute(struct hor_buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    hor_buf_printf(out, " %s=\"", name);
    hor_buf_xml(out, value);
    hor_buf_putc(out, '"');
}

static void attribute_int(struct hor_buf *out, const char *name, int64_t value)
{
    if (value != HOR_EVENT_NONE)
        hor_buf_printf(out, " %s=\"%lld\"", name, (long long)value);
}

static void attribute_time(struct hor_buf *out, const char *name, int64_t value)
{
    char text[HOR_TIME_TEXT_BYTES];
    if (value != HOR_EVENT_NONE)
        attribute(out, name, hor_time_format_us(value, text));
}

static void write_nodes(const struct hor_core_order_held *order, struct hor_buf *out)
{
    hor_buf_puts(out, "<nodes>");
    for (size_t i = 0; order->nodes != NULL && i < order->chain->node_count; i++) {
        const struct hor_core_node_held *node = &order->nodes[i];
        hor_buf_puts(out, "<node");
        attribute(out, "id", node->def->id);
        attribute(out, "state", hor_core_node_shown(node));
        attribute_int(out, "exitCode", node->exit_code);
        attribute_int(out, "attempt", node->attempt);
        attribute_time(out, "startedAt", node->started_at);
        attribute_time(out, "endedAt", node->ended_at);
        hor_buf_puts(out, ">");
        for (size_t k = 0; k < node->outputs.count; k++) {
            hor_buf_puts(out, "<output");
            attribute(out, "name", node->outputs.items[k].name);
            hor_buf_puts(out, ">");
            hor_buf_xml(out, node->outputs.items[k].value);
            hor_buf_puts(out, "</output>");
        }
        hor_buf_puts(out, "</node>");
    }
    hor_buf_puts(out, "</nodes>");
}

static void write_order(const struct hor_core_order_held *order, struct hor_buf *out)
{
    hor_buf_puts(out, "<order");
    attribute(out, "id", order->id);
    attribute(out, "chain", order->chain->object.path);
    attribute(out, "title", order->title);
    attribute_int(out, "priority", order->priority);
    attribute_time(out, "plannedAt", order->planned_at);
    attribute_time(out, "startedAt", order->started_at);
    hor_buf_puts(out, "/>");
}

static void write_plan(const struct hor_core_order_held *order, struct hor_buf *out)
{
    /* An order that somebody added belongs to the day that it is for. */
    char day[HOR_TIME_TEXT_BYTES];
    hor_time_format_us(order->planned_at, day);
    day[10] = '\0';
    hor_buf_puts(out, "<plan");
    attribute(out, "day", order->plan_day != NULL ? order->plan_day : day);
    attribute(out, "master", order->master->name);
    attribute(out, "schedule", order->schedule);
    attribute_int(out, "release", order->release->number);
    hor_buf_puts(out, "/>");
}

static int set_document(struct hor_xpath_scope *scope, const char *name,
                        const struct hor_core_order_held *order,
                        void (*write)(const struct hor_core_order_held *, struct hor_buf *),
                        struct hor_error *err)
{
    struct hor_buf xml = HOR_BUF_INIT;
    write(order, &xml);
    int rc = xml.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                        : hor_xpath_set_xml(scope, name, hor_buf_text(&xml), xml.len, err);
    hor_buf_done(&xml);
    return rc;
}

static int set_arguments(struct hor_xpath_scope *scope, const struct hor_arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++)
        if (hor_xpath_set_text(scope, arguments->items[i].name, arguments->items[i].value) < 0)
            return HOR_ERR_MEMORY;
    return HOR_OK;
}

/* Without the parameters: hor_core_resolve finds them out one by one. */
static struct hor_xpath_scope *bare_scope(const struct hor_core_order_held *order, int64_t now_us,
                                          struct hor_error *err)
{
    struct hor_xpath_scope *scope = hor_xpath_scope_new(now_us);
    if (scope == NULL) {
        hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        return NULL;
    }
    if (set_document(scope, "plan", order, write_plan, err) < 0 ||
        set_document(scope, "order", order, write_order, err) < 0 ||
        set_document(scope, "nodes", order, write_nodes, err) < 0) {
        hor_xpath_scope_free(scope);
        return NULL;
    }
    return scope;
}

struct hor_xpath_scope *hor_core_scope(const struct hor_core_order_held *order, int64_t now_us,
                                       struct hor_error *err)
{
    struct hor_xpath_scope *scope = bare_scope(order, now_us, err);
    if (scope == NULL)
        return NULL;
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < order->chain->parameter_count; i++)
        rc = hor_xpath_set_text(scope, order->chain->parameters[i].name, "");
    if (rc < 0 || set_arguments(scope, &order->parameters) < 0) {
        hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        hor_xpath_scope_free(scope);
        return NULL;
    }
    return scope;
}

int hor_core_condition(const struct hor_core_node_held *node, const char *test, int64_t now_us,
                       bool *ret, struct hor_error *err)
{
    struct hor_xpath_scope *scope = hor_core_scope(node->order, now_us, err);
    if (scope == NULL)
        return HOR_ERR_MEMORY;
    int rc = hor_xpath_test(scope, test, ret, err);
    hor_xpath_scope_free(scope);
    return rc;
}

int hor_core_when(const struct hor_core_node_held *node, int64_t now_us, bool *ret,
                  struct hor_error *err)
{
    return hor_core_condition(node, node->def->when, now_us, ret, err);
}

/* ---- parameters ---- */

static const char *type_words(enum hor_parameter_type type)
{
    static const char *const words[] = {"a text",       "a whole number",    "a number",
                                        "true or false", "a date, YYYY-MM-DD", "a text"};
    return words[type];
}

/* Gives one parameter its value: `given`, or the default, or none; checks it; tells the scope. */
static int resolve_one(const struct hor_parameter *parameter, const char *given, bool secret,
                       struct hor_xpath_scope *scope, struct hor_arguments *ret,
                       struct hor_error *err)
{
    struct hor_buf value = HOR_BUF_INIT;
    int rc = HOR_OK;
    secret = secret || parameter->type == HOR_PARAMETER_SECRET;
    if (given != NULL)
        hor_buf_puts(&value, given);
    else if (parameter->fallback != NULL)
        rc = hor_template_text(scope, parameter->fallback, &value, err);
    else if (parameter->required)
        rc = hor_error_set(err, HOR_ERR_INVALID, "parameter '%s' is required and has no value",
                           parameter->name);
    else
        return hor_xpath_set_text(scope, parameter->name, "");
    if (rc == HOR_OK && !hor_parameter_accepts(parameter, hor_buf_text(&value)))
        rc = hor_error_set(err, HOR_ERR_INVALID, "parameter '%s' must be %s, not '%.100s'",
                           parameter->name, type_words(parameter->type),
                           secret ? "(secret)" : hor_buf_text(&value));
    if (rc == HOR_OK && (value.failed ||
                         hor_xpath_set_text(scope, parameter->name, hor_buf_text(&value)) < 0 ||
                         hor_arguments_add(ret, parameter->name, hor_buf_text(&value), secret) < 0))
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    hor_buf_done(&value);
    return rc;
}

static const struct hor_argument *find(const struct hor_arguments *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

int hor_core_resolve(const struct hor_core_order_held *order, int64_t now_us,
                     struct hor_arguments *ret, struct hor_error *err)
{
    struct hor_arguments list = {0};
    struct hor_xpath_scope *scope = bare_scope(order, now_us, err);
    if (scope == NULL)
        return HOR_ERR_MEMORY;
    int rc = hor_arguments_copy(&list, &order->arguments);
    if (rc == HOR_OK)
        rc = set_arguments(scope, &list);
    for (size_t i = 0; rc == HOR_OK && i < order->chain->parameter_count; i++) {
        const struct hor_parameter *parameter = &order->chain->parameters[i];
        const struct hor_argument *given = find(&order->arguments, parameter->name);
        rc = resolve_one(parameter, given != NULL ? given->value : NULL,
                         given != NULL && given->secret, scope, &list, err);
    }
    hor_xpath_scope_free(scope);
    if (rc < 0)
        hor_arguments_done(&list);
    else
        *ret = list;
    return rc;
}

/* ---- what a task gets ---- */

const char *hor_core_outcome(const struct hor_job *job, int exit_code)
{
    if (hor_codes_have(&job->success, exit_code))
        return "success";
    return hor_codes_have(&job->warning, exit_code) ? "warning" : "failure";
}

/* The node's own arguments first, then what the order has, then the job's default. */
static int job_parameters(const struct hor_core_node_held *node, struct hor_xpath_scope *scope,
                          struct hor_arguments *ret, struct hor_error *err)
{
    const struct hor_job *job = node->def->job;
    struct hor_arguments own = {0};
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && i < node->def->argument_count; i++) {
        struct hor_buf value = HOR_BUF_INIT;
        rc = hor_template_text(scope, node->def->arguments[i].value, &value, err);
        if (rc == HOR_OK)
            rc = hor_arguments_add(&own, node->def->arguments[i].name, hor_buf_text(&value), false);
        hor_buf_done(&value);
    }
    for (size_t i = 0; rc == HOR_OK && i < job->parameter_count; i++) {
        const char *name = job->parameters[i].name;
        const struct hor_argument *given = find(&own, name);
        if (given == NULL)
            given = find(&node->order->parameters, name);
        rc = resolve_one(&job->parameters[i], given != NULL ? given->value : NULL,
                         given != NULL && given->secret, scope, ret, err);
    }
    hor_arguments_done(&own);
    return rc;
}

int hor_core_node_parameters(const struct hor_core_node_held *node, int64_t now_us,
                             struct hor_arguments *ret, struct hor_error *err)
{
    struct hor_arguments list = {0};
    struct hor_xpath_scope *scope = hor_core_scope(node->order, now_us, err);
    if (scope == NULL)
        return HOR_ERR_MEMORY;
    int rc = job_parameters(node, scope, &list, err);
    hor_xpath_scope_free(scope);
    if (rc < 0)
        hor_arguments_done(&list);
    else
        *ret = list;
    return rc;
}

static int add_text(struct hor_xpath_scope *scope, const char *text, char **ret,
                    struct hor_error *err)
{
    struct hor_buf value = HOR_BUF_INIT;
    int rc = hor_template_text(scope, text, &value, err);
    if (rc == HOR_OK) {
        *ret = value.data != NULL ? hor_buf_take(&value) : hor_strdup("");
        if (*ret == NULL)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_buf_done(&value);
    return rc;
}

static int command_line(const struct hor_job *job, struct hor_xpath_scope *scope,
                        struct hor_core_execution *ret, struct hor_error *err)
{
    if (job->program == NULL)
        return HOR_OK;
    ret->argv = calloc(job->argument_count + 2, sizeof *ret->argv);
    if (ret->argv == NULL || (ret->argv[0] = hor_strdup(job->program)) == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    ret->argc = 1;
    for (size_t i = 0; i < job->argument_count; i++) {
        int rc = add_text(scope, job->arguments[i], &ret->argv[ret->argc], err);
        if (rc < 0)
            return hor_error_prefix(err, "argument %zu", i + 1);
        ret->argc++;
    }
    return HOR_OK;
}

static int context(const struct hor_core_node_held *node, struct hor_arguments *ret)
{
    const struct hor_core_order_held *order = node->order;
    char task[HOR_CORE_NAME_BYTES + 1], attempt[24], day[HOR_TIME_TEXT_BYTES];
    int rc = hor_core_task_name(node, node->attempt, task);
    snprintf(attempt, sizeof attempt, "%lld", (long long)node->attempt);
    hor_time_format_us(order->planned_at, day);
    day[10] = '\0';
    const struct {
        const char *name, *value;
    } table[] = {{"HORARIUM_ORDER", order->id},
                 {"HORARIUM_TASK", task},
                 {"HORARIUM_CHAIN", order->chain->object.path},
                 {"HORARIUM_NODE", node->def->id},
                 {"HORARIUM_JOB", node->def->job->object.path},
                 {"HORARIUM_ATTEMPT", attempt},
                 {"HORARIUM_PLAN_DAY", order->plan_day != NULL ? order->plan_day : day},
                 {"HORARIUM_MASTER", order->master->name}};
    for (size_t i = 0; rc == HOR_OK && i < sizeof table / sizeof *table; i++)
        rc = hor_arguments_add(ret, table[i].name, table[i].value, false);
    return rc;
}

int hor_core_execution(const struct hor_core *core, const char *task, int64_t now_us,
                       struct hor_core_execution *ret, struct hor_error *err)
{
    struct hor_core_execution made = {0};
    const struct hor_core_node_held *node = hor_core_task_node(core, task);
    if (node == NULL)
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "task %s is not known", task);
    const struct hor_job *job = node->def->job;
    struct hor_xpath_scope *scope = hor_core_scope(node->order, now_us, err);
    if (scope == NULL)
        return HOR_ERR_MEMORY;
    int rc = job_parameters(node, scope, &made.parameters, err);
    for (size_t i = 0; rc == HOR_OK && i < job->environment_count; i++) {
        char *value = NULL;
        rc = add_text(scope, job->environment[i].value, &value, err);
        if (rc < 0)
            hor_error_prefix(err, "environment %s", job->environment[i].name);
        else if (hor_arguments_add(&made.environment, job->environment[i].name, value, false) < 0)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        free(value);
    }
    if (rc == HOR_OK && job->directory != NULL)
        rc = add_text(scope, job->directory, &made.directory, err);
    if (rc == HOR_OK)
        rc = command_line(job, scope, &made, err);
    if (rc == HOR_OK && (rc = context(node, &made.context)) < 0)
        hor_error_set(err, rc, "task %s: name too long or out of memory", task);
    hor_xpath_scope_free(scope);
    if (rc < 0) {
        hor_core_execution_done(&made);
        return rc;
    }
    *ret = made;
    return HOR_OK;
}

void hor_core_execution_done(struct hor_core_execution *execution)
{
    hor_arguments_done(&execution->parameters);
    hor_arguments_done(&execution->environment);
    hor_arguments_done(&execution->context);
    for (size_t i = 0; i < execution->argc; i++)
        free(execution->argv[i]);
    free(execution->argv);
    free(execution->directory);
    *execution = (struct hor_core_execution){0};
}
