// SPDX-License-Identifier: MIT
// JSON Schema to automaton. Without references a schema nests no deeper than it is written, so
// what it allows is a regular language. A keyword that would narrow it and is not known here is
// refused by name: what is written always meets the schema.
#include "llm/nfa.h"

#include "llm/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 1000, LENGTH_MAX = 2000 };
#define ARENA_BYTES (4u << 20)

struct schema {
    struct nfa *a;
    struct err *e;
    int rc;
};

static struct part any_of(struct schema *s, const struct json *v);

static int fail(struct schema *s, int code, const char *what, const char *name)
{
    if (!s->rc)
        s->rc = err_set(s->e, code, "JSON schema: %s%s%.60s%s", what, name ? " '" : "",
                        name ? name : "", name ? "'" : "");
    return s->rc;
}

static bool one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(word, *list))
            return true;
    return false;
}

// Refuse what is neither in `known` nor without effect.
static void check_keywords(struct schema *s, const struct json *v, const char *const *known)
{
    static const char *const silent[] = {"type",       "title",    "description", "default",
                                         "$schema",    "$id",      "$comment",    "examples",
                                         "deprecated", "readOnly", NULL};
    for (const struct json *m = v->first; m; m = m->next)
        if (!one_of(m->key, silent) && !one_of(m->key, known))
            fail(s, -ENOTSUP, "here this keyword is not known:", m->key);
}

static struct part text(struct schema *s, const char *t)
{
    return nfa_literal(s->a, t, strlen(t));
}

// A space, or none: what may stand behind ':' and ','.
static struct part gap(struct schema *s)
{
    return nfa_optional(s->a, text(s, " "));
}

static struct part choice_open(struct schema *s)
{
    return (struct part){nfa_state(s->a), nfa_state(s->a)};
}

static void choice_add(struct schema *s, struct part all, struct part x)
{
    nfa_join(s->a, all.start, x.start);
    nfa_join(s->a, x.end, all.end);
}

static uint32_t count(struct schema *s, const struct json *v, const char *key, uint32_t most,
                      uint32_t fallback)
{
    const struct json *n = json_get(v, key);
    if (!n)
        return fallback;
    char *end = NULL;
    unsigned long x = n->kind == JSON_NUMBER ? strtoul(n->text, &end, 10) : 0;
    if (!end || *end || *n->text == '-' || x > most)
        fail(s, -EINVAL, "a count is no whole number or too large:", key);
    return s->rc ? 0 : (uint32_t)x;
}

// A string as a JSON string writes it.
static struct part quoted(struct schema *s, const char *t)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    struct part p = text(s, "\"");
    for (; *t; t++) {
        const char *at = strchr(escaped, *t);
        char pair[2] = {'\\', at ? letters[at - escaped] : 0};
        if (!at && (unsigned char)*t < 0x20)
            fail(s, -ENOTSUP, "a string holds a control character", NULL);
        p = nfa_then(s->a, p, at ? nfa_literal(s->a, pair, 2) : nfa_literal(s->a, t, 1));
    }
    return nfa_then(s->a, p, text(s, "\""));
}

static bool is_of(const struct json *v, const char *type)
{
    static const char *const names[] = {"null",   "boolean", "boolean", "number",
                                        "string", "array",   "object"};
    return !strcmp(type, names[v->kind]) ||
           (v->kind == JSON_NUMBER && !strcmp(type, "integer") && !strpbrk(v->text, ".eE"));
}

// The values of an enum are of the type that stands beside it.
static void check_type(struct schema *s, const struct json *v, const struct json *value)
{
    const struct json *t = json_get(v, "type");
    bool ok = !t;
    if (t && t->kind == JSON_STRING)
        ok = is_of(value, t->text);
    for (const struct json *x = t && t->kind == JSON_ARRAY ? t->first : NULL; x; x = x->next)
        ok |= x->kind == JSON_STRING && is_of(value, x->text);
    if (!ok)
        fail(s, -EINVAL, "a value of enum or const is not of the type beside it", NULL);
}

// A value of `enum` or `const`.
static struct part fixed(struct schema *s, const struct json *v)
{
    switch (v->kind) {
    case JSON_NULL:
        return text(s, "null");
    case JSON_FALSE:
        return text(s, "false");
    case JSON_TRUE:
        return text(s, "true");
    case JSON_NUMBER:
        return text(s, v->text);
    case JSON_STRING:
        return quoted(s, v->text);
    default:
        fail(s, -ENOTSUP, "an enum of arrays or objects", NULL);
        return nfa_empty(s->a);
    }
}

static struct part expression(struct schema *s, const char *pattern, bool json, bool search)
{
    struct part p = nfa_empty(s->a);
    if (!s->rc)
        s->rc = regex_compile(s->a, pattern, json, search, &p, s->e);
    return p;
}

