/* lib/model/config.h - a loaded configuration: the jobs, chains, schedules, calendars, locks, agent
 * clusters and folders of one release, checked as one unit, with references resolved to pointers.
 * lib/config makes it from XML; nothing changes it afterwards, so that any thread may read it.
 *
 * All strings and structs belong to the hor_config and live as long as it does. A string marked
 * "template" may hold {XPath} parts and {{ }} escapes: give it to hor_template_text (lib/xml/xpath.h)
 * with the order's variables. One marked "XPath" is an expression. Both compiled at load. */
#ifndef HOR_MODEL_CONFIG_H
#define HOR_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/model/cron.h"
#include "lib/model/icalendar.h"
#include "lib/model/zone.h"

/* enum suffix, NAME.KIND.xml (an iCalendar file is NAME.ics), root element */
#define HOR_KIND_TABLE(X)                                                                          \
    X(AGENT_CLUSTER, "agentCluster", "agentCluster")                                               \
    X(CALENDAR, "calendar", "calendar")                                                            \
    X(CHAIN, "chain", "jobChain")                                                                  \
    X(FOLDER, "folder", "folder")                                                                  \
    X(ICALENDAR, "iCalendar", "iCalendar")                                                         \
    X(JOB, "job", "job")                                                                           \
    X(LOCK, "lock", "lock")                                                                        \
    X(SCHEDULE, "schedule", "schedule")

enum hor_kind {
#define HOR_KIND_ENUM(suffix, name, root) HOR_KIND_##suffix,
    HOR_KIND_TABLE(HOR_KIND_ENUM)
#undef HOR_KIND_ENUM
        HOR_KINDS
};

/* The first member of every object. */
struct hor_object {
    enum hor_kind kind;
    const char *path;  /* "/finance/eod" */
    const char *title; /* NULL: none */
    const char *file;  /* as given to the loader, "finance/eod.chain.xml" */
    int line;          /* of the root element */
};

enum hor_parameter_type {
    HOR_PARAMETER_STRING,
    HOR_PARAMETER_INTEGER,
    HOR_PARAMETER_NUMBER,
    HOR_PARAMETER_BOOLEAN, /* true or false */
    HOR_PARAMETER_DATE,    /* YYYY-MM-DD */
    HOR_PARAMETER_SECRET,  /* never in a log, a clear journal or a process list */
};

struct hor_parameter {
    const char *name;
    enum hor_parameter_type type;
    bool required;
    const char *fallback; /* template, for when no value is given; NULL: none */
    const char *title;    /* NULL: none */
};

struct hor_named_text { /* <environment>, <argument> */
    const char *name;
    const char *value; /* template */
};

struct hor_code_range {
    int from, to; /* both included */
};

struct hor_codes {
    struct hor_code_range *items;
    size_t count;
};
bool hor_codes_have(const struct hor_codes *codes, int code);

enum hor_agent_loss { HOR_AGENT_LOSS_HOLD, HOR_AGENT_LOSS_RESTART };

struct hor_lock {
    struct hor_object object;
    int capacity; /* 1: exclusive for one holder */
};

struct hor_lock_use {
    const struct hor_lock *lock;
    const char *lock_path;
    bool exclusive;
    int weight; /* of a shared use */
};

