/* lib/base/problem.h - what is wrong in a set of documents, all of it and not only the first: where
 * (file, line, object), what, and what to do. One thread. */
#ifndef HOR_BASE_PROBLEM_H
#define HOR_BASE_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

enum hor_severity { HOR_SEVERITY_ERROR, HOR_SEVERITY_WARNING };

struct hor_problem {
    enum hor_severity severity;
    char *file;   /* NULL: none */
    int line;     /* 0: none */
    char *object; /* path of the configuration object; NULL: none */
    char *text;   /* a sentence without a full stop */
    char *remedy; /* what to do; NULL: the text says it */
};

struct hor_problems { /* all zero is empty */
    struct hor_problem *items;
    size_t count, errors; /* errors: how many of them are not warnings, those left out included */
    size_t left_out;      /* beyond HOR_PROBLEMS_MAX */
    bool failed;          /* memory was out: counts as an error */
};

enum { HOR_PROBLEMS_MAX = 1000 };

/* Copies all strings. `format` makes the text; `remedy` may be NULL. */
void hor_problems_add(struct hor_problems *list, enum hor_severity severity, const char *file,
                      int line, const char *object, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
/* By file and line; equal ones keep their order. */
void hor_problems_sort(struct hor_problems *list);
/* "finance/eod.chain.xml:12: error: /finance/eod: text; remedy" */
void hor_problem_write(const struct hor_problem *problem, struct hor_buf *out);
const char *hor_severity_name(enum hor_severity severity); /* "error", "warning" */
void hor_problems_done(struct hor_problems *list);

#endif
