#define _GNU_SOURCE /* crypt_r, getrandom */
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/str.h"
#include "lib/config/users.h"

/* Of an unknowable password: what an unknown user's attempt is compared with. */
static const char nobody_hash[] = "$y$j9T$E4zKUHVNe84Rodj6twCIuVIeXwJzcQy7ImSyWU0/"
                                  "fo3$CSecgDQqabFSx/VamTdrQUcrYuQAY/gEfi4N8kfmY.6";

int hor_password_hash(const char *password, char out[HOR_PASSWORD_HASH_BYTES],
                      struct hor_error *err)
{
    size_t len = strlen(password);
    if (len < HOR_PASSWORD_MIN_BYTES || len > HOR_PASSWORD_MAX_BYTES)
        return hor_error_set(err, HOR_ERR_INVALID,
                             "the password has %zu characters; allowed are %d to %d", len,
                             HOR_PASSWORD_MIN_BYTES, HOR_PASSWORD_MAX_BYTES);
    char salt[CRYPT_GENSALT_OUTPUT_SIZE], seed[32];
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return hor_error_set_errno(err, HOR_ERR_IO, errno, "hash a password: random bytes");
    if (crypt_gensalt_rn("$y$", 0, seed, sizeof seed, salt, sizeof salt) == NULL)
        return hor_error_set_errno(err, HOR_ERR_INTERNAL, errno, "hash a password: make a salt");
    struct crypt_data *data = calloc(1, sizeof *data);
    if (data == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "hash a password: out of memory");
    int rc = HOR_OK;
    const char *hash = crypt_r(password, salt, data);
    if (hash == NULL || hash[0] == '*' || strlen(hash) >= HOR_PASSWORD_HASH_BYTES)
        rc = hor_error_set(err, HOR_ERR_INTERNAL, "hash a password: crypt gave no yescrypt hash");
    else
        snprintf(out, HOR_PASSWORD_HASH_BYTES, "%s", hash);
    explicit_bzero(data, sizeof *data);
    free(data);
    return rc;
}

bool hor_password_check(const char *hash, const char *password)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    if (data == NULL)
        return false;
    const char *got = crypt_r(password, hash != NULL ? hash : nobody_hash, data);
    bool same = hash != NULL && got != NULL && got[0] != '*' && hor_secret_equal(got, hash);
    explicit_bzero(data, sizeof *data);
    free(data);
    return same;
}