struct hor_job {
    struct hor_object object;
    struct hor_parameter *parameters;
    size_t parameter_count;
    /* Either a script for a shell or a program with its arguments; the other is NULL. */
    const char *script, *shell;
    const char *program;    /* absolute path */
    const char **arguments; /* templates */
    size_t argument_count;
    struct hor_named_text *environment;
    size_t environment_count;
    const char *user;      /* NULL: the runner's own */
    const char *directory; /* template; NULL: the runner's choice */
    int64_t timeout_ms;    /* 0: none */
    int max_tasks;         /* at once in the cluster; 0: no limit of its own */
    int priority;          /* higher first; 0 by default */
    int64_t memory_bytes, file_bytes, processes, open_files, cpu_seconds; /* 0: none */
    int cpu_milli;                            /* 1500: one and a half processors; 0: none */
    int warn_longer_percent, warn_shorter_percent; /* of the average; 0: none */
    int64_t warn_longer_ms, warn_shorter_ms;       /* 0: none */
    int terminate_signal;                          /* SIGTERM by default */
    int64_t grace_ms;                              /* then SIGKILL; 15 s by default */
    struct hor_codes success, warning;             /* success is {0} by default; others fail */
    int retry_attempts;       /* attempts in all, the first included; 1: no retry */
    int64_t retry_delay_ms, retry_max_delay_ms; /* max 0: none */
    int retry_factor_milli;   /* 2000: each delay is twice the one before */
    enum hor_agent_loss agent_loss;
    struct hor_lock_use *locks;
    size_t lock_count;
};
/* The delay before attempt `next` (2..), with factor and maximum. */
int64_t hor_job_retry_delay_ms(const struct hor_job *job, int next);
const struct hor_parameter *hor_parameter_find(const struct hor_parameter *items, size_t count,
                                               const char *name); /* NULL: none */
/* Whether `value` is of the parameter's type. */
bool hor_parameter_accepts(const struct hor_parameter *parameter, const char *value);

enum hor_selection { HOR_SELECTION_FIXED_PRIORITY, HOR_SELECTION_ROUND_ROBIN };

struct hor_agent_member {
    const char *name, *url;
    int priority;  /* higher first; 1 by default */
    int max_tasks; /* at once; 8 by default; 0 for a witness */
    bool witness;
};

struct hor_agent_cluster {
    struct hor_object object;
    enum hor_selection selection;
    bool spill; /* fixedPriority: a full member lets tasks go to the next */
    struct hor_agent_member *members; /* member ids are the positions, from 1 */
    size_t member_count;
};

enum hor_on {
    HOR_ON_SUCCESS = 1,
    HOR_ON_WARNING = 2,
    HOR_ON_FAILURE = 4,
    HOR_ON_SKIPPED = 8,
    HOR_ON_ANY = 15,
};

struct hor_edge {
    size_t from; /* index of the node before */
    unsigned on; /* HOR_ON_... of the node before that release this one */
    struct hor_codes codes; /* and these exit codes, whatever outcome they mean */
    bool plain; /* no `on` was written: success, warning, and a node skipped by its own `when` */
};

enum hor_on_failure {
    HOR_ON_FAILURE_STOP,     /* the order waits as failed for a person */
    HOR_ON_FAILURE_SUSPEND,
    HOR_ON_FAILURE_CONTINUE, /* the failed node counts as done */
    HOR_ON_FAILURE_END,      /* the order ends as failedFinally */
};

enum hor_requirement_type { /* in the order of hor_requirement_name */
    HOR_REQUIRES_HISTORY,
    HOR_REQUIRES_EVENT,
    HOR_REQUIRES_CONDITION,
    HOR_REQUIREMENTS,
};
enum hor_on_timeout { HOR_ON_TIMEOUT_FAIL, HOR_ON_TIMEOUT_SKIP, HOR_ON_TIMEOUT_CONTINUE };

/* What a node waits for, as soon as the nodes before it let it go. */
struct hor_requirement {
    enum hor_requirement_type type;
    int line;
    const struct hor_chain *chain; /* history */
    const char *chain_path;
    unsigned on;            /* history: HOR_ON_... that its order may end with */
    int64_t within_ms;      /* history, event: not older, seen from the request; 0: any age */
    const char *name;       /* event */
    bool consume;           /* event: counts for one order only */
    const char *test;       /* condition: XPath */
    int64_t timeout_ms;     /* 0: waits for ever */
    enum hor_on_timeout on_timeout;
};
const char *hor_requirement_name(enum hor_requirement_type type); /* "history", ... */

