/* lib/journal's interface on a virtual disk: what was not synced when the agent crashes is lost, but
 * for a random beginning of it. */
#include "lib/base/str.h"
#include "tests/simulation/agent/sim.h"

struct write {
    uint64_t index, epoch;
    size_t count; /* entries; 0: a snapshot */
    struct blob **entries;
    struct hor_journal_snapshot snapshot;
    struct write *next;
};

struct hor_journal {
    struct hor_loop *host;
    struct blob **entries; /* [1..count], as queued */
    uint64_t count, synced, epoch, commit;
    struct write *writes, **last;
    int64_t written_ms;
    struct hor_journal_done done;
    void (*notify)(void *ctx);
    void *ctx;
};

void sim_blob_unref(struct blob *blob)
{
    if (blob != NULL && --blob->refs == 0)
        free(blob);
}

static struct blob *ref(struct blob *blob)
{
    blob->refs++;
    return blob;
}

static struct blob *blob_of(const struct hor_journal_entry *entry)
{
    struct blob *blob = malloc(sizeof *blob + entry->len + 1);
    *blob = (struct blob){.refs = 1, .term = entry->term, .at_us = entry->at_us, .len = entry->len};
    memcpy(blob->xml, entry->xml, entry->len);
    blob->xml[entry->len] = '\0';
    return blob;
}

static void cut(struct blob **entries, uint64_t *count, uint64_t to)
{
    while (*count > to)
        sim_blob_unref(entries[(*count)--]);
}

static void snapshot_free(struct hor_journal_snapshot *snapshot)
{
    free((char *)snapshot->configuration);
    free((char *)snapshot->state);
    memset(snapshot, 0, sizeof *snapshot);
}

void sim_disk_done(struct disk *disk)
{
    cut(disk->entries, &disk->count, 0);
    snapshot_free(&disk->snapshot);
    free(disk->entries);
}

static void to_disk(struct hor_journal *journal, struct write *write)
{
    struct disk *disk = &journal->host->disk;
    if (write->count == 0) {
        snapshot_free(&disk->snapshot);
        disk->snapshot = write->snapshot;
        memset(&write->snapshot, 0, sizeof write->snapshot);
        return;
    }
    cut(disk->entries, &disk->count, write->index - 1);
    for (size_t i = 0; i < write->count; i++)
        disk->entries[++disk->count] = ref(write->entries[i]);
}

static void write_free(struct write *write, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sim_blob_unref(write->entries[i]);
    free(write->entries);
    snapshot_free(&write->snapshot);
    free(write);
}

static struct write *pop(struct hor_journal *journal)
{
    struct write *write = journal->writes;
    journal->writes = write->next;
    if (journal->writes == NULL)
        journal->last = &journal->writes;
    return write;
}

static void on_written(void *ctx, void *arg)
{
    struct hor_loop *host = ctx;
    struct hor_journal *journal = host->journal;
    if (host->life != (uintptr_t)arg || journal == NULL || journal->writes == NULL)
        return;
    struct write *write = pop(journal);
    to_disk(journal, write);
    while (journal->synced < journal->count && journal->synced < host->disk.count &&
           journal->entries[journal->synced + 1] == host->disk.entries[journal->synced + 1])
        journal->synced++;
    if (journal->commit > host->disk.state.commit)
        host->disk.state.commit = journal->commit < journal->synced ? journal->commit
                                                                    : journal->synced;
    if (write->count == 0) {
        journal->done.snapshot_taken = true;
        journal->done.snapshot_index = host->disk.snapshot.index;
        journal->done.snapshot_code = HOR_OK;
    } else if (write->epoch == journal->epoch) {
        journal->done.persisted = write->index + write->count - 1;
        journal->done.epoch = write->epoch;
    }
    write_free(write, write->count);
    sim_enter(host);
    journal->notify(journal->ctx); /* a post: comes after a pause */
}

static void queue(struct hor_journal *journal, struct write *write)
{
    int64_t at_ms = sim->world.now_ms + 1 + (int64_t)world_random(&sim->world, 4);
    if (sim->chaos && world_chance(&sim->world, 3))
        at_ms += (int64_t)world_random(&sim->world, 400);
    if (at_ms < journal->written_ms)
        at_ms = journal->written_ms;
    journal->written_ms = at_ms;
    *journal->last = write;
    journal->last = &write->next;
    world_at(&sim->world, at_ms, on_written, NULL, journal->host,
             (void *)(uintptr_t)journal->host->life);
}

