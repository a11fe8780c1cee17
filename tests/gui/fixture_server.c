/* tests/gui/fixture_server.c - the Controller over answers from files: to look at its pages.
 * usage: fixture_server FOLDER-OF-ANSWERS XSLT-GUI PORT; user anna, password "secret of anna". */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "tests/lib/fake_supervisor.h"

static enum hor_http_outcome handle(const struct hor_http_request *request,
                                    struct hor_http_response *response, void *ctx)
{
    return hor_controller_handle(ctx, request, response);
}

static void stop(int signal, void *ctx)
{
    (void)signal;
    hor_loop_stop(ctx);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s FOLDER-OF-ANSWERS XSLT-GUI PORT\n", argv[0]);
        return 2;
    }
    struct hor_error err = {0};
    struct hor_fake_supervisor fake;
    struct hor_controller *controller = NULL;
    struct hor_http_server *server = NULL;
    struct hor_loop *loop = hor_loop_new();
    hor_fake_supervisor_init(&fake, argv[1]);
    struct hor_controller_settings settings = {
        .folder = argv[2], .version = "0.1.0", .backend = hor_fake_supervisor_backend(&fake)};
    struct hor_http_settings http = {.address = "127.0.0.1", .port = (uint16_t)atoi(argv[3])};
    hor_log_open("fixture_server", NULL, HOR_LOG_INFO, NULL);
    if (loop == NULL || hor_loop_on_signal(loop, SIGTERM, stop, loop) != HOR_OK ||
        hor_controller_new(&settings, &controller, &err) != HOR_OK ||
        hor_http_server_start(loop, &http, handle, controller, &server, &err) != HOR_OK) {
        fprintf(stderr, "fixture_server: %s\n", err.text);
        return 1;
    }
    hor_loop_run(loop, NULL);
    hor_http_server_stop(server);
    hor_controller_free(controller);
    hor_fake_supervisor_done(&fake);
    hor_loop_free(loop);
    return 0;
}
