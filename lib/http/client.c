/* lib/http/client.c - the client. One libcurl handle per call from a pool of idle ones, each of
 * which keeps its connections. */
#include "lib/http/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/base/str.h"

enum { MAX_IDLE = 32 };

struct hor_http_client {
    char *certificate_file, *key_file, *ca_file;
    int64_t connect_timeout_ms;
    size_t max_body_bytes;
    atomic_bool aborted;
    pthread_mutex_t lock; /* of the idle handles */
    struct handle *idle;
    unsigned idle_count;
    struct call *calls; /* under way */
};

/* Its connections were checked for one expected name and are used for that one only. */
struct handle {
    struct handle *next;
    CURL *curl;
    char *expect_name; /* owned, NULL: unchecked */
};

struct call {
    struct hor_http_client *client;
    struct hor_buf *answer;
    size_t begin; /* of what was there before */
    bool too_large;
    const char *expect_name;
    char seen_name[128]; /* when it differs */
    atomic_bool interrupted;
    struct call *next; /* in client->calls */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int hor_http_client_new(const struct hor_http_client_settings *settings,
                        struct hor_http_client **ret, struct hor_error *err)
{
    pthread_once(&curl_once, init_curl);
    struct hor_http_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "http client: out of memory");
    pthread_mutex_init(&client->lock, NULL);
    client->certificate_file = hor_strdup(settings->certificate_file);
    client->key_file = hor_strdup(settings->key_file);
    client->ca_file = hor_strdup(settings->ca_file);
    client->connect_timeout_ms =
        settings->connect_timeout_ms > 0 ? settings->connect_timeout_ms : 2000;
    client->max_body_bytes =
        settings->max_body_bytes > 0 ? settings->max_body_bytes : (size_t)256 << 20;
    if ((settings->certificate_file != NULL && client->certificate_file == NULL) ||
        (settings->key_file != NULL && client->key_file == NULL) ||
        (settings->ca_file != NULL && client->ca_file == NULL)) {
        hor_http_client_free(client);
        return hor_error_set(err, HOR_ERR_MEMORY, "http client: out of memory");
    }
    *ret = client;
    return HOR_OK;
}

static void handle_free(struct handle *handle)
{
    if (handle != NULL)
        curl_easy_cleanup(handle->curl);
    if (handle != NULL)
        free(handle->expect_name);
    free(handle);
}

void hor_http_client_free(struct hor_http_client *client)
{
    if (client == NULL)
        return;
    while (client->idle != NULL) {
        struct handle *next = client->idle->next;
        handle_free(client->idle);
        client->idle = next;
    }
    pthread_mutex_destroy(&client->lock);
    free(client->certificate_file);
    free(client->key_file);
    free(client->ca_file);
    free(client);
}

void hor_http_client_abort(struct hor_http_client *client)
{
    atomic_store(&client->aborted, true);
}

void hor_http_client_interrupt(struct hor_http_client *client, const char *expect_name)
{
    pthread_mutex_lock(&client->lock);
    for (struct call *call = client->calls; call != NULL; call = call->next)
        if (hor_str_equal(call->expect_name, expect_name))
            atomic_store(&call->interrupted, true);
    pthread_mutex_unlock(&client->lock);
}

static void begin_call(struct hor_http_client *client, struct call *call)
{
    pthread_mutex_lock(&client->lock);
    call->next = client->calls;
    client->calls = call;
    pthread_mutex_unlock(&client->lock);
}

static void end_call(struct hor_http_client *client, struct call *call)
{
    pthread_mutex_lock(&client->lock);
    struct call **at = &client->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    pthread_mutex_unlock(&client->lock);
}

static struct handle *take_handle(struct hor_http_client *client, const char *expect_name)
{
    pthread_mutex_lock(&client->lock);
    struct handle **at = &client->idle;
    while (*at != NULL && !hor_str_equal((*at)->expect_name, expect_name))
        at = &(*at)->next;
    struct handle *handle = *at;
    if (handle != NULL) {
        *at = handle->next;
        client->idle_count--;
    }
    pthread_mutex_unlock(&client->lock);
    if (handle != NULL)
        return handle;
    handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return NULL;
    handle->expect_name = hor_strdup(expect_name);
    handle->curl = curl_easy_init();
    if (handle->curl == NULL || (expect_name != NULL && handle->expect_name == NULL)) {
        handle_free(handle);
        return NULL;
    }
    return handle;
}

static void give_back(struct hor_http_client *client, struct handle *handle)
{
    curl_easy_reset(handle->curl); /* keeps its connections */
    pthread_mutex_lock(&client->lock);
    bool keep = client->idle_count < MAX_IDLE;
    if (keep) {
        handle->next = client->idle;
        client->idle = handle;
        client->idle_count++;
    }
    pthread_mutex_unlock(&client->lock);
    if (!keep)
        handle_free(handle);
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
    struct call *call = ctx;
    size_t len = size * count;
    if (call->answer->len - call->begin + len > call->client->max_body_bytes) {
        call->too_large = true;
        return 0;
    }
    hor_buf_add(call->answer, data, len);
    return call->answer->failed ? 0 : len;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct call *call = ctx;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return atomic_load(&call->client->aborted) || atomic_load(&call->interrupted);
}

