#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/supervisor/service/operations.h"

/* The documents of a release, or of the draft when `release` is NULL. */
static int sources_of(struct hor_soap_call *call, const int *release, struct hor_sources *ret,
                      struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = service_parts(call);
    struct hor_buf document = HOR_BUF_INIT;
    char sha256[65];
    int rc;
    if (release == NULL) {
        struct hor_problems problems = {0};
        rc = hor_repository_draft(parts->repository, ret, sha256, &problems, err);
        hor_problems_done(&problems);
        return rc;
    }
    rc = hor_release_document(parts->releases, *release, &document, sha256, err);
    if (rc == HOR_OK)
        rc = hor_config_release_sources(document.data, document.len, ret, err);
    hor_buf_done(&document);
    return rc;
}

/* The title stands at the root element; a document that is not well-formed has none. */
static char *title_of(struct soap *soap, const struct hor_source *source)
{
    struct hor_xml_doc *doc = NULL;
    char *title = NULL;
    if (hor_xml_parse(source->file, source->data, source->len, NULL, NULL, &doc, NULL) == HOR_OK)
        title = hor_soap_string(soap, hor_xml_attribute(hor_xml_root(doc), "title"));
    hor_xml_doc_free(doc);
    return title;
}

static bool fill_info(struct soap *soap, const struct hor_source *source, const char *path,
                      const char *kind, struct sup__ObjectInfo *out)
{
    *out = (struct sup__ObjectInfo){.path = hor_soap_string(soap, path),
                                    .kind = hor_soap_string(soap, kind),
                                    .title = title_of(soap, source),
                                    .file = hor_soap_string(soap, source->file)};
    return out->path != NULL && out->kind != NULL && out->file != NULL;
}

int service_list_objects(struct hor_soap_call *call, const struct _sup__ListObjects *request,
                         struct _sup__ListObjectsResponse *response, struct hor_error *err)
{
    struct hor_sources sources = {0};
    struct hor_scope scope;
    char path[HOR_REPOSITORY_PATH_BYTES];
    const char *kind;
    int rc = hor_auth_scope(call->who, "configuration.view", &scope, err);
    if (rc != HOR_OK)
        return rc;
    rc = sources_of(call, request->release, &sources, err);
    for (size_t i = 0; rc == HOR_OK && i < sources.count; i++) {
        const struct hor_source *source = &sources.items[i];
        if (!hor_repository_name(source->file, path, &kind) || !hor_scope_has(&scope, path) ||
            (request->folder != NULL && !hor_path_below(path, request->folder)))
            continue;
        struct sup__ObjectInfo *info =
            SERVICE_ADD(call->soap, &response->object, &response->__sizeobject);
        if (info == NULL || !fill_info(call->soap, source, path, kind, info))
            rc = service_no_memory(err);
    }
    hor_sources_done(&sources);
    hor_scope_done(&scope);
    return rc;
}

int service_get_object(struct hor_soap_call *call, const struct _sup__GetObject *request,
                       struct _sup__GetObjectResponse *response, struct hor_error *err)
{
    struct hor_sources sources = {0};
    char path[HOR_REPOSITORY_PATH_BYTES];
    const char *kind;
    int rc = hor_auth_require(call->who, "configuration.view", request->path, err);
    if (rc == HOR_OK)
        rc = sources_of(call, request->release, &sources, err);
    if (rc != HOR_OK)
        return rc;
    const struct hor_source *found = NULL;
    for (size_t i = 0; i < sources.count && found == NULL; i++)
        if (hor_repository_name(sources.items[i].file, path, &kind) &&
            strcmp(path, request->path) == 0 && strcmp(kind, request->kind) == 0)
            found = &sources.items[i];
    if (found == NULL) {
        rc = request->release != NULL
                 ? hor_error_set(err, HOR_ERR_NOT_FOUND, "release %d has no %.40s %.400s",
                                 *request->release, request->kind, request->path)
                 : hor_error_set(err, HOR_ERR_NOT_FOUND, "the draft has no %.40s %.400s",
                                 request->kind, request->path);
    } else {
        struct hor_buf text = HOR_BUF_INIT; /* ends with a zero byte, the source need not */
        hor_buf_add(&text, found->data, found->len);
        response->object = hor_soap_alloc(call->soap, sizeof *response->object);
        response->source = hor_soap_string(call->soap, hor_buf_text(&text));
        hor_buf_done(&text);
        if (response->object == NULL || response->source == NULL ||
            !fill_info(call->soap, found, path, kind, response->object))
            rc = service_no_memory(err);
    }
    hor_sources_done(&sources);
    return rc;
}

