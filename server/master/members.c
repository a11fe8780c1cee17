/* The other members of the Master cluster: consensus with them, and who of them should be active.
 *
 * The member that should be active is the one that a person switched to last, else the primary: the
 * first in the settings that is no witness. One that is active in its place passes leadership on
 * when that one has been there, and current, for a while (failback="auto"). */
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/soap/codec.h"
#include "server/master/master.h"

enum {
    TELL_EVERY_MS = 60000,
    MEMBERS_MAX = 64, /* names, with those of who left */
    EXCHANGE_TIMEOUT_MS = 2000,
    LOOK_MS = 250,
    STEADY_MS = 3000, /* a member that has just come may go again: then leadership stays */
    AGAIN_MS = 10000, /* after a transfer that did not come off */
};

/* Names and places are read by workers too: a place is whole before the count tells of it. */
static size_t place_named(const struct hor_master *master, const char *name)
{
    size_t count = __atomic_load_n(&master->own.member_count, __ATOMIC_ACQUIRE);
    for (size_t i = 0; name != NULL && i < count; i++)
        if (strcmp(master->own.members[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

uint64_t hor_master_member(const struct hor_master *master, const char *name)
{
    size_t i = place_named(master, name);
    return i != SIZE_MAX ? __atomic_load_n(&master->member_ids[i], __ATOMIC_ACQUIRE) : 0;
}

size_t hor_master_place_of(const struct hor_master *master, uint64_t id)
{
    size_t count = __atomic_load_n(&master->own.member_count, __ATOMIC_ACQUIRE);
    for (size_t i = 0; id != 0 && i < count; i++)
        if (__atomic_load_n(&master->member_ids[i], __ATOMIC_ACQUIRE) == id)
            return i;
    return SIZE_MAX;
}

const char *hor_master_active_url(const struct hor_master *master)
{
    size_t place = hor_master_place_of(master, atomic_load(&master->leader_id));
    return place != SIZE_MAX ? master->own.members[place].url : NULL;
}

/* ---- consensus ---- */

static void refused(void *ctx)
{
    struct hor_master *master = ctx;
    if (!atomic_load(&master->stopping) && master->cluster != NULL)
        hor_cluster_refused(master->cluster);
}

/* Runs on a thread of the transport. */
static int exchange(const struct hor_cluster_member *to, const char *text, size_t len, void *ctx,
                    struct hor_error *err)
{
    static const char *const headers[] = {"SOAPAction: " HOR_MASTER_EXCHANGE_ACTION, NULL};
    struct hor_master *master = ctx;
    struct hor_buf body = HOR_BUF_INIT, answer = HOR_BUF_INIT;
    int status = 0;
    char *url = hor_str_printf("%s/soap/master", to->url);
    hor_buf_puts(&body, "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Body>"
                        "<ExchangeJournal xmlns=\"" HOR_SOAP_NS_mst "\">");
    hor_buf_add(&body, text, len);
    hor_buf_puts(&body, "</ExchangeJournal></S:Body></S:Envelope>");
    int rc = url == NULL || body.failed
                 ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                 : hor_http_client_post(master->exchange_http, url,
                                        strncmp(url, "https:", 6) == 0 ? to->name : NULL,
                                        "text/xml; charset=utf-8", headers, body.data, body.len,
                                        EXCHANGE_TIMEOUT_MS, &status, &answer, err);
    if (rc == HOR_OK && status == HOR_MASTER_NO_MEMBER) {
        rc = hor_error_set(err, HOR_ERR_CONFLICT, "%s refuses: %.200s", to->name,
                           hor_buf_text(&answer));
        static atomic_int_fast64_t told_ms; /* a removed member would say so all the time */
        int64_t now_ms = hor_clock_monotonic_ms(), before_ms = atomic_load(&told_ms);
        if (before_ms == 0 || now_ms - before_ms > TELL_EVERY_MS) {
            atomic_store(&told_ms, now_ms);
            hor_log_warning("member '%s' at %s refuses what this member sends: %.300s", to->name,
                            to->url, hor_buf_text(&answer));
        }
        hor_loop_post(master->loop, refused, master);
    } else if (rc == HOR_OK && status != 200) {
        rc = hor_error_set(err, HOR_ERR_STATE, "%s answers with HTTP status %d", to->name, status);
    }
    hor_buf_done(&body);
    hor_buf_done(&answer);
    free(url);
    return rc;
}

void hor_master_send(uint64_t to, const char *text, size_t len, void *ctx)
{
    struct hor_master *master = ctx;
    hor_transport_send(master->transport, to, text, len);
}

/* ---- who should be active ---- */

static uint64_t wanted_leader(const struct hor_master *master)
{
    const struct hor_settings_master *s = master->settings;
    size_t preferred = place_named(master, hor_master_core_preferred(master->core));
    if (preferred != SIZE_MAX && !s->members[preferred].witness && master->member_ids[preferred] != 0)
        return master->member_ids[preferred];
    for (size_t i = 0; i < s->member_count; i++)
        if (!s->members[i].witness && master->member_ids[i] != 0)
            return master->member_ids[i];
    return 0;
}

int hor_master_pass_on(struct hor_master *master, uint64_t to, struct hor_error *err)
{
    size_t place = hor_master_place_of(master, to);
    const char *name = place != SIZE_MAX ? master->settings->members[place].name : "?";
    if (!hor_cluster_caught_up(master->cluster, to))
        return hor_error_set(err, HOR_ERR_STATE, "member '%s' does not answer or is not up to date",
                             name);
    hor_log_info("leadership is passed on to member '%s'", name);
    return hor_cluster_transfer(master->cluster, to, err);
}

/* Leadership goes back by itself; whatever keeps it from that is no reason for haste. */
static void look(void *ctx)
{
    struct hor_master *master = ctx;
    struct hor_error err = {0};
    uint64_t wanted = wanted_leader(master),
             self = master->member_ids[master->settings->self];
    int64_t now_ms = hor_clock_monotonic_ms();
    if (!atomic_load(&master->leader) || !master->settings->failback_auto)
        return;
    hor_timer_start(master->failback_timer, LOOK_MS);
    if (wanted == 0 || wanted == self || !hor_cluster_caught_up(master->cluster, wanted)) {
        master->steady_since_ms = now_ms;
        return;
    }
    if (now_ms - master->steady_since_ms < STEADY_MS)
        return;
    master->steady_since_ms = now_ms + AGAIN_MS;
    if (hor_master_pass_on(master, wanted, &err) != HOR_OK)
        hor_log_info("leadership is not passed on: %s", err.text);
}

void hor_master_members_role(struct hor_master *master)
{
    master->steady_since_ms = hor_clock_monotonic_ms();
    if (master->failback_timer != NULL && master->settings->member_count > 1)
        look(master);
}

/* ---- opening ---- */

static char *keep(struct hor_master *master, const char *text)
{
    char **more = realloc(master->owned, (master->owned_count + 1) * sizeof *more);
    char *copy = hor_strdup(text);
    if (more != NULL)
        master->owned = more;
    if (more == NULL || copy == NULL) {
        free(copy);
        return NULL;
    }
    return master->owned[master->owned_count++] = copy;
}

static void take(struct hor_master *master, const struct hor_cluster_member *member)
{
    size_t i = place_named(master, member->name);
    const char *url = keep(master, member->url);
    if (i == SIZE_MAX) {
        const char *name = keep(master, member->name);
        i = master->own.member_count;
        if (i == MEMBERS_MAX || name == NULL || url == NULL) {
            hor_log_error("member '%s': there is no place for it, ignoring it", member->name);
            return;
        }
        master->own.members[i] = (struct hor_settings_member){
            .name = name, .url = url, .witness = member->witness, .priority = 1};
        __atomic_store_n(&master->own.member_count, i + 1, __ATOMIC_RELEASE);
        hor_log_info("member '%s' joins at %s", member->name, member->url);
    } else if (url != NULL && !hor_str_equal(master->own.members[i].url, url)) {
        master->own.members[i].url = url;
    }
    if (master->member_ids[i] < member->id) /* of two with one name the newer one counts */
        __atomic_store_n(&master->member_ids[i], member->id, __ATOMIC_RELEASE);
}

void hor_master_members_set(const struct hor_cluster_member *members, unsigned count, void *ctx)
{
    struct hor_master *master = ctx;
    struct hor_error err;
    for (size_t i = 0; i < master->own.member_count; i++) {
        uint64_t id = 0; /* stays until it is another: workers look at it */
        for (unsigned k = 0; k < count; k++)
            if (strcmp(members[k].name, master->own.members[i].name) == 0 && members[k].id > id)
                id = members[k].id;
        if (id == 0 && master->member_ids[i] != 0 && master->live)
            hor_log_info("member '%s' has left", master->own.members[i].name);
        __atomic_store_n(&master->member_ids[i], id, __ATOMIC_RELEASE);
    }
    for (unsigned k = 0; k < count; k++)
        take(master, &members[k]);
    if (hor_transport_set(master->transport, members, count,
                          master->member_ids[master->own.self], &err) != HOR_OK)
        hor_log_error("%s", err.text);
}

int hor_master_members_join(struct hor_master *master, struct hor_cluster_settings *settings,
                            struct hor_cluster_joined *ret, struct hor_error *err)
{
    const struct hor_settings_member *self = &master->own.members[master->own.self];
    struct hor_cluster_join join = {.service = "master",
                                    .http = master->http,
                                    .cluster = settings->cluster,
                                    .directory = settings->directory,
                                    .name = self->name,
                                    .url = self->url,
                                    .members = settings->members,
                                    .member_count = settings->member_count};
    int rc = hor_cluster_join(&join, settings->self, ret, err);
    if (rc != HOR_OK)
        return rc;
    if (ret->note[0] != '\0')
        hor_log_warning("%s", ret->note);
    settings->self = ret->self;
    settings->joins = ret->joins;
    settings->incarnation = ret->incarnation;
    if (ret->members != NULL) {
        settings->members = ret->members;
        settings->member_count = ret->member_count;
        hor_master_members_set(ret->members, ret->member_count, master);
    }
    return HOR_OK;
}

void hor_master_members_close(struct hor_master *master)
{
    for (size_t i = 0; i < master->owned_count; i++)
        free(master->owned[i]);
    free(master->owned);
    free(master->own.members);
    free(master->member_ids);
    free(master->members);
}

int hor_master_members_open(struct hor_master *master, const struct hor_settings_master *settings,
                            struct hor_error *err)
{
    const struct hor_settings_master *s = settings;
    master->own = *settings; /* strings stay the settings' */
    master->own.members = calloc(MEMBERS_MAX, sizeof *master->own.members);
    master->member_ids = calloc(MEMBERS_MAX, sizeof *master->member_ids);
    if (master->own.members == NULL || master->member_ids == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < s->member_count; i++) {
        master->own.members[i] = s->members[i];
        master->member_ids[i] = i + 1;
    }
    master->settings = &master->own;
    master->members = calloc(s->member_count, sizeof *master->members);
    master->failback_timer = hor_timer_new(master->loop, look, master);
    if (master->members == NULL || master->failback_timer == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < s->member_count; i++)
        master->members[i] = (struct hor_cluster_member){.id = i + 1,
                                                         .name = s->members[i].name,
                                                         .url = s->members[i].url,
                                                         .witness = s->members[i].witness};
    return hor_transport_new(master->members, (unsigned)s->member_count, s->self + 1, exchange, master,
                             &master->transport, err);
}
