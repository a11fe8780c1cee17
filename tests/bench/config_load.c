/* tests/bench/config_load.c - loads a release of COUNT jobs (and a chain for every ten of them) and
 * holds the time against a bare SAX parse of the same bytes: config_load COUNT */
#define _GNU_SOURCE
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/base/clock.h"
#include "lib/config/config.h"
#include "lib/xml/xml.h"

static void make_release(struct hor_buf *out, long count)
{
    hor_buf_puts(out, "<release xmlns=\"urn:horarium:release:1\" author=\"bench\" "
                      "created=\"2026-01-01T00:00:00.000000Z\" number=\"1\">");
    hor_buf_puts(out, "<object file=\"c/local.agentCluster.xml\" kind=\"agentCluster\" "
                      "path=\"/c/local\"><agentCluster xmlns=\"urn:horarium:configuration:1\">"
                      "<member name=\"a1\" url=\"https://127.0.0.1:1\"></member></agentCluster>"
                      "</object>");
    for (long i = 0; i < count; i++) {
        if (i % 10 == 0) {
            hor_buf_printf(out, "<object file=\"j/c%06ld.chain.xml\" kind=\"chain\" "
                                "path=\"/j/c%06ld\"><jobChain "
                                "xmlns=\"urn:horarium:configuration:1\" "
                                "agentCluster=\"/c/local\">", i, i);
            for (long n = i; n < i + 10 && n < count; n++)
                hor_buf_printf(out, "<node id=\"n%ld\" job=\"j%06ld\"></node>", n - i, n);
            hor_buf_puts(out, "</jobChain></object>");
        }
    }
    for (long i = 0; i < count; i++)
        hor_buf_printf(out,
                       "<object file=\"j/j%06ld.job.xml\" kind=\"job\" path=\"/j/j%06ld\"><job "
                       "xmlns=\"urn:horarium:configuration:1\" title=\"Job %ld\"><parameter "
                       "name=\"day\" type=\"date\"></parameter><script shell=\"/bin/sh\">"
                       "echo job %ld of the bench\n</script><execution timeout=\"PT1H\"></execution>"
                       "<retry attempts=\"3\" delay=\"PT30S\"></retry></job></object>",
                       i, i, i, i);
    hor_buf_puts(out, "</release>");
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000;
    struct hor_buf release = HOR_BUF_INIT;
    double bare[3], load[3];
    hor_xml_init();
    make_release(&release, count);
    if (release.failed || count < 1)
        return 1;
    for (int i = 0; i < 3; i++) {
        xmlSAXHandler empty;
        memset(&empty, 0, sizeof empty);
        empty.initialized = XML_SAX2_MAGIC;
        int64_t begin = hor_clock_monotonic_us();
        if (xmlSAXUserParseMemory(&empty, NULL, release.data, (int)release.len) != 0)
            return 1;
        bare[i] = (double)(hor_clock_monotonic_us() - begin) / 1e6;
        struct hor_problems problems = {0};
        struct hor_config *config = NULL;
        struct hor_error err = {0};
        begin = hor_clock_monotonic_us();
        if (hor_config_load_release(release.data, release.len, &problems, &config, &err) != HOR_OK) {
            fprintf(stderr, "config_load: %s\n", err.text);
            return 1;
        }
        load[i] = (double)(hor_clock_monotonic_us() - begin) / 1e6;
        if (config->job_count != (size_t)count)
            return 1;
        hor_config_free(config);
        hor_problems_done(&problems);
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    qsort(bare, 3, sizeof bare[0], by_time);
    qsort(load, 3, sizeof load[0], by_time);
    printf("jobs=%ld bytes=%zu bare_s=%.4f load_s=%.4f rss_mb=%.1f\n", count, release.len, bare[1],
           load[1], (double)u.ru_maxrss / 1024);
    hor_buf_done(&release);
    return 0;
}
