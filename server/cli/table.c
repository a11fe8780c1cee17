/* server/cli/table.c - an answer's elements as a table for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/cli/cli.h"

enum { COLUMNS_MAX = 16, CELL_MAX = 100 };

/* "2026-11-24T03:00:00.123456Z" becomes "2026-11-24 03:00:00Z"; anything else stays. */
static void shorten_time(struct hor_buf *cell)
{
    char *t = cell->data;
    if (cell->len < 20 || t[4] != '-' || t[10] != 'T' || t[13] != ':' || t[cell->len - 1] != 'Z')
        return;
    t[10] = ' ';
    t[19] = 'Z';
    t[20] = '\0';
    cell->len = 20;
}

void hor_cli_value(const struct hor_xml_node *node, const char *path, struct hor_buf *out)
{
    if (path[0] == '@') {
        hor_buf_puts(out, hor_xml_attribute(node, path + 1));
    } else {
        char name[64];
        const char *rest = path;
        while (node != NULL && *rest != '\0' && strcmp(rest, ".") != 0) {
            size_t len = strcspn(rest, "/");
            snprintf(name, sizeof name, "%.*s", (int)len, rest);
            node = hor_xml_child(node, name);
            rest += len + (rest[len] == '/');
        }
        if (node != NULL)
            hor_xml_text(node, out);
    }
    shorten_time(out);
    for (size_t i = 0; i < out->len; i++) /* a cell is one line, and no terminal command */
        if ((unsigned char)out->data[i] < ' ' || out->data[i] == 127)
            out->data[i] = ' ';
}

char *hor_cli_child_text(const struct hor_xml_node *node, const char *name)
{
    const struct hor_xml_node *child = hor_xml_child(node, name);
    if (child == NULL)
        return NULL;
    struct hor_buf text = HOR_BUF_INIT;
    hor_buf_puts(&text, "");
    hor_xml_text(child, &text);
    char *taken = text.len > 0 ? hor_buf_take(&text) : hor_strdup("");
    hor_buf_done(&text);
    return taken;
}

/* Columns on the screen: UTF-8 continuation bytes do not count. */
static int width(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_cell(const char *text, int wide, bool right, bool last)
{
    int pad = wide - width(text);
    if (right)
        printf("%*s%s%s", pad > 0 ? pad : 0, "", text, last ? "\n" : "  ");
    else if (last)
        printf("%s\n", text);
    else
        printf("%s%*s  ", text, pad > 0 ? pad : 0, "");
}

void hor_cli_table(const struct hor_xml_node *parent, const char *row,
                   const struct hor_cli_column *columns, size_t count, const char *none)
{
    int wide[COLUMNS_MAX];
    struct hor_buf cell = HOR_BUF_INIT;
    if (count > COLUMNS_MAX)
        count = COLUMNS_MAX;
    if (hor_xml_child(parent, row) == NULL) {
        if (none != NULL)
            puts(none);
        return;
    }
    for (size_t c = 0; c < count; c++)
        wide[c] = width(columns[c].title);
    const struct hor_xml_node *first = hor_xml_child(parent, row);
    for (const struct hor_xml_node *n = first; n != NULL; n = hor_xml_next(n, row)) {
        for (size_t c = 0; c < count; c++) {
            hor_buf_clear(&cell);
            hor_cli_value(n, columns[c].path, &cell);
            int w = width(hor_buf_text(&cell));
            if (w > wide[c])
                wide[c] = w < CELL_MAX ? w : CELL_MAX;
        }
    }
    for (size_t c = 0; c < count; c++)
        print_cell(columns[c].title, wide[c], columns[c].right, c + 1 == count);
    for (const struct hor_xml_node *n = first; n != NULL; n = hor_xml_next(n, row)) {
        for (size_t c = 0; c < count; c++) {
            hor_buf_clear(&cell);
            hor_cli_value(n, columns[c].path, &cell);
            print_cell(hor_buf_text(&cell), wide[c], columns[c].right, c + 1 == count);
        }
    }
    hor_buf_done(&cell);
}
