#include "lib/base/boot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"

int hor_boot_id(char ret_id[HOR_BOOT_ID_BYTES], struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    const char *from = getenv("HORARIUM_BOOT_ID");
    int code = HOR_OK;
    if (from != NULL)
        hor_buf_puts(&text, from);
    else
        code = hor_file_read("/proc/sys/kernel/random/boot_id", 256, &text, err);
    size_t len = code == HOR_OK ? strcspn(hor_buf_text(&text), " \n") : 0;
    bool good = len > 0 && len < HOR_BOOT_ID_BYTES;
    for (size_t i = 0; good && i < len; i++)
        good = isalnum((unsigned char)text.data[i]) || text.data[i] == '-';
    if (code == HOR_OK && !good)
        code = hor_error_set(err, HOR_ERR_INVALID, "the machine's boot id is no word");
    if (code == HOR_OK) {
        memcpy(ret_id, text.data, len);
        ret_id[len] = '\0';
    }
    hor_buf_done(&text);
    return code;
}
