/* Settings: what comes out absolute, what defaults are, and how a wrong one is told. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/config/settings.h"
#include "tests/lib/tap.h"

static const char *folder;

/* To be freed. */
static char *write_file(const char *name, const char *text)
{
    char *path = hor_path_join(folder, name);
    if (path == NULL || hor_file_write_atomic(path, text, strlen(text), 0600, NULL) != HOR_OK)
        abort();
    return path;
}

static void is_below(const char *got, const char *below, const char *what)
{
    char *wanted = hor_str_printf("%s/%s", folder, below);
    is(got, wanted, "%s", what);
    free(wanted);
}

#define NS "xmlns=\"urn:horarium:settings:1\""
#define MASTER_OPEN "<master " NS " name=\"m1\" cluster=\"main\" dataDirectory=\"data\">\n"

static void test_supervisor(void)
{
    free(write_file("s.crt", ""));
    char *file = write_file(
        "supervisor.xml",
        "<supervisor " NS " name=\"supervisor\" dataDirectory=\"../data\" logFile=\"/var/log/s.log\" "
        "logLevel=\"debug\"><listen port=\"4443\" certificate=\"s.crt\" key=\"s.crt\" ca=\"s.crt\"/>"
        "<repository folder=\"repo\"/><database connection=\"Driver=SQLite3;Database=/x\"/>"
        "<users file=\"users.xml\"/><masterCluster name=\"main\">"
        "<member name=\"m1\" url=\"https://127.0.0.1:4444\"/>"
        "<member name=\"w\" url=\"https://127.0.0.1:4445\" witness=\"true\"/></masterCluster></supervisor>");
    struct hor_settings_supervisor *s = NULL;
    struct hor_error err = {0};
    ok(hor_settings_supervisor_read(file, &s, &err) == HOR_OK, "a Supervisor's: %s", err.text);
    if (s == NULL)
        return;
    is(s->common.name, "supervisor", "name");
    is_below(s->common.data_directory, "../data", "data");
    is(s->common.log_file, "/var/log/s.log", "log");
    is_int(s->common.log_level, HOR_LOG_DEBUG, "level");
    is(s->common.listen.address, "127.0.0.1", "address");
    is_int(s->common.listen.port, 4443, "port");
    is_below(s->common.listen.ca, "s.crt", "CA");
    is_below(s->repository_folder, "repo", "repository");
    is(s->database, "Driver=SQLite3;Database=/x", "database");
    is_below(s->users_file, "users.xml", "users");
    ok(s->master_count == 1 && s->masters[0].member_count == 2 && s->masters[0].members[1].witness,
       "Masters");
    hor_settings_supervisor_free(s);
    free(file);
}

static void test_master(void)
{
    char *file = write_file("m.xml", MASTER_OPEN "<listen port=\"4444\"/>"
                                                 "<member name=\"m0\" url=\"https://h:1\"/>"
                                                 "<member name=\"m1\" url=\"https://h:2\"/></master>");
    struct hor_settings_master *m = NULL;
    struct hor_error err = {0};
    ok(hor_settings_master_read(file, &m, &err) == HOR_OK, "a Master's: %s", err.text);
    if (m == NULL)
        return;
    ok(m->self == 1 && m->member_count == 2 && m->plan_days_ahead == 2, "itself and the plan");
    ok(m->common.listen.certificate == NULL && m->common.log_file == NULL &&
           m->common.log_level == HOR_LOG_INFO,
       "defaults");
    ok(m->failback_auto, "leadership goes back by itself");
    ok(m->supervisor_count == 1 && strcmp(m->supervisors[0], "supervisor") == 0,
       "who may command when nobody is named");
    hor_settings_master_free(m);
    free(file);
    m = NULL;
    file = write_file("m.xml", "<master " NS " name=\"m1\" cluster=\"main\" dataDirectory=\"d\" "
                               "failback=\"manual\"><listen port=\"4444\"/>"
                               "<member name=\"m1\" url=\"https://h:2\"/><supervisor name=\"s1\"/>"
                               "<supervisor name=\"s2\"/></master>");
    ok(hor_settings_master_read(file, &m, &err) == HOR_OK, "another Master's: %s", err.text);
    if (m == NULL)
        return;
    ok(!m->failback_auto, "leadership stays");
    ok(m->supervisor_count == 2 && strcmp(m->supervisors[0], "s1") == 0 &&
           strcmp(m->supervisors[1], "s2") == 0,
       "only those that are named may command");
    hor_settings_master_free(m);
    struct hor_settings_agent *a = NULL;
    ok(hor_settings_agent_read(file, &a, &err) == HOR_ERR_INVALID && a == NULL, "no agent's");
    like(err.text, "m.xml: line 1: these are settings of 'master', expected the element 'agent'", "told");
    free(file);
}

