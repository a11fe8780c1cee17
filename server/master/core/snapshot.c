#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "server/master/core/dependencies.h"

/* The state as events, one a line, which say what is and not what happened: where a field has no
 * other use for that type it carries what the type lacks. The table of both readings:
 *   eventsAcknowledged clusterIndex: acknowledged by the Supervisor; startedAt: first release; agent:
 *                      the member that a person switched to
 *   releasePart        text: the document so far; part, parts
 *   releaseApplied     state: deployed; startedAt: when
 *   planMade           as it is
 *   clusterCoupled     clusterIndex: cursor; state: coupled; action: recouple; endedAt: since
 *   orderAdded         state, outcome (how it ended), count (index of its end), mark: away, again
 *   chainHeld          as it is
 *   commandReceived    as it is, only while its answer is kept; plannedAt: when
 *   commandDone        outcome, clusterIndex: index; endedAt: when; order: of an added one
 *   orderEnded         chain, state, endedAt: when an order of the chain ended so last
 *   externalEvent      clusterIndex: its index; endedAt: when
 *   dependencyRequested  as it is; command: its id; mark: resolved, ending; task: the order that runs
 *                      the node; title, cause: how that ended
 *   taskEnded          of that order; command: id of the dependency
 *   dependencyResolved as it is: the answer
 * Strings are borrowed while a line is written. */
static void write_line(struct hor_event *event, struct hor_buf *out)
{
    hor_event_write(event, out);
    hor_buf_putc(out, '\n');
}

static struct hor_event blank(enum hor_event_type type)
{
    struct hor_event event = {.type = type};
#define NO_S(member) event.member = NULL;
#define NO_N(member) event.member = HOR_EVENT_NONE;
#define NO_T(member) event.member = HOR_EVENT_NONE;
#define NO(member, attribute, kind) NO_##kind(member)
    HOR_EVENT_FIELDS(NO)
#undef NO
    return event;
}

static void write_releases(const struct hor_master_core *core, struct hor_buf *out)
{
    size_t pos = 0;
    const struct hor_master_release *release;
    while ((release = hor_map_next(core->releases, &pos, NULL)) != NULL) {
        struct hor_buf text = HOR_BUF_INIT;
        struct hor_event part = blank(HOR_EVENT_RELEASE_PART);
        hor_base64_encode(hor_buf_text(&release->document), release->document.len, &text);
        part.release = release->number;
        part.part = release->parts_seen;
        part.parts = release->parts;
        part.text = text.data;
        out->failed = out->failed || text.failed;
        write_line(&part, out);
        hor_buf_done(&text);
        if (!release->applied)
            continue;
        struct hor_event applied = blank(HOR_EVENT_RELEASE_APPLIED);
        applied.release = release->number;
        applied.sha256 = release->sha256;
        applied.actor = release->actor;
        applied.started_at = release->at_us;
        applied.state = release == core->deployed ? (char *)"deployed" : NULL;
        write_line(&applied, out);
    }
}

static void write_places(const struct hor_master_core *core, struct hor_buf *out)
{
    size_t pos = 0;
    const struct hor_master_place *place;
    const struct hor_master_day *day;
    const char *chain, *cluster;
    while ((place = hor_map_next(core->places, &pos, NULL)) != NULL) {
        struct hor_event event = blank(HOR_EVENT_CLUSTER_COUPLED);
        event.cluster = place->path;
        event.run_id = place->run_id;
        event.cause = place->cause;
        event.cluster_index = (int64_t)place->cursor;
        event.state = place->coupled ? (char *)"coupled" : NULL;
        event.action = place->anew ? (char *)"recouple" : NULL;
        event.ended_at = place->changed_us;
        write_line(&event, out);
    }
    pos = 0;
    while ((cluster = hor_map_next(core->held, &pos, &chain)) != NULL) {
        struct hor_event event = blank(HOR_EVENT_CHAIN_HELD);
        event.chain = (char *)chain;
        event.cluster = (char *)cluster;
        write_line(&event, out);
    }
    pos = 0;
    while ((day = hor_map_next(core->days, &pos, NULL)) != NULL) {
        struct hor_event event = blank(HOR_EVENT_PLAN_MADE);
        event.plan_day = day->day;
        event.release = day->release;
        event.count = day->count;
        write_line(&event, out);
    }
}

static const char *const state_names[] = {"planned",   "running", "retrying", "failed",
                                          "suspended", "inDoubt", "ended"};

