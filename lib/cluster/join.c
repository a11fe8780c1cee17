#include "lib/cluster/join.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/cluster/members.h"
#include "lib/journal/identity.h"
#include "lib/journal/line.h"
#include "lib/journal/meta.h"
#include "lib/soap/client.h"

enum { ASK_MS = 1500, CHANGE_MS = 25000, TRIES = 3 };

/* What one member says of its cluster. */
struct told {
    char cluster[512], run_id[64];
    uint64_t incarnation, leader;
    struct hor_members members;
};

static int call(const struct hor_cluster_join *join, const char *url, const char *name,
                const char *request, int64_t timeout_ms, struct hor_buf *answer,
                struct hor_error *err)
{
    struct hor_soap_partner *partner = NULL;
    char *address = hor_str_printf("%s/soap/%s", url, join->service);
    if (!hor_str_starts(url, "https:"))
        name = NULL; /* nobody says who answers */
    int rc = address == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                             : hor_soap_partner_new(join->http, (const char *const *)&address, &name,
                                                    1, &partner, err);
    if (rc == HOR_OK)
        rc = hor_soap_call_text(partner, request, answer, timeout_ms, err);
    hor_soap_partner_free(partner);
    free(address);
    return rc;
}

static int ask(const struct hor_cluster_join *join, const char *url, const char *name,
               struct told *ret, struct hor_error *err)
{
    struct hor_buf answer = HOR_BUF_INIT;
    char request[128];
    const char *tag;
    int rc;
    snprintf(request, sizeof request, "<ClusterStatus xmlns=\"urn:horarium:%s:1\"/>", join->service);
    rc = call(join, url, name, request, ASK_MS, &answer, err);
    memset(ret, 0, sizeof *ret);
    if (rc == HOR_OK) {
        tag = strstr(hor_buf_text(&answer), "status ");
        const char *end = tag != NULL ? strchr(tag, '>') : NULL;
        size_t len = end != NULL ? (size_t)(end - tag) : 0;
        if (end == NULL ||
            hor_journal_attribute(tag, len, "cluster", ret->cluster, sizeof ret->cluster) != HOR_OK ||
            hor_journal_attribute(tag, len, "runId", ret->run_id, sizeof ret->run_id) != HOR_OK ||
            hor_journal_attribute_number(tag, len, "incarnation", &ret->incarnation) != HOR_OK ||
            hor_journal_attribute_number(tag, len, "leader", &ret->leader) != HOR_OK)
            rc = hor_error_set(err, HOR_ERR_INVALID, "%s: an answer without a status", url);
        else
            rc = hor_members_read(answer.data, answer.len, &ret->members, err);
    }
    hor_buf_done(&answer);
    return rc;
}

/* The cluster goes on with this member under a new id. */
static int ask_for_id(const struct hor_cluster_join *join, const struct told *told,
                      const char *folder, uint64_t *ret_id, struct hor_error *err)
{
    const struct hor_member *leader = hor_members_find(&told->members, told->leader);
    struct hor_buf request = HOR_BUF_INIT, answer = HOR_BUF_INIT;
    int rc;
    if (leader == NULL || strcmp(leader->name, join->name) == 0)
        return hor_error_set(err, HOR_ERR_UNREACHABLE, "the cluster has no leader at present");
    hor_buf_printf(&request, "<ChangeCluster xmlns=\"urn:horarium:%s:1\"><change xmlns:t=\""
                   "urn:horarium:types:1\"><t:action>add</t:action><t:name>", join->service);
    hor_buf_xml(&request, join->name);
    hor_buf_puts(&request, "</t:name><t:url>");
    hor_buf_xml(&request, join->url);
    hor_buf_printf(&request, "</t:url><t:folder>%s</t:folder></change></ChangeCluster>", folder);
    rc = request.failed ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                        : call(join, leader->url, leader->name, request.data, CHANGE_MS, &answer, err);
    if (rc == HOR_OK) {
        const char *id = strstr(hor_buf_text(&answer), "id>");
        *ret_id = id != NULL ? strtoull(id + 3, NULL, 10) : 0;
        if (*ret_id == 0)
            rc = hor_error_set(err, HOR_ERR_INVALID, "%s: an answer without an id", leader->url);
    }
    hor_buf_done(&request);
    hor_buf_done(&answer);
    return rc;
}