struct hor_node {
    const char *id;
    const char *title; /* NULL: none */
    int line;
    const struct hor_job *job;
    const char *job_path;
    struct hor_edge *edges; /* none: it begins the chain */
    size_t edge_count;
    bool join_any;    /* one edge is enough; otherwise all */
    const char *when; /* XPath; false skips the node; NULL: none */
    enum hor_on_failure on_failure; /* its own or the chain's */
    const char *agent;              /* only this member; NULL: any */
    size_t same_agent_as;           /* index of a node; HOR_NODE_NONE */
    struct hor_named_text *arguments; /* for the job's parameters, before those of the order */
    size_t argument_count;
    struct hor_requirement *requirements;
    size_t requirement_count;
    bool every_agent;          /* one task on each member */
    const char *cluster_path;  /* it runs there, through the Master; NULL: where the chain runs */
    const struct hor_chain *part; /* what runs there: a chain of this node alone */
};
#define HOR_NODE_NONE ((size_t)-1)

enum hor_overlap {
    HOR_OVERLAP_QUEUE,
    HOR_OVERLAP_QUEUE_ONE,
    HOR_OVERLAP_SKIP,
    HOR_OVERLAP_ALLOW,
    HOR_OVERLAP_CANCEL_OTHER,
};

struct hor_chain {
    struct hor_object object;
    const struct hor_agent_cluster *cluster;
    const char *cluster_path;
    enum hor_overlap overlap; /* what a new order does while max_orders run */
    int max_orders;           /* side by side; 1 when not written; 0: no limit (overlap="allow") */
    enum hor_on_failure on_failure;
    int priority;
    struct hor_parameter *parameters;
    size_t parameter_count;
    struct hor_node *nodes; /* at least one */
    size_t node_count;
    size_t *order; /* node indexes, every node after those before it */
    /* Of a chain that the loader made for a node which runs on another cluster: the chain with that
     * node. Its path is the chain's, "/-" and the node's id, which no document can have. */
    const struct hor_chain *part_of;
};
/* Index of a node, HOR_NODE_NONE when there is none. */
size_t hor_chain_node(const struct hor_chain *chain, const char *id);

enum hor_day_set_type {
    HOR_DAY_SET_RULE,     /* RFC 5545 recurrence rule, DTSTART = from */
    HOR_DAY_SET_DATES,    /* from .. to, both included */
    HOR_DAY_SET_CALENDAR, /* all days of another calendar */
    HOR_DAY_SET_ICALENDAR, /* the days that the events of a file touch */
};

struct hor_day_set {
    enum hor_day_set_type type;
    const char *rule;
    int32_t from, to; /* days; from of a rule: HOR_DAY_NONE when not written (use HOR_RECURRENCE_START) */
    const struct hor_calendar *calendar;
    const struct hor_icalendar *icalendar;
    const char *calendar_path; /* of either */
    int line;
};

struct hor_icalendar { /* NAME.ics */
    struct hor_object object;
    struct hor_icalendar_events events;
};

/* The days of `include` without those of `exclude`; no include at all means every day. */
struct hor_calendar {
    struct hor_object object;
    struct hor_day_set *include, *exclude;
    size_t include_count, exclude_count;
};

enum hor_day_period { HOR_PERIOD_NONE, HOR_PERIOD_WEEK, HOR_PERIOD_MONTH, HOR_PERIOD_QUARTER,
                      HOR_PERIOD_YEAR };

/* <days>: a day is wanted when any of the schedule's entries wants it. */
struct hor_days {
    const struct hor_calendar *calendar; /* NULL: every day */
    const char *calendar_path;
    unsigned weekdays; /* bit 0 Monday .. bit 6 Sunday; 0: any */
    int nth;           /* 1 the first, -1 the last of each period; 0: all */
    enum hor_day_period of;
};

struct hor_every {
    int32_t interval_s, from_s, to_s; /* from, from + interval, .. while <= to */
};

