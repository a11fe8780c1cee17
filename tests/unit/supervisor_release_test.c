/* Releases: made of a valid draft only, never changed, approved by the right person, compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/supervisor/release/release.h"
#include "tests/lib/tap.h"

static char draft[500], data[500];

static void put(const char *file, const char *text)
{
    struct hor_error err = {0};
    char path[700];
    snprintf(path, sizeof path, "%s/%s", draft, file);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    hor_dir_make(path, 0700, &err);
    *slash = '/';
    if (hor_file_write_atomic(path, text, strlen(text), 0600, &err) != HOR_OK)
        diag("%s", err.text);
}

#define NS "xmlns=\"urn:horarium:configuration:1\""

static void make_draft(void)
{
    put("clusters/etl.agentCluster.xml",
        "<agentCluster " NS "><member name=\"a1\" url=\"https://127.0.0.1:4451\"/></agentCluster>");
    put("finance/load.job.xml", "<job " NS "><command program=\"/bin/true\"/></job>");
    put("finance/eod.chain.xml",
        "<jobChain " NS
        " agentCluster=\"/clusters/etl\"><node id=\"load\" job=\"load\"/></jobChain>");
}

static char state[30];
static int note_release(const struct hor_release_row *row, void *ctx)
{
    (void)ctx;
    snprintf(state, sizeof state, "%s", row->state);
    return HOR_OK;
}

static const char *state_of(struct hor_store *store, int64_t number)
{
    state[0] = '\0';
    hor_query_releases(store, number, NULL, 1, note_release, NULL, NULL);
    return state;
}

static char places[300];
static int note_deployment(const struct hor_deployment_row *row, void *ctx)
{
    char line[100];
    (void)ctx;
    snprintf(line, sizeof line, "%d@%s %s; ", (int)row->release, row->master, row->state);
    strncat(places, line, sizeof places - strlen(places) - 1);
    return HOR_OK;
}

static const char *deployments(struct hor_store *store)
{
    places[0] = '\0';
    hor_query_deployments(store, 1, 100, note_deployment, NULL, NULL);
    return places;
}

static int create(struct hor_releases *releases, struct hor_repository *repository,
                  const char *request, int64_t *number, struct hor_problems *problems,
                  struct hor_error *err)
{
    return hor_release_create(releases, repository, "anna", "for the test", request, problems,
                              number, err);
}

static void test_making(struct hor_releases *releases, struct hor_repository *repository,
                        struct hor_store *store)
{
    struct hor_error err = {0};
    struct hor_problems problems = {0};
    struct hor_buf one = HOR_BUF_INIT, again = HOR_BUF_INIT;
    char sha[65], path[700];
    int64_t number = 0;
    put("finance/bad.chain.xml", "<jobChain " NS " agentCluster=\"/clusters/etl\"><node id=\"x\" "
                                 "job=\"nowhere\"/></jobChain>");
    is_int(create(releases, repository, NULL, &number, &problems, &err), HOR_ERR_INVALID,
           "an invalid draft makes no release");
    ok(problems.errors > 0 && number == 0, "and its problems are told");
    hor_problems_done(&problems);
    snprintf(path, sizeof path, "%s/finance/bad.chain.xml", draft);
    unlink(path);
    is_int(create(releases, repository, "req-1", &number, &problems, &err), HOR_OK,
           "a valid one does: %s", err.text);
    is_int(number, 1, "the first number");
    is_int(create(releases, repository, "req-1", &number, &problems, &err), HOR_OK, "a repeat");
    is_int(number, 1, "gives the first answer");
    is(state_of(store, 1), "validated", "it is validated");
    is_int(hor_release_document(releases, 1, &one, sha, &err), HOR_OK, "its document: %s",
           err.text);
    put("finance/load.job.xml",
        "<job " NS " title=\"Load\"><command program=\"/bin/true\"/></job>");
    create(releases, repository, NULL, &number, &problems, &err);
    is_int(number, 2, "a changed draft makes the next");
    hor_release_document(releases, 1, &again, sha, &err);
    ok(one.len == again.len && memcmp(one.data, again.data, one.len) == 0,
       "and the first stays as it was");
    struct stat st;
    snprintf(path, sizeof path, "%s/releases/1.xml", data);
    ok(stat(path, &st) == 0 && (st.st_mode & 0222) == 0, "nobody may write the document");
    chmod(path, 0600);
    hor_buf_clear(&one);
    hor_buf_puts(&again, "<!-- x -->");
    hor_file_write_atomic(path, again.data, again.len, 0600, &err);
    is_int(hor_release_document(releases, 1, &one, sha, &err), HOR_ERR_CORRUPT,
           "a document that was changed is found out");
    like(err.text, "release 1 was changed", "and named");
    hor_file_write_atomic(path, again.data, again.len - 10, 0400, &err);
    struct hor_release_config *config = NULL;
    is_int(hor_release_config(releases, 2, &config, &err), HOR_OK, "it loads: %s", err.text);
    ok(config != NULL && hor_config_chain(hor_release_model(config), "/finance/eod") != NULL,
       "with its chain");
    hor_release_unref(config);
    is_int(hor_release_document(releases, 99, &one, sha, &err), HOR_ERR_NOT_FOUND, "no release 99");
    hor_buf_done(&one);
    hor_buf_done(&again);
    hor_problems_done(&problems);
}

static void test_deciding(struct hor_releases *releases, struct hor_repository *repository,
                          struct hor_store *store)
{
    struct hor_error err = {0};
    struct hor_problems problems = {0};
    int64_t number = 0;
    is_int(hor_release_check_deploy(releases, 1, &err), HOR_ERR_CONFLICT,
           "what is not approved is not deployed");
    like(err.text, "release 1 is validated", "the sentence says why");
    is_int(hor_release_approve(releases, 1, "anna", &err), HOR_OK, "one person may do: %s",
           err.text);
    is(state_of(store, 1), "approved", "approved");
    is_int(hor_release_approve(releases, 1, "anna", &err), HOR_ERR_CONFLICT, "once");
    is_int(hor_release_reject(releases, 2, "bert", &err), HOR_OK, "rejected");
    is_int(hor_release_check_deploy(releases, 2, &err), HOR_ERR_CONFLICT, "is not deployed");
    is_int(hor_release_approve(releases, 77, "anna", &err), HOR_ERR_NOT_FOUND, "none such");
    put("finance.folder.xml", "<folder " NS " owner=\"anna\" approval=\"twoPersons\"/>");
    int rc = create(releases, repository, NULL, &number, &problems, &err);
    if (rc != HOR_OK) {
        skip("two persons: %s", err.text);
    } else {
        is_int(hor_release_approve(releases, number, "anna", &err), HOR_ERR_DENIED,
               "a folder asks for two persons");
        is_int(hor_release_approve(releases, number, "bert", &err), HOR_OK, "another one may");
    }
    hor_problems_done(&problems);
}

static void test_deploying(struct hor_releases *releases, struct hor_store *store)
{
    struct hor_error err = {0};
    int64_t current = 5;
    hor_release_current(releases, &current, &err);
    is_int(current, 0, "nothing is deployed");
    hor_store_deployment_begin(store, 1, "m", "bert", 1, &err);
    is(deployments(store), "1@m deploying; ", "on its way");
    hor_store_deployment_end(store, 1, "m", "deploying", "m is away", 2, &err);
    is(deployments(store), "1@m deploying; ", "still, when the Master is away");
    hor_store_deployment_end(store, 1, "m", "deployed", "", 3, &err);
    is(state_of(store, 1), "deployed", "deployed");
    hor_store_deployment_begin(store, 3, "m", "bert", 4, &err);
    hor_store_deployment_begin(store, 1, "m", "bert", 5, &err);
    hor_store_deployment_end(store, 3, "m", "deployed", "", 6, &err);
    is(deployments(store), "1@m deploying; 3@m superseded; ",
       "the latest wish counts, the one before never arrives");
    hor_store_deployment_end(store, 1, "m", "deployed", "", 7, &err);
    hor_store_deployment_begin(store, 3, "m", "bert", 8, &err);
    hor_store_deployment_end(store, 3, "m", "deployed", "", 9, &err);
    is(deployments(store), "1@m superseded; 3@m deployed; ", "one takes the other's place");
    is(state_of(store, 1), "superseded", "and it is superseded");
    is_int(hor_release_check_deploy(releases, 1, &err), HOR_OK, "but may come back");
    hor_release_current(releases, &current, &err);
    is_int(current, 3, "the deployed one is current");
}

static char differences[500];
static int note_difference(const char *path, const char *kind, const char *before,
                           const char *after, void *ctx)
{
    char line[120];
    (void)ctx;
    snprintf(line, sizeof line, "%s %s %s; ", path, kind,
             before == NULL  ? "added"
             : after == NULL ? "removed"
                             : "changed");
    strncat(differences, line, sizeof differences - strlen(differences) - 1);
    return HOR_OK;
}

static void test_difference(void)
{
    struct hor_sources from = {0}, to = {0};
    struct hor_error err = {0};
    const char *a = "<job a='1'  b='2'/>", *a2 = "<job b=\"2\" a=\"1\"></job>", *b = "<job a='2'/>";
    hor_sources_add(&from, "x/same.job.xml", a, strlen(a));
    hor_sources_add(&to, "x/same.job.xml", a2, strlen(a2));
    hor_sources_add(&from, "x/changed.job.xml", a, strlen(a));
    hor_sources_add(&to, "x/changed.job.xml", b, strlen(b));
    hor_sources_add(&from, "x/gone.chain.xml", a, strlen(a));
    hor_sources_add(&to, "x/new.calendar.xml", "<broken", 7);
    is_int(hor_release_difference(&from, &to, note_difference, NULL, &err), HOR_OK, "compared");
    is(differences, "/x/changed job changed; /x/gone chain removed; /x/new calendar added; ",
       "content counts, layout does not");
    hor_sources_done(&from);
    hor_sources_done(&to);
}

int main(void)
{
    struct hor_error err = {0};
    struct hor_store *store = NULL;
    struct hor_releases *releases = NULL;
    struct hor_repository *repository = NULL;
    hor_xml_init();
    setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 0);
    snprintf(draft, sizeof draft, "%s/draft", hor_tap_tmpdir());
    snprintf(data, sizeof data, "%s/data", hor_tap_tmpdir());
    char *connection = hor_str_printf("Driver=SQLite3;Database=%s/h.sqlite", hor_tap_tmpdir());
    is_int(hor_repository_open(draft, &repository, &err), HOR_ERR_NOT_FOUND, "no folder");
    make_draft();
    if (ok(hor_repository_open(draft, &repository, &err) == HOR_OK &&
               hor_store_open(connection, 1, &store, &err) == HOR_OK &&
               hor_releases_open(data, store, &releases, &err) == HOR_OK,
           "open: %s", err.text)) {
        test_making(releases, repository, store);
        test_deciding(releases, repository, store);
        test_deploying(releases, store);
    }
    test_difference();
    hor_releases_close(releases);
    hor_repository_close(repository);
    hor_store_close(store);
    free(connection);
    return done_testing();
}
