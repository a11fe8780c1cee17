/* server/cli/connection.c - where the Supervisor is and who we are: from options, the environment
 * or DIR/client.xml, in this order. A session is opened once and its token kept in DIR/session
 * (mode 0600), so that a script's hundred calls cost one password check. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/http/client.h"
#include "lib/soap/client.h"
#include "server/cli/cli.h"

enum { TIMEOUT_MS = 70000, SMALL_FILE_BYTES = 64 * 1024 };

struct hor_cli_connection {
    struct hor_http_client *http;
    struct hor_soap_partner *partner;
    struct hor_xml_doc *client_xml; /* owns what the options did not give */
    char *dir, *session_file, *url;
    const char *ca, *user, *password_file;
    bool signed_in; /* a token was given to the partner */
};

void hor_cli_begin(struct hor_buf *request, const char *operation)
{
    hor_buf_printf(request, "<sup:%s xmlns:sup=\"urn:horarium:supervisor:1\">", operation);
}

void hor_cli_end(struct hor_buf *request, const char *operation)
{
    hor_buf_printf(request, "</sup:%s>", operation);
}

void hor_cli_add(struct hor_buf *request, const char *name, const char *value)
{
    if (value == NULL)
        return;
    hor_buf_printf(request, "<sup:%s>", name);
    hor_buf_xml(request, value);
    hor_buf_printf(request, "</sup:%s>", name);
}

bool hor_cli_add_argument(struct hor_buf *request, const char *pair)
{
    const char *equal = strchr(pair, '=');
    if (equal == NULL || equal == pair)
        return false;
    char *name = hor_str_printf("%.*s", (int)(equal - pair), pair);
    hor_buf_puts(request, "<sup:argument name=\"");
    hor_buf_xml(request, name);
    hor_buf_puts(request, "\">");
    hor_buf_xml(request, equal + 1);
    hor_buf_puts(request, "</sup:argument>");
    free(name);
    return true;
}

int hor_cli_read_password(const char *file, const char *prompt, struct hor_buf *out,
                          struct hor_error *err)
{
    if (file != NULL && strcmp(file, "-") != 0) {
        int rc = hor_file_read(file, SMALL_FILE_BYTES, out, err);
        if (rc != HOR_OK)
            return rc;
    } else {
        struct termios before, silent;
        bool terminal = file == NULL && tcgetattr(STDIN_FILENO, &before) == 0;
        if (file == NULL && !terminal)
            return hor_error_set(err, HOR_ERR_INVALID,
                                 "no terminal to ask for the password: use --password-file FILE, "
                                 "or - for standard input");
        if (terminal) {
            fprintf(stderr, "%s: ", prompt);
            silent = before;
            silent.c_lflag &= ~(tcflag_t)ECHO;
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        }
        char *line = NULL;
        size_t room = 0;
        ssize_t len = getline(&line, &room, stdin);
        if (terminal) {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
            fputc('\n', stderr);
        }
        if (len > 0)
            hor_buf_add(out, line, (size_t)len);
        if (line != NULL)
            explicit_bzero(line, room);
        free(line);
    }
    if (out->data == NULL)
        return hor_error_set(err, HOR_ERR_INVALID, "the password is empty");
    size_t end = strcspn(out->data, "\r\n");
    out->data[end] = '\0';
    out->len = end;
    return end > 0 ? HOR_OK : hor_error_set(err, HOR_ERR_INVALID, "the password is empty");
}

