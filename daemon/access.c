// SPDX-License-Identifier: MIT
#include "daemon/access.h"

#include "base/hash.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define GROUPS_MAX 4096
#define TOKEN_MARK "askd_"

enum who { WHO_ANYBODY, WHO_ANONYMOUS, WHO_USER, WHO_GROUP, WHO_TOKEN };

struct rule {
    enum who who;
    uint32_t id; // uid or gid
    char *name;  // of a token
    int line;
    unsigned rights;
    bool all;
    char *collections; // names, each ended by a NUL; an empty one ends them
};

struct access_token {
    char *name;
    char sha256[65];
    bool local; // there is a user of that name
    uid_t uid;
    gid_t *groups;
    size_t n_groups;
};

struct access {
    struct rule *rules;
    size_t n;
    struct access_token **tokens; // each where it stays: principals point to them
    size_t n_tokens;
};

struct access *access_new(void)
{
    return calloc(1, sizeof(struct access));
}

void access_free(struct access *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        free(t->rules[i].name);
        free(t->rules[i].collections);
    }
    for (size_t i = 0; i < t->n_tokens; i++) {
        free(t->tokens[i]->name);
        free(t->tokens[i]->groups);
        free(t->tokens[i]);
    }
    free(t->rules);
    free(t->tokens);
    free(t);
}

// ---- reading ----

static bool number(const char *s, uint32_t *out)
{
    char *end;
    if (!isdigit((unsigned char)*s))
        return false;
    errno = 0;
    unsigned long v = strtoul(s, &end, 10);
    *out = (uint32_t)v;
    return !errno && !*end && v < UINT32_MAX; // (uid_t)-1 is nobody's
}

static int set_who(struct rule *r, const char *who, struct err *e)
{
    const struct passwd *user;
    const struct group *group;
    if (!strcmp(who, "*")) {
        r->who = WHO_ANYBODY;
    } else if (!strcmp(who, "anonymous")) {
        r->who = WHO_ANONYMOUS;
    } else if (*who == '@') {
        r->who = WHO_GROUP;
        if (number(who + 1, &r->id))
            return 0;
        if (!(group = getgrnam(who + 1)))
            return err_set(e, -EINVAL, "there is no group '%.80s' on this machine", who + 1);
        r->id = group->gr_gid;
    } else if (number(who, &r->id)) {
        r->who = WHO_USER;
    } else if ((user = getpwnam(who))) {
        r->who = WHO_USER;
        r->id = user->pw_uid;
    } else {
        r->who = WHO_TOKEN; // access_check looks whether there is one
        r->name = strdup(who);
        return r->name ? 0 : err_nomem(e);
    }
    return 0;
}

// "read", "read,write", "admin"
static int set_rights(struct rule *r, const char *s, size_t n, struct err *e)
{
    static const char *const names[] = {"read", "write", "admin"};
    for (size_t at = 0; at < n;) {
        size_t len = strcspn(s + at, ",");
        unsigned found = 0;
        if (len > n - at)
            len = n - at;
        for (int i = 0; i < 3; i++)
            if (strlen(names[i]) == len && !memcmp(s + at, names[i], len))
                found = 1u << i;
        if (!found)
            return err_set(e, -EINVAL,
                           "rights are read, write and admin with commas between, not '%.*s'",
                           (int)(n < 40 ? n : 40), s);
        r->rights |= found;
        at += len + 1;
    }
    return 0;
}

static int set_collections(struct rule *r, const char *s, struct err *e)
{
    char *out = calloc(1, strlen(s) + 2), *at = out;
    if (!out)
        return err_nomem(e);
    r->collections = out;
    while (*(s += strspn(s, " \t,"))) {
        size_t n = strcspn(s, " \t,");
        if (n == 1 && *s == '*') {
            r->all = true;
        } else {
            memcpy(at, s, n);
            at += n + 1;
        }
        s += n;
    }
    return r->all || *out
               ? 0
               : err_set(e, -EINVAL, "which collections? As in 'read handbook' or 'read *'");
}

int access_add(struct access *t, const char *who, const char *value, int line, struct err *e)
{
    struct rule *grown = reallocarray(t->rules, t->n + 1, sizeof *grown);
    if (!grown)
        return err_nomem(e);
    t->rules = grown;
    struct rule *r = &t->rules[t->n++];
    *r = (struct rule){.line = line};
    size_t n = strcspn(value, " \t");
    int rc = set_who(r, who, e);
    if (!rc)
        rc = n ? set_rights(r, value, n, e)
               : err_set(e, -EINVAL, "which rights? As in 'read handbook'");
    if (!rc)
        rc = set_collections(r, value + n, e);
    return rc;
}

