/* Making, finding and freeing what a core holds. */
#include "agent/core/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

/* ---- lists ---- */

void hor_core_link_init(struct hor_core_link *link) { link->next = link->prev = link; }

bool hor_core_link_empty(const struct hor_core_link *link) { return link->next == link; }

void hor_core_link_add(struct hor_core_link *head, struct hor_core_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

void hor_core_link_remove(struct hor_core_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    hor_core_link_init(link);
}

/* ---- names ---- */

static const char *const order_state_text[] = {"waiting",   "running", "failed",        "suspended",
                                               "succeeded", "warned",  "failedFinally", "cancelled",
                                               "skipped",   "missed"};
static const char *const node_state_text[] = {"waiting",  "assigned",  "running", "inDoubt", "retrying",
                                              "away", "spread", "succeeded", "warned", "failed",  "skipped"};
static const char *const mark_text[] = {NULL, "suspending", "cancelling", "killing"};

const char *hor_core_order_state_text(enum hor_core_order_state state)
{
    return order_state_text[state];
}

int hor_core_order_state_from(const char *text, enum hor_core_order_state *ret)
{
    for (size_t i = 0; text != NULL && i < sizeof order_state_text / sizeof *order_state_text; i++)
        if (strcmp(order_state_text[i], text) == 0) {
            *ret = (enum hor_core_order_state)i;
            return HOR_OK;
        }
    return HOR_ERR_NOT_FOUND;
}

const char *hor_core_node_state_text(enum hor_core_node_state state)
{
    return node_state_text[state];
}

const char *hor_core_node_shown(const struct hor_core_node_held *node)
{
    for (size_t i = 0; i < node->part_count; i++)
        if (node->parts[i].state == HOR_CORE_NODE_IN_DOUBT)
            return node_state_text[HOR_CORE_NODE_IN_DOUBT];
    bool elsewhere = node->state == HOR_CORE_NODE_AWAY || node->state == HOR_CORE_NODE_SPREAD;
    return node_state_text[elsewhere ? HOR_CORE_NODE_RUNNING : node->state];
}

int hor_core_node_state_from(const char *text, enum hor_core_node_state *ret)
{
    for (size_t i = 0; text != NULL && i < sizeof node_state_text / sizeof *node_state_text; i++)
        if (strcmp(node_state_text[i], text) == 0) {
            *ret = (enum hor_core_node_state)i;
            return HOR_OK;
        }
    return HOR_ERR_NOT_FOUND;
}

const char *hor_core_mark_text(enum hor_core_mark mark) { return mark_text[mark]; }

bool hor_core_order_is_ended(const struct hor_core_order_held *order)
{
    return order->state >= HOR_CORE_ORDER_SUCCEEDED;
}

bool hor_core_node_is_active(const struct hor_core_node_held *node)
{
    return node->state == HOR_CORE_NODE_ASSIGNED || node->state == HOR_CORE_NODE_RUNNING ||
           node->state == HOR_CORE_NODE_IN_DOUBT;
}

bool hor_core_node_is_done(const struct hor_core_node_held *node)
{
    return node->state >= HOR_CORE_NODE_SUCCEEDED;
}

/* The state that people see: a running order that has nothing to run just now waits. */
const char *hor_core_order_state_name(const struct hor_core_order_held *order, int64_t now_us)
{
    if (order->state == HOR_CORE_ORDER_WAITING)
        return order->due_at > now_us ? "waitingForTime" : "waiting";
    if (order->state != HOR_CORE_ORDER_RUNNING)
        return order_state_text[order->state];
    if (order->in_doubt > 0)
        return "inDoubt";
    if (order->active + order->away > 0)
        return "running";
    return order->retrying > 0 ? "retrying" : "waiting";
}

/* ---- bounded sets ---- */

int hor_core_recent_add(struct hor_core_recent *recent, const char *key, void *value)
{
    if (recent->keys == NULL) {
        recent->keys = calloc(recent->cap, sizeof *recent->keys);
        if (recent->keys == NULL)
            return HOR_ERR_MEMORY;
    }
    char *copy = hor_strdup(key);
    if (copy == NULL)
        return HOR_ERR_MEMORY;
    if (recent->count == recent->cap) {
        char *oldest = recent->keys[recent->head];
        hor_map_remove(recent->map, oldest);
        free(oldest);
        recent->head = (recent->head + 1) % recent->cap;
        recent->count--;
    }
    int rc = hor_map_put(recent->map, key, value != NULL ? value : copy);
    if (rc < 0) {
        free(copy);
        return rc;
    }
    recent->keys[(recent->head + recent->count++) % recent->cap] = copy;
    return HOR_OK;
}

static void recent_done(struct hor_core_recent *recent)
{
    hor_map_free(recent->map);
    for (size_t i = 0; recent->keys != NULL && i < recent->count; i++)
        free(recent->keys[(recent->head + i) % recent->cap]);
    free(recent->keys);
}

static void seen_free(void *value)
{
    struct hor_core_seen *seen = value;
    free(seen->text);
    free(seen);
}

/* ---- new and free ---- */

static void release_free(void *value)
{
    struct hor_core_release_held *release = value;
    hor_config_free(release->config);
    hor_buf_done(&release->document);
    free(release->key);
    free(release->master);
    free(release);
}

static void master_free(void *value)
{
    struct hor_core_master_known *master = value;
    free(master->name);
    free(master);
}

static void lane_free(void *value)
{
    struct hor_core_lane *lane = value;
    hor_core_heap_done(&lane->waiting);
    free(lane->key);
    free(lane->master);
    free(lane->chain);
    free(lane->actor);
    free(lane->reason);
    free(lane);
}

static void limit_free(void *value)
{
    struct hor_core_place_limit *limit = value;
    hor_core_heap_done(&limit->blocked);
    free(limit->key);
    free(limit);
}

static void node_done(struct hor_core_node_held *node)
{
    hor_core_node_foresee_done(node);
    free(node->cause);
    hor_arguments_done(&node->outputs);
    hor_core_needs_done(node);
    hor_core_parts_free(NULL, node);
}

static void order_free(void *value)
{
    struct hor_core_order_held *order = value;
    if (order->nodes != NULL)
        for (size_t i = 0; i < order->chain->node_count; i++)
            node_done(&order->nodes[i]);
    free(order->nodes);
    free(order->id);
    free(order->title);
    free(order->plan_day);
    free(order->schedule);
    free(order->cause);
    hor_arguments_done(&order->arguments);
    hor_arguments_done(&order->parameters);
    free(order);
}

static bool timer_before(const void *a, const void *b)
{
    const struct hor_core_order_held *x = a, *y = b;
    if (x->timer_at != y->timer_at)
        return x->timer_at < y->timer_at;
    return x->added_index < y->added_index;
}

static bool turn_before(const void *a, const void *b) { return hor_core_order_before(a, b); }

static int member_add(struct hor_core *core, const struct hor_core_member *from)
{
    struct hor_core_member_state *member = &core->members[core->member_count];
    member->name = hor_strdup(from->name);
    if (member->name == NULL)
        return HOR_ERR_MEMORY;
    member->priority = member->now_priority = from->priority;
    member->max_tasks = member->now_max_tasks = from->max_tasks;
    member->witness = from->witness;
    member->changed_at = HOR_EVENT_NONE;
    hor_core_link_init(&member->active);
    member->ready = (struct hor_core_heap){
        .place_offset = offsetof(struct hor_core_node_held, place), .before = hor_core_node_before};
    core->member_count++;
    return HOR_OK;
}

static int members_copy(struct hor_core *core, const struct hor_core_settings *settings)
{
    core->members = calloc(HOR_CORE_MEMBERS, sizeof *core->members); /* lists hang on them */
    if (core->members == NULL)
        return HOR_ERR_MEMORY;
    for (size_t i = 0; i < settings->member_count; i++)
        if (member_add(core, &settings->members[i]) < 0)
            return HOR_ERR_MEMORY;
    return HOR_OK;
}

int hor_core_join(struct hor_core *core, const struct hor_core_member *member, struct hor_error *err)
{
    if (hor_core_member_find(core, member->name, NULL) != NULL)
        return HOR_OK;
    if (core->member_count == HOR_CORE_MEMBERS)
        return hor_error_set(err, HOR_ERR_LIMIT, "more than %d members by name", HOR_CORE_MEMBERS);
    if (member_add(core, member) < 0)
        return hor_error_set(err, HOR_ERR_MEMORY, "cluster state: out of memory");
    hor_core_current(core, core->current);
    return HOR_OK;
}

int hor_core_new(const struct hor_core_settings *settings, struct hor_core **ret,
                 struct hor_error *err)
{
    if (settings->member_count == 0 || settings->member_count > HOR_CORE_MEMBERS)
        return hor_error_set(err, HOR_ERR_INVALID, "a cluster has 1 to %d members, not %zu",
                             HOR_CORE_MEMBERS, settings->member_count);
    struct hor_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "cluster state: out of memory");
    core->cluster = hor_strdup(settings->cluster);
    core->last_member = SIZE_MAX;
    core->orders = hor_map_new(order_free);
    core->releases = hor_map_new(release_free);
    core->masters = hor_map_new(master_free);
    core->lanes = hor_map_new(lane_free);
    core->jobs = hor_map_new(limit_free);
    core->locks = hor_map_new(limit_free);
    core->commands = (struct hor_core_recent){.map = hor_map_new(seen_free),
                                              .cap = HOR_CORE_COMMANDS_KEPT};
    core->ended = (struct hor_core_recent){.map = hor_map_new(NULL), .cap = HOR_CORE_ENDED_KEPT};
    core->timers = (struct hor_core_heap){
        .place_offset = offsetof(struct hor_core_order_held, timer), .before = timer_before};
    core->ready = (struct hor_core_heap){
        .place_offset = offsetof(struct hor_core_node_held, place), .before = hor_core_node_before};
    hor_core_link_init(&core->dirty_orders);
    hor_core_link_init(&core->dirty_lanes);
    if (core->cluster == NULL || core->orders == NULL || core->releases == NULL ||
        core->masters == NULL || core->lanes == NULL || core->jobs == NULL ||
        core->locks == NULL || core->commands.map == NULL || core->ended.map == NULL ||
        members_copy(core, settings) < 0) {
        hor_core_free(core);
        return hor_error_set(err, HOR_ERR_MEMORY, "cluster state: out of memory");
    }
    *ret = core;
    return HOR_OK;
}