enum hor_non_working_day { HOR_NON_WORKING_IGNORE, HOR_NON_WORKING_SKIP, HOR_NON_WORKING_BEFORE,
                           HOR_NON_WORKING_AFTER };
enum hor_missed { HOR_MISSED_RUN_LAST, HOR_MISSED_RUN, HOR_MISSED_SKIP };

struct hor_substitute {
    int32_t from, to; /* days, both included */
    const struct hor_schedule *schedule;
    const char *schedule_path;
};

struct hor_schedule {
    struct hor_object object;
    const struct hor_chain *chain;
    const char *chain_path;
    const char *time_zone;         /* "UTC" by default */
    int32_t valid_from, valid_to;  /* days, both included; HOR_DAY_NONE: open */
    struct hor_days *days;         /* none: every day */
    size_t days_count;
    int32_t *at_s; /* seconds after local midnight, sorted */
    size_t at_count;
    struct hor_every *every;
    size_t every_count;
    struct hor_cron *cron;
    size_t cron_count;
    enum hor_non_working_day non_working_day;
    const struct hor_calendar *working_days; /* NULL when ignored */
    const char *working_days_path;
    enum hor_missing_hour missing_hour; /* lib/model/zone.h */
    enum hor_repeated_hour repeated_hour;
    enum hor_missed missed;
    int64_t missed_within_ms; /* 0: any age */
    int32_t deadline_s;       /* seconds after local midnight of the plan day; -1: none */
    int priority;
    struct hor_named_text *arguments;
    size_t argument_count;
    struct hor_substitute *substitutes;
    size_t substitute_count;
};

struct hor_folder {
    struct hor_object object; /* the path is the folder's own */
    const char *owner;        /* NULL: none */
    bool two_persons;         /* a release needs an approver who is not its author */
};

struct hor_config {
    int64_t release;      /* 0: not from a release document */
    int64_t created_us;   /* UTC; 0: none */
    const char *author, *reason; /* NULL: none */
    char sha256[65];      /* of the release document's bytes; "": none */
    /* Sorted by path. */
    struct hor_job **jobs;
    struct hor_chain **chains;
    struct hor_schedule **schedules;
    struct hor_calendar **calendars;
    struct hor_lock **locks;
    struct hor_agent_cluster **clusters;
    struct hor_folder **folders;
    struct hor_icalendar **icalendars;
    size_t job_count, chain_count, schedule_count, calendar_count, lock_count, cluster_count,
        folder_count, icalendar_count;
    struct hor_arena arena;
};

void hor_config_free(struct hor_config *config); /* accepts NULL */
/* By path; NULL when there is none. */
const struct hor_job *hor_config_job(const struct hor_config *config, const char *path);
const struct hor_chain *hor_config_chain(const struct hor_config *config, const char *path);
const struct hor_schedule *hor_config_schedule(const struct hor_config *config, const char *path);
const struct hor_calendar *hor_config_calendar(const struct hor_config *config, const char *path);
const struct hor_lock *hor_config_lock(const struct hor_config *config, const char *path);
const struct hor_agent_cluster *hor_config_cluster(const struct hor_config *config,
                                                   const char *path);
const struct hor_folder *hor_config_folder(const struct hor_config *config, const char *path);
const struct hor_icalendar *hor_config_icalendar(const struct hor_config *config, const char *path);
/* Any kind, walking all of them: kind by kind, each sorted by path. NULL: end. Start with *pos = 0. */
const struct hor_object *hor_config_next(const struct hor_config *config, size_t *pos);
size_t hor_config_object_count(const struct hor_config *config);
/* The documents' kind: "job", "chain", ...; HOR_KINDS when the name is none. */
const char *hor_kind_name(enum hor_kind kind);
enum hor_kind hor_kind_from_name(const char *name);
/* The last part of a path. */
const char *hor_path_name(const char *path);

#endif
