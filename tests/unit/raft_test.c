/* lib/raft: what one member does by itself, and the guards that need no second one. The laws among
 * several are held by tests/simulation/raft_sim.c. */
#include "lib/raft/consensus.h"

#include <string.h>

#include "tests/lib/tap.h"

struct seen {
    uint64_t term, vote, appended, commit, epoch;
    unsigned states, messages, barriers;
    int64_t timer_ms;
    bool leader;
    int state_rc;
    struct hor_raft_message last;
};

static int on_state(uint64_t term, uint64_t vote, void *ctx)
{
    struct seen *seen = ctx;
    seen->term = term;
    seen->vote = vote;
    seen->states++;
    return seen->state_rc;
}
static void on_append(uint64_t index, unsigned first, unsigned count, uint64_t term, bool barrier,
                      uint64_t epoch, void *ctx)
{
    struct seen *seen = ctx;
    (void)first;
    (void)term;
    seen->appended = index + count - 1;
    seen->barriers += barrier;
    seen->epoch = epoch;
}
static void on_install(const struct hor_raft_snapshot *snapshot, void *ctx)
{
    (void)snapshot;
    (void)ctx;
}
static void on_send(const struct hor_raft_message *message, void *ctx)
{
    struct seen *seen = ctx;
    seen->messages++;
    seen->last = *message;
}
static void on_timer(int64_t at_ms, void *ctx) { ((struct seen *)ctx)->timer_ms = at_ms; }
static void on_role(bool leader, uint64_t leader_id, uint64_t term, void *ctx)
{
    (void)leader_id;
    (void)term;
    ((struct seen *)ctx)->leader = leader;
}
static void on_commit(uint64_t index, void *ctx) { ((struct seen *)ctx)->commit = index; }

static const struct hor_raft_ops ops = {.state = on_state, .append = on_append,
                                        .install = on_install, .send = on_send, .timer = on_timer,
                                        .role = on_role, .commit = on_commit};

static struct hor_raft *member(unsigned voters, struct seen *seen)
{
    static const struct hor_raft_settings settings = {.self = 1, .incarnation = 7,
                                                      .election_ms = 500, .heartbeat_ms = 100,
                                                      .seed = 1};
    struct hor_raft_configuration conf = {.count = 0};
    struct hor_raft_entry first = {.term = 1, .kind = HOR_RAFT_CHANGE, .configuration = &conf};
    struct hor_raft_start start = {.term = 1, .first_index = 1, .entries = &first,
                                   .entry_count = 1};
    struct hor_raft *raft;
    struct hor_error err;
    memset(seen, 0, sizeof *seen);
    for (unsigned i = 0; i < voters; i++)
        conf.members[conf.count++] = (struct hor_raft_member){.id = i + 1, .role = HOR_RAFT_VOTER};
    if (hor_raft_new(&settings, &ops, seen, &raft, &err) != HOR_OK ||
        hor_raft_start(raft, 1000, &start, &err) != HOR_OK)
        diag("%s", err.text);
    return raft;
}

static void test_alone(void)
{
    struct seen seen;
    struct hor_error err;
    struct hor_raft *raft = member(1, &seen);
    ok(seen.leader && seen.commit == 1, "a single voter leads at once");
    ok(hor_raft_submit(raft, 1001, 3, &err) == HOR_OK && seen.appended == 4, "it takes entries");
    is_int(seen.commit, 1, "which are not committed before they are stored");
    hor_raft_persisted(raft, 1002, 4, seen.epoch + 1, &err);
    is_int(seen.commit, 1, "a completion of another epoch says nothing");
    ok(hor_raft_persisted(raft, 1003, 4, seen.epoch, &err) == HOR_OK && seen.commit == 4,
       "stored is committed");
    ok(hor_raft_submit(raft, 1004, 5000, &err) == HOR_ERR_BUSY, "there is a bound: %s", err.text);
    ok(hor_raft_transfer(raft, 1005, 0, &err) == HOR_ERR_NOT_FOUND, "nobody to pass it on to");
    hor_raft_free(raft);
}

static void test_votes(void)
{
    struct seen seen;
    struct hor_error err;
    struct hor_raft *raft = member(3, &seen);
    struct hor_raft_message vote = {.kind = HOR_RAFT_REQUEST_VOTE, .peer = 2, .candidate = 2,
                                    .version = 2, .term = 9, .last_index = 1, .last_term = 1};
    ok(!seen.leader && hor_raft_submit(raft, 1001, 1, &err) == HOR_ERR_NOT_ACTIVE,
       "one of three leads nobody");
    ok(hor_raft_receive(raft, 1002, 8, &vote, &err) == HOR_ERR_CONFLICT && seen.states == 0,
       "another incarnation is not heard");
    vote.peer = 1;
    ok(hor_raft_receive(raft, 1002, 7, &vote, &err) == HOR_ERR_INVALID, "nor is oneself");
    vote.peer = 3;
    ok(hor_raft_receive(raft, 1002, 7, &vote, &err) == HOR_ERR_INVALID,
       "nor one who asks for somebody else");
    vote.peer = 2;
    ok(hor_raft_receive(raft, 1002, 7, &vote, &err) == HOR_OK && seen.term == 9 && seen.vote == 2 &&
           seen.messages == 1 && seen.last.granted,
       "a vote is saved, then given");
    vote.peer = vote.candidate = 3;
    ok(hor_raft_receive(raft, 1003, 7, &vote, &err) == HOR_OK && !seen.last.granted,
       "once in a term");
    vote.term = 5;
    vote.pre_vote = true;
    hor_raft_receive(raft, 1004, 7, &vote, &err);
    ok(!seen.last.granted && seen.last.term == 9, "a refused pre-vote tells our own term");
    hor_raft_free(raft);
    raft = member(3, &seen);
    seen.state_rc = HOR_ERR_IO;
    vote = (struct hor_raft_message){.kind = HOR_RAFT_REQUEST_VOTE, .peer = 2, .candidate = 2,
                                     .version = 2, .term = 9, .last_index = 1, .last_term = 1};
    ok(hor_raft_receive(raft, 1002, 7, &vote, &err) == HOR_ERR_INTERNAL && seen.messages == 0,
       "a vote that is not saved is not given");
    ok(hor_raft_timeout(raft, 9000, &err) == HOR_ERR_STATE, "and nothing goes on after that");
    hor_raft_free(raft);
}