static void test_agent(void)
{
    char *file = write_file("a.xml", "<agent " NS " name=\"a1\" cluster=\"/clusters/etl\" "
                                     "dataDirectory=\"data\"><listen port=\"4451\"/><member name=\"a1\" "
                                     "url=\"https://h:1\" priority=\"3\"/><master name=\"main\">"
                                     "<member name=\"m1\"/></master></agent>");
    struct hor_settings_agent *a = NULL;
    struct hor_error err = {0};
    ok(hor_settings_agent_read(file, &a, &err) == HOR_OK, "an agent's: %s", err.text);
    if (a == NULL)
        return;
    is(a->cluster, "/clusters/etl", "cluster");
    ok(a->members[0].priority == 3 && a->members[0].max_tasks == 8, "member");
    like(a->runner_program, "/horarium-runner", "runner");
    is_below(a->runner_directory, "data/runner", "runner's folder");
    is(a->masters[0].members[0].name, "m1", "who may couple");
    hor_settings_agent_free(a);
    free(file);
}

static void wrong(const char *text, int code, const char *part, const char *what)
{
    char *file = write_file("wrong.xml", text);
    struct hor_settings_master *m = NULL;
    struct hor_error err = {0};
    is_int(hor_settings_master_read(file, &m, &err), code, "%s", what);
    like(err.text, part, "%s: told", what);
    ok(m == NULL, "%s: nothing is given", what);
    free(file);
}

#define MEMBER "<member name=\"m1\" url=\"https://h:1\"/></master>"

static void test_wrong(void)
{
    wrong(MASTER_OPEN "<listen port=\"70000\"/>" MEMBER, HOR_ERR_INVALID,
          "wrong.xml: line 2: Element 'listen', attribute 'port': [facet 'maxInclusive'] The value "
          "'70000' is greater than the maximum value allowed ('65535')",
          "a port");
    wrong(MASTER_OPEN "<listen port=\"1\" certificate=\"c\"/>" MEMBER, HOR_ERR_INVALID,
          "line 2: listen needs certificate, key and ca together", "half of TLS");
    wrong(MASTER_OPEN "<listen port=\"1\" certificate=\"c\" key=\"k\" ca=\"a\"/>" MEMBER,
          HOR_ERR_INVALID, "must be a file that can be read: No such file", "no certificate");
    wrong(MASTER_OPEN "<listen port=\"1\"/><member name=\"m2\" url=\"https://h:1\"/></master>",
          HOR_ERR_INVALID, "line 1: name 'm1' is none of the members", "no member");
    wrong(MASTER_OPEN "<listen port=\"1\"/>\n<member name=\"m1\" url=\"https://h:1\"/>\n" MEMBER,
          HOR_ERR_INVALID, "line 4: member 'm1' stands twice", "a member twice");
    wrong(MASTER_OPEN "<listen port=\"1\"/>", HOR_ERR_INVALID, "wrong.xml: line 2", "half a file");
    wrong("<!DOCTYPE master>" MASTER_OPEN, HOR_ERR_INVALID, "DOCTYPE", "a DOCTYPE");
    struct hor_settings_master *m = NULL;
    struct hor_error err = {0};
    ok(hor_settings_master_read("/does/not/exist.xml", &m, &err) == HOR_ERR_NOT_FOUND, "no file");
    like(err.text, "'/does/not/exist.xml'", "and its name");
}

int main(void)
{
    if (setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1) != 0)
        return 1;
    char *real = realpath(hor_tap_tmpdir(), NULL);
    folder = real;
    test_supervisor();
    test_master();
    test_agent();
    test_wrong();
    is(hor_datadir(), hor_tap_srcdir(), "the data folder is taken from the environment");
    free(real);
    return done_testing();
}
