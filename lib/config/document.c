#include "lib/config/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

#define CONFIGURATION "urn:horarium:configuration:1"
#define RELEASE "urn:horarium:release:1"

static const char *const roots[] = {
#define ROOT_NAME(suffix, name, root) root,
    HOR_KIND_TABLE(ROOT_NAME)
#undef ROOT_NAME
};

int hor_builder_init(struct hor_builder *b, struct hor_problems *problems, struct hor_error *err)
{
    *b = (struct hor_builder){.problems = problems};
    if (problems == NULL)
        b->problems = &b->own_problems;
    b->config = calloc(1, sizeof *b->config);
    b->checked = hor_map_new(NULL);
    b->broken = hor_map_new(NULL);
    if (b->config == NULL || b->checked == NULL || b->broken == NULL) {
        hor_builder_done(b);
        return hor_error_set(err, HOR_ERR_MEMORY, "load configuration: out of memory");
    }
    b->arena = &b->config->arena;
    return HOR_OK;
}

void hor_builder_done(struct hor_builder *b)
{
    hor_config_free(b->config);
    hor_map_free(b->checked);
    hor_map_free(b->broken);
    hor_problems_done(&b->own_problems);
    hor_buf_done(&b->text);
    free(b->pending);
    b->config = NULL;
    b->checked = b->broken = NULL;
}

static bool is_name(const char *text, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    return len > 0 && text[0] != '.' && text[0] != '-' && strspn(text, letters) >= len;
}

bool hor_source_is_icalendar(const char *file)
{
    size_t len = strlen(file);
    return len > 4 && strcmp(file + len - 4, ".ics") == 0;
}

int hor_source_name(const char *file, char path[HOR_PATH_BYTES + 1], enum hor_kind *ret,
                    struct hor_error *err)
{
    char copy[HOR_PATH_BYTES + 1];
    size_t len = strlen(file);
    if (len + 1 > HOR_PATH_BYTES)
        return hor_error_set(err, HOR_ERR_INVALID, "the file's path is longer than %d bytes",
                             HOR_PATH_BYTES);
    bool icalendar = hor_source_is_icalendar(file);
    if (!icalendar && (len < 4 || strcmp(file + len - 4, ".xml") != 0))
        return hor_error_set(err, HOR_ERR_INVALID, "the file's name does not end in .xml or .ics");
    memcpy(copy, file, len + 1);
    copy[len - 4] = '\0';
    if (icalendar) {
        *ret = HOR_KIND_ICALENDAR;
    } else {
        char *dot = strrchr(copy, '.');
        if (dot == NULL || strchr(dot, '/') != NULL ||
            (*ret = hor_kind_from_name(dot + 1)) == HOR_KINDS || *ret == HOR_KIND_ICALENDAR)
            return hor_error_set(err, HOR_ERR_INVALID, "the file's name tells no kind of object");
        *dot = '\0';
    }
    for (const char *at = copy; at != NULL;) {
        const char *slash = strchr(at, '/');
        if (!is_name(at, slash == NULL ? strlen(at) : (size_t)(slash - at)))
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "names hold letters, digits, '_', '.', '-' and begin with a "
                                 "letter, a digit or '_'");
        at = slash == NULL ? NULL : slash + 1;
    }
    snprintf(path, HOR_PATH_BYTES + 1, "/%.*s", HOR_PATH_BYTES - 1, copy);
    return HOR_OK;
}

static size_t kind_size(enum hor_kind kind)
{
    static const size_t sizes[] = {
        [HOR_KIND_AGENT_CLUSTER] = sizeof(struct hor_agent_cluster),
        [HOR_KIND_CALENDAR] = sizeof(struct hor_calendar),
        [HOR_KIND_CHAIN] = sizeof(struct hor_chain),
        [HOR_KIND_FOLDER] = sizeof(struct hor_folder),
        [HOR_KIND_ICALENDAR] = sizeof(struct hor_icalendar),
        [HOR_KIND_JOB] = sizeof(struct hor_job),
        [HOR_KIND_LOCK] = sizeof(struct hor_lock),
        [HOR_KIND_SCHEDULE] = sizeof(struct hor_schedule),
    };
    return sizes[kind];
}