static int token_user(struct access_token *k, struct err *e)
{
    const struct passwd *user = getpwnam(k->name);
    if (!user)
        return 0;
    k->local = true;
    k->uid = user->pw_uid;
    int n = GROUPS_MAX;
    k->groups = calloc(GROUPS_MAX, sizeof *k->groups);
    if (!k->groups)
        return err_nomem(e);
    if (getgrouplist(k->name, user->pw_gid, k->groups, &n) < 0)
        return err_set(e, -E2BIG, "user '%.80s' is in more than %d groups", k->name,
                       GROUPS_MAX);
    k->n_groups = (size_t)n;
    return 0;
}

int access_add_token(struct access *t, const char *name, const char *sha256, struct err *e)
{
    uint32_t digits;
    if (!*name || strchr("*@", *name) || !strcmp(name, "anonymous") || number(name, &digits))
        return err_set(e, -EINVAL, "'%.80s' cannot be a token's name", name);
    if (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64)
        return err_set(e, -EINVAL,
                       "the token of '%.80s' is given by its SHA-256, 64 hexadecimal digits "
                       "(askd --make-token %.80s prints the line)",
                       name, name);
    struct access_token **grown = reallocarray(t->tokens, t->n_tokens + 1, sizeof *grown);
    if (!grown)
        return err_nomem(e);
    t->tokens = grown;
    struct access_token *k = calloc(1, sizeof *k);
    if (!k)
        return err_nomem(e);
    t->tokens[t->n_tokens++] = k;
    memcpy(k->sha256, sha256, sizeof k->sha256);
    k->name = strdup(name);
    return k->name ? token_user(k, e) : err_nomem(e);
}

int access_check(const struct access *t, int *line, struct err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct rule *r = &t->rules[i];
        bool found = r->who != WHO_TOKEN;
        for (size_t k = 0; k < t->n_tokens && !found; k++)
            found = !strcmp(t->tokens[k]->name, r->name);
        *line = r->line;
        if (!found)
            return err_set(e, -EINVAL,
                           "'%.80s' is no user of this machine and no token of [tokens]",
                           r->name);
    }
    return 0;
}

bool access_has_tokens(const struct access *t)
{
    return t->n_tokens > 0;
}

// ---- tokens ----

const char *access_token_name(const struct access_token *k)
{
    return k->name;
}

bool access_bearer(const struct access *t, const char *token, struct principal *out)
{
    char sha256[65];
    const struct access_token *found = NULL;
    hash_sha256(token, strlen(token), sha256);
    for (size_t i = 0; i < t->n_tokens; i++) {
        volatile unsigned char differs = 0;
        for (size_t k = 0; k < 64; k++)
            differs |= (unsigned char)(sha256[k] ^ t->tokens[i]->sha256[k]);
        if (!differs)
            found = t->tokens[i];
    }
    if (!found)
        return false;
    *out = (struct principal){.known = true,
                              .local = found->local,
                              .uid = found->uid,
                              .groups = found->groups,
                              .n_groups = found->n_groups,
                              .token = found};
    return true;
}

int access_make_token(char token[ACCESS_TOKEN_MAX], char sha256[65], struct err *e)
{
    unsigned char random[32];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_set(e, -EIO, "no random bytes: %s", strerror(errno));
    int n = snprintf(token, ACCESS_TOKEN_MAX, TOKEN_MARK);
    for (size_t i = 0; i < sizeof random; i++)
        n += snprintf(token + n, ACCESS_TOKEN_MAX - (size_t)n, "%02x", random[i]);
    hash_sha256(token, (size_t)n, sha256);
    return 0;
}

// ---- deciding ----

bool access_owner(const struct principal *p)
{
    return p->known && p->local && (p->uid == 0 || p->uid == geteuid());
}

