#define _GNU_SOURCE
#include "lib/journal/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/journal/line.h"
#include "lib/journal/segment.h"

enum { FILE_MAX = 4096, LOST_MAX = 1000 };

static bool flag(const char *tag, size_t len, const char *name)
{
    char text[8];
    return hor_journal_attribute(tag, len, name, text, sizeof text) == HOR_OK &&
           strcmp(text, "true") == 0;
}

int hor_journal_identity_read(const char *directory, struct hor_journal_identity *ret,
                              struct hor_error *err)
{
    char *path = hor_path_join(directory, HOR_JOURNAL_IDENTITY_NAME);
    struct hor_buf text = HOR_BUF_INIT;
    struct hor_journal_identity identity = {.member = 0};
    int rc = path != NULL ? hor_file_read(path, FILE_MAX, &text, err)
                          : hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory");
    if (rc == HOR_OK) {
        const char *tag = strstr(hor_buf_text(&text), "<member ");
        const char *end = tag != NULL ? strchr(tag, '>') : NULL;
        size_t len = end != NULL ? (size_t)(end - tag) + 1 : 0;
        if (end == NULL || hor_journal_attribute_number(tag, len, "id", &identity.member) != HOR_OK ||
            hor_journal_attribute(tag, len, "folder", identity.folder, sizeof identity.folder) !=
                HOR_OK)
            rc = hor_error_set(err, HOR_ERR_CORRUPT,
                               "%s: it does not say whose folder this is; empty the folder and let "
                               "this member rejoin", path);
        identity.joining = rc == HOR_OK && flag(tag, len, "joining");
        identity.abandoned = rc == HOR_OK && flag(tag, len, "abandoned");
    }
    if (rc == HOR_OK)
        *ret = identity;
    hor_buf_done(&text);
    free(path);
    return rc;
}

int hor_journal_identity_write(const char *directory, const struct hor_journal_identity *identity,
                               struct hor_error *err)
{
    char *path = hor_path_join(directory, HOR_JOURNAL_IDENTITY_NAME);
    struct hor_buf text = HOR_BUF_INIT;
    int rc;
    hor_buf_printf(&text,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<member xmlns=\"" HOR_JOURNAL_NAMESPACE
                   "\" id=\"%" PRIu64 "\" folder=\"%s\"%s%s/>\n",
                   identity->member, identity->folder, identity->joining ? " joining=\"true\"" : "",
                   identity->abandoned ? " abandoned=\"true\"" : "");
    rc = path == NULL || text.failed
             ? hor_error_set(err, HOR_ERR_MEMORY, "journal: out of memory")
             : hor_file_write_atomic(path, text.data, text.len, 0640, err);
    hor_buf_done(&text);
    free(path);
    return rc;
}

int hor_journal_set_aside(const char *directory, char *ret_path, size_t path_bytes,
                          struct hor_error *err)
{
    for (int i = 1; i <= LOST_MAX; i++) {
        int n = snprintf(ret_path, path_bytes, "%s.lost-%d", directory, i);
        if (n < 0 || (size_t)n >= path_bytes)
            return hor_error_set(err, HOR_ERR_LIMIT, "%s: the path is too long", directory);
        if (access(ret_path, F_OK) == 0)
            continue;
        if (rename(directory, ret_path) != 0 && errno != ENOENT)
            return hor_error_set_errno(err, HOR_ERR_IO, errno, "%s", directory);
        return HOR_OK;
    }
    return hor_error_set(err, HOR_ERR_LIMIT, "%s: too many folders were set aside; remove some",
                         directory);
}
