#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libxslt/security.h>
#include <libxslt/transform.h>
#include <libxslt/variables.h>
#include <libxslt/xsltutils.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <threads.h>
#include <unistd.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/xml/internal.h"
#include "lib/xml/xslt.h"

enum {
    STEPS = 200 * 1000 * 1000, /* libxslt's operations of one rendering */
    TEMPLATE_DEPTH = 500,
    RESULT_BYTES = 64 * 1024 * 1024,
};

/* A compiled style sheet, shared by the renderings that use it at the moment. */
struct sheet {
    xsltStylesheetPtr compiled;
    uint64_t stamp; /* of the folder when it was compiled */
    int users;      /* renderings, and the map while it is the current one */
};

struct hor_xslt {
    char *folder; /* real path */
    mtx_t mutex;  /* guards all below and the users of sheets */
    struct hor_map *sheets;
};

int hor_xslt_open(const char *folder, struct hor_xslt **ret, struct hor_error *err)
{
    hor_xml_init();
    char real[PATH_MAX];
    if (realpath(folder, real) == NULL)
        return hor_error_set_errno(err, HOR_ERR_NOT_FOUND, errno, "style sheets in '%s'", folder);
    struct hor_xslt *xslt = calloc(1, sizeof *xslt);
    if (xslt == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "style sheets: out of memory");
    xslt->folder = hor_strdup(real);
    xslt->sheets = hor_map_new(NULL);
    if (xslt->folder == NULL || xslt->sheets == NULL) {
        free(xslt->folder);
        hor_map_free(xslt->sheets);
        free(xslt);
        return hor_error_set(err, HOR_ERR_MEMORY, "style sheets: out of memory");
    }
    mtx_init(&xslt->mutex, mtx_plain);
    *ret = xslt;
    return HOR_OK;
}

/* With the mutex held, or when nobody else is left. */
static void drop(struct sheet *sheet)
{
    if (sheet == NULL || --sheet->users > 0)
        return;
    xsltFreeStylesheet(sheet->compiled);
    free(sheet);
}

void hor_xslt_close(struct hor_xslt *xslt)
{
    if (xslt == NULL)
        return;
    size_t pos = 0;
    struct sheet *sheet;
    while ((sheet = hor_map_next(xslt->sheets, &pos, NULL)) != NULL)
        drop(sheet);
    hor_map_free(xslt->sheets);
    mtx_destroy(&xslt->mutex);
    free(xslt->folder);
    free(xslt);
}

/* A number that changes when any file of the folder was changed, added or removed: sheets import
 * one another, so one changed file may concern all. */
static uint64_t folder_stamp(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return 0;
    uint64_t stamp = 1;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;
        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) != 0)
            continue;
        uint64_t one = (uint64_t)st.st_mtim.tv_sec * 1000000007u + (uint64_t)st.st_mtim.tv_nsec;
        one = one * 31 + (uint64_t)st.st_size * 17 + (uint64_t)st.st_ino;
        stamp += one * 0x9E3779B97F4A7C15u; /* a sum: the order of entries does not matter */
    }
    closedir(dir);
    return stamp;
}

static bool plain_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static int compile(struct hor_xslt *xslt, const char *name, uint64_t stamp, struct sheet **ret,
                   struct hor_error *err)
{
    char *file = hor_str_printf("%s/%s", xslt->folder, name);
    struct sheet *sheet = calloc(1, sizeof *sheet);
    if (file == NULL || sheet == NULL) {
        free(file);
        free(sheet);
        return hor_error_set(err, HOR_ERR_MEMORY, "style sheet '%s': out of memory", name);
    }
    if (access(file, R_OK) != 0) {
        free(file);
        free(sheet);
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "no style sheet '%s'", name);
    }
    const char *before = hor_xml_allow_folder(xslt->folder);
    struct hor_xml_catch catching;
    hor_xml_catch_begin(&catching, NULL, NULL);
    sheet->compiled = xsltParseStylesheetFile(BAD_CAST file);
    if ((sheet->compiled == NULL || sheet->compiled->errors > 0) &&
        catching.first.code == HOR_OK)
        hor_xml_catch_add(&catching, HOR_ERR_INVALID, 0, NULL, "cannot be compiled");
    int code = hor_xml_catch_end(&catching, err);
    hor_xml_allow_folder(before);
    free(file);
    if (code != HOR_OK) {
        xsltFreeStylesheet(sheet->compiled);
        free(sheet);
        hor_error_prefix(err, "style sheet '%s'", name);
        return code;
    }
    sheet->stamp = stamp;
    sheet->users = 1; /* the map's */
    *ret = sheet;
    return HOR_OK;
}

