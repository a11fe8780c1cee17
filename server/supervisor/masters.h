/* server/supervisor/masters.h - the Masters of this Supervisor: pulls their events into the
 * history, knows their last state, and brings releases to them. Each Master cluster has two threads
 * of its own, so that one that is slow or dead delays no other: the puller (events -> store ->
 * acknowledgement) and the watcher (state, and deployments that are still on their way).
 * A Master that is away costs nothing but a retry; a database that is away stops the pulling, and
 * the Masters keep their events. Functions are for worker threads unless they say otherwise. */
#ifndef HOR_SUPERVISOR_MASTERS_H
#define HOR_SUPERVISOR_MASTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/settings.h"
#include "lib/http/client.h"
#include "lib/soap/client.h"
#include "server/supervisor/history/store.h"
#include "server/supervisor/release/release.h"

struct hor_masters;
struct _mst__GetStateResponse;

/* Everything is borrowed for its life. */
int hor_masters_new(const struct hor_settings_cluster *clusters, size_t count,
                    struct hor_http_client *http, struct hor_store *store,
                    struct hor_releases *releases, struct hor_masters **ret, struct hor_error *err);
int hor_masters_start(struct hor_masters *masters, struct hor_error *err);
/* Ends and joins the threads; hor_http_client_abort has been called, so that none of them waits. */
void hor_masters_stop(struct hor_masters *masters);
void hor_masters_free(struct hor_masters *masters);

size_t hor_masters_count(const struct hor_masters *masters);
const char *hor_masters_name(const struct hor_masters *masters, size_t i);
/* The Master to call; a NULL name means the only one. HOR_ERR_NOT_FOUND names those that are known,
 * HOR_ERR_INVALID when there are several and none was named. */
int hor_masters_partner(struct hor_masters *masters, const char *name,
                        struct hor_soap_partner **ret, const char **ret_name,
                        struct hor_error *err);

/* What a Master said of itself and its agent clusters when it was last reached. */
struct hor_master_state {
    const char *name;
    bool reachable;                              /* at the last attempt */
    char cause[300];                             /* why not */
    int64_t at_us;                               /* of what stands in `answer`; 0: never */
    const struct _mst__GetStateResponse *answer; /* NULL: never reached; valid until _done */
    void *hold;
};
void hor_masters_state(struct hor_masters *masters, size_t i, struct hor_master_state *ret);
void hor_master_state_done(struct hor_master_state *state);

/* Records the deployment and tries it once, now; one that does not reach the Master goes on by
 * itself until it does. HOR_ERR_NOT_FOUND (Master), or the database's errors; what became of the
 * attempt stands in the deployment's row. */
int hor_masters_deploy(struct hor_masters *masters, const char *name, int64_t release,
                       const char *actor, struct hor_error *err);

/* For /metrics. */
struct hor_master_counts {
    uint64_t events, pulls, failures;
    uint64_t position; /* in the Master's journal */
};
void hor_masters_counts(struct hor_masters *masters, size_t i, struct hor_master_counts *ret);

#endif
