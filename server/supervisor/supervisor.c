#include "server/supervisor/supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/supervisor/history/database.h"
#include "server/supervisor/supervisor_internal.h"

enum { MINUTE_MS = 60000 };

/* ---- what the Controller needs ---- */

static void gui_audit(struct hor_supervisor *s, const char *operation, const char *user,
                      const char *from, int rc, const struct hor_error *err)
{
    struct hor_audit_entry entry = {.at_us = hor_clock_utc_us(),
                                    .user = user,
                                    .address = from,
                                    .operation = operation,
                                    .object = user,
                                    .outcome = rc == HOR_OK ? "done" : "refused",
                                    .detail = rc != HOR_OK && err != NULL ? err->text : NULL};
    struct hor_error why;
    if (hor_store_audit(s->parts.store, &entry, &why) != HOR_OK)
        hor_log_error("audit of a %s is not stored: %s", operation, why.text);
}

static int gui_login(const char *user, const char *password, const char *from,
                     char token[HOR_CONTROLLER_TOKEN_BYTES], void *ctx, struct hor_error *err)
{
    struct hor_supervisor *s = ctx;
    _Static_assert((int)HOR_CONTROLLER_TOKEN_BYTES >= (int)HOR_TOKEN_BYTES, "a token fits");
    int rc = hor_auth_login(s->parts.auth, user, password, from, token, NULL, err);
    gui_audit(s, "Login", user, from, rc, err);
    return rc;
}

static int gui_identify(const char *token, const char *from, struct hor_identity *who, void *ctx,
                        struct hor_error *err)
{
    struct hor_supervisor *s = ctx;
    return hor_auth_identify(s->parts.auth, token, from, who, err);
}

static void gui_release(struct hor_identity *who, void *ctx)
{
    (void)ctx;
    hor_auth_release(who);
}

static int gui_logout(const char *token, void *ctx, struct hor_error *err)
{
    struct hor_supervisor *s = ctx;
    struct hor_identity who;
    if (hor_auth_identify(s->parts.auth, token, NULL, &who, NULL) == HOR_OK) {
        gui_audit(s, "Logout", who.user, NULL, HOR_OK, NULL);
        hor_auth_release(&who);
    }
    return hor_auth_logout(s->parts.auth, token, err);
}

static int gui_call(const struct hor_identity *who, const char *body, size_t len,
                    struct hor_buf *answer, void *ctx, struct hor_error *err)
{
    struct hor_supervisor *s = ctx;
    return hor_soap_local(s->service, who, body, len, answer, err);
}

/* ---- start ---- */

/* The folder of a file's path, a new string. */
static char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash == NULL ? hor_strdup(".")
                         : hor_str_printf("%.*s", slash == file ? 1 : (int)(slash - file), file);
}

static int open_store(struct hor_supervisor *s, struct hor_error *err)
{
    char *folder = folder_of(s->settings->common.file);
    char *connection = NULL;
    if (folder != NULL)
        connection = s->settings->database != NULL
                         ? hor_database_resolve(s->settings->database, folder)
                         : hor_str_printf("Driver=SQLite3;Database=%s/history.sqlite",
                                          s->settings->common.data_directory);
    int rc = connection != NULL ? hor_store_open(connection, 0, &s->parts.store, err)
                                : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    free(connection);
    free(folder);
    return rc;
}

static int open_auth(struct hor_supervisor *s, struct hor_error *err)
{
    char *file = s->settings->users_file != NULL
                     ? hor_strdup(s->settings->users_file)
                     : hor_path_join(s->settings->common.data_directory, "users.xml");
    struct hor_auth_settings settings = {.users_file = file, .store = s->parts.store};
    int rc = file != NULL ? hor_auth_new(&settings, &s->parts.auth, err)
                          : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    free(file);
    return rc;
}

static int open_masters(struct hor_supervisor *s, struct hor_error *err)
{
    const struct hor_settings_listen *listen = &s->settings->common.listen;
    struct hor_http_client_settings client = {
        .certificate_file = listen->certificate, .key_file = listen->key, .ca_file = listen->ca};
    int rc = hor_http_client_new(&client, &s->client, err);
    if (rc == HOR_OK)
        rc = hor_masters_new(s->settings->masters, s->settings->master_count, s->client,
                             s->parts.store, s->parts.releases, &s->parts.masters, err);
    return rc;
}

