#include "lib/base/base64.h"

#include <string.h>

#include <openssl/evp.h>

#include "lib/base/error.h"
#include "lib/base/str.h"

enum { PIECE_BYTES = 3 * 16384 }; /* OpenSSL counts in int: large data goes in pieces */

void hor_base64_encode(const void *data, size_t len, struct hor_buf *out)
{
    const unsigned char *from = data;
    while (len > 0) {
        size_t piece = len < PIECE_BYTES ? len : PIECE_BYTES;
        if (!hor_buf_reserve(out, (piece + 2) / 3 * 4))
            return;
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->data + out->len, from,
                                            (int)piece); /* ends with a zero byte itself */
        from += piece;
        len -= piece;
    }
}

/* The coder takes too much: '=' anywhere, anything at the end. So the text is checked here. */
static int clean(const char *text, size_t len, struct hor_buf *out, size_t *ret_padding)
{
    size_t padding = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (c == '=')
            padding++;
        else if (padding > 0 || c == '\0' ||
                 !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                   c == '+' || c == '/'))
            return HOR_ERR_INVALID;
        hor_buf_putc(out, c);
    }
    *ret_padding = padding;
    return padding > 2 || out->len % 4 != 0 ? HOR_ERR_INVALID : HOR_OK;
}

int hor_base64_decode(const char *text, size_t len, struct hor_buf *out)
{
    struct hor_buf cleaned = HOR_BUF_INIT;
    size_t start = out->len, padding = 0;
    int code = HOR_OK;
    if (hor_buf_reserve(&cleaned, len))
        code = clean(text, len, &cleaned, &padding);
    if (code == HOR_OK && (cleaned.failed || !hor_buf_reserve(out, cleaned.len / 4 * 3)))
        code = HOR_ERR_MEMORY;
    for (size_t at = 0; code == HOR_OK && at < cleaned.len;) {
        size_t piece = cleaned.len - at < PIECE_BYTES ? cleaned.len - at : PIECE_BYTES;
        int got = EVP_DecodeBlock((unsigned char *)out->data + out->len,
                                  (const unsigned char *)cleaned.data + at, (int)piece);
        if (got < 0)
            code = HOR_ERR_INVALID;
        else
            out->len += (size_t)got;
        at += piece;
    }
    if (code == HOR_OK)
        out->len -= padding; /* the coder gives zero bytes for '=' */
    else
        out->len = start;
    if (out->data != NULL)
        out->data[out->len] = '\0';
    hor_buf_done(&cleaned);
    return code;
}

void hor_sha256_hex(const void *data, size_t len, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned digest_len = 0;
    EVP_Digest(data, len, digest, &digest_len, EVP_sha256(), NULL);
    hor_hex(digest, 32, out);
}