static void test_follower(void)
{
    struct seen seen;
    struct hor_error err;
    struct hor_raft *raft = member(3, &seen);
    struct hor_raft_entry entries[3] = {{.term = 2}, {.term = 2}, {.term = 2}};
    struct hor_raft_message append = {.kind = HOR_RAFT_APPEND_ENTRIES, .peer = 2, .term = 2,
                                      .prev_index = 1, .prev_term = 1, .commit = 3,
                                      .entries = entries, .entry_count = 3};
    ok(hor_raft_receive(raft, 1001, 7, &append, &err) == HOR_OK && seen.appended == 4 &&
           seen.commit == 3 && seen.messages == 0,
       "a follower takes entries, and answers when they are stored");
    hor_raft_persisted(raft, 1002, 4, seen.epoch, &err);
    ok(seen.messages == 1 && seen.last.last_index == 4 && seen.last.peer == 2, "now");
    append.entry_count = 0;
    append.entries = NULL;
    append.commit = 2;
    hor_raft_receive(raft, 1003, 7, &append, &err);
    ok(hor_raft_commit_index(raft) == 3, "the commit index does not go back");
    struct hor_raft_entry other[1] = {{.term = 3}};
    append = (struct hor_raft_message){.kind = HOR_RAFT_APPEND_ENTRIES, .peer = 3, .term = 3,
                                       .prev_index = 3, .prev_term = 2, .commit = 3,
                                       .entries = other, .entry_count = 1};
    uint64_t epoch = seen.epoch;
    hor_raft_receive(raft, 1004, 7, &append, &err);
    ok(seen.appended == 4 && seen.epoch == epoch + 1, "a new leader's entry replaces an old one's");
    append.prev_term = 0;
    ok(hor_raft_receive(raft, 1005, 7, &append, &err) == HOR_ERR_INVALID, "nonsense is dropped: %s",
       err.text);
    ok(seen.timer_ms >= 1004 + 10, "timers are never in the past");
    hor_raft_free(raft);
}

static void test_change(void)
{
    struct seen seen;
    struct hor_error err;
    struct hor_raft_configuration to;
    struct hor_raft *raft = member(1, &seen);
    hor_raft_get_configuration(raft, &to);
    to.members[to.count++] = (struct hor_raft_member){.id = 2, .role = HOR_RAFT_STANDBY};
    to.members[1].role = HOR_RAFT_VOTER;
    ok(hor_raft_change(raft, 1004, &to, &err) == HOR_ERR_INVALID, "nobody begins with a vote: %s",
       err.text);
    to.members[1].role = HOR_RAFT_STANDBY;
    to.members[to.count++] = (struct hor_raft_member){.id = 3, .role = HOR_RAFT_STANDBY};
    ok(hor_raft_change(raft, 1005, &to, &err) == HOR_ERR_INVALID, "one at a time: %s", err.text);
    to.count = 2;
    ok(hor_raft_change(raft, 1006, &to, &err) == HOR_OK, "somebody joins");
    to.members[1].role = HOR_RAFT_VOTER;
    ok(hor_raft_change(raft, 1007, &to, &err) == HOR_ERR_STATE, "and waits for its vote: %s", err.text);
    hor_raft_persisted(raft, 1008, seen.appended, seen.epoch, &err);
    to.members[1].role = HOR_RAFT_STANDBY;
    hor_raft_configured(raft, 1009, seen.appended, &to, &err);
    to.members[1].role = HOR_RAFT_VOTER;
    ok(hor_raft_change(raft, 1010, &to, &err) == HOR_ERR_STATE && !hor_raft_caught_up(raft, 1010, 2),
       "as long as it does not answer: %s", err.text);
    struct hor_raft_message answer = {.kind = HOR_RAFT_APPEND_ENTRIES_RESULT, .peer = 2,
                                      .term = hor_raft_term(raft), .last_index = seen.appended};
    hor_raft_receive(raft, 1011, 7, &answer, &err);
    ok(hor_raft_caught_up(raft, 1012, 2) && hor_raft_change(raft, 1012, &to, &err) == HOR_OK,
       "then it gets it");
    uint64_t match = 0;
    ok(hor_raft_match(raft, 2, &match) && match > 0 && !hor_raft_match(raft, 9, &match),
       "a leader knows how far members are");
    hor_raft_free(raft);
}

int main(void)
{
    test_change();
    test_alone();
    test_votes();
    test_follower();
    return done_testing();
}
