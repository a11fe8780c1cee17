/* Messages and snapshots between members. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/cluster/private.h"

/* ---- sending ------------------------------------------------------------------------------- */

struct hor_peer *hor_cluster_peer(const struct hor_cluster *cluster, uint64_t id)
{
    for (unsigned i = 0; i < cluster->peer_count; i++)
        if (cluster->peers[i].id == id)
            return (struct hor_peer *)&cluster->peers[i];
    return NULL;
}

struct hor_peer *hor_cluster_add_peer(struct hor_cluster *cluster, uint64_t id)
{
    struct hor_peer *peer = hor_cluster_peer(cluster, id);
    if (peer != NULL) {
        peer->leaves = false;
        return peer;
    }
    if (cluster->peer_count == HOR_CLUSTER_PEERS)
        return NULL; /* some leave in a moment, and the next list of members brings it again */
    peer = &cluster->peers[cluster->peer_count++];
    *peer = (struct hor_peer){.id = id, .snapshot_fd = -1};
    return peer;
}

static void send_outbox(struct hor_cluster *cluster, struct hor_peer *peer)
{
    if (peer->outbox.len == 0)
        return;
    hor_exchange_close(&peer->outbox);
    if (!peer->outbox.failed && cluster->ops->send != NULL && !cluster->failed)
        cluster->ops->send(peer->id, peer->outbox.data, peer->outbox.len, cluster->ctx);
    if (peer->outbox.cap > HOR_CLUSTER_EXCHANGE_BYTES)
        hor_buf_done(&peer->outbox), peer->outbox = HOR_BUF_INIT;
    hor_buf_clear(&peer->outbox);
}

void hor_cluster_flush(struct hor_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->peer_count; i++)
        send_outbox(cluster, &cluster->peers[i]);
}

/* The exchange that the peer's next message goes into. */
static struct hor_buf *outbox(struct hor_cluster *cluster, struct hor_peer *peer)
{
    if (peer->outbox.len > HOR_CLUSTER_EXCHANGE_BYTES)
        send_outbox(cluster, peer);
    if (peer->outbox.len == 0) {
        struct hor_exchange_head head = {.incarnation = cluster->incarnation,
                                         .from = cluster->self, .to = peer->id,
                                         .sent_at = (uint64_t)hor_cluster_now(),
                                         .echo = peer->heard};
        snprintf(head.cluster, sizeof head.cluster, "%s", cluster->name);
        snprintf(head.folder, sizeof head.folder, "%s",
                 hor_journal_get_identity(cluster->journal)->folder);
        hor_exchange_open(&head, &peer->outbox);
    }
    return &peer->outbox;
}

/* Entries as one or several messages of bounded size, each a good one by itself. */
struct packing {
    struct hor_cluster *cluster;
    struct hor_peer *peer;
    struct hor_raft_message message;
    struct hor_buf *out;
    size_t started_at;
    uint64_t next;
};

static bool pack(const struct hor_journal_entry *entry, void *ctx)
{
    struct packing *p = ctx;
    if (p->out->len - p->started_at > HOR_CLUSTER_EXCHANGE_BYTES) {
        hor_exchange_message_close(p->out);
        p->out = outbox(p->cluster, p->peer);
        p->started_at = p->out->len;
        hor_exchange_message_open(&p->message, false, 0, 0, p->out);
    }
    hor_exchange_entry(entry, p->out);
    p->message.prev_index = entry->index; /* should another message follow */
    p->message.prev_term = entry->term;
    p->next = entry->index + 1;
    return true;
}

