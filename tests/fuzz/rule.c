/* Fuzz target: a recurrence rule. Its days must ascend, and be the same wherever the asking begins.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/day.h"
#include "lib/model/recurrence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { START = 14610, FROM = 20000, MIDDLE = FROM + 500, TO = FROM + 1500 };

struct found {
    int32_t last;
    unsigned count, late; /* late: from MIDDLE on */
};

static bool note(int32_t day, void *ctx)
{
    struct found *found = ctx;
    if (day <= found->last || day >= TO)
        abort();
    found->last = day;
    found->count++;
    found->late += day >= MIDDLE;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct hor_error err = {0};
    struct found all = {.last = FROM - 1}, part = {.last = MIDDLE - 1};
    char *text = malloc(len + 1);
    if (text == NULL)
        abort();
    memcpy(text, data, len);
    text[len] = '\0';
    int rc = hor_recurrence_check(text, START, &err);
    if (rc != HOR_OK && (rc != HOR_ERR_INVALID || err.text[0] == '\0'))
        abort();
    if (hor_recurrence_each(text, START, FROM, TO, note, &all, NULL) == HOR_OK) {
        hor_recurrence_each(text, START, MIDDLE, TO, note, &part, NULL);
        if (part.count != all.late || (rc != HOR_OK && all.count > 0))
            abort();
    }
    free(text);
    return 0;
}
