/* The whole state as one XML element, and back. What can be worked out (counts, queues) is not
 * written. Maps are written in the order in which things came, which replay repeats; lanes come and
 * go with looking at them, so they are sorted. */
#include <stdlib.h>
#include <string.h>

#include "agent/core/state.h"
#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"

static void text(struct hor_buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    hor_buf_printf(out, " %s=\"", name);
    hor_buf_xml(out, value);
    hor_buf_putc(out, '"');
}

static void number(struct hor_buf *out, const char *name, int64_t value)
{
    if (value != HOR_EVENT_NONE)
        hor_buf_printf(out, " %s=\"%lld\"", name, (long long)value);
}

static void when(struct hor_buf *out, const char *name, int64_t value)
{
    char time[HOR_TIME_TEXT_BYTES];
    if (value != HOR_EVENT_NONE)
        text(out, name, hor_time_format_us(value, time));
}

static void flag(struct hor_buf *out, const char *name, bool value)
{
    if (value)
        text(out, name, "true");
}

static void write_arguments(struct hor_buf *out, const char *element,
                            const struct hor_arguments *list)
{
    for (size_t i = 0; i < list->count; i++) {
        hor_buf_printf(out, "<%s", element);
        text(out, "name", list->items[i].name);
        flag(out, "secret", list->items[i].secret);
        text(out, "value", list->items[i].value);
        hor_buf_puts(out, "/>");
    }
}

/* Questions that are open say nothing. */
static void write_needs(const struct hor_core_node_held *node, struct hor_buf *out)
{
    for (size_t i = 0; node->needs != NULL && i < node->def->requirement_count; i++) {
        const struct hor_core_need *need = &node->needs[i];
        if (need->state == HOR_CORE_NEED_OPEN)
            continue;
        hor_buf_puts(out, "<need");
        number(out, "number", (int64_t)i + 1);
        number(out, "ask", need->ask);
        flag(out, "met", need->state == HOR_CORE_NEED_MET);
        when(out, "askedAt", need->asked_at);
        when(out, "until", need->until);
        hor_buf_puts(out, "/>");
    }
}

static void write_node(const struct hor_core *core, const struct hor_core_node_held *node,
                       struct hor_buf *out)
{
    const char *element = node->whole != NULL ? "part" : "node";
    hor_buf_printf(out, "<%s", element);
    text(out, "id", node->whole != NULL ? NULL : node->def->id);
    text(out, "state", hor_core_node_state_text(node->state));
    if (node->state == HOR_CORE_NODE_SKIPPED)
        flag(out, "wanted", node->skip == HOR_CORE_SKIP_WANTED);
    if (node->attempt > 0) {
        number(out, "attempt", node->attempt);
        number(out, "tries", node->tries);
        number(out, "fence", (int64_t)node->fence);
    }
    if (node->member != SIZE_MAX && (node->attempt > 0 || node->whole != NULL))
        text(out, "agent", core->members[node->member].name);
    if (node->part_count > 0)
        number(out, "parts", (int64_t)node->part_count);
    number(out, "exitCode", node->exit_code);
    number(out, "signal", node->signal);
    when(out, "startedAt", node->started_at);
    when(out, "endedAt", node->ended_at);
    when(out, "retryAt", node->retry_at);
    flag(out, "killing", node->killing);
    flag(out, "final", node->final);
    if (node->asks > 0)
        number(out, "asks", node->asks);
    text(out, "cause", node->cause);
    hor_buf_putc(out, '>');
    write_needs(node, out);
    write_arguments(out, "output", &node->outputs);
    for (size_t i = 0; i < node->part_count; i++)
        write_node(core, &node->parts[i], out);
    hor_buf_printf(out, "</%s>", element);
}