/* The current sheet, with one more user. */
static int take(struct hor_xslt *xslt, const char *name, struct sheet **ret, struct hor_error *err)
{
    if (!plain_name(name))
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "no style sheet '%s'", name);
    uint64_t stamp = folder_stamp(xslt->folder);
    int code = HOR_OK;
    mtx_lock(&xslt->mutex);
    struct sheet *sheet = hor_map_get(xslt->sheets, name);
    if (sheet == NULL || sheet->stamp != stamp) {
        struct sheet *fresh = NULL;
        code = compile(xslt, name, stamp, &fresh, err);
        if (code == HOR_OK && hor_map_put(xslt->sheets, name, fresh) != HOR_OK) {
            drop(fresh);
            code = hor_error_set(err, HOR_ERR_MEMORY, "style sheet '%s': out of memory", name);
        }
        if (code == HOR_OK) {
            drop(sheet);
            sheet = fresh;
        }
    }
    if (code == HOR_OK) {
        sheet->users++;
        *ret = sheet;
    }
    mtx_unlock(&xslt->mutex);
    return code;
}

static void give_back(struct hor_xslt *xslt, struct sheet *sheet)
{
    mtx_lock(&xslt->mutex);
    drop(sheet);
    mtx_unlock(&xslt->mutex);
}

static int render(xsltStylesheetPtr compiled, xmlDocPtr doc, const char *const *parameters,
                  struct hor_buf *out, struct hor_xml_catch *catching)
{
    xsltTransformContextPtr transform = xsltNewTransformContext(compiled, doc);
    if (transform == NULL)
        return HOR_ERR_MEMORY;
    transform->opLimit = STEPS;
    transform->maxTemplateDepth = TEMPLATE_DEPTH;
    int code = HOR_OK;
    for (size_t i = 0; parameters != NULL && parameters[i] != NULL && code == HOR_OK; i += 2)
        if (xsltQuoteOneUserParam(transform, BAD_CAST parameters[i], BAD_CAST parameters[i + 1]) < 0)
            code = HOR_ERR_MEMORY;
    xmlDocPtr result = NULL;
    if (code == HOR_OK)
        result = xsltApplyStylesheetUser(compiled, doc, NULL, NULL, NULL, transform);
    if (code == HOR_OK && (result == NULL || transform->state != XSLT_STATE_OK)) {
        if (catching->first.code == HOR_OK)
            hor_xml_catch_add(catching, HOR_ERR_INVALID, 0, NULL, "cannot be applied");
        code = HOR_ERR_INVALID;
    }
    xmlChar *text = NULL;
    int len = 0;
    if (code == HOR_OK && xsltSaveResultToString(&text, &len, result, compiled) < 0)
        code = HOR_ERR_MEMORY;
    if (code == HOR_OK && len > RESULT_BYTES)
        code = HOR_ERR_LIMIT;
    if (code == HOR_OK && len > 0)
        hor_buf_add(out, text, (size_t)len);
    xmlFree(text);
    xmlFreeDoc(result);
    xsltFreeTransformContext(transform);
    return code;
}

int hor_xslt_apply(struct hor_xslt *xslt, const char *sheet_name, const char *xml, size_t len,
                   const char *const *parameters, struct hor_buf *out, struct hor_error *err)
{
    struct sheet *sheet;
    int code = take(xslt, sheet_name, &sheet, err);
    if (code != HOR_OK)
        return code;
    struct hor_xml_doc *doc = NULL;
    code = hor_xml_parse("document", xml, len, NULL, NULL, &doc, err);
    if (code == HOR_OK) {
        const char *before = hor_xml_allow_folder(xslt->folder);
        struct hor_xml_catch catching;
        hor_xml_catch_begin(&catching, NULL, NULL);
        code = render(sheet->compiled, (xmlDocPtr)doc, parameters, out, &catching);
        if (code != HOR_OK && catching.first.code == HOR_OK)
            hor_xml_catch_add(&catching, code, 0, NULL, "%s", hor_error_words(code));
        hor_xml_catch_end(&catching, code == HOR_OK ? NULL : err);
        hor_xml_allow_folder(before);
        xmlFreeDoc((xmlDocPtr)doc);
        if (code != HOR_OK)
            hor_error_prefix(err, "style sheet '%s'", sheet_name);
    }
    give_back(xslt, sheet);
    return code;
}

int hor_xslt_media_type(struct hor_xslt *xslt, const char *sheet_name, char *out, size_t out_bytes,
                        struct hor_error *err)
{
    struct sheet *sheet;
    int code = take(xslt, sheet_name, &sheet, err);
    if (code != HOR_OK)
        return code;
    const char *type = (const char *)sheet->compiled->mediaType;
    snprintf(out, out_bytes, "%s", type == NULL ? "text/html" : type);
    give_back(xslt, sheet);
    return HOR_OK;
}
