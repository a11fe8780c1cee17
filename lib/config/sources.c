#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/config/document.h"
#include "lib/xml/xml.h"

enum { FOLDER_DEPTH = 50 };

/* Takes `take_data`, also when it fails. */
static int add(struct hor_sources *sources, const char *file, char *take_data, size_t len)
{
    if ((sources->count & (sources->count - 1)) == 0) {
        size_t capacity = sources->count == 0 ? 1 : 2 * sources->count;
        struct hor_source *items = realloc(sources->items, capacity * sizeof *items);
        if (items == NULL) {
            free(take_data);
            return HOR_ERR_MEMORY;
        }
        sources->items = items;
    }
    char *name = hor_strdup(file);
    if (name == NULL || take_data == NULL) {
        free(name);
        free(take_data);
        return HOR_ERR_MEMORY;
    }
    sources->items[sources->count++] = (struct hor_source){name, take_data, len};
    return HOR_OK;
}

int hor_sources_add(struct hor_sources *sources, const char *file, const void *data, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return HOR_ERR_MEMORY;
    memcpy(copy, data, len);
    copy[len] = '\0';
    return add(sources, file, copy, len);
}

void hor_sources_done(struct hor_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        free(sources->items[i].file);
        free(sources->items[i].data);
    }
    free(sources->items);
    *sources = (struct hor_sources){0};
}

static int read_one(const char *full, const char *file, struct hor_sources *sources,
                    struct hor_problems *problems, struct hor_error *err)
{
    struct hor_buf data = HOR_BUF_INIT;
    int code = hor_file_read(full, HOR_XML_DOCUMENT_BYTES, &data, err);
    if (code == HOR_ERR_LIMIT) {
        hor_problems_add(problems, HOR_SEVERITY_ERROR, file, 0, NULL, "split it",
                         "the document is larger than 16 MiB");
        code = HOR_OK;
    } else if (code == HOR_OK) {
        size_t len = data.len;
        hor_buf_putc(&data, '\0'); /* so that an empty file is a string too */
        code = add(sources, file, hor_buf_take(&data), len);
        if (code != HOR_OK)
            hor_error_set(err, code, "read '%s': out of memory", file);
    }
    hor_buf_done(&data);
    return code;
}

static int no_dots(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* `below` is the path below the top folder, "" at the top. */
static int read_folder(const char *dir, const char *below, int depth, struct hor_sources *sources,
                       struct hor_problems *problems, struct hor_error *err)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, no_dots, alphasort);
    if (count < 0)
        return hor_error_set_errno(err, errno == ENOENT ? HOR_ERR_NOT_FOUND : HOR_ERR_IO, errno,
                                   "read folder '%s'", dir);
    int code = HOR_OK;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char *full = code == HOR_OK ? hor_str_printf("%s/%s", dir, name) : NULL;
        char *file = code == HOR_OK ? hor_str_printf("%s%s%s", below, *below ? "/" : "", name) : NULL;
        struct stat link, target;
        size_t len = strlen(name);
        if (code == HOR_OK && (full == NULL || file == NULL))
            code = hor_error_set(err, HOR_ERR_MEMORY, "read folder '%s': out of memory", dir);
        else if (code == HOR_OK && lstat(full, &link) == 0 && stat(full, &target) == 0) {
            if (S_ISDIR(link.st_mode) && depth >= FOLDER_DEPTH)
                code = hor_error_set(err, HOR_ERR_LIMIT, "folders are nested more than %d deep at '%s'",
                                     FOLDER_DEPTH, full);
            else if (S_ISDIR(link.st_mode))
                code = read_folder(full, file, depth + 1, sources, problems, err);
            else if (S_ISREG(target.st_mode) && len > 4 &&
                     (strcmp(name + len - 4, ".xml") == 0 || hor_source_is_icalendar(name)))
                code = read_one(full, file, sources, problems, err);
        }
        free(full);
        free(file);
        free(entries[i]);
    }
    free(entries);
    return code;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct hor_source *)a)->file, ((const struct hor_source *)b)->file);
}

int hor_sources_read(const char *dir, struct hor_sources *sources, struct hor_problems *problems,
                     struct hor_error *err)
{
    struct hor_sources read = {0};
    int code = read_folder(dir, "", 0, &read, problems, err);
    if (code != HOR_OK) {
        hor_sources_done(&read);
        return code;
    }
    if (read.count > 1)
        qsort(read.items, read.count, sizeof *read.items, compare_files);
    for (size_t i = 0; i < read.count && code == HOR_OK; i++) {
        struct hor_source *item = &read.items[i];
        code = add(sources, item->file, item->data, item->len);
        item->data = NULL;
    }
    hor_sources_done(&read);
    return code == HOR_OK ? code : hor_error_set(err, code, "read '%s': out of memory", dir);
}

int hor_config_load_sources(const struct hor_sources *sources, struct hor_problems *problems,
                            struct hor_config **ret, struct hor_error *err)
{
    struct hor_builder b;
    int code = hor_builder_init(&b, problems, err);
    if (code != HOR_OK)
        return code;
    for (size_t i = 0; i < sources->count && code == HOR_OK; i++)
        code = hor_builder_document(&b, &sources->items[i], err);
    if (code == HOR_OK)
        code = hor_builder_finish(&b, ret, err);
    hor_builder_done(&b);
    return code;
}

int hor_config_load_folder(const char *dir, struct hor_problems *problems, struct hor_config **ret,
                           struct hor_error *err)
{
    struct hor_sources sources = {0};
    int code = hor_sources_read(dir, &sources, problems, err);
    if (code == HOR_OK)
        code = hor_config_load_sources(&sources, problems, ret, err);
    hor_sources_done(&sources);
    return code;
}
