/* The members of the cluster: at first as the settings name them, then as the journal does. Each name
 * has a place that stays; a member that lost its disk comes back under another id, in its old place. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum { PRIORITY = 1, MAX_TASKS = 8 }; /* of one that joined without saying so */

int hor_agent_roster_open(struct hor_agent *agent, const struct hor_settings_agent *settings,
                          struct hor_error *err)
{
    agent->own = *settings; /* strings stay the settings' */
    agent->own.members = calloc(HOR_CORE_MEMBERS, sizeof *agent->own.members);
    agent->member_ids = calloc(HOR_CORE_MEMBERS, sizeof *agent->member_ids);
    agent->settings = &agent->own;
    if (agent->own.members == NULL || agent->member_ids == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (settings->member_count > HOR_CORE_MEMBERS)
        return hor_error_set(err, HOR_ERR_LIMIT, "more than %d members", HOR_CORE_MEMBERS);
    for (size_t i = 0; i < settings->member_count; i++) {
        agent->own.members[i] = settings->members[i];
        agent->member_ids[i] = i + 1;
    }
    return HOR_OK;
}

void hor_agent_roster_close(struct hor_agent *agent)
{
    for (size_t i = 0; i < agent->owned_count; i++)
        free(agent->owned[i]);
    free(agent->owned);
    free(agent->own.members);
    free(agent->member_ids);
}

/* Names and places are read by workers too: a place is whole before the count tells of it. */
const struct hor_settings_member *hor_agent_member(const struct hor_agent *agent, const char *name,
                                                   size_t *ret_index)
{
    size_t count = __atomic_load_n(&agent->own.member_count, __ATOMIC_ACQUIRE);
    for (size_t i = 0; name != NULL && i < count; i++)
        if (strcmp(agent->own.members[i].name, name) == 0) {
            if (ret_index != NULL)
                *ret_index = i;
            return &agent->own.members[i];
        }
    return NULL;
}

uint64_t hor_agent_id_of(const struct hor_agent *agent, const char *name)
{
    size_t i;
    return hor_agent_member(agent, name, &i) != NULL
               ? __atomic_load_n(&agent->member_ids[i], __ATOMIC_ACQUIRE)
               : 0;
}

size_t hor_agent_place_of(const struct hor_agent *agent, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < agent->own.member_count; i++)
        if (agent->member_ids[i] == id)
            return i;
    return SIZE_MAX;
}

bool hor_agent_is_single(const struct hor_agent *agent)
{
    size_t count = 0;
    for (size_t i = 0; i < agent->own.member_count; i++)
        count += agent->member_ids[i] != 0;
    return count < 2;
}

static char *keep(struct hor_agent *agent, const char *text)
{
    char **more = realloc(agent->owned, (agent->owned_count + 1) * sizeof *more);
    char *copy = hor_strdup(text);
    if (more != NULL)
        agent->owned = more;
    if (more == NULL || copy == NULL) {
        free(copy);
        return NULL;
    }
    return agent->owned[agent->owned_count++] = copy;
}

/* A new place for a new name. */
static bool add(struct hor_agent *agent, const struct hor_cluster_member *member)
{
    size_t at = agent->own.member_count;
    struct hor_settings_member *to = &agent->own.members[at];
    if (at == HOR_CORE_MEMBERS)
        return false;
    *to = (struct hor_settings_member){.name = keep(agent, member->name),
                                       .url = keep(agent, member->url),
                                       .witness = member->witness,
                                       .priority = member->priority ? member->priority : PRIORITY,
                                       .max_tasks = member->max_tasks ? member->max_tasks
                                                                      : MAX_TASKS};
    if (to->name == NULL || to->url == NULL)
        return false;
    __atomic_store_n(&agent->own.member_count, at + 1, __ATOMIC_RELEASE);
    return true;
}

static void take(struct hor_agent *agent, const struct hor_cluster_member *member)
{
    struct hor_error err;
    size_t i;
    if (hor_agent_member(agent, member->name, &i) == NULL) {
        i = agent->own.member_count;
        if (!add(agent, member)) {
            hor_log_error("member %s: there is no place for it, ignoring it", member->name);
            return;
        }
        hor_log_info("member %s joins at %s", member->name, member->url);
    }
    struct hor_settings_member *to = &agent->own.members[i];
    if (to->url == NULL || strcmp(to->url, member->url) != 0) {
        const char *url = keep(agent, member->url);
        if (url != NULL)
            to->url = url;
    }
    if (member->priority != 0)
        to->priority = member->priority;
    if (member->max_tasks != 0)
        to->max_tasks = member->max_tasks;
    if (agent->member_ids[i] < member->id) /* of two with one name the newer one counts */
        __atomic_store_n(&agent->member_ids[i], member->id, __ATOMIC_RELEASE);
    struct hor_core_member joins = {.name = to->name, .priority = to->priority,
                                    .max_tasks = to->max_tasks, .witness = to->witness};
    if (agent->core != NULL && hor_core_join(agent->core, &joins, &err) < 0)
        hor_log_error("member %s: %s", member->name, err.text);
}

void hor_agent_roster_set(const struct hor_cluster_member *members, unsigned count, void *ctx)
{
    struct hor_agent *agent = ctx;
    bool was_single = hor_agent_is_single(agent);
    for (size_t i = 0; i < agent->own.member_count; i++) {
        uint64_t id = 0; /* stays until it is another: workers look at it */
        for (unsigned k = 0; k < count; k++)
            if (strcmp(members[k].name, agent->own.members[i].name) == 0 && members[k].id > id)
                id = members[k].id;
        if (id == 0 && agent->member_ids[i] != 0 && agent->live)
            hor_log_info("member %s has left", agent->own.members[i].name);
        __atomic_store_n(&agent->member_ids[i], id, __ATOMIC_RELEASE);
    }
    for (unsigned k = 0; k < count; k++)
        take(agent, &members[k]);
    hor_agent_peers_changed(agent, members, count);
    if (was_single && !hor_agent_is_single(agent))
        hor_agent_lease_role(agent);
}
