/* Two releases: the second one moves a start, adds a chain and changes a job. */
#include "lib/base/log.h"
#include "lib/xml/xml.h"
#include "tests/lib/documents.h"
#include "tests/lib/tap.h"
#include "tests/simulation/coupling/sim.h"

#define CLUSTER(n)                                                                                 \
    "c" n ".agentCluster.xml",                                                                     \
        "<agentCluster><member name='a" n "' url='https://127.0.0.1:" n "'/></agentCluster>"
#define COMMON                                                                                     \
    CLUSTER("0"), CLUSTER("1"), "j.job.xml", "<job><script>true</script></job>", "r.job.xml",      \
        "<job><script>true</script><retry attempts='3' delay='PT20S'/></job>", "etl.chain.xml",    \
        "<jobChain agentCluster='/c0'><node id='a' job='/j'/><node id='b' job='/r'/></jobChain>",  \
        "report.chain.xml",                                                                        \
        "<jobChain agentCluster='/c1' onFailure='continue' overlap='allow'><node id='n' "          \
        "job='/r'/></jobChain>",                                                                   \
        "slow.chain.xml",                                                                          \
        "<jobChain agentCluster='/c1' onFailure='end'><node id='n' job='/j'/><node id='m' "        \
        "job='/j'/></jobChain>"

static const char *const first[] = {
    COMMON,
    "etl-often.schedule.xml",
    "<schedule chain='/etl'><every interval='PT5M'/></schedule>",
    "report-at.schedule.xml",
    "<schedule chain='/report'><every interval='PT3M'/><missed action='runLast'/></schedule>",
    NULL};
static const char *const second[] = {
    COMMON,
    "etl-often.schedule.xml",
    "<schedule chain='/etl'><every interval='PT6M'/></schedule>",
    "report-at.schedule.xml",
    "<schedule chain='/report'><every interval='PT3M'/><missed action='skip'/></schedule>",
    "slow-at.schedule.xml",
    "<schedule chain='/slow'><every interval='PT10M'/></schedule>",
    NULL};

static struct hor_buf documents[2];
static char sha256[2][65];

void sim_config_open(void)
{
    if (getenv("HORARIUM_DATADIR") == NULL)
        setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1);
    hor_xml_init();
    hor_log_set_level(getenv("SIM_LOG") != NULL ? HOR_LOG_DEBUG : HOR_LOG_ERROR);
    hor_test_release(first, 1, &documents[0], sha256[0]);
    hor_test_release(second, 2, &documents[1], sha256[1]);
}

void sim_config_close(void)
{
    hor_buf_done(&documents[0]);
    hor_buf_done(&documents[1]);
}

const struct hor_buf *sim_release(int64_t number, const char **ret_sha256)
{
    *ret_sha256 = sha256[number - 1];
    return &documents[number - 1];
}
