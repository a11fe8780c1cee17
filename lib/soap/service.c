#define _GNU_SOURCE /* strcasestr */
/* lib/soap/service.c - one request from bytes to bytes: check, who, may he, do, answer. */
#include "lib/soap/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/datadir.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/soap/internal.h"
#include "lib/xml/xml.h"

struct hor_soap_service {
    char *name, *path; /* "agent", "/soap/agent" */
    const struct hor_soap_operation *operations;
    struct hor_soap_policy policy;
    void *ctx;
    struct hor_soap_files *files;
    const struct hor_xml_schema *schema[2]; /* by version; kept by lib/xml */
};

/* One request being worked on. The call is what operations see. */
struct run {
    struct hor_soap_call call; /* first: hor_soap_fault_problem finds the rest by it */
    struct hor_soap_service *service;
    enum hor_soap_version version;
    const struct hor_soap_operation *operation; /* NULL until known */
    struct hor_identity who;
    bool authenticated; /* `who` was filled in by the policy */
    struct hor_problems problems;
    char *active_url;
    const char *protocol_fault; /* MustUnderstand, ...; NULL: by the error code */
    char correlation[17];
};

static struct hor_xml_schema const *load_schema(const char *dir, const char *name,
                                                struct hor_error *err)
{
    char *path = hor_str_printf("%s/xsd/%s", dir, name);
    const struct hor_xml_schema *schema = path != NULL ? hor_xml_schema_load(path, err) : NULL;
    free(path);
    if (schema == NULL) {
        path = hor_str_printf("%s/%s", dir, name);
        schema = path != NULL ? hor_xml_schema_load(path, NULL) : NULL;
        free(path);
    }
    return schema;
}

int hor_soap_service_new(const char *name, const char *schema_dir,
                         const struct hor_soap_operation *operations,
                         const struct hor_soap_policy *policy, void *ctx,
                         struct hor_soap_service **ret, struct hor_error *err)
{
    const char *dir = schema_dir != NULL ? schema_dir : hor_datadir();
    struct hor_soap_service *service = calloc(1, sizeof *service);
    int rc = HOR_ERR_MEMORY;
    if (service != NULL) {
        service->name = hor_strdup(name);
        service->path = hor_str_printf("/soap/%s", name);
    }
    if (service == NULL || service->name == NULL || service->path == NULL) {
        hor_error_set(err, rc, "out of memory");
        goto fail;
    }
    service->operations = operations;
    service->policy = *policy;
    service->ctx = ctx;
    rc = hor_soap_files_load(dir, name, &service->files, err);
    if (rc != HOR_OK)
        goto fail;
    service->schema[HOR_SOAP_1_1] = load_schema(dir, "envelope11.xsd", err);
    if (service->schema[HOR_SOAP_1_1] != NULL)
        service->schema[HOR_SOAP_1_2] = load_schema(dir, "envelope12.xsd", err);
    if (service->schema[HOR_SOAP_1_2] == NULL) {
        rc = HOR_ERR_INVALID;
        goto fail;
    }
    *ret = service;
    return HOR_OK;
fail:
    if (err != NULL)
        hor_error_prefix(err, "service %s", name);
    hor_soap_service_free(service);
    return rc;
}

void hor_soap_service_free(struct hor_soap_service *service)
{
    if (service == NULL)
        return;
    hor_soap_files_free(service->files);
    free(service->name);
    free(service->path);
    free(service);
}

/* ---- helpers for operations ---- */

int hor_soap_park(struct hor_soap_call *call, int64_t wait_ms)
{
    if (!call->may_park || hor_http_age_ms(call->http) >= wait_ms)
        return HOR_OK;
    hor_http_park_until(call->http, wait_ms);
    return HOR_SOAP_PARKED;
}

int hor_soap_fault_problem(struct hor_soap_call *call, const char *severity, const char *file,
                           int line, const char *object, const char *text, const char *remedy)
{
    struct run *run = (struct run *)(void *)call;
    enum hor_severity level =
        strcmp(severity, "warning") == 0 ? HOR_SEVERITY_WARNING : HOR_SEVERITY_ERROR;
    hor_problems_add(&run->problems, level, file, line, object, remedy, "%s", text);
    return run->problems.failed ? HOR_ERR_MEMORY : HOR_OK;
}