static void write_orders(const struct hor_master_core *core, struct hor_buf *out)
{
    size_t pos = 0;
    const struct hor_master_entry *e;
    while ((e = hor_map_next(core->orders, &pos, NULL)) != NULL) {
        struct hor_event event = blank(HOR_EVENT_ORDER_ADDED);
        event.order = e->id;
        event.chain = e->chain;
        event.cluster = e->cluster;
        event.schedule = e->schedule;
        event.plan_day = e->plan_day;
        event.title = e->title;
        event.actor = e->actor;
        event.reason = e->reason;
        event.cause = e->cause;
        event.release = e->release;
        event.planned_at = e->planned_us;
        event.due_at = e->due_us;
        event.priority = e->priority;
        event.started_at = e->started_us;
        event.ended_at = e->ended_us;
        event.state = (char *)state_names[e->state];
        event.outcome = e->end_state;
        event.count = e->ended_index > 0 ? (int64_t)e->ended_index : HOR_EVENT_NONE;
        event.mark = (char *)(e->again ? "again" : e->away ? "away" : NULL);
        event.arguments = e->arguments;
        write_line(&event, out);
    }
}

static void write_requests(const struct hor_master_core *core, struct hor_buf *out)
{
    size_t pos = 0;
    const struct hor_master_request *request;
    while ((request = hor_map_next(core->requests, &pos, NULL)) != NULL) {
        if (request->received != NULL) {
            struct hor_event received = *request->received;
            received.planned_at = received.at_us;
            write_line(&received, out);
        }
        if (request->kind == HOR_MASTER_WAITING)
            continue;
        struct hor_event event = blank(HOR_EVENT_COMMAND_DONE);
        event.command = request->id;
        event.outcome = (char *)(request->kind == HOR_MASTER_DONE ? "done" : "refused");
        event.cluster_index = (int64_t)request->done_index;
        event.ended_at = request->done_us;
        if (request->received != NULL)
            event.cause = request->text;
        else
            event.order = request->text;
        write_line(&event, out);
    }
}

int hor_master_core_snapshot(const struct hor_master_core *core, struct hor_buf *out)
{
    struct hor_event first = blank(HOR_EVENT_EVENTS_ACKNOWLEDGED);
    first.cluster_index = (int64_t)core->acknowledged;
    first.started_at = core->first_release_us;
    first.agent = core->preferred;
    hor_buf_puts(out, "<masterState>\n");
    write_line(&first, out);
    write_releases(core, out);
    write_places(core, out);
    write_orders(core, out);
    write_requests(core, out);
    struct hor_event none = blank(HOR_EVENT_DEPENDENCY_REQUESTED);
    hor_master_dependencies_write(core, &none, write_line, out);
    hor_buf_puts(out, "</masterState>");
    return out->failed ? HOR_ERR_MEMORY : HOR_OK;
}

/* ---- restore ---- */

static int restore_release(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_release *release = hor_master_release_add(core, event->release);
    if (release == NULL)
        return HOR_ERR_MEMORY;
    if (event->type == HOR_EVENT_RELEASE_PART) {
        release->parts_seen = event->part;
        release->parts = event->parts;
        return event->text == NULL ? HOR_OK
                                   : hor_base64_decode(event->text, strlen(event->text),
                                                       &release->document);
    }
    struct hor_master_release *deployed = core->deployed;
    int rc = hor_master_release_complete(core, release, event->started_at, event->sha256,
                                         event->actor);
    if (!hor_str_equal(event->state, "deployed"))
        core->deployed = deployed;
    return rc;
}

static int restore_place(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_place *place =
        event->cluster != NULL ? hor_master_place(core, event->cluster) : NULL;
    if (place == NULL)
        return event->cluster != NULL ? HOR_ERR_MEMORY : HOR_ERR_CORRUPT;
    place->cursor = (uint64_t)event->cluster_index;
    place->coupled = event->state != NULL;
    place->anew = event->action != NULL;
    place->changed_us = event->ended_at;
    return hor_event_set(&place->run_id, event->run_id) != HOR_OK ||
                   hor_event_set(&place->cause, event->cause) != HOR_OK
               ? HOR_ERR_MEMORY
               : HOR_OK;
}