static int open_services(struct hor_supervisor *s, struct hor_error *err)
{
    char *pages = hor_path_join(hor_datadir(), "xslt-gui");
    struct hor_controller_settings controller = {.folder = pages,
                                                 .version = HOR_VERSION,
                                                 .backend = {.login = gui_login,
                                                             .identify = gui_identify,
                                                             .release = gui_release,
                                                             .logout = gui_logout,
                                                             .call = gui_call,
                                                             .ctx = s}};
    int rc = pages != NULL
                 ? hor_soap_service_new("supervisor", hor_datadir(), hor_supervisor_operations,
                                        &hor_supervisor_policy, &s->parts, &s->service, err)
                 : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc == HOR_OK)
        rc = hor_controller_new(&controller, &s->controller, err);
    free(pages);
    return rc;
}

static void wake_readers(void *ctx)
{
    struct hor_supervisor *s = ctx;
    hor_http_server_wake(s->server);
}

static void keep_house(void *ctx)
{
    struct hor_supervisor *s = ctx;
    hor_auth_expire(s->parts.auth);
}

static void each_minute(void *ctx)
{
    struct hor_supervisor *s = ctx;
    hor_workers_run(s->housekeeping, keep_house, s, 1); /* busy: next time */
    hor_timer_start(s->minute, MINUTE_MS);
}

static int listen_and_go(struct hor_supervisor *s, struct hor_error *err)
{
    const struct hor_settings_listen *listen = &s->settings->common.listen;
    struct hor_http_settings http = {.address = listen->address,
                                     .port = listen->port,
                                     .certificate_file = listen->certificate,
                                     .key_file = listen->key,
                                     .ca_file = listen->ca,
                                     .workers = 8}; /* they wait for the database and for Masters */
    s->housekeeping = hor_workers_new(1, "house");
    s->minute = hor_timer_new(s->loop, each_minute, s);
    if (s->housekeeping == NULL || s->minute == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    int rc = hor_http_server_start(s->loop, &http, supervisor_handle, s, &s->server, err);
    if (rc != HOR_OK)
        return rc;
    hor_timer_start(s->minute, MINUTE_MS);
    hor_store_on_events(s->parts.store, wake_readers, s);
    return hor_masters_start(s->parts.masters, err);
}

int hor_supervisor_start(const struct hor_settings_supervisor *settings, struct hor_loop *loop,
                         struct hor_supervisor **ret, struct hor_error *err)
{
    struct hor_supervisor *s = calloc(1, sizeof *s);
    if (s == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    s->settings = settings;
    s->loop = loop;
    s->lock_fd = -1;
    s->started_ms = hor_clock_monotonic_ms();
    s->parts.version = HOR_VERSION;
    hor_xml_init();
    const char *data = settings->common.data_directory;
    char *lock = hor_path_join(data, "supervisor.lock");
    int rc = lock != NULL ? hor_dir_make(data, 0700, err)
                          : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc == HOR_OK && (rc = hor_file_lock(lock, &s->lock_fd, err)) == HOR_ERR_BUSY)
        hor_error_prefix(err, "another Supervisor uses the data folder '%s'", data);
    free(lock);
    rc = rc != HOR_OK ? rc : open_store(s, err);
    rc = rc != HOR_OK ? rc : open_auth(s, err);
    rc = rc != HOR_OK ? rc
                      : hor_repository_open(settings->repository_folder, &s->parts.repository, err);
    rc = rc != HOR_OK ? rc : hor_releases_open(data, s->parts.store, &s->parts.releases, err);
    rc = rc != HOR_OK ? rc : open_masters(s, err);
    rc = rc != HOR_OK ? rc : open_services(s, err);
    rc = rc != HOR_OK ? rc : listen_and_go(s, err);
    if (rc != HOR_OK) {
        hor_supervisor_stop(s);
        return rc;
    }
    *ret = s;
    return HOR_OK;
}

unsigned hor_supervisor_port(const struct hor_supervisor *supervisor)
{
    return hor_http_server_port(supervisor->server);
}

void hor_supervisor_stop(struct hor_supervisor *s)
{
    if (s == NULL)
        return;
    /* Calls to Masters end first, so that neither workers nor pullers wait for one. */
    if (s->client != NULL)
        hor_http_client_abort(s->client);
    hor_timer_free(s->minute);
    hor_masters_stop(s->parts.masters);
    hor_http_server_stop(s->server);
    hor_workers_free(s->housekeeping);
    hor_controller_free(s->controller);
    hor_soap_service_free(s->service);
    hor_masters_free(s->parts.masters);
    hor_http_client_free(s->client);
    hor_releases_close(s->parts.releases);
    hor_repository_close(s->parts.repository);
    hor_auth_free(s->parts.auth);
    hor_store_close(s->parts.store);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}