void hor_soap_fault_active(struct hor_soap_call *call, const char *url)
{
    struct run *run = (struct run *)(void *)call;
    free(run->active_url);
    run->active_url = hor_strdup(url);
}

/* ---- one request ---- */

static const struct hor_soap_operation *find(const struct hor_soap_service *service,
                                             const struct hor_soap_outline *outline)
{
    for (const struct hor_soap_operation *op = service->operations; op->name != NULL; op++) {
        if (strcmp(op->name, outline->name) == 0 && strcmp(op->ns, outline->ns) == 0)
            return op;
    }
    return NULL;
}

/* Reads envelope and header; afterwards gSOAP stands before the body's element. */
static int read_header(struct run *run, struct soap *soap, struct hor_error *err)
{
    if (soap_begin_recv(soap) == SOAP_OK && soap_envelope_begin_in(soap) == SOAP_OK &&
        soap_recv_header(soap) == SOAP_OK && soap_body_begin_in(soap) == SOAP_OK)
        return HOR_OK;
    if (soap->error == SOAP_MUSTUNDERSTAND) {
        run->protocol_fault = "MustUnderstand";
        return hor_error_set(err, HOR_ERR_INVALID,
                             "a header that must be understood is unknown; "
                             "only WS-Security UsernameToken is");
    }
    hor_soap_context_error(soap, HOR_ERR_INVALID, "envelope", err);
    return err != NULL ? err->code : HOR_ERR_INVALID;
}

static int authenticate(struct run *run, struct soap *soap, struct hor_error *err)
{
    const struct hor_soap_policy *policy = &run->service->policy;
    const struct _wsse__Security *security =
        soap->header != NULL ? soap->header->wsse__Security : NULL;
    const struct wsse__UsernameToken *token = security != NULL ? security->UsernameToken : NULL;
    const char *user = NULL, *password = NULL;
    if (token != NULL) {
        if (!hor_http_is_tls(run->call.http))
            return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                                 "a password is taken over TLS only: use https");
        if (token->Username == NULL || token->Password == NULL || token->Password->__item == NULL)
            return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                                 "the UsernameToken lacks its user name or its password");
        const char *type = token->Password->Type;
        size_t len = type != NULL ? strlen(type) : 0;
        if (len > 0 && (len < 13 || strcmp(type + len - 13, "#PasswordText") != 0))
            return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                                 "the only password type here is PasswordText");
        user = token->Username;
        password = token->Password->__item;
    }
    int rc =
        policy->authenticate(run->call.http, user, password, &run->who, run->service->ctx, err);
    run->authenticated = rc == HOR_OK;
    if (run->who.from[0] == '\0')
        snprintf(run->who.from, sizeof run->who.from, "%s", hor_http_peer(run->call.http));
    return rc;
}

static int authorize(struct run *run, struct hor_error *err)
{
    const struct hor_soap_policy *policy = &run->service->policy;
    if (run->operation->right == NULL)
        return HOR_OK;
    if (run->call.who->user[0] == '\0')
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "sign in first");
    return policy->authorize(run->call.who, run->operation, run->service->ctx, err);
}

