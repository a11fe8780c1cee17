#define _GNU_SOURCE
#include "lib/config/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"

enum { SETTINGS_BYTES = 1024 * 1024 };

#ifndef HOR_LIBEXECDIR
#error "HOR_LIBEXECDIR must name the folder of horarium-runner"
#endif

/* What the readers of all programs hand along. */
struct reader {
    struct hor_xml_doc *doc;
    const struct hor_xml_node *root;
    struct hor_settings_common *common;
    char folder[PATH_MAX]; /* of the settings file */
    struct hor_error *err;
};

/* Parses and checks the file against the schema. */
static int open_file(struct reader *reader, const char *file, const char *program,
                     struct hor_settings_common *common, struct hor_error *err)
{
    *reader = (struct reader){.common = common, .err = err};
    char real[PATH_MAX];
    if (realpath(file, real) == NULL)
        return hor_error_set_errno(err, errno == ENOENT ? HOR_ERR_NOT_FOUND : HOR_ERR_IO, errno,
                                   "settings '%s'", file);
    common->file = hor_arena_strdup(&common->arena, real);
    snprintf(reader->folder, sizeof reader->folder, "%s", real);
    *strrchr(reader->folder, '/') = '\0'; /* empty for the root folder */

    const struct hor_xml_schema *schema = hor_xml_schema_named("settings.xsd", err);
    if (schema == NULL)
        return err == NULL ? HOR_ERR_NOT_FOUND : err->code;
    struct hor_buf text = HOR_BUF_INIT;
    int code = hor_file_read(real, SETTINGS_BYTES, &text, err);
    if (code == HOR_OK)
        code = hor_xml_parse(file, text.data == NULL ? "" : text.data, text.len, schema, NULL,
                             &reader->doc, err);
    hor_buf_done(&text);
    if (code != HOR_OK)
        return code;
    reader->root = hor_xml_root(reader->doc);
    if (strcmp(hor_xml_name(reader->root), program) != 0)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "%s: line %d: these are settings of '%s', expected the element '%s'",
                             file, hor_xml_line(reader->root), hor_xml_name(reader->root), program);
    return HOR_OK;
}

static const char *text_of(struct reader *reader, const struct hor_xml_node *node, const char *name)
{
    return node == NULL ? NULL
                        : hor_arena_strdup(&reader->common->arena, hor_xml_attribute(node, name));
}

/* A path attribute, made absolute; NULL when absent. */
static const char *path_of(struct reader *reader, const struct hor_xml_node *node, const char *name)
{
    const char *path = node == NULL ? NULL : hor_xml_attribute(node, name);
    if (path == NULL || *path == '/')
        return hor_arena_strdup(&reader->common->arena, path);
    char *joined = hor_str_printf("%s/%s", reader->folder, path);
    const char *kept = hor_arena_strdup(&reader->common->arena, joined);
    if (joined == NULL)
        reader->common->arena.failed = true;
    free(joined);
    return kept;
}

/* A file that must be there already. */
static int need_file(struct reader *reader, const struct hor_xml_node *node, const char *name,
                     const char *path)
{
    if (path == NULL || access(path, R_OK) == 0)
        return HOR_OK;
    int code = errno;
    return hor_error_set_errno(reader->err, HOR_ERR_INVALID, code,
                               "%s: line %d: %s '%s' must be a file that can be read",
                               reader->common->file, hor_xml_line(node), name, path);
}

static int read_listen(struct reader *reader)
{
    struct hor_settings_listen *listen = &reader->common->listen;
    const struct hor_xml_node *node = hor_xml_child(reader->root, "listen");
    const char *address = text_of(reader, node, "address");
    listen->address = address == NULL ? "127.0.0.1" : address;
    listen->port = (uint16_t)hor_xml_attribute_int(node, "port", 0);
    listen->certificate = path_of(reader, node, "certificate");
    listen->key = path_of(reader, node, "key");
    listen->ca = path_of(reader, node, "ca");
    int given = (listen->certificate != NULL) + (listen->key != NULL) + (listen->ca != NULL);
    if (given != 0 && given != 3)
        return hor_error_set(reader->err, HOR_ERR_INVALID,
                             "%s: line %d: listen needs certificate, key and ca together, or none "
                             "of them for no TLS",
                             reader->common->file, hor_xml_line(node));
    int code = need_file(reader, node, "certificate", listen->certificate);
    if (code == HOR_OK)
        code = need_file(reader, node, "key", listen->key);
    if (code == HOR_OK)
        code = need_file(reader, node, "ca", listen->ca);
    return code;
}

