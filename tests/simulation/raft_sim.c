/* tests/simulation/raft_sim.c - clusters of lib/raft members in one process on virtual time, with
 * seeded faults: loss, delay, reordering, doubling, partitions, slow disks, crashes that lose a part
 * of what was not synced. The laws are checked after every step. The same seed does the same.
 *   raft_sim [seeds [first seed [guard to switch off]]]
 * Without arguments: some hundred seeds with all guards, then guard 1 off, which must be noticed. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/raft/consensus.h"
#include "tests/lib/tap.h"

enum {
    NODES_MAX = 5,
    LOG_MAX = 20000,
    TERMS_MAX = 4000,
    ELECTION_MS = 300,
    HEARTBEAT_MS = 50,
    CHAOS_MS = 12000,
    HEALED_MS = 12000
};

struct slot {
    uint64_t term, value; /* value 0: no command */
    enum hor_raft_kind kind;
};

/* A write under way; the durable log changes when it is done. */
struct write {
    int64_t at_ms;
    uint64_t index, epoch;
    unsigned count;
    struct slot *slots;
    struct write *next;
};

struct letter {
    int64_t at_ms;
    uint64_t order; /* of equal times */
    unsigned from, to;
    struct hor_raft_message message;
    struct slot *slots;
    struct letter *next;
};

struct sim;
struct node {
    struct sim *sim;
    unsigned id; /* 0.. ; consensus sees id + 1 */
    struct hor_raft *raft; /* NULL: down */
    struct slot *log, *disk; /* [1..length], in memory and durable */
    uint64_t length, disk_length;
    uint64_t term, vote; /* durable */
    uint64_t commit, configured;
    int64_t timer_ms, up_ms;
    struct write *writes, **last_write;
    int64_t last_write_ms;
    const struct slot *incoming;
    bool leader;
};

struct sim {
    uint64_t random, order, next_value;
    int64_t now_ms;
    unsigned count, guards_off;
    bool reorder, chaos, trace;
    struct node nodes[NODES_MAX];
    struct letter *letters;
    int64_t link_ms[NODES_MAX][NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX];
    struct slot *committed; /* what everybody must agree on */
    uint64_t committed_length;
    unsigned leader_of[TERMS_MAX]; /* id + 1 */
    struct hor_raft_configuration configuration;
    bool broken;
    char what[256];
    uint64_t steps, crashes, elections;
};

static uint64_t rnd(struct sim *sim, uint64_t below)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random % below;
}

