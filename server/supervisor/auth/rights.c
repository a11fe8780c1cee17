#include "server/supervisor/auth/rights.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum hor_right_reach reach;
    unsigned roles;
} rights[] = {
#define RIGHT(name, reach, viewer, operator, author, approver, administrator)                      \
    {name, HOR_RIGHT_##reach,                                                                      \
     (viewer * HOR_ROLE_VIEWER) | (operator* HOR_ROLE_OPERATOR) | (author * HOR_ROLE_AUTHOR) |     \
         (approver * HOR_ROLE_APPROVER) | (administrator * HOR_ROLE_ADMINISTRATOR)},
    HOR_RIGHT_TABLE(RIGHT)
#undef RIGHT
};
enum { RIGHTS = sizeof rights / sizeof *rights };

static const struct {
    const char *name;
    unsigned bit;
} roles[] = {{"viewer", HOR_ROLE_VIEWER},
             {"operator", HOR_ROLE_OPERATOR},
             {"author", HOR_ROLE_AUTHOR},
             {"approver", HOR_ROLE_APPROVER},
             {"administrator", HOR_ROLE_ADMINISTRATOR}};
enum { ROLES = sizeof roles / sizeof *roles };

size_t hor_right_count(void)
{
    return RIGHTS;
}

const char *hor_right_name(size_t i)
{
    return i < RIGHTS ? rights[i].name : NULL;
}

bool hor_right_find(const char *name, enum hor_right_reach *ret_reach, unsigned *ret_roles)
{
    for (size_t i = 0; i < RIGHTS; i++) {
        if (strcmp(rights[i].name, name) != 0)
            continue;
        if (ret_reach != NULL)
            *ret_reach = rights[i].reach;
        if (ret_roles != NULL)
            *ret_roles = rights[i].roles;
        return true;
    }
    return false;
}

unsigned hor_role_find(const char *name)
{
    for (size_t i = 0; i < ROLES; i++)
        if (strcmp(roles[i].name, name) == 0)
            return roles[i].bit;
    return 0;
}

const char *hor_role_name(unsigned bit)
{
    for (size_t i = 0; i < ROLES; i++)
        if (roles[i].bit == bit)
            return roles[i].name;
    return NULL;
}

bool hor_path_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    if (strcmp(folder, "/") == 0)
        return path[0] == '/';
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

int hor_scope_of(const struct hor_user *user, const char *right, struct hor_scope *ret)
{
    struct hor_scope scope = {0};
    unsigned wanted = 0;
    if (user != NULL && !user->disabled && hor_right_find(right, NULL, &wanted) &&
        user->grant_count > 0) {
        scope.allowed = calloc(user->grant_count, sizeof *scope.allowed);
        scope.denied = calloc(user->grant_count, sizeof *scope.denied);
        if (scope.allowed == NULL || scope.denied == NULL) {
            hor_scope_done(&scope);
            return HOR_ERR_MEMORY;
        }
        for (size_t i = 0; i < user->grant_count; i++) {
            const struct hor_grant *grant = &user->grants[i];
            if (grant->deny && strcmp(grant->name, right) == 0)
                scope.denied[scope.denied_count++] = grant->folder;
            else if (!grant->deny && (hor_role_find(grant->name) & wanted) != 0)
                scope.allowed[scope.allowed_count++] = grant->folder;
        }
    }
    *ret = scope;
    return HOR_OK;
}

void hor_scope_done(struct hor_scope *scope)
{
    free(scope->allowed);
    free(scope->denied);
    *scope = (struct hor_scope){0};
}

static bool below_any(const char *path, const char *const *folders, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (hor_path_below(path, folders[i]))
            return true;
    return false;
}

bool hor_scope_has(const struct hor_scope *scope, const char *path)
{
    return below_any(path, scope->allowed, scope->allowed_count) &&
           !below_any(path, scope->denied, scope->denied_count);
}

bool hor_scope_empty(const struct hor_scope *scope)
{
    /* a folder that is allowed counts unless all of it is denied */
    for (size_t i = 0; i < scope->allowed_count; i++)
        if (!below_any(scope->allowed[i], scope->denied, scope->denied_count))
            return false;
    return true;
}

bool hor_scope_everywhere(const struct hor_scope *scope)
{
    return scope->denied_count == 0 && below_any("/", scope->allowed, scope->allowed_count);
}