/* The certificate's common name must be the member's. Runs after the chain was verified, on the
 * server's own certificate. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct call *call = ssl != NULL ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
    if (!ok || call == NULL || X509_STORE_CTX_get_error_depth(store) != 0)
        return ok;
    X509_NAME *subject = X509_get_subject_name(X509_STORE_CTX_get_current_cert(store));
    if (X509_NAME_get_text_by_NID(subject, NID_commonName, call->seen_name,
                                  sizeof call->seen_name) < 0)
        call->seen_name[0] = '\0';
    if (strcmp(call->seen_name, call->expect_name) == 0)
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static CURLcode on_ssl_ctx(CURL *curl, void *ssl_ctx, void *ctx)
{
    (void)curl;
    SSL_CTX_set_app_data(ssl_ctx, ctx); /* lives for this call, which makes the only handshake */
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, on_verify);
    return CURLE_OK;
}

static int failed(CURLcode code, const struct call *call, const char *url, const char *detail,
                  struct hor_error *err)
{
    if (*detail == '\0')
        detail = curl_easy_strerror(code);
    switch (code) {
    case CURLE_WRITE_ERROR:
        if (call->too_large)
            return hor_error_set(err, HOR_ERR_LIMIT, "%s: the answer is larger than %zu bytes", url,
                                 call->client->max_body_bytes);
        return hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", url);
    case CURLE_OPERATION_TIMEDOUT:
        return hor_error_set(err, HOR_ERR_TIMEOUT, "%s: %s", url, detail);
    case CURLE_OUT_OF_MEMORY:
        return hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", url);
    case CURLE_ABORTED_BY_CALLBACK:
        return hor_error_set(err, HOR_ERR_UNREACHABLE, "%s: %s", url,
                             atomic_load(&call->interrupted) ? "given up: it does not answer"
                                                             : "the program is ending");
    case CURLE_PEER_FAILED_VERIFICATION:
        if (call->expect_name != NULL && call->seen_name[0] != '\0' &&
            strcmp(call->seen_name, call->expect_name) != 0)
            return hor_error_set(err, HOR_ERR_DENIED,
                                 "%s: the certificate belongs to '%s', expected '%s'", url,
                                 call->seen_name, call->expect_name);
        return hor_error_set(err, HOR_ERR_DENIED, "%s: %s", url, detail);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return hor_error_set(err, HOR_ERR_DENIED, "%s: %s", url, detail);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return hor_error_set(err, HOR_ERR_INVALID, "%s: no http or https address", url);
    default:
        return hor_error_set(err, HOR_ERR_UNREACHABLE, "%s: %s", url, detail);
    }
}

static int add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL)
        return HOR_ERR_MEMORY;
    *list = longer;
    return HOR_OK;
}

static void set_common(CURL *curl, struct call *call, const char *url, int64_t timeout_ms,
                       char *detail)
{
    const struct hor_http_client *client = call->client;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* members talk directly */
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* only who we were told to believe */
    curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
    if (client->certificate_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, client->certificate_file);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, client->key_file);
    }
    if (call->expect_name != NULL) {
        /* The name is checked in the handshake, which a resumed session would leave out. */
        curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
        curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, call);
        curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    }
}

static int perform(struct hor_http_client *client, const char *url, const char *expect_name,
                   const char *content_type, const char *const *headers, const void *body,
                   size_t len, int64_t timeout_ms, int *ret_status, struct hor_buf *answer,
                   struct hor_error *err)
{
    struct call call = {.client = client,
                        .answer = answer,
                        .begin = answer->len,
                        .expect_name = expect_name};
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *list = NULL;
    int rc = HOR_OK;
    if (atomic_load(&client->aborted))
        return hor_error_set(err, HOR_ERR_UNREACHABLE, "%s: the program is ending", url);
    struct handle *handle = take_handle(client, expect_name);
    if (handle == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "%s: out of memory", url);
    CURL *curl = handle->curl;
    set_common(curl, &call, url, timeout_ms, detail);
    if (content_type != NULL) {
        char *line = hor_str_printf("Content-Type: %s", content_type);
        rc = line != NULL ? add_header(&list, line) : HOR_ERR_MEMORY;
        free(line);
        if (rc == HOR_OK)
            rc = add_header(&list, "Expect:"); /* no extra round trip for large bodies */
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    }
    for (; rc == HOR_OK && headers != NULL && *headers != NULL; headers++)
        rc = add_header(&list, *headers);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    if (rc != HOR_OK) {
        hor_error_set(err, rc, "%s: out of memory", url);
    } else {
        begin_call(client, &call);
        CURLcode code = curl_easy_perform(curl);
        end_call(client, &call);
        long status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK)
            *ret_status = (int)status;
        else
            rc = failed(code, &call, url, detail, err);
    }
    if (rc != HOR_OK && answer->data != NULL) { /* a half answer is none */
        answer->len = call.begin;
        answer->data[answer->len] = '\0';
    }
    curl_slist_free_all(list);
    if (rc == HOR_OK)
        give_back(client, handle);
    else
        handle_free(handle);
    return rc;
}

int hor_http_client_post(struct hor_http_client *client, const char *url, const char *expect_name,
                         const char *content_type, const char *const *headers, const void *body,
                         size_t len, int64_t timeout_ms, int *ret_status, struct hor_buf *answer,
                         struct hor_error *err)
{
    return perform(client, url, expect_name, content_type, headers, body, len, timeout_ms,
                   ret_status, answer, err);
}

int hor_http_client_get(struct hor_http_client *client, const char *url, const char *const *headers,
                        int64_t timeout_ms, int *ret_status, struct hor_buf *answer,
                        struct hor_error *err)
{
    return perform(client, url, NULL, NULL, headers, NULL, 0, timeout_ms, ret_status, answer, err);
}
