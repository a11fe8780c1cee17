#include <stdio.h>
#include <string.h>

#include "lib/raft/convert.h"

static int role_out(enum hor_raft_role role)
{
    return role == HOR_RAFT_VOTER ? RAFT_VOTER : role == HOR_RAFT_STANDBY ? RAFT_STANDBY
                                                                          : RAFT_SPARE;
}

static enum hor_raft_role role_in(int role)
{
    return role == RAFT_VOTER ? HOR_RAFT_VOTER : role == RAFT_STANDBY ? HOR_RAFT_STANDBY
                                                                      : HOR_RAFT_SPARE;
}

int hor_raft_member_role(const struct hor_raft_configuration *configuration, uint64_t id)
{
    for (unsigned i = 0; i < configuration->count; i++)
        if (configuration->members[i].id == id)
            return (int)configuration->members[i].role;
    return -1;
}

int hor_raft_configuration_out(const struct hor_raft_configuration *from,
                               struct raft_configuration *ret, struct hor_error *err)
{
    raft_configuration_init(ret);
    if (from->count > HOR_RAFT_MEMBERS_MAX)
        return hor_error_set(err, HOR_ERR_LIMIT, "more than %d members", HOR_RAFT_MEMBERS_MAX);
    for (unsigned i = 0; i < from->count; i++) {
        char address[HOR_RAFT_SERVER_BYTES];
        int rv;
        if (from->members[i].id == 0) {
            raft_configuration_close(ret);
            return hor_error_set(err, HOR_ERR_INVALID, "a member with id 0");
        }
        snprintf(address, sizeof address, "%llu", (unsigned long long)from->members[i].id);
        rv = raft_configuration_add(ret, from->members[i].id, address,
                                    role_out(from->members[i].role));
        if (rv != 0) {
            raft_configuration_close(ret);
            return hor_error_set(err, rv == RAFT_NOMEM ? HOR_ERR_MEMORY : HOR_ERR_INVALID,
                                 "member %s: %s", address, raft_strerror(rv));
        }
    }
    return HOR_OK;
}

void hor_raft_configuration_in(const struct raft_configuration *from,
                               struct hor_raft_configuration *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < from->n && i < HOR_RAFT_MEMBERS_MAX; i++) {
        ret->members[i].id = from->servers[i].id;
        ret->members[i].role = role_in(from->servers[i].role);
        ret->count++;
    }
}

int hor_raft_metadata_out(const struct hor_raft_snapshot *from, struct raft_snapshot_metadata *ret,
                          struct hor_error *err)
{
    memset(ret, 0, sizeof *ret);
    ret->index = from->index;
    ret->term = from->term;
    ret->configuration_index = from->configuration_index;
    return hor_raft_configuration_out(&from->configuration, &ret->configuration, err);
}

int hor_raft_entries_out(const struct hor_raft_entry *from, unsigned count,
                         struct raft_entry **ret, struct hor_error *err)
{
    struct raft_buffer *encoded = NULL;
    struct raft_entry *entries = raft_calloc(count, sizeof *entries);
    size_t bytes = 8, at = 8; /* never empty: the library frees it by its address */
    unsigned char *batch = NULL;
    unsigned changes = 0, n = 0;
    int rc = HOR_OK;

