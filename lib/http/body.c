/* lib/http/body.c - the body of a request: by length, in chunks, compressed. What is declared
 * reserves no memory; what arrives does, up to the limit. */
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "lib/http/internal.h"

enum { MAX_LINE = 1000 };

/* One character of the line that holds a chunk's size. */
static int size_character(struct hor_http_body_state *state, char c)
{
    if (state->carriage) {
        if (c != '\n' || !state->digit)
            return 400;
        state->step = state->left > 0 ? HOR_BODY_DATA : HOR_BODY_TRAILER;
        state->carriage = state->digit = state->extension = false;
        state->line = 0;
        return 0;
    }
    if (++state->line > MAX_LINE)
        return 400;
    if (c == '\r') {
        state->carriage = true;
        return 0;
    }
    if (state->extension)
        return (unsigned char)c < 0x20 && c != '\t' ? 400 : 0;
    if (c == ';') {
        state->extension = true;
        return state->digit ? 0 : 400;
    }
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (value < 0)
        return 400;
    if (state->left > UINT32_MAX)
        return 413;
    state->left = state->left * 16 + (unsigned)value;
    state->digit = true;
    return 0;
}

/* Trailer lines are read and dropped, until the empty one. */
static int trailer_character(struct hor_http_body_state *state, char c)
{
    if (++state->line > 8 * MAX_LINE)
        return 431;
    if (state->carriage) {
        if (c != '\n')
            return 400;
        if (!state->text)
            state->step = HOR_BODY_COMPLETE;
        state->carriage = state->text = false;
        return 0;
    }
    if (c == '\r')
        state->carriage = true;
    else if ((unsigned char)c < 0x20 && c != '\t')
        return 400;
    else
        state->text = true;
    return 0;
}

static int data_end_character(struct hor_http_body_state *state, char c)
{
    if (c != (state->carriage ? '\n' : '\r'))
        return 400;
    if (state->carriage)
        state->step = HOR_BODY_SIZE;
    state->carriage = !state->carriage;
    return 0;
}

int hor_http_parse_body(struct hor_http_request *request, const char *data, size_t len,
                        size_t max_bytes, size_t *ret_used, const char **ret_reason)
{
    struct hor_http_body_state *state = &request->state;
    size_t used = 0;
    int status = 0;
    *ret_reason = "the chunks of the body are malformed";
    while (status == 0 && used < len && state->step != HOR_BODY_COMPLETE) {
        switch (state->step) {
        case HOR_BODY_LENGTH:
        case HOR_BODY_DATA: {
            size_t take = len - used < state->left ? len - used : (size_t)state->left;
            if (state->left > max_bytes || request->body.len + take > max_bytes) {
                *ret_reason = "the body is too large";
                status = 413;
                break;
            }
            hor_buf_add(&request->body, data + used, take);
            used += take;
            state->left -= take;
            if (state->left == 0)
                state->step =
                    state->step == HOR_BODY_LENGTH ? HOR_BODY_COMPLETE : HOR_BODY_DATA_END;
            break;
        }
        case HOR_BODY_SIZE:
            status = size_character(state, data[used++]);
            break;
        case HOR_BODY_DATA_END:
            status = data_end_character(state, data[used++]);
            break;
        case HOR_BODY_TRAILER:
            status = trailer_character(state, data[used++]);
            break;
        case HOR_BODY_COMPLETE:
            break;
        }
    }
    if (request->body.failed) {
        *ret_reason = "out of memory";
        status = 503;
    }
    if (status == 413)
        *ret_reason = "the body is too large";
    *ret_used = used;
    return status;
}

int hor_http_inflate(struct hor_http_request *request, size_t max_bytes, const char **ret_reason)
{
    const char *coding = hor_http_request_header(request, "Content-Encoding");
    if (coding == NULL || strcasecmp(coding, "identity") == 0)
        return 0;
    *ret_reason = "the only Content-Encoding here is gzip";
    if (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "x-gzip") != 0)
        return 415;
    z_stream stream = {0};
    *ret_reason = "out of memory";
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) /* 16: gzip's frame only */
        return 503;
    struct hor_buf plain = HOR_BUF_INIT;
    int status = 0, result = Z_OK;
    stream.next_in = (Bytef *)request->body.data;
    stream.avail_in = (uInt)request->body.len;
    while (status == 0 && result != Z_STREAM_END) {
        char out[16384];
        stream.next_out = (Bytef *)out;
        stream.avail_out = sizeof out;
        result = inflate(&stream, Z_NO_FLUSH);
        size_t got = sizeof out - stream.avail_out;
        if ((result != Z_OK && result != Z_STREAM_END) || (got == 0 && result == Z_OK)) {
            *ret_reason = "the compressed body is damaged";
            status = 400;
        } else if (plain.len + got > max_bytes) {
            *ret_reason = "the body is too large when it is inflated";
            status = 413;
        } else {
            hor_buf_add(&plain, out, got);
        }
    }
    if (status == 0 && stream.avail_in > 0) {
        *ret_reason = "something follows the compressed body";
        status = 400;
    }
    inflateEnd(&stream);
    if (status == 0 && plain.failed) {
        *ret_reason = "out of memory";
        status = 503;
    }
    if (status == 0) {
        hor_buf_done(&request->body);
        request->body = plain;
    } else {
        hor_buf_done(&plain);
    }
    return status;
}