static void write_order(const struct hor_core *core, const struct hor_core_order_held *order,
                        struct hor_buf *out)
{
    hor_buf_puts(out, "\n<order");
    text(out, "id", order->id);
    text(out, "master", order->master->name);
    number(out, "release", order->release->number);
    text(out, "chain", order->chain->object.path);
    text(out, "state", hor_core_order_state_text(order->state));
    text(out, "mark", hor_core_mark_text(order->mark));
    text(out, "title", order->title);
    text(out, "planDay", order->plan_day);
    text(out, "schedule", order->schedule);
    text(out, "cause", order->cause);
    when(out, "plannedAt", order->planned_at);
    when(out, "dueAt", order->due_at);
    number(out, "priority", order->priority);
    when(out, "startedAt", order->started_at);
    when(out, "endedAt", order->ended_at);
    number(out, "added", (int64_t)order->added_index);
    if (order->ended_index > 0)
        number(out, "ended", (int64_t)order->ended_index);
    if (hor_core_order_is_ended(order))
        number(out, "done", (int64_t)order->done);
    hor_buf_putc(out, '>');
    write_arguments(out, "argument", &order->arguments);
    write_arguments(out, "parameter", &order->parameters);
    for (size_t i = 0; order->nodes != NULL && i < order->chain->node_count; i++)
        write_node(core, &order->nodes[i], out);
    hor_buf_puts(out, "</order>");
}

static void write_release(const struct hor_core *core, const struct hor_core_release_held *release,
                          struct hor_buf *out)
{
    hor_buf_puts(out, "\n<release");
    text(out, "master", release->master);
    number(out, "number", release->number);
    number(out, "parts", release->parts);
    number(out, "seen", release->parts_seen);
    text(out, "sha256", release->sha256[0] != '\0' ? release->sha256 : NULL);
    flag(out, "complete", release->config != NULL);
    flag(out, "current", core->current == release);
    hor_buf_putc(out, '>');
    hor_base64_encode(hor_buf_text(&release->document), release->document.len, out);
    hor_buf_puts(out, "</release>");
}

