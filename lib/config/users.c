#include "lib/config/users.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"

enum { USERS_FILE_BYTES = 16 * 1024 * 1024, USERS_MAX = 100000, GRANTS_MAX = 1000 };

struct hor_users {
    struct hor_user *items;
    size_t count, cap;
};

struct hor_users *hor_users_new(void)
{
    return calloc(1, sizeof(struct hor_users));
}

static void user_done(struct hor_user *user)
{
    for (size_t i = 0; i < user->grant_count; i++) {
        free(user->grants[i].name);
        free(user->grants[i].folder);
    }
    free(user->grants);
    free(user->name);
    free(user->password);
}

void hor_users_free(struct hor_users *users)
{
    if (users == NULL)
        return;
    for (size_t i = 0; i < users->count; i++)
        user_done(&users->items[i]);
    free(users->items);
    free(users);
}

size_t hor_users_count(const struct hor_users *users)
{
    return users->count;
}

const struct hor_user *hor_users_at(const struct hor_users *users, size_t i)
{
    return i < users->count ? &users->items[i] : NULL;
}

static struct hor_user *find(const struct hor_users *users, const char *name)
{
    for (size_t i = 0; i < users->count; i++)
        if (strcmp(users->items[i].name, name) == 0)
            return &users->items[i];
    return NULL;
}

const struct hor_user *hor_users_find(const struct hor_users *users, const char *name)
{
    return name != NULL ? find(users, name) : NULL;
}

static struct hor_user *need(struct hor_users *users, const char *name, struct hor_error *err)
{
    struct hor_user *user = find(users, name);
    if (user == NULL)
        hor_error_set(err, HOR_ERR_NOT_FOUND, "user '%.100s' is not known", name);
    return user;
}

static int out_of_memory(struct hor_error *err)
{
    return hor_error_set(err, HOR_ERR_MEMORY, "users: out of memory");
}

/* Adds a user without anything. */
static int add_plain(struct hor_users *users, const char *name, struct hor_user **ret,
                     struct hor_error *err)
{
    if (users->count == users->cap) {
        size_t cap = users->cap > 0 ? users->cap * 2 : 16;
        struct hor_user *items =
            cap <= 2 * USERS_MAX ? realloc(users->items, cap * sizeof *items) : NULL;
        if (items == NULL)
            return out_of_memory(err);
        users->items = items;
        users->cap = cap;
    }
    char *copy = hor_strdup(name);
    if (copy == NULL)
        return out_of_memory(err);
    *ret = &users->items[users->count++];
    **ret = (struct hor_user){.name = copy};
    return HOR_OK;
}

static int add_grant(struct hor_user *user, const char *name, const char *folder, bool deny,
                     struct hor_error *err)
{
    for (size_t i = 0; i < user->grant_count; i++)
        if (user->grants[i].deny == deny && strcmp(user->grants[i].name, name) == 0 &&
            strcmp(user->grants[i].folder, folder) == 0)
            return HOR_OK;
    if (user->grant_count == GRANTS_MAX)
        return hor_error_set(err, HOR_ERR_LIMIT, "user '%s' has %d roles and denials, no more fit",
                             user->name, GRANTS_MAX);
    struct hor_grant *grants =
        realloc(user->grants, (user->grant_count + 1) * sizeof *user->grants);
    if (grants == NULL)
        return out_of_memory(err);
    user->grants = grants;
    struct hor_grant grant = {.name = hor_strdup(name), .folder = hor_strdup(folder), .deny = deny};
    if (grant.name == NULL || grant.folder == NULL) {
        free(grant.name);
        free(grant.folder);
        return out_of_memory(err);
    }
    grants[user->grant_count++] = grant;
    return HOR_OK;
}

static bool name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= HOR_USER_NAME_BYTES &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@-") ==
               len;
}