/* Reads the request, runs the operation and writes the response element. */
static int execute(struct run *run, struct soap *soap, struct hor_buf *out, struct hor_error *err)
{
    const struct hor_soap_operation *op = run->operation;
    const struct hor_soap_codec *codec = op->codec;
    void *request = codec->request.get(soap, NULL);
    if (request == NULL) {
        hor_soap_context_error(soap, HOR_ERR_INVALID, "request", err);
        return err->code;
    }
    void *response = hor_soap_alloc(soap, codec->response.bytes);
    if (response == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    codec->response.set_default(soap, response);
    size_t before = out->len;
    run->call.answer = out;
    int rc = op->run(&run->call, request, response, err);
    run->call.answer = NULL;
    if (rc != HOR_OK || out->len > before)
        return rc;
    const char *prefix_end = strchr(codec->response.tag, ':');
    char prefix[8];
    snprintf(prefix, sizeof prefix, "%.*s", (int)(prefix_end - codec->response.tag),
             codec->response.tag);
    rc = hor_soap_context_write(soap, &codec->response, response, prefix, codec->ns, out);
    return rc == HOR_OK ? HOR_OK : hor_error_set(err, rc, "the answer could not be written");
}

/* Everything between an envelope's bytes and the response element in `out`. */
static int work(struct run *run, const char *bytes, size_t len, struct hor_buf *out,
                struct hor_error *err)
{
    struct hor_soap_service *service = run->service;
    struct hor_soap_outline outline;
    int rc = hor_soap_check(bytes, len, run->version, service->schema[run->version], &outline, err);
    if (outline.other_version)
        run->protocol_fault = "VersionMismatch";
    if (rc != HOR_OK)
        return rc;
    run->operation = find(service, &outline);
    if (run->operation == NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "the %s service has no operation {%s}%s",
                             service->name, outline.ns, outline.name);
    run->call.operation = run->operation->name;
    struct soap *soap = hor_soap_context_take(bytes, len);
    if (soap == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    run->call.soap = soap;
    rc = read_header(run, soap, err);
    if (rc == HOR_OK && run->call.http != NULL && run->operation->right != NULL)
        rc = authenticate(run, soap, err);
    if (rc == HOR_OK)
        rc = authorize(run, err);
    if (rc == HOR_OK)
        rc = execute(run, soap, out, err);
    if (rc != HOR_SOAP_PARKED && run->operation->changes && service->policy.audit != NULL)
        service->policy.audit(&run->call, run->operation, rc, err, service->ctx);
    run->call.soap = NULL;
    hor_soap_context_give(soap);
    return rc;
}

static void run_init(struct run *run, struct hor_soap_service *service,
                     const struct hor_http_request *http, const struct hor_identity *who)
{
    char uuid[HOR_UUID_BYTES];
    *run = (struct run){.service = service, .version = HOR_SOAP_1_1};
    hor_uuid(uuid);
    snprintf(run->correlation, sizeof run->correlation, "%.8s%.4s", uuid, uuid + 9);
    run->call = (struct hor_soap_call){.who = who != NULL ? who : &run->who,
                                       .http = http,
                                       .correlation = run->correlation,
                                       .operation = "",
                                       .ctx = service->ctx,
                                       .may_park = http != NULL};
    if (http != NULL)
        snprintf(run->who.from, sizeof run->who.from, "%s", hor_http_peer(http));
}

static void run_done(struct run *run)
{
    if (run->authenticated && run->service->policy.release != NULL)
        run->service->policy.release(&run->who, run->service->ctx);
    hor_problems_done(&run->problems);
    free(run->active_url);
}

static void make_fault(const struct run *run, int rc, const struct hor_error *err,
                       struct hor_soap_fault *ret)
{
    char user[150], text[600];
    const char *code = run->protocol_fault != NULL ? run->protocol_fault : hor_soap_fault_code(rc);
    *ret =
        (struct hor_soap_fault){code, err->text, run->correlation, run->active_url, &run->problems};
    hor_log(strcmp(code, "Internal") == 0 ? HOR_LOG_ERROR : HOR_LOG_INFO,
            "soap: %s %s: %s correlation=%s user=%s from=%s %s", run->service->name,
            run->call.operation, code, run->correlation,
            hor_log_quote(run->call.who->user, user, sizeof user), run->call.who->from,
            hor_log_quote(err->text, text, sizeof text));
}

/* text/xml is SOAP 1.1, application/soap+xml is 1.2; false: neither. */
static bool version_of(const char *content_type, enum hor_soap_version *ret)
{
    static const char *const names[] = {"text/xml", "application/soap+xml"};
    for (size_t i = 0; content_type != NULL && i < 2; i++) {
        size_t len = strlen(names[i]);
        char next = strncasecmp(content_type, names[i], len) == 0 ? content_type[len] : 'x';
        if (next == '\0' || next == ';' || next == ' ' || next == '\t') {
            *ret = (enum hor_soap_version)i;
            const char *charset = strcasestr(content_type, "charset=");
            if (charset != NULL) {
                charset += 8 + (charset[8] == '"');
                return strncasecmp(charset, "utf-8", 5) == 0 ||
                       strncasecmp(charset, "us-ascii", 8) == 0;
            }
            return true;
        }
    }
    return false;
}

static enum hor_http_outcome plain(struct hor_http_response *response, int status, const char *text)
{
    response->status = status;
    hor_buf_clear(&response->headers);
    hor_http_header(response, "Content-Type", "text/plain; charset=utf-8");
    hor_buf_puts(&response->body, text);
    return HOR_HTTP_ANSWER;
}

static enum hor_http_outcome post(struct hor_soap_service *service,
                                  const struct hor_http_request *request,
                                  struct hor_http_response *response)
{
    struct run run;
    struct hor_error err = {0};
    size_t len;
    const char *bytes = hor_http_body(request, &len);
    run_init(&run, service, request, NULL);
    if (!version_of(hor_http_request_header(request, "Content-Type"), &run.version))
        return plain(response, 415,
                     "SOAP 1.1 comes as text/xml, SOAP 1.2 as application/soap+xml, both in UTF-8; "
                     "binary data comes inline as base 64, attachments are not taken.\n");
    hor_soap_envelope_begin(&response->body, run.version);
    int rc = work(&run, bytes, len, &response->body, &err);
    if (rc == HOR_OK) {
        hor_soap_envelope_end(&response->body);
    } else if (rc != HOR_SOAP_PARKED) {
        struct hor_soap_fault fault;
        make_fault(&run, rc, &err, &fault);
        response->status = hor_soap_fault_envelope(&response->body, &fault, run.version);
    }
    run_done(&run);
    hor_http_header(response, "Content-Type",
                    run.version == HOR_SOAP_1_1 ? "text/xml; charset=utf-8"
                                                : "application/soap+xml; charset=utf-8");
    return rc == HOR_SOAP_PARKED ? HOR_HTTP_PARK : HOR_HTTP_ANSWER;
}

enum hor_http_outcome hor_soap_handle(struct hor_soap_service *service,
                                      const struct hor_http_request *request,
                                      struct hor_http_response *response)
{
    const char *method = hor_http_method(request), *path = hor_http_path(request);
    if (!hor_str_starts(path, "/soap/"))
        return plain(response, 404, "Services are below /soap/.\n");
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        hor_soap_files_answer(service->files, request, response);
        return HOR_HTTP_ANSWER;
    }
    if (strcmp(method, "POST") != 0) {
        plain(response, 405, "A service takes POST, its description GET.\n");
        hor_http_header(response, "Allow", "GET, HEAD, POST");
        return HOR_HTTP_ANSWER;
    }
    if (strcmp(path, service->path) != 0)
        return plain(response, 404, "There is no such service here.\n");
    return post(service, request, response);
}

int hor_soap_local(struct hor_soap_service *service, const struct hor_identity *who,
                   const char *body, size_t len, struct hor_buf *answer, struct hor_error *err)
{
    struct run run;
    struct hor_error own = {0};
    struct hor_buf envelope = HOR_BUF_INIT, out = HOR_BUF_INIT;
    run_init(&run, service, NULL, who);
    hor_soap_envelope_begin(&envelope, run.version);
    hor_buf_add(&envelope, body, len);
    hor_soap_envelope_end(&envelope);
    int rc = envelope.failed ? hor_error_set(&own, HOR_ERR_MEMORY, "out of memory")
                             : work(&run, hor_buf_text(&envelope), envelope.len, &out, &own);
    if (rc == HOR_OK) {
        hor_buf_add(answer, out.data, out.len);
    } else {
        struct hor_soap_fault fault;
        make_fault(&run, rc, &own, &fault);
        hor_soap_fault_detail(answer, &fault);
        if (err != NULL)
            *err = own;
    }
    run_done(&run);
    hor_buf_done(&envelope);
    hor_buf_done(&out);
    return rc;
}
