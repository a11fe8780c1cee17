#include "lib/cluster/members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/journal/line.h"

static const char *const role_name[] = {"voter", "standby", "spare"};

int hor_members_from(const struct hor_cluster_member *members, unsigned count,
                     struct hor_members *ret, struct hor_error *err)
{
    memset(ret, 0, sizeof *ret);
    if (count == 0 || count > HOR_RAFT_MEMBERS_MAX)
        return hor_error_set(err, HOR_ERR_INVALID, "1 to %d members are possible",
                             HOR_RAFT_MEMBERS_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct hor_member *to = &ret->list[ret->count];
        const char *name = members[i].name ? members[i].name : "";
        const char *url = members[i].url ? members[i].url : "";
        if (strlen(name) >= sizeof to->name || strlen(url) >= sizeof to->url)
            return hor_error_set(err, HOR_ERR_LIMIT, "a member's name or URL is too long");
        if (hor_members_find(ret, members[i].id) != NULL || members[i].id == 0)
            return hor_error_set(err, HOR_ERR_INVALID, "two members with id %" PRIu64,
                                 members[i].id);
        *to = (struct hor_member){.id = members[i].id, .witness = members[i].witness,
                                  .role = members[i].standby ? HOR_RAFT_STANDBY : HOR_RAFT_VOTER,
                                  .priority = members[i].priority,
                                  .max_tasks = members[i].max_tasks};
        snprintf(to->name, sizeof to->name, "%s", name);
        snprintf(to->url, sizeof to->url, "%s", url);
        if (members[i].folder != NULL)
            snprintf(to->folder, sizeof to->folder, "%s", members[i].folder);
        if (to->id > ret->highest)
            ret->highest = to->id;
        ret->count++;
    }
    return HOR_OK;
}

static void put_number(struct hor_buf *out, const char *name, int64_t value)
{
    if (value != 0)
        hor_buf_printf(out, " %s=\"%" PRId64 "\"", name, value);
}

void hor_members_write(const struct hor_members *members, struct hor_buf *out)
{
    uint64_t highest = 0;
    for (unsigned i = 0; i < members->count; i++)
        if (members->list[i].id > highest)
            highest = members->list[i].id;
    hor_buf_puts(out, "<configuration");
    if (members->highest > highest) /* otherwise the members say it */
        hor_buf_printf(out, " highest=\"%" PRIu64 "\"", members->highest);
    hor_buf_putc(out, '>');
    for (unsigned i = 0; i < members->count; i++) {
        const struct hor_member *m = &members->list[i];
        hor_buf_printf(out, "<member id=\"%" PRIu64 "\" name=\"", m->id);
        hor_buf_xml(out, m->name);
        hor_buf_puts(out, "\" url=\"");
        hor_buf_xml(out, m->url);
        hor_buf_printf(out, "\" role=\"%s\"", role_name[m->role]);
        if (m->witness)
            hor_buf_puts(out, " witness=\"true\"");
        put_number(out, "priority", m->priority);
        put_number(out, "maxTasks", m->max_tasks);
        if (m->folder[0] != '\0') {
            hor_buf_puts(out, " folder=\"");
            hor_buf_xml(out, m->folder);
            hor_buf_putc(out, '"');
        }
        hor_buf_puts(out, "/>");
    }
    hor_buf_puts(out, "</configuration>");
}

static int read_number(const char *tag, size_t len, const char *name)
{
    uint64_t value = 0;
    return hor_journal_attribute_number(tag, len, name, &value) == HOR_OK && value < 1000000
               ? (int)value
               : 0;
}

