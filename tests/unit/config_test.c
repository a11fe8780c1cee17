/* Configuration documents and releases: whole sets are loaded, or every fault is told. The wrong sets
 * are folders of tests/fixtures/configuration, each with the messages that it must give. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/model/day.h"
#include "tests/lib/tap.h"

#define NS "xmlns=\"urn:horarium:configuration:1\""
#define CLUSTER "<agentCluster " NS "><member name=\"a1\" url=\"https://127.0.0.1:1\"/></agentCluster>"

static char *source_path(const char *below)
{
    return hor_str_printf("%s/%s", hor_tap_srcdir(), below);
}

static char *list(const struct hor_problems *problems)
{
    struct hor_buf text = HOR_BUF_INIT;
    for (size_t i = 0; i < problems->count; i++) {
        hor_problem_write(&problems->items[i], &text);
        hor_buf_putc(&text, '\n');
    }
    return hor_buf_take(&text);
}

static void test_wrong_set(const char *folder, const char *name)
{
    char *dir = hor_str_printf("%s/%s", folder, name);
    char *expected_file = hor_str_printf("%s/%s/expected.txt", folder, name);
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    int code = hor_config_load_folder(dir, &problems, &config, &err);
    ok(code == HOR_ERR_INVALID && config == NULL, "%s: nothing is loaded", name);
    struct hor_buf expected = HOR_BUF_INIT;
    hor_file_read(expected_file, 1 << 20, &expected, NULL);
    char *got = list(&problems);
    is(got, hor_buf_text(&expected), "%s: every fault is told", name);
    free(got);
    hor_buf_done(&expected);
    hor_problems_done(&problems);
    hor_config_free(config);
    free(dir);
    free(expected_file);
}

static void test_wrong_sets(void)
{
    char *folder = source_path("tests/fixtures/configuration");
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    ok(count > 20, "there are wrong sets");
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.')
            test_wrong_set(folder, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    free(folder);
}

static const char everything_job[] =
    "<job " NS " title=\"Load\">"
    "<parameter name=\"businessDate\" type=\"date\" required=\"true\"/>"
    "<parameter name=\"source\" default=\"/data/{$businessDate}\" title=\"Where\"/>"
    "<command program=\"/bin/echo\"><argument>{$source}</argument><argument> a  b </argument></command>"
    "<environment name=\"SRC\">{{x}} {$plan/@day}</environment>"
    "<execution user=\"batch\" directory=\"/srv/{$source}\" timeout=\"PT1H\" maxTasks=\"4\" priority=\"-3\"/>"
    "<limits memory=\"2G\" cpuTime=\"PT1.5S\" processes=\"100\" openFiles=\"4096\" fileSize=\"10K\"/>"
    "<terminate signal=\"INT\" grace=\"PT3S\"/>"
    "<returnCodes success=\"0 7\" warning=\"1 3-5\"/>"
    "<retry attempts=\"3\" delay=\"PT30S\" factor=\"2.5\" maxDelay=\"PT1M\"/>"
    "<agentLoss action=\"restart\"/>"
    "<lock ref=\"/locks/w\" mode=\"shared\" weight=\"2\"/>"
    "<extension><x:note xmlns:x=\"urn:x\" of=\"anna\"><x:job/></x:note></extension></job>";

static void check_job(const struct hor_job *job)
{
    is(job->object.title, "Load", "a job has its title");
    is_int(job->parameter_count, 2, "two parameters");
    ok(job->parameters[0].required && job->parameters[0].type == HOR_PARAMETER_DATE, "a typed one");
    is(job->parameters[1].fallback, "/data/{$businessDate}", "a default");
    is(job->program, "/bin/echo", "a program");
    ok(job->script == NULL, "and no script");
    is(job->arguments[1], " a  b ", "arguments keep their spaces");
    is(job->environment[0].value, "{{x}} {$plan/@day}", "the environment");
    is(job->user, "batch", "a user");
    ok(job->timeout_ms == 3600000 && job->max_tasks == 4 && job->priority == -3, "execution");
    ok(job->memory_bytes == INT64_C(2) << 30 && job->file_bytes == 10240 && job->cpu_seconds == 2 &&
           job->processes == 100 && job->open_files == 4096,
       "limits");
    ok(job->terminate_signal == 2 && job->grace_ms == 3000, "termination");
    ok(hor_codes_have(&job->success, 7) && hor_codes_have(&job->warning, 4) &&
           !hor_codes_have(&job->warning, 6) && !hor_codes_have(&job->success, 1),
       "return codes");
    ok(hor_job_retry_delay_ms(job, 2) == 30000 && hor_job_retry_delay_ms(job, 3) == 60000,
       "retries grow up to the maximum");
    ok(job->agent_loss == HOR_AGENT_LOSS_RESTART, "agent loss");
    ok(job->lock_count == 1 && job->locks[0].lock->capacity == 3 && job->locks[0].weight == 2,
       "a lock is found");
}

static void check_chain(const struct hor_chain *chain)
{
    ok(chain->cluster->member_count == 1 && chain->cluster->members[0].max_tasks == 8,
       "a chain has its cluster");
    ok(chain->overlap == HOR_OVERLAP_QUEUE && chain->max_orders == 1 &&
           chain->on_failure == HOR_ON_FAILURE_SUSPEND,
       "defaults of a chain");
    is_int(chain->node_count, 5, "five nodes");
    const struct hor_node *n = chain->nodes;
    ok(n[0].edge_count == 0 && n[0].job != NULL, "the first one begins");
    ok(n[1].edge_count == 1 && n[1].edges[0].from == 0 && n[1].edges[0].plain, "the next follows");
    ok(n[2].edges[0].from == 4 && n[2].edges[0].on == HOR_ON_FAILURE && !n[2].edges[0].plain &&
           hor_codes_have(&n[2].edges[0].codes, 8),
       "an edge from a node further down, with outcome and codes");
    ok(n[3].edge_count == 0, "atStart begins a second time");
    ok(n[4].edge_count == 2 && n[4].join_any && n[4].on_failure == HOR_ON_FAILURE_END, "a join");
    ok(n[4].same_agent_as == 1 && n[1].same_agent_as == HOR_NODE_NONE, "same agent");
    is(n[4].arguments[0].value, "{$businessDate}", "an argument");
    size_t place[5];
    for (size_t i = 0; i < 5; i++)
        place[chain->order[i]] = i;
    bool sorted = true;
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < n[i].edge_count; k++)
            sorted = sorted && place[n[i].edges[k].from] < place[i];
    ok(sorted, "the order puts every node after those before it");
}

static void check_schedule(const struct hor_schedule *s)
{
    ok(s->chain != NULL && s->days[0].calendar != NULL, "a schedule has chain and calendar");
    is(s->time_zone, "Europe/Berlin", "a zone");
    ok(s->days[0].nth == -1 && s->days[0].of == HOR_PERIOD_MONTH && s->days[1].weekdays == 0x11,
       "days");
    ok(s->at_count == 2 && s->at_s[0] == 8 * 3600 && s->at_s[1] == 66600, "starts are sorted");
    ok(s->every[0].interval_s == 900 && s->every[0].from_s == 28800 && s->every[0].to_s == 86399,
       "every");
    ok(s->non_working_day == HOR_NON_WORKING_BEFORE && s->working_days != NULL, "working days");
    ok(s->missing_hour == HOR_MISSING_HOUR_AT_CHANGE && s->repeated_hour == HOR_REPEATED_HOUR_BOTH,
       "clock changes");
    ok(s->missed == HOR_MISSED_SKIP && s->missed_within_ms == 14400000, "missed starts");
    is_int(s->valid_from, hor_day_make(2026, 1, 1), "valid from");
    ok(s->substitutes[0].schedule != NULL && s->substitutes[0].schedule != s, "a substitute");
}

static void add(struct hor_sources *sources, const char *file, const char *text)
{
    if (hor_sources_add(sources, file, text, strlen(text)) != HOR_OK)
        abort();
}

static void everything(struct hor_sources *sources)
{
    add(sources, "finance/load.job.xml", everything_job);
    add(sources, "locks/w.lock.xml", "<lock " NS " capacity=\"3\"/>");
    add(sources, "l.agentCluster.xml", CLUSTER);
    add(sources, "finance.folder.xml", "<folder " NS " owner=\"anna\" approval=\"twoPersons\"/>");
    add(sources, "c.calendar.xml",
        "<calendar " NS "><include><rule start=\"2026-01-05\"> FREQ=WEEKLY;BYDAY=MO </rule>"
        "<dates from=\"2026-02-01\" to=\"2026-02-03\"/></include><exclude><date>2026-01-12</date>"
        "<calendar ref=\"d\"/></exclude></calendar>");
    add(sources, "d.calendar.xml", "<calendar " NS "/>");
    add(sources, "finance/eod.chain.xml",
        "<jobChain " NS " agentCluster=\"/l\" onFailure=\"suspend\">"
        "<parameter name=\"businessDate\" type=\"date\" default=\"{$plan/@day}\"/>"
        "<node id=\"a\" job=\"load\"/><node id=\"b\" job=\"load\" when=\"$businessDate != ''\"/>"
        "<node id=\"c\" job=\"load\"><after node=\"e\" on=\"failure 7-9\"/></node>"
        "<node id=\"d\" job=\"load\"><atStart/></node>"
        "<node id=\"e\" job=\"/finance/load\" join=\"any\" onFailure=\"end\" sameAgentAs=\"b\">"
        "<after node=\"a\"/><after node=\"d\"/><argument name=\"source\">{$businessDate}</argument>"
        "</node></jobChain>");
    add(sources, "finance/s.schedule.xml",
        "<schedule " NS " chain=\"eod\" timeZone=\"Europe/Berlin\" validFrom=\"2026-01-01\">"
        "<days calendar=\"/c\" nth=\"-1\" of=\"month\"/><days weekdays=\"MO FR\"/>"
        "<at time=\"18:30\"/><every interval=\"PT15M\" from=\"08:00\"/><at time=\"08:00\"/>"
        "<nonWorkingDay action=\"before\" calendar=\"/d\"/>"
        "<clockChange missingHour=\"atChange\" repeatedHour=\"both\"/>"
        "<missed action=\"skip\" within=\"PT4H\"/><argument name=\"businessDate\">{$plan/@day}</argument>"
        "<substitute from=\"2026-12-24\" to=\"2026-12-31\" schedule=\"t\"/></schedule>");
    add(sources, "finance/t.schedule.xml",
        "<schedule " NS " chain=\"eod\"><at time=\"00:00\"/></schedule>");
}

static void check_everything(const struct hor_config *config)
{
    is_int(hor_config_object_count(config), 9, "nine objects");
    check_job(hor_config_job(config, "/finance/load"));
    check_chain(hor_config_chain(config, "/finance/eod"));
    check_schedule(hor_config_schedule(config, "/finance/s"));
    const struct hor_calendar *calendar = hor_config_calendar(config, "/c");
    is(calendar->include[0].rule, "FREQ=WEEKLY;BYDAY=MO", "a rule without the white space");
    ok(calendar->include[0].from == hor_day_make(2026, 1, 5) &&
           calendar->include[1].to == hor_day_make(2026, 2, 3) &&
           calendar->exclude[1].calendar == hor_config_calendar(config, "/d"),
       "sets of days");
    ok(hor_config_folder(config, "/finance")->two_persons, "a folder");
    ok(hor_config_job(config, "/finance/lo") == NULL, "no such job");
    size_t pos = 0, walked = 0;
    while (hor_config_next(config, &pos) != NULL)
        walked++;
    is_int(walked, 9, "a walk meets all");
}

static void test_release(void)
{
    struct hor_sources sources = {0}, backwards = {0}, again = {0};
    everything(&sources);
    for (size_t i = sources.count; i-- > 0;)
        add(&backwards, sources.items[i].file, sources.items[i].data);
    struct hor_release_info info = {7, INT64_C(1700000000000000), "anna", "new & \"good\""};
    struct hor_buf one = HOR_BUF_INIT, two = HOR_BUF_INIT, three = HOR_BUF_INIT;
    char sha_one[65], sha_two[65];
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    int code = hor_config_write_release(&sources, &info, &one, sha_one, &problems, &config, &err);
    ok(code == HOR_OK, "a release is written: %s", err.text);
    check_everything(config);
    hor_config_free(config);
    hor_config_write_release(&backwards, &info, &two, sha_two, &problems, NULL, NULL);
    is(sha_two, sha_one, "the order of the sources makes no difference");

    config = NULL;
    code = hor_config_load_release(one.data, one.len, &problems, &config, &err);
    ok(code == HOR_OK, "a release is loaded: %s", err.text);
    check_everything(config);
    ok(config->release == 7 && config->created_us == info.created_us, "number and time");
    is(config->reason, "new & \"good\"", "the reason");
    is(config->sha256, sha_one, "the digest");
    hor_config_free(config);

    ok(hor_config_release_sources(one.data, one.len, &again, &err) == HOR_OK, "documents come out");
    is_int(again.count, 9, "all of them");
    hor_config_write_release(&again, &info, &three, sha_two, &problems, NULL, NULL);
    is(sha_two, sha_one, "and make the same release again");

    config = NULL;
    char *cut = hor_strdup(one.data);
    cut[one.len - 3] = '\0';
    code = hor_config_load_release(cut, strlen(cut), &problems, &config, &err);
    ok(code == HOR_ERR_INVALID && config == NULL, "a cut release is refused: %s", err.text);
    free(cut);
    hor_problems_done(&problems);
    hor_buf_done(&one);
    hor_buf_done(&two);
    hor_buf_done(&three);
    hor_sources_done(&sources);
    hor_sources_done(&backwards);
    hor_sources_done(&again);
}

/* An iCalendar file goes through a release byte for byte. */
static void test_icalendar_in_release(void)
{
    static const char file[] = "BEGIN:VCALENDAR\r\nX-NAME:a <b> & \"c\" ]]>\r\n\r\nBEGIN:VEVENT\r\n"
                               "DTSTART;VALUE=DATE:2026\r\n\t1224\r\nEND:VEVENT\r\nEND:VCALENDAR\n";
    struct hor_sources sources = {0}, again = {0};
    add(&sources, "c.calendar.xml",
        "<calendar " NS "><include><iCalendar file=\"days/x.y.ics\"/></include></calendar>");
    add(&sources, "days/x.y.ics", file);
    struct hor_release_info info = {1, 0, "anna", NULL};
    struct hor_buf one = HOR_BUF_INIT, two = HOR_BUF_INIT;
    struct hor_error err = {0};
    struct hor_config *config = NULL;
    char sha_one[65], sha_two[65];
    int code = hor_config_write_release(&sources, &info, &one, sha_one, NULL, NULL, &err);
    ok(code == HOR_OK, "a release with an iCalendar file is written: %s", err.text);
    code = hor_config_load_release(one.data, one.len, NULL, &config, &err);
    ok(code == HOR_OK && config->icalendar_count == 1, "and loaded: %s", err.text);
    const struct hor_icalendar *icalendar = hor_config_icalendar(config, "/days/x.y");
    ok(icalendar != NULL && icalendar->events.count == 1 &&
           icalendar->events.items[0].day == hor_day_make(2026, 12, 24) &&
           hor_config_calendar(config, "/c")->include[0].icalendar == icalendar,
       "with its event, found by the calendar");
    hor_config_free(config);
    code = hor_config_release_sources(one.data, one.len, &again, &err);
    ok(code == HOR_OK && again.count == 2 && strcmp(again.items[1].file, "days/x.y.ics") == 0 &&
           again.items[1].len == sizeof file - 1 && memcmp(again.items[1].data, file, sizeof file) == 0,
       "it comes out as it was: %s", again.count == 2 ? again.items[1].data : err.text);
    hor_config_write_release(&again, &info, &two, sha_two, NULL, NULL, NULL);
    is(sha_two, sha_one, "and makes the same release again");
    char *broken = hor_strdup(one.data), *start = strstr(broken, "DTSTART");
    memcpy(start, "DTSTERN", 7);
    code = hor_config_load_release(broken, one.len, NULL, &config, &err);
    ok(code == HOR_ERR_INVALID, "a wrong one is refused");
    like(err.text, "days/x.y.ics:12: error: /days/x.y: the event has no DTSTART", "with its line");
    free(broken);
    hor_buf_done(&one);
    hor_buf_done(&two);
    hor_sources_done(&sources);
    hor_sources_done(&again);
}