static int take(const struct told *told, uint64_t self, struct hor_cluster_joined *ret,
                struct hor_error *err)
{
    struct hor_members *kept = malloc(sizeof *kept);
    ret->members = calloc(HOR_RAFT_MEMBERS_MAX + 1, sizeof *ret->members);
    ret->owned = kept;
    if (kept == NULL || ret->members == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    *kept = told->members;
    ret->joins = true;
    ret->self = self;
    ret->incarnation = told->incarnation;
    for (unsigned i = 0; i < kept->count; i++)
        ret->members[ret->member_count++] = hor_members_view(&kept->list[i]);
    return HOR_OK;
}

/* One answer is enough: *ret_known tells whether there was one. */
static int try_others(const struct hor_cluster_join *join, const struct hor_journal_identity *own,
                      struct told *told, bool *ret_known, struct hor_cluster_joined *ret,
                      struct hor_error *err)
{
    for (unsigned i = 0; i < join->member_count; i++) {
        const struct hor_cluster_member *other = &join->members[i];
        struct hor_error why;
        uint64_t id;
        int rc;
        if (strcmp(other->name, join->name) == 0)
            continue;
        rc = ask(join, other->url, other->name, told, &why);
        if (rc == HOR_ERR_UNAUTHENTICATED || rc == HOR_ERR_DENIED) {
            *ret_known = true; /* it is there, and does not know us */
            hor_error_set(err, HOR_ERR_STATE,
                          "%s of cluster '%s' does not know member '%s': add it with 'horarium "
                          "cluster add' (%s)", other->name, join->cluster, join->name, why.text);
            continue;
        }
        if (rc != HOR_OK || told->run_id[0] == '\0' || strcmp(told->cluster, join->cluster) != 0)
            continue; /* away, or new as well */
        *ret_known = true;
        const struct hor_member *self = hor_members_named(&told->members, join->name);
        if (self == NULL) {
            hor_error_set(err, HOR_ERR_STATE, "cluster '%s' has no member '%s': add it with "
                          "'horarium cluster add'", join->cluster, join->name);
            continue;
        }
        id = self->id;
        if (self->folder[0] != '\0' && strcmp(self->folder, own->folder) != 0) {
            uint64_t before = id;
            rc = ask_for_id(join, told, own->folder, &id, err);
            if (rc == HOR_OK)
                rc = ask(join, other->url, other->name, told, err); /* now with the new id */
            if (rc != HOR_OK)
                continue;
            if (hor_members_find(&told->members, id) == NULL) { /* it has not heard of that yet */
                struct hor_member *added = &told->members.list[told->members.count++];
                *added = *hor_members_named(&told->members, join->name);
                added->id = id;
                added->role = HOR_RAFT_STANDBY;
                snprintf(added->folder, sizeof added->folder, "%s", own->folder);
            }
            snprintf(ret->note, sizeof ret->note,
                     "the recovery files of member %" PRIu64 " are gone: rejoining as member %" PRIu64,
                     before, id);
        } else {
            snprintf(ret->note, sizeof ret->note, "joining the cluster as member %" PRIu64, id);
        }
        return take(told, id, ret, err);
    }
    return HOR_ERR_UNREACHABLE;
}

int hor_cluster_join(const struct hor_cluster_join *join, uint64_t self,
                     struct hor_cluster_joined *ret, struct hor_error *err)
{
    struct hor_journal_identity own = {.member = 0};
    struct told *told = NULL;
    char aside[4096];
    char *meta = hor_path_join(join->directory, HOR_JOURNAL_META_NAME);
    bool must_join = false, known = false;
    int rc = meta != NULL ? hor_journal_identity_read(join->directory, &own, err)
                          : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    *ret = (struct hor_cluster_joined){.self = self, .incarnation = 1};
    if (rc == HOR_ERR_NOT_FOUND)
        rc = HOR_OK;
    if (rc == HOR_OK && own.abandoned) {
        rc = hor_journal_set_aside(join->directory, aside, sizeof aside, err);
        own = (struct hor_journal_identity){.joining = true};
    }
    if (rc != HOR_OK)
        goto out;
    must_join = own.joining;
    if (access(meta, F_OK) == 0 && !must_join) {
        if (own.member != 0)
            ret->self = own.member;
        goto out;
    }
    if (join->http == NULL || join->member_count < 2)
        goto out; /* alone it is the beginning */
    if (own.folder[0] == '\0') { /* before anybody hears of it, it is on the disk */
        hor_uuid(own.folder);
        rc = hor_dir_make(join->directory, 0750, err);
        if (rc == HOR_OK)
            rc = hor_journal_identity_write(join->directory, &own, err);
        if (rc != HOR_OK)
            goto out;
    }
    told = malloc(sizeof *told);
    if (told == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        goto out;
    }
    for (int i = 0; i < TRIES; i++) {
        hor_error_set(err, HOR_ERR_UNREACHABLE,
                      "this member has to join cluster '%s' anew, and no other member answers",
                      join->cluster);
        rc = try_others(join, &own, told, &known, ret, err);
        if (rc == HOR_OK || (!known && !must_join))
            break;
    }
    if (rc != HOR_OK && !known && !must_join)
        rc = HOR_OK; /* all are new: a beginning */
    else if (rc != HOR_OK && known)
        rc = HOR_ERR_STATE;
out:
    free(meta);
    free(told);
    return rc;
}

void hor_cluster_joined_done(struct hor_cluster_joined *joined)
{
    free(joined->members);
    free(joined->owned);
    joined->members = NULL;
    joined->owned = NULL;
}