/* Adds the object to the list of its kind. */
static void enlist(struct hor_builder *b, void *object)
{
    struct hor_config *config = b->config;
    void **place = NULL;
    switch (b->kind) {
    case HOR_KIND_AGENT_CLUSTER:
        place = (void **)HOR_ADD(b, config->clusters, config->cluster_count);
        b->cluster = object;
        break;
    case HOR_KIND_CALENDAR:
        place = (void **)HOR_ADD(b, config->calendars, config->calendar_count);
        b->calendar = object;
        break;
    case HOR_KIND_CHAIN:
        place = (void **)HOR_ADD(b, config->chains, config->chain_count);
        b->chain = object;
        break;
    case HOR_KIND_FOLDER:
        place = (void **)HOR_ADD(b, config->folders, config->folder_count);
        break;
    case HOR_KIND_ICALENDAR:
        place = (void **)HOR_ADD(b, config->icalendars, config->icalendar_count);
        break;
    case HOR_KIND_JOB:
        place = (void **)HOR_ADD(b, config->jobs, config->job_count);
        b->job = object;
        break;
    case HOR_KIND_LOCK:
        place = (void **)HOR_ADD(b, config->locks, config->lock_count);
        break;
    case HOR_KIND_SCHEDULE:
        place = (void **)HOR_ADD(b, config->schedules, config->schedule_count);
        b->schedule = object;
        break;
    case HOR_KINDS:
        break;
    }
    if (place != NULL)
        memcpy(place, &object, sizeof object);
}

static bool make_object(struct hor_builder *b, const char *title)
{
    struct hor_object *object = hor_arena_alloc(b->arena, kind_size(b->kind));
    if (object == NULL) {
        b->code = HOR_ERR_MEMORY;
        return false;
    }
    *object = (struct hor_object){.kind = b->kind,
                                  .path = b->path,
                                  .title = title,
                                  .file = b->file,
                                  .line = b->line};
    enlist(b, object);
    if (b->code != HOR_OK)
        return false;
    b->object = object;
    b->taken = true;
    b->depth = 1;
    return true;
}

static void begin_object(struct hor_builder *b, const char *name, hor_attributes *a)
{
    if (strcmp(name, roots[b->kind]) != 0) {
        hor_builder_problem(b, "rename the file or change the element",
                            "the root element is '%s', a %s document needs '%s'", name,
                            hor_kind_name(b->kind), roots[b->kind]);
        b->skipping = 1;
        return;
    }
    if (!make_object(b, hor_builder_text(b, a, "title")))
        return;
    switch (b->kind) {
    case HOR_KIND_JOB:
        hor_job_begin(b, a);
        break;
    case HOR_KIND_CHAIN:
        hor_chain_begin(b, a);
        break;
    case HOR_KIND_SCHEDULE:
        hor_schedule_begin(b, a);
        break;
    case HOR_KIND_CALENDAR:
        hor_calendar_begin(b, a);
        break;
    case HOR_KIND_ICALENDAR: /* text only */
        break;
    default:
        hor_place_begin(b, a);
        break;
    }
}

/* <release> and <object>, which stand around the objects of a release document. */
static void begin_frame(struct hor_builder *b, const char *name, hor_attributes *a)
{
    struct hor_config *config = b->config;
    if (strcmp(name, "release") == 0) {
        config->release = hor_builder_int(b, a, "number", 0);
        config->author = hor_builder_text(b, a, "author");
        config->reason = hor_builder_text(b, a, "reason");
        const char *created = hor_xml_attribute_of(a, "created");
        if (created != NULL && hor_time_parse_us(created, &config->created_us) != HOR_OK)
            hor_builder_problem(b, NULL, "created='%s' is not a time with a zone", created);
        return;
    }
    const char *kind = hor_xml_attribute_of(a, "kind");
    b->path = hor_builder_text(b, a, "path");
    b->file = hor_builder_text(b, a, "file");
    b->kind = kind == NULL ? HOR_KINDS : hor_kind_from_name(kind);
}

