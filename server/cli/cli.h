/* server/cli/cli.h - what the commands of `horarium` share. One thread. */
#ifndef HOR_CLI_CLI_H
#define HOR_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/xml/xml.h"

enum hor_cli_exit {
    HOR_EXIT_OK = 0,
    HOR_EXIT_FAILED = 1,
    HOR_EXIT_USAGE = 2,
    HOR_EXIT_SETTINGS = 3,
    HOR_EXIT_REFUSED = 5,
    HOR_EXIT_UNREACHABLE = 6,
};

enum { HOR_CLI_VALUES = 32 }; /* of one option that may be repeated */

/* A row of a command's option table; the table ends with a NULL name. */
struct hor_cli_option {
    const char *name;  /* "--at" */
    const char *value; /* "TIME"; NULL: a flag */
    const char *help;
    const char **text; /* gets the value; for repeated ones an array of HOR_CLI_VALUES */
    bool *flag;        /* gets true */
    bool repeated;
};

struct hor_cli;

struct hor_cli_command {
    const char *name;      /* "order add" */
    const char *arguments; /* "CHAIN [NAME=VALUE...]" */
    const char *summary;   /* one line */
    int (*run)(struct hor_cli *cli, const struct hor_cli_command *command, int argc, char **argv);
};

/* The tables, each ending with a NULL name. */
extern const struct hor_cli_command hor_cli_orders[], hor_cli_releases[], hor_cli_views[],
    hor_cli_log[], hor_cli_offline[], hor_cli_cluster[], hor_cli_import[], hor_cli_outside[],
    hor_cli_forecast[], hor_cli_clusters[];

struct hor_cli {
    const char *program;
    /* Options that every command takes. */
    const char *dir, *url, *ca, *user, *password_file;
    bool xml, quiet, help;
    struct hor_cli_connection *connection; /* made at the first call */
};

/* ---- options.c ---- */
/* Takes options of `options` and the common ones out of argv wherever they stand; what remains are
 * *argc positional arguments. Prints a message (or the help) and returns an exit code >= 0 when the
 * command is over with that; -1: go on. */
int hor_cli_parse(struct hor_cli *cli, const struct hor_cli_command *command,
                  const struct hor_cli_option *options, int *argc, char **argv);
/* "horarium order add: text", and HOR_EXIT_USAGE. */
int hor_cli_usage(const struct hor_cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints the error, returns the exit code that it means. */
int hor_cli_failed(const struct hor_error *err);

/* ---- connection.c ---- */
void hor_cli_disconnect(struct hor_cli *cli);
/* Sends one request element and parses the answer. On a fault its text (and problems) are printed.
 * Returns an exit code; on HOR_EXIT_OK the caller owns *ret. With cli->xml the answer is printed. */
int hor_cli_call(struct hor_cli *cli, const struct hor_buf *request, struct hor_xml_doc **ret);
/* The same, printing nothing of a good answer whatever cli->xml says. */
int hor_cli_ask(struct hor_cli *cli, const struct hor_buf *request, struct hor_xml_doc **ret);
int hor_cli_login(struct hor_cli *cli);  /* exit code */
int hor_cli_logout(struct hor_cli *cli); /* exit code */
/* Reads the first line of a file, or of the terminal without echo when `file` is NULL. */
int hor_cli_read_password(const char *file, const char *prompt, struct hor_buf *out,
                          struct hor_error *err);

/* ---- orders.c ---- */
/* Prints the answer's results as a table; returns the exit code that they mean. */
int hor_cli_results(struct hor_cli *cli, const struct hor_xml_doc *doc);
/* Calls, prints the results, and empties the request; the exit code. */
int hor_cli_send(struct hor_cli *cli, struct hor_buf *request);
/* The whole of a command that names one thing: `operation` with the element `field` (what argv[0] is),
 * and `action` where it has one. */
int hor_cli_on_one(struct hor_cli *cli, const struct hor_cli_command *command, const char *operation,
                   const char *action, const char *field, int argc, char **argv);

/* ---- making requests ---- */
void hor_cli_begin(struct hor_buf *request, const char *operation); /* <sup:X xmlns...> */
void hor_cli_end(struct hor_buf *request, const char *operation);
/* <sup:name>value</sup:name>; nothing for NULL. */
void hor_cli_add(struct hor_buf *request, const char *name, const char *value);
/* NAME=VALUE as an argument element. false: there is no '=' or no name. */
bool hor_cli_add_argument(struct hor_buf *request, const char *pair);

/* ---- table.c ---- */
struct hor_cli_column {
    const char *title;
    const char *path; /* child elements "a/b", or "@name" of the row, or "." */
    bool right;       /* aligned to the right */
};
/* Prints the children `row` of `parent` as a table; a note when there is none. */
void hor_cli_table(const struct hor_xml_node *parent, const char *row,
                   const struct hor_cli_column *columns, size_t count, const char *none);
/* Text at a path below the node, times without fraction; "" when absent. */
void hor_cli_value(const struct hor_xml_node *node, const char *path, struct hor_buf *out);
/* Child's text as a new string; NULL: absent. */
char *hor_cli_child_text(const struct hor_xml_node *node, const char *name);

#define HOR_CLI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