    for (unsigned i = 0; i < count; i++)
        changes += from[i].kind == HOR_RAFT_CHANGE;
    if (changes > 0)
        encoded = raft_calloc(changes, sizeof *encoded);
    if (entries == NULL || (changes > 0 && encoded == NULL))
        goto memory;
    for (unsigned i = 0; i < count; i++) {
        struct raft_configuration conf;
        int rv;
        if (from[i].kind != HOR_RAFT_CHANGE)
            continue;
        if (from[i].configuration == NULL) {
            rc = hor_error_set(err, HOR_ERR_INVALID, "a change of members names none");
            goto out;
        }
        rc = hor_raft_configuration_out(from[i].configuration, &conf, err);
        if (rc != HOR_OK)
            goto out;
        rv = raft_configuration_encode(&conf, &encoded[n]);
        raft_configuration_close(&conf);
        if (rv != 0)
            goto memory;
        bytes += encoded[n++].len;
    }
    batch = raft_malloc(bytes);
    if (batch == NULL)
        goto memory;
    memset(batch, 0, 8);
    n = 0;
    for (unsigned i = 0; i < count; i++) {
        struct raft_entry *e = &entries[i];
        e->term = from[i].term;
        e->batch = batch;
        e->buf.base = batch; /* contents of commands and barriers stay with the caller */
        e->buf.len = 8;
        e->type = from[i].kind == HOR_RAFT_COMMAND   ? RAFT_COMMAND
                  : from[i].kind == HOR_RAFT_BARRIER ? RAFT_BARRIER
                                                     : RAFT_CHANGE;
        if (e->type == RAFT_CHANGE) {
            memcpy(batch + at, encoded[n].base, encoded[n].len);
            e->buf.base = batch + at;
            e->buf.len = encoded[n].len;
            at += encoded[n++].len;
        }
    }
    *ret = entries;
    entries = NULL;
    goto out;
memory:
    rc = hor_error_set(err, HOR_ERR_MEMORY, "consensus: out of memory");
out:
    for (unsigned i = 0; encoded != NULL && i < changes; i++)
        raft_free(encoded[i].base);
    raft_free(encoded);
    raft_free(entries);
    return rc;
}

void hor_raft_entries_free(struct raft_entry *entries)
{
    if (entries == NULL)
        return;
    raft_free(entries[0].batch);
    raft_free(entries);
}

int hor_raft_message_out(const struct raft_message *from, struct hor_raft_message *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->peer = from->server_id;
    switch (from->type) {
    case RAFT_REQUEST_VOTE:
        ret->kind = HOR_RAFT_REQUEST_VOTE;
        ret->version = from->request_vote.version;
        ret->term = from->request_vote.term;
        ret->candidate = from->request_vote.candidate_id;
        ret->last_index = from->request_vote.last_log_index;
        ret->last_term = from->request_vote.last_log_term;
        ret->disrupt = from->request_vote.disrupt_leader;
        ret->pre_vote = from->request_vote.pre_vote;
        return HOR_OK;
    case RAFT_REQUEST_VOTE_RESULT:
        ret->kind = HOR_RAFT_REQUEST_VOTE_RESULT;
        ret->version = from->request_vote_result.version;
        ret->term = from->request_vote_result.term;
        ret->granted = from->request_vote_result.vote_granted;
        ret->pre_vote = from->request_vote_result.pre_vote;
        ret->features = from->request_vote_result.features;
        ret->capacity = from->request_vote_result.capacity;
        return HOR_OK;
    case RAFT_APPEND_ENTRIES:
        ret->kind = HOR_RAFT_APPEND_ENTRIES;
        ret->version = from->append_entries.version;
        ret->term = from->append_entries.term;
        ret->prev_index = from->append_entries.prev_log_index;
        ret->prev_term = from->append_entries.prev_log_term;
        ret->commit = from->append_entries.leader_commit;
        ret->entry_count = from->append_entries.n_entries;
        return HOR_OK;
    case RAFT_APPEND_ENTRIES_RESULT:
        ret->kind = HOR_RAFT_APPEND_ENTRIES_RESULT;
        ret->version = from->append_entries_result.version;
        ret->term = from->append_entries_result.term;
        ret->rejected = from->append_entries_result.rejected;
        ret->last_index = from->append_entries_result.last_log_index;
        ret->features = from->append_entries_result.features;
        ret->capacity = from->append_entries_result.capacity;
        return HOR_OK;
    case RAFT_INSTALL_SNAPSHOT:
        ret->kind = HOR_RAFT_INSTALL_SNAPSHOT;
        ret->version = from->install_snapshot.version;
        ret->term = from->install_snapshot.term;
        ret->last_index = from->install_snapshot.last_index;
        ret->last_term = from->install_snapshot.last_term;
        ret->configuration_index = from->install_snapshot.conf_index;
        return HOR_OK;
    case RAFT_TIMEOUT_NOW:
        ret->kind = HOR_RAFT_TIMEOUT_NOW;
        ret->version = from->timeout_now.version;
        ret->term = from->timeout_now.term;
        ret->last_index = from->timeout_now.last_log_index;
        ret->last_term = from->timeout_now.last_log_term;
        return HOR_OK;
    }
    return HOR_ERR_INVALID;
}