// x from `low` to `high` times, `high` UINT32_MAX: without end; behind the first each follows
// what `between` makes. `make` is called for each copy.
static struct part times(struct schema *s, uint32_t low, uint32_t high,
                         struct part (*make)(struct schema *, const void *),
                         struct part (*between)(struct schema *), const void *arg)
{
    bool endless = high == UINT32_MAX;
    uint32_t copies = endless ? (low ? low : 1) + 1 : high, end = nfa_state(s->a);
    struct part all = nfa_empty(s->a);
    for (uint32_t i = 0; i < copies && !s->rc && !s->a->rc; i++) {
        if (i >= low)
            nfa_join(s->a, all.end, end);
        struct part x = make(s, arg);
        if (i && between)
            x = nfa_then(s->a, between(s), x);
        if (endless && i + 1 == copies)
            x = nfa_star(s->a, x);
        all = nfa_then(s->a, all, x);
    }
    nfa_join(s->a, all.end, end);
    return (struct part){all.start, end};
}

static struct part character(struct schema *s, const void *arg)
{
    static const struct range all = {0, 0x10FFFF};
    (void)arg;
    return nfa_class(s->a, &all, 1, true);
}

static struct part string(struct schema *s, const struct json *v)
{
    static const char *const known[] = {"minLength", "maxLength", "pattern", NULL};
    check_keywords(s, v, known);
    const struct json *pattern = json_get(v, "pattern");
    uint32_t low = count(s, v, "minLength", LENGTH_MAX, 0);
    uint32_t high = count(s, v, "maxLength", LENGTH_MAX, UINT32_MAX);
    struct part inside;
    if (pattern) {
        if (pattern->kind != JSON_STRING || low || high != UINT32_MAX)
            fail(s, -ENOTSUP,
                 "a pattern that is no string, or beside a length: say the length in the "
                 "pattern",
                 NULL);
        inside = expression(s, s->rc ? "" : pattern->text, true, true);
    } else {
        if (low > high)
            fail(s, -EINVAL, "minLength is more than maxLength", NULL);
        inside = times(s, low, high, character, NULL, NULL);
    }
    return nfa_then(s->a, text(s, "\""), nfa_then(s->a, inside, text(s, "\"")));
}

static struct part item(struct schema *s, const void *arg)
{
    return any_of(s, arg);
}

static struct part comma(struct schema *s)
{
    return nfa_then(s->a, text(s, ","), gap(s));
}

static struct part array(struct schema *s, const struct json *v)
{
    static const char *const known[] = {"items", "minItems", "maxItems", NULL};
    check_keywords(s, v, known);
    const struct json *items = json_get(v, "items");
    uint32_t low = count(s, v, "minItems", ITEMS_MAX, 0);
    uint32_t high = count(s, v, "maxItems", ITEMS_MAX, UINT32_MAX);
    if (!items)
        fail(s, -EINVAL, "an array needs 'items'", NULL);
    if (low > high)
        fail(s, -EINVAL, "minItems is more than maxItems", NULL);
    struct part inside = s->rc ? nfa_empty(s->a) : times(s, low, high, item, comma, items);
    return nfa_then(s->a, text(s, "["), nfa_then(s->a, inside, text(s, "]")));
}

static bool is_required(const struct json *list, const char *key)
{
    for (const struct json *r = list ? list->first : NULL; r; r = r->next)
        if (r->kind == JSON_STRING && !strcmp(r->text, key))
            return true;
    return false;
}

static void check_object(struct schema *s, const struct json *v)
{
    static const char *const known[] = {"properties", "required", "additionalProperties", NULL};
    const struct json *properties = json_get(v, "properties"), *list = json_get(v, "required"),
                      *more = json_get(v, "additionalProperties");
    check_keywords(s, v, known);
    if (properties && properties->kind != JSON_OBJECT)
        fail(s, -EINVAL, "'properties' is no object", NULL);
    if (list && list->kind != JSON_ARRAY)
        fail(s, -EINVAL, "'required' is no array", NULL);
    if (more && more->kind != JSON_FALSE && more->kind != JSON_TRUE)
        fail(s, -ENOTSUP, "'additionalProperties' is neither true nor false", NULL);
    for (const struct json *p = s->rc || !properties ? NULL : properties->first; p; p = p->next)
        if (json_get(properties, p->key) != p)
            fail(s, -EINVAL, "a property is named twice:", p->key);
    for (const struct json *r = s->rc || !list ? NULL : list->first; r; r = r->next)
        if (r->kind != JSON_STRING || !properties || !json_get(properties, r->text))
            fail(s, -EINVAL, "a required property is not among the properties:",
                 r->kind == JSON_STRING ? r->text : "?");
}

