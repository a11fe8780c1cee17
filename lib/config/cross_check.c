/* What no schema can say: names are unique, references resolve, parameters fit. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config/builder.h"

struct check {
    struct hor_config *config;
    struct hor_problems *problems;
    const struct hor_map *broken; /* "job:/x" of documents that could not be taken in at all */
    const struct hor_object *object;
};

static void tell(struct check *c, int line, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(struct check *c, int line, const char *remedy, const char *format, ...)
{
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hor_problems_add(c->problems, HOR_SEVERITY_ERROR, c->object->file,
                     line > 0 ? line : c->object->line, c->object->path, remedy, "%s", text);
}

static int compare_paths(const void *a, const void *b)
{
    const struct hor_object *x = *(const struct hor_object *const *)a;
    const struct hor_object *y = *(const struct hor_object *const *)b;
    int order = strcmp(x->path, y->path);
    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/* Every object begins with its struct hor_object. */
static void sort_kind(struct check *c, void *items, size_t count)
{
    struct hor_object **objects = items;
    if (count > 1)
        qsort(objects, count, sizeof *objects, compare_paths);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(objects[i]->path, objects[i - 1]->path) != 0)
            continue;
        c->object = objects[i];
        tell(c, 0, "give each its own name", "there are two objects of kind %s with this path",
             hor_kind_name(objects[i]->kind));
    }
}

static void unknown(struct check *c, int line, enum hor_kind kind, const char *path)
{
    char key[HOR_PATH_BYTES + 40];
    snprintf(key, sizeof key, "%s:%s", hor_kind_name(kind), path);
    if (c->broken != NULL && hor_map_get(c->broken, key) != NULL)
        return; /* it is there, and its own problem is told */
    char remedy[HOR_PATH_BYTES + 80];
    snprintf(remedy, sizeof remedy,
             kind == HOR_KIND_ICALENDAR ? "correct the name or add %s.ics"
                                        : "correct the name or add %s.%s.xml",
             path + 1, hor_kind_name(kind));
    tell(c, line, remedy, "unknown %s '%s'", hor_kind_name(kind), path);
}

/* Looks a reference up; a path that is NULL was told before. */
#define RESOLVE(c, line, KIND, kind, path)                                                         \
    ((path) == NULL ? NULL : find_or_tell((c), (line), HOR_KIND_##KIND, (path),                    \
                                          hor_config_##kind((c)->config, (path))))

static const void *find_or_tell(struct check *c, int line, enum hor_kind kind, const char *path,
                                const void *found)
{
    if (found == NULL)
        unknown(c, line, kind, path);
    return found;
}

static void check_job(struct check *c, struct hor_job *job)
{
    for (size_t i = 0; i < job->lock_count; i++) {
        struct hor_lock_use *use = &job->locks[i];
        use->lock = RESOLVE(c, 0, LOCK, lock, use->lock_path);
        if (use->lock != NULL && !use->exclusive && use->weight > use->lock->capacity)
            tell(c, 0, "lower the weight or raise the lock's capacity",
                 "weight %d is more than the capacity %d of lock '%s': the job could never start",
                 use->weight, use->lock->capacity, use->lock_path);
        for (size_t k = 0; k < i; k++)
            if (use->lock != NULL && job->locks[k].lock == use->lock)
                tell(c, 0, "name it once", "lock '%s' stands twice", use->lock_path);
    }
}

static bool gives(const struct hor_named_text *items, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].name, name) == 0)
            return true;
    return false;
}

static void check_node_parameters(struct check *c, const struct hor_chain *chain,
                                  const struct hor_node *node)
{
    const struct hor_job *job = node->job;
    for (size_t i = 0; i < node->argument_count; i++)
        if (hor_parameter_find(job->parameters, job->parameter_count, node->arguments[i].name) ==
            NULL)
            tell(c, node->line, "declare it in the job or take the argument out",
                 "node '%s': job '%s' has no parameter '%s'", node->id, job->object.path,
                 node->arguments[i].name);
    for (size_t i = 0; i < job->parameter_count; i++) {
        const struct hor_parameter *parameter = &job->parameters[i];
        if (!parameter->required || parameter->fallback != NULL ||
            gives(node->arguments, node->argument_count, parameter->name) ||
            hor_parameter_find(chain->parameters, chain->parameter_count, parameter->name) != NULL)
            continue;
        tell(c, node->line, "declare it as <parameter> of the chain or give it as <argument>",
             "node '%s': nothing gives parameter '%s', which job '%s' requires", node->id,
             parameter->name, job->object.path);
    }
}

