/* server/supervisor/supervisor.h - the program put together: database, users, repository, releases,
 * Masters, web services and the Controller behind one port. Loop's thread. */
#ifndef HOR_SUPERVISOR_SUPERVISOR_H
#define HOR_SUPERVISOR_SUPERVISOR_H

#include "lib/base/error.h"
#include "lib/config/settings.h"
#include "lib/loop/loop.h"

struct hor_supervisor;

/* Opens everything and listens; settings and loop are borrowed. On failure nothing is left open and
 * the text says what to do. */
int hor_supervisor_start(const struct hor_settings_supervisor *settings, struct hor_loop *loop,
                         struct hor_supervisor **ret, struct hor_error *err);
unsigned hor_supervisor_port(const struct hor_supervisor *supervisor);
/* After hor_loop_run has returned. Accepts NULL. */
void hor_supervisor_stop(struct hor_supervisor *supervisor);

#endif
