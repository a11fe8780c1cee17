#include "server/supervisor/repository/repository.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "lib/model/config.h"

struct hor_repository {
    char *folder;
};

int hor_repository_open(const char *folder, struct hor_repository **ret, struct hor_error *err)
{
    struct stat st;
    if (stat(folder, &st) != 0)
        return hor_error_set_errno(err, HOR_ERR_NOT_FOUND, errno, "repository folder '%s'", folder);
    if (!S_ISDIR(st.st_mode))
        return hor_error_set(err, HOR_ERR_NOT_FOUND, "repository '%s' is not a folder", folder);
    struct hor_repository *repository = calloc(1, sizeof *repository);
    if (repository == NULL || (repository->folder = hor_strdup(folder)) == NULL) {
        free(repository);
        return hor_error_set(err, HOR_ERR_MEMORY, "open the repository: out of memory");
    }
    *ret = repository;
    return HOR_OK;
}

void hor_repository_close(struct hor_repository *repository)
{
    if (repository != NULL)
        free(repository->folder);
    free(repository);
}

int hor_repository_draft(const struct hor_repository *repository, struct hor_sources *ret,
                         char revision[65], struct hor_problems *problems, struct hor_error *err)
{
    int rc = hor_sources_read(repository->folder, ret, problems, err);
    if (rc != HOR_OK)
        return hor_error_prefix(err, "repository"), rc;
    struct hor_buf all = HOR_BUF_INIT; /* names and digests, in the order of names */
    for (size_t i = 0; i < ret->count; i++) {
        char digest[65];
        hor_sha256_hex(ret->items[i].data, ret->items[i].len, digest);
        hor_buf_printf(&all, "%s %s\n", digest, ret->items[i].file);
    }
    if (all.failed) {
        hor_buf_done(&all);
        hor_sources_done(ret);
        return hor_error_set(err, HOR_ERR_MEMORY, "repository: out of memory");
    }
    hor_sha256_hex(hor_buf_text(&all), all.len, revision);
    hor_buf_done(&all);
    return HOR_OK;
}

bool hor_repository_name(const char *file, char path[HOR_REPOSITORY_PATH_BYTES],
                         const char **ret_kind)
{
    size_t len = strlen(file);
    for (int k = 0; k < (int)HOR_KINDS; k++) {
        char end[40];
        int end_len = k == HOR_KIND_ICALENDAR
                          ? snprintf(end, sizeof end, ".ics")
                          : snprintf(end, sizeof end, ".%s.xml", hor_kind_name((enum hor_kind)k));
        if (len <= (size_t)end_len || strcmp(file + len - (size_t)end_len, end) != 0)
            continue;
        int made =
            snprintf(path, HOR_REPOSITORY_PATH_BYTES, "/%.*s", (int)(len - (size_t)end_len), file);
        if (ret_kind != NULL)
            *ret_kind = hor_kind_name((enum hor_kind)k);
        return made > 0 && made < HOR_REPOSITORY_PATH_BYTES;
    }
    return false;
}
