/* crontab(5) as Debian's cron(8) reads it: comments are whole lines, variables hold for the lines
 * below them, a % that is not escaped ends the command and begins its standard input, each further
 * one is a line end there. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/model/cron.h"
#include "server/cli/import/import.h"

enum { VARIABLES = 256 };

struct variable {
    char *name, *value;
};

struct reader {
    struct hor_buf *out;
    bool system;
    int line;
    struct variable variables[VARIABLES];
    size_t count;
    struct hor_buf comment; /* the comment lines straight above */
};

static void refuse(struct reader *r, const char *text, const char *why)
{
    hor_buf_printf(r->out, "<refused line=\"%d\" why=\"", r->line);
    hor_buf_xml(r->out, why);
    hor_buf_puts(r->out, "\">");
    hor_buf_xml(r->out, text);
    hor_buf_puts(r->out, "</refused>\n");
}

static char *skip_blanks(char *text)
{
    return text + strspn(text, " \t");
}

/* Takes the quotes off, when the text has a pair around it. */
static char *unquote(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        text[--len] = '\0';
    if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
        text[len - 1] = '\0';
        return text + 1;
    }
    return text;
}

static void set_variable(struct reader *r, char *name, char *value)
{
    size_t i = 0;
    while (i < r->count && strcmp(r->variables[i].name, name) != 0)
        i++;
    if (i == VARIABLES) {
        refuse(r, name, "there are too many variables");
        return;
    }
    char *copy = hor_strdup(value), *key = i < r->count ? r->variables[i].name : hor_strdup(name);
    if (copy == NULL || key == NULL) {
        r->out->failed = true;
        free(copy);
        return;
    }
    if (i < r->count)
        free(r->variables[i].value);
    else
        r->count++;
    r->variables[i] = (struct variable){key, copy};
}

static const char *variable(const struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->variables[i].name, name) == 0)
            return r->variables[i].value;
    return NULL;
}

/* NAME = value, with or without quotes around either. false: the line is something else. */
static bool read_variable(struct reader *r, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return false;
    char *name_end = equals;
    while (name_end > text && (name_end[-1] == ' ' || name_end[-1] == '\t'))
        name_end--;
    for (const char *c = text; c < name_end; c++)
        if (!isalnum((unsigned char)*c) && strchr("_\"'", *c) == NULL)
            return false; /* "*" or a blank: the = belongs to a command */
    *equals = *name_end = '\0';
    set_variable(r, unquote(text), unquote(skip_blanks(equals + 1)));
    return true;
}

/* Cuts the first word off; *rest is what follows it, without the blanks between. */
static char *word(char **rest)
{
    char *start = *rest;
    char *end = start + strcspn(start, " \t");
    *rest = skip_blanks(end);
    *end = '\0';
    return start;
}

/* The first word of the command that is a program of its own: not "cd", not a variable. */
static void name_of(const char *command, struct hor_buf *out)
{
    const char *begin = command, *end = command;
    for (;;) {
        begin = end + strspn(end, " \t;&|(){}!");
        end = begin + strcspn(begin, " \t;&|<>(){}");
        size_t len = (size_t)(end - begin);
        if (len == 0)
            break;
        bool assignment = memchr(begin, '=', len) != NULL, option = begin[0] == '-';
        static const char *const shell[] = {"cd",     "test", "[",    "exec",    "nice",
                                            "ionice", "sh",   "bash", "command", "time",
                                            "env",    "]",    "root", "if"};
        bool number = strspn(begin, "0123456789") == len;
        bool skip = assignment || option || number;
        const char *slash = begin;
        for (const char *c = begin; c < end; c++)
            if (*c == '/' && c + 1 < end)
                slash = c + 1;
        for (size_t i = 0; i < sizeof shell / sizeof shell[0]; i++)
            skip |= strlen(shell[i]) == (size_t)(end - slash) &&
                    strncmp(shell[i], slash, (size_t)(end - slash)) == 0;
        bool after_cd =
            end > command + 2 && begin - command >= 3 && strncmp(begin - 3, "cd ", 3) == 0;
        if (!skip && !after_cd) {
            char text[64];
            size_t take =
                (size_t)(end - slash) < sizeof text - 1 ? (size_t)(end - slash) : sizeof text - 1;
            memcpy(text, slash, take);
            text[take] = '\0';
            hor_import_name(text, out);
            return;
        }
    }
    hor_buf_puts(out, "command");
}

/* Splits at the first % that has no backslash; in both parts "\%" means "%", and in the input a
 * bare one is the end of a line. */
static void write_command(struct reader *r, const char *text)
{
    struct hor_buf part = HOR_BUF_INIT;
    bool input = false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\\' && c[1] == '%') {
            hor_buf_putc(&part, *++c);
        } else if (*c == '%' && !input) {
            hor_buf_puts(r->out, "<command>");
            hor_buf_xml(r->out, hor_buf_text(&part));
            hor_buf_puts(r->out, "</command>");
            hor_buf_clear(&part);
            input = true;
        } else {
            hor_buf_putc(&part, *c == '%' ? '\n' : *c);
        }
    }
    hor_buf_puts(r->out, input ? "<input>" : "<command>");
    hor_buf_xml(r->out, hor_buf_text(&part));
    hor_buf_puts(r->out, input ? "</input>" : "</command>");
    r->out->failed |= part.failed;
    hor_buf_done(&part);
}