static int restore_order(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_entry *e = NULL;
    if (event->order == NULL || event->chain == NULL || event->cluster == NULL ||
        event->state == NULL)
        return HOR_ERR_CORRUPT;
    int rc = hor_master_entry_add(core, event, &e);
    if (rc != HOR_OK)
        return rc;
    size_t state = 0;
    while (state < HOR_MASTER_ENDED && strcmp(state_names[state], event->state) != 0)
        state++;
    e->state = (enum hor_master_state)state;
    e->started_us = event->started_at;
    e->ended_us = event->ended_at;
    e->ended_index = event->count != HOR_EVENT_NONE ? (uint64_t)event->count : 0;
    e->away = event->mark != NULL;
    bool waits = e->away ? hor_str_equal(event->mark, "again") : e->state != HOR_MASTER_ENDED;
    if (waits && hor_master_entry_comes(core, e) != HOR_OK)
        return HOR_ERR_MEMORY;
    if (e->state == HOR_MASTER_ENDED)
        core->ended++;
    return hor_event_set(&e->end_state, event->outcome) != HOR_OK ||
                   hor_event_set(&e->cause, event->cause) != HOR_OK
               ? HOR_ERR_MEMORY
               : HOR_OK;
}

static int restore_command(struct hor_master_core *core, const struct hor_event *event)
{
    struct hor_master_request *request =
        event->command != NULL ? hor_map_get(core->requests, event->command) : NULL;
    int rc = HOR_OK;
    if (event->command == NULL)
        return HOR_ERR_CORRUPT;
    if (event->type == HOR_EVENT_COMMAND_RECEIVED) {
        rc = hor_master_request_add(core, event->command, event, &request);
        if (rc == HOR_OK && event->planned_at != HOR_EVENT_NONE) {
            request->received->at_us = event->planned_at;
            request->received->planned_at = HOR_EVENT_NONE;
        }
        return rc;
    }
    if (request == NULL)
        rc = hor_master_request_add(core, event->command, NULL, &request);
    if (rc != HOR_OK)
        return rc;
    request->kind = hor_str_equal(event->outcome, "done") ? HOR_MASTER_DONE : HOR_MASTER_REFUSED;
    request->done_index = (uint64_t)event->cluster_index;
    request->done_us = event->ended_at;
    return hor_event_set(&request->text, request->received != NULL ? event->cause : event->order);
}

static int restore_event(struct hor_master_core *core, const struct hor_event *event)
{
    switch (event->type) {
    case HOR_EVENT_EVENTS_ACKNOWLEDGED:
        core->acknowledged = (uint64_t)event->cluster_index;
        core->first_release_us = event->started_at;
        return hor_event_set(&core->preferred, event->agent);
    case HOR_EVENT_RELEASE_PART:
    case HOR_EVENT_RELEASE_APPLIED:
        return restore_release(core, event);
    case HOR_EVENT_CLUSTER_COUPLED:
        return restore_place(core, event);
    case HOR_EVENT_ORDER_ADDED:
        return restore_order(core, event);
    case HOR_EVENT_COMMAND_RECEIVED:
    case HOR_EVENT_COMMAND_DONE:
        return restore_command(core, event);
    case HOR_EVENT_CHAIN_HELD:
    case HOR_EVENT_PLAN_MADE:
        return hor_master_core_apply(core, event);
    case HOR_EVENT_ORDER_ENDED:
    case HOR_EVENT_EXTERNAL_EVENT:
    case HOR_EVENT_DEPENDENCY_REQUESTED:
    case HOR_EVENT_DEPENDENCY_RESOLVED:
    case HOR_EVENT_TASK_ENDED:
        return hor_master_dependencies_restore(core, event);
    default:
        return HOR_ERR_CORRUPT;
    }
}

static bool is_line(const char *line, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(line, text, len) == 0;
}

int hor_master_core_restore(struct hor_master_core *core, const char *xml, size_t len,
                            struct hor_error *err)
{
    const char *end = xml + len;
    int rc = hor_master_clear(core);
    for (const char *line = xml; rc == HOR_OK && line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t bytes = (size_t)((stop != NULL ? stop : end) - line);
        if (bytes > 0 && !is_line(line, bytes, "<masterState>") &&
            !is_line(line, bytes, "</masterState>")) {
            struct hor_event *event = NULL;
            rc = hor_event_read(line, bytes, &event, err);
            if (rc == HOR_OK)
                rc = restore_event(core, event);
            hor_event_free(event);
        }
        line += bytes + 1;
    }
    if (rc == HOR_OK)
        return HOR_OK;
    if (rc != HOR_ERR_MEMORY)
        rc = HOR_ERR_CORRUPT;
    if (err != NULL && err->text[0] == '\0')
        hor_error_set(err, rc, "a line of the Master's state cannot be read");
    return rc;
}
