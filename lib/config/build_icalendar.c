/* iCalendar files: NAME.ics in the repository, <iCalendar> in a release. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/config/builder.h"

/* Text that XML can hold: a release keeps it in an element. */
static bool check_text(struct hor_builder *b, const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    for (size_t step = 1; at < end; at += step) {
        if (*at == '\n')
            b->line++;
        step = hor_utf8_length(at);
        if (step == 0 || step > (size_t)(end - at)) {
            hor_builder_problem(b, "save it as UTF-8", "the file is not UTF-8 text");
            return false;
        }
    }
    return true;
}

void hor_icalendar_text(struct hor_builder *b, const char *text, size_t len, int line)
{
    struct hor_icalendar *icalendar = (struct hor_icalendar *)b->object;
    struct hor_error err = {0};
    int at_line = 1;
    b->line = line;
    if (len > HOR_ICALENDAR_BYTES) {
        hor_builder_problem(b, "split it", "the file is larger than %d MiB",
                            HOR_ICALENDAR_BYTES >> 20);
        return;
    }
    if (!check_text(b, text, len))
        return;
    int code = hor_icalendar_parse(text, b->arena, &icalendar->events, &at_line, &err);
    b->line = line + at_line - 1;
    if (code == HOR_ERR_MEMORY)
        b->code = code;
    else if (code != HOR_OK)
        hor_builder_problem(b, "correct the line (RFC 5545)", "%s", err.text);
}