void hor_core_free(struct hor_core *core)
{
    if (core == NULL)
        return;
    hor_map_free(core->orders); /* before releases: nodes point into configurations */
    hor_map_free(core->releases);
    hor_map_free(core->masters);
    hor_map_free(core->lanes);
    hor_map_free(core->jobs);
    hor_map_free(core->locks);
    recent_done(&core->commands);
    recent_done(&core->ended);
    hor_core_heap_done(&core->timers);
    hor_core_heap_done(&core->ready);
    for (size_t i = 0; i < core->member_count; i++) {
        hor_core_heap_done(&core->members[i].ready);
        free(core->members[i].name);
    }
    free(core->members);
    free(core->cluster);
    free(core);
}

/* ---- finding ---- */

struct hor_core_master_known *hor_core_master_get(struct hor_core *core, const char *name)
{
    struct hor_core_master_known *master = hor_map_get(core->masters, name);
    if (master != NULL)
        return master;
    master = calloc(1, sizeof *master);
    if (master == NULL)
        return NULL;
    hor_core_link_init(&master->ended);
    master->name = hor_strdup(name);
    if (master->name == NULL || hor_map_put(core->masters, name, master) < 0) {
        master_free(master);
        return NULL;
    }
    return master;
}

struct hor_core_lane *hor_core_lane_get(struct hor_core *core, const char *master, const char *chain)
{
    char *key = hor_str_printf("%s\n%s", master, chain);
    struct hor_core_lane *lane = key != NULL ? hor_map_get(core->lanes, key) : NULL;
    if (key == NULL || lane != NULL) {
        free(key);
        return lane;
    }
    lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        free(key);
        return NULL;
    }
    *lane = (struct hor_core_lane){
        .key = key,
        .master = hor_strdup(master),
        .chain = hor_strdup(chain),
        .waiting = {.place_offset = offsetof(struct hor_core_order_held, turn),
                    .before = turn_before},
    };
    hor_core_link_init(&lane->dirty);
    hor_core_link_init(&lane->members);
    hor_core_link_init(&lane->awaited);
    hor_ends_init(&lane->ends);
    if (lane->master == NULL || lane->chain == NULL || hor_map_put(core->lanes, key, lane) < 0) {
        lane_free(lane);
        return NULL;
    }
    return lane;
}