static void test_duplicates_in_release(void)
{
    static const char release[] =
        "<release xmlns=\"urn:horarium:release:1\" author=\"a\" created=\"2026-01-01T00:00:00Z\" "
        "number=\"1\">\n<object file=\"a.job.xml\" kind=\"job\" path=\"/a\">\n<job " NS
        "><script>true</script></job>\n</object>\n<object file=\"a.job.xml\" kind=\"job\" "
        "path=\"/a\">\n<job " NS "><script>false</script></job>\n</object>\n</release>";
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    int code = hor_config_load_release(release, strlen(release), NULL, &config, &err);
    ok(code == HOR_ERR_INVALID && config == NULL, "the same path twice is refused");
    is(err.text,
       "load release: a.job.xml:6: error: /a: there are two objects of kind job with this path; "
       "give each its own name",
       "and told");
}

static void test_comment_that_looks_like_an_object(void)
{
    struct hor_sources sources = {0};
    add(&sources, "a.job.xml", "<job " NS "><!--\n</object>\n--><script>true</script></job>");
    struct hor_release_info info = {1, 0, "anna", NULL};
    struct hor_buf out = HOR_BUF_INIT;
    struct hor_error err = {0};
    char sha256[65];
    int code = hor_config_write_release(&sources, &info, &out, sha256, NULL, NULL, &err);
    ok(code == HOR_ERR_INVALID && out.len == 0, "a comment cannot end an object");
    like(err.text, "a.job.xml: a comment must not hold", "and its file is told");
    hor_buf_done(&out);
    hor_sources_done(&sources);
}

