/* `horarium import`: reads a source, has a style sheet turn it into objects, writes them into a
 * folder, checks that folder as a release would be, and tells what became of each object. */
#define _GNU_SOURCE /* faccessat, readlink */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/datadir.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/xml/xslt.h"
#include "server/cli/cli.h"
#include "server/cli/import/import.h"

struct import {
    struct hor_cli *cli;
    const char *into, *sheet, *agent_cluster, *folder, *zone, *user;
    bool replace, dry_run;
    size_t written, same, differs, lost;
};

void hor_import_name(const char *text, struct hor_buf *out)
{
    size_t begin = out->len;
    for (; *text != '\0' && out->len - begin < 60; text++) {
        bool keep = isalnum((unsigned char)*text) || *text == '_' ||
                    (out->len > begin && (*text == '.' || *text == '-'));
        if (keep || (out->len > begin && out->data[out->len - 1] != '-'))
            hor_buf_putc(out, keep ? *text : '-');
    }
    while (out->len > begin && strchr(".-", out->data[out->len - 1]) != NULL)
        out->data[--out->len] = '\0';
    if (out->len == begin)
        hor_buf_puts(out, "object");
}

/* The zone that cron and others mean when they name none: this machine's. */
static void local_zone(struct hor_buf *out)
{
    char target[512];
    const char *tz = getenv("TZ");
    if (tz != NULL && *tz != '\0') {
        hor_buf_puts(out, tz + (*tz == ':'));
        return;
    }
    ssize_t len = readlink("/etc/localtime", target, sizeof target - 1);
    target[len < 0 ? 0 : len] = '\0';
    const char *name = strstr(target, "/zoneinfo/");
    hor_buf_puts(out, name != NULL ? name + strlen("/zoneinfo/") : "Etc/UTC");
}

/* Applies the style sheet: the user's own, or the one that was installed. */
static int transform(struct import *import, const char *sheet, const struct hor_buf *source,
                     struct hor_buf *out, struct hor_error *err)
{
    char *folder = hor_str_printf("%s/examples/import", hor_datadir());
    const char *name = sheet;
    if (import->sheet != NULL) {
        free(folder);
        const char *slash = strrchr(import->sheet, '/');
        name = slash != NULL ? slash + 1 : import->sheet;
        folder = slash == NULL
                     ? hor_strdup(".")
                     : hor_str_printf("%.*s", (int)(slash - import->sheet + 1), import->sheet);
    }
    if (folder == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    struct hor_buf zone = HOR_BUF_INIT;
    if (import->zone == NULL)
        local_zone(&zone);
    const char *parameters[] = {"agentCluster",
                                import->agent_cluster != NULL ? import->agent_cluster : "",
                                "folder",
                                import->folder != NULL ? import->folder : "",
                                "zone",
                                import->zone != NULL ? import->zone : hor_buf_text(&zone),
                                "user",
                                import->user != NULL ? import->user : "",
                                NULL};
    struct hor_xslt *xslt = NULL;
    int rc = hor_xslt_open(folder, &xslt, err);
    if (rc == HOR_OK)
        rc = hor_xslt_apply(xslt, name, hor_buf_text(source), source->len, parameters, out, err);
    hor_xslt_close(xslt);
    hor_buf_done(&zone);
    free(folder);
    return rc;
}

/* A file below the folder, and nothing outside of it. */
static bool is_inside(const char *file)
{
    return file != NULL && *file != '\0' && *file != '/' && *file != '.' &&
           strstr(file, "/.") == NULL && strstr(file, "//") == NULL;
}

static int write_object(struct import *import, const struct hor_xml_node *object,
                        struct hor_error *err)
{
    const char *file = hor_xml_attribute(object, "file");
    const struct hor_xml_node *root = hor_xml_child(object, NULL);
    if (!is_inside(file) || root == NULL)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "the style sheet made an object without a proper file name: '%s'",
                             file != NULL ? file : "");
    char *path = hor_str_printf("%s/%s", import->into, file);
    char *folder = path != NULL ? hor_strdup(path) : NULL;
    struct hor_buf text = HOR_BUF_INIT;
    int rc = path == NULL || folder == NULL ? hor_error_set(err, HOR_ERR_MEMORY, "out of memory")
                                            : hor_xml_pretty(root, &text, err);
    if (rc == HOR_OK && !import->replace && access(path, F_OK) == 0)
        rc =
            hor_error_set(err, HOR_ERR_EXISTS, "%s exists already; --replace writes over it", path);
    if (rc == HOR_OK) {
        *strrchr(folder, '/') = '\0';
        rc = hor_dir_make(folder, 0777, err);
    }
    if (rc == HOR_OK)
        rc = hor_file_write_atomic(path, text.data, text.len, 0666, err);
    import->written += rc == HOR_OK;
    hor_buf_done(&text);
    free(folder);
    free(path);
    return rc;
}

