// SPDX-License-Identifier: MIT
// Reading a map of hostile bytes: never beyond its end, one sentence for the first thing wrong.
#include "engine/gguf/internal.h"

#include "base/utf8.h"

#include <string.h>

int gguf__fail(struct gguf_cursor *c, const char *problem)
{
    if (!c->rc && c->walked)
        c->rc = err_set(c->e, -EINVAL, "%s: %s: %s", c->g->path, c->what, problem);
    else if (!c->rc)
        c->rc = err_set(c->e, -EINVAL, "%s: byte %zu: %s: %s", c->g->path, c->field, c->what,
                        problem);
    return c->rc;
}

const void *gguf__take(struct gguf_cursor *c, size_t n)
{
    if (c->rc)
        return NULL;
    c->field = c->at;
    if (n > c->g->map.size - c->at) {
        gguf__fail(c, "the file ends too early");
        return NULL;
    }
    const void *p = c->g->map.data + c->at;
    c->at += n;
    return p;
}

uint32_t gguf__take_u32(struct gguf_cursor *c)
{
    uint32_t v = 0;
    const void *p = gguf__take(c, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return v;
}

uint64_t gguf__take_u64(struct gguf_cursor *c)
{
    uint64_t v = 0;
    const void *p = gguf__take(c, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return v;
}

struct gguf_str gguf__take_str(struct gguf_cursor *c, uint64_t max, const char *too_long)
{
    uint64_t n = gguf__take_u64(c);
    if (n > max)
        gguf__fail(c, too_long);
    const char *s = gguf__take(c, (size_t)n);
    return (struct gguf_str){s, s ? (size_t)n : 0};
}

// Names reach terminals and logs inside sentences: none may steer them.
static bool has_control(const char *s, size_t n)
{
    size_t step;
    for (size_t i = 0; i < n; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (cp < 32 || (cp >= 127 && cp < 160))
            return true;
    }
    return false;
}

const char *gguf__take_name(struct gguf_cursor *c, uint64_t max, const char *too_long)
{
    struct gguf_str s = gguf__take_str(c, max, too_long);
    if (!c->rc && !s.n)
        gguf__fail(c, "its name is empty");
    else if (!c->rc && (!utf8_valid(s.s, s.n) || has_control(s.s, s.n)))
        gguf__fail(c, "its name is no UTF-8 or has control characters");
    char *copy = c->rc ? NULL : arena_strndup(c->g->a, s.s, s.n);
    if (!c->rc && !copy)
        c->rc = err_nomem(c->e);
    return copy ? copy : "";
}