static void check_agent(struct check *c, const struct hor_chain *chain, const struct hor_node *node)
{
    if (node->agent == NULL || chain->cluster == NULL || node->part != NULL)
        return; /* of a part it is looked at in the part's own chain */
    for (size_t i = 0; i < chain->cluster->member_count; i++) {
        const struct hor_agent_member *member = &chain->cluster->members[i];
        if (member->name == NULL || strcmp(member->name, node->agent) != 0)
            continue;
        if (member->witness)
            tell(c, node->line, "name a member that runs tasks",
                 "node '%s': agent '%s' is a witness and runs nothing", node->id, node->agent);
        return;
    }
    tell(c, node->line, "name a member of the cluster",
         "node '%s': agent '%s' is not a member of '%s'", node->id, node->agent,
         chain->cluster_path);
}

static void check_requirements(struct check *c, struct hor_node *node)
{
    for (size_t i = 0; i < node->requirement_count; i++) {
        struct hor_requirement *r = &node->requirements[i];
        if (r->type != HOR_REQUIRES_HISTORY)
            continue;
        r->chain = RESOLVE(c, r->line, CHAIN, chain, r->chain_path);
    }
}

static void check_chain(struct check *c, struct hor_chain *chain)
{
    chain->cluster = RESOLVE(c, 0, AGENT_CLUSTER, cluster, chain->cluster_path);
    for (size_t i = 0; i < chain->node_count; i++) {
        struct hor_node *node = &chain->nodes[i];
        node->job = RESOLVE(c, node->line, JOB, job, node->job_path);
        check_requirements(c, node);
        if (node->id == NULL)
            continue;
        if (node->job != NULL)
            check_node_parameters(c, chain, node);
        check_agent(c, chain, node);
    }
}

/* Resolves all references of a set of days. */
static void check_days(struct check *c, struct hor_day_set *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (set[i].type == HOR_DAY_SET_CALENDAR)
            set[i].calendar = RESOLVE(c, set[i].line, CALENDAR, calendar, set[i].calendar_path);
        else if (set[i].type == HOR_DAY_SET_ICALENDAR)
            set[i].icalendar = RESOLVE(c, set[i].line, ICALENDAR, icalendar, set[i].calendar_path);
}

enum { CALENDAR_DEPTH = 20 };

/* Whether one can come back to `target`. Depth is bounded; deeper is told as a cycle is. */
static bool reaches(const struct hor_calendar *from, const struct hor_calendar *target, int depth)
{
    if (depth > CALENDAR_DEPTH)
        return true;
    for (size_t i = 0; i < from->include_count + from->exclude_count; i++) {
        const struct hor_day_set *set =
            i < from->include_count ? &from->include[i] : &from->exclude[i - from->include_count];
        if (set->calendar != NULL &&
            (set->calendar == target || reaches(set->calendar, target, depth + 1)))
            return true;
    }
    return false;
}

enum { SUBSTITUTE_DEPTH = 20 };

/* Whether days can be handed on to `target`, in a circle or too often; ranges of days are not looked
 * at: what names each other is hard to read even where it would end. */
static bool hands_to(const struct hor_schedule *from, const struct hor_schedule *target, int depth,
                     int *budget)
{
    if (depth > SUBSTITUTE_DEPTH || --*budget < 0)
        return true;
    for (size_t i = 0; i < from->substitute_count; i++) {
        const struct hor_schedule *next = from->substitutes[i].schedule;
        if (next != NULL && (next == target || (next->substitute_count > 0 &&
                                                hands_to(next, target, depth + 1, budget))))
            return true;
    }
    return false;
}

