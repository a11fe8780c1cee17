/* Fuzz target: a line of crontab(5). What is taken must start something, and keep its promises. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/cron.h"
#include "lib/model/day.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct hor_cron cron;
    struct hor_error err = {0};
    char *text = malloc(len + 1);
    if (text == NULL)
        abort();
    memcpy(text, data, len);
    text[len] = '\0';
    int rc = hor_cron_parse(text, &cron, &err);
    if (rc != HOR_OK && (rc != HOR_ERR_INVALID || err.text[0] == '\0'))
        abort();
    int minute = rc == HOR_OK ? hor_cron_minute(&cron, 0) : 0;
    if (minute < 0 || minute >= 1440)
        abort();
    for (int next = minute; rc == HOR_OK && (next = hor_cron_minute(&cron, minute + 1)) >= 0;
         minute = next)
        if (next <= minute || next >= 1440)
            abort();
    bool found = rc != HOR_OK;
    for (int32_t day = 0; !found && day < 28 * 1461; day++) /* all weekdays of all dates */
        found = hor_cron_has_day(&cron, day);
    if (!found)
        abort();
    free(text);
    return 0;
}
