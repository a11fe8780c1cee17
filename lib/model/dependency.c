#include "lib/model/dependency.h"

#include <stdio.h>
#include <string.h>

#include "lib/model/config.h"
#include "lib/model/event.h"

static const char *const names[HOR_ENDS] = {"success", "warning", "failure", "skipped", "other"};

void hor_ends_init(struct hor_ends *ends)
{
    for (int i = 0; i < HOR_ENDS; i++)
        ends->at[i] = HOR_EVENT_NONE;
}

const char *hor_ends_name(int i) { return names[i]; }

static int index_of(const char *state)
{
    static const char *const states[HOR_ENDS - 1] = {"succeeded", "warned", "failedFinally",
                                                     "skipped"};
    for (int i = 0; state != NULL && i < HOR_ENDS - 1; i++)
        if (strcmp(states[i], state) == 0)
            return i;
    return HOR_ENDS - 1;
}

int hor_ends_note(struct hor_ends *ends, const char *state, int64_t at_us)
{
    int i = index_of(state);
    if (ends->at[i] == HOR_EVENT_NONE || ends->at[i] < at_us)
        ends->at[i] = at_us;
    return i;
}

int64_t hor_ends_latest(const struct hor_ends *ends, unsigned on)
{
    int64_t latest = HOR_EVENT_NONE; /* the smallest there is */
    for (int i = 0; i < HOR_ENDS; i++)
        if ((i < HOR_ENDS - 1 ? (on & 1u << i) != 0 : on == HOR_ON_ANY) && ends->at[i] > latest)
            latest = ends->at[i];
    return latest;
}

const char *hor_on_format(unsigned on, char out[HOR_ON_TEXT_BYTES])
{
    size_t len = 0;
    out[0] = '\0';
    if (on == HOR_ON_ANY)
        return strcpy(out, "any");
    for (int i = 0; i < HOR_ENDS - 1; i++)
        if ((on & 1u << i) != 0)
            len += (size_t)snprintf(out + len, HOR_ON_TEXT_BYTES - len, "%s%s", len > 0 ? " " : "",
                                    names[i]);
    return out;
}

unsigned hor_on_parse(const char *text)
{
    unsigned on = 0;
    if (text == NULL)
        return 0;
    if (strcmp(text, "any") == 0)
        return HOR_ON_ANY;
    for (int i = 0; i < HOR_ENDS - 1; i++)
        if (strstr(text, names[i]) != NULL)
            on |= 1u << i;
    return on;
}

const char *hor_outcome_of_end(const char *state)
{
    int i = index_of(state);
    return i < 2 ? names[i] : names[2];
}