/* ---- lib/journal/journal.h ---- */

int hor_journal_open(const struct hor_journal_settings *settings, struct hor_journal **ret,
                     struct hor_error *err)
{
    struct hor_loop *host = sim->current;
    struct hor_journal *journal = calloc(1, sizeof *journal);
    (void)settings;
    (void)err;
    journal->host = host;
    journal->entries = calloc(JOURNAL_MAX, sizeof *journal->entries);
    journal->last = &journal->writes;
    for (uint64_t i = 1; i <= host->disk.count; i++)
        journal->entries[++journal->count] = ref(host->disk.entries[i]);
    journal->synced = journal->count;
    journal->commit = host->disk.state.commit;
    host->journal = journal;
    *ret = journal;
    return HOR_OK;
}

void hor_journal_close(struct hor_journal *journal)
{
    if (journal == NULL)
        return;
    unsigned survive = sim->crashing ? (unsigned)world_random(&sim->world, 4) : UINT32_MAX;
    while (journal->writes != NULL) {
        struct write *write = pop(journal);
        size_t count = write->count;
        if (survive > 0) {
            survive--;
            if (sim->crashing && count > 1 && world_chance(&sim->world, 30)) {
                write->count = 1 + world_random(&sim->world, count);
                survive = 0; /* torn, and nothing after it */
            }
            to_disk(journal, write);
        }
        write_free(write, count);
    }
    if (journal->host->journal == journal)
        journal->host->journal = NULL;
    cut(journal->entries, &journal->count, 0);
    free(journal->entries);
    free(journal);
}

bool hor_journal_is_new(const struct hor_journal *journal) { return journal->host->disk.count == 0; }

/* Disks are not lost here: who a folder belongs to is never in doubt. */
const struct hor_journal_identity *hor_journal_get_identity(const struct hor_journal *journal)
{
    static const struct hor_journal_identity nobody = {.member = 0};
    (void)journal;
    return &nobody;
}

int hor_journal_save_identity(struct hor_journal *journal,
                              const struct hor_journal_identity *identity, struct hor_error *err)
{
    (void)journal;
    (void)identity;
    (void)err;
    return HOR_OK;
}

int hor_journal_begin(struct hor_journal *journal, uint64_t incarnation,
                      const struct hor_journal_entry *first, struct hor_error *err)
{
    struct disk *disk = &journal->host->disk;
    (void)err;
    disk->state = (struct hor_journal_state){.incarnation = incarnation, .term = first->term};
    disk->entries[++disk->count] = blob_of(first);
    journal->entries[++journal->count] = ref(disk->entries[1]);
    journal->synced = 1;
    return HOR_OK;
}

const struct hor_journal_snapshot *hor_journal_get_snapshot(const struct hor_journal *journal)
{
    return &journal->host->disk.snapshot;
}
void hor_journal_drop_snapshot(struct hor_journal *journal) { (void)journal; }

static struct hor_journal_entry entry_of(const struct blob *blob, uint64_t index)
{
    return (struct hor_journal_entry){.index = index, .term = blob->term, .at_us = blob->at_us,
                                      .xml = blob->xml, .len = blob->len};
}

int hor_journal_load(struct hor_journal *journal, hor_journal_entry_fn *each, void *ctx,
                     struct hor_error *err)
{
    for (uint64_t i = 1; i <= journal->count; i++) {
        struct hor_journal_entry entry = entry_of(journal->entries[i], i);
        int rc = each(&entry, ctx, err);
        if (rc != HOR_OK)
            return rc;
    }
    return HOR_OK;
}

int hor_journal_start(struct hor_journal *journal, void (*notify)(void *ctx), void *ctx,
                      struct hor_error *err)
{
    (void)err;
    journal->notify = notify;
    journal->ctx = ctx;
    return HOR_OK;
}

struct hor_journal_state hor_journal_get_state(const struct hor_journal *journal)
{
    return journal->host->disk.state;
}
uint64_t hor_journal_first_index(const struct hor_journal *journal)
{
    (void)journal;
    return 1;
}
uint64_t hor_journal_last_index(const struct hor_journal *journal) { return journal->count; }
uint64_t hor_journal_synced_index(const struct hor_journal *journal) { return journal->synced; }

