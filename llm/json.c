// SPDX-License-Identifier: MIT
#include "llm/json.h"

#include "base/utf8.h"

#include <string.h>

struct reader {
    const char *s;
    size_t at;
    unsigned depth;
    arena *a;
    struct err *e;
    int rc;
};

static struct json *value(struct reader *r);

static void fail(struct reader *r, int code, const char *why)
{
    if (!r->rc)
        r->rc = err_set(r->e, code, "JSON, byte %zu: %s", r->at + 1, why);
}

static char peek(struct reader *r)
{
    while (r->s[r->at] && strchr(" \t\r\n", r->s[r->at]))
        r->at++;
    return r->s[r->at];
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->at++;
    return true;
}

static void *get(struct reader *r, size_t n)
{
    void *p = arena_alloc(r->a, n);
    if (!p && !r->rc)
        r->rc = err_nomem(r->e);
    return p;
}

static unsigned hex4(struct reader *r)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        char c = r->s[r->at];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) {
            fail(r, -EINVAL, "a hexadecimal digit is missing");
            return 0;
        }
        v = v * 16 + digit;
        r->at++;
    }
    return v;
}

// Behind a backslash; returns how many bytes went to `out`.
static size_t escape(struct reader *r, char *out)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = r->s[r->at];
    const char *at = c ? strchr(letters, c) : NULL;
    r->at += c != 0;
    if (at)
        return *out = values[at - letters], 1;
    if (c != 'u') {
        fail(r, -EINVAL, "an unknown escape");
        return 0;
    }
    uint32_t cp = hex4(r);
    if (cp >= 0xD800 && cp < 0xDC00 && r->s[r->at] == '\\' && r->s[r->at + 1] == 'u') {
        r->at += 2;
        uint32_t low = hex4(r);
        cp = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((cp - 0xD800) << 10) + low - 0xDC00 : 0;
    }
    if (!cp || (cp >= 0xD800 && cp < 0xE000)) {
        fail(r, -EINVAL, "half a character, or NUL");
        return 0;
    }
    return utf8_encode(cp, out);
}

// Behind the quotation mark.
static const char *string(struct reader *r)
{
    char *out = get(r, strcspn(r->s + r->at, "\"") + 1), *grown;
    size_t n = 0, cap = strcspn(r->s + r->at, "\"");
    while (!r->rc) {
        char c = r->s[r->at];
        if ((unsigned char)c < 0x20) {
            fail(r, -EINVAL, "a string is not closed");
            break;
        }
        r->at++;
        if (c == '"')
            break;
        if (cap - n < 4) { // an escaped quotation mark made it longer than was thought
            cap = cap * 2 + 16;
            if (!(grown = get(r, cap + 1)))
                break;
            memcpy(grown, out, n);
            out = grown;
        }
        if (c == '\\')
            n += escape(r, out + n);
        else
            out[n++] = c;
    }
    if (!r->rc)
        out[n] = 0;
    if (!r->rc && !utf8_valid(out, n))
        fail(r, -EINVAL, "a string is no UTF-8");
    return r->rc ? NULL : out;
}

static void digits(struct reader *r)
{
    if (r->s[r->at] < '0' || r->s[r->at] > '9')
        fail(r, -EINVAL, "a digit is missing");
    while (r->s[r->at] >= '0' && r->s[r->at] <= '9')
        r->at++;
}

static const char *number(struct reader *r)
{
    size_t start = r->at;
    r->at += r->s[r->at] == '-';
    if (r->s[r->at] == '0')
        r->at++;
    else
        digits(r);
    if (r->s[r->at] == '.') {
        r->at++;
        digits(r);
    }
    if (r->s[r->at] == 'e' || r->s[r->at] == 'E') {
        r->at++;
        r->at += r->s[r->at] == '+' || r->s[r->at] == '-';
        digits(r);
    }
    char *out = get(r, r->at - start + 1);
    if (out)
        memcpy(out, r->s + start, r->at - start);
    return out;
}

// Behind '[' or '{'.
static void elements(struct reader *r, struct json *v, char close)
{
    struct json **link = &v->first;
    if (++r->depth > JSON_DEPTH_MAX)
        fail(r, -E2BIG, "nested too deep");
    if (!r->rc && take(r, close)) {
        r->depth--;
        return;
    }
    while (!r->rc) {
        const char *key = NULL;
        if (v->kind == JSON_OBJECT) {
            key = take(r, '"') ? string(r) : NULL;
            if (!key || !take(r, ':'))
                fail(r, -EINVAL, "a member is a string, a colon and a value");
        }
        struct json *x = r->rc ? NULL : value(r);
        if (!x)
            return;
        x->key = key;
        *link = x;
        link = &x->next;
        if (take(r, close))
            break;
        if (!take(r, ','))
            fail(r, -EINVAL, "a comma or the end is missing");
    }
    r->depth--;
}

static struct json *value(struct reader *r)
{
    static const struct {
        const char *word;
        enum json_kind kind;
    } words[] = {{"null", JSON_NULL}, {"false", JSON_FALSE}, {"true", JSON_TRUE}};
    struct json *v = get(r, sizeof *v);
    char c = peek(r);
    if (!v)
        return NULL;
    for (size_t i = 0; i < 3; i++)
        if (!strncmp(r->s + r->at, words[i].word, strlen(words[i].word))) {
            r->at += strlen(words[i].word);
            v->kind = words[i].kind;
            return v;
        }
    if (c == '-' || (c >= '0' && c <= '9')) {
        v->kind = JSON_NUMBER;
        v->text = number(r);
    } else if (take(r, '"')) {
        v->kind = JSON_STRING;
        v->text = string(r);
    } else if (take(r, '[')) {
        v->kind = JSON_ARRAY;
        elements(r, v, ']');
    } else if (take(r, '{')) {
        v->kind = JSON_OBJECT;
        elements(r, v, '}');
    } else {
        fail(r, -EINVAL, "a value is missing");
    }
    return r->rc ? NULL : v;
}

int json_read(const char *s, arena *a, struct json **out, struct err *e)
{
    struct reader r = {.s = s, .a = a, .e = e};
    if (strnlen(s, JSON_BYTES_MAX + 1) > JSON_BYTES_MAX)
        return err_set(e, -E2BIG, "JSON of more than %u bytes", JSON_BYTES_MAX);
    *out = value(&r);
    if (!r.rc && peek(&r))
        fail(&r, -EINVAL, "something follows the value");
    return r.rc;
}

const struct json *json_get(const struct json *o, const char *key)
{
    for (const struct json *m = o->kind == JSON_OBJECT ? o->first : NULL; m; m = m->next)
        if (!strcmp(m->key, key))
            return m;
    return NULL;
}