static void send_entries(struct hor_cluster *cluster, struct hor_peer *peer,
                         const struct hor_raft_message *message)
{
    struct packing p = {.cluster = cluster, .peer = peer, .message = *message,
                        .next = message->prev_index + 1};
    uint64_t end = p.next + message->entry_count;
    p.out = outbox(cluster, peer);
    p.started_at = p.out->len;
    hor_exchange_message_open(message, false, 0, 0, p.out);
    if (p.next < end && hor_tail_get(&cluster->tail, p.next) == NULL) {
        uint64_t until = cluster->tail.count > 0 && cluster->tail.first <= end
                             ? cluster->tail.first - 1
                             : end - 1;
        /* Should it fail, fewer entries go out: the peer says so, and they are sent again. */
        hor_journal_read(cluster->journal, p.next, until, pack, &p, NULL);
    }
    while (p.next < end) {
        const struct hor_tail_entry *kept = hor_tail_get(&cluster->tail, p.next);
        if (kept == NULL)
            break;
        pack(&kept->entry, &p);
    }
    hor_exchange_message_close(p.out);
}

/* ---- a snapshot, part by part: the next one goes when the receiver asks for it -------------- */

void hor_peer_done(struct hor_peer *peer)
{
    if (peer->snapshot_fd >= 0)
        close(peer->snapshot_fd);
    peer->snapshot_fd = -1;
    hor_buf_done(&peer->outbox);
}

static void stop_snapshot(struct hor_peer *peer)
{
    if (peer->snapshot_fd >= 0)
        close(peer->snapshot_fd);
    peer->snapshot_fd = -1;
}

static void send_part(struct hor_cluster *cluster, struct hor_peer *peer)
{
    size_t len = HOR_CLUSTER_PART_BYTES;
    char *part;
    ssize_t n;
    if (len > peer->size - peer->offset)
        len = (size_t)(peer->size - peer->offset);
    part = malloc(len + 1);
    if (part == NULL)
        return; /* asked again later */
    do
        n = pread(peer->snapshot_fd, part, len, (off_t)peer->offset);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)len && len > 0) {
        struct hor_buf *out = outbox(cluster, peer);
        peer->snapshot.term = hor_raft_term(cluster->raft);
        hor_exchange_message_open(&peer->snapshot, false, peer->offset, peer->size, out);
        hor_exchange_data(part, len, out);
        hor_exchange_message_close(out);
        peer->sent_ms = hor_cluster_now();
    } else {
        stop_snapshot(peer);
    }
    free(part);
}

static void send_snapshot(struct hor_cluster *cluster, struct hor_peer *peer,
                          const struct hor_raft_message *message)
{
    char path[4096];
    struct stat status;
    /* An older one that is still asked for goes on: begun anew with each new snapshot it might never
     * end. */
    if (peer->snapshot_fd >= 0 && ((peer->snapshot.last_index == message->last_index &&
                                    peer->snapshot.last_term == message->last_term) ||
                                   hor_cluster_now() - peer->sent_ms < 2 * HOR_CLUSTER_PART_WAIT_MS))
        return; /* under way */
    stop_snapshot(peer);
    if (hor_journal_snapshot_path(cluster->journal, message->last_index, message->last_term, path,
                                  sizeof path) != HOR_OK)
        return;
    peer->snapshot_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (peer->snapshot_fd < 0 || fstat(peer->snapshot_fd, &status) != 0 || status.st_size <= 0) {
        stop_snapshot(peer); /* consensus asks again */
        return;
    }
    peer->snapshot = *message;
    peer->size = (uint64_t)status.st_size;
    peer->offset = 0;
    send_part(cluster, peer);
}

void hor_cluster_resend_parts(struct hor_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->peer_count; i++) {
        struct hor_peer *peer = &cluster->peers[i];
        if (peer->snapshot_fd < 0)
            continue;
        if (!cluster->raft_leader)
            stop_snapshot(peer);
        else if (hor_cluster_now() - peer->sent_ms > HOR_CLUSTER_PART_WAIT_MS)
            send_part(cluster, peer);
    }
}

/* The receiver wants the part at `offset`, or has all of it. */
static void part_wanted(struct hor_cluster *cluster, const struct hor_exchange_message *message)
{
    struct hor_peer *peer = hor_cluster_peer(cluster, message->raft.peer);
    if (peer == NULL || peer->snapshot_fd < 0 || !cluster->raft_leader ||
        peer->snapshot.last_index != message->raft.last_index ||
        peer->snapshot.last_term != message->raft.last_term)
        return;
    if (message->offset >= peer->size) {
        stop_snapshot(peer);
        return;
    }
    peer->offset = message->offset;
    send_part(cluster, peer);
}