int hor_journal_save_vote(struct hor_journal *journal, uint64_t term, uint64_t vote,
                          struct hor_error *err)
{
    (void)err;
    journal->host->disk.state.term = term;
    journal->host->disk.state.vote = vote;
    return HOR_OK;
}

int hor_journal_save_incarnation(struct hor_journal *journal, uint64_t incarnation,
                                 struct hor_error *err)
{
    (void)err;
    journal->host->disk.state.incarnation = incarnation;
    return HOR_OK;
}

void hor_journal_note_commit(struct hor_journal *journal, uint64_t index)
{
    journal->commit = index;
    for (uint64_t i = journal->host->verified + 1; i <= index; i++)
        sim_law_committed(journal->host, i, journal->entries[i]);
    journal->host->verified = index;
}

void hor_journal_note_run_id(struct hor_journal *journal, const char *run_id)
{
    snprintf(journal->host->disk.state.run_id, sizeof journal->host->disk.state.run_id, "%s", run_id);
}

int hor_journal_append(struct hor_journal *journal, const struct hor_journal_entry *entries,
                       size_t count, uint64_t epoch, struct hor_error *err)
{
    struct write *write = calloc(1, sizeof *write);
    if (entries[0].index != journal->count + 1 && entries[0].index > journal->count)
        return hor_error_set(err, HOR_ERR_INVALID, "a gap");
    if (entries[0].index + count >= JOURNAL_MAX)
        return hor_error_set(err, HOR_ERR_LIMIT, "the simulated journal is too small");
    cut(journal->entries, &journal->count, entries[0].index - 1);
    if (journal->synced > journal->count)
        journal->synced = journal->count;
    write->entries = calloc(count, sizeof *write->entries);
    for (size_t i = 0; i < count; i++) {
        journal->entries[++journal->count] = blob_of(&entries[i]);
        write->entries[i] = ref(journal->entries[journal->count]);
    }
    write->index = entries[0].index;
    write->count = count;
    write->epoch = journal->epoch = epoch;
    queue(journal, write);
    return HOR_OK;
}

int hor_journal_take_snapshot(struct hor_journal *journal,
                              const struct hor_journal_snapshot *snapshot, struct hor_error *err)
{
    struct write *write = calloc(1, sizeof *write);
    (void)err;
    write->snapshot = *snapshot;
    write->snapshot.configuration =
        strndup(snapshot->configuration, snapshot->configuration_len);
    write->snapshot.state = strndup(snapshot->state, snapshot->state_len);
    queue(journal, write);
    return HOR_OK;
}

int hor_journal_install(struct hor_journal *journal, const char *staged, uint64_t index,
                        uint64_t term, struct hor_error *err)
{
    (void)journal;
    (void)staged;
    (void)index;
    (void)term;
    return hor_error_set(err, HOR_ERR_INVALID, "no snapshot is sent here");
}

void hor_journal_remove_until(struct hor_journal *journal, uint64_t index)
{
    (void)journal;
    (void)index;
}

int hor_journal_staging_path(const struct hor_journal *journal, uint64_t index, uint64_t term,
                             char *out, size_t out_bytes)
{
    (void)journal;
    (void)index;
    (void)term;
    (void)out;
    (void)out_bytes;
    return HOR_ERR_NOT_FOUND;
}

int hor_journal_snapshot_path(const struct hor_journal *journal, uint64_t index, uint64_t term,
                              char *out, size_t out_bytes)
{
    return hor_journal_staging_path(journal, index, term, out, out_bytes);
}

void hor_journal_collect(struct hor_journal *journal, struct hor_journal_done *ret)
{
    *ret = journal->done;
    if (ret->epoch != journal->epoch)
        ret->persisted = 0;
    memset(&journal->done, 0, sizeof journal->done);
}

int hor_journal_read(struct hor_journal *journal, uint64_t from, uint64_t to,
                     hor_journal_read_fn *each, void *ctx, struct hor_error *err)
{
    (void)err;
    for (uint64_t i = from; i <= to && i <= journal->synced; i++) {
        struct hor_journal_entry entry = entry_of(journal->entries[i], i);
        if (!each(&entry, ctx))
            break;
    }
    return HOR_OK;
}