static int on_start(const char *name, const char *uri, hor_attributes *a, int line, void *ctx)
{
    struct hor_builder *b = ctx;
    b->line = line;
    hor_buf_clear(&b->text);
    if (b->skipping > 0) {
        b->skipping++;
    } else if (b->release && strcmp(uri, RELEASE) == 0) {
        begin_frame(b, name, a);
    } else if (strcmp(uri, CONFIGURATION) != 0 || b->path == NULL || b->kind == HOR_KINDS ||
               strcmp(name, "extension") == 0) {
        b->skipping = 1; /* kept by the document, or told by the schema */
    } else if (b->object == NULL) {
        begin_object(b, name, a);
    } else {
        b->depth++;
        switch (b->kind) {
        case HOR_KIND_JOB:
            hor_job_start(b, name, a);
            break;
        case HOR_KIND_CHAIN:
            hor_chain_start(b, name, a);
            break;
        case HOR_KIND_SCHEDULE:
            hor_schedule_start(b, name, a);
            break;
        case HOR_KIND_CALENDAR:
            hor_calendar_start(b, name, a);
            break;
        case HOR_KIND_ICALENDAR:
            break;
        default:
            hor_place_start(b, name, a);
            break;
        }
    }
    return b->code != HOR_OK || b->arena->failed || b->text.failed ? HOR_ERR_MEMORY : HOR_OK;
}

static void finish_object(struct hor_builder *b)
{
    switch (b->kind) {
    case HOR_KIND_CHAIN:
        hor_chain_finish(b);
        break;
    case HOR_KIND_SCHEDULE:
        hor_schedule_finish(b);
        break;
    case HOR_KIND_AGENT_CLUSTER:
        hor_cluster_finish(b);
        break;
    default:
        break;
    }
    b->object = NULL;
}

static int on_end(const char *name, const char *uri, int line, void *ctx)
{
    (void)uri;
    struct hor_builder *b = ctx;
    b->line = line;
    if (b->skipping > 0) {
        b->skipping--;
    } else if (b->object != NULL) {
        switch (b->kind) {
        case HOR_KIND_JOB:
            hor_job_end(b, name);
            break;
        case HOR_KIND_CHAIN:
            hor_chain_end(b, name);
            break;
        case HOR_KIND_SCHEDULE:
            hor_schedule_end(b, name);
            break;
        case HOR_KIND_CALENDAR:
            hor_calendar_end(b, name);
            break;
        case HOR_KIND_ICALENDAR:
            hor_icalendar_text(b, hor_buf_text(&b->text), b->text.len, b->object->line);
            break;
        default:
            break;
        }
        if (--b->depth == 0)
            finish_object(b);
    }
    hor_buf_clear(&b->text);
    return b->code != HOR_OK || b->arena->failed ? HOR_ERR_MEMORY : HOR_OK;
}

static int on_text(const char *text, size_t len, void *ctx)
{
    struct hor_builder *b = ctx;
    if (b->skipping == 0 && b->object != NULL)
        hor_buf_add(&b->text, text, len);
    return b->text.failed ? HOR_ERR_MEMORY : HOR_OK;
}

static const struct hor_xml_scan handlers = {on_start, on_end, on_text};

/* A handler that ended the scan, or a parser without memory, ends the load; all else is told. */
static int worse_than_told(int code)
{
    return code == HOR_ERR_MEMORY ? code : HOR_OK;
}

