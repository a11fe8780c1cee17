/* server/cli/offline.c - commands that work on files and need no Supervisor: recovery files,
 * certificates, local users. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/config/users.h"
#include "lib/http/certificates.h"
#include "lib/journal/inspect.h"
#include "server/cli/cli.h"

static bool print_entry(const struct hor_journal_shown *entry, void *ctx)
{
    const bool *xml = ctx;
    char at[HOR_TIME_TEXT_BYTES];
    hor_time_format_us(entry->at_us, at);
    if (*xml)
        printf("<entry index=\"%" PRIu64 "\" term=\"%" PRIu64 "\" at=\"%s\">%.*s</entry>\n",
               entry->index, entry->term, at, (int)entry->len, entry->xml);
    else
        printf("%8" PRIu64 "  %s  %.*s\n", entry->index, at, (int)entry->len, entry->xml);
    return !ferror(stdout);
}

static int journal_show(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                        char **argv)
{
    const char *from = NULL, *to = NULL, *order = NULL;
    const struct hor_cli_option options[] = {
        {"--from", "INDEX", "begin there", &from, NULL, false},
        {"--to", "INDEX", "end there", &to, NULL, false},
        {"--order", "ORDER", "only events of this order", &order, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    struct hor_journal_filter filter = {.order = order};
    if (argc != 1)
        return hor_cli_usage(command, "it wants a journal folder or one of its files");
    if ((from != NULL && hor_str_to_uint64(from, &filter.from) != HOR_OK) ||
        (to != NULL && hor_str_to_uint64(to, &filter.to) != HOR_OK))
        return hor_cli_usage(command, "--from and --to want numbers");
    struct hor_error err = {0};
    int rc = hor_journal_show(argv[0], &filter, print_entry, &cli->xml, &err);
    if (rc == HOR_OK)
        return HOR_EXIT_OK;
    fflush(stdout);
    fprintf(stderr, "horarium: %s\n", err.text);
    return HOR_EXIT_FAILED;
}

static int journal_verify(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                          char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants a journal folder or one of its files");
    struct hor_journal_report r;
    struct hor_error err = {0};
    if (hor_journal_verify(argv[0], &r, &err) != HOR_OK) {
        fprintf(stderr, "horarium: %s\n", err.text);
        return HOR_EXIT_FAILED;
    }
    printf("cluster    %s\nmember     %s\nrun        %s\nsegments   %u\nsnapshots  %u",
           r.cluster, r.member, r.run_id, r.segments, r.snapshots);
    if (r.snapshot_index != 0)
        printf(" (newest at %" PRIu64 ")", r.snapshot_index);
    printf("\nentries    %" PRIu64 " (%" PRIu64 "..%" PRIu64 "), of them %" PRIu64 " events\n",
           r.entries, r.first_index, r.last_index, r.events);
    printf("term       %" PRIu64 "\n", r.term);
    if (r.torn_bytes != 0)
        printf("torn tail  %" PRIu64 " bytes at the end of %s: cut at the next start\n",
               r.torn_bytes, r.torn_file);
    printf("%s\n", r.damaged ? r.damage : "every line is whole");
    return r.damaged ? HOR_EXIT_FAILED : HOR_EXIT_OK;
}

/* A person's word is needed: only he can know that no other member has the lost entries. */
static int journal_repair(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                          char **argv)
{
    bool accepted = false;
    const struct hor_cli_option options[] = {
        {"--accept-loss", NULL, "the journal counts as ending where it ends now", NULL, &accepted,
         false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants a journal folder");
    if (!accepted)
        return hor_cli_usage(command,
                             "confirmed entries at the journal's end that a disk lost are given up "
                             "with --accept-loss: for a cluster of one, or when no other member has "
                             "them; otherwise empty this member's folder and let it rejoin");
    uint64_t lost = 0;
    struct hor_error err = {0};
    int rc = hor_journal_accept_loss(argv[0], &lost, &err);
    if (rc != HOR_OK) {
        fprintf(stderr, "horarium: %s\n", err.text);
        return HOR_EXIT_FAILED;
    }
    if (!cli->quiet)
        printf("%s: %" PRIu64 " lost entr%s accepted; the member can be started\n", argv[0], lost,
               lost == 1 ? "y is" : "ies are");
    return HOR_EXIT_OK;
}

static int certificates_init(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                             char **argv)
{
    int code = hor_cli_parse(cli, command, NULL, &argc, argv);
    if (code >= 0)
        return code;
    if (cli->dir == NULL || argc < 1)
        return hor_cli_usage(command, "it wants --dir FOLDER and the members' names");
    struct hor_error err = {0};
    int rc = hor_certificates_init(cli->dir, (const char *const *)argv, (unsigned)argc, &err);
    if (rc != HOR_OK) {
        fprintf(stderr, "horarium: %s\n", err.text);
        return HOR_EXIT_FAILED;
    }
    if (!cli->quiet)
        printf("%s: a certificate authority and %d member%s; the keys are readable for you only\n",
               cli->dir, argc, argc == 1 ? "" : "s");
    return HOR_EXIT_OK;
}

/* Loads the users file for a change; a missing one is an empty one when `create`. */
static int load_users(const char *file, bool create, struct hor_users **ret, struct hor_error *err)
{
    int rc = hor_users_load(file, ret, err);
    if (rc != HOR_ERR_NOT_FOUND || !create)
        return rc;
    *ret = hor_users_new();
    return *ret != NULL ? HOR_OK : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
}

/* What the user commands share: options, the file, the change, the replaced file. */
struct user_change {
    struct hor_cli *cli;
    const char *name, *role[HOR_CLI_VALUES], *deny[HOR_CLI_VALUES], *folder;
    bool certificate;
};
typedef int user_change_fn(struct user_change *change, struct hor_users *users,
                           struct hor_error *err);

static int read_new_password(struct hor_cli *cli, const char *name, struct hor_buf *password,
                             struct hor_error *err)
{
    char prompt[200];
    snprintf(prompt, sizeof prompt, "new password of %s", name);
    return hor_cli_read_password(cli->password_file, prompt, password, err);
}

static int grant_all(struct user_change *change, struct hor_users *users, struct hor_error *err)
{
    int rc = HOR_OK;
    for (size_t i = 0; rc == HOR_OK && change->role[i] != NULL; i++)
        rc = hor_users_grant(users, change->name, change->role[i], change->folder, false, err);
    for (size_t i = 0; rc == HOR_OK && change->deny[i] != NULL; i++)
        rc = hor_users_grant(users, change->name, change->deny[i], change->folder, true, err);
    return rc;
}

static int add_user(struct user_change *change, struct hor_users *users, struct hor_error *err)
{
    struct hor_buf password = HOR_BUF_INIT;
    int rc = change->certificate ? HOR_OK
                                 : read_new_password(change->cli, change->name, &password, err);
    if (rc == HOR_OK)
        rc = hor_users_add(users, change->name, change->certificate ? NULL : password.data, err);
    if (rc == HOR_OK && change->certificate)
        rc = hor_users_set_certificate(users, change->name, true, err);
    if (password.data != NULL)
        explicit_bzero(password.data, password.cap);
    hor_buf_done(&password);
    return rc == HOR_OK ? grant_all(change, users, err) : rc;
}

static int set_password(struct user_change *change, struct hor_users *users, struct hor_error *err)
{
    struct hor_buf password = HOR_BUF_INIT;
    int rc = read_new_password(change->cli, change->name, &password, err);
    if (rc == HOR_OK)
        rc = hor_users_set_password(users, change->name, password.data, err);
    if (password.data != NULL)
        explicit_bzero(password.data, password.cap);
    hor_buf_done(&password);
    return rc;
}

static int remove_user(struct user_change *change, struct hor_users *users, struct hor_error *err)
{
    return hor_users_remove(users, change->name, err);
}

static int change_users(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                        char **argv, bool create, user_change_fn *apply)
{
    struct user_change change = {.cli = cli};
    const char *file = NULL;
    const struct hor_cli_option options[] = {
        {"--users", "FILE", "the users file (default: DIR/settings/users.xml)", &file, NULL, false},
        {"--role", "ROLE", "viewer, operator, author, approver, administrator", change.role, NULL,
         true},
        {"--deny", "RIGHT", "a right taken away", change.deny, NULL, true},
        {"--folder", "PATH", "roles and denials hold below it (default: everywhere)",
         &change.folder, NULL, false},
        {"--certificate", NULL, "a program that signs in by its certificate", NULL,
         &change.certificate, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return hor_cli_usage(command, "it wants one user name");
    change.name = argv[0];
    char *own = file != NULL ? hor_strdup(file)
                             : hor_str_printf("%s/settings/users.xml", cli->dir ? cli->dir : ".");
    struct hor_users *users = NULL;
    struct hor_error err = {0};
    int rc = own == NULL ? hor_error_set(&err, HOR_ERR_MEMORY, "out of memory")
                         : load_users(own, create, &users, &err);
    if (rc == HOR_OK)
        rc = apply(&change, users, &err);
    if (rc == HOR_OK)
        rc = hor_users_save(users, own, &err);
    hor_users_free(users);
    if (rc == HOR_OK && !cli->quiet)
        printf("%s: user %s: done\n", own, change.name);
    free(own);
    if (rc == HOR_OK)
        return HOR_EXIT_OK;
    fprintf(stderr, "horarium: %s\n", err.text);
    return HOR_EXIT_FAILED;
}

static int user_add(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                    char **argv)
{
    return change_users(cli, command, argc, argv, true, add_user);
}

static int user_grant(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                      char **argv)
{
    return change_users(cli, command, argc, argv, false, grant_all);
}

static int user_passwd(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                       char **argv)
{
    return change_users(cli, command, argc, argv, false, set_password);
}

static int user_remove(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                       char **argv)
{
    return change_users(cli, command, argc, argv, false, remove_user);
}

static int user_list(struct hor_cli *cli, const struct hor_cli_command *command, int argc,
                     char **argv)
{
    const char *file = NULL;
    const struct hor_cli_option options[] = {
        {"--users", "FILE", "the users file (default: DIR/settings/users.xml)", &file, NULL, false},
        {NULL, NULL, NULL, NULL, NULL, false}};
    int code = hor_cli_parse(cli, command, options, &argc, argv);
    if (code >= 0)
        return code;
    char *own = file != NULL ? hor_strdup(file)
                             : hor_str_printf("%s/settings/users.xml", cli->dir ? cli->dir : ".");
    struct hor_users *users = NULL;
    struct hor_error err = {0};
    int rc = own == NULL ? HOR_ERR_MEMORY : hor_users_load(own, &users, &err);
    free(own);
    if (rc != HOR_OK) {
        fprintf(stderr, "horarium: %s\n", err.text);
        return HOR_EXIT_FAILED;
    }
    for (size_t i = 0; i < hor_users_count(users); i++) {
        const struct hor_user *user = hor_users_at(users, i);
        printf("%-20s %s%s", user->name, user->certificate ? "certificate" : "password",
               user->disabled ? ", disabled" : "");
        for (size_t g = 0; g < user->grant_count; g++)
            printf("  %s%s below %s", user->grants[g].deny ? "not " : "", user->grants[g].name,
                   user->grants[g].folder);
        putchar('\n');
    }
    hor_users_free(users);
    return HOR_EXIT_OK;
}

const struct hor_cli_command hor_cli_offline[] = {
    {"journal show", "FOLDER|FILE", "Prints the entries of recovery files", journal_show},
    {"journal verify", "FOLDER|FILE", "Checks every line of recovery files", journal_verify},
    {"journal repair", "FOLDER --accept-loss", "Gives up entries that a disk lost at the end",
     journal_repair},
    {"certificates init", "--dir FOLDER NAME[:HOST,...]...",
     "Makes a private authority and members' certificates", certificates_init},
    {"user add", "NAME", "Adds a local user", user_add},
    {"user grant", "NAME", "Gives roles, takes rights away", user_grant},
    {"user passwd", "NAME", "Sets a user's password", user_passwd},
    {"user list", "", "Lists the local users", user_list},
    {"user remove", "NAME", "Removes a user", user_remove},
    {NULL, NULL, NULL, NULL},
};
