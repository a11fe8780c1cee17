#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

#include "lib/base/datadir.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/internal.h"

struct hor_xml_schema {
    char *file; /* real path */
    xmlSchemaPtr compiled;
    struct hor_xml_schema *next;
};

/* Compiled schemas of the process, never freed before its end; few. */
static struct {
    once_flag once;
    mtx_t mutex;
    struct hor_xml_schema *first;
} cache = {.once = ONCE_FLAG_INIT};

static void init_cache(void)
{
    mtx_init(&cache.mutex, mtx_plain);
}

xmlSchemaPtr hor_xml_schema_compiled(const struct hor_xml_schema *schema)
{
    return schema->compiled;
}

static int compile(const char *file, xmlSchemaPtr *ret, struct hor_error *err)
{
    char folder[PATH_MAX];
    size_t len = (size_t)(strrchr(file, '/') - file);
    memcpy(folder, file, len);
    folder[len] = '\0';

    const char *before = hor_xml_allow_folder(folder);
    struct hor_xml_catch catching;
    hor_xml_catch_begin(&catching, file, NULL);
    xmlSchemaPtr compiled = NULL;
    xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(file);
    if (parser != NULL)
        compiled = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    if (compiled == NULL && catching.first.code == HOR_OK)
        hor_xml_catch_add(&catching, HOR_ERR_MEMORY, 0, NULL, "cannot compile the schema");
    int code = hor_xml_catch_end(&catching, err);
    hor_xml_allow_folder(before);
    if (code != HOR_OK)
        xmlSchemaFree(compiled);
    else
        *ret = compiled;
    return code;
}

/* With the cache's mutex held. */
static const struct hor_xml_schema *find_or_compile(const char *file, struct hor_error *err)
{
    for (struct hor_xml_schema *known = cache.first; known != NULL; known = known->next)
        if (strcmp(known->file, file) == 0)
            return known;
    xmlSchemaPtr compiled;
    if (compile(file, &compiled, err) != HOR_OK)
        return NULL;
    struct hor_xml_schema *added = malloc(sizeof *added);
    char *copy = hor_strdup(file);
    if (added == NULL || copy == NULL) {
        free(added);
        free(copy);
        xmlSchemaFree(compiled);
        hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", file);
        return NULL;
    }
    *added = (struct hor_xml_schema){.file = copy, .compiled = compiled, .next = cache.first};
    cache.first = added;
    return added;
}

const struct hor_xml_schema *hor_xml_schema_load(const char *file, struct hor_error *err)
{
    hor_xml_init();
    call_once(&cache.once, init_cache);
    char real[PATH_MAX];
    if (realpath(file, real) == NULL) {
        hor_error_set_errno(err, HOR_ERR_NOT_FOUND, errno, "read schema '%s'", file);
        return NULL;
    }
    mtx_lock(&cache.mutex);
    const struct hor_xml_schema *schema = find_or_compile(real, err);
    mtx_unlock(&cache.mutex);
    return schema;
}

const struct hor_xml_schema *hor_xml_schema_named(const char *name, struct hor_error *err)
{
    char *file = hor_str_printf("%s/xsd/%s", hor_datadir(), name);
    if (file == NULL) {
        hor_error_set(err, HOR_ERR_MEMORY, "schema '%s': out of memory", name);
        return NULL;
    }
    const struct hor_xml_schema *schema = hor_xml_schema_load(file, err);
    if (schema == NULL && access(file, R_OK) != 0 && err != NULL)
        hor_error_set(err, HOR_ERR_NOT_FOUND,
                      "schema '%s' is missing; set HORARIUM_DATADIR to the folder that holds xsd/",
                      file);
    free(file);
    return schema;
}