static int read_common(struct reader *reader)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    struct hor_settings_common *common = reader->common;
    common->name = text_of(reader, reader->root, "name");
    common->data_directory = path_of(reader, reader->root, "dataDirectory");
    common->log_file = path_of(reader, reader->root, "logFile");
    common->log_level = HOR_LOG_INFO;
    const char *level = hor_xml_attribute(reader->root, "logLevel");
    for (int i = 0; level != NULL && i < 4; i++)
        if (strcmp(levels[i], level) == 0)
            common->log_level = (enum hor_log_level)i;
    const struct hor_xml_node *journal = hor_xml_child(reader->root, "journal");
    if (journal != NULL) {
        common->snapshot_every = (uint64_t)hor_xml_attribute_int(journal, "snapshotEvery", 0);
        common->segment_bytes = (size_t)hor_xml_attribute_int(journal, "segmentBytes", 0);
    }
    return read_listen(reader);
}

static int read_members(struct reader *reader, const struct hor_xml_node *parent,
                        struct hor_settings_member **ret, size_t *ret_count)
{
    struct hor_settings_member *members = NULL;
    size_t count = 0;
    const struct hor_xml_node *node = hor_xml_child(parent, "member");
    for (; node != NULL; node = hor_xml_next(node, "member")) {
        struct hor_settings_member *grown =
            hor_arena_grow(&reader->common->arena, members, count, sizeof *members);
        if (grown == NULL)
            return HOR_ERR_MEMORY;
        members = grown;
        struct hor_settings_member *member = &members[count];
        *member = (struct hor_settings_member){
            .name = text_of(reader, node, "name"),
            .url = text_of(reader, node, "url"),
            .witness = hor_xml_attribute_bool(node, "witness", false),
            .priority = (int)hor_xml_attribute_int(node, "priority", 1),
            .max_tasks = (int)hor_xml_attribute_int(node, "maxTasks", 8)};
        for (size_t i = 0; i < count; i++)
            if (hor_str_equal(members[i].name, member->name))
                return hor_error_set(reader->err, HOR_ERR_INVALID,
                                     "%s: line %d: member '%s' stands twice; names must differ",
                                     reader->common->file, hor_xml_line(node), member->name);
        count++;
    }
    *ret = members;
    *ret_count = count;
    return HOR_OK;
}

/* <masterCluster> or <master> elements. */
static int read_clusters(struct reader *reader, const char *element,
                         struct hor_settings_cluster **ret, size_t *ret_count)
{
    struct hor_settings_cluster *clusters = NULL;
    size_t count = 0;
    const struct hor_xml_node *node = hor_xml_child(reader->root, element);
    for (; node != NULL; node = hor_xml_next(node, element)) {
        struct hor_settings_cluster *grown =
            hor_arena_grow(&reader->common->arena, clusters, count, sizeof *clusters);
        if (grown == NULL)
            return HOR_ERR_MEMORY;
        clusters = grown;
        struct hor_settings_cluster *cluster = &clusters[count];
        cluster->name = text_of(reader, node, "name");
        for (size_t i = 0; i < count; i++)
            if (hor_str_equal(clusters[i].name, cluster->name))
                return hor_error_set(reader->err, HOR_ERR_INVALID,
                                     "%s: line %d: Master cluster '%s' stands twice; names must "
                                     "differ",
                                     reader->common->file, hor_xml_line(node), cluster->name);
        int code = read_members(reader, node, &cluster->members, &cluster->member_count);
        if (code != HOR_OK)
            return code;
        count++;
    }
    *ret = clusters;
    *ret_count = count;
    return HOR_OK;
}

/* The place of this program among its cluster's members. */
static int find_self(struct reader *reader, const struct hor_settings_member *members, size_t count,
                     size_t *ret)
{
    for (size_t i = 0; i < count; i++)
        if (hor_str_equal(members[i].name, reader->common->name)) {
            *ret = i;
            return HOR_OK;
        }
    return hor_error_set(reader->err, HOR_ERR_INVALID,
                         "%s: line %d: name '%s' is none of the members; it must be one of them",
                         reader->common->file, hor_xml_line(reader->root), reader->common->name);
}

/* Ends a read: the code that counts, with words. */
static int finish(struct reader *reader, int code)
{
    hor_xml_doc_free(reader->doc);
    if (code == HOR_OK && reader->common->arena.failed)
        code = HOR_ERR_MEMORY;
    if (code == HOR_ERR_MEMORY)
        hor_error_set(reader->err, code, "settings: out of memory");
    return code;
}

#define NEW_SETTINGS(type, variable)                                                               \
    struct type *variable = calloc(1, sizeof *variable);                                           \
    if (variable == NULL)                                                                          \
        return hor_error_set(err, HOR_ERR_MEMORY, "settings: out of memory")