void hor_cluster_send(const struct hor_raft_message *message, void *ctx)
{
    struct hor_cluster *cluster = ctx;
    struct hor_peer *peer = hor_cluster_peer(cluster, message->peer);
    if (peer == NULL || cluster->failed)
        return;
    if (message->kind == HOR_RAFT_INSTALL_SNAPSHOT) {
        send_snapshot(cluster, peer, message);
    } else if (message->kind == HOR_RAFT_APPEND_ENTRIES) {
        send_entries(cluster, peer, message);
    } else {
        struct hor_buf *out = outbox(cluster, peer);
        hor_exchange_message_open(message, false, 0, 0, out);
        hor_exchange_message_close(out);
    }
}

/* ---- receiving ----------------------------------------------------------------------------- */

bool hor_cluster_is_fresh(const struct hor_cluster *cluster)
{
    return hor_raft_last_index(cluster->raft) <= 1 && hor_raft_term(cluster->raft) <= 1 &&
           cluster->run_id[0] == '\0' && cluster->members.count > 1;
}

void hor_cluster_drop_staging(struct hor_cluster *cluster)
{
    if (cluster->staging_fd >= 0)
        close(cluster->staging_fd);
    cluster->staging_fd = -1;
}

/* Who may not speak for itself any more. Ids are never given twice: one that is not there was removed,
 * and with another folder a member has forgotten whom it voted for. */
static int check_speaker(const struct hor_cluster *cluster, const struct hor_exchange_head *head,
                         struct hor_error *err)
{
    const struct hor_member *from = hor_members_find(&cluster->newest, head->from);
    if (from == NULL && cluster->newest_index > 0 && head->from <= cluster->newest.highest)
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "member %" PRIu64 " was removed from cluster '%s'", head->from,
                             cluster->name);
    if (from != NULL && from->folder[0] != '\0' && strcmp(from->folder, head->folder) != 0)
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "member %" PRIu64 " of cluster '%s' comes with other recovery files than "
                             "before: it has to rejoin under a new id", head->from, cluster->name);
    return HOR_OK;
}

static int check_head(const struct hor_exchange_head *head, void *ctx, struct hor_error *err)
{
    struct hor_cluster *cluster = ctx;
    if (strcmp(head->cluster, cluster->name) != 0)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "an exchange of cluster '%s' came to a member of '%s'", head->cluster,
                             cluster->name);
    if (head->format_version != HOR_JOURNAL_FORMAT_VERSION)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "an exchange of format version %" PRIu64 " (known: %d)",
                             head->format_version, HOR_JOURNAL_FORMAT_VERSION);
    if (head->to == cluster->self && cluster->newest_index > 0 &&
        hor_members_find(&cluster->newest, head->from) == NULL &&
        head->from <= cluster->newest.highest)
        return check_speaker(cluster, head, err);
    if (head->to != cluster->self || hor_cluster_peer(cluster, head->from) == NULL)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "an exchange from member %" PRIu64 " to %" PRIu64
                             " came to member %" PRIu64,
                             head->from, head->to, cluster->self);
    /* First: a stranger is told nothing of the member whose name it takes. */
    if (cluster->speaker != 0 && cluster->speaker != head->from)
        return hor_error_set(err, HOR_ERR_DENIED,
                             "member %" PRIu64 " cannot speak for member %" PRIu64,
                             cluster->speaker, head->from);
    int rc = check_speaker(cluster, head, err);
    if (rc != HOR_OK)
        return rc;
    if (head->incarnation > cluster->incarnation && hor_cluster_is_fresh(cluster)) {
        rc = hor_journal_save_incarnation(cluster->journal, head->incarnation, err);
        if (rc != HOR_OK)
            return rc;
        cluster->incarnation = head->incarnation;
        hor_raft_set_incarnation(cluster->raft, head->incarnation);
    }
    if (head->incarnation != cluster->incarnation)
        return hor_error_set(err, HOR_ERR_CONFLICT,
                             "member %" PRIu64 " belongs to incarnation %" PRIu64
                             " of the cluster, this member to %" PRIu64
                             ": the older one must rejoin with an empty folder",
                             head->from, head->incarnation, cluster->incarnation);
    struct hor_peer *peer = hor_cluster_peer(cluster, head->from);
    peer->heard = head->sent_at;
    snprintf(peer->folder, sizeof peer->folder, "%s", head->folder);
    cluster->echo = head->echo;
    return HOR_OK;
}