int service_validate(struct hor_soap_call *call, const struct _sup__ValidateConfiguration *request,
                     struct _sup__ValidateConfigurationResponse *response, struct hor_error *err)
{
    struct hor_sources sources = {0};
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    struct hor_error why = {0};
    char revision[65];
    (void)request;
    int rc =
        hor_repository_draft(service_parts(call)->repository, &sources, revision, &problems, err);
    if (rc != HOR_OK) {
        hor_problems_done(&problems);
        return rc;
    }
    rc = hor_config_load_sources(&sources, &problems, &config, &why);
    if (rc != HOR_OK && rc != HOR_ERR_INVALID) {
        if (err != NULL)
            *err = why;
    } else {
        response->valid = rc == HOR_OK && problems.errors == 0;
        response->objects = (int)(config != NULL ? hor_config_object_count(config) : sources.count);
        rc = HOR_OK;
    }
    for (size_t i = 0; rc == HOR_OK && i < problems.count && i < 1000; i++) {
        struct t__Problem *problem =
            SERVICE_ADD(call->soap, &response->problem, &response->__sizeproblem);
        if (problem == NULL || !service_problem(call->soap, &problems.items[i], problem))
            rc = service_no_memory(err);
    }
    hor_config_free(config);
    hor_problems_done(&problems);
    hor_sources_done(&sources);
    return rc;
}

struct differences {
    struct hor_soap_call *call;
    struct _sup__GetReleaseDifferenceResponse *response;
    const struct hor_scope *scope;
};

static int take_difference(const char *path, const char *kind, const char *before,
                           const char *after, void *ctx)
{
    struct differences *d = ctx;
    struct soap *soap = d->call->soap;
    if (!hor_scope_has(d->scope, path))
        return HOR_OK;
    struct sup__Difference *out =
        SERVICE_ADD(soap, &d->response->difference, &d->response->__sizedifference);
    if (out == NULL)
        return HOR_ERR_MEMORY;
    *out = (struct sup__Difference){.path = hor_soap_string(soap, path),
                                    .kind = hor_soap_string(soap, kind),
                                    .change = hor_soap_string(soap, before == NULL  ? "added"
                                                                    : after == NULL ? "removed"
                                                                                    : "changed"),
                                    .before = hor_soap_string(soap, before),
                                    .after = hor_soap_string(soap, after)};
    return out->path != NULL && out->kind != NULL && out->change != NULL ? HOR_OK : HOR_ERR_MEMORY;
}

/* Without `from` the difference begins at what is deployed: at nothing when nothing is. */
int service_release_difference(struct hor_soap_call *call,
                               const struct _sup__GetReleaseDifference *request,
                               struct _sup__GetReleaseDifferenceResponse *response,
                               struct hor_error *err)
{
    struct hor_sources from = {0}, to = {0};
    struct hor_scope scope = {0};
    int64_t current = 0;
    int before = 0;
    int rc = hor_auth_scope(call->who, "configuration.view", &scope, err);
    if (rc == HOR_OK && request->from != NULL)
        before = *request->from;
    else if (rc == HOR_OK)
        rc = hor_release_current(service_parts(call)->releases, &current, err);
    if (request->from == NULL)
        before = (int)current;
    if (rc == HOR_OK && before != 0)
        rc = sources_of(call, &before, &from, err);
    if (rc == HOR_OK)
        rc = sources_of(call, request->to, &to, err);
    if (rc == HOR_OK) {
        struct differences differences = {call, response, &scope};
        rc = hor_release_difference(&from, &to, take_difference, &differences, err);
        if (rc == HOR_ERR_MEMORY)
            service_no_memory(err);
    }
    hor_sources_done(&from);
    hor_sources_done(&to);
    hor_scope_done(&scope);
    return rc;
}
