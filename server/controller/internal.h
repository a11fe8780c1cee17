/* server/controller/internal.h - what the Controller's files share: parameters of an address or a
 * form, the tables of pages and actions, and one request under way. */
#ifndef HOR_CONTROLLER_INTERNAL_H
#define HOR_CONTROLLER_INTERNAL_H

#include <stdatomic.h>
#include <stdint.h>
#include <threads.h>

#include "lib/xml/xslt.h"
#include "server/controller/controller.h"

/* ---- parameters (form.c) ---- */
enum { HOR_FORM_VALUES = 4096 };

struct hor_form_value {
    char *name, *value; /* decoded, owned; both UTF-8 without forbidden characters */
};
struct hor_form {
    struct hor_form_value *values;
    size_t count, cap;
};
/* Decodes "a=b&c=d". HOR_ERR_LIMIT beyond HOR_FORM_VALUES, HOR_ERR_MEMORY. */
int hor_form_parse(const char *text, size_t len, struct hor_form *form, struct hor_error *err);
void hor_form_done(struct hor_form *form);
/* The n-th (from 0) value of that name, NULL when there is none. Borrowed. */
const char *hor_form_get(const struct hor_form *form, const char *name, unsigned n);
/* Replaces all values of the name by this one; a NULL value removes them. HOR_ERR_MEMORY. */
int hor_form_set(struct hor_form *form, const char *name, const char *value);
/* Writes it as a query again, leaving out the names in `except` (NULL-terminated) and empty ones. */
void hor_form_write(const struct hor_form *form, const char *const *except, struct hor_buf *out);

/* ---- tables (routes.c) ---- */
enum hor_field_kind {
    HOR_FIELD_TEXT,      /* every value of the parameter, empty ones left out */
    HOR_FIELD_TIME,      /* a time without zone is UTC */
    HOR_FIELD_FIXED,     /* `name` is the value */
    HOR_FIELD_ARGUMENTS, /* pairs argument-name, argument-value */
    HOR_FIELD_BEGIN,     /* an element around the following, left out when it stays empty */
    HOR_FIELD_BEGIN_ALWAYS,
    HOR_FIELD_END,
};
/* How one parameter becomes an element of the request, in the order of the schema. */
struct hor_field {
    enum hor_field_kind kind;
    const char *name;     /* of the parameter; NULL ends the list (but for BEGIN and END) */
    const char *element;  /* of the request */
    const char *fallback; /* when the parameter is absent or empty; may be NULL */
};
struct hor_question {
    const char *operation; /* NULL ends the list */
    const struct hor_field *fields;
    bool optional; /* its fault does not become the page's */
};
enum { HOR_QUESTIONS = 3 };
struct hor_page {
    const char *name; /* /controller/NAME, NAME.xsl */
    struct hor_question questions[HOR_QUESTIONS];
    bool live; /* the script shows it again when something happened */
};
struct hor_action {
    const char *name; /* POST /controller/do/NAME */
    const char *operation;
    const struct hor_field *fields;
};
const struct hor_page *hor_page_find(const char *name);
const struct hor_action *hor_action_find(const char *name);
/* Writes the request element. */
void hor_request_write(const char *operation, const struct hor_field *fields,
                       const struct hor_form *form, struct hor_buf *out);

/* ---- the Controller ---- */
enum { HOR_NOTES = 256, HOR_NOTE_ID = 37, HOR_STATIC_FILES = 3 };

/* What became of an action, shown by the page that the answer redirects to. */
struct hor_note {
    char id[HOR_NOTE_ID], session[48];
    int64_t at_ms;
    char *xml; /* the <message> element */
};
struct hor_static_file {
    const char *name, *type;
    struct hor_buf content;
    char tag[65];
};
struct hor_controller {
    struct hor_xslt *xslt;
    char *version;
    struct hor_controller_backend backend;
    struct hor_static_file files[HOR_STATIC_FILES];
    char static_tag[17];    /* changes with any static file: in their addresses */
    unsigned char key[32];  /* for the tokens in forms; as old as the process */
    mtx_t notes_mutex;      /* guards the two below */
    struct hor_note notes[HOR_NOTES];
    unsigned next_note;
    atomic_uint_fast64_t position; /* newest event seen */
    atomic_int_fast64_t position_ms; /* when (monotonic) */
};

/* One request under way. */
struct hor_visit {
    struct hor_controller *controller;
    const struct hor_http_request *http;
    struct hor_http_response *response;
    const char *page;         /* name of the page */
    struct hor_form form;     /* the address's parameters, or the form's for a POST */
    char token[HOR_CONTROLLER_TOKEN_BYTES];
    bool known;               /* `who` is filled in */
    struct hor_identity who;
    struct hor_buf extra;     /* attributes for the page element */
};

/* visit.c: cookies, tokens, headers, redirects */
bool hor_visit_cookie(const struct hor_visit *visit, const char *name, char *out, size_t bytes);
void hor_visit_set_cookie(struct hor_visit *visit, const char *name, const char *value,
                          bool lasting);
void hor_visit_csrf(const struct hor_visit *visit, char out[65]);
bool hor_visit_same_origin(const struct hor_http_request *request);
void hor_visit_security_headers(struct hor_http_response *response);
enum hor_http_outcome hor_visit_redirect(struct hor_visit *visit, const char *to);
enum hor_http_outcome hor_visit_plain(struct hor_visit *visit, int status, const char *text);
/* A place of ours from a form's `next`; everything else becomes the overview. New string. */
char *hor_visit_next(const char *next);
/* Keeps a message for this session and adds its id to an address. New string. */
char *hor_visit_note(struct hor_visit *visit, const char *to, const char *message_xml);
void hor_visit_show_note(struct hor_visit *visit, const char *id, struct hor_buf *out);

/* render.c */
int hor_visit_ask(struct hor_visit *visit, const char *request, size_t len, struct hor_buf *answer,
                  struct hor_error *err);
/* Writes the fault element that `answer` holds, or makes one from `err`. */
void hor_fault_write(const struct hor_buf *answer, int code, const struct hor_error *err,
                     struct hor_buf *out);
int hor_status_of(int code);
/* Wraps `inner` (messages, responses, faults) into the page element and renders it; sheet NULL: the
 * page's own. */
enum hor_http_outcome hor_visit_render(struct hor_visit *visit, const char *sheet, int status,
                                       const struct hor_buf *inner);

/* pages.c, actions.c, log.c */
enum hor_http_outcome hor_controller_page(struct hor_visit *visit, const struct hor_page *page);
enum hor_http_outcome hor_controller_changes(struct hor_visit *visit);
enum hor_http_outcome hor_controller_do(struct hor_visit *visit, const char *name);
enum hor_http_outcome hor_controller_log(struct hor_visit *visit);
enum hor_http_outcome hor_controller_log_file(struct hor_visit *visit);
enum hor_http_outcome hor_controller_sign_in_page(struct hor_visit *visit, int status,
                                                  const char *message);

/* logview.c: bytes of a log as <line><run class="..">..</run></line> elements. Pure. */
struct hor_log_view {
    const char *data;
    size_t len;
    int64_t offset;   /* of data in the log */
    int64_t line;     /* number of its first line; 0: unknown */
    int64_t hit;      /* offset of the line to mark; -1: none */
};
/* `whole_lines`: an unfinished last line is left out, unless it is all there is. *ret_next and
 * *ret_line continue. */
void hor_log_view_write(const struct hor_log_view *view, bool whole_lines, struct hor_buf *out,
                        int64_t *ret_next, int64_t *ret_line);

#endif
