/* Users, passwords, scopes, sessions, and what guessing costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/xml/xml.h"
#include "server/supervisor/auth/auth.h"
#include "server/supervisor/auth/throttle.h"
#include "server/supervisor/history/store.h"
#include "tests/lib/tap.h"

static int64_t now_ms = INT64_C(1795435200000);
static int64_t test_now(void)
{
    return now_ms;
}

static void test_users(const char *file)
{
    struct hor_error err = {0};
    struct hor_users *users = hor_users_new(), *again = NULL;
    is_int(hor_users_load(file, &again, &err), HOR_ERR_NOT_FOUND, "no file yet");
    is_int(hor_users_add(users, "anna", "correct horse", &err), HOR_OK, "add: %s", err.text);
    is_int(hor_users_add(users, "anna", "correct horse", &err), HOR_ERR_EXISTS, "twice");
    is_int(hor_users_add(users, "bad name", "correct horse", &err), HOR_ERR_INVALID, "a bad name");
    is_int(hor_users_add(users, "short", "1234567", &err), HOR_ERR_INVALID, "a short password");
    like(err.text, "allowed are 8 to 500", "the message says what is allowed");
    hor_users_add(users, "bert", "correct horse", &err);
    hor_users_add(users, "gone", "correct horse", &err);
    hor_users_add(users, "reporter", NULL, &err);
    hor_users_set_certificate(users, "reporter", true, &err);
    hor_users_set_disabled(users, "gone", true, &err);
    is_int(hor_users_grant(users, "anna", "administrator", NULL, false, &err), HOR_OK, "a role");
    hor_users_grant(users, "anna", "administrator", "/", false, &err);
    is_int(hor_users_find(users, "anna")->grant_count, 1, "given twice is given once");
    hor_users_grant(users, "bert", "operator", "/finance", false, &err);
    hor_users_grant(users, "bert", "viewer", "/", false, &err);
    hor_users_grant(users, "bert", "order.control", "/finance/closed", true, &err);
    hor_users_grant(users, "reporter", "viewer", NULL, false, &err);
    is_int(hor_users_grant(users, "bert", "king", NULL, false, &err), HOR_ERR_INVALID,
           "a role that is none");
    is_int(hor_users_grant(users, "bert", "viewer", "finance", false, &err), HOR_ERR_INVALID,
           "a folder without /");
    is_int(hor_users_grant(users, "carl", "viewer", NULL, false, &err), HOR_ERR_NOT_FOUND,
           "somebody unknown");
    is_int(hor_users_save(users, file, &err), HOR_OK, "save: %s", err.text);
    struct stat st;
    ok(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600, "for its owner only");
    is_int(hor_users_load(file, &again, &err), HOR_OK, "load: %s", err.text);
    is_int(hor_users_count(again), 4, "everybody is back");
    const struct hor_user *bert = hor_users_find(again, "bert");
    ok(bert != NULL && bert->grant_count == 3 && bert->grants[2].deny &&
           strcmp(bert->grants[2].folder, "/finance/closed") == 0,
       "with roles and denials");
    ok(hor_password_check(bert->password, "correct horse"), "the right password fits");
    ok(!hor_password_check(bert->password, "correct horsE"), "a wrong one does not");
    ok(!hor_password_check(NULL, "correct horse"), "nobody's password fits nothing");
    ok(strncmp(bert->password, "$y$", 3) == 0 &&
           strcmp(bert->password, hor_users_find(again, "anna")->password) != 0,
       "yescrypt, each with its own salt");
    is_int(hor_users_remove(again, "bert", &err), HOR_OK, "remove");
    ok(hor_users_find(again, "bert") == NULL && hor_users_count(again) == 3, "is removed");
    hor_users_free(again);
    again = NULL;
    chmod(file, 0644);
    is_int(hor_users_load(file, &again, &err), HOR_ERR_DENIED, "a file that others may read");
    chmod(file, 0600);
    hor_users_free(users);
}

static int64_t cost_us(const char *hash)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        int64_t begun = hor_clock_monotonic_us();
        hor_password_check(hash, "some password");
        int64_t took = hor_clock_monotonic_us() - begun;
        best = took < best ? took : best;
    }
    return best;
}

static void test_cost(const char *file)
{
    struct hor_users *users = NULL;
    hor_users_load(file, &users, NULL);
    int64_t known = cost_us(hor_users_find(users, "anna")->password), unknown = cost_us(NULL);
    ok(unknown > known / 2 && unknown < known * 2, "unknown users cost the same: %d and %d us",
       (int)known, (int)unknown);
    hor_users_free(users);
}

static void test_login(struct hor_auth *auth)
{
    struct hor_error err = {0};
    struct hor_identity who;
    char token[HOR_TOKEN_BYTES], wrong[HOR_ERROR_TEXT_BYTES];
    int64_t ends = 0;
    is_int(hor_auth_login(auth, "anna", "wrong password", "10.0.0.1", token, NULL, &err),
           HOR_ERR_UNAUTHENTICATED, "a wrong password");
    snprintf(wrong, sizeof wrong, "%s", err.text);
    is_int(hor_auth_login(auth, "nobody", "wrong password", "10.0.0.1", token, NULL, &err),
           HOR_ERR_UNAUTHENTICATED, "an unknown user");
    is(err.text, wrong, "is told in the same words");
    is_int(hor_auth_login(auth, "gone", "correct horse", "10.0.0.1", token, NULL, &err),
           HOR_ERR_UNAUTHENTICATED, "a disabled user");
    is_int(hor_auth_login(auth, "reporter", "", "10.0.0.1", token, NULL, &err),
           HOR_ERR_UNAUTHENTICATED, "a user without a password");
    is_int(hor_auth_login(auth, "anna", "correct horse", "10.0.0.1", token, &ends, &err), HOR_OK,
           "the right one: %s", err.text);
    is_int(strlen(token), 64, "a token of 256 bits");
    is_int(ends, (now_ms + 12 * 3600000) * 1000, "and when it ends");
    is_int(hor_auth_identify(auth, token, "10.0.0.1", &who, &err), HOR_OK, "the token is known");
    is(who.user, "anna", "as its user");
    ok(hor_auth_may(&who, "audit.view", NULL), "with the rights of the role");
    ok(!hor_auth_may(&who, "no.such.right", NULL), "but not with those that do not exist");
    hor_auth_release(&who);
    token[3] = token[3] == 'a' ? 'b' : 'a';
    is_int(hor_auth_identify(auth, token, "10.0.0.1", &who, &err), HOR_ERR_UNAUTHENTICATED,
           "another token is not");
}

static void test_sessions(struct hor_auth *auth)
{
    struct hor_error err = {0};
    struct hor_identity who;
    char token[HOR_TOKEN_BYTES];
    hor_auth_login(auth, "anna", "correct horse", "10.0.0.1", token, NULL, &err);
    now_ms += 29 * 60000;
    is_int(hor_auth_identify(auth, token, "", &who, &err), HOR_OK, "used within its idle time");
    hor_auth_release(&who);
    now_ms += 29 * 60000;
    is_int(hor_auth_identify(auth, token, "", &who, &err), HOR_OK, "goes on");
    hor_auth_release(&who);
    now_ms += 31 * 60000;
    is_int(hor_auth_identify(auth, token, "", &who, &err), HOR_ERR_UNAUTHENTICATED,
           "unused it ends");
    hor_auth_login(auth, "anna", "correct horse", "10.0.0.1", token, NULL, &err);
    int alive = 0;
    for (int i = 0; i < 13 * 3; i++) {
        now_ms += 20 * 60000;
        if (hor_auth_identify(auth, token, "", &who, &err) == HOR_OK) {
            hor_auth_release(&who);
            alive++;
        }
    }
    is_int(alive, 12 * 3 - 1, "and at the latest after twelve hours");
    hor_auth_login(auth, "anna", "correct horse", "10.0.0.1", token, NULL, &err);
    hor_auth_identify(auth, token, "", &who, &err);
    is_int(hor_auth_end_session(auth, who.session, "bert", &err), HOR_ERR_NOT_FOUND,
           "somebody else's session cannot be ended");
    is_int(hor_auth_end_session(auth, who.session, NULL, &err), HOR_OK, "an administrator can");
    hor_auth_release(&who);
    is_int(hor_auth_identify(auth, token, "", &who, &err), HOR_ERR_UNAUTHENTICATED, "it is over");
    hor_auth_login(auth, "anna", "correct horse", "10.0.0.1", token, NULL, &err);
    hor_auth_logout(auth, token, &err);
    is_int(hor_auth_identify(auth, token, "", &who, &err), HOR_ERR_UNAUTHENTICATED,
           "signing out ends it");
}

static void test_restart(const char *file, struct hor_store *store)
{
    struct hor_error err = {0};
    struct hor_auth_settings settings = {.users_file = file, .store = store, .now_ms = test_now};
    struct hor_auth *auth = NULL;
    struct hor_identity who;
    char token[HOR_TOKEN_BYTES];
    hor_auth_new(&settings, &auth, &err);
    hor_auth_login(auth, "anna", "correct horse", "10.0.0.1", token, NULL, &err);
    hor_auth_free(auth);
    is_int(hor_auth_new(&settings, &auth, &err), HOR_OK, "after a restart");
    is_int(hor_auth_identify(auth, token, "", &who, &err), HOR_OK, "sessions go on: %s", err.text);
    hor_auth_release(&who);
    hor_auth_free(auth);
    settings.users_file = "/nowhere/users.xml";
    is_int(hor_auth_new(&settings, &auth, &err), HOR_ERR_NOT_FOUND, "no users file");
    like(err.text, "horarium user add admin --role administrator", "says what to do");
}

static void test_guessing(const char *file)
{
    struct hor_error err = {0};
    struct hor_auth_settings settings = {.users_file = file, .now_ms = test_now};
    struct hor_auth *auth = NULL;
    char token[HOR_TOKEN_BYTES];
    hor_auth_new(&settings, &auth, &err);
    hor_auth_login(auth, "anna", "correct horse", "10.0.0.9", token, NULL, &err);
    for (int i = 0; i < THROTTLE_FREE_ACCOUNT; i++)
        hor_auth_login(auth, "anna", "wrong password", "10.9.9.9", token, NULL, &err);
    is_int(hor_auth_login(auth, "anna", "wrong password", "10.9.9.9", token, NULL, &err),
           HOR_ERR_BUSY, "guesses slow down");
    like(err.text, "try again in 1 s", "the answer says how long");
    is_int(hor_auth_login(auth, "anna", "correct horse", "10.8.8.8", token, NULL, &err),
           HOR_ERR_BUSY, "from everywhere");
    is_int(hor_auth_login(auth, "anna", "correct horse", "10.0.0.9", token, NULL, &err), HOR_OK,
           "but not from where the user is signed in: %s", err.text);
    hor_auth_free(auth);

    struct throttle *throttle = throttle_new();
    int64_t t = 1000, last = 0;
    bool grows = true;
    for (int i = 0; i < 20; i++) {
        throttle_failed(throttle, "anna", "10.1.1.1", t);
        int64_t wait = throttle_wait_ms(throttle, "anna", "none", t);
        grows = grows && wait >= last;
        last = wait;
    }
    ok(grows && last == 300000, "each failure lengthens the wait, to five minutes");
    ok(throttle_wait_ms(throttle, "bert", "10.1.1.1", t) > 0, "an address that guesses waits too");
    ok(throttle_wait_ms(throttle, "bert", "10.2.2.2", t) == 0, "others do not");
    throttle_succeeded(throttle, "anna");
    ok(throttle_wait_ms(throttle, "anna", "10.2.2.2", t) == 0, "a right password forgives");
    ok(throttle_wait_ms(throttle, NULL, "10.1.1.1", t + 16 * 60000) == 0, "and time does");
    throttle_free(throttle);
}

static void test_scopes(struct hor_auth *auth)
{
    struct hor_error err = {0};
    struct hor_identity who;
    char token[HOR_TOKEN_BYTES];
    struct hor_scope scope;
    hor_auth_login(auth, "bert", "correct horse", "10.0.0.1", token, NULL, &err);
    hor_auth_identify(auth, token, "", &who, &err);
    ok(hor_auth_may(&who, "order.control", "/finance/eod"), "in the folder");
    ok(!hor_auth_may(&who, "order.control", "/financeother/x"), "not in one that begins like it");
    ok(!hor_auth_may(&who, "order.control", "/finance/closed/x"), "not where it is denied");
    ok(!hor_auth_may(&who, "order.control", "/"), "not above it");
    ok(hor_auth_may(&who, "order.control", NULL), "somewhere");
    ok(hor_auth_may(&who, "order.view", "/anything"), "another role elsewhere");
    ok(!hor_auth_may(&who, "agent.control", NULL), "what touches all needs the root");
    ok(!hor_auth_may(&who, "release.deploy", NULL), "and what no role gives is not there");
    is_int(hor_auth_require(&who, "order.control", "/it/x", &err), HOR_ERR_DENIED, "refused");
    is(err.text, "user 'bert' lacks the right order.control for /it/x", "with who, what, where");
    hor_auth_scope(&who, "order.control", &scope, &err);
    ok(!hor_scope_everywhere(&scope) && !hor_scope_empty(&scope) &&
           hor_scope_has(&scope, "/finance/a") && !hor_scope_has(&scope, "/finance/closed"),
       "the scope agrees");
    hor_scope_done(&scope);
    hor_auth_release(&who);
    ok(hor_path_below("/a/b", "/a") && hor_path_below("/a", "/a") && hor_path_below("/a", "/") &&
           !hor_path_below("/ab", "/a"),
       "below a folder");
}

int main(void)
{
    struct hor_error err = {0};
    struct hor_store *store = NULL;
    struct hor_auth *auth = NULL;
    hor_xml_init();
    setenv("HORARIUM_DATADIR", hor_tap_srcdir(), 0);
    char *file = hor_path_join(hor_tap_tmpdir(), "users.xml");
    char *connection = hor_str_printf("Driver=SQLite3;Database=%s/h.sqlite", hor_tap_tmpdir());
    test_users(file);
    test_cost(file);
    struct hor_auth_settings settings = {.users_file = file, .now_ms = test_now};
    if (ok(hor_auth_new(&settings, &auth, &err) == HOR_OK, "open: %s", err.text)) {
        test_login(auth);
        test_sessions(auth);
        test_scopes(auth);
        hor_auth_expire(auth);
        hor_auth_free(auth);
    }
    test_guessing(file);
    if (ok(hor_store_open(connection, 1, &store, &err) == HOR_OK, "a store: %s", err.text))
        test_restart(file, store);
    hor_store_close(store);
    free(file);
    free(connection);
    return done_testing();
}
