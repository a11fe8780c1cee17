/* server/supervisor/auth/rights.h - what may be done, and which role may do it. Pure.
 * A right is needed by every operation of the service (service/operations.c); docs/rights.md shows
 * both tables, and a test compares them. */
#ifndef HOR_SUPERVISOR_AUTH_RIGHTS_H
#define HOR_SUPERVISOR_AUTH_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/config/users.h"

/* How far a right reaches. PATH: held for folders and asked for each object. ANYWHERE: holding it
 * for some folder is enough. ROOT: it must be held for "/", for it touches everybody. */
enum hor_right_reach { HOR_RIGHT_PATH, HOR_RIGHT_ANYWHERE, HOR_RIGHT_ROOT };

enum {
    HOR_ROLE_VIEWER = 1,
    HOR_ROLE_OPERATOR = 2,
    HOR_ROLE_AUTHOR = 4,
    HOR_ROLE_APPROVER = 8,
    HOR_ROLE_ADMINISTRATOR = 16
};

/* name, reach, roles: viewer, operator, author, approver, administrator */
#define HOR_RIGHT_TABLE(X)                                                                         \
    X("order.view", PATH, 1, 1, 1, 1, 1)                                                           \
    X("log.view", PATH, 1, 1, 1, 1, 1)                                                             \
    X("configuration.view", PATH, 1, 1, 1, 1, 1)                                                   \
    X("event.view", PATH, 1, 1, 1, 1, 1)                                                           \
    X("status.view", ANYWHERE, 1, 1, 1, 1, 1)                                                      \
    X("release.view", ANYWHERE, 1, 1, 1, 1, 1)                                                     \
    X("order.add", PATH, 0, 1, 0, 0, 1)                                                            \
    X("order.control", PATH, 0, 1, 0, 0, 1)                                                        \
    X("chain.control", PATH, 0, 1, 0, 0, 1)                                                        \
    X("agent.control", ROOT, 0, 1, 0, 0, 1)                                                        \
    X("event.post", ROOT, 0, 1, 0, 0, 1)                                                           \
    X("cluster.control", ROOT, 0, 1, 0, 0, 1)                                                      \
    X("release.create", ROOT, 0, 0, 1, 0, 1)                                                       \
    X("release.approve", ROOT, 0, 0, 0, 1, 1)                                                      \
    X("release.deploy", ROOT, 0, 0, 0, 1, 1)                                                       \
    X("audit.view", ROOT, 0, 0, 0, 0, 1)                                                           \
    X("session.manage", ROOT, 0, 0, 0, 0, 1)

size_t hor_right_count(void);
const char *hor_right_name(size_t i);
/* False for a name that is no right. */
bool hor_right_find(const char *name, enum hor_right_reach *ret_reach, unsigned *ret_roles);
/* The role's bit, 0 for a name that is no role. */
unsigned hor_role_find(const char *name);
const char *hor_role_name(unsigned bit);

/* Where a right is held: in the folders allowed, but not in those denied (denial wins). */
struct hor_scope {
    const char **allowed, **denied; /* the arrays are owned, the folders borrowed from the user */
    size_t allowed_count, denied_count;
};

/* Works out where `user` holds `right`; the user must outlive the scope. HOR_ERR_MEMORY. */
int hor_scope_of(const struct hor_user *user, const char *right, struct hor_scope *ret);
void hor_scope_done(struct hor_scope *scope);
bool hor_scope_empty(const struct hor_scope *scope);      /* held nowhere */
bool hor_scope_everywhere(const struct hor_scope *scope); /* held for "/", nothing denied */
bool hor_scope_has(const struct hor_scope *scope, const char *path);
/* Whether `path` is the folder or lies below it. */
bool hor_path_below(const char *path, const char *folder);

#endif
