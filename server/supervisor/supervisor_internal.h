/* server/supervisor/supervisor_internal.h - for supervisor.c and routing.c. */
#ifndef HOR_SUPERVISOR_SUPERVISOR_INTERNAL_H
#define HOR_SUPERVISOR_SUPERVISOR_INTERNAL_H

#include "server/controller/controller.h"
#include "server/supervisor/service/service.h"
#include "server/supervisor/supervisor.h"

struct hor_supervisor {
    const struct hor_settings_supervisor *settings;
    struct hor_loop *loop;
    int lock_fd;
    int64_t started_ms;
    struct hor_http_client *client;
    struct hor_supervisor_parts parts;
    struct hor_soap_service *service;
    struct hor_controller *controller;
    struct hor_http_server *server;
    struct hor_workers *housekeeping;
    struct hor_timer *minute;
};

/* The server's handler: services, pages, /metrics, /healthz. Worker threads; ctx is the Supervisor.
 */
enum hor_http_outcome supervisor_handle(const struct hor_http_request *request,
                                        struct hor_http_response *response, void *ctx);

#endif
