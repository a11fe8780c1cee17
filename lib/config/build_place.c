/* Agent clusters, folders and locks. */
#include <string.h>

#include "lib/config/builder.h"

void hor_place_begin(struct hor_builder *b, hor_attributes *a)
{
    static const char *const selections[] = {"fixedPriority", "roundRobin", NULL};
    static const char *const approvals[] = {"onePerson", "twoPersons", NULL};
    if (b->kind == HOR_KIND_AGENT_CLUSTER) {
        b->cluster->selection =
            (enum hor_selection)hor_builder_choice(a, "selection", selections, 0);
        b->cluster->spill = hor_builder_bool(a, "spill");
    } else if (b->kind == HOR_KIND_FOLDER) {
        struct hor_folder *folder = (struct hor_folder *)b->object;
        folder->owner = hor_builder_text(b, a, "owner");
        folder->two_persons = hor_builder_choice(a, "approval", approvals, 0) == 1;
    } else {
        struct hor_lock *lock = (struct hor_lock *)b->object;
        lock->capacity = (int)hor_builder_int(b, a, "capacity", 1);
    }
}

static void read_member(struct hor_builder *b, hor_attributes *a)
{
    struct hor_agent_cluster *cluster = b->cluster;
    struct hor_agent_member *member = HOR_ADD(b, cluster->members, cluster->member_count);
    if (member == NULL)
        return;
    member->name = hor_builder_text(b, a, "name");
    member->url = hor_builder_text(b, a, "url");
    member->witness = hor_builder_bool(a, "witness");
    member->priority = (int)hor_builder_int(b, a, "priority", 1);
    member->max_tasks = member->witness ? 0 : (int)hor_builder_int(b, a, "maxTasks", 8);
    if (member->name == NULL || member->url == NULL)
        return; /* told by the schema */
    for (size_t i = 0; i + 1 < cluster->member_count; i++) {
        const struct hor_agent_member *other = &cluster->members[i];
        if (other->name != NULL && strcmp(other->name, member->name) == 0)
            hor_builder_problem(b, "give each its own name", "member '%s' stands twice",
                                member->name);
        if (other->url != NULL && strcmp(other->url, member->url) == 0)
            hor_builder_problem(b, "give each its own address",
                                "members '%s' and '%s' have the same url", other->name,
                                member->name);
    }
}

void hor_place_start(struct hor_builder *b, const char *name, hor_attributes *a)
{
    if (b->kind == HOR_KIND_AGENT_CLUSTER && strcmp(name, "member") == 0)
        read_member(b, a);
    else if (b->kind == HOR_KIND_FOLDER && strcmp(name, "permission") == 0)
        hor_builder_refuse(b, "permission (give roles to users instead)");
}

void hor_cluster_finish(struct hor_builder *b)
{
    size_t working = 0;
    const struct hor_agent_cluster *cluster = b->cluster;
    for (size_t i = 0; i < cluster->member_count; i++)
        working += cluster->members[i].witness ? 0 : 1;
    if (cluster->member_count > 0 && working == 0)
        hor_builder_problem(b, "add a member without witness=\"true\"",
                            "all members are witnesses: nobody runs tasks");
    if (cluster->member_count == 2)
        hor_problems_add(b->problems, HOR_SEVERITY_WARNING, b->file, cluster->object.line, b->path,
                         "add a third member, a witness is enough",
                         "with two members the loss of either stops new starts until a person "
                         "acts: there is no majority");
}
