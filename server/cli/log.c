/* server/cli/log.c - a task's log, by ranges; -f follows until the task has ended. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/str.h"
#include "server/cli/cli.h"

enum { RANGE_BYTES = 256 * 1024 };

/* Prints one range from *offset on and moves it; *ret_complete: nothing more can come. */
static int print_range(struct hor_cli *cli, const char *task, bool wait, int64_t *offset,
                       bool *ret_complete)
{
    struct hor_buf request = HOR_BUF_INIT, data = HOR_BUF_INIT, text = HOR_BUF_INIT;
    struct hor_xml_doc *doc = NULL;
    char number[32];
    hor_cli_begin(&request, "ReadLog");
    hor_cli_add(&request, "task", task);
    snprintf(number, sizeof number, "%" PRId64, *offset);
    hor_cli_add(&request, "offset", number);
    snprintf(number, sizeof number, "%d", RANGE_BYTES);
    hor_cli_add(&request, "length", number);
    hor_cli_add(&request, "waitMs", wait ? "10000" : NULL);
    hor_cli_end(&request, "ReadLog");
    int code = hor_cli_call(cli, &request, &doc);
    if (code == HOR_EXIT_OK) {
        const struct hor_xml_node *range = hor_xml_child(hor_xml_root(doc), "range");
        char *complete = range != NULL ? hor_cli_child_text(range, "complete") : NULL;
        char *size_text = range != NULL ? hor_cli_child_text(range, "size") : NULL;
        char *start_text = range != NULL ? hor_cli_child_text(range, "offset") : NULL;
        int64_t size = 0, start = *offset;
        if (range != NULL && hor_xml_child(range, "data") != NULL)
            hor_xml_text(hor_xml_child(range, "data"), &text);
        if (complete == NULL || size_text == NULL || hor_str_to_int64(size_text, &size) != HOR_OK ||
            start_text == NULL || hor_str_to_int64(start_text, &start) != HOR_OK ||
            hor_base64_decode(hor_buf_text(&text), text.len, &data) != HOR_OK) {
            fprintf(stderr, "horarium: the answer is no log range\n");
            code = HOR_EXIT_FAILED;
        } else {
            if (!cli->xml)
                fwrite(hor_buf_text(&data), 1, data.len, stdout);
            fflush(stdout);
            *offset = start + (int64_t)data.len;
            bool ended = strcmp(complete, "true") == 0 || strcmp(complete, "1") == 0;
            /* An empty range below the size would loop for ever. */
            *ret_complete = (ended && *offset >= size) || (data.len == 0 && *offset < size);
            if (!wait && *offset >= size)
                *ret_complete = true;
        }
        free(complete);
        free(size_text);
        free(start_text);
    }
    hor_xml_doc_free(doc);
    hor_buf_done(&request);
    hor_buf_done(&data);
    hor_buf_done(&text);
    return code;
}

static int show_log(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                    char **argv)
{
    const char *from = NULL;
    bool follow = false;
    const struct hor_cli_option options[] = {
        {"--follow", NULL, "go on until the task has ended (-f)", NULL, &follow, false},
        {"--from", "BYTE", "begin there; negative: so many before the end", &from, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    int64_t offset = 0;
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants one task, such as ORDER:NODE:ATTEMPT");
    if (from != NULL && hor_str_to_int64(from, &offset) != HOR_OK)
        return hor_cli_usage(command, "--from wants a number of bytes");
    bool complete = false;
    do {
        code = print_range(cli, argv[0], follow, &offset, &complete);
    } while (code == HOR_EXIT_OK && !complete);
    return code;
}

const struct hor_cli_command hor_cli_log[] = {
    {"log", "TASK", "Shows a task's log; -f follows it", show_log},
    {NULL, NULL, NULL, NULL},
};
