/* lib/base/base64.h - RFC 4648 base 64, over OpenSSL's coder. Any thread. */
#ifndef HOR_BASE_BASE64_H
#define HOR_BASE_BASE64_H

#include <stddef.h>

#include "lib/base/buf.h"

void hor_base64_encode(const void *data, size_t len, struct hor_buf *out); /* one line */
/* White space is skipped. HOR_ERR_INVALID. */
int hor_base64_decode(const char *text, size_t len, struct hor_buf *out);
/* SHA-256 as 64 lower-case hexadecimal digits. */
void hor_sha256_hex(const void *data, size_t len, char out[65]);

#endif
