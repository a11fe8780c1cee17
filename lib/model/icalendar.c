#include "lib/model/icalendar.h"

#include <stdbool.h>
#include <stdlib.h>

struct walking {
    const struct hor_icalendar_event *event;
    int32_t from, to;
    hor_recurrence_each_fn *each;
    void *ctx;
};

/* A whole day in the list takes out whatever begins on it. */
static bool taken_out(const struct hor_icalendar_event *event, int32_t day, int32_t second)
{
    size_t low = 0, high = event->less_count;
    while (low < high) { /* the first one that is not before the day */
        size_t middle = low + (high - low) / 2;
        if (event->less[middle].day < day)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < event->less_count && event->less[low].day == day; low++)
        if (event->less[low].second < 0 || event->less[low].second == second)
            return true;
    return false;
}

static void touch(struct walking *w, int32_t day, int32_t second, int32_t span)
{
    if (taken_out(w->event, day, second))
        return;
    for (int32_t d = day > w->from ? day : w->from; d <= day + span && d < w->to; d++)
        w->each(d, w->ctx);
}

static bool instance(int32_t day, void *ctx)
{
    struct walking *w = ctx;
    touch(w, day, w->event->second, w->event->span);
    return true;
}

void hor_icalendar_walk(const struct hor_icalendar_event *event, int32_t from, int32_t to,
                        hor_recurrence_each_fn *each, void *ctx)
{
    struct walking w = {event, from, to, each, ctx};
    touch(&w, event->day, event->second, event->span);
    if (event->rule != NULL)
        hor_recurrence_walk(event->rule, event->day, from - event->span, to, instance, &w);
    for (size_t i = 0; i < event->more_count; i++) {
        const struct hor_icalendar_date *more = &event->more[i];
        touch(&w, more->day, more->second, more->span < 0 ? event->span : more->span);
    }
}