int hor_settings_supervisor_read(const char *file, struct hor_settings_supervisor **ret,
                                 struct hor_error *err)
{
    NEW_SETTINGS(hor_settings_supervisor, settings);
    struct reader reader;
    int code = open_file(&reader, file, "supervisor", &settings->common, err);
    if (code == HOR_OK)
        code = read_common(&reader);
    if (code == HOR_OK) {
        settings->repository_folder =
            path_of(&reader, hor_xml_child(reader.root, "repository"), "folder");
        settings->database = text_of(&reader, hor_xml_child(reader.root, "database"), "connection");
        settings->users_file = path_of(&reader, hor_xml_child(reader.root, "users"), "file");
        code = read_clusters(&reader, "masterCluster", &settings->masters, &settings->master_count);
    }
    code = finish(&reader, code);
    if (code != HOR_OK)
        hor_settings_supervisor_free(settings);
    else
        *ret = settings;
    return code;
}

/* The names of <supervisor> elements; one is the default. */
static int read_supervisors(struct reader *reader, struct hor_settings_master *settings)
{
    static const char usual[] = "supervisor";
    const struct hor_xml_node *node = hor_xml_child(reader->root, "supervisor");
    do {
        const char **grown = hor_arena_grow(&reader->common->arena, settings->supervisors,
                                            settings->supervisor_count, sizeof *grown);
        if (grown == NULL)
            return HOR_ERR_MEMORY;
        settings->supervisors = grown;
        grown[settings->supervisor_count++] = node != NULL ? text_of(reader, node, "name") : usual;
        node = node != NULL ? hor_xml_next(node, "supervisor") : NULL;
    } while (node != NULL);
    return HOR_OK;
}

int hor_settings_master_read(const char *file, struct hor_settings_master **ret,
                             struct hor_error *err)
{
    NEW_SETTINGS(hor_settings_master, settings);
    struct reader reader;
    int code = open_file(&reader, file, "master", &settings->common, err);
    if (code == HOR_OK)
        code = read_common(&reader);
    if (code == HOR_OK) {
        settings->cluster = text_of(&reader, reader.root, "cluster");
        const struct hor_xml_node *plan = hor_xml_child(reader.root, "plan");
        settings->plan_days_ahead =
            plan == NULL ? 2 : (int)hor_xml_attribute_int(plan, "daysAhead", 2);
        const char *failback = hor_xml_attribute(reader.root, "failback");
        settings->failback_auto = failback == NULL || strcmp(failback, "auto") == 0;
        code = read_supervisors(&reader, settings);
    }
    if (code == HOR_OK) {
        code = read_members(&reader, reader.root, &settings->members, &settings->member_count);
    }
    if (code == HOR_OK)
        code = find_self(&reader, settings->members, settings->member_count, &settings->self);
    code = finish(&reader, code);
    if (code != HOR_OK)
        hor_settings_master_free(settings);
    else
        *ret = settings;
    return code;
}

static void read_runner(struct reader *reader, struct hor_settings_agent *settings)
{
    const struct hor_xml_node *runner = hor_xml_child(reader->root, "runner");
    settings->runner_program = path_of(reader, runner, "program");
    settings->runner_directory = path_of(reader, runner, "directory");
    if (settings->runner_program == NULL)
        settings->runner_program = HOR_LIBEXECDIR "/horarium-runner";
    if (settings->runner_directory == NULL && settings->common.data_directory != NULL) {
        char *path = hor_path_join(settings->common.data_directory, "runner");
        settings->runner_directory = hor_arena_strdup(&settings->common.arena, path);
        if (path == NULL)
            settings->common.arena.failed = true;
        free(path);
    }
}

int hor_settings_agent_read(const char *file, struct hor_settings_agent **ret,
                            struct hor_error *err)
{
    NEW_SETTINGS(hor_settings_agent, settings);
    struct reader reader;
    int code = open_file(&reader, file, "agent", &settings->common, err);
    if (code == HOR_OK)
        code = read_common(&reader);
    if (code == HOR_OK) {
        settings->cluster = text_of(&reader, reader.root, "cluster");
        read_runner(&reader, settings);
        code = read_members(&reader, reader.root, &settings->members, &settings->member_count);
    }
    if (code == HOR_OK)
        code = find_self(&reader, settings->members, settings->member_count, &settings->self);
    if (code == HOR_OK)
        code = read_clusters(&reader, "master", &settings->masters, &settings->master_count);
    code = finish(&reader, code);
    if (code != HOR_OK)
        hor_settings_agent_free(settings);
    else
        *ret = settings;
    return code;
}

#define SETTINGS_FREE(program)                                                                     \
    void hor_settings_##program##_free(struct hor_settings_##program *settings)                    \
    {                                                                                              \
        if (settings != NULL)                                                                      \
            hor_arena_done(&settings->common.arena);                                               \
        free(settings);                                                                            \
    }
SETTINGS_FREE(supervisor)
SETTINGS_FREE(master)
SETTINGS_FREE(agent)
