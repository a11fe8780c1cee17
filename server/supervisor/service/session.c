#include <string.h>

#include "server/supervisor/service/operations.h"

int service_login(struct hor_soap_call *call, const struct _sup__Login *request,
                  struct _sup__LoginResponse *response, struct hor_error *err)
{
    char token[HOR_TOKEN_BYTES];
    int64_t expires_us = 0;
    service_note(call, request->user, NULL);
    int rc = hor_auth_login(service_parts(call)->auth, request->user, request->password,
                            call->who->from, token, &expires_us, err);
    if (rc != HOR_OK)
        return rc;
    response->token = hor_soap_string(call->soap, token);
    response->user = hor_soap_string(call->soap, request->user);
    response->expiresAt = expires_us;
    memset(token, 0, sizeof token);
    return response->token != NULL && response->user != NULL ? HOR_OK : service_no_memory(err);
}

int service_logout(struct hor_soap_call *call, const struct _sup__Logout *request,
                   struct _sup__LogoutResponse *response, struct hor_error *err)
{
    (void)request;
    (void)response;
    if (call->who->session[0] == '\0')
        return HOR_OK; /* who came without a session has none to end */
    service_note(call, call->who->session, NULL);
    return hor_auth_end_session(service_parts(call)->auth, call->who->session, call->who->user,
                                err);
}

int service_who_am_i(struct hor_soap_call *call, const struct _sup__WhoAmI *request,
                     struct _sup__WhoAmIResponse *response, struct hor_error *err)
{
    const struct hor_user *user = hor_auth_user(call->who);
    (void)request;
    response->user = hor_soap_string(call->soap, call->who->user);
    if (response->user == NULL)
        return service_no_memory(err);
    for (size_t i = 0; user != NULL && i < user->grant_count && response->__sizerole < 100; i++) {
        if (user->grants[i].deny)
            continue;
        bool had = false;
        for (int r = 0; r < response->__sizerole; r++)
            had = had || strcmp(response->role[r], user->grants[i].name) == 0;
        if (had)
            continue;
        char **role = SERVICE_ADD(call->soap, &response->role, &response->__sizerole);
        if (role == NULL || (*role = hor_soap_string(call->soap, user->grants[i].name)) == NULL)
            return service_no_memory(err);
    }
    for (size_t i = 0; i < hor_right_count(); i++) {
        if (!hor_auth_may(call->who, hor_right_name(i), NULL))
            continue;
        char **right = SERVICE_ADD(call->soap, &response->right, &response->__sizeright);
        if (right == NULL || (*right = hor_soap_string(call->soap, hor_right_name(i))) == NULL)
            return service_no_memory(err);
    }
    return HOR_OK;
}