static void attribute(struct reader *r, const char *name, const char *value)
{
    if (value == NULL)
        return;
    hor_buf_printf(r->out, " %s=\"", name);
    hor_buf_xml(r->out, value);
    hor_buf_putc(r->out, '"');
}

static void write_entry(struct reader *r, const char *when, const char *user, const char *command)
{
    hor_buf_printf(r->out, "<entry line=\"%d\" name=\"", r->line);
    name_of(command, r->out);
    hor_buf_putc(r->out, '"');
    attribute(r, "user", user);
    const char *zone = variable(r, "CRON_TZ");
    attribute(r, "zone", zone);
    attribute(r, "shell", variable(r, "SHELL"));
    attribute(r, "home", variable(r, "HOME"));
    attribute(r, "mailTo", variable(r, "MAILTO"));
    hor_buf_puts(r->out, "><when>");
    hor_buf_xml(r->out, when);
    hor_buf_puts(r->out, "</when>");
    for (size_t i = 0; i < r->count; i++) {
        static const char *const told[] = {"CRON_TZ", "SHELL", "HOME", "MAILTO", "MAILFROM"};
        bool skip = false;
        for (size_t t = 0; t < sizeof told / sizeof told[0]; t++)
            skip |= strcmp(told[t], r->variables[i].name) == 0;
        if (skip)
            continue;
        hor_buf_puts(r->out, "<variable name=\"");
        hor_buf_xml(r->out, r->variables[i].name);
        hor_buf_puts(r->out, "\">");
        hor_buf_xml(r->out, r->variables[i].value);
        hor_buf_puts(r->out, "</variable>");
    }
    write_command(r, command);
    if (r->comment.len > 0) {
        hor_buf_puts(r->out, "<comment>");
        hor_buf_xml(r->out, hor_buf_text(&r->comment));
        hor_buf_puts(r->out, "</comment>");
    }
    hor_buf_puts(r->out, "</entry>\n");
}

static void read_entry(struct reader *r, char *text)
{
    char *whole = hor_strdup(text), *rest = text, *user = NULL;
    struct hor_buf when = HOR_BUF_INIT;
    struct hor_error err = {0};
    int fields = *text == '@' ? 1 : 5;
    for (int i = 0; i < fields; i++) {
        if (i > 0)
            hor_buf_putc(&when, ' ');
        hor_buf_puts(&when, word(&rest));
    }
    if (r->system)
        user = word(&rest);
    const char *text_when = hor_buf_text(&when);
    if (whole == NULL || when.failed)
        r->out->failed = true;
    else if (*rest == '\0' || (user != NULL && *user == '\0'))
        refuse(r, whole, r->system ? "it has no user or no command" : "it has no command");
    else if (strcmp(text_when, "@reboot") != 0 &&
             hor_cron_parse(text_when, &(struct hor_cron){0}, &err) != HOR_OK)
        refuse(r, whole, err.text);
    else
        write_entry(r, text_when, user, rest);
    hor_buf_done(&when);
    free(whole);
}

/* XML 1.0 has no place for most control characters, and configuration is UTF-8. */
static bool is_text(const char *text)
{
    for (size_t n; *text != '\0'; text += n)
        if ((n = hor_utf8_length(text)) == 0)
            return false;
    return true;
}

static void read_line(struct reader *r, char *text)
{
    text = skip_blanks(text);
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '\r')
        text[len - 1] = '\0';
    if (!is_text(text)) {
        refuse(r, "", "it is not UTF-8 text");
    } else if (*text == '#') {
        char *comment = skip_blanks(text + strspn(text, "#"));
        if (r->comment.len > 0)
            hor_buf_putc(&r->comment, '\n');
        hor_buf_puts(&r->comment, comment);
        return;
    } else if (*text != '\0' && !read_variable(r, text)) {
        read_entry(r, text);
    }
    hor_buf_clear(&r->comment);
}

int hor_import_crontab(const char *file, bool system, struct hor_buf *out, struct hor_error *err)
{
    struct hor_buf bytes = HOR_BUF_INIT;
    int rc = hor_file_read(file, HOR_IMPORT_BYTES, &bytes, err);
    if (rc != HOR_OK)
        return rc;
    if (bytes.len > 0 && memchr(bytes.data, '\0', bytes.len) != NULL) {
        hor_buf_done(&bytes);
        return hor_error_set(err, HOR_ERR_INVALID, "%s holds a zero byte: it is no crontab", file);
    }
    struct reader r = {.out = out, .system = system};
    hor_buf_printf(out, "<crontab xmlns=\"%s\" file=\"", HOR_IMPORT_NAMESPACE);
    hor_buf_xml(out, file);
    hor_buf_printf(out, "\" system=\"%s\">\n", system ? "true" : "false");
    for (char *line = bytes.data; line != NULL;) {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        r.line++;
        read_line(&r, line);
        line = next;
    }
    hor_buf_puts(out, "</crontab>\n");
    for (size_t i = 0; i < r.count; i++) {
        free(r.variables[i].name);
        free(r.variables[i].value);
    }
    bool failed = out->failed || r.comment.failed;
    hor_buf_done(&r.comment);
    hor_buf_done(&bytes);
    return failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory") : HOR_OK;
}
