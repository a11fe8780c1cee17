/* server/cli/main.c - horarium: finds the command and runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/cli.h"

static const struct {
    const char *title;
    const struct hor_cli_command *commands;
} group[] = {
    {"Configuration and releases", hor_cli_releases},
    {"Orders and chains", hor_cli_orders},
    {"Agents and external events", hor_cli_outside},
    {"Looking", hor_cli_views},
    {"Masters, agent clusters, waiting commands", hor_cli_clusters},
    {"Logs", hor_cli_log},
    {"Members of clusters", hor_cli_cluster},
    {"Without a Supervisor", hor_cli_offline},
    {"From other schedulers", hor_cli_import},
    {"What would start", hor_cli_forecast},
};

static void print_help(void)
{
    puts("horarium COMMAND [ARGUMENT...] [--option...]\n\n"
         "The command line of Horarium: a client of the Supervisor's web services.");
    for (size_t g = 0; g < HOR_CLI_COUNT(group); g++) {
        printf("\n%s\n", group[g].title);
        for (const struct hor_cli_command *c = group[g].commands; c->name != NULL; c++) {
            char left[80];
            snprintf(left, sizeof left, "%s %s", c->name, c->arguments);
            printf("  %-44s %s\n", left, c->summary);
        }
    }
    puts("\nhorarium COMMAND --help tells a command's options. Exit codes: 0 done, 1 failed, 2 usage,\n"
         "3 settings wrong, 5 refused by the service, 6 not reachable.");
}

/* The words of argv that a command's name takes; 0: another command. */
static int name_words(const char *name, int argc, char **argv)
{
    int words = 0;
    while (*name != '\0') {
        size_t len = strcspn(name, " ");
        if (words >= argc || strlen(argv[words]) != len || strncmp(argv[words], name, len) != 0)
            return 0;
        words++;
        name += len + (name[len] == ' ');
    }
    return words;
}

/* Common options may stand before the command: moves them behind it. */
static void rotate_leading_options(int argc, char **argv)
{
    int i = 0;
    while (i < argc && argv[i][0] == '-') {
        bool value = strchr(argv[i], '=') == NULL && strcmp(argv[i], "--xml") != 0 &&
                     strcmp(argv[i], "--quiet") != 0;
        i += value ? 2 : 1;
    }
    if (i == 0 || i >= argc)
        return;
    char **copy = malloc((size_t)argc * sizeof *copy);
    if (copy == NULL)
        return;
    memcpy(copy, argv, (size_t)argc * sizeof *copy);
    memcpy(argv, copy + i, (size_t)(argc - i) * sizeof *argv);
    memcpy(argv + argc - i, copy, (size_t)i * sizeof *argv);
    free(copy);
}

int main(int argc, char **argv)
{
    argc--;
    argv++;
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        print_help();
        return argc == 0 ? HOR_EXIT_USAGE : HOR_EXIT_OK;
    }
    if (strcmp(argv[0], "--version") == 0) {
        puts("horarium " HOR_VERSION);
        return HOR_EXIT_OK;
    }
    hor_xml_init();
    rotate_leading_options(argc, argv);
    const struct hor_cli_command *found = NULL;
    int words = 0;
    for (size_t g = 0; g < HOR_CLI_COUNT(group); g++) {
        for (const struct hor_cli_command *c = group[g].commands; c->name != NULL; c++) {
            int n = name_words(c->name, argc, argv);
            if (n > words) {
                words = n;
                found = c;
            }
        }
    }
    if (found == NULL) {
        fprintf(stderr, "horarium: '%s' is not a command; horarium --help tells what is\n", argv[0]);
        return HOR_EXIT_USAGE;
    }
    struct hor_cli cli = {.program = "horarium"};
    int code = found->run(&cli, found, argc - words, argv + words);
    hor_cli_disconnect(&cli);
    if (fflush(stdout) != 0 && code == HOR_EXIT_OK)
        code = HOR_EXIT_FAILED;
    return code;
}