static void test_limits(void)
{
    struct hor_sources sources = {0};
    struct hor_buf text = HOR_BUF_INIT;
    hor_buf_puts(&text, "<job " NS "><script>");
    for (int i = 0; i < 17 * 1024; i++)
        hor_buf_printf(&text, "%01024d", i);
    hor_buf_puts(&text, "</script></job>");
    hor_sources_add(&sources, "large.job.xml", text.data, text.len);
    hor_buf_clear(&text);
    hor_buf_puts(&text, "<job " NS "><script>true</script><extension>");
    for (int i = 0; i < 200; i++)
        hor_buf_puts(&text, "<x:x xmlns:x=\"urn:x\">");
    hor_sources_add(&sources, "deep.job.xml", text.data, text.len);
    hor_buf_done(&text);
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    int code = hor_config_load_sources(&sources, &problems, &config, NULL);
    char *got = list(&problems);
    ok(code == HOR_ERR_INVALID && config == NULL, "too large and too deep are refused");
    like(got, "deep.job.xml:1: error: /deep: elements are nested more than 100 deep", "deep: told");
    like(got, "large.job.xml: error: /large: the document has 17825857 bytes, more than 16 MiB; split it",
         "large: told");
    free(got);
    hor_problems_done(&problems);
    hor_sources_done(&sources);
}