static void check_substitutes(struct check *c, const struct hor_schedule *schedule)
{
    int budget = 10000;
    for (size_t i = 0; i < schedule->substitute_count; i++)
        for (size_t k = 0; k < i; k++)
            if (schedule->substitutes[i].from <= schedule->substitutes[k].to &&
                schedule->substitutes[k].from <= schedule->substitutes[i].to) {
                tell(c, 0, "let each day have one", "two substitutes stand in for the same days");
                return;
            }
    if (hands_to(schedule, schedule, 0, &budget))
        tell(c, 0, "take one substitute out",
             "days are handed on in a circle, or through more than %d schedules", SUBSTITUTE_DEPTH);
}

static void check_schedule(struct check *c, struct hor_schedule *schedule)
{
    schedule->chain = RESOLVE(c, 0, CHAIN, chain, schedule->chain_path);
    for (size_t i = 0; i < schedule->days_count; i++)
        schedule->days[i].calendar = RESOLVE(c, 0, CALENDAR, calendar, schedule->days[i].calendar_path);
    schedule->working_days = RESOLVE(c, 0, CALENDAR, calendar, schedule->working_days_path);
    for (size_t i = 0; i < schedule->substitute_count; i++) {
        struct hor_substitute *other = &schedule->substitutes[i];
        other->schedule = RESOLVE(c, 0, SCHEDULE, schedule, other->schedule_path);
    }
    const struct hor_chain *chain = schedule->chain;
    if (chain == NULL)
        return;
    for (size_t i = 0; i < schedule->argument_count; i++)
        if (hor_parameter_find(chain->parameters, chain->parameter_count,
                               schedule->arguments[i].name) == NULL)
            tell(c, 0, "declare it in the chain or take the argument out",
                 "chain '%s' has no parameter '%s'", chain->object.path,
                 schedule->arguments[i].name);
    for (size_t i = 0; i < chain->parameter_count; i++) {
        const struct hor_parameter *parameter = &chain->parameters[i];
        if (parameter->required && parameter->fallback == NULL &&
            !gives(schedule->arguments, schedule->argument_count, parameter->name))
            tell(c, 0, "add <argument> or give the parameter a default",
                 "nothing gives parameter '%s', which chain '%s' requires", parameter->name,
                 chain->object.path);
    }
}

void hor_config_cross_check(struct hor_config *config, const struct hor_map *broken,
                            struct hor_problems *problems)
{
    struct check c = {.config = config, .problems = problems, .broken = broken};
    sort_kind(&c, config->clusters, config->cluster_count);
    sort_kind(&c, config->calendars, config->calendar_count);
    sort_kind(&c, config->chains, config->chain_count);
    sort_kind(&c, config->folders, config->folder_count);
    sort_kind(&c, config->icalendars, config->icalendar_count);
    sort_kind(&c, config->jobs, config->job_count);
    sort_kind(&c, config->locks, config->lock_count);
    sort_kind(&c, config->schedules, config->schedule_count);
    for (size_t i = 0; i < config->job_count; i++) {
        c.object = &config->jobs[i]->object;
        check_job(&c, config->jobs[i]);
    }
    for (size_t i = 0; i < config->chain_count; i++) {
        c.object = &config->chains[i]->object;
        check_chain(&c, config->chains[i]);
    }
    for (size_t i = 0; i < config->calendar_count; i++) {
        c.object = &config->calendars[i]->object;
        check_days(&c, config->calendars[i]->include, config->calendars[i]->include_count);
        check_days(&c, config->calendars[i]->exclude, config->calendars[i]->exclude_count);
    }
    for (size_t i = 0; i < config->calendar_count; i++) {
        c.object = &config->calendars[i]->object;
        if (reaches(config->calendars[i], config->calendars[i], 0))
            tell(&c, 0, "take one reference out",
                 "the calendar refers to itself, or through more than %d others", CALENDAR_DEPTH);
    }
    for (size_t i = 0; i < config->schedule_count; i++) {
        c.object = &config->schedules[i]->object;
        check_schedule(&c, config->schedules[i]);
    }
    for (size_t i = 0; i < config->schedule_count; i++) {
        c.object = &config->schedules[i]->object;
        check_substitutes(&c, config->schedules[i]);
    }
}
