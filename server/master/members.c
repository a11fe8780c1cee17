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
    EXCHANGE_TIMEOUT_MS = 2000,
    LOOK_MS = 250,
    STEADY_MS = 3000, /* a member that has just come may go again: then leadership stays */
    AGAIN_MS = 10000, /* after a transfer that did not come off */
};

uint64_t hor_master_member(const struct hor_master *master, const char *name)
{
    for (size_t i = 0; name != NULL && i < master->settings->member_count; i++)
        if (strcmp(master->settings->members[i].name, name) == 0)
            return i + 1;
    return 0;
}

const char *hor_master_active_url(const struct hor_master *master)
{
    uint64_t id = atomic_load(&master->leader_id);
    return id >= 1 && id <= master->settings->member_count
               ? master->settings->members[id - 1].url
               : NULL;
}

/* ---- consensus ---- */

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
    if (rc == HOR_OK && status != 200)
        rc = hor_error_set(err, HOR_ERR_STATE, "%s answers with HTTP status %d", to->name, status);
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
    uint64_t preferred = hor_master_member(master, hor_master_core_preferred(master->core));
    if (preferred != 0 && !s->members[preferred - 1].witness)
        return preferred;
    for (size_t i = 0; i < s->member_count; i++)
        if (!s->members[i].witness)
            return i + 1;
    return 0;
}

int hor_master_pass_on(struct hor_master *master, uint64_t to, struct hor_error *err)
{
    const char *name = master->settings->members[to - 1].name;
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
    uint64_t wanted = wanted_leader(master), self = master->settings->self + 1;
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

int hor_master_members_open(struct hor_master *master, struct hor_error *err)
{
    const struct hor_settings_master *s = master->settings;
    master->members = calloc(s->member_count, sizeof *master->members);
    master->failback_timer = hor_timer_new(master->loop, look, master);
    if (master->members == NULL || master->failback_timer == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < s->member_count; i++)
        master->members[i] = (struct hor_cluster_member){.id = i + 1,
                                                         .name = s->members[i].name,
                                                         .url = s->members[i].url,
                                                         .witness = s->members[i].witness};
    return s->member_count < 2
               ? HOR_OK
               : hor_transport_new(master->members, (unsigned)s->member_count, s->self + 1,
                                   exchange, master, &master->transport, err);
}