static bool applies(const struct rule *r, const struct principal *p)
{
    switch (r->who) {
    case WHO_ANYBODY:
        return p->known;
    case WHO_ANONYMOUS:
        return !p->known;
    case WHO_USER:
        return p->known && p->local && p->uid == r->id;
    case WHO_TOKEN:
        return p->token && !strcmp(p->token->name, r->name);
    case WHO_GROUP:
        for (size_t i = 0; p->known && p->local && i < p->n_groups; i++)
            if (p->groups[i] == r->id)
                return true;
        return false;
    }
    return false;
}

bool access_somewhere(const struct access *t, const struct principal *p,
                      enum access_right right)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->rules[i].rights & right && applies(&t->rules[i], p))
            return true;
    return access_owner(p);
}

bool access_everywhere(const struct access *t, const struct principal *p,
                       enum access_right right)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->rules[i].rights & right && t->rules[i].all && applies(&t->rules[i], p))
            return true;
    return access_owner(p);
}

// The collections that `p` has the right on: NULL in *out for all, else a list.
static int list_collections(const struct access *t, const struct principal *p,
                            enum access_right right, arena *a, const char *const **out)
{
    size_t n = 0, most = 0;
    *out = NULL;
    if (access_everywhere(t, p, right))
        return 0;
    for (size_t i = 0; i < t->n; i++)
        for (const char *c = t->rules[i].collections; *c; c += strlen(c) + 1)
            most++;
    const char **list = arena_alloc(a, (most + 1) * sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < t->n; i++) {
        const struct rule *r = &t->rules[i];
        if (!(r->rights & right) || !applies(r, p))
            continue;
        for (const char *c = r->collections; *c; c += strlen(c) + 1) {
            size_t k = 0;
            while (k < n && strcmp(list[k], c) != 0)
                k++;
            if (k == n && !(list[n++] = arena_strdup(a, c)))
                return -ENOMEM;
        }
    }
    list[n] = NULL;
    *out = list;
    return 0;
}

// Behind "files": the names; NULL when it does not begin so.
static const char *acl_names(const char *acl)
{
    size_t n = strlen("files");
    if (strncmp(acl, "files", n) != 0 || !strchr(" \t", acl[n]))
        return NULL;
    return acl + n + strspn(acl + n, " \t,");
}

int access_check_acl(const char *acl, struct err *e)
{
    if (!*acl || acl_names(acl))
        return 0;
    return err_set(e, -EINVAL,
                   "acl is 'files', or 'files' and names of collections, or empty, not '%.80s'",
                   acl);
}

static int set_files(const char *acl, const struct principal *p, arena *a, struct rights *out)
{
    const char *s = acl_names(acl);
    size_t n = 0;
    if (!s || access_owner(p))
        return 0;
    out->by_files = true;
    if (*s) {
        const char **names = arena_alloc(a, (strlen(s) + 1) * sizeof *names);
        for (; names && *s; s += strspn(s, " \t,")) {
            size_t len = strcspn(s, " \t,");
            if (!(names[n++] = arena_strndup(a, s, len)))
                return -ENOMEM;
            s += len;
        }
        if (!names)
            return -ENOMEM;
        names[n] = NULL;
        out->files_of = names;
    }
    if (!p->known || !p->local)
        return 0;
    // The connection, or the token, may be gone before the question is answered.
    gid_t *groups = arena_alloc(a, (p->n_groups + 1) * sizeof *groups);
    if (!groups)
        return -ENOMEM;
    if (p->n_groups)
        memcpy(groups, p->groups, p->n_groups * sizeof *groups);
    out->user = true;
    out->uid = p->uid;
    out->groups = groups;
    out->n_groups = p->n_groups;
    return 0;
}

int access_rights(const struct access *t, const char *acl, const struct principal *p,
                  enum access_right right, arena *a, struct rights *out)
{
    *out = (struct rights){0};
    int rc = list_collections(t, p, right, a, &out->collections);
    return rc ? rc : set_files(acl, p, a, out);
}

int64_t access_number(const struct principal *p, const char *acl)
{
    if (!p->known)
        return -1;
    uint64_t h = 0;
    if (p->local && (!*acl || access_owner(p)))
        return p->uid;
    if (p->local) {
        h = hash64_of(&p->uid, sizeof p->uid, 1);
        for (size_t i = 0; i < p->n_groups; i++) // in whatever order they come
            h += hash64_of(&p->groups[i], sizeof p->groups[i], 2);
    } else {
        h = hash64_of(p->token->name, strlen(p->token->name), 0);
    }
    return -2 - (int64_t)(h >> 2);
}
