/* tests/unit/agent_core_world.h - a cluster's journal and clock in memory, for the tests of
 * agent/core: every event that is emitted is committed at once, and kept for replay. */
#ifndef HOR_TESTS_AGENT_CORE_WORLD_H
#define HOR_TESTS_AGENT_CORE_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/core.h"
#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/xml/xml.h"
#include "tests/lib/tap.h"

#define SECOND INT64_C(1000000)
#define NS " xmlns=\"urn:horarium:configuration:1\""

struct world {
    struct hor_core *core;
    struct hor_event **journal;
    size_t count, cap;
    struct hor_event **emitted; /* by one decide */
    size_t emitted_count, emitted_cap;
    int64_t now;
    struct hor_sources sources;
    unsigned orders;
    bool ahead; /* ends are foreseen, as the leader does */
};

static const struct hor_core_member two_members[] = {
    {.name = "a1", .priority = 2, .max_tasks = 3}, {.name = "a2", .priority = 1, .max_tasks = 3}};

static inline struct hor_core *world_core(void)
{
    struct hor_core_settings settings = {
        .cluster = "/clusters/etl", .members = two_members, .member_count = 2};
    struct hor_core *core = NULL;
    hor_core_new(&settings, &core, NULL);
    return core;
}

/* Takes the event; commits and applies it. */
static inline void commit(struct world *w, struct hor_event *event)
{
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 256;
        w->journal = realloc(w->journal, w->cap * sizeof *w->journal);
    }
    event->index = w->count + 1;
    w->journal[w->count++] = event;
    hor_core_apply(w->core, event);
}

static inline void world_emit(struct hor_event *take_event, void *ctx)
{
    struct world *w = ctx;
    if (w->emitted_count == w->emitted_cap) {
        w->emitted_cap = w->emitted_cap ? w->emitted_cap * 2 : 64;
        w->emitted = realloc(w->emitted, w->emitted_cap * sizeof *w->emitted);
    }
    w->emitted[w->emitted_count++] = take_event;
}

static inline void commit_emitted(struct world *w)
{
    for (size_t i = 0; i < w->emitted_count; i++)
        commit(w, w->emitted[i]);
    w->emitted_count = 0;
}

/* Decides until nothing comes any more; returns how many events came. */
static inline size_t settle(struct world *w)
{
    size_t total = 0;
    for (int i = 0; i < 100000; i++) {
        bool more;
        hor_core_decide(w->core, w->now, 50, world_emit, w, &more);
        if (w->emitted_count == 0)
            return total;
        total += w->emitted_count;
        commit_emitted(w);
    }
    ok(false, "deciding comes to an end");
    return total;
}

static inline void world_source(struct world *w, const char *file, const char *text)
{
    hor_sources_add(&w->sources, file, text, strlen(text));
}

static inline struct hor_event *event_new(struct world *w, enum hor_event_type type)
{
    struct hor_event *event = hor_event_new(type, w->now);
    hor_event_set(&event->master, "main");
    return event;
}

/* Makes and applies a release of all sources so far. */
static inline bool world_release(struct world *w, int64_t number)
{
    struct hor_release_info info = {.number = number, .created_us = w->now, .author = "test"};
    struct hor_buf document = HOR_BUF_INIT, text = HOR_BUF_INIT;
    struct hor_problems problems = {0};
    struct hor_error err = {0};
    char sha256[65];
    int rc = hor_config_write_release(&w->sources, &info, &document, sha256, &problems, NULL, &err);
    if (rc < 0)
        diag("release: %s", err.text);
    hor_problems_done(&problems);
    if (rc == HOR_OK) {
        size_t half = document.len / 2;
        for (int part = 1; part <= 2; part++) {
            struct hor_event *event = event_new(w, HOR_EVENT_RELEASE_PART);
            hor_base64_encode(document.data + (part == 1 ? 0 : half),
                              part == 1 ? half : document.len - half, &text);
            event->release = number;
            event->part = part;
            event->parts = 2;
            event->text = hor_buf_take(&text);
            commit(w, event);
        }
        struct hor_event *event = event_new(w, HOR_EVENT_RELEASE_APPLIED);
        event->release = number;
        hor_event_set(&event->sha256, sha256);
        commit(w, event);
    }
    hor_buf_done(&document);
    return rc == HOR_OK && hor_core_release(w->core, "main", number) != NULL;
}

static inline void world_init(struct world *w)
{
    if (getenv("HORARIUM_DATADIR") == NULL)
        setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1);
    hor_xml_init();
    *w = (struct world){.core = world_core(), .now = INT64_C(1795500000) * SECOND};
    hor_core_reach(w->core, "a1", HOR_CORE_REACHED);
    hor_core_reach(w->core, "a2", HOR_CORE_REACHED);
    world_source(w, "clusters/etl.agentCluster.xml",
                 "<agentCluster" NS " selection=\"fixedPriority\" spill=\"true\">"
                 "<member name=\"a1\" url=\"https://127.0.0.1:4451\" priority=\"2\" maxTasks=\"3\"/>"
                 "<member name=\"a2\" url=\"https://127.0.0.1:4452\" priority=\"1\" maxTasks=\"3\"/>"
                 "</agentCluster>");
    world_source(w, "job.job.xml", "<job" NS "><script>true</script></job>");
}

static inline void world_done(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        hor_event_free(w->journal[i]);
    free(w->journal);
    free(w->emitted);
    hor_sources_done(&w->sources);
    hor_core_free(w->core);
}

/* A chain of the given nodes, on the cluster, as /NAME. */
static inline void world_chain(struct world *w, const char *name, const char *attributes,
                               const char *nodes)
{
    char *file = hor_str_printf("%s.chain.xml", name);
    char *text = hor_str_printf("<jobChain" NS " agentCluster=\"/clusters/etl\" %s>%s</jobChain>",
                                attributes, nodes);
    world_source(w, file, text);
    free(file);
    free(text);
}

