/* lib/base/log.h - the program's log. Libraries return errors; programs log them once, where they
 * are handled: `run=17 job='payroll' agent=a2 started`. error: somebody must act; warning: we went
 * on; info: life cycle; debug: free. Outside text goes in quotes through %s of hor_log_quote;
 * never secrets, never whole documents. One write(2) a line, any thread. */
#ifndef HOR_BASE_LOG_H
#define HOR_BASE_LOG_H

#include <stddef.h>

enum hor_log_level { HOR_LOG_ERROR, HOR_LOG_WARNING, HOR_LOG_INFO, HOR_LOG_DEBUG };

/* `program` is borrowed. A NULL `path` means standard error. HOR_ERR_IO when it cannot be opened. */
struct hor_error;
int hor_log_open(const char *program, const char *path, enum hor_log_level level,
                 struct hor_error *err);
void hor_log_reopen(void); /* after log rotation */
void hor_log_set_level(enum hor_log_level level);
void hor_log(enum hor_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define hor_log_error(...) hor_log(HOR_LOG_ERROR, __VA_ARGS__)
#define hor_log_warning(...) hor_log(HOR_LOG_WARNING, __VA_ARGS__)
#define hor_log_info(...) hor_log(HOR_LOG_INFO, __VA_ARGS__)
#define hor_log_debug(...) hor_log(HOR_LOG_DEBUG, __VA_ARGS__)
/* Copies `text` into `out` in single quotes, control characters and quotes escaped, cut to fit. */
const char *hor_log_quote(const char *text, char *out, size_t out_bytes);

#endif