static void ask_part(struct hor_cluster *cluster, uint64_t peer_id)
{
    struct hor_peer *peer = hor_cluster_peer(cluster, peer_id);
    struct hor_raft_message message = {.term = hor_raft_term(cluster->raft),
                                       .last_index = cluster->staging_index,
                                       .last_term = cluster->staging_term};
    struct hor_buf *out = outbox(cluster, peer);
    hor_exchange_message_open(&message, true, cluster->staging_offset, cluster->staging_size, out);
    hor_exchange_message_close(out);
}

/* All parts are there: look at the file, then let consensus decide. */
static int snapshot_complete(struct hor_cluster *cluster, const struct hor_raft_message *from,
                             const char *path, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_journal_snapshot file;
    struct hor_raft_message message = *from;
    int rc = hor_journal_snapshot_read(path, cluster->name, &text, &file, err);
    if (rc == HOR_OK && (file.index != from->last_index || file.term != from->last_term))
        rc = hor_error_set(err, HOR_ERR_INVALID, "%s: another snapshot than announced", path);
    if (rc == HOR_OK)
        rc = hor_members_read_raft(file.configuration, file.configuration_len,
                                   &message.configuration, err);
    if (rc == HOR_OK) {
        message.configuration_index = file.configuration_index;
        snprintf(cluster->staged, sizeof cluster->staged, "%s", path);
        rc = hor_raft_receive(cluster->raft, hor_cluster_now(), cluster->incarnation, &message,
                              err);
    }
    hor_buf_done(&text);
    if (cluster->installing.index == 0) {
        unlink(path); /* not wanted, or not whole */
        cluster->staged[0] = '\0';
    }
    return rc;
}

static int take_part(struct hor_cluster *cluster, const struct hor_exchange_message *message,
                     struct hor_error *err)
{
    const struct hor_raft_message *m = &message->raft;
    char path[4096];
    int rc = hor_journal_staging_path(cluster->journal, m->last_index, m->last_term, path,
                                      sizeof path);
    if (rc != HOR_OK || m->last_index == 0 || m->last_term == 0 || message->size == 0 ||
        message->size > HOR_JOURNAL_SNAPSHOT_MAX || message->offset > message->size ||
        message->data.len > message->size - message->offset)
        return hor_error_set(err, HOR_ERR_INVALID, "a part of a snapshot that cannot be");
    if (m->term < hor_raft_term(cluster->raft) || cluster->installing.index != 0)
        return HOR_OK; /* of an old leader, or one is being installed */
    if (message->offset == 0 || cluster->staging_fd < 0 || cluster->staging_index != m->last_index ||
        cluster->staging_term != m->last_term || cluster->staging_size != message->size) {
        hor_cluster_drop_staging(cluster);
        cluster->staging_index = m->last_index;
        cluster->staging_term = m->last_term;
        cluster->staging_size = message->size;
        cluster->staging_offset = 0;
        cluster->staging_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        if (cluster->staging_fd < 0)
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", path);
    }
    if (message->offset == cluster->staging_offset) {
        rc = hor_fd_write_all(cluster->staging_fd, hor_buf_text(&message->data), message->data.len,
                              err);
        if (rc != HOR_OK) {
            hor_cluster_drop_staging(cluster); /* no room: the leader tries again */
            unlink(path);
            return hor_error_prefix(err, "%s", path);
        }
        cluster->staging_offset += message->data.len;
    }
    ask_part(cluster, m->peer);
    if (cluster->staging_offset < cluster->staging_size)
        return HOR_OK;
    hor_cluster_drop_staging(cluster);
    return snapshot_complete(cluster, m, path, err);
}