// Properties in the order in which the schema names them, each or (where it may be left out)
// not. Two rails lead through them: `bare` while none was written, `some` since.
static struct part object(struct schema *s, const struct json *v)
{
    check_object(s, v);
    const struct json *properties = json_get(v, "properties"), *list = json_get(v, "required");
    struct part open = text(s, "{");
    uint32_t bare = open.end, some = nfa_state(s->a), end = nfa_state(s->a);
    bool may_be_bare = true;
    for (const struct json *p = s->rc || !properties ? NULL : properties->first; p;
         p = p->next) {
        if (s->rc || s->a->rc)
            break;
        struct part between = comma(s), colon = nfa_then(s->a, text(s, ":"), gap(s));
        struct part x = nfa_then(s->a, quoted(s, p->key), nfa_then(s->a, colon, any_of(s, p)));
        uint32_t behind = nfa_state(s->a);
        bool must = is_required(list, p->key);
        if (may_be_bare)
            nfa_join(s->a, bare, x.start);
        nfa_join(s->a, some, between.start);
        nfa_join(s->a, between.end, x.start);
        nfa_join(s->a, x.end, behind);
        if (!must)
            nfa_join(s->a, some, behind);
        may_be_bare = may_be_bare && !must;
        some = behind;
    }
    nfa_join(s->a, some, end);
    if (may_be_bare)
        nfa_join(s->a, bare, end);
    return nfa_then(s->a, (struct part){open.start, end}, text(s, "}"));
}

static struct part of_type(struct schema *s, const struct json *v, const char *type)
{
    static const char *const none[] = {NULL};
    if (!strcmp(type, "object"))
        return object(s, v);
    if (!strcmp(type, "array"))
        return array(s, v);
    if (!strcmp(type, "string"))
        return string(s, v);
    check_keywords(s, v, none);
    if (!strcmp(type, "integer"))
        return expression(s, "-?(0|[1-9][0-9]{0,17})", false, false);
    if (!strcmp(type, "number"))
        return expression(s, "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?",
                          false, false);
    if (!strcmp(type, "boolean"))
        return expression(s, "true|false", false, false);
    if (!strcmp(type, "null"))
        return text(s, "null");
    fail(s, -EINVAL, "this type is not known:", type);
    return nfa_empty(s->a);
}

// Each of a list by `make`, any of which will do.
static struct part any(struct schema *s, const struct json *list, const char *name,
                       struct part (*make)(struct schema *, const struct json *))
{
    struct part all = choice_open(s);
    if (list->kind != JSON_ARRAY || !list->first)
        fail(s, -EINVAL, "this is no list, or an empty one:", name);
    for (const struct json *x = s->rc ? NULL : list->first; x && !s->rc && !s->a->rc;
         x = x->next)
        choice_add(s, all, make(s, x));
    return all;
}

static struct part types(struct schema *s, const struct json *v, const struct json *list)
{
    // Each type reads those keywords that are its own, so beside others there may be none.
    static const char *const none[] = {NULL};
    struct part all = choice_open(s);
    if (list->first && list->first->next)
        check_keywords(s, v, none);
    for (const struct json *x = list->first; x && !s->rc && !s->a->rc; x = x->next)
        choice_add(s, all, of_type(s, v, x->kind == JSON_STRING ? x->text : "?"));
    return all;
}

static struct part any_of(struct schema *s, const struct json *v)
{
    static const char *const only_enum[] = {"enum", NULL},
                             *const only_const[] = {"const", NULL},
                             *const only_any[] = {"anyOf", NULL};
    const struct json *x;
    if (v->kind != JSON_OBJECT) {
        fail(s, -ENOTSUP, "a schema is an object here", NULL);
        return nfa_empty(s->a);
    }
    if ((x = json_get(v, "enum"))) {
        check_keywords(s, v, only_enum);
        for (const struct json *value = x->first; value; value = value->next)
            check_type(s, v, value);
        return any(s, x, "enum", fixed);
    }
    if ((x = json_get(v, "const"))) {
        check_keywords(s, v, only_const);
        check_type(s, v, x);
        return fixed(s, x);
    }
    if ((x = json_get(v, "anyOf"))) {
        check_keywords(s, v, only_any);
        if (json_get(v, "type"))
            fail(s, -ENOTSUP, "'type' beside 'anyOf'", NULL);
        return any(s, x, "anyOf", any_of);
    }
    x = json_get(v, "type");
    if (x && x->kind == JSON_STRING)
        return of_type(s, v, x->text);
    if (x && x->kind == JSON_ARRAY && x->first)
        return types(s, v, x);
    fail(s, -EINVAL, "a schema needs 'type', 'enum', 'const' or 'anyOf'", NULL);
    return nfa_empty(s->a);
}

int schema_compile(struct nfa *a, const char *schema, struct part *out, struct err *e)
{
    arena *memory = arena_new(ARENA_BYTES);
    struct schema s = {.a = a, .e = e};
    struct json *v = NULL;
    s.rc = memory ? json_read(schema, memory, &v, e) : err_nomem(e);
    if (!s.rc)
        *out = any_of(&s, v);
    arena_free(memory);
    return s.rc;
}
