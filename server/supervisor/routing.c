/* Which part answers which address. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "server/supervisor/supervisor_internal.h"

static enum hor_http_outcome plain(struct hor_http_response *response, int status, const char *text)
{
    response->status = status;
    hor_http_header(response, "Content-Type", "text/plain; charset=utf-8");
    hor_http_header(response, "Cache-Control", "no-store");
    hor_buf_puts(&response->body, text);
    return HOR_HTTP_ANSWER;
}

static enum hor_http_outcome health(struct hor_supervisor *s, struct hor_http_response *response)
{
    /* Why it fails is for the log and for people who signed in. */
    return hor_store_healthy(s->parts.store, NULL, 0)
               ? plain(response, 200, "ok\n")
               : plain(response, 503, "the database is not available\n");
}

static void metric(struct hor_buf *out, const char *name, const char *type, const char *help)
{
    hor_buf_printf(out, "# HELP horarium_%s %s\n# TYPE horarium_%s %s\n", name, help, name, type);
}

static void master_metrics(struct hor_supervisor *s, struct hor_buf *out)
{
    struct hor_master_counts counts;
    size_t n = hor_masters_count(s->parts.masters);
    metric(out, "master_reachable", "gauge", "1 when the Master answered at the last attempt.");
    for (size_t i = 0; i < n; i++) {
        struct hor_master_state state;
        hor_masters_state(s->parts.masters, i, &state);
        hor_buf_printf(out, "horarium_master_reachable{master=\"%s\"} %d\n", state.name,
                       state.reachable);
        hor_master_state_done(&state);
    }
    metric(out, "master_position", "gauge", "Index in the Master's journal that was stored last.");
    for (size_t i = 0; i < n; i++) {
        hor_masters_counts(s->parts.masters, i, &counts);
        hor_buf_printf(out, "horarium_master_position{master=\"%s\"} %" PRIu64 "\n",
                       hor_masters_name(s->parts.masters, i), counts.position);
    }
    metric(out, "master_events_total", "counter", "Events taken from the Master.");
    for (size_t i = 0; i < n; i++) {
        hor_masters_counts(s->parts.masters, i, &counts);
        hor_buf_printf(out, "horarium_master_events_total{master=\"%s\"} %" PRIu64 "\n",
                       hor_masters_name(s->parts.masters, i), counts.events);
    }
}

static enum hor_http_outcome metrics(struct hor_supervisor *s,
                                     const struct hor_http_request *request,
                                     struct hor_http_response *response)
{
    struct hor_identity who;
    struct hor_error err = {0};
    int rc = hor_auth_request(s->parts.auth, request, NULL, NULL, &who, &err);
    if (rc == HOR_OK) {
        rc = hor_auth_require(&who, "status.view", NULL, &err);
        hor_auth_release(&who);
    }
    if (rc != HOR_OK) {
        if (rc == HOR_ERR_UNAUTHENTICATED)
            hor_http_header(response, "WWW-Authenticate", "Basic realm=\"Horarium\"");
        return plain(response,
                     rc == HOR_ERR_DENIED ? 403
                     : rc == HOR_ERR_BUSY ? 503
                                          : 401,
                     "sign in as somebody who has the right status.view\n");
    }
    struct hor_store_counts counts;
    struct hor_buf *out = &response->body;
    hor_store_counts(s->parts.store, &counts);
    hor_http_header(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    metric(out, "uptime_seconds", "gauge", "Since the start of the Supervisor.");
    hor_buf_printf(out, "horarium_uptime_seconds %" PRId64 "\n",
                   (hor_clock_monotonic_ms() - s->started_ms) / 1000);
    metric(out, "database_up", "gauge", "1 when the last use of the database went well.");
    hor_buf_printf(out, "horarium_database_up %d\n", hor_store_healthy(s->parts.store, NULL, 0));
    metric(out, "database_failures_total", "counter", "Uses of the database that failed.");
    hor_buf_printf(out, "horarium_database_failures_total %" PRIu64 "\n", counts.failures);
    metric(out, "events_stored_total", "counter", "Events written to the history.");
    hor_buf_printf(out, "horarium_events_stored_total %" PRIu64 "\n", counts.events);
    metric(out, "rows_written_total", "counter", "Rows of orders and tasks written.");
    hor_buf_printf(out, "horarium_rows_written_total{table=\"order_run\"} %" PRIu64 "\n",
                   counts.orders);
    hor_buf_printf(out, "horarium_rows_written_total{table=\"task_run\"} %" PRIu64 "\n",
                   counts.tasks);
    metric(out, "write_seconds_total", "counter", "Time spent in writing events.");
    hor_buf_printf(out, "horarium_write_seconds_total %.6f\n", (double)counts.write_us / 1e6);
    master_metrics(s, out);
    return HOR_HTTP_ANSWER;
}

enum hor_http_outcome supervisor_handle(const struct hor_http_request *request,
                                        struct hor_http_response *response, void *ctx)
{
    struct hor_supervisor *s = ctx;
    const char *path = hor_http_path(request);
    if (hor_str_starts(path, "/soap/"))
        return hor_soap_handle(s->service, request, response);
    if (strcmp(path, "/healthz") == 0)
        return health(s, response);
    if (strcmp(path, "/metrics") == 0)
        return metrics(s, request, response);
    if (strcmp(path, "/") == 0 || strcmp(path, "/controller") == 0 ||
        hor_str_starts(path, "/controller/"))
        return hor_controller_handle(s->controller, request, response);
    return plain(response, 404,
                 "There is nothing here: pages are below /controller/, services below "
                 "/soap/.\n");
}
