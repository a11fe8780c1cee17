#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/crc32c.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/journal/snapshot.h"

static const char begin[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<snapshot xmlns=\""
                            HOR_JOURNAL_NAMESPACE "\" ";
static const char state_open[] = "\n<state>", state_close[] = "</state>\n</snapshot>\n";

void hor_journal_snapshot_name(uint64_t index, uint64_t term, char out[HOR_JOURNAL_NAME_BYTES])
{
    snprintf(out, HOR_JOURNAL_NAME_BYTES, "snapshot-%" PRIu64 "-%" PRIu64 ".xml", index, term);
}

bool hor_journal_snapshot_parse_name(const char *name, uint64_t *ret_index, uint64_t *ret_term)
{
    char again[HOR_JOURNAL_NAME_BYTES];
    if (sscanf(name, "snapshot-%20" SCNu64 "-%20" SCNu64, ret_index, ret_term) != 2)
        return false;
    hor_journal_snapshot_name(*ret_index, *ret_term, again);
    return strcmp(name, again) == 0;
}

void hor_journal_snapshot_write(const struct hor_journal_snapshot *snapshot, const char *cluster,
                                struct hor_buf *out)
{
    char at[HOR_TIME_TEXT_BYTES], text[9];
    size_t start = out->len, crc_at;
    uint32_t crc;
    hor_buf_puts(out, begin);
    hor_buf_puts(out, "cluster=\"");
    hor_buf_xml(out, cluster);
    hor_buf_printf(out,
                   "\" formatVersion=\"%d\" index=\"%" PRIu64 "\" term=\"%" PRIu64
                   "\" at=\"%s\" configurationIndex=\"%" PRIu64 "\" runId=\"",
                   HOR_JOURNAL_FORMAT_VERSION, snapshot->index, snapshot->term,
                   hor_time_format_us(snapshot->at_us, at), snapshot->configuration_index);
    hor_buf_xml(out, snapshot->run_id);
    hor_buf_puts(out, "\" crc=\"");
    crc_at = out->len;
    hor_buf_puts(out, "00000000\">\n");
    hor_buf_add(out, snapshot->configuration, snapshot->configuration_len);
    hor_buf_puts(out, state_open);
    hor_buf_add(out, snapshot->state, snapshot->state_len);
    hor_buf_puts(out, state_close);
    if (out->failed)
        return;
    crc = hor_crc32c(0, out->data + start, crc_at - start);
    crc = hor_crc32c(crc, out->data + crc_at + 8, out->len - crc_at - 8);
    snprintf(text, sizeof text, "%08" PRIx32, crc);
    memcpy(out->data + crc_at, text, 8);
}

static int read_head(const char *tag, size_t len, const char *cluster,
                     struct hor_journal_snapshot *ret, struct hor_error *err)
{
    char of[HOR_JOURNAL_CLUSTER_BYTES], at[40];
    uint64_t version;
    int rc;
    if (hor_journal_attribute_number(tag, len, "formatVersion", &version) != HOR_OK)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the head lacks an attribute");
    rc = hor_journal_check_version(version, err);
    if (rc != HOR_OK)
        return rc;
    if (hor_journal_attribute(tag, len, "cluster", of, sizeof of) != HOR_OK ||
        hor_journal_attribute_number(tag, len, "index", &ret->index) != HOR_OK ||
        hor_journal_attribute_number(tag, len, "term", &ret->term) != HOR_OK ||
        hor_journal_attribute_number(tag, len, "configurationIndex", &ret->configuration_index) !=
            HOR_OK ||
        hor_journal_attribute(tag, len, "runId", ret->run_id, sizeof ret->run_id) != HOR_OK ||
        hor_journal_attribute(tag, len, "at", at, sizeof at) != HOR_OK ||
        hor_time_parse_us(at, &ret->at_us) != HOR_OK || ret->index == 0 || ret->term == 0)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the head lacks an attribute");
    if (cluster != NULL && strcmp(of, cluster) != 0)
        return hor_error_set(err, HOR_ERR_INVALID, "it belongs to cluster '%s', not to '%s'", of,
                             cluster);
    return HOR_OK;
}

static int parse(const struct hor_buf *text, const char *cluster, struct hor_journal_snapshot *ret,
                 struct hor_error *err)
{
    static const char crc_name[] = "\" crc=\"";
    const char *data = text->data, *end = data + text->len, *line_end, *crc, *conf, *state;
    char wanted[9];
    uint32_t sum;
    int rc;
    if (text->len < sizeof begin + 32 || memcmp(data, begin, sizeof begin - 1) != 0)
        return hor_error_set(err, HOR_ERR_CORRUPT, "this is not a snapshot");
    line_end = memchr(data + sizeof begin - 1, '\n', text->len - (sizeof begin - 1));
    if (line_end == NULL || line_end - data < 64)
        return hor_error_set(err, HOR_ERR_CORRUPT, "its head is not whole");
    crc = line_end - 10; /* 8 digits, quote, bracket */
    if (memcmp(crc - (sizeof crc_name - 1), crc_name, sizeof crc_name - 1) != 0)
        return hor_error_set(err, HOR_ERR_CORRUPT, "it has no checksum");
    sum = hor_crc32c(0, data, (size_t)(crc - data));
    sum = hor_crc32c(sum, crc + 8, (size_t)(end - crc - 8));
    snprintf(wanted, sizeof wanted, "%08" PRIx32, sum);
    if (memcmp(crc, wanted, 8) != 0)
        return hor_error_set(err, HOR_ERR_CORRUPT, "the checksum is %s, the file says %.8s", wanted,
                             crc);
    rc = read_head(data + sizeof begin - 2, (size_t)(line_end - data) - (sizeof begin - 2), cluster,
                   ret, err);
    if (rc != HOR_OK)
        return rc;
    conf = line_end + 1;
    state = memchr(conf, '\n', (size_t)(end - conf));
    if (state == NULL || (size_t)(end - state) < sizeof state_open + sizeof state_close - 2 ||
        memcmp(state, state_open, sizeof state_open - 1) != 0 ||
        memcmp(end - (sizeof state_close - 1), state_close, sizeof state_close - 1) != 0 ||
        hor_journal_kind_of(conf, (size_t)(state - conf)) != HOR_JOURNAL_CONFIGURATION)
        return hor_error_set(err, HOR_ERR_CORRUPT, "members or state are missing");
    ret->configuration = conf;
    ret->configuration_len = (size_t)(state - conf);
    ret->state = state + sizeof state_open - 1;
    ret->state_len = (size_t)(end - ret->state) - (sizeof state_close - 1);
    return HOR_OK;
}

int hor_journal_snapshot_read(const char *path, const char *cluster, struct hor_buf *text,
                              struct hor_journal_snapshot *ret, struct hor_error *err)
{
    struct hor_journal_snapshot snapshot = {.index = 0};
    int rc = hor_file_read(path, HOR_JOURNAL_SNAPSHOT_MAX, text, err);
    if (rc != HOR_OK)
        return rc;
    rc = parse(text, cluster, &snapshot, err);
    if (rc != HOR_OK)
        hor_error_prefix(err, "%s", path);
    else
        *ret = snapshot;
    return rc;
}