static int read_member(const char *tag, size_t len, struct hor_member *ret, struct hor_error *err)
{
    char text[16];
    unsigned known = 0;
    *ret = (struct hor_member){.id = 0};
    if (hor_journal_attribute_number(tag, len, "id", &ret->id) != HOR_OK || ret->id == 0 ||
        hor_journal_attribute(tag, len, "role", text, sizeof text) != HOR_OK)
        return hor_error_set(err, HOR_ERR_INVALID, "a member without id or role");
    while (known < 3 && strcmp(text, role_name[known]) != 0)
        known++;
    if (known == 3)
        return hor_error_set(err, HOR_ERR_INVALID, "member %" PRIu64 ": unknown role", ret->id);
    ret->role = (enum hor_raft_role)known;
    hor_journal_attribute(tag, len, "name", ret->name, sizeof ret->name);
    hor_journal_attribute(tag, len, "url", ret->url, sizeof ret->url);
    hor_journal_attribute(tag, len, "folder", ret->folder, sizeof ret->folder);
    ret->witness = hor_journal_attribute(tag, len, "witness", text, sizeof text) == HOR_OK &&
                   strcmp(text, "true") == 0;
    ret->priority = read_number(tag, len, "priority");
    ret->max_tasks = read_number(tag, len, "maxTasks");
    return HOR_OK;
}

/* Is this tag, from '<' on, of that name, with or without a prefix? */
static bool is_named(const char *tag, size_t len, const char *name)
{
    size_t name_len = strlen(name), at = 1;
    while (at < len && tag[at] != ' ' && tag[at] != '/' && tag[at] != ':')
        at++;
    at = at < len && tag[at] == ':' ? at + 1 : 1;
    return len > at + name_len && memcmp(tag + at, name, name_len) == 0 && tag[at + name_len] == ' ';
}

int hor_members_read(const char *xml, size_t len, struct hor_members *ret, struct hor_error *err)
{
    const char *at = xml, *end = xml + len;
    memset(ret, 0, sizeof *ret);
    while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        const char *stop = memchr(at, '>', (size_t)(end - at));
        size_t tag_len;
        if (stop == NULL)
            break;
        tag_len = (size_t)(stop - at);
        if (is_named(at, tag_len, "configuration"))
            hor_journal_attribute_number(at, tag_len, "highest", &ret->highest);
        if (is_named(at, tag_len, "member")) {
            if (ret->count == HOR_RAFT_MEMBERS_MAX)
                return hor_error_set(err, HOR_ERR_LIMIT, "more than %d members",
                                     HOR_RAFT_MEMBERS_MAX);
            int rc = read_member(at, tag_len, &ret->list[ret->count], err);
            if (rc != HOR_OK)
                return rc;
            if (ret->list[ret->count].id > ret->highest)
                ret->highest = ret->list[ret->count].id;
            ret->count++;
        }
        at = stop + 1;
    }
    if (ret->count == 0)
        return hor_error_set(err, HOR_ERR_INVALID, "a configuration without members");
    return HOR_OK;
}

void hor_members_to_raft(const struct hor_members *members, struct hor_raft_configuration *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < members->count; i++)
        ret->members[ret->count++] = (struct hor_raft_member){.id = members->list[i].id,
                                                              .role = members->list[i].role};
}

int hor_members_read_raft(const char *xml, size_t len, struct hor_raft_configuration *ret,
                          struct hor_error *err)
{
    struct hor_members *members = malloc(sizeof *members);
    int rc = members != NULL ? hor_members_read(xml, len, members, err)
                             : hor_error_set(err, HOR_ERR_MEMORY, "out of memory");
    if (rc == HOR_OK)
        hor_members_to_raft(members, ret);
    free(members);
    return rc;
}

struct hor_member *hor_members_find(const struct hor_members *members, uint64_t id)
{
    for (unsigned i = 0; i < members->count; i++)
        if (members->list[i].id == id)
            return (struct hor_member *)&members->list[i];
    return NULL;
}

struct hor_member *hor_members_named(const struct hor_members *members, const char *name)
{
    const struct hor_member *best = NULL;
    for (unsigned i = 0; i < members->count; i++)
        if (strcmp(members->list[i].name, name) == 0 &&
            (best == NULL || members->list[i].id > best->id))
            best = &members->list[i];
    return (struct hor_member *)best;
}

struct hor_cluster_member hor_members_view(const struct hor_member *m)
{
    return (struct hor_cluster_member){.id = m->id, .name = m->name, .url = m->url,
                                       .folder = m->folder, .witness = m->witness,
                                       .standby = m->role != HOR_RAFT_VOTER,
                                       .priority = m->priority, .max_tasks = m->max_tasks};
}