static int take_entries(struct hor_cluster *cluster, struct hor_exchange_message *message,
                        struct hor_error *err)
{
    struct hor_raft_message m = message->raft;
    size_t count = message->entry_count;
    struct hor_tail_entry *kept = calloc(count + 1, sizeof *kept);
    struct hor_tail_entry **incoming = calloc(count + 1, sizeof *incoming);
    struct hor_raft_entry *entries = calloc(count + 1, sizeof *entries);
    struct hor_raft_configuration *changes = NULL;
    size_t change_count = 0;
    int rc = HOR_OK;
    if (kept == NULL || incoming == NULL || entries == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        change_count += hor_journal_kind_of(message->entries[i].entry.xml,
                                            message->entries[i].entry.len) ==
                        HOR_JOURNAL_CONFIGURATION;
    if (change_count > 0 && (changes = calloc(change_count, sizeof *changes)) == NULL) {
        rc = hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
        goto out;
    }
    change_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct hor_exchange_entry *from = &message->entries[i];
        entries[i].term = from->entry.term;
        switch (hor_journal_kind_of(from->entry.xml, from->entry.len)) {
        case HOR_JOURNAL_EVENT:
            entries[i].kind = HOR_RAFT_COMMAND;
            break;
        case HOR_JOURNAL_BARRIER:
            entries[i].kind = HOR_RAFT_BARRIER;
            break;
        case HOR_JOURNAL_CONFIGURATION:
            entries[i].kind = HOR_RAFT_CHANGE;
            entries[i].configuration = &changes[change_count];
            rc = hor_members_read_raft(from->entry.xml, from->entry.len, &changes[change_count++],
                                       err);
            if (rc != HOR_OK)
                goto out;
            break;
        }
    }
    for (size_t i = 0; i < count; i++) {
        kept[i] = (struct hor_tail_entry){.entry = message->entries[i].entry,
                                          .xml = message->entries[i].xml};
        message->entries[i].xml = NULL;
        incoming[i] = &kept[i];
    }
    m.entries = entries;
    m.entry_count = (unsigned)count;
    cluster->incoming = incoming;
    cluster->incoming_count = count;
    rc = hor_raft_receive(cluster->raft, hor_cluster_now(), cluster->incarnation, &m, err);
    cluster->incoming = NULL;
    cluster->incoming_count = 0;
out:
    for (size_t i = 0; kept != NULL && i < count; i++)
        hor_tail_entry_done(&kept[i]);
    free(kept);
    free(incoming);
    free(entries);
    free(changes);
    return rc;
}

/* A result of the present term was made after the sender had heard what it echoes. So at that time,
 * by our own clock, it had not yet voted for a later leader: however long this message, or this
 * process, was held up since. */
static void note_follower(struct hor_cluster *cluster, const struct hor_raft_message *m)
{
    struct hor_peer *peer = hor_cluster_peer(cluster, m->peer);
    if (peer != NULL && cluster->raft_leader && m->term == hor_raft_term(cluster->raft) &&
        cluster->echo > peer->followed_ms && cluster->echo <= (uint64_t)hor_cluster_now())
        peer->followed_ms = cluster->echo;
}