static int by_key(const void *a, const void *b)
{
    const struct hor_core_lane *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static int write_lanes(const struct hor_core *core, struct hor_buf *out)
{
    size_t count = 0, pos = 0;
    const struct hor_core_lane **list = calloc(hor_map_count(core->lanes) + 1, sizeof *list), *lane;
    if (list == NULL)
        return HOR_ERR_MEMORY;
    while ((lane = hor_map_next(core->lanes, &pos, NULL)) != NULL)
        if (lane->held || hor_ends_latest(&lane->ends, HOR_ON_ANY) != HOR_EVENT_NONE)
            list[count++] = lane;
    qsort(list, count, sizeof *list, by_key);
    for (size_t i = 0; i < count; i++) {
        hor_buf_puts(out, "\n<chain");
        text(out, "master", list[i]->master);
        text(out, "chain", list[i]->chain);
        flag(out, "held", list[i]->held);
        text(out, "actor", list[i]->actor);
        text(out, "reason", list[i]->reason);
        for (int k = 0; k < HOR_ENDS; k++)
            when(out, hor_ends_name(k), list[i]->ends.at[k]);
        hor_buf_puts(out, "/>");
    }
    free(list);
    return HOR_OK;
}

static void write_recent(const struct hor_core *core, struct hor_buf *out)
{
    const struct hor_core_recent *r = &core->commands;
    for (size_t i = 0; i < r->count; i++) {
        const char *key = r->keys[(r->head + i) % r->cap];
        const struct hor_core_seen *seen = hor_map_get(r->map, key);
        hor_buf_puts(out, "\n<command");
        text(out, "key", key);
        flag(out, "done", seen->done);
        text(out, "text", seen->text);
        hor_buf_puts(out, "/>");
    }
    r = &core->ended;
    for (size_t i = 0; i < r->count; i++) {
        hor_buf_puts(out, "\n<ended");
        text(out, "order", r->keys[(r->head + i) % r->cap]);
        hor_buf_puts(out, "/>");
    }
}

int hor_core_snapshot(const struct hor_core *core, struct hor_buf *out)
{
    hor_buf_puts(out, "<agentState xmlns=\"urn:horarium:journal:1\" formatVersion=\"1\"");
    text(out, "cluster", core->cluster);
    if (core->last_member != SIZE_MAX)
        text(out, "lastAgent", core->members[core->last_member].name);
    hor_buf_putc(out, '>');
    for (size_t i = 0; i < core->member_count; i++) {
        const struct hor_core_member_state *member = &core->members[i];
        hor_buf_puts(out, "\n<member");
        text(out, "name", member->name);
        flag(out, "up", member->up);
        flag(out, "drain", member->drain);
        flag(out, "drained", member->drained);
        when(out, "changedAt", member->changed_at);
        hor_buf_puts(out, "/>");
    }
    size_t pos = 0;
    const struct hor_core_master_known *master;
    while ((master = hor_map_next(core->masters, &pos, NULL)) != NULL) {
        hor_buf_puts(out, "\n<master");
        text(out, "name", master->name);
        number(out, "acknowledged", (int64_t)master->acknowledged);
        if (master->fence > 0)
            number(out, "fence", (int64_t)master->fence);
        hor_buf_puts(out, "/>");
    }
    const struct hor_core_release_held *release;
    pos = 0;
    while ((release = hor_map_next(core->releases, &pos, NULL)) != NULL)
        write_release(core, release, out);
    int rc = write_lanes(core, out);
    if (rc < 0)
        return rc;
    const struct hor_core_order_held *order;
    pos = 0;
    while ((order = hor_map_next(core->orders, &pos, NULL)) != NULL)
        write_order(core, order, out);
    write_recent(core, out);
    hor_buf_puts(out, "\n</agentState>");
    return out->failed ? HOR_ERR_MEMORY : HOR_OK;
}

/* ---- back ---- */

struct reader {
    struct hor_core *core;
    struct hor_core_release_held *release; /* whose text comes */
    struct hor_buf base64;
    bool complete, current;
    struct hor_core_order_held *order;
    struct hor_core_node_held *node;
    size_t parts_read;
    struct hor_error err; /* of the first thing that was wrong */
};

static const char *attr(const struct hor_xml_attributes *a, const char *name)
{
    return hor_xml_attribute_of(a, name);
}

static int64_t attr_number(const struct hor_xml_attributes *a, const char *name, int64_t fallback)
{
    const char *value = attr(a, name);
    int64_t result;
    return value != NULL && hor_str_to_int64(value, &result) == HOR_OK ? result : fallback;
}

static int64_t attr_time(const struct hor_xml_attributes *a, const char *name)
{
    const char *value = attr(a, name);
    int64_t result;
    return value != NULL && hor_time_parse_us(value, &result) == HOR_OK ? result : HOR_EVENT_NONE;
}

static bool attr_flag(const struct hor_xml_attributes *a, const char *name)
{
    return hor_str_equal(attr(a, name), "true");
}

static int bad(struct reader *r, int line, const char *what)
{
    return hor_error_set(&r->err, HOR_ERR_CORRUPT, "snapshot line %d: %s", line, what);
}

static int read_member(struct reader *r, const struct hor_xml_attributes *a)
{
    struct hor_core_member_state *member = hor_core_member_find(r->core, attr(a, "name"), NULL);
    if (member == NULL)
        return HOR_OK; /* left the cluster since */
    member->up = attr_flag(a, "up");
    member->drain = attr_flag(a, "drain");
    member->drained = attr_flag(a, "drained");
    member->changed_at = attr_time(a, "changedAt");
    return HOR_OK;
}

static int read_release(struct reader *r, const struct hor_xml_attributes *a, int line)
{
    const char *master = attr(a, "master");
    if (master == NULL)
        return bad(r, line, "release without Master");
    r->release = hor_core_release_get(r->core, master, attr_number(a, "number", 0));
    if (r->release == NULL)
        return HOR_ERR_MEMORY;
    r->release->parts = attr_number(a, "parts", 0);
    r->release->parts_seen = attr_number(a, "seen", 0);
    r->complete = attr_flag(a, "complete");
    r->current = attr_flag(a, "current");
    hor_buf_clear(&r->base64);
    return HOR_OK;
}

static int end_release(struct reader *r, int line)
{
    struct hor_core_release_held *release = r->release;
    r->release = NULL;
    if (r->base64.failed ||
        hor_base64_decode(hor_buf_text(&r->base64), r->base64.len, &release->document) < 0)
        return bad(r, line, "release document is not base 64");
    if (!r->complete)
        return HOR_OK;
    hor_sha256_hex(hor_buf_text(&release->document), release->document.len, release->sha256);
    int rc = hor_core_release_complete(r->core, release, &r->err);
    if (rc == HOR_OK && r->current)
        hor_core_current(r->core, release);
    return rc;
}

static int read_order(struct reader *r, const struct hor_xml_attributes *a, int line)
{
    const char *id = attr(a, "id"), *path = attr(a, "chain"), *mark = attr(a, "mark");
    struct hor_core_release_held *release =
        hor_core_release_find(r->core, attr(a, "master"), attr_number(a, "release", 0));
    const struct hor_chain *chain = release != NULL && release->config != NULL && path != NULL
                                        ? hor_config_chain(release->config, path)
                                        : NULL;
    enum hor_core_order_state state;
    if (id == NULL || chain == NULL || hor_core_order_state_from(attr(a, "state"), &state) < 0)
        return bad(r, line, "order without id, state, or a chain of its release");
    struct hor_core_order_held *order = hor_core_order_new(r->core, id, release, chain);
    if (order == NULL || hor_map_put(r->core->orders, order->id, order) < 0)
        return HOR_ERR_MEMORY;
    release->orders++;
    r->order = order;
    if (hor_event_set(&order->title, attr(a, "title")) < 0 ||
        hor_event_set(&order->plan_day, attr(a, "planDay")) < 0 ||
        hor_event_set(&order->schedule, attr(a, "schedule")) < 0 ||
        hor_event_set(&order->cause, attr(a, "cause")) < 0)
        return HOR_ERR_MEMORY;
    order->planned_at = attr_time(a, "plannedAt");
    order->due_at = attr_time(a, "dueAt");
    order->priority = attr_number(a, "priority", 0);
    order->started_at = attr_time(a, "startedAt");
    order->ended_at = attr_time(a, "endedAt");
    order->added_index = (uint64_t)attr_number(a, "added", 0);
    order->ended_index = (uint64_t)attr_number(a, "ended", 0);
    for (int m = HOR_CORE_MARK_SUSPENDING; m <= HOR_CORE_MARK_KILLING; m++)
        if (hor_str_equal(mark, hor_core_mark_text(m)))
            order->mark = m;
    if (state >= HOR_CORE_ORDER_SUCCEEDED)
        order->done = (size_t)attr_number(a, "done", 0);
    hor_core_order_set_state(r->core, order, state);
    return HOR_OK;
}

static int read_run(struct reader *r, struct hor_core_node_held *node,
                    const struct hor_xml_attributes *a, int line)
{
    enum hor_core_node_state state;
    size_t member = SIZE_MAX;
    if (node == NULL || hor_core_node_state_from(attr(a, "state"), &state) < 0)
        return bad(r, line, "a node that its chain does not have, or without state");
    hor_core_member_find(r->core, attr(a, "agent"), &member);
    r->node = node;
    node->skip = attr_flag(a, "wanted") ? HOR_CORE_SKIP_WANTED : HOR_CORE_SKIP_PATH;
    node->attempt = attr_number(a, "attempt", 0);
    node->tries = attr_number(a, "tries", 0);
    node->fence = (uint64_t)attr_number(a, "fence", 0);
    node->exit_code = attr_number(a, "exitCode", HOR_EVENT_NONE);
    node->signal = attr_number(a, "signal", HOR_EVENT_NONE);
    node->started_at = attr_time(a, "startedAt");
    node->ended_at = attr_time(a, "endedAt");
    node->retry_at = attr_time(a, "retryAt");
    node->killing = attr_flag(a, "killing");
    node->final = attr_flag(a, "final");
    node->asks = attr_number(a, "asks", 0);
    if (hor_event_set(&node->cause, attr(a, "cause")) < 0)
        return HOR_ERR_MEMORY;
    node->member = member;
    if (member == SIZE_MAX && (node->whole != NULL || state == HOR_CORE_NODE_ASSIGNED || state == HOR_CORE_NODE_RUNNING ||
                               state == HOR_CORE_NODE_IN_DOUBT))
        return bad(r, line, "a task on an agent that the cluster does not have");
    hor_core_node_set_state(r->core, node, state);
    return HOR_OK;
}

static int read_node(struct reader *r, const struct hor_xml_attributes *a, int line)
{
    if (r->order->nodes == NULL && hor_core_order_nodes_make(r->order) < 0)
        return HOR_ERR_MEMORY;
    struct hor_core_node_held *node = hor_core_node_find(r->order, attr(a, "id"));
    int64_t parts = attr_number(a, "parts", 0);
    int rc = read_run(r, node, a, line);
    if (rc == HOR_OK && parts > 0)
        rc = parts > HOR_CORE_MEMBERS ? bad(r, line, "a node with too many parts")
                                      : hor_core_parts_make(node, (size_t)parts);
    r->parts_read = 0;
    return rc;
}

static int read_part(struct reader *r, const struct hor_xml_attributes *a, int line)
{
    if (r->node->whole != NULL || r->parts_read >= r->node->part_count)
        return bad(r, line, "more parts than the node has");
    return read_run(r, &r->node->parts[r->parts_read++], a, line);
}

static int read_argument(struct reader *r, const struct hor_xml_attributes *a,
                         struct hor_arguments *list, int line)
{
    const char *name = attr(a, "name");
    if (name == NULL)
        return bad(r, line, "an argument without name");
    return hor_arguments_add(list, name, attr(a, "value"), attr_flag(a, "secret"));
}

static int read_command(struct reader *r, const struct hor_xml_attributes *a, int line)
{
    struct hor_core_seen *seen = calloc(1, sizeof *seen);
    if (attr(a, "key") == NULL) {
        free(seen);
        return bad(r, line, "a command without key");
    }
    if (seen == NULL || hor_event_set(&seen->text, attr(a, "text")) < 0 ||
        hor_core_recent_add(&r->core->commands, attr(a, "key"), seen) < 0) {
        free(seen);
        return HOR_ERR_MEMORY;
    }
    seen->done = attr_flag(a, "done");
    return HOR_OK;
}

static int read_need(struct reader *r, const struct hor_xml_attributes *a, int line)
{
    int64_t number = attr_number(a, "number", 0);
    struct hor_core_node_held *node = r->node;
    if (node->needs == NULL || number < 1 || (size_t)number > node->def->requirement_count)
        return bad(r, line, "a need that its node does not have");
    struct hor_core_need *need = &node->needs[number - 1];
    hor_core_need_ask(r->core, need, attr_number(a, "ask", 0), attr_time(a, "askedAt"),
                      attr_time(a, "until"));
    if (attr_flag(a, "met")) {
        need->state = HOR_CORE_NEED_MET;
        hor_core_link_remove(&need->waits);
    }
    return HOR_OK;
}

static int read_chain(struct reader *r, const struct hor_xml_attributes *a, int line)
{
    if (attr(a, "master") == NULL || attr(a, "chain") == NULL)
        return bad(r, line, "a chain without name");
    struct hor_core_lane *lane = hor_core_lane_get(r->core, attr(a, "master"), attr(a, "chain"));
    if (lane == NULL || hor_event_set(&lane->actor, attr(a, "actor")) < 0 ||
        hor_event_set(&lane->reason, attr(a, "reason")) < 0)
        return HOR_ERR_MEMORY;
    lane->held = attr_flag(a, "held");
    for (int k = 0; k < HOR_ENDS; k++)
        lane->ends.at[k] = attr_time(a, hor_ends_name(k));
    return HOR_OK;
}

static int read_start(const char *name, const char *uri, const struct hor_xml_attributes *a, int line,
                      void *ctx)
{
    struct reader *r = ctx;
    (void)uri;
    if (strcmp(name, "order") == 0)
        return read_order(r, a, line);
    if (strcmp(name, "node") == 0)
        return r->order != NULL ? read_node(r, a, line) : bad(r, line, "a node outside of an order");
    if (strcmp(name, "part") == 0 && r->node != NULL)
        return read_part(r, a, line);
    if (strcmp(name, "argument") == 0 && r->order != NULL)
        return read_argument(r, a, &r->order->arguments, line);
    if (strcmp(name, "parameter") == 0 && r->order != NULL)
        return read_argument(r, a, &r->order->parameters, line);
    if (strcmp(name, "output") == 0 && r->node != NULL)
        return read_argument(r, a, &r->node->outputs, line);
    if (strcmp(name, "member") == 0)
        return read_member(r, a);
    if (strcmp(name, "release") == 0)
        return read_release(r, a, line);
    if (strcmp(name, "chain") == 0)
        return read_chain(r, a, line);
    if (strcmp(name, "need") == 0 && r->node != NULL)
        return read_need(r, a, line);
    if (strcmp(name, "command") == 0)
        return read_command(r, a, line);
    if (strcmp(name, "ended") == 0)
        return attr(a, "order") != NULL
                   ? hor_core_recent_add(&r->core->ended, attr(a, "order"), NULL)
                   : bad(r, line, "an ended order without id");
    if (strcmp(name, "master") == 0) {
        struct hor_core_master_known *master =
            attr(a, "name") != NULL ? hor_core_master_get(r->core, attr(a, "name")) : NULL;
        if (master == NULL)
            return bad(r, line, "a Master without name");
        master->acknowledged = (uint64_t)attr_number(a, "acknowledged", 0);
        master->fence = (uint64_t)attr_number(a, "fence", 0);
        return HOR_OK;
    }
    if (strcmp(name, "agentState") != 0)
        return bad(r, line, "an unknown element");
    if (!hor_str_equal(attr(a, "formatVersion"), "1"))
        return bad(r, line, "a format version that this program does not know");
    if (!hor_str_equal(attr(a, "cluster"), r->core->cluster))
        return bad(r, line, "the state of another cluster");
    hor_core_member_find(r->core, attr(a, "lastAgent"), &r->core->last_member);
    return HOR_OK;
}

static int read_end(const char *name, const char *uri, int line, void *ctx)
{
    struct reader *r = ctx;
    (void)uri;
    if (r->release != NULL)
        return end_release(r, line);
    if (strcmp(name, "part") == 0)
        r->node = r->node->whole;
    if (strcmp(name, "node") == 0) {
        if (r->node->part_count != r->parts_read)
            return bad(r, line, "fewer parts than the node has");
        r->node = NULL;
    }
    if (strcmp(name, "order") == 0) {
        if (hor_core_order_is_ended(r->order))
            hor_core_link_remove(&r->order->dirty);
        else if (r->order->state == HOR_CORE_ORDER_RUNNING && r->order->nodes == NULL)
            return bad(r, line, "a running order without nodes");
        r->order = NULL;
    }
    return HOR_OK;
}

static int read_text(const char *data, size_t len, void *ctx)
{
    struct reader *r = ctx;
    if (r->release != NULL)
        hor_buf_add(&r->base64, data, len);
    return HOR_OK;
}

static int by_end(const void *a, const void *b)
{
    const struct hor_core_order_held *const *x = a, *const *y = b;
    return ((*x)->ended_index > (*y)->ended_index) - ((*x)->ended_index < (*y)->ended_index);
}

/* The lists of ended orders are in order of their ends, whatever order the orders came in. */
static int keep_ended(struct hor_core *core)
{
    size_t count = 0, pos = 0;
    struct hor_core_order_held **list = calloc(hor_map_count(core->orders) + 1, sizeof *list), *order;
    if (list == NULL)
        return HOR_ERR_MEMORY;
    while ((order = hor_map_next(core->orders, &pos, NULL)) != NULL)
        if (hor_core_order_is_ended(order))
            list[count++] = order;
    qsort(list, count, sizeof *list, by_end);
    for (size_t i = 0; i < count; i++)
        hor_core_order_keep(list[i]);
    free(list);
    return HOR_OK;
}

int hor_core_restore(struct hor_core *core, const char *xml, size_t len, struct hor_error *err)
{
    static const struct hor_xml_scan handlers = {
        .start = read_start, .end = read_end, .text = read_text};
    struct reader r = {.core = core};
    struct hor_error scan_err = {0};
    int rc = hor_xml_scan("snapshot", xml, len, len + 1, NULL, &handlers, &r, NULL, &scan_err);
    if (rc == HOR_OK)
        rc = keep_ended(core);
    hor_buf_done(&r.base64);
    if (rc == HOR_OK && core->memory)
        rc = HOR_ERR_MEMORY;
    if (rc == HOR_OK)
        return HOR_OK;
    const char *why = r.err.code != 0 ? r.err.text : scan_err.code != 0 ? scan_err.text
                                                                        : hor_error_words(rc);
    return hor_error_set(err, rc == HOR_ERR_MEMORY ? rc : HOR_ERR_CORRUPT, "restore: %s", why);
}
