#include <inttypes.h>
#include <string.h>

#include "lib/cluster/members.h"
#include "lib/journal/line.h"

static const char *const role_name[] = {"voter", "standby", "spare"};

void hor_members_write(const struct hor_cluster_member *members, unsigned count,
                       struct hor_buf *out)
{
    hor_buf_puts(out, "<configuration>");
    for (unsigned i = 0; i < count; i++) {
        hor_buf_printf(out, "<member id=\"%" PRIu64 "\" name=\"", members[i].id);
        hor_buf_xml(out, members[i].name);
        hor_buf_puts(out, "\" url=\"");
        hor_buf_xml(out, members[i].url ? members[i].url : "");
        hor_buf_puts(out, members[i].witness ? "\" role=\"voter\" witness=\"true\"/>"
                                             : "\" role=\"voter\"/>");
    }
    hor_buf_puts(out, "</configuration>");
}

int hor_members_read(const char *xml, size_t len, struct hor_raft_configuration *ret,
                     struct hor_error *err)
{
    static const char element[] = "<member ";
    const char *at = xml, *end = xml + len;
    memset(ret, 0, sizeof *ret);
    while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        const char *stop = memchr(at, '>', (size_t)(end - at));
        struct hor_raft_member *member = &ret->members[ret->count];
        char role[16];
        if (stop == NULL)
            break;
        if ((size_t)(stop - at) < sizeof element ||
            memcmp(at, element, sizeof element - 1) != 0) {
            at = stop + 1;
            continue;
        }
        if (ret->count == HOR_RAFT_MEMBERS_MAX)
            return hor_error_set(err, HOR_ERR_LIMIT, "more than %d members", HOR_RAFT_MEMBERS_MAX);
        if (hor_journal_attribute_number(at, (size_t)(stop - at), "id", &member->id) != HOR_OK ||
            member->id == 0 ||
            hor_journal_attribute(at, (size_t)(stop - at), "role", role, sizeof role) != HOR_OK)
            return hor_error_set(err, HOR_ERR_INVALID, "a member without id or role");
        unsigned known = 0;
        while (known < 3 && strcmp(role, role_name[known]) != 0)
            known++;
        if (known == 3)
            return hor_error_set(err, HOR_ERR_INVALID, "member %" PRIu64 ": unknown role",
                                 member->id);
        member->role = (enum hor_raft_role)known;
        ret->count++;
        at = stop + 1;
    }
    if (ret->count == 0)
        return hor_error_set(err, HOR_ERR_INVALID, "a configuration without members");
    return HOR_OK;
}
