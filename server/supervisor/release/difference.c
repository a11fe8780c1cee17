#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/supervisor/release/release.h"

/* The document in canonical form; as it is when it is no XML. */
static char *canonical_text(const struct hor_source *source)
{
    struct hor_xml_doc *doc = NULL;
    struct hor_buf out = HOR_BUF_INIT;
    if (hor_xml_parse(source->file, source->data, source->len, NULL, NULL, &doc, NULL) != HOR_OK ||
        hor_xml_canonical(hor_xml_root(doc), &out, NULL) != HOR_OK) {
        hor_buf_clear(&out);
        hor_buf_add(&out, source->data, source->len);
    }
    hor_xml_doc_free(doc);
    return hor_buf_take(&out);
}

static int no_memory(struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_MEMORY, "compare releases: out of memory");
}

static int by_file(struct hor_map *map, const struct hor_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (hor_map_put(map, sources->items[i].file, &sources->items[i]) != HOR_OK)
            return HOR_ERR_MEMORY;
    return HOR_OK;
}

static int compare(const struct hor_source *before, const struct hor_source *after,
                   hor_difference_fn *fn, void *ctx, struct hor_error *err)
{
    char path[HOR_REPOSITORY_PATH_BYTES];
    const char *kind;
    if (!hor_repository_name(before != NULL ? before->file : after->file, path, &kind))
        return HOR_OK; /* no object: validation tells about it */
    char *old = before != NULL ? canonical_text(before) : NULL;
    char *new = after != NULL ? canonical_text(after) : NULL;
    int rc = HOR_OK;
    if ((before != NULL && old == NULL) || (after != NULL && new == NULL))
        rc = no_memory(err);
    else if (!hor_str_equal(old, new))
        rc = fn(path, kind, old, new, ctx);
    free(old);
    free(new);
    return rc;
}

int hor_release_difference(const struct hor_sources *from, const struct hor_sources *to,
                           hor_difference_fn *fn, void *ctx, struct hor_error *err)
{
    struct hor_map *before = hor_map_new(NULL), *after = hor_map_new(NULL);
    int rc = before != NULL && after != NULL && by_file(before, from) == HOR_OK &&
                     by_file(after, to) == HOR_OK
                 ? HOR_OK
                 : no_memory(err);
    for (size_t i = 0; rc == HOR_OK && i < from->count; i++)
        rc = compare(&from->items[i], hor_map_get(after, from->items[i].file), fn, ctx, err);
    for (size_t i = 0; rc == HOR_OK && i < to->count; i++)
        if (hor_map_get(before, to->items[i].file) == NULL)
            rc = compare(NULL, &to->items[i], fn, ctx, err);
    hor_map_free(before);
    hor_map_free(after);
    return rc;
}
