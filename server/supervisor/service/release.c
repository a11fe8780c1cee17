#include <stdio.h>
#include <string.h>

#include "server/supervisor/service/operations.h"

struct list {
    struct soap *soap;
    struct t__Release *items;
    int count;
    int64_t lowest, highest;
};

static int take_release(const struct hor_release_row *row, void *ctx)
{
    struct list *list = ctx;
    struct t__Release *release = SERVICE_ADD(list->soap, &list->items, &list->count);
    if (release == NULL || !service_release(list->soap, row, release))
        return HOR_ERR_MEMORY;
    if (list->count == 1)
        list->highest = row->number;
    list->lowest = row->number;
    return HOR_OK;
}

static int take_deployment(const struct hor_deployment_row *row, void *ctx)
{
    struct list *list = ctx;
    for (int i = 0; i < list->count; i++) {
        struct t__Release *release = &list->items[i];
        if (release->number != row->release)
            continue;
        struct t__Deployment *deployment =
            SERVICE_ADD(list->soap, &release->deployment, &release->__sizedeployment);
        if (deployment == NULL)
            return HOR_ERR_MEMORY;
        *deployment = (struct t__Deployment){.master = hor_soap_string(list->soap, row->master),
                                             .state = hor_soap_string(list->soap, row->state),
                                             .at = service_long(list->soap, row->changed_us),
                                             .text = hor_soap_string(list->soap, row->detail)};
        if (deployment->master == NULL || deployment->state == NULL)
            return HOR_ERR_MEMORY;
    }
    return HOR_OK;
}

/* Releases with their deployments, in two statements. */
static int read_releases(struct hor_soap_call *call, int64_t number, int limit, struct list *list,
                         struct hor_error *err)
{
    struct hor_store *store = service_parts(call)->store;
    *list = (struct list){.soap = call->soap};
    int rc = hor_query_releases(store, number, NULL, limit, take_release, list, err);
    if (rc == HOR_OK && list->count > 0)
        rc = hor_query_deployments(store, list->lowest, list->highest, take_deployment, list, err);
    if (rc == HOR_ERR_MEMORY)
        service_no_memory(err);
    return rc;
}

static int answer_one(struct hor_soap_call *call, int64_t number, struct t__Release **ret,
                      struct hor_error *err)
{
    struct list list;
    int rc = read_releases(call, number, 1, &list, err);
    if (rc == HOR_OK && list.count == 0)
        rc =
            hor_error_set(err, HOR_ERR_NOT_FOUND, "release %lld does not exist", (long long)number);
    if (rc == HOR_OK)
        *ret = &list.items[0];
    return rc;
}

static void note_release(struct hor_soap_call *call, int64_t number, const char *reason)
{
    char object[40];
    snprintf(object, sizeof object, "release %lld", (long long)number);
    service_note(call, object, reason);
}

int service_create_release(struct hor_soap_call *call, const struct _sup__CreateRelease *request,
                           struct _sup__CreateReleaseResponse *response, struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = service_parts(call);
    struct hor_problems problems = {0};
    int64_t number = 0;
    service_note(call, "draft", request->reason);
    int rc = hor_release_create(parts->releases, parts->repository, call->who->user,
                                request->reason, request->requestId, &problems, &number, err);
    if (rc == HOR_ERR_INVALID)
        service_fault_problems(call, &problems);
    hor_problems_done(&problems);
    if (rc != HOR_OK)
        return rc;
    note_release(call, number, request->reason);
    return answer_one(call, number, &response->release, err);
}

int service_approve_release(struct hor_soap_call *call, const struct _sup__ApproveRelease *request,
                            struct _sup__ApproveReleaseResponse *response, struct hor_error *err)
{
    note_release(call, request->number, request->reason);
    int rc =
        hor_release_approve(service_parts(call)->releases, request->number, call->who->user, err);
    return rc == HOR_OK ? answer_one(call, request->number, &response->release, err) : rc;
}

int service_reject_release(struct hor_soap_call *call, const struct _sup__RejectRelease *request,
                           struct _sup__RejectReleaseResponse *response, struct hor_error *err)
{
    note_release(call, request->number, request->reason);
    int rc =
        hor_release_reject(service_parts(call)->releases, request->number, call->who->user, err);
    return rc == HOR_OK ? answer_one(call, request->number, &response->release, err) : rc;
}

int service_deploy_release(struct hor_soap_call *call, const struct _sup__DeployRelease *request,
                           struct _sup__DeployReleaseResponse *response, struct hor_error *err)
{
    const struct hor_supervisor_parts *parts = service_parts(call);
    note_release(call, request->number, request->reason);
    int rc = hor_release_check_deploy(parts->releases, request->number, err);
    if (rc == HOR_OK && request->master == NULL && hor_masters_count(parts->masters) == 0)
        rc = hor_error_set(err, HOR_ERR_NOT_FOUND, "no Master is in the settings");
    if (rc == HOR_OK && request->master != NULL)
        rc = hor_masters_deploy(parts->masters, request->master, request->number, call->who->user,
                                err);
    for (size_t i = 0;
         rc == HOR_OK && request->master == NULL && i < hor_masters_count(parts->masters); i++)
        rc = hor_masters_deploy(parts->masters, hor_masters_name(parts->masters, i),
                                request->number, call->who->user, err);
    return rc == HOR_OK ? answer_one(call, request->number, &response->release, err) : rc;
}

int service_list_releases(struct hor_soap_call *call, const struct _sup__ListReleases *request,
                          struct _sup__ListReleasesResponse *response, struct hor_error *err)
{
    struct list list;
    int rc = read_releases(call, 0, service_limit(request->limit, 100), &list, err);
    if (rc == HOR_OK) {
        response->release = list.items;
        response->__sizerelease = list.count;
    }
    return rc;
}