int hor_raft_message_in(const struct hor_raft_message *from, struct raft_message *ret,
                        struct hor_error *err)
{
    memset(ret, 0, sizeof *ret);
    ret->server_id = from->peer;
    switch (from->kind) {
    case HOR_RAFT_REQUEST_VOTE:
        ret->type = RAFT_REQUEST_VOTE;
        ret->request_vote.version = (unsigned char)from->version;
        ret->request_vote.term = from->term;
        ret->request_vote.candidate_id = from->candidate;
        ret->request_vote.last_log_index = from->last_index;
        ret->request_vote.last_log_term = from->last_term;
        ret->request_vote.disrupt_leader = from->disrupt;
        ret->request_vote.pre_vote = from->pre_vote;
        return HOR_OK;
    case HOR_RAFT_REQUEST_VOTE_RESULT:
        ret->type = RAFT_REQUEST_VOTE_RESULT;
        ret->request_vote_result.version = (unsigned char)from->version;
        ret->request_vote_result.term = from->term;
        ret->request_vote_result.vote_granted = from->granted;
        ret->request_vote_result.pre_vote = from->pre_vote;
        ret->request_vote_result.features = (unsigned short)from->features;
        ret->request_vote_result.capacity = (unsigned short)from->capacity;
        return HOR_OK;
    case HOR_RAFT_APPEND_ENTRIES:
        ret->type = RAFT_APPEND_ENTRIES;
        ret->append_entries.version = (unsigned char)from->version;
        ret->append_entries.term = from->term;
        ret->append_entries.prev_log_index = from->prev_index;
        ret->append_entries.prev_log_term = from->prev_term;
        ret->append_entries.leader_commit = from->commit;
        ret->append_entries.n_entries = from->entry_count;
        if (from->entry_count == 0)
            return HOR_OK;
        return hor_raft_entries_out(from->entries, from->entry_count,
                                    &ret->append_entries.entries, err);
    case HOR_RAFT_APPEND_ENTRIES_RESULT:
        ret->type = RAFT_APPEND_ENTRIES_RESULT;
        ret->append_entries_result.version = (unsigned char)from->version;
        ret->append_entries_result.term = from->term;
        ret->append_entries_result.rejected = from->rejected;
        ret->append_entries_result.last_log_index = from->last_index;
        ret->append_entries_result.features = (unsigned short)from->features;
        ret->append_entries_result.capacity = (unsigned short)from->capacity;
        return HOR_OK;
    case HOR_RAFT_INSTALL_SNAPSHOT:
        ret->type = RAFT_INSTALL_SNAPSHOT;
        ret->install_snapshot.version = (unsigned char)from->version;
        ret->install_snapshot.term = from->term;
        ret->install_snapshot.last_index = from->last_index;
        ret->install_snapshot.last_term = from->last_term;
        ret->install_snapshot.conf_index = from->configuration_index;
        return hor_raft_configuration_out(&from->configuration, &ret->install_snapshot.conf, err);
    case HOR_RAFT_TIMEOUT_NOW:
        ret->type = RAFT_TIMEOUT_NOW;
        ret->timeout_now.version = (unsigned char)from->version;
        ret->timeout_now.term = from->term;
        ret->timeout_now.last_log_index = from->last_index;
        ret->timeout_now.last_log_term = from->last_term;
        return HOR_OK;
    }
    return hor_error_set(err, HOR_ERR_INVALID, "a message of an unknown kind");
}
