/* lib/config/settings.h - the settings of a program (xsd/settings.xsd): read once at start.
 * Relative paths are relative to the settings file's folder and come out absolute. A wrong setting
 * is told with file, line, value and what is allowed. Any thread. */
#ifndef HOR_CONFIG_SETTINGS_H
#define HOR_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/datadir.h" /* hor_datadir() */
#include "lib/base/error.h"
#include "lib/base/log.h"

struct hor_settings_listen {
    const char *address; /* "127.0.0.1" by default */
    uint16_t port;
    const char *certificate, *key, *ca; /* PEM files; NULL, all three: no TLS */
};

struct hor_settings_member {
    const char *name, *url; /* url may be NULL where only the name counts */
    bool witness;
    int priority, max_tasks; /* agents */
};

struct hor_settings_cluster { /* <masterCluster> of a Supervisor, <master> of an agent */
    const char *name;
    struct hor_settings_member *members;
    size_t member_count;
};

struct hor_settings_common {
    const char *file; /* the settings file, absolute */
    const char *name; /* of this program: its certificate's common name */
    const char *data_directory;
    const char *log_file; /* NULL: standard error */
    enum hor_log_level log_level;
    struct hor_settings_listen listen;
    uint64_t snapshot_every; /* <journal> of masters and agents; 0: the default */
    size_t segment_bytes;    /* the same */
    struct hor_arena arena; /* owns all strings and arrays */
};

struct hor_settings_supervisor {
    struct hor_settings_common common;
    const char *repository_folder;
    const char *database; /* ODBC connection string */
    const char *users_file;
    struct hor_settings_cluster *masters;
    size_t master_count;
};

struct hor_settings_master {
    struct hor_settings_common common;
    const char *cluster;
    struct hor_settings_member *members;
    size_t member_count;
    size_t self; /* index of this program among the members; member ids are index + 1 */
    const char **supervisors; /* who may deploy, command and read; "supervisor" by default */
    size_t supervisor_count;
    bool failback_auto;  /* leadership goes back by itself */
    int plan_days_ahead; /* 2 by default */
};

struct hor_settings_agent {
    struct hor_settings_common common;
    const char *cluster; /* path of the agentCluster object */
    struct hor_settings_member *members;
    size_t member_count;
    size_t self;
    const char *runner_program, *runner_directory; /* defaults: HOR_LIBEXECDIR/horarium-runner,
                                                      <data>/runner */
    struct hor_settings_cluster *masters; /* who may couple */
    size_t master_count;
};

/* Read and check. HOR_ERR_INVALID (wrong content), HOR_ERR_NOT_FOUND (no such file), HOR_ERR_IO; on
 * failure *ret is untouched. */
int hor_settings_supervisor_read(const char *file, struct hor_settings_supervisor **ret,
                                 struct hor_error *err);
int hor_settings_master_read(const char *file, struct hor_settings_master **ret,
                             struct hor_error *err);
int hor_settings_agent_read(const char *file, struct hor_settings_agent **ret,
                            struct hor_error *err);
void hor_settings_supervisor_free(struct hor_settings_supervisor *settings);
void hor_settings_master_free(struct hor_settings_master *settings);
void hor_settings_agent_free(struct hor_settings_agent *settings);

#endif