static inline bool add_order(struct world *w, const char *id, const char *chain, int64_t at,
                             const struct hor_arguments *arguments)
{
    struct hor_core_new_order order = {.id = id,
                                       .chain = chain,
                                       .release = 1,
                                       .planned_at = at,
                                       .priority = HOR_EVENT_NONE,
                                       .plan_day = "2026-11-24",
                                       .arguments = arguments};
    struct hor_event *event = NULL;
    struct hor_error err = {0};
    int rc = hor_core_accept(w->core, "main", &order, w->now, &event, &err);
    if (rc < 0)
        diag("%s", err.text);
    if (event != NULL)
        commit(w, event);
    return rc == HOR_OK && event != NULL;
}

static inline const char *order_state(struct world *w, const char *id)
{
    struct hor_core_order_view view;
    return hor_core_order(w->core, id, w->now, &view) == HOR_OK ? view.state : "(none)";
}

static inline bool node_view(struct world *w, const char *id, const char *node,
                             struct hor_core_node_view *view)
{
    static char task[HOR_CORE_NAME_BYTES + 1];
    for (size_t i = 0; hor_core_order_node(w->core, id, i, task, view) == HOR_OK; i++)
        if (strcmp(view->id, node) == 0)
            return true;
    return false;
}

static inline const char *node_state(struct world *w, const char *id, const char *node)
{
    struct hor_core_node_view view;
    return node_view(w, id, node, &view) ? view.state : "(none)";
}

/* A member's report about the node's present task. */
static inline struct hor_event *report(struct world *w, enum hor_event_type type, const char *id,
                                       const char *node)
{
    struct hor_core_node_view view;
    struct hor_event *event = event_new(w, type);
    hor_event_set(&event->order, id);
    hor_event_set(&event->node, node);
    if (node_view(w, id, node, &view)) {
        hor_event_set(&event->task, view.task);
        hor_event_set(&event->agent, view.agent);
        event->attempt = view.attempt;
    }
    return event;
}

/* The node's task runs and ends with this exit code; then all that follows is decided. */
static inline void finish_with(struct world *w, const char *id, const char *node, int exit_code,
                               const char *outcome, const char *output)
{
    commit(w, report(w, HOR_EVENT_TASK_STARTED, id, node));
    struct hor_event *event = report(w, HOR_EVENT_TASK_ENDED, id, node);
    hor_event_set(&event->outcome, outcome);
    event->exit_code = exit_code;
    event->started_at = event->ended_at = w->now;
    if (output != NULL)
        hor_arguments_add(&event->arguments, "rows", output, false);
    bool more;
    if (w->ahead) {
        hor_core_foresee(w->core, event);
        hor_core_decide(w->core, w->now, 50, world_emit, w, &more);
    }
    commit(w, event);
    commit_emitted(w);
    settle(w);
}

static inline void finish(struct world *w, const char *id, const char *node, int exit_code)
{
    finish_with(w, id, node, exit_code, exit_code == 0 ? "success" : "failure", NULL);
}

/* Runs a command; the answer's text ("" when it was done). */
static inline const char *command(struct world *w, const struct hor_core_command *c)
{
    static struct hor_core_answer answer;
    static unsigned number;
    char id[40];
    struct hor_core_command full = *c;
    struct hor_error err = {0};
    snprintf(id, sizeof id, "command-%u", ++number);
    if (full.id == NULL)
        full.id = id;
    full.master = "main";
    full.actor = "anna";
    full.reason = "because";
    if (full.start_at == 0)
        full.start_at = HOR_EVENT_NONE;
    if (full.priority == 0)
        full.priority = HOR_EVENT_NONE;
    memset(&answer, 0, sizeof answer);
    int rc = hor_core_command(w->core, &full, w->now, world_emit, w, &answer, &err);
    commit_emitted(w);
    if (rc < 0 && rc != HOR_ERR_EXISTS)
        return "(error)";
    settle(w);
    return answer.done ? "" : answer.text;
}

#define COMMAND(w, action_, order_, ...)                                                           \
    command((w), &(struct hor_core_command){.action = (action_), .order = (order_), __VA_ARGS__})

/* Replays the journal into a new core and compares the states; also restores a snapshot. */
static inline void check_replay(struct world *w, const char *what)
{
    struct hor_buf live = HOR_BUF_INIT, replayed = HOR_BUF_INIT, restored = HOR_BUF_INIT;
    struct hor_error err = {0};
    hor_core_snapshot(w->core, &live);
    struct hor_core *core = world_core();
    for (size_t i = 0; i < w->count; i++)
        hor_core_apply(core, w->journal[i]);
    hor_core_snapshot(core, &replayed);
    is(hor_buf_text(&replayed), hor_buf_text(&live), "%s: replay gives the live state", what);
    hor_core_free(core);
    core = world_core();
    ok(hor_core_restore(core, hor_buf_text(&live), live.len, &err) == HOR_OK,
       "%s: the snapshot is taken back %s", what, err.text);
    hor_core_snapshot(core, &restored);
    is(hor_buf_text(&restored), hor_buf_text(&live), "%s: a snapshot gives the live state", what);
    hor_core_free(core);
    hor_buf_done(&live);
    hor_buf_done(&replayed);
    hor_buf_done(&restored);
}

static inline size_t count_events(const struct world *w, enum hor_event_type type, const char *order)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        count += w->journal[i]->type == type &&
                 (order == NULL || hor_str_equal(w->journal[i]->order, order));
    return count;
}

#endif
