/* Fuzz target: an iCalendar file. Days must come within what was asked, and soon. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/day.h"
#include "lib/model/icalendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FROM = 18262, TO = FROM + 366 }; /* 2020 */

static bool note(int32_t day, void *ctx)
{
    (void)ctx;
    if (day < FROM || day >= TO)
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct hor_arena arena = {0};
    struct hor_icalendar_events events = {0};
    struct hor_error err = {0};
    int line = 0;
    char *text = malloc(len + 1);
    if (text == NULL)
        abort();
    memcpy(text, data, len);
    text[len] = '\0';
    int rc = hor_icalendar_parse(text, &arena, &events, &line, &err);
    if (rc != HOR_OK && (line < 1 || err.text[0] == '\0'))
        abort();
    for (size_t i = 0; rc == HOR_OK && i < events.count; i++)
        hor_icalendar_walk(&events.items[i], FROM, TO, note, NULL);
    hor_arena_done(&arena);
    free(text);
    return 0;
}