struct hor_core_place_limit *hor_core_limit_get(struct hor_map *map, const char *master,
                                                const char *path)
{
    char key[1024];
    if (snprintf(key, sizeof key, "%s\n%s", master, path) >= (int)sizeof key)
        return NULL; /* paths and names are bounded far below by the schemas */
    struct hor_core_place_limit *limit = hor_map_get(map, key);
    if (limit != NULL)
        return limit;
    limit = calloc(1, sizeof *limit);
    if (limit == NULL)
        return NULL;
    limit->blocked = (struct hor_core_heap){
        .place_offset = offsetof(struct hor_core_node_held, place), .before = hor_core_node_before};
    limit->key = hor_strdup(key);
    if (limit->key == NULL || hor_map_put(map, key, limit) < 0) {
        limit_free(limit);
        return NULL;
    }
    return limit;
}

struct hor_core_release_held *hor_core_release_find(const struct hor_core *core, const char *master,
                                                    int64_t number)
{
    char key[600];
    if (master == NULL ||
        snprintf(key, sizeof key, "%s\n%lld", master, (long long)number) >= (int)sizeof key)
        return NULL;
    return hor_map_get(core->releases, key);
}

struct hor_core_member_state *hor_core_member_find(const struct hor_core *core, const char *name,
                                                   size_t *ret_index)
{
    for (size_t i = 0; name != NULL && i < core->member_count; i++)
        if (strcmp(core->members[i].name, name) == 0) {
            if (ret_index != NULL)
                *ret_index = i;
            return &core->members[i];
        }
    return NULL;
}