static void test_examples(void)
{
    char *dir = source_path("examples/configuration");
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    int code = hor_config_load_folder(dir, &problems, &config, &err);
    ok(code == HOR_OK, "the examples load: %s", err.text);
    is_int(problems.count, 0, "without a warning");
    hor_config_free(config);
    hor_problems_done(&problems);
    code = hor_config_load_folder("/does/not/exist", NULL, &config, &err);
    is_int(code, HOR_ERR_NOT_FOUND, "no folder");
    like(err.text, "'/does/not/exist'", "and its name");
    free(dir);
}

/* The next example, "`NAME`\n```xml\n": at its name's last quote. NULL: none. */
static const char *next_example(const char *at)
{
    const char *xml = strstr(at, "`\n```xml\n"), *ics = strstr(at, "`\n```ics\n");
    return xml == NULL || (ics != NULL && ics < xml) ? ics : xml;
}

/* Each example of the guide has its file name on the line above; together they must load. */
static void test_guide(void)
{
    char *file = source_path("docs/job-language.md");
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_sources sources = {0};
    hor_file_read(file, 1 << 20, &text, NULL);
    for (const char *at = hor_buf_text(&text); (at = next_example(at)) != NULL;) {
        const char *name = at;
        while (name[-1] != '`')
            name--;
        const char *start = at + strlen("`\n```xml\n"), *end = strstr(start, "```");
        char *source = hor_str_printf("%.*s", (int)(at - name), name);
        if (hor_sources_add(&sources, source, start, (size_t)(end - start)) != HOR_OK)
            abort();
        free(source);
        at = end;
    }
    is_int(sources.count, 12, "the guide has examples");
    struct hor_problems problems = {0};
    struct hor_config *config = NULL;
    hor_config_load_sources(&sources, &problems, &config, NULL);
    char *got = list(&problems);
    is(got, "", "and they load");
    free(got);
    hor_config_free(config);
    hor_problems_done(&problems);
    hor_sources_done(&sources);
    hor_buf_done(&text);
    free(file);
}

int main(void)
{
    if (setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1) != 0)
        return 1;
    test_examples();
    test_guide();
    test_release();
    test_icalendar_in_release();
    test_duplicates_in_release();
    test_comment_that_looks_like_an_object();
    test_limits();
    test_wrong_sets();
    return done_testing();
}
