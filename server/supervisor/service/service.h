/* server/supervisor/service/service.h - the operations of xsd/supervisor.xsd. Each concern has a
 * file; operations.c holds the one table that says which right an operation needs, and the policy
 * (who is it, may he, audit). Results are filtered by the folders that the caller may see.
 * Operations run on worker threads, several at once; what they share guards itself. */
#ifndef HOR_SUPERVISOR_SERVICE_SERVICE_H
#define HOR_SUPERVISOR_SERVICE_SERVICE_H

#include "lib/soap/service.h"
#include "server/supervisor/auth/auth.h"
#include "server/supervisor/history/store.h"
#include "server/supervisor/masters.h"
#include "server/supervisor/release/release.h"
#include "server/supervisor/repository/repository.h"

/* The context of the service; everything is borrowed. */
struct hor_supervisor_parts {
    struct hor_store *store;
    struct hor_auth *auth;
    struct hor_repository *repository;
    struct hor_releases *releases;
    struct hor_masters *masters;
    const char *version;
};

extern const struct hor_soap_operation hor_supervisor_operations[];
extern const struct hor_soap_policy hor_supervisor_policy;

/* How long a call that names an order waits for one that the Master has just taken. */
enum { SERVICE_FRESH_MS = 1000 };

#endif
