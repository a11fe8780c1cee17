/* The jobs and chains of the simulated cluster. */
#include "lib/base/base64.h"
#include "lib/base/log.h"
#include "lib/config/config.h"
#include "lib/xml/xml.h"
#include "tests/lib/tap.h"
#include "tests/simulation/agent/sim.h"

#define NS " xmlns=\"urn:horarium:configuration:1\""
static struct hor_buf document = HOR_BUF_INIT;
static char sha256[65];

static void source(struct hor_sources *sources, const char *file, const char *text)
{
    hor_sources_add(sources, file, text, strlen(text));
}

#define MEMBER(n)                                                                                  \
    "<member name=\"a" n "\" url=\"https://127.0.0.1:445" n "\" priority=\"1\" maxTasks=\"4\"/>"
#define CHAIN(attributes, nodes)                                                                   \
    "<jobChain" NS " agentCluster=\"/clusters/etl\" overlap=\"allow\" " attributes ">" nodes       \
    "</jobChain>"

void sim_config_open(void)
{
    struct hor_sources sources = {0};
    struct hor_release_info info = {.number = 1, .created_us = UTC_START_US, .author = "test"};
    struct hor_problems problems = {0};
    struct hor_error err = {0};
    if (getenv("HORARIUM_DATADIR") == NULL)
        setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1);
    hor_xml_init();
    hor_log_set_level(getenv("SIM_LOG") != NULL ? HOR_LOG_DEBUG : HOR_LOG_ERROR);
    source(&sources, "clusters/etl.agentCluster.xml",
           "<agentCluster" NS " selection=\"roundRobin\" spill=\"true\">" MEMBER("1") MEMBER("2")
               MEMBER("3") MEMBER("4") MEMBER("5") "</agentCluster>");
    source(&sources, "l.lock.xml", "<lock" NS " capacity=\"2\"/>");
    source(&sources, "hold.job.xml", "<job" NS "><script>true</script></job>");
    source(&sources, "move.job.xml",
           "<job" NS "><script>true</script><agentLoss action=\"restart\"/></job>");
    source(&sources, "retry.job.xml",
           "<job" NS "><script>true</script><retry attempts=\"3\" delay=\"PT1S\"/>"
           "<agentLoss action=\"restart\"/></job>");
    source(&sources, "lock.job.xml",
           "<job" NS "><script>true</script><agentLoss action=\"restart\"/>"
           "<lock ref=\"/l\" mode=\"exclusive\"/></job>");
    source(&sources, "c0.chain.xml", CHAIN("onFailure=\"stop\"", "<node id=\"a\" job=\"/hold\"/>"
                                                                  "<node id=\"b\" job=\"/move\"/>"));
    source(&sources, "c1.chain.xml",
           CHAIN("onFailure=\"continue\"", "<node id=\"a\" job=\"/move\"/><node id=\"b\" job=\"/retry\"/>"
                                           "<node id=\"c\" job=\"/move\"/>"));
    source(&sources, "c2.chain.xml",
           CHAIN("onFailure=\"end\"",
                 "<node id=\"a\" job=\"/retry\"/><node id=\"b\" job=\"/lock\"><after node=\"a\"/></node>"
                 "<node id=\"c\" job=\"/hold\"><after node=\"a\"/></node>"
                 "<node id=\"d\" job=\"/move\"><after node=\"b\"/><after node=\"c\"/></node>"));
    source(&sources, "c3.chain.xml", CHAIN("onFailure=\"suspend\"", "<node id=\"a\" job=\"/lock\"/>"));
    source(&sources, "c4.chain.xml",
           CHAIN("onFailure=\"continue\"", "<node id=\"a\" job=\"/hold\"/><node id=\"b\" job=\"/hold\"/>"));
    if (hor_config_write_release(&sources, &info, &document, sha256, &problems, NULL, &err) < 0)
        diag("release: %s", err.text);
    hor_problems_done(&problems);
    hor_sources_done(&sources);
}

void sim_config_close(void) { hor_buf_done(&document); }

struct hor_core *sim_core_new(void)
{
    struct hor_core_member members[HOSTS];
    struct hor_core *core = NULL;
    for (unsigned i = 0; i < sim->members; i++)
        members[i] = (struct hor_core_member){.name = sim->hosts[i].name,
                                              .priority = sim->settings_members[i].priority,
                                              .max_tasks = sim->settings_members[i].max_tasks};
    struct hor_core_settings settings = {
        .cluster = "/clusters/etl", .members = members, .member_count = sim->members};
    hor_core_new(&settings, &core, NULL);
    return core;
}

void sim_release(struct hor_agent *agent)
{
    struct hor_event **events = calloc(2, sizeof *events);
    struct hor_buf text = HOR_BUF_INIT;
    hor_base64_encode(document.data, document.len, &text);
    events[0] = hor_event_new(HOR_EVENT_RELEASE_PART, UTC_START_US);
    events[0]->text = hor_buf_take(&text);
    events[0]->part = events[0]->parts = 1;
    events[1] = hor_event_new(HOR_EVENT_RELEASE_APPLIED, UTC_START_US);
    hor_event_set(&events[1]->sha256, sha256);
    for (int i = 0; i < 2; i++) {
        events[i]->release = 1;
        hor_event_set(&events[i]->master, "main");
    }
    hor_agent_submit(agent, events, 2, NULL, NULL);
}