/* Fills in what options and environment left open from DIR/client.xml. */
static int find_settings(struct hor_cli *cli, struct hor_cli_connection *c, struct hor_error *err)
{
    const char *home = getenv("HOME"), *dir = cli->dir ? cli->dir : getenv("HORARIUM_DIR");
    c->dir = dir != NULL ? hor_strdup(dir) : hor_path_join(home ? home : "/", ".horarium");
    if (c->dir == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    c->session_file = hor_path_join(c->dir, "session");
    const char *url = cli->url ? cli->url : getenv("HORARIUM_URL");
    c->ca = cli->ca ? cli->ca : getenv("HORARIUM_CA");
    c->user = cli->user ? cli->user : getenv("HORARIUM_USER");
    c->password_file = cli->password_file ? cli->password_file : getenv("HORARIUM_PASSWORD_FILE");

    char *file = hor_path_join(c->dir, "client.xml");
    struct hor_buf text = HOR_BUF_INIT;
    int rc = hor_file_read(file, SMALL_FILE_BYTES, &text, NULL);
    if (rc == HOR_OK) {
        const struct hor_xml_schema *schema = hor_xml_schema_named("settings.xsd", err);
        rc = schema == NULL ? HOR_ERR_INVALID
                            : hor_xml_parse(file, text.data, text.len, schema, NULL,
                                            &c->client_xml, err);
        if (rc == HOR_OK && strcmp(hor_xml_name(hor_xml_root(c->client_xml)), "client") != 0)
            rc = hor_error_set(err, HOR_ERR_INVALID, "%s: line 1: the root element must be client",
                               file);
    } else {
        rc = HOR_OK;
    }
    hor_buf_done(&text);
    if (rc == HOR_OK && c->client_xml != NULL) {
        const struct hor_xml_node *root = hor_xml_root(c->client_xml);
        url = url ? url : hor_xml_attribute(root, "url");
        c->ca = c->ca ? c->ca : hor_xml_attribute(root, "ca");
        c->user = c->user ? c->user : hor_xml_attribute(root, "user");
        c->password_file =
            c->password_file ? c->password_file : hor_xml_attribute(root, "passwordFile");
    }
    if (rc == HOR_OK && url == NULL)
        rc = hor_error_set(err, HOR_ERR_INVALID,
                           "no Supervisor is named: give --url, set HORARIUM_URL, or write %s",
                           file);
    free(file);
    if (rc != HOR_OK)
        return rc;
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    c->url = hor_str_printf("%.*s/soap/supervisor", (int)len, url);
    return c->url != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

static int use_kept_session(struct hor_cli_connection *c)
{
    struct stat st;
    struct hor_buf token = HOR_BUF_INIT;
    if (stat(c->session_file, &st) == 0 && (st.st_mode & 077) == 0 &&
        hor_file_read(c->session_file, SMALL_FILE_BYTES, &token, NULL) == HOR_OK && token.len > 0 &&
        hor_soap_partner_session(c->partner, token.data) == HOR_OK)
        c->signed_in = true;
    hor_buf_done(&token);
    return HOR_OK;
}

static int connect_once(struct hor_cli *cli, struct hor_error *err)
{
    if (cli->connection != NULL)
        return HOR_OK;
    struct hor_cli_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    cli->connection = c;
    int rc = find_settings(cli, c, err);
    if (rc != HOR_OK)
        return rc;
    struct hor_http_client_settings http = {.ca_file = c->ca, .connect_timeout_ms = 3000};
    rc = hor_http_client_new(&http, &c->http, err);
    if (rc != HOR_OK)
        return rc;
    const char *urls[] = {c->url}, *names[] = {NULL};
    rc = hor_soap_partner_new(c->http, urls, names, 1, &c->partner, err);
    return rc != HOR_OK ? rc : use_kept_session(c);
}

void hor_cli_disconnect(struct hor_cli *cli)
{
    struct hor_cli_connection *c = cli->connection;
    if (c == NULL)
        return;
    hor_soap_partner_free(c->partner);
    hor_http_client_free(c->http);
    hor_xml_doc_free(c->client_xml);
    free(c->dir);
    free(c->session_file);
    free(c->url);
    free(c);
    cli->connection = NULL;
}

static void print_problems(const char *xml, size_t len)
{
    struct hor_xml_doc *doc = NULL;
    if (len == 0 || hor_xml_parse("answer", xml, len, NULL, NULL, &doc, NULL) != HOR_OK)
        return;
    struct hor_buf line = HOR_BUF_INIT, value = HOR_BUF_INIT;
    const struct hor_xml_node *p = hor_xml_child(hor_xml_root(doc), "problem");
    for (; p != NULL; p = hor_xml_next(p, "problem")) {
        static const char *const parts[] = {"file", "line", "severity", "object", "text"};
        hor_buf_clear(&line);
        for (size_t i = 0; i < HOR_CLI_COUNT(parts); i++) {
            hor_buf_clear(&value);
            hor_cli_value(p, parts[i], &value);
            if (value.len > 0)
                hor_buf_printf(&line, "%s%s", line.len == 0 ? "" : i == 1 ? ":" : ": ",
                               value.data);
        }
        hor_buf_clear(&value);
        hor_cli_value(p, "remedy", &value);
        fprintf(stderr, "%s%s%s\n", hor_buf_text(&line), value.len > 0 ? "; " : "",
                hor_buf_text(&value));
    }
    hor_buf_done(&line);
    hor_buf_done(&value);
    hor_xml_doc_free(doc);
}

/* Opens a session and keeps its token. */
static int sign_in(struct hor_cli_connection *c, struct hor_error *err)
{
    struct hor_buf password = HOR_BUF_INIT, request = HOR_BUF_INIT, answer = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    char prompt[200];
    if (c->user == NULL)
        return hor_error_set(err, HOR_ERR_UNAUTHENTICATED,
                             "nobody is signed in: give --user and --password-file");
    snprintf(prompt, sizeof prompt, "password of %s", c->user);
    int rc = hor_cli_read_password(c->password_file, prompt, &password, err);
    if (rc == HOR_OK) {
        hor_cli_begin(&request, "Login");
        hor_cli_add(&request, "user", c->user);
        hor_cli_add(&request, "password", password.data);
        hor_cli_end(&request, "Login");
        hor_soap_partner_session(c->partner, NULL);
        rc = hor_soap_call_text(c->partner, request.data, &answer, TIMEOUT_MS, err);
        explicit_bzero(request.data, request.len);
        explicit_bzero(password.data, password.len);
    }
    if (rc == HOR_OK)
        rc = hor_xml_parse("answer", answer.data, answer.len, NULL, NULL, &doc, err);
    if (rc == HOR_OK) {
        char *token = hor_cli_child_text(hor_xml_root(doc), "token");
        rc = token == NULL ? hor_error_set(err, HOR_ERR_INTERNAL, "the answer has no token")
                           : hor_soap_partner_session(c->partner, token);
        c->signed_in = rc == HOR_OK;
        /* Without a place for the token every command signs in anew: slower, not wrong. */
        if (rc == HOR_OK)
            (void)hor_file_write_atomic(c->session_file, token, strlen(token), 0600, NULL);
        free(token);
    }
    hor_xml_doc_free(doc);
    hor_buf_done(&password);
    hor_buf_done(&request);
    hor_buf_done(&answer);
    return rc;
}

static int call(struct hor_cli *cli, const struct hor_buf *request, struct hor_buf *answer,
                struct hor_error *err)
{
    int rc = connect_once(cli, err);
    if (rc != HOR_OK) {
        fprintf(stderr, "horarium: %s\n", err->text);
        return HOR_EXIT_SETTINGS;
    }
    struct hor_cli_connection *c = cli->connection;
    if (request->failed || request->len == 0)
        return hor_cli_failed(&(struct hor_error){HOR_ERR_MEMORY, "out of memory"});
    rc = HOR_ERR_UNAUTHENTICATED;
    if (c->signed_in)
        rc = hor_soap_call_text(c->partner, request->data, answer, TIMEOUT_MS, err);
    if (rc == HOR_ERR_UNAUTHENTICATED) { /* no session yet, or it has ended */
        hor_buf_clear(answer);
        rc = sign_in(c, err);
        if (rc == HOR_OK)
            rc = hor_soap_call_text(c->partner, request->data, answer, TIMEOUT_MS, err);
    }
    if (rc == HOR_OK)
        return HOR_EXIT_OK;
    int code = hor_cli_failed(err);
    print_problems(answer->data, answer->len);
    return code;
}

int hor_cli_ask(struct hor_cli *cli, const struct hor_buf *request, struct hor_xml_doc **ret)
{
    struct hor_buf answer = HOR_BUF_INIT;
    struct hor_error err = {0};
    int code = call(cli, request, &answer, &err);
    if (code == HOR_EXIT_OK &&
        hor_xml_parse("answer", answer.data, answer.len, NULL, NULL, ret, &err) != HOR_OK)
        code = hor_cli_failed(&err);
    hor_buf_done(&answer);
    return code;
}

int hor_cli_call(struct hor_cli *cli, const struct hor_buf *request, struct hor_xml_doc **ret)
{
    struct hor_buf answer = HOR_BUF_INIT;
    struct hor_error err = {0};
    int code = call(cli, request, &answer, &err);
    if (code == HOR_EXIT_OK && cli->xml)
        printf("%s\n", hor_buf_text(&answer));
    if (code == HOR_EXIT_OK &&
        hor_xml_parse("answer", answer.data, answer.len, NULL, NULL, ret, &err) != HOR_OK)
        code = hor_cli_failed(&err);
    hor_buf_done(&answer);
    return code;
}

int hor_cli_login(struct hor_cli *cli)
{
    struct hor_error err = {0};
    int rc = connect_once(cli, &err);
    if (rc != HOR_OK) {
        fprintf(stderr, "horarium: %s\n", err.text);
        return HOR_EXIT_SETTINGS;
    }
    rc = sign_in(cli->connection, &err);
    return rc == HOR_OK ? HOR_EXIT_OK : hor_cli_failed(&err);
}

int hor_cli_logout(struct hor_cli *cli)
{
    struct hor_buf request = HOR_BUF_INIT, answer = HOR_BUF_INIT;
    struct hor_error err = {0};
    int code = HOR_EXIT_OK, rc = connect_once(cli, &err);
    hor_cli_begin(&request, "Logout");
    hor_cli_end(&request, "Logout");
    if (rc == HOR_OK && cli->connection->signed_in) {
        rc = hor_soap_call_text(cli->connection->partner, request.data, &answer, TIMEOUT_MS, &err);
        if (rc == HOR_ERR_UNAUTHENTICATED) /* it had ended already */
            rc = HOR_OK;
        if (rc == HOR_OK && unlink(cli->connection->session_file) != 0 && errno != ENOENT)
            rc = hor_error_set_errno(&err, HOR_ERR_IO, errno, "remove %s",
                                     cli->connection->session_file);
    }
    if (rc != HOR_OK)
        code = hor_cli_failed(&err);
    hor_buf_done(&request);
    hor_buf_done(&answer);
    return code;
}
