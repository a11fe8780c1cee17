/* agent/runner/server.h - the runner's one thread: waits for agents' requests, ended processes and
 * due times, in one epoll. */
#ifndef HOR_AGENT_RUNNER_SERVER_H
#define HOR_AGENT_RUNNER_SERVER_H

#include "agent/runner/groups.h"
#include "lib/base/error.h"

struct hor_runner_server;

/* Opens the records and listens on ./runner.sock (mode 0600, for the own user and root). SIGCHLD,
 * SIGTERM and SIGHUP must be blocked. `groups` (may be NULL) is borrowed. */
int hor_runner_server_open(struct hor_groups *groups, struct hor_runner_server **ret,
                           struct hor_error *err);
/* Until SIGTERM (tasks are killed first) or until there was no task and no agent for a minute. */
int hor_runner_server_run(struct hor_runner_server *server, struct hor_error *err);
void hor_runner_server_free(struct hor_runner_server *server);

#endif
