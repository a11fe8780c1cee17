/* What a node waits for, and nodes that run on another agent cluster. */
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/config/builder.h"

static void read_patience(struct hor_builder *b, hor_attributes *a, struct hor_requirement *r)
{
    static const char *const on_timeouts[] = {"fail", "skip", "continue", NULL};
    r->timeout_ms = hor_builder_duration(b, a, "timeout", 0);
    r->on_timeout = (enum hor_on_timeout)hor_builder_choice(a, "onTimeout", on_timeouts, 0);
    if (hor_builder_has(a, "onTimeout") && !hor_builder_has(a, "timeout"))
        hor_builder_problem(b, "add timeout=\"PT1H\"", "onTimeout stands without timeout");
    if (hor_builder_has(a, "timeout") && r->timeout_ms == 0)
        hor_builder_problem(b, "write how long it waits", "a timeout of nothing");
}

static void read_history(struct hor_builder *b, hor_attributes *a, struct hor_requirement *r)
{
    struct hor_codes codes = {0};
    const char *outcome = hor_xml_attribute_of(a, "outcome");
    r->type = HOR_REQUIRES_HISTORY;
    r->chain_path = hor_builder_reference(b, a, "chain");
    r->within_ms = hor_builder_duration(b, a, "within", 0);
    hor_builder_on(b, outcome != NULL ? outcome : "success", &r->on, &codes);
    if (codes.count > 0)
        hor_builder_problem(b, "write success, warning, failure, skipped or any",
                            "an order has an outcome and no exit code");
}

static void read_event(struct hor_builder *b, hor_attributes *a, struct hor_requirement *r)
{
    r->type = HOR_REQUIRES_EVENT;
    r->name = hor_builder_text(b, a, "name");
    r->consume = hor_builder_bool(a, "consume");
    r->within_ms = hor_builder_duration(b, a, "within", 0);
}

void hor_requires_start(struct hor_builder *b, const char *name, hor_attributes *a,
                        hor_xpath_known_fn *known)
{
    struct hor_chain *chain = b->chain;
    struct hor_requirement read = {.line = b->line};
    if (chain->node_count == 0)
        return;
    if (strcmp(name, "history") == 0) {
        read_history(b, a, &read);
    } else if (strcmp(name, "event") == 0) {
        read_event(b, a, &read);
    } else if (strcmp(name, "condition") == 0) {
        read.type = HOR_REQUIRES_CONDITION;
        read.test = hor_builder_text(b, a, "test");
        hor_builder_check_xpath(b, read.test, known);
    } else {
        if (strcmp(name, "file") == 0)
            hor_builder_refuse(b, "a required file");
        return;
    }
    read_patience(b, a, &read);
    struct hor_node *node = &chain->nodes[chain->node_count - 1];
    struct hor_requirement *place = HOR_ADD(b, node->requirements, node->requirement_count);
    if (place != NULL)
        *place = read;
}

/* ---- nodes that run elsewhere ---- */

/* The parameters of the part are those of the job: the values are found where the chain runs. None is
 * required there, for the job's own defaults still count. */
static int part_parameters(struct hor_config *config, struct hor_chain *part,
                           const struct hor_job *job)
{
    if (job == NULL || job->parameter_count == 0)
        return HOR_OK;
    part->parameters =
        hor_arena_alloc(&config->arena, job->parameter_count * sizeof *part->parameters);
    if (part->parameters == NULL)
        return HOR_ERR_MEMORY;
    for (size_t i = 0; i < job->parameter_count; i++)
        part->parameters[i] = (struct hor_parameter){.name = job->parameters[i].name,
                                                     .type = job->parameters[i].type,
                                                     .title = job->parameters[i].title};
    part->parameter_count = job->parameter_count;
    return HOR_OK;
}

static const struct hor_job *job_at(const struct hor_config *config, const char *path)
{
    for (size_t i = 0; path != NULL && i < config->job_count; i++)
        if (strcmp(config->jobs[i]->object.path, path) == 0)
            return config->jobs[i];
    return NULL;
}

static int make_part(struct hor_config *config, const struct hor_chain *chain,
                     struct hor_node *node, const char *path, struct hor_chain **ret)
{
    struct hor_arena *arena = &config->arena;
    struct hor_chain *part = hor_arena_alloc(arena, sizeof *part);
    struct hor_node *only = hor_arena_alloc(arena, sizeof *only);
    size_t *order = hor_arena_alloc(arena, sizeof *order);
    const char *path_kept = hor_arena_strdup(arena, path);
    if (part == NULL || only == NULL || order == NULL || path_kept == NULL)
        return HOR_ERR_MEMORY;
    *order = 0;
    *only = (struct hor_node){.id = node->id,
                              .title = node->title,
                              .line = node->line,
                              .job_path = node->job_path,
                              .on_failure = HOR_ON_FAILURE_END,
                              .agent = node->agent,
                              .same_agent_as = HOR_NODE_NONE};
    *part = (struct hor_chain){.object = chain->object,
                               .cluster_path = node->cluster_path,
                               .overlap = HOR_OVERLAP_ALLOW,
                               .on_failure = HOR_ON_FAILURE_END,
                               .priority = chain->priority,
                               .nodes = only,
                               .node_count = 1,
                               .order = order,
                               .part_of = chain};
    part->object.path = path_kept;
    part->object.line = node->line;
    part->object.title = node->title;
    node->part = *ret = part;
    return part_parameters(config, part, job_at(config, node->job_path));
}

int hor_config_add_parts(struct hor_config *config, struct hor_problems *problems)
{
    size_t chains = config->chain_count;
    for (size_t c = 0; c < chains; c++) {
        struct hor_chain *chain = config->chains[c];
        for (size_t i = 0; i < chain->node_count; i++) {
            struct hor_node *node = &chain->nodes[i];
            char path[HOR_PATH_BYTES + 80];
            struct hor_chain *part = NULL;
            if (node->id == NULL || node->cluster_path == NULL ||
                hor_str_equal(node->cluster_path, chain->cluster_path))
                continue;
            int len = snprintf(path, sizeof path, "%s/-%s", chain->object.path, node->id);
            if (len > HOR_PATH_BYTES) {
                hor_problems_add(problems, HOR_SEVERITY_ERROR, chain->object.file, node->line,
                                 chain->object.path, "shorten a name",
                                 "the path of the chain and the node's id are longer than %d bytes",
                                 HOR_PATH_BYTES);
                continue;
            }
            void *grown = hor_arena_grow(&config->arena, config->chains, config->chain_count,
                                         sizeof(struct hor_chain *));
            if (grown == NULL || make_part(config, chain, node, path, &part) != HOR_OK)
                return HOR_ERR_MEMORY;
            config->chains = grown;
            config->chains[config->chain_count++] = part;
        }
    }
    return HOR_OK;
}