static void count_notes(struct import *import, const struct hor_xml_node *root)
{
    for (const struct hor_xml_node *n = hor_xml_child(root, "note"); n != NULL;
         n = hor_xml_next(n, "note")) {
        const char *verdict = hor_xml_attribute(n, "verdict");
        import->same += hor_str_equal(verdict, "maps");
        import->differs += hor_str_equal(verdict, "differs");
        import->lost += hor_str_equal(verdict, "lost");
    }
}

/* What a release of the folder would say about it. */
static int check_folder(const char *folder, size_t *problems_found)
{
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    int rc = hor_config_load_folder(folder, &problems, &config, &err);
    for (size_t i = 0; i < problems.count; i++) {
        struct hor_buf line = HOR_BUF_INIT;
        hor_problem_write(&problems.items[i], &line);
        fprintf(stderr, "%s\n", hor_buf_text(&line));
        hor_buf_done(&line);
    }
    if (rc != HOR_OK && problems.count == 0)
        fprintf(stderr, "horarium: %s\n", err.text);
    *problems_found = problems.errors;
    hor_config_free(config);
    hor_problems_done(&problems);
    return rc;
}

/* Whatever is wrong is wrong here: no service refused anything. */
static int failed(const struct hor_error *err)
{
    fprintf(stderr, "horarium: %s\n", err->text);
    return HOR_EXIT_FAILED;
}

static int take(struct import *import, const struct hor_buf *result)
{
    static const struct hor_cli_column columns[] = {{"FROM", "@from", false},
                                                    {"OBJECT", "@object", false},
                                                    {"VERDICT", "@verdict", false},
                                                    {"NOTE", ".", false}};
    struct hor_error err = {0};
    struct hor_xml_doc *doc = NULL;
    int rc = hor_xml_parse("import", hor_buf_text(result), result->len, NULL, NULL, &doc, &err);
    if (rc != HOR_OK)
        return failed(&err);
    const struct hor_xml_node *root = hor_xml_root(doc);
    for (const struct hor_xml_node *o = hor_xml_child(root, "object");
         rc == HOR_OK && o != NULL && !import->dry_run; o = hor_xml_next(o, "object"))
        rc = write_object(import, o, &err);
    count_notes(import, root);
    if (import->cli->xml)
        puts(hor_buf_text(result));
    else if (!import->cli->quiet)
        hor_cli_table(root, "note", columns, HOR_CLI_COUNT(columns), "nothing was found to import");
    hor_xml_doc_free(doc);
    if (rc != HOR_OK)
        return failed(&err);
    size_t wrong = 0;
    int checked = import->dry_run ? HOR_OK : check_folder(import->into, &wrong);
    if (!import->cli->xml)
        printf("%s%zu files written; %zu map, %zu with a difference, %zu do not map%s\n",
               import->cli->quiet ? "" : "\n", import->written, import->same, import->differs,
               import->lost,
               checked == HOR_OK ? "" : "; the folder cannot be released yet, see above");
    return checked == HOR_OK ? HOR_EXIT_OK : HOR_EXIT_FAILED;
}

static int import_run(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                      char **argv)
{
    bool crontab = strstr(command->name, "crontab") != NULL, system = false;
    struct import import = {.cli = cli};
    const struct hor_cli_option options[] = {
        {"--into", "DIR", "folder of the configuration to write to", &import.into, NULL, false},
        {"--agent-cluster", "PATH", "the chains' agent cluster (default: one is written)",
         &import.agent_cluster, NULL, false},
        {"--folder", "NAME", "write below this folder of the configuration", &import.folder, NULL,
         false},
        {"--time-zone", "ZONE", "of starts that name none (default: this machine's)", &import.zone,
         NULL, false},
        {"--run-as", "USER", "who the jobs run as", &import.user, NULL, false},
        {"--sheet", "FILE", "another style sheet than the installed one", &import.sheet, NULL,
         false},
        {"--replace", NULL, "write over files that exist", NULL, &import.replace, false},
        {"--dry-run", NULL, "only tell what would become of each object", NULL, &import.dry_run,
         false},
        {crontab ? "--system" : NULL, NULL, "the system's format: a user stands before the command",
         NULL, &system, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants one %s", crontab ? "file" : "folder");
    if (import.into == NULL && !import.dry_run)
        return hor_cli_usage(command, "--into DIR says where to write (or --dry-run)");
    struct hor_buf source = HOR_BUF_INIT, result = HOR_BUF_INIT;
    struct hor_error err = {0};
    int rc = crontab ? hor_import_crontab(argv[0], system, &source, &err)
                     : hor_import_jobscheduler(argv[0], &source, &err);
    if (rc == HOR_OK)
        rc = transform(&import, crontab ? "crontab.xsl" : "jobscheduler.xsl", &source, &result,
                       &err);
    code = rc == HOR_OK ? take(&import, &result) : failed(&err);
    hor_buf_done(&result);
    hor_buf_done(&source);
    return code;
}

const struct hor_cli_command hor_cli_import[] = {
    {"import crontab", "FILE --into DIR", "turns a crontab into chains, jobs and schedules",
     import_run},
    {"import jobscheduler", "DIR --into DIR", "turns JobScheduler 1.x objects into Horarium's",
     import_run},
    {NULL, NULL, NULL, NULL}};