int64_t hor_cluster_majority_ms(const struct hor_cluster *cluster)
{
    struct hor_raft_configuration now;
    uint64_t latest = (uint64_t)hor_cluster_now(), followed[HOR_RAFT_MEMBERS_MAX];
    unsigned voters = 0, count = 0, needed;
    if (!cluster->raft_leader)
        return 0;
    hor_raft_get_configuration(cluster->raft, &now);
    for (unsigned i = 0; i < now.count; i++) {
        const struct hor_peer *peer = hor_cluster_peer(cluster, now.members[i].id);
        if (now.members[i].role != HOR_RAFT_VOTER)
            continue;
        voters++;
        if (now.members[i].id != cluster->self)
            followed[count++] = peer != NULL ? peer->followed_ms : 0;
    }
    needed = voters / 2; /* and this member */
    /* The time that `needed` others reach: one after the other, from the newest down. */
    for (unsigned n = 0; n < needed; n++) {
        uint64_t best = 0;
        unsigned reached = 0;
        for (unsigned i = 0; i < count; i++) {
            reached += followed[i] >= latest;
            if (followed[i] < latest && followed[i] > best)
                best = followed[i];
        }
        if (reached >= needed)
            break;
        latest = best;
    }
    return (int64_t)latest;
}

static int take_message(struct hor_exchange_message *message, void *ctx, struct hor_error *err)
{
    struct hor_cluster *cluster = ctx;
    struct hor_error why;
    int rc;
    if (cluster->failed)
        return hor_error_set(err, HOR_ERR_STATE, "the cluster has stopped after an error");
    if (message->part_wanted) {
        part_wanted(cluster, message);
        return HOR_OK;
    }
    if (message->raft.kind == HOR_RAFT_APPEND_ENTRIES_RESULT)
        note_follower(cluster, &message->raft);
    if (message->raft.kind == HOR_RAFT_INSTALL_SNAPSHOT)
        rc = take_part(cluster, message, &why);
    else if (message->raft.kind == HOR_RAFT_APPEND_ENTRIES)
        rc = take_entries(cluster, message, &why);
    else
        rc = hor_raft_receive(cluster->raft, hor_cluster_now(), cluster->incarnation,
                              &message->raft, &why);
    if (rc == HOR_ERR_INTERNAL)
        hor_cluster_fail(cluster, &why);
    if (rc != HOR_OK && err != NULL)
        *err = why;
    return rc;
}

int hor_cluster_receive(struct hor_cluster *cluster, const char *exchange, size_t len,
                        struct hor_error *err)
{
    return hor_cluster_receive_from(cluster, 0, exchange, len, err);
}

int hor_cluster_receive_from(struct hor_cluster *cluster, uint64_t member, const char *exchange,
                             size_t len, struct hor_error *err)
{
    int rc;
    if (cluster->closing || cluster->failed)
        return hor_error_set(err, HOR_ERR_STATE, "the cluster has stopped");
    cluster->speaker = member;
    rc = hor_exchange_read(exchange, len, check_head, take_message, cluster, err);
    hor_cluster_settle(cluster);
    return rc;
}

struct delivery {
    struct hor_cluster *cluster;
    size_t len;
    char text[];
};

static void deliver(void *ctx)
{
    struct delivery *delivery = ctx;
    if (!delivery->cluster->closing && !delivery->cluster->failed)
        hor_cluster_receive(delivery->cluster, delivery->text, delivery->len, NULL);
    hor_cluster_unref(delivery->cluster);
    free(delivery);
}

int hor_cluster_deliver(struct hor_cluster *cluster, const char *exchange, size_t len,
                        struct hor_error *err)
{
    struct delivery *delivery;
    if (len > HOR_EXCHANGE_BYTES_MAX)
        return hor_error_set(err, HOR_ERR_LIMIT, "an exchange of more than %d bytes",
                             HOR_EXCHANGE_BYTES_MAX);
    delivery = malloc(sizeof *delivery + len);
    if (delivery == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    delivery->cluster = cluster;
    delivery->len = len;
    memcpy(delivery->text, exchange, len);
    atomic_fetch_add(&cluster->references, 1);
    if (hor_loop_post(cluster->loop, deliver, delivery) != HOR_OK) {
        hor_cluster_unref(cluster);
        free(delivery);
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    }
    return HOR_OK;
}