int hor_builder_document(struct hor_builder *b, const struct hor_source *source,
                         struct hor_error *err)
{
    const struct hor_xml_schema *schema = hor_xml_schema_named("configuration.xsd", err);
    if (schema == NULL)
        return err == NULL ? HOR_ERR_NOT_FOUND : err->code;
    char path[HOR_PATH_BYTES + 1];
    struct hor_error name_err;
    b->line = 0;
    b->path = NULL;
    b->file = hor_arena_strdup(b->arena, source->file);
    if (hor_source_name(source->file, path, &b->kind, &name_err) != HOR_OK) {
        hor_builder_problem(b, "name it NAME.KIND.xml or NAME.ics; kinds are job, chain, calendar, "
                               "schedule, lock, agentCluster, folder",
                            "%s", name_err.text);
        return HOR_OK;
    }
    b->path = hor_arena_strdup(b->arena, path);
    b->object = NULL;
    b->skipping = 0;
    b->taken = false;
    if (b->file == NULL || b->path == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "load configuration: out of memory");
    if (b->kind == HOR_KIND_ICALENDAR) {
        b->line = 1;
        if (make_object(b, NULL))
            hor_icalendar_text(b, source->data, source->len, 1);
        b->object = NULL;
        return b->code == HOR_OK ? HOR_OK
                                 : hor_error_set(err, b->code, "load configuration: out of memory");
    }
    size_t told = b->problems->count;
    int code = worse_than_told(hor_xml_scan(b->file, source->data, source->len, 0, schema,
                                            &handlers, b, b->problems, err));
    for (; told < b->problems->count; told++) /* what the schema tells names no object */
        if (b->problems->items[told].object == NULL)
            b->problems->items[told].object = hor_strdup(b->path);
    char key[HOR_PATH_BYTES + 40];
    snprintf(key, sizeof key, "%s:%s", hor_kind_name(b->kind), b->path);
    if (code == HOR_OK && !b->taken && hor_map_put(b->broken, key, b) != HOR_OK)
        code = hor_error_set(err, HOR_ERR_MEMORY, "load configuration: out of memory");
    return code;
}

int hor_builder_release(struct hor_builder *b, const char *bytes, size_t len,
                        enum hor_builder_check check, struct hor_error *err)
{
    const struct hor_xml_schema *schema = NULL;
    if (check == HOR_BUILDER_CHECK) {
        schema = hor_xml_schema_named("release.xsd", err);
        if (schema == NULL)
            return err == NULL ? HOR_ERR_NOT_FOUND : err->code;
    }
    b->release = true;
    return worse_than_told(hor_xml_scan("release", bytes, len, HOR_RELEASE_BYTES, schema, &handlers,
                                        b, b->problems, err));
}

int hor_builder_finish(struct hor_builder *b, struct hor_config **ret, struct hor_error *err)
{
    if (b->code == HOR_OK && !b->arena->failed)
        b->code = hor_config_add_parts(b->config, b->problems);
    if (b->code == HOR_OK && !b->arena->failed)
        hor_config_cross_check(b->config, b->broken, b->problems);
    if (b->code != HOR_OK || b->arena->failed || b->problems->failed)
        return hor_error_set(err, HOR_ERR_MEMORY, "load configuration: out of memory");
    hor_problems_sort(b->problems);
    if (b->problems->errors == 0) {
        *ret = b->config;
        b->config = NULL;
        return HOR_OK;
    }
    const struct hor_problem *first = b->problems->items;
    while (first->severity != HOR_SEVERITY_ERROR)
        first++;
    struct hor_buf text = HOR_BUF_INIT;
    hor_problem_write(first, &text);
    hor_error_set(err, HOR_ERR_INVALID, "%s", hor_buf_text(&text));
    if (err != NULL && b->problems->errors > 1)
        hor_error_set(err, HOR_ERR_INVALID, "%s (and %zu more errors)", hor_buf_text(&text),
                      b->problems->errors - 1);
    hor_buf_done(&text);
    return HOR_ERR_INVALID;
}
