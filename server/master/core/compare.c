/* After a change of the active member, or a call without an answer, it is not certain which orders an
 * agent cluster was given. Coupling tells; then both sides are compared, and the difference is sent. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/master/core/state.h"

bool hor_master_place_settled(const struct hor_master_place *place)
{
    return place == NULL || place->settled || (place->run_id == NULL && !place->anew);
}

void hor_master_core_unsettled(struct hor_master_core *core, const char *cluster)
{
    struct hor_master_place *place = hor_map_get(core->places, cluster);
    if (place != NULL)
        place->settled = false;
}

/* It was given to its cluster by somebody who could not write that down any more. It is given again:
 * a repeat changes nothing there, and a newer release comes to it that way. */
static struct hor_event *there_after_all(struct hor_master_entry *entry, int64_t now_us)
{
    struct hor_event *event = hor_event_new(HOR_EVENT_ORDER_FORWARDED, now_us);
    if (event == NULL || hor_event_set(&event->order, entry->id) != HOR_OK ||
        hor_event_set(&event->cluster, entry->cluster) != HOR_OK ||
        hor_event_set(&event->mark, "again") != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    event->release = entry->release;
    entry->under_way = true;
    return event;
}

/* It ended here before anybody knew that it was there. */
static struct hor_event *take_back(const struct hor_master_entry *entry, int64_t now_us)
{
    char id[400];
    struct hor_event *event = hor_event_new(HOR_EVENT_COMMAND_RECEIVED, now_us);
    snprintf(id, sizeof id, "ended-%.300s", entry->id);
    if (event == NULL || hor_event_set(&event->order, entry->id) != HOR_OK ||
        hor_event_set(&event->command, id) != HOR_OK ||
        hor_event_set(&event->action, "cancel") != HOR_OK ||
        hor_event_set(&event->cluster, entry->cluster) != HOR_OK ||
        hor_event_set(&event->reason, "the order had ended at the Master") != HOR_OK) {
        hor_event_free(event);
        return NULL;
    }
    return event;
}

static int tell(struct hor_event *event, hor_master_emit_fn *emit, void *ctx)
{
    if (event == NULL)
        return HOR_ERR_MEMORY;
    emit(event, ctx);
    return HOR_OK;
}

int hor_master_core_compare(struct hor_master_core *core, const char *cluster, char *const *held,
                            size_t held_count, int64_t now_us, hor_master_emit_fn *emit, void *ctx)
{
    struct hor_master_place *place = hor_master_place(core, cluster);
    int rc = place == NULL ? HOR_ERR_MEMORY : HOR_OK;
    if (place == NULL || hor_master_place_settled(place))
        return rc;
    for (size_t i = 0; rc == HOR_OK && i < held_count; i++) {
        struct hor_master_entry *entry = hor_map_get(core->orders, held[i]);
        if (entry == NULL || entry->away || strcmp(entry->cluster, cluster) != 0)
            continue;
        if (entry->state != HOR_MASTER_ENDED)
            rc = tell(there_after_all(entry, now_us), emit, ctx);
        else
            rc = tell(take_back(entry, now_us), emit, ctx);
    }
    if (rc == HOR_OK && core->deployed != NULL && core->deployed->config != NULL)
        rc = hor_master_find_missed(core, place, now_us);
    return rc;
}
