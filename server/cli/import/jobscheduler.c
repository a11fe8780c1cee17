/* The objects of a JobScheduler 1.x "live" folder, one file each: NAME.KIND.xml. */
#include <stdio.h>
#include <string.h>

#include "lib/config/config.h"
#include "lib/xml/xml.h"
#include "server/cli/import/import.h"

static const char *const kinds[] = {"job",           "job_chain", "order",   "schedule", "lock",
                                    "process_class", "holidays",  "monitor", "params"};

static void attribute(struct hor_buf *out, const char *name, const char *text, size_t len)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%.*s", (int)len, text);
    hor_buf_printf(out, " %s=\"", name);
    hor_buf_xml(out, copy);
    hor_buf_putc(out, '"');
}

/* The kind that the file's name tells; *base is how long the name before it is. */
static const char *kind_of(const char *name, size_t *base)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char end[32];
        size_t n = (size_t)snprintf(end, sizeof end, ".%s.xml", kinds[i]);
        if (len > n && strcmp(name + len - n, end) == 0) {
            *base = len - n;
            return kinds[i];
        }
    }
    return NULL;
}

static void refuse(struct hor_buf *out, const char *file, const char *why)
{
    hor_buf_puts(out, "<i:refused");
    attribute(out, "path", file, strlen(file));
    hor_buf_puts(out, " why=\"");
    hor_buf_xml(out, why);
    hor_buf_puts(out, "\"/>\n");
}

static void add_file(const struct hor_source *source, struct hor_buf *out)
{
    const char *slash = strrchr(source->file, '/');
    const char *name = slash != NULL ? slash + 1 : source->file;
    size_t base = 0;
    const char *kind = kind_of(name, &base);
    if (kind == NULL) {
        refuse(out, source->file, "its name tells no kind of object that is known");
        return;
    }
    struct hor_xml_doc *doc = NULL;
    struct hor_error err = {0};
    struct hor_buf text = HOR_BUF_INIT;
    int rc = hor_xml_parse(source->file, source->data, source->len, NULL, NULL, &doc, &err);
    if (rc == HOR_OK)
        rc = hor_xml_canonical(hor_xml_root(doc), &text, &err);
    if (rc != HOR_OK) {
        refuse(out, source->file, err.text);
    } else {
        hor_buf_puts(out, "<i:file");
        attribute(out, "path", source->file, strlen(source->file));
        attribute(out, "kind", kind, strlen(kind));
        /* As references name it: "etl/load" for etl/load.job.xml. */
        attribute(out, "object", source->file, (size_t)(name - source->file) + base);
        attribute(out, "folder", source->file, slash == NULL ? 0 : (size_t)(slash - source->file));
        const char *comma = memchr(name, ',', base);
        if (strcmp(kind, "order") == 0 && comma != NULL) { /* CHAIN,ID.order.xml */
            attribute(out, "chain", name, (size_t)(comma - name));
            attribute(out, "id", comma + 1, base - (size_t)(comma + 1 - name));
        }
        attribute(out, "name", name, base);
        hor_buf_putc(out, '>');
        hor_buf_add(out, hor_buf_text(&text), text.len);
        hor_buf_puts(out, "</i:file>\n");
    }
    out->failed |= text.failed;
    hor_buf_done(&text);
    hor_xml_doc_free(doc);
}

int hor_import_jobscheduler(const char *dir, struct hor_buf *out, struct hor_error *err)
{
    struct hor_sources sources = {0};
    struct hor_problems problems = {0};
    int rc = hor_sources_read(dir, &sources, &problems, err);
    if (rc == HOR_OK) {
        hor_buf_puts(out, "<i:jobscheduler xmlns:i=\"" HOR_IMPORT_NAMESPACE "\">\n");
        for (size_t i = 0; i < problems.count; i++)
            refuse(out, problems.items[i].file, problems.items[i].text);
        for (size_t i = 0; i < sources.count; i++)
            add_file(&sources.items[i], out);
        hor_buf_puts(out, "</i:jobscheduler>\n");
        if (out->failed || problems.failed)
            rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    hor_problems_done(&problems);
    hor_sources_done(&sources);
    return rc;
}
