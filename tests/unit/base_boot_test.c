#define _POSIX_C_SOURCE 200809L
#include "lib/base/boot.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"

int main(void)
{
    char first[HOR_BOOT_ID_BYTES] = "", second[HOR_BOOT_ID_BYTES] = "";
    char long_id[HOR_BOOT_ID_BYTES + 1];
    struct hor_error err;
    unsetenv("HORARIUM_BOOT_ID");
    is_int(hor_boot_id(first, &err), HOR_OK, "the kernel tells its start");
    is_int((long long)strlen(first), 36, "as a UUID");
    hor_boot_id(second, NULL);
    is(second, first, "the same one each time");
    setenv("HORARIUM_BOOT_ID", "another-start-1", 1);
    is_int(hor_boot_id(second, &err), HOR_OK, "a test starts the machine anew");
    is(second, "another-start-1", "as it likes");
    static const char *const bad[] = {"", " ", "two words", "a/b", "a\tb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("HORARIUM_BOOT_ID", bad[i], 1);
        int code = hor_boot_id(second, &err);
        if (strcmp(bad[i], "two words") == 0)
            ok(code == HOR_OK && strcmp(second, "two") == 0, "the first word counts");
        else
            is_int(code, HOR_ERR_INVALID, "'%s' is refused", bad[i]);
    }
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    setenv("HORARIUM_BOOT_ID", long_id, 1);
    is_int(hor_boot_id(second, &err), HOR_ERR_INVALID, "one that is too long as well");
    is(second, "two", "and the answer is untouched then");
    return done_testing();
}