struct hor_core_order_held *hor_core_order_find(const struct hor_core *core, const char *id)
{
    return id != NULL ? hor_map_get(core->orders, id) : NULL;
}

struct hor_core_node_held *hor_core_node_find(const struct hor_core_order_held *order, const char *id)
{
    if (order->nodes == NULL || id == NULL)
        return NULL;
    size_t i = hor_chain_node(order->chain, id);
    return i != HOR_NODE_NONE ? &order->nodes[i] : NULL;
}

int hor_core_task_name(const struct hor_core_node_held *node, int64_t attempt,
                       char out[HOR_CORE_NAME_BYTES + 1])
{
    int n = snprintf(out, HOR_CORE_NAME_BYTES + 1, "%s:%s:%lld", node->order->id, node->def->id,
                     (long long)attempt);
    return n < 0 || n > HOR_CORE_NAME_BYTES ? HOR_ERR_LIMIT : HOR_OK;
}

/* An order's id may hold colons, a node's id as well: the state decides what the parts are. */
struct hor_core_node_held *hor_core_task_node(const struct hor_core *core, const char *task)
{
    char id[HOR_CORE_NAME_BYTES + 1];
    size_t len = task != NULL ? strlen(task) : 0;
    if (len == 0 || len > HOR_CORE_NAME_BYTES)
        return NULL;
    for (size_t i = 1; i < len; i++) {
        if (task[i] != ':')
            continue;
        memcpy(id, task, i);
        id[i] = '\0';
        struct hor_core_order_held *order = hor_core_order_find(core, id);
        const char *last = strrchr(task, ':');
        if (order == NULL || order->nodes == NULL || last <= task + i)
            continue;
        memcpy(id, task + i + 1, (size_t)(last - task) - i - 1);
        id[(size_t)(last - task) - i - 1] = '\0';
        struct hor_core_node_held *node = hor_core_node_find(order, id);
        int64_t attempt;
        if (node == NULL || hor_str_to_int64(last + 1, &attempt) != HOR_OK)
            continue;
        node = hor_core_part_with(node, attempt);
        if (node != NULL && hor_core_node_is_active(node))
            return node;
    }
    return NULL;
}