static void law(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void law(struct sim *sim, const char *format, ...)
{
    va_list args;
    char text[200];
    if (sim->broken)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sim->broken = true;
    snprintf(sim->what, sizeof sim->what, "at %" PRId64 " ms: %s", sim->now_ms, text);
}

/* ---- what consensus asks for --------------------------------------------------------------- */

static int on_state(uint64_t term, uint64_t vote, void *ctx)
{
    struct node *node = ctx;
    if (term < node->term)
        law(node->sim, "member %u: the term falls", node->id + 1);
    if (term == node->term && node->vote != 0 && vote != node->vote)
        law(node->sim, "member %u votes twice in term %" PRIu64, node->id + 1, term);
    node->term = term;
    node->vote = vote;
    return HOR_OK;
}

static void on_append(uint64_t index, unsigned first, unsigned count, uint64_t term, bool barrier,
                      uint64_t epoch, void *ctx)
{
    struct node *node = ctx;
    struct sim *sim = node->sim;
    struct write *write = calloc(1, sizeof *write);
    if (index <= node->commit)
        law(sim, "member %u replaces committed entry %" PRIu64, node->id + 1, index);
    if (index > node->length + 1 || index + count >= LOG_MAX) {
        law(sim, "member %u appends at %" PRIu64 " after %" PRIu64, node->id + 1, index,
            node->length);
        free(write);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        node->log[index + i] = barrier ? (struct slot){.term = term, .kind = HOR_RAFT_BARRIER}
                                       : node->incoming[first + i];
    node->length = index + count - 1;
    *write = (struct write){.index = index, .epoch = epoch, .count = count};
    write->slots = malloc(count * sizeof *write->slots);
    memcpy(write->slots, &node->log[index], count * sizeof *write->slots);
    write->at_ms = sim->now_ms + 1 + (int64_t)rnd(sim, 5);
    if (sim->chaos && rnd(sim, 20) == 0)
        write->at_ms += 10 + (int64_t)rnd(sim, 290);
    if (write->at_ms < node->last_write_ms)
        write->at_ms = node->last_write_ms;
    node->last_write_ms = write->at_ms;
    *node->last_write = write;
    node->last_write = &write->next;
}

static void on_install(const struct hor_raft_snapshot *snapshot, void *ctx)
{
    struct node *node = ctx;
    (void)snapshot;
    law(node->sim, "a snapshot where there is none");
}

static void post(struct sim *sim, unsigned from, const struct hor_raft_message *message,
                 const struct slot *slots)
{
    struct letter *letter = calloc(1, sizeof *letter);
    unsigned to = (unsigned)message->peer - 1;
    letter->from = from;
    letter->to = to;
    letter->message = *message;
    letter->message.peer = from + 1;
    letter->order = ++sim->order;
    if (message->entry_count > 0) {
        letter->slots = malloc(message->entry_count * sizeof *letter->slots);
        memcpy(letter->slots, slots, message->entry_count * sizeof *letter->slots);
    }
    letter->at_ms = sim->now_ms + 1 + (int64_t)rnd(sim, 15);
    if (sim->chaos && rnd(sim, 10) == 0)
        letter->at_ms += (int64_t)rnd(sim, 200);
    if (!(sim->reorder && sim->chaos) && letter->at_ms < sim->link_ms[from][to])
        letter->at_ms = sim->link_ms[from][to];
    sim->link_ms[from][to] = letter->at_ms;
    letter->next = sim->letters;
    sim->letters = letter;
}

static void on_send(const struct hor_raft_message *message, void *ctx)
{
    struct node *node = ctx;
    struct sim *sim = node->sim;
    unsigned to = (unsigned)message->peer - 1;
    if (to >= sim->count) {
        law(sim, "member %u sends to nobody", node->id + 1);
        return;
    }
    if (message->entry_count > 0 && message->prev_index + message->entry_count > node->length) {
        law(sim, "member %u sends what it has not", node->id + 1);
        return;
    }
    if (sim->cut[node->id][to] || (sim->chaos && rnd(sim, 100) < 8))
        return;
    post(sim, node->id, message, &node->log[message->prev_index + 1]);
    if (sim->reorder && sim->chaos && rnd(sim, 100) < 5)
        post(sim, node->id, message, &node->log[message->prev_index + 1]);
}

static void on_timer(int64_t at_ms, void *ctx) { ((struct node *)ctx)->timer_ms = at_ms; }

static void on_role(bool leader, uint64_t leader_id, uint64_t term, void *ctx)
{
    struct node *node = ctx;
    struct sim *sim = node->sim;
    (void)leader_id;
    node->leader = leader;
    if (!leader || term >= TERMS_MAX)
        return;
    if (sim->leader_of[term] != 0 && sim->leader_of[term] != node->id + 1)
        law(sim, "members %u and %u both lead term %" PRIu64, sim->leader_of[term], node->id + 1,
            term);
    if (sim->leader_of[term] == 0)
        sim->elections++;
    sim->leader_of[term] = node->id + 1;
}

static unsigned durable_copies(const struct sim *sim, uint64_t index, const struct slot *slot)
{
    unsigned copies = 0;
    for (unsigned i = 0; i < sim->count; i++) {
        const struct node *other = &sim->nodes[i];
        copies += index <= other->disk_length && other->disk[index].term == slot->term &&
                  other->disk[index].value == slot->value;
    }
    return copies;
}

static void on_commit(uint64_t commit, void *ctx)
{
    struct node *node = ctx;
    struct sim *sim = node->sim;
    if (commit < node->commit)
        law(sim, "member %u: the commit index goes back from %" PRIu64 " to %" PRIu64,
            node->id + 1, node->commit, commit);
    if (commit > node->length) {
        law(sim, "member %u commits what it has not", node->id + 1);
        return;
    }
    for (uint64_t i = node->commit + 1; i <= commit && !sim->broken; i++) {
        const struct slot *slot = &node->log[i];
        if (i > sim->committed_length) {
            sim->committed[i] = *slot;
            sim->committed_length = i;
        } else if (sim->committed[i].term != slot->term || sim->committed[i].value != slot->value) {
            law(sim, "member %u commits another entry %" PRIu64 " than others", node->id + 1, i);
        }
    }
    /* The last one's copies stand for all before it. */
    if (!sim->broken && commit > 0 &&
        durable_copies(sim, commit, &node->log[commit]) <= sim->count / 2)
        law(sim, "member %u commits entry %" PRIu64 " without a majority's disks", node->id + 1,
            commit);
    node->commit = commit;
}

static const struct hor_raft_ops ops = {.state = on_state,
                                        .append = on_append,
                                        .install = on_install,
                                        .send = on_send,
                                        .timer = on_timer,
                                        .role = on_role,
                                        .commit = on_commit};

/* ---- members ------------------------------------------------------------------------------- */

static void check(struct node *node, int rc, const struct hor_error *err)
{
    if (rc == HOR_ERR_INTERNAL || rc == HOR_ERR_STATE)
        law(node->sim, "member %u: %s", node->id + 1, err->text);
}

static void start(struct node *node)
{
    struct sim *sim = node->sim;
    struct hor_raft_settings settings = {.self = node->id + 1, .incarnation = 1,
                                         .election_ms = ELECTION_MS, .heartbeat_ms = HEARTBEAT_MS,
                                         .seed = (unsigned)rnd(sim, 1u << 30)};
    struct hor_raft_entry *entries = calloc(node->disk_length, sizeof *entries);
    struct hor_raft_start begin = {.term = node->term, .vote = node->vote, .first_index = 1,
                                   .entries = entries, .entry_count = (unsigned)node->disk_length};
    struct hor_error err;
    memcpy(node->log, node->disk, (node->disk_length + 1) * sizeof *node->log);
    node->length = node->disk_length;
    for (uint64_t i = 1; i <= node->length; i++)
        entries[i - 1] = (struct hor_raft_entry){
            .term = node->log[i].term, .kind = node->log[i].kind,
            .configuration = node->log[i].kind == HOR_RAFT_CHANGE ? &sim->configuration : NULL};
    node->commit = 0;
    node->leader = false;
    hor_raft_new(&settings, &ops, node, &node->raft, &err);
    for (int g = 1; g <= 8; g++)
        if (sim->guards_off & (1u << g))
            hor_raft_test_disable_guard(node->raft, g);
    check(node, hor_raft_start(node->raft, sim->now_ms, &begin, &err), &err);
    free(entries);
}

static void finish_write(struct node *node)
{
    struct write *write = node->writes;
    memcpy(&node->disk[write->index], write->slots, write->count * sizeof *write->slots);
    node->disk_length = write->index + write->count - 1;
    node->writes = write->next;
    if (node->writes == NULL)
        node->last_write = &node->writes;
    free(write->slots);
    free(write);
}

static void crash(struct node *node)
{
    struct sim *sim = node->sim;
    unsigned survive = (unsigned)rnd(sim, 3);
    while (node->writes != NULL) {
        struct write *write = node->writes;
        if (survive > 0) {
            survive--;
            if (write->count > 1 && rnd(sim, 2)) {
                write->count = 1 + (unsigned)rnd(sim, write->count - 1); /* a torn batch, */
                survive = 0;                                             /* and nothing after it */
            }
        } else {
            /* Not even the cutting off of what it replaces has happened. */
            write->count = 0;
        }
        if (write->count > 0) {
            finish_write(node);
        } else {
            node->writes = write->next;
            free(write->slots);
            free(write);
        }
    }
    node->last_write = &node->writes;
    node->last_write_ms = 0;
    hor_raft_free(node->raft);
    node->raft = NULL;
    node->leader = false;
    node->up_ms = sim->now_ms + 50 + (int64_t)rnd(sim, 1000);
    sim->crashes++;
}

static void receive(struct sim *sim, struct letter *letter)
{
    struct node *node = &sim->nodes[letter->to];
    unsigned count = letter->message.entry_count;
    struct hor_raft_entry *entries = calloc(count + 1, sizeof *entries);
    struct hor_error err;
    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct hor_raft_entry){
            .term = letter->slots[i].term, .kind = letter->slots[i].kind,
            .configuration =
                letter->slots[i].kind == HOR_RAFT_CHANGE ? &sim->configuration : NULL};
    letter->message.entries = count > 0 ? entries : NULL;
    node->incoming = letter->slots;
    check(node, hor_raft_receive(node->raft, sim->now_ms, 1, &letter->message, &err), &err);
    node->incoming = NULL;
    free(entries);
}

static void submit(struct sim *sim, struct node *node)
{
    struct slot slots[8];
    unsigned count = 1 + (unsigned)rnd(sim, 8);
    struct hor_error err;
    if (count > hor_raft_room(node->raft) || node->length + count + 8 >= LOG_MAX)
        return;
    for (unsigned i = 0; i < count; i++)
        slots[i] = (struct slot){.term = hor_raft_term(node->raft), .value = ++sim->next_value,
                                 .kind = HOR_RAFT_COMMAND};
    node->incoming = slots;
    check(node, hor_raft_submit(node->raft, sim->now_ms, count, &err), &err);
    node->incoming = NULL;
}

static void make_trouble(struct sim *sim)
{
    if (rnd(sim, 400) == 0) {
        struct node *node = &sim->nodes[rnd(sim, sim->count)];
        if (node->raft != NULL)
            crash(node);
    }
    if (rnd(sim, 300) == 0) {
        bool all = rnd(sim, 3) == 0; /* heals */
        unsigned alone = (unsigned)rnd(sim, sim->count);
        bool one_way = rnd(sim, 2);
        for (unsigned i = 0; i < sim->count; i++)
            for (unsigned k = 0; k < sim->count; k++)
                sim->cut[i][k] = !all && (i == alone || (k == alone && !one_way));
    }
    if (rnd(sim, 400) == 0) {
        struct node *node = &sim->nodes[rnd(sim, sim->count)];
        if (node->raft != NULL && hor_raft_is_leader(node->raft))
            hor_raft_transfer(node->raft, sim->now_ms, 0, NULL);
    }
}

static void heal(struct sim *sim)
{
    sim->chaos = false;
    memset(sim->cut, 0, sizeof sim->cut);
}

/* Everything that is due in this millisecond. */
static void tick(struct sim *sim)
{
    struct hor_error err;
    for (;;) {
        struct letter **at, **best = NULL;
        for (at = &sim->letters; *at != NULL; at = &(*at)->next)
            if ((*at)->at_ms <= sim->now_ms &&
                (best == NULL || (*at)->at_ms < (*best)->at_ms ||
                 ((*at)->at_ms == (*best)->at_ms && (*at)->order < (*best)->order)))
                best = at;
        if (best == NULL || sim->broken)
            break;
        struct letter *letter = *best;
        *best = letter->next;
        sim->steps++;
        if (sim->nodes[letter->to].raft != NULL && !sim->cut[letter->from][letter->to])
            receive(sim, letter);
        free(letter->slots);
        free(letter);
    }
    for (unsigned i = 0; i < sim->count && !sim->broken; i++) {
        struct node *node = &sim->nodes[i];
        if (node->raft == NULL) {
            if (sim->now_ms >= node->up_ms)
                start(node);
            continue;
        }
        while (node->writes != NULL && node->writes->at_ms <= sim->now_ms && !sim->broken) {
            uint64_t last = node->writes->index + node->writes->count - 1;
            uint64_t epoch = node->writes->epoch;
            finish_write(node);
            sim->steps++;
            check(node, hor_raft_persisted(node->raft, sim->now_ms, last, epoch, &err), &err);
        }
        if (node->timer_ms <= sim->now_ms && !sim->broken) {
            sim->steps++;
            check(node, hor_raft_timeout(node->raft, sim->now_ms, &err), &err);
        }
        if (node->leader && sim->now_ms % 5 == 0 && !sim->broken)
            submit(sim, node);
    }
}

static void check_healed(struct sim *sim, uint64_t committed_at_heal)
{
    unsigned leaders = 0;
    if (sim->committed_length <= committed_at_heal)
        law(sim, "nothing was committed after the faults ended");
    for (unsigned i = 0; i < sim->count; i++) {
        leaders += sim->nodes[i].leader;
        if (sim->nodes[i].raft == NULL || sim->nodes[i].commit + 500 < sim->committed_length)
            law(sim, "member %u did not catch up: %" PRIu64 " of %" PRIu64, i + 1,
                sim->nodes[i].commit, sim->committed_length);
    }
    if (leaders != 1)
        law(sim, "%u leaders at the end", leaders);
}

static bool run(uint64_t seed, unsigned members, bool reorder, unsigned guards_off, char *ret_what,
                size_t what_bytes, uint64_t *ret_steps, uint64_t *ret_commits)
{
    struct sim *sim = calloc(1, sizeof *sim);
    uint64_t committed_at_heal = 0;
    sim->random = seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    sim->count = members;
    sim->guards_off = guards_off;
    sim->reorder = reorder;
    sim->chaos = true;
    sim->committed = calloc(LOG_MAX, sizeof *sim->committed);
    for (unsigned i = 0; i < members; i++)
        sim->configuration.members[sim->configuration.count++] =
            (struct hor_raft_member){.id = i + 1, .role = HOR_RAFT_VOTER};
    for (unsigned i = 0; i < members; i++) {
        struct node *node = &sim->nodes[i];
        node->sim = sim;
        node->id = i;
        node->log = calloc(LOG_MAX, sizeof *node->log);
        node->disk = calloc(LOG_MAX, sizeof *node->disk);
        node->disk[1] = (struct slot){.term = 1, .kind = HOR_RAFT_CHANGE};
        node->disk_length = 1;
        node->term = 1;
        node->last_write = &node->writes;
    }
    for (unsigned i = 0; i < members; i++)
        start(&sim->nodes[i]);
    for (; sim->now_ms < CHAOS_MS + HEALED_MS && !sim->broken; sim->now_ms++) {
        if (sim->now_ms < CHAOS_MS)
            make_trouble(sim);
        if (sim->now_ms == CHAOS_MS) {
            heal(sim);
            committed_at_heal = sim->committed_length;
        }
        tick(sim);
    }
    if (!sim->broken)
        check_healed(sim, committed_at_heal);
    bool good = !sim->broken;
    snprintf(ret_what, what_bytes, "%s", sim->what);
    *ret_steps += sim->steps;
    *ret_commits += sim->committed_length;
    while (sim->letters != NULL) {
        struct letter *letter = sim->letters;
        sim->letters = letter->next;
        free(letter->slots);
        free(letter);
    }
    for (unsigned i = 0; i < members; i++) {
        struct node *node = &sim->nodes[i];
        while (node->writes != NULL)
            finish_write(node);
        hor_raft_free(node->raft);
        free(node->log);
        free(node->disk);
    }
    free(sim->committed);
    free(sim);
    return good;
}

/* How many seeds break a law. */
static unsigned series(const char *name, uint64_t first, unsigned seeds, unsigned members,
                       bool reorder, unsigned guards_off)
{
    uint64_t steps = 0, commits = 0;
    unsigned broken = 0;
    for (unsigned i = 0; i < seeds; i++) {
        char what[256];
        if (!run(first + i, members, reorder, guards_off, what, sizeof what, &steps, &commits)) {
            if (broken++ < 3)
                diag("%s, seed %" PRIu64 ": %s", name, first + i, what);
        }
    }
    diag("%s: %u seeds, %" PRIu64 " steps, %" PRIu64 " entries committed, %u broken", name, seeds,
         steps, commits, broken);
    return broken;
}

/* Whether a missing guard breaks a law within so many seeds. */
static bool noticed(int number, unsigned seeds)
{
    for (unsigned i = 1; i <= seeds; i++) {
        uint64_t steps = 0, commits = 0;
        char what[256];
        if (!run(i, 3 + 2 * (i % 2), true, 1u << number, what, sizeof what, &steps, &commits)) {
            diag("guard %d off, seed %u: %s", number, i, what);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    unsigned seeds = argc > 1 ? (unsigned)atoi(argv[1]) : 60;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    int off = argc > 3 ? atoi(argv[3]) : 0;
    if (off != 0) {
        ok(series("chosen guard off", first, seeds, 3, true, 1u << off) > 0,
           "the absence of guard %d is noticed", off);
        return done_testing();
    }
    is_int(series("three members", first, seeds, 3, false, 0), 0, "three members keep the laws");
    is_int(series("reordering", first, seeds, 3, true, 0), 0,
           "with messages reordered and doubled too");
    is_int(series("five members", first, seeds / 2 + 1, 5, true, 0), 0, "five members too");
    ok(series("guard 8 off", 13, 1, 5, true, 1u << 8) > 0, "the absence of guard 8 is noticed");
    ok(noticed(1, 400), "the absence of guard 1 is noticed: the simulation is worth something");
    return done_testing();
}
