/* lib/soap/context.c - gSOAP on memory. A struct soap has 160 KB; as many are kept as were ever in
 * use at the same time, up to a bound. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/soap/client.h"
#include "lib/soap/internal.h"

enum { MAX_KEPT = 16, MAX_OCCURS = 1000000, MAX_LEVEL = 100 };

struct memory {
    const char *in;
    size_t in_left;
    struct hor_buf *out;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct soap *kept[MAX_KEPT];
static unsigned kept_count;

static size_t read_memory(struct soap *soap, char *data, size_t room)
{
    struct memory *memory = soap->user;
    size_t len = memory->in_left < room ? memory->in_left : room;
    memcpy(data, memory->in, len);
    memory->in += len;
    memory->in_left -= len;
    return len;
}

static int write_memory(struct soap *soap, const char *data, size_t len)
{
    struct memory *memory = soap->user;
    if (memory->out == NULL)
        return SOAP_EOF;
    hor_buf_add(memory->out, data, len);
    return memory->out->failed ? SOAP_EOM : SOAP_OK;
}

struct soap *hor_soap_context_take(const char *in, size_t len)
{
    struct memory *memory = malloc(sizeof *memory);
    if (memory == NULL)
        return NULL;
    *memory = (struct memory){in, len, NULL};
    pthread_mutex_lock(&lock);
    struct soap *soap = kept_count > 0 ? kept[--kept_count] : NULL;
    pthread_mutex_unlock(&lock);
    if (soap == NULL && (soap = soap_new()) == NULL) {
        free(memory);
        return NULL;
    }
    /* TREE: ids and references are not followed, a message cannot be a cycle */
    soap_init2(soap, SOAP_C_UTFSTRING | SOAP_XML_TREE, SOAP_C_UTFSTRING | SOAP_XML_TREE);
    soap_set_namespaces(soap, namespaces);
    soap->frecv = read_memory;
    soap->fsend = write_memory;
    soap->maxoccurs = MAX_OCCURS;
    soap->maxlevel = MAX_LEVEL;
    soap->user = memory;
    return soap;
}

void hor_soap_context_give(struct soap *soap)
{
    if (soap == NULL)
        return;
    free(soap->user);
    soap->user = NULL;
    soap_destroy(soap);
    soap_end(soap);
    soap_done(soap);
    pthread_mutex_lock(&lock);
    bool keep = kept_count < MAX_KEPT;
    if (keep)
        kept[kept_count++] = soap;
    pthread_mutex_unlock(&lock);
    if (!keep)
        free(soap);
}

void hor_soap_context_error(struct soap *soap, int code, const char *what, struct hor_error *err)
{
    if (soap->error == SOAP_EOM) {
        hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", what);
        return;
    }
    char text[300] = "";
    soap_set_fault(soap);
    soap_sprint_fault(soap, text, sizeof text);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    }
    hor_error_set(err, code, "%s: %s", what, text);
}

int hor_soap_context_write(struct soap *soap, const struct hor_soap_element *element,
                           const void *value, const char *prefix, const char *ns,
                           struct hor_buf *out)
{
    struct hor_buf text = HOR_BUF_INIT;
    struct memory *memory = soap->user;
    memory->out = &text;
    int failed = soap_begin_send(soap);
    if (failed == SOAP_OK) {
        soap->ns = 1; /* no namespace table: the few that are used are declared below */
        soap->level = 1;
        failed = element->put(soap, value) != SOAP_OK || soap_end_send(soap) != SOAP_OK;
    }
    memory->out = NULL;
    const char *tag = text.data != NULL ? strstr(text.data, element->tag) : NULL;
    int rc = HOR_OK;
    if (text.failed || soap->error == SOAP_EOM) {
        rc = HOR_ERR_MEMORY;
    } else if (failed || tag == NULL) {
        rc = HOR_ERR_INTERNAL;
    } else {
        size_t head = (size_t)(tag - text.data) + strlen(element->tag);
        const char *begin = strchr(text.data, '<'); /* gSOAP may begin with a line end */
        hor_buf_add(out, begin, head - (size_t)(begin - text.data));
        hor_buf_printf(out, " xmlns:%s=\"%s\" xmlns:t=\"%s\"", prefix, ns, HOR_SOAP_NS_t);
        hor_buf_puts(out, " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"");
        hor_buf_add(out, text.data + head, text.len - head);
        if (out->failed)
            rc = HOR_ERR_MEMORY;
    }
    hor_buf_done(&text);
    return rc;
}

void hor_soap_done(struct soap *soap)
{
    hor_soap_context_give(soap);
}

void *hor_soap_alloc(struct soap *soap, size_t bytes)
{
    void *memory = soap_malloc(soap, bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

char *hor_soap_string(struct soap *soap, const char *text)
{
    return text != NULL ? soap_strdup(soap, text) : NULL;
}

int64_t *hor_soap_time(struct soap *soap, int64_t utc_us)
{
    int64_t *value = utc_us == INT64_MIN ? NULL : soap_malloc(soap, sizeof *value);
    if (value != NULL)
        *value = utc_us;
    return value;
}

int *hor_soap_int(struct soap *soap, int64_t value)
{
    int *number = value == INT64_MIN ? NULL : soap_malloc(soap, sizeof *number);
    if (number != NULL)
        *number = value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int)value;
    return number;
}
