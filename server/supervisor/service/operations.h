/* server/supervisor/service/operations.h - the functions behind the table in operations.c. */
#ifndef HOR_SUPERVISOR_SERVICE_OPERATIONS_H
#define HOR_SUPERVISOR_SERVICE_OPERATIONS_H

#include "server/supervisor/service/convert.h"

/* operation, function, right, changes */
#define SERVICE_OPERATIONS(X)                                                                      \
    X(Login, service_login, NULL, true)                                                            \
    X(Logout, service_logout, "", true)                                                            \
    X(WhoAmI, service_who_am_i, "", false)                                                         \
    X(ListObjects, service_list_objects, "configuration.view", false)                              \
    X(GetObject, service_get_object, "configuration.view", false)                                  \
    X(ValidateConfiguration, service_validate, "configuration.view", false)                        \
    X(CreateRelease, service_create_release, "release.create", true)                               \
    X(ApproveRelease, service_approve_release, "release.approve", true)                            \
    X(RejectRelease, service_reject_release, "release.approve", true)                              \
    X(DeployRelease, service_deploy_release, "release.deploy", true)                               \
    X(ListReleases, service_list_releases, "release.view", false)                                  \
    X(GetReleaseDifference, service_release_difference, "configuration.view", false)               \
    X(AddOrder, service_add_order, "order.add", true)                                              \
    X(ControlOrders, service_control_orders, "order.control", true)                                \
    X(ControlChain, service_control_chain, "chain.control", true)                                  \
    X(ControlAgent, service_control_agent, "agent.control", true)                                  \
    X(PostEvent, service_post_event, "event.post", true)                                           \
    X(GetPlan, service_get_plan, "order.view", false)                                              \
    X(GetOverview, service_get_overview, "order.view", false)                                      \
    X(GetStatus, service_get_status, "status.view", false)                                         \
    X(SwitchMaster, service_switch_master, "cluster.control", true)                                \
    X(ControlCluster, service_control_cluster, "cluster.control", true)                            \
    X(ListCommands, service_list_commands, "status.view", false)                                   \
    X(RevokeCommand, service_revoke_command, "cluster.control", true)                              \
    X(ListOrders, service_list_orders, "order.view", false)                                        \
    X(GetOrder, service_get_order, "order.view", false)                                            \
    X(ListChains, service_list_chains, "order.view", false)                                        \
    X(ListTasks, service_list_tasks, "order.view", false)                                          \
    X(ReadLog, service_read_log, "log.view", false)                                                \
    X(GetEvents, service_get_events, "event.view", false)                                          \
    X(ListAudit, service_list_audit, "audit.view", false)                                          \
    X(ListSessions, service_list_sessions, "", false)                                              \
    X(EndSession, service_end_session, "", true)

#define DECLARE(op, function, right, changes)                                                      \
    int function(struct hor_soap_call *call, const struct _sup__##op *request,                     \
                 struct _sup__##op##Response *response, struct hor_error *err);
SERVICE_OPERATIONS(DECLARE)
#undef DECLARE

/* Shared by GetOverview and GetStatus: the last known state of Masters and agent clusters. */
int service_clusters(struct hor_soap_call *call, int *ret_masters, struct t__Cluster **masters,
                     int *ret_clusters, struct t__Cluster **clusters, struct hor_error *err);
/* An OrderFilter as the history takes it; `states` lives as long as the request. */
int service_filter(const struct sup__OrderFilter *in, const struct hor_scope *scope,
                   struct hor_order_filter *out, char day[11], struct hor_error *err);

#endif
