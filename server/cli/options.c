/* server/cli/options.c - options of a command from one table, so that parsing and help agree. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "server/cli/cli.h"

int hor_cli_usage(const struct hor_cli_command *command, const char *format, ...)
{
    fprintf(stderr, "horarium %s: ", command->name);
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\nusage: horarium %s %s   (--help tells all)\n", command->name,
            command->arguments);
    return HOR_EXIT_USAGE;
}

int hor_cli_failed(const struct hor_error *err)
{
    fprintf(stderr, "horarium: %s\n", err->text);
    switch (err->code) {
    case HOR_ERR_UNREACHABLE:
    case HOR_ERR_TIMEOUT:
        return HOR_EXIT_UNREACHABLE;
    case HOR_ERR_NOT_FOUND:
    case HOR_ERR_STATE:
    case HOR_ERR_DENIED:
    case HOR_ERR_UNAUTHENTICATED:
    case HOR_ERR_CONFLICT:
    case HOR_ERR_BUSY:
    case HOR_ERR_NOT_ACTIVE:
    case HOR_ERR_EXISTS:
    case HOR_ERR_INVALID:
        return HOR_EXIT_REFUSED;
    default:
        return HOR_EXIT_FAILED;
    }
}

static void print_options(const struct hor_cli_option *options)
{
    for (const struct hor_cli_option *o = options; o != NULL && o->name != NULL; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value != NULL ? " " : "",
                 o->value != NULL ? o->value : "");
        printf("  %-26s %s%s\n", left, o->help, o->repeated ? " (may be repeated)" : "");
    }
}

/* Puts the value of one option where the table says. false: too many. */
static bool store(const struct hor_cli_option *option, const char *value)
{
    if (option->value == NULL) {
        *option->flag = true;
        return true;
    }
    if (!option->repeated) {
        *option->text = value;
        return true;
    }
    for (size_t i = 0; i + 1 < HOR_CLI_VALUES; i++) {
        if (option->text[i] == NULL) {
            option->text[i] = value;
            return true;
        }
    }
    return false;
}

static const struct hor_cli_option *find(const struct hor_cli_option *options, const char *name,
                                         size_t len)
{
    for (const struct hor_cli_option *o = options; o != NULL && o->name != NULL; o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

int hor_cli_parse(struct hor_cli *cli, const struct hor_cli_command *command,
                  const struct hor_cli_option *options, int *argc, char **argv)
{
    const struct hor_cli_option common[] = {
        {"--dir", "DIR", "folder with client.xml (default: $HORARIUM_DIR or ~/.horarium)",
         &cli->dir, NULL, false},
        {"--url", "URL", "the Supervisor's address", &cli->url, NULL, false},
        {"--ca", "FILE", "certificates of the authority to trust", &cli->ca, NULL, false},
        {"--user", "NAME", "who signs in", &cli->user, NULL, false},
        {"--password-file", "FILE", "its first line is the password", &cli->password_file, NULL,
         false},
        {"--xml", NULL, "print the service's answer as it came", NULL, &cli->xml, false},
        {"--quiet", NULL, "print only ids and numbers", NULL, &cli->quiet, false},
        {"--help", NULL, "this text", NULL, &cli->help, false},
        {NULL, NULL, NULL, NULL, NULL, false},
    };
    int kept = 0;
    bool only_arguments = false;
    for (int i = 0; i < *argc; i++) {
        const char *word = argv[i];
        if (only_arguments || word[0] != '-' || word[1] == '\0') {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_arguments = true;
            continue;
        }
        if (strcmp(word, "-f") == 0)
            word = "--follow";
        if (strcmp(word, "-h") == 0)
            word = "--help";
        const char *equal = strchr(word, '=');
        size_t len = equal != NULL ? (size_t)(equal - word) : strlen(word);
        const struct hor_cli_option *option = find(options, word, len);
        if (option == NULL)
            option = find(common, word, len);
        if (option == NULL)
            return hor_cli_usage(command, "the option %s is not known", word);
        const char *value = NULL;
        if (option->value == NULL && equal != NULL)
            return hor_cli_usage(command, "%s takes no value", option->name);
        if (option->value != NULL) {
            value = equal != NULL ? equal + 1 : i + 1 < *argc ? argv[++i] : NULL;
            if (value == NULL)
                return hor_cli_usage(command, "%s wants a value: %s", option->name, option->value);
        }
        if (!store(option, value))
            return hor_cli_usage(command, "%s is given too often", option->name);
    }
    *argc = kept;
    if (cli->help) {
        printf("horarium %s %s\n\n%s.\n\n", command->name, command->arguments, command->summary);
        print_options(options);
        print_options(common);
        return HOR_EXIT_OK;
    }
    return -1;
}
