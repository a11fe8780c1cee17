#include "lib/model/icalendar_line.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"

static void upper(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'a' && *text <= 'z')
            *text = (char)(*text - 'a' + 'A');
}

/* name *(";" parameter "=" value) ":" value; cuts `text` in place. */
static int split(char *text, struct hor_icalendar_property *ret, struct hor_error *err)
{
    size_t len = strcspn(text, ";:");
    const char *line_end = text + strlen(text); /* before zero bytes are put in */
    *ret = (struct hor_icalendar_property){.line = ret->line};
    if (len == 0 || len > HOR_ICALENDAR_NAME_BYTES || text[len] == '\0')
        return hor_error_set(err, HOR_ERR_INVALID, "'%.40s' is not NAME:VALUE", text);
    memcpy(ret->name, text, len);
    upper(ret->name);
    char *at = text + len;
    while (*at == ';') {
        char *name = ++at, *value, *stop;
        at += strcspn(at, "=:;");
        if (*at != '=')
            return hor_error_set(err, HOR_ERR_INVALID, "%s: a parameter has no value", ret->name);
        *at++ = '\0';
        upper(name);
        if (*at == '"') {
            value = ++at;
            at += strcspn(at, "\"");
            stop = at;
            if (*at == '\0' || (at[1] != ';' && at[1] != ':' && at[1] != ','))
                return hor_error_set(err, HOR_ERR_INVALID, "%s: a quotation mark is not closed",
                                     ret->name);
            at++;
        } else {
            value = at;
            stop = at += strcspn(at, ";:,");
        }
        while (*at == ',') { /* more values, of parameters that nobody looks at */
            at++;
            at += *at == '"' ? 1 + strcspn(at + 1, "\"") + 1 : strcspn(at, ";:,");
            if (at > line_end)
                return hor_error_set(err, HOR_ERR_INVALID, "%s: a quotation mark is not closed",
                                     ret->name);
        }
        if (*at != ';' && *at != ':')
            return hor_error_set(err, HOR_ERR_INVALID, "%s: the value is missing", ret->name);
        int bytes = (int)(stop - value);
        if (strcmp(name, "TZID") == 0) {
            if (bytes > HOR_ICALENDAR_ZONE_BYTES)
                return hor_error_set(err, HOR_ERR_LIMIT, "TZID is longer than %d bytes",
                                     HOR_ICALENDAR_ZONE_BYTES);
            snprintf(ret->zone, sizeof ret->zone, "%.*s", bytes, value);
        } else if (strcmp(name, "VALUE") == 0) {
            snprintf(ret->type, sizeof ret->type, "%.*s", bytes, value);
        } else if (strcmp(name, "RANGE") == 0) {
            ret->range = true;
        }
    }
    ret->value = at + 1;
    return HOR_OK;
}

/* A line that begins with a space or a tab goes on with the one before. */
int hor_icalendar_lines(const char *text, hor_icalendar_property_fn *each, void *ctx, int *ret_line,
                        struct hor_error *err)
{
    struct hor_buf line = HOR_BUF_INIT;
    struct hor_icalendar_property property = {.line = 1};
    int rc = HOR_OK, number = 0;
    while (rc == HOR_OK && *text != '\0') {
        size_t len = strcspn(text, "\n"), cut = len;
        bool more = text[len] == '\n' && (text[len + 1] == ' ' || text[len + 1] == '\t');
        number++;
        if (line.len == 0)
            property.line = number;
        while (cut > 0 && text[cut - 1] == '\r')
            cut--;
        hor_buf_add(&line, text, cut);
        text += len + (text[len] == '\n' ? 1 : 0);
        if (more) {
            text++;
            continue;
        }
        if (line.len > 0)
            hor_buf_putc(&line, '\0');
        if (line.failed)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        else if (line.len > 0 && (rc = split(line.data, &property, err)) == HOR_OK)
            rc = each(&property, ctx);
        hor_buf_clear(&line);
    }
    *ret_line = property.line;
    hor_buf_done(&line);
    return rc;
}
