#include "tests/lib/fake_supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"

static int login(const char *user, const char *password, const char *from,
                 char token[HOR_CONTROLLER_TOKEN_BYTES], void *ctx, struct hor_error *err)
{
    struct hor_fake_supervisor *fake = ctx;
    (void)from;
    if (strcmp(user, "anna") != 0 || strcmp(password, "secret of anna") != 0)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED, "user or password is wrong");
    mtx_lock(&fake->mutex);
    char *kept = fake->sessions[fake->next++ % HOR_FAKE_SESSIONS];
    hor_uuid(kept);
    snprintf(token, HOR_CONTROLLER_TOKEN_BYTES, "%s", kept);
    mtx_unlock(&fake->mutex);
    return HOR_OK;
}

static int identify(const char *token, const char *from, struct hor_identity *who, void *ctx,
                    struct hor_error *err)
{
    struct hor_fake_supervisor *fake = ctx;
    int code = HOR_ERR_UNAUTHENTICATED;
    mtx_lock(&fake->mutex);
    for (unsigned i = 0; i < HOR_FAKE_SESSIONS && token[0] != '\0'; i++) {
        if (strcmp(fake->sessions[i], token) != 0)
            continue;
        memset(who, 0, sizeof *who);
        snprintf(who->user, sizeof who->user, "anna");
        snprintf(who->session, sizeof who->session, "session-%u", i);
        snprintf(who->from, sizeof who->from, "%s", from);
        code = HOR_OK;
    }
    mtx_unlock(&fake->mutex);
    return code == HOR_OK ? code : hor_error_set(err, code, "unknown session");
}

static int logout(const char *token, void *ctx, struct hor_error *err)
{
    struct hor_fake_supervisor *fake = ctx;
    (void)err;
    mtx_lock(&fake->mutex);
    for (unsigned i = 0; i < HOR_FAKE_SESSIONS; i++) {
        if (strcmp(fake->sessions[i], token) == 0)
            fake->sessions[i][0] = '\0';
    }
    mtx_unlock(&fake->mutex);
    return HOR_OK;
}

static int64_t number(const struct hor_xml_node *root, const char *name)
{
    struct hor_buf text = HOR_BUF_INIT;
    int64_t value = 0;
    const struct hor_xml_node *node = hor_xml_child(root, name);
    if (node != NULL)
        hor_xml_text(node, &text);
    (void)hor_str_to_int64(hor_buf_text(&text), &value);
    hor_buf_done(&text);
    return value;
}

static void read_log(const struct hor_fake_supervisor *fake, const struct hor_xml_node *root,
                     struct hor_buf *answer)
{
    int64_t offset = number(root, "offset"), length = number(root, "length");
    int64_t size = (int64_t)fake->log.len;
    if (offset > size)
        offset = size;
    if (length > size - offset)
        length = size - offset;
    hor_buf_printf(answer,
                   "<ReadLogResponse xmlns=\"urn:horarium:supervisor:1\" "
                   "xmlns:t=\"urn:horarium:types:1\"><range><t:task>t</t:task><t:offset>%lld"
                   "</t:offset><t:size>%lld</t:size><t:complete>%s</t:complete><t:data>",
                   (long long)offset, (long long)size, fake->log_complete ? "true" : "false");
    if (length > 0)
        hor_base64_encode(fake->log.data + offset, (size_t)length, answer);
    hor_buf_puts(answer, "</t:data></range></ReadLogResponse>");
}

static int answer_file(const struct hor_fake_supervisor *fake, const char *name,
                       struct hor_buf *answer, struct hor_error *err)
{
    struct hor_buf text = HOR_BUF_INIT;
    char *path = hor_str_printf("%s/%s.xml", fake->folder, name);
    int code = path != NULL ? hor_file_read(path, 16 << 20, &text, err) : HOR_ERR_MEMORY;
    if (code == HOR_OK) {
        const char *end = strstr(hor_buf_text(&text), "?>"); /* an answer has no declaration */
        hor_buf_puts(answer, end != NULL ? end + 2 : hor_buf_text(&text));
    }
    hor_buf_done(&text);
    free(path);
    return code;
}

static int call(const struct hor_identity *who, const char *body, size_t len,
                struct hor_buf *answer, void *ctx, struct hor_error *err)
{
    struct hor_fake_supervisor *fake = ctx;
    struct hor_xml_doc *doc = NULL;
    (void)who;
    int code = hor_xml_parse("request", body, len, hor_xml_schema_named("supervisor.xsd", NULL),
                             NULL, &doc, err);
    if (code != HOR_OK)
        return code;
    char name[64];
    snprintf(name, sizeof name, "%s", hor_xml_name(hor_xml_root(doc)));
    mtx_lock(&fake->mutex);
    bool quiet = strcmp(name, "WhoAmI") == 0 || strcmp(name, "GetEvents") == 0;
    if (!quiet) {
        hor_buf_clear(&fake->asked);
        hor_buf_add(&fake->asked, body, len);
        fake->calls++;
    }
    if (!quiet && fake->refuse != 0)
        code = hor_error_set(err, fake->refuse, "refused <b>here</b>");
    else if (strcmp(name, "GetEvents") == 0 && number(hor_xml_root(doc), "limit") == 1)
        hor_buf_printf(answer,
                       "<GetEventsResponse xmlns=\"urn:horarium:supervisor:1\"><position>%llu"
                       "</position><last>%llu</last></GetEventsResponse>",
                       (unsigned long long)fake->position, (unsigned long long)fake->position);
    else if (strcmp(name, "ReadLog") == 0)
        read_log(fake, hor_xml_root(doc), answer);
    else
        code = answer_file(fake, name, answer, err);
    mtx_unlock(&fake->mutex);
    hor_xml_doc_free(doc);
    return code;
}

int hor_fake_supervisor_init(struct hor_fake_supervisor *fake, const char *folder)
{
    *fake = (struct hor_fake_supervisor){.folder = folder, .position = 1};
    mtx_init(&fake->mutex, mtx_plain);
    char *path = hor_path_join(folder, "log.txt");
    if (path != NULL)
        (void)hor_file_read(path, 64 << 20, &fake->log, NULL); /* may be missing */
    free(path);
    fake->log_complete = true;
    return HOR_OK;
}

void hor_fake_supervisor_done(struct hor_fake_supervisor *fake)
{
    hor_buf_done(&fake->asked);
    hor_buf_done(&fake->log);
    mtx_destroy(&fake->mutex);
}

struct hor_controller_backend hor_fake_supervisor_backend(struct hor_fake_supervisor *fake)
{
    return (struct hor_controller_backend){
        .login = login, .identify = identify, .logout = logout, .call = call, .ctx = fake};
}