static bool folder_is_good(const char *folder)
{
    size_t len = strlen(folder);
    return folder[0] == '/' && len <= 400 && (len == 1 || folder[len - 1] != '/') &&
           strstr(folder, "//") == NULL &&
           strspn(folder, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/") ==
               len;
}

static bool right_is_good(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot != NULL && dot != name && dot[1] != '\0' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz.") == strlen(name);
}

static bool role_is_good(const char *name)
{
    static const char *const roles[] = {"viewer", "operator", "author", "approver",
                                        "administrator"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(roles[i], name) == 0)
            return true;
    return false;
}

int hor_users_add(struct hor_users *users, const char *name, const char *password,
                  struct hor_error *err)
{
    char hash[HOR_PASSWORD_HASH_BYTES];
    struct hor_user *user = NULL;
    if (!name_is_good(name))
        return hor_error_set(err, HOR_ERR_INVALID,
                             "user name '%.100s': allowed are 1 to %d letters, digits and _.@-",
                             name, HOR_USER_NAME_BYTES);
    if (find(users, name) != NULL)
        return hor_error_set(err, HOR_ERR_EXISTS, "user '%s' exists already", name);
    int rc = password != NULL ? hor_password_hash(password, hash, err) : HOR_OK;
    if (rc == HOR_OK)
        rc = add_plain(users, name, &user, err);
    if (rc == HOR_OK && password != NULL && (user->password = hor_strdup(hash)) == NULL) {
        user_done(&users->items[--users->count]);
        rc = out_of_memory(err);
    }
    return rc;
}

int hor_users_grant(struct hor_users *users, const char *name, const char *role_or_right,
                    const char *folder, bool deny, struct hor_error *err)
{
    struct hor_user *user = need(users, name, err);
    if (user == NULL)
        return HOR_ERR_NOT_FOUND;
    if (folder == NULL)
        folder = "/";
    if (!folder_is_good(folder))
        return hor_error_set(err, HOR_ERR_INVALID,
                             "folder '%.400s': it begins with / and does not end with one", folder);
    if (deny && !right_is_good(role_or_right))
        return hor_error_set(err, HOR_ERR_INVALID, "'%.60s' is not a right, such as order.control",
                             role_or_right);
    if (!deny && !role_is_good(role_or_right))
        return hor_error_set(err, HOR_ERR_INVALID,
                             "role '%.60s': allowed are viewer, operator, author, approver, "
                             "administrator",
                             role_or_right);
    return add_grant(user, role_or_right, folder, deny, err);
}

int hor_users_set_password(struct hor_users *users, const char *name, const char *password,
                           struct hor_error *err)
{
    char hash[HOR_PASSWORD_HASH_BYTES];
    struct hor_user *user = need(users, name, err);
    if (user == NULL)
        return HOR_ERR_NOT_FOUND;
    int rc = hor_password_hash(password, hash, err);
    if (rc != HOR_OK)
        return rc;
    char *copy = hor_strdup(hash);
    if (copy == NULL)
        return out_of_memory(err);
    free(user->password);
    user->password = copy;
    return HOR_OK;
}

int hor_users_set_certificate(struct hor_users *users, const char *name, bool certificate,
                              struct hor_error *err)
{
    struct hor_user *user = need(users, name, err);
    if (user == NULL)
        return HOR_ERR_NOT_FOUND;
    user->certificate = certificate;
    return HOR_OK;
}

int hor_users_set_disabled(struct hor_users *users, const char *name, bool disabled,
                           struct hor_error *err)
{
    struct hor_user *user = need(users, name, err);
    if (user == NULL)
        return HOR_ERR_NOT_FOUND;
    user->disabled = disabled;
    return HOR_OK;
}

int hor_users_remove(struct hor_users *users, const char *name, struct hor_error *err)
{
    struct hor_user *user = need(users, name, err);
    if (user == NULL)
        return HOR_ERR_NOT_FOUND;
    user_done(user);
    size_t at = (size_t)(user - users->items);
    memmove(user, user + 1, (users->count - at - 1) * sizeof *user);
    users->count--;
    return HOR_OK;
}

static int read_user(struct hor_users *users, const struct hor_xml_node *node,
                     struct hor_error *err)
{
    struct hor_user *user = NULL;
    int rc = add_plain(users, hor_xml_attribute(node, "name"), &user, err);
    if (rc != HOR_OK)
        return rc;
    const char *password = hor_xml_attribute(node, "password");
    user->certificate = hor_xml_attribute_bool(node, "certificate", false);
    user->disabled = hor_xml_attribute_bool(node, "disabled", false);
    if (password != NULL && (user->password = hor_strdup(password)) == NULL)
        return out_of_memory(err);
    for (const struct hor_xml_node *n = hor_xml_child(node, NULL); rc == HOR_OK && n != NULL;
         n = hor_xml_next(n, NULL)) {
        bool deny = strcmp(hor_xml_name(n), "deny") == 0;
        const char *folder = hor_xml_attribute(n, "folder");
        rc = add_grant(user, hor_xml_attribute(n, deny ? "right" : "name"),
                       folder != NULL ? folder : "/", deny, err);
    }
    return rc;
}

int hor_users_load(const char *path, struct hor_users **ret, struct hor_error *err)
{
    struct stat st;
    struct hor_buf bytes = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    struct hor_users *users = NULL;
    const struct hor_xml_schema *schema = NULL;
    int rc = hor_file_read(path, USERS_FILE_BYTES, &bytes, err);
    if (rc == HOR_OK && stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        rc = hor_error_set(err, HOR_ERR_DENIED,
                           "users file '%s' may be read by others (mode %03o): chmod 600 it", path,
                           (unsigned)(st.st_mode & 0777));
    if (rc == HOR_OK && (schema = hor_xml_schema_named("users.xsd", err)) == NULL)
        rc = err != NULL ? err->code : HOR_ERR_NOT_FOUND;
    if (rc == HOR_OK)
        rc = hor_xml_parse(path, hor_buf_text(&bytes), bytes.len, schema, NULL, &doc, err);
    if (rc == HOR_OK && (users = hor_users_new()) == NULL)
        rc = out_of_memory(err);
    if (rc == HOR_OK)
        for (const struct hor_xml_node *n = hor_xml_child(hor_xml_root(doc), "user");
             rc == HOR_OK && n != NULL; n = hor_xml_next(n, "user"))
            rc = read_user(users, n, err);
    hor_xml_doc_free(doc);
    if (bytes.data != NULL)
        memset(bytes.data, 0, bytes.len);
    hor_buf_done(&bytes);
    if (rc != HOR_OK) {
        hor_users_free(users);
        return rc;
    }
    *ret = users;
    return HOR_OK;
}

static void write_attribute(struct hor_buf *out, const char *name, const char *value)
{
    hor_buf_printf(out, " %s=\"", name);
    hor_buf_xml(out, value);
    hor_buf_putc(out, '"');
}

int hor_users_save(const struct hor_users *users, const char *path, struct hor_error *err)
{
    struct hor_buf out = HOR_BUF_INIT;
    hor_buf_puts(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                       "<users xmlns=\"urn:horarium:users:1\">\n");
    for (size_t i = 0; i < users->count; i++) {
        const struct hor_user *user = &users->items[i];
        hor_buf_puts(&out, "  <user");
        write_attribute(&out, "name", user->name);
        if (user->password != NULL)
            write_attribute(&out, "password", user->password);
        if (user->certificate)
            write_attribute(&out, "certificate", "true");
        if (user->disabled)
            write_attribute(&out, "disabled", "true");
        hor_buf_puts(&out, ">\n");
        for (size_t g = 0; g < user->grant_count; g++) {
            const struct hor_grant *grant = &user->grants[g];
            hor_buf_puts(&out, grant->deny ? "    <deny" : "    <role");
            write_attribute(&out, grant->deny ? "right" : "name", grant->name);
            if (strcmp(grant->folder, "/") != 0)
                write_attribute(&out, "folder", grant->folder);
            hor_buf_puts(&out, "/>\n");
        }
        hor_buf_puts(&out, "  </user>\n");
    }
    hor_buf_puts(&out, "</users>\n");
    int rc =
        out.failed ? out_of_memory(err) : hor_file_write_atomic(path, out.data, out.len, 0600, err);
    hor_buf_done(&out);
    return rc;
}
