/* Large releases are checked piece by piece on several threads: the outcome, the configuration and
 * every message must be those of a small one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/config/config.h"
#include "lib/config/release_check.h"
#include "tests/lib/tap.h"

enum { JOBS = 9000 };

/* A release of so many jobs, one per line; before job `at`, `odd` stands on a line of its own. */
static void make(struct hor_buf *out, long jobs, long at, const char *odd)
{
    hor_buf_clear(out);
    hor_buf_puts(out, "<release xmlns=\"urn:horarium:release:1\" author=\"anna\" "
                      "created=\"2026-01-01T00:00:00.000000Z\" number=\"1\">\n");
    for (long i = 0; i < jobs; i++) {
        if (i == at)
            hor_buf_printf(out, "%s\n", odd);
        hor_buf_printf(out,
                       "<object file=\"j/j%06ld.job.xml\" kind=\"job\" path=\"/j/j%06ld\"><job "
                       "xmlns=\"urn:horarium:configuration:1\" title=\"Job %ld\"><script "
                       "shell=\"/bin/sh\">echo job %ld</script></job></object>\n",
                       i, i, i, i);
    }
    hor_buf_puts(out, "</release>");
}

static bool valid(const struct hor_buf *release)
{
    return hor_release_check_end(hor_release_check_begin(release->data, release->len));
}

/* `told`: the message names the odd line. */
static void is_refused(long at, const char *odd, bool told)
{
    struct hor_buf release = HOR_BUF_INIT;
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    char line[40];
    make(&release, JOBS, at, odd);
    ok(!valid(&release), "before object %ld, not valid: %.60s", at, odd);
    is_int(hor_config_load_release(release.data, release.len, NULL, &config, &err), HOR_ERR_INVALID,
           "refused: %s", err.text);
    snprintf(line, sizeof line, "release:%ld: ", at + 2);
    ok(!told || strstr(err.text, line) != NULL, "with its line, %ld", at + 2);
    hor_buf_done(&release);
}

int main(void)
{
    static const char wrong[] = "<object file=\"w.job.xml\" kind=\"job\" path=\"/w\"><job "
                                "xmlns=\"urn:horarium:configuration:1\" titel=\"x\"><script "
                                "shell=\"/bin/sh\">x</script></job></object>";
    struct hor_buf release = HOR_BUF_INIT;
    struct hor_config *config = NULL;
    struct hor_error err = {0};
    if (setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 1) != 0)
        return 1;
    make(&release, 10, -1, "");
    ok(hor_release_check_begin(release.data, release.len) == NULL, "a small one is read at once");
    make(&release, JOBS, -1, "");
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        printf("# one processor: every document is read at once\n");
    else
        ok(valid(&release), "a large one of %zu bytes is valid", release.len);
    if (ok(hor_config_load_release(release.data, release.len, NULL, &config, &err) == HOR_OK,
           "and loaded: %s", err.text)) {
        is_int((long long)config->job_count, JOBS, "with all jobs");
        const struct hor_job *job = hor_config_job(config, "/j/j004321");
        ok(job != NULL && job->object.line == 4321 + 2, "which know their lines");
        hor_config_free(config);
    }
    const long places[] = {0, 1, 3000, 6000, JOBS - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        is_refused(places[i], wrong, true);
    is_refused(5000, "<!-- </object> ", false);
    is_refused(5000, "</release><release>", false);
    is_refused(5000, "</object>", false);
    is_refused(5000, "<objekt/>", true);

    /* what only looks like the end of an object, wherever it is cut: kept as one would expect */
    struct hor_buf odd = HOR_BUF_INIT;
    hor_buf_puts(&odd, "<object file=\"x.job.xml\" kind=\"job\" path=\"/x\"><job "
                       "xmlns=\"urn:horarium:configuration:1\"><script shell=\"/bin/sh\"><![CDATA[");
    while (odd.len < 600 * 1024)
        hor_buf_puts(&odd, "</object> ");
    hor_buf_puts(&odd, "]]></script></job></object>");
    make(&release, JOBS, 100, hor_buf_text(&odd));
    ok(!valid(&release), "cut inside a CDATA section: unknown");
    config = NULL;
    is_int(hor_config_load_release(release.data, release.len, NULL, &config, &err), HOR_OK,
           "read at once, it is good: %s", err.text);
    if (config != NULL)
        is_int((long long)config->job_count, JOBS + 1, "with all jobs");
    hor_config_free(config);
    hor_buf_done(&odd);
    hor_buf_done(&release);
    return done_testing();
}
