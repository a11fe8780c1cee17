#define _GNU_SOURCE /* memmem */
#include "lib/config/release_check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/config/config.h"
#include "lib/xml/xml.h"

enum {
    WORTH_BYTES = 1024 * 1024, /* below it a document is read at once */
    PIECE_BYTES = 512 * 1024,
    THREADS_MAX = 3 /* beside the caller */
};

struct hor_release_check {
    const char *bytes;
    size_t head_len; /* everything before the first object */
    size_t *cuts;    /* piece i goes from cuts[i] to cuts[i + 1] */
    size_t count;
    const struct hor_xml_schema *schema;
    atomic_size_t next;
    atomic_bool invalid;
    unsigned thread_count;
    pthread_t threads[THREADS_MAX];
};

/* A piece with the release's own tags around it. It is well-formed only if it was cut between objects
 * of the release: not inside a comment, a text or an element that has such a name too. A release is
 * nothing but its objects, so the whole is valid when every piece is. */
static bool piece_is_valid(const struct hor_release_check *check, size_t i)
{
    static const struct hor_xml_scan nothing = {.start = NULL};
    struct hor_buf text = HOR_BUF_INIT;
    if (i > 0)
        hor_buf_add(&text, check->bytes, check->head_len);
    hor_buf_add(&text, check->bytes + check->cuts[i], check->cuts[i + 1] - check->cuts[i]);
    if (i + 1 < check->count)
        hor_buf_puts(&text, "</release>");
    bool valid = !text.failed && hor_xml_scan("release", text.data, text.len, HOR_RELEASE_BYTES,
                                              check->schema, &nothing, NULL, NULL, NULL) == HOR_OK;
    hor_buf_done(&text);
    return valid;
}

static void *check_pieces(void *arg)
{
    struct hor_release_check *check = arg;
    size_t i;
    while (!atomic_load(&check->invalid) && (i = atomic_fetch_add(&check->next, 1)) < check->count)
        if (!piece_is_valid(check, i))
            atomic_store(&check->invalid, true);
    return NULL;
}

static bool cut(struct hor_release_check *check, size_t len)
{
    static const char begin[] = "<object", end[] = "</object>";
    const char *bytes = check->bytes, *first = memmem(bytes, len, begin, sizeof begin - 1);
    check->cuts = calloc(len / PIECE_BYTES + 2, sizeof *check->cuts);
    if (first == NULL || check->cuts == NULL)
        return false;
    check->head_len = (size_t)(first - bytes);
    for (size_t at = 0; at < len; check->cuts[++check->count] = at) {
        const char *hit = len - at > PIECE_BYTES
                              ? memmem(bytes + at + PIECE_BYTES, len - at - PIECE_BYTES, end,
                                       sizeof end - 1)
                              : NULL;
        /* the last object stays with what ends the release */
        at = hit != NULL && (size_t)(hit - bytes) + PIECE_BYTES < len
                 ? (size_t)(hit - bytes) + sizeof end - 1
                 : len;
    }
    return check->count > 1;
}

struct hor_release_check *hor_release_check_begin(const char *bytes, size_t len)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (len < WORTH_BYTES || len > HOR_RELEASE_BYTES || processors < 2)
        return NULL;
    struct hor_release_check *check = calloc(1, sizeof *check);
    if (check == NULL)
        return NULL;
    check->bytes = bytes;
    check->schema = hor_xml_schema_named("release.xsd", NULL);
    if (check->schema == NULL || !cut(check, len)) {
        free(check->cuts);
        free(check);
        return NULL;
    }
    sigset_t all, old;
    sigfillset(&all); /* signals are for the loop's thread */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (check->thread_count < THREADS_MAX && (long)check->thread_count < processors - 1 &&
           pthread_create(&check->threads[check->thread_count], NULL, check_pieces, check) == 0)
        check->thread_count++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return check;
}

bool hor_release_check_end(struct hor_release_check *check)
{
    if (check == NULL)
        return false;
    check_pieces(check);
    for (unsigned i = 0; i < check->thread_count; i++)
        pthread_join(check->threads[i], NULL);
    bool valid = !atomic_load(&check->invalid);
    free(check->cuts);
    free(check);
    return valid;
}