/* ---- orders ---- */

struct hor_core_order_held *hor_core_order_new(struct hor_core *core, const char *id,
                                               struct hor_core_release_held *release,
                                               const struct hor_chain *chain)
{
    struct hor_core_order_held *order = calloc(1, sizeof *order);
    if (order == NULL)
        return NULL;
    order->id = hor_strdup(id);
    order->release = release;
    order->chain = chain;
    order->master = hor_core_master_get(core, release->master);
    order->lane = hor_core_lane_get(core, release->master, chain->object.path);
    order->planned_at = order->due_at = order->started_at = order->ended_at = HOR_EVENT_NONE;
    hor_core_link_init(&order->dirty);
    hor_core_link_init(&order->in_lane);
    hor_core_link_init(&order->in_ended);
    if (order->id == NULL || order->master == NULL || order->lane == NULL) {
        order_free(order);
        return NULL;
    }
    return order;
}

void hor_core_node_init(struct hor_core_node_held *node, struct hor_core_order_held *order,
                        const struct hor_node *def)
{
    node->order = order;
    node->def = def;
    node->member = SIZE_MAX;
    node->exit_code = node->signal = HOR_EVENT_NONE;
    node->started_at = node->ended_at = node->retry_at = HOR_EVENT_NONE;
    hor_core_link_init(&node->active);
}

int hor_core_order_nodes_make(struct hor_core_order_held *order)
{
    size_t count = order->chain->node_count;
    order->nodes = calloc(count, sizeof *order->nodes);
    if (order->nodes == NULL)
        return HOR_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct hor_core_node_held *node = &order->nodes[i];
        hor_core_node_init(node, order, &order->chain->nodes[i]);
        if (node->def->requirement_count == 0)
            continue;
        node->needs = calloc(node->def->requirement_count, sizeof *node->needs);
        if (node->needs == NULL)
            return HOR_ERR_MEMORY;
        for (size_t k = 0; k < node->def->requirement_count; k++) {
            node->needs[k].node = node;
            node->needs[k].asked_at = node->needs[k].until = HOR_EVENT_NONE;
            hor_core_link_init(&node->needs[k].waits);
        }
    }
    return HOR_OK;
}

void hor_core_order_nodes_free(struct hor_core *core, struct hor_core_order_held *order)
{
    if (order->nodes == NULL)
        return;
    hor_core_order_unqueue(core, order);
    hor_core_order_foresee_nothing(core, order);
    for (size_t i = 0; i < order->chain->node_count; i++)
        node_done(&order->nodes[i]);
    free(order->nodes);
    order->nodes = NULL;
}

/* Forgets an order that ended: nothing points to it afterwards. */
void hor_core_order_drop(struct hor_core *core, struct hor_core_order_held *order)
{
    hor_core_order_nodes_free(core, order);
    hor_core_link_remove(&order->dirty);
    hor_core_link_remove(&order->in_lane);
    hor_core_link_remove(&order->in_ended);
    hor_core_heap_remove(&core->timers, order);
    hor_core_heap_remove(&order->lane->waiting, order);
    order->release->orders--;
    core->drop_check = true;
    hor_map_take(core->orders, order->id);
    order_free(order);
}
