/* lib/config/users.h - local users: an XML file (xsd/users.xsd) with crypt(3) password hashes, the
 * directory that works out of the box.
 *   <users xmlns="urn:horarium:users:1">
 *     <user name="anna" password="$y$..."><role name="operator" folder="/finance"/>
 *       <deny right="order.control" folder="/finance/closed"/></user>
 *     <user name="reporter" certificate="true"><role name="viewer"/></user>
 *   </users>
 * A user without a password signs in by a client certificate whose common name is the user's name,
 * and only where certificate="true" says so. The file has mode 0600 and is replaced in one step.
 * Hashing takes some tens of milliseconds on purpose: not for the loop's thread. A list belongs to
 * one thread; hor_password_* are for any. */
#ifndef HOR_CONFIG_USERS_H
#define HOR_CONFIG_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

enum {
    HOR_USER_NAME_BYTES = 100,
    HOR_PASSWORD_MIN_BYTES = 8,
    HOR_PASSWORD_MAX_BYTES = 500,
    HOR_PASSWORD_HASH_BYTES = 400
};

/* A role given (deny false) or a single right taken away (deny true), for a folder and all below.
 */
struct hor_grant {
    char *name; /* of the role or the right */
    char *folder;
    bool deny;
};

struct hor_user {
    char *name;
    char *password; /* crypt(3) hash, NULL without */
    bool certificate, disabled;
    struct hor_grant *grants;
    size_t grant_count;
};

struct hor_users;

struct hor_users *hor_users_new(void); /* nobody; NULL when memory is out */
void hor_users_free(struct hor_users *users);
/* Reads the file. HOR_ERR_NOT_FOUND; HOR_ERR_INVALID names file and line; HOR_ERR_DENIED when group
 * or others may read or write it. */
int hor_users_load(const char *path, struct hor_users **ret, struct hor_error *err);
/* Replaces the file in one step, mode 0600. */
int hor_users_save(const struct hor_users *users, const char *path, struct hor_error *err);

size_t hor_users_count(const struct hor_users *users);
const struct hor_user *hor_users_at(const struct hor_users *users, size_t i);
const struct hor_user *hor_users_find(const struct hor_users *users, const char *name);

/* Adds a user; `password` may be NULL for a program with a certificate. HOR_ERR_EXISTS;
 * HOR_ERR_INVALID for a bad name or a password that is too short or too long. */
int hor_users_add(struct hor_users *users, const char *name, const char *password,
                  struct hor_error *err);
/* Gives a role (or, with `deny`, takes a right away) below `folder`; NULL means "/". What stands
 * there already is no error. HOR_ERR_NOT_FOUND; HOR_ERR_INVALID for a folder without leading "/".
 */
int hor_users_grant(struct hor_users *users, const char *name, const char *role_or_right,
                    const char *folder, bool deny, struct hor_error *err);
int hor_users_set_password(struct hor_users *users, const char *name, const char *password,
                           struct hor_error *err);
int hor_users_set_certificate(struct hor_users *users, const char *name, bool certificate,
                              struct hor_error *err);
int hor_users_set_disabled(struct hor_users *users, const char *name, bool disabled,
                           struct hor_error *err);
int hor_users_remove(struct hor_users *users, const char *name, struct hor_error *err);

/* A new yescrypt hash with a random salt. HOR_ERR_INVALID for a password too short or too long. */
int hor_password_hash(const char *password, char out[HOR_PASSWORD_HASH_BYTES],
                      struct hor_error *err);
/* Whether the password belongs to the hash. A NULL hash costs as much as a real one and never fits:
 * an unknown user is not told by the time that the answer takes. */
bool hor_password_check(const char *hash, const char *password);

#endif
