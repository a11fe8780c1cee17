/* Every operation against every role, and both tables against docs/rights.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/supervisor/service/service.h"
#include "tests/lib/tap.h"

enum { ROLES = 5 };
static const unsigned bits[ROLES] = {HOR_ROLE_VIEWER, HOR_ROLE_OPERATOR, HOR_ROLE_AUTHOR,
                                     HOR_ROLE_APPROVER, HOR_ROLE_ADMINISTRATOR};

/* The cells of the row whose first cell is `name` in back quotes, trimmed; false without. */
static bool row_of(const char *page, const char *name, char cells[10][40])
{
    char begin[80];
    snprintf(begin, sizeof begin, "\n| `%s` |", name);
    const char *p = strstr(page, begin);
    if (p == NULL)
        return false;
    p += strlen(begin);
    for (int i = 0; i < 10; i++) {
        size_t len = strcspn(p, "|\n");
        const char *from = p, *to = p + len;
        while (from < to && (*from == ' ' || *from == '`'))
            from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '`'))
            to--;
        snprintf(cells[i], 40, "%.*s", (int)(to - from), from);
        p += len;
        if (*p != '|' || p[1] == '\n')
            return true;
        p++;
    }
    return true;
}

static void test_rights(const char *page)
{
    static const char *const reaches[] = {"folder", "anywhere", "root"};
    for (size_t i = 0; i < hor_right_count(); i++) {
        char cells[10][40] = {{0}};
        enum hor_right_reach reach = HOR_RIGHT_ROOT;
        unsigned roles = 0;
        const char *name = hor_right_name(i);
        if (!ok(row_of(page, name, cells), "docs/rights.md has the right %s", name))
            continue;
        hor_right_find(name, &reach, &roles);
        bool same = strcmp(cells[0], reaches[reach]) == 0;
        for (int r = 0; r < ROLES; r++)
            same = same && (strcmp(cells[1 + r], "yes") == 0) == ((roles & bits[r]) != 0);
        ok(same, "and says of it what holds");
    }
}

/* Somebody for each role, and one whose role is limited to a folder. */
static struct hor_identity people[ROLES], limited;
static struct hor_auth *auth;

static void sign_in(const char *name, struct hor_identity *who)
{
    char token[HOR_TOKEN_BYTES];
    struct hor_error err = {0};
    ok(hor_auth_login(auth, name, "correct horse", "10.0.0.1", token, NULL, &err) == HOR_OK &&
           hor_auth_identify(auth, token, "10.0.0.1", who, &err) == HOR_OK,
       "%s signs in: %s", name, err.text);
}

static void make_people(void)
{
    struct hor_error err = {0};
    struct hor_users *users = hor_users_new();
    char *file = hor_path_join(hor_tap_tmpdir(), "users.xml");
    for (int r = 0; r < ROLES; r++) {
        const char *role = hor_role_name(bits[r]);
        hor_users_add(users, role, "correct horse", &err);
        hor_users_grant(users, role, role, NULL, false, &err);
    }
    hor_users_add(users, "limited", "correct horse", &err);
    hor_users_grant(users, "limited", "administrator", "/finance", false, &err);
    hor_users_grant(users, "limited", "order.add", "/finance/closed", true, &err);
    hor_users_save(users, file, &err);
    hor_users_free(users);
    struct hor_auth_settings settings = {.users_file = file};
    if (ok(hor_auth_new(&settings, &auth, &err) == HOR_OK, "users: %s", err.text)) {
        for (int r = 0; r < ROLES; r++)
            sign_in(hor_role_name(bits[r]), &people[r]);
        sign_in("limited", &limited);
    }
    free(file);
}

/* The policy's own decision, for somebody with one role. */
static void test_operation(const struct hor_soap_operation *op, const char *page)
{
    char cells[10][40] = {{0}};
    if (!ok(row_of(page, op->name, cells), "docs/rights.md has the operation %s", op->name))
        return;
    const char *right = op->right == NULL ? "none" : op->right[0] == '\0' ? "signed in" : op->right;
    is(cells[0], right, "%s needs what the page says", op->name);
    is(cells[1], op->changes ? "yes" : "no", "and is audited as the page says");
    ok(op->right == NULL || op->right[0] == '\0' || hor_right_find(op->right, NULL, NULL),
       "the right exists");
    bool agree = true;
    for (int r = 0; r < ROLES; r++) {
        unsigned roles = ~0u;
        if (op->right != NULL && op->right[0] != '\0')
            hor_right_find(op->right, NULL, &roles);
        int rc = hor_supervisor_policy.authorize(&people[r], op, NULL, NULL);
        agree = agree && (rc == HOR_OK) == ((roles & bits[r]) != 0);
    }
    ok(agree, "%s: each role may or may not, as its rights say", op->name);
    struct hor_identity nobody = {.from = "10.0.0.1"};
    int rc = hor_supervisor_policy.authorize(&nobody, op, NULL, NULL);
    is_int(rc, op->right == NULL ? HOR_OK : HOR_ERR_UNAUTHENTICATED, "nobody may only sign in");
}

static void test_folders(void)
{
    for (const struct hor_soap_operation *op = hor_supervisor_operations; op->name != NULL; op++) {
        enum hor_right_reach reach;
        if (op->right == NULL || !hor_right_find(op->right, &reach, NULL))
            continue;
        int rc = hor_supervisor_policy.authorize(&limited, op, NULL, NULL);
        is_int(rc, reach == HOR_RIGHT_ROOT ? HOR_ERR_DENIED : HOR_OK,
               "%s for a role that is limited to a folder", op->name);
    }
    ok(!hor_auth_may(&limited, "order.add", "/finance/closed/x") &&
           hor_auth_may(&limited, "order.add", "/finance/x"),
       "denial wins");
}

int main(void)
{
    struct hor_buf page = HOR_BUF_INIT;
    struct hor_error err = {0};
    char *file = hor_path_join(hor_tap_srcdir(), "docs/rights.md");
    if (!ok(hor_file_read(file, 1 << 20, &page, &err) == HOR_OK, "the page is there: %s", err.text))
        return done_testing();
    hor_xml_init();
    setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 0);
    make_people();
    test_rights(hor_buf_text(&page));
    size_t count = 0;
    for (const struct hor_soap_operation *op = hor_supervisor_operations; op->name != NULL; op++) {
        test_operation(op, hor_buf_text(&page));
        count++;
    }
    ok(count > 20, "operations: %zu", count);
    test_folders();
    for (int r = 0; r < ROLES; r++)
        hor_auth_release(&people[r]);
    hor_auth_release(&limited);
    hor_auth_free(auth);
    hor_buf_done(&page);
    free(file);
    return done_testing();
}
