// SPDX-License-Identifier: MIT
// Text is held back while it may still become part of a stop string or of a UTF-8 sequence.
#include "llm/internal.h"

#include "base/utf8.h"

#include <string.h>

int llm__stream_init(struct stream *s, const struct llm_request *r, size_t longest)
{
    size_t stop = 0;
    *s = (struct stream){.stop = r->stop, .on_text = r->on_text, .ctx = r->ctx};
    buf_init(&s->held);
    buf_init(&s->clean);
    for (const char *const *p = s->stop; p && *p; p++)
        stop = strlen(*p) > stop ? strlen(*p) : stop;
    // What is held back is shorter than a stop string and a sequence cut short; cleaning makes
    // one byte three at most.
    size_t most = stop + 4 + longest;
    int rc = buf_reserve(&s->held, most);
    return rc ? rc : buf_reserve(&s->clean, most * 3);
}

void llm__stream_free(struct stream *s)
{
    buf_free(&s->held);
    buf_free(&s->clean);
}

// Give out held[0..n) with invalid bytes replaced, and drop it.
static int emit(struct stream *s, size_t n)
{
    if (!n)
        return 0;
    buf_clear(&s->clean);
    if (utf8_add_clean(&s->clean, s->held.data, n))
        return -ENOMEM;
    memmove(s->held.data, s->held.data + n, s->held.len - n);
    buf_truncate(&s->held, s->held.len - n);
    if (s->on_text && s->on_text(s->ctx, s->clean.data, s->clean.len))
        return STREAM_REFUSED;
    return 0;
}

// Where the first stop string starts, or `none`.
static size_t find_stop(const struct stream *s, size_t none)
{
    size_t first = none;
    for (const char *const *p = s->stop; p && *p; p++) {
        size_t n = strlen(*p);
        const char *hit = n ? memmem(s->held.data, s->held.len, *p, n) : NULL;
        if (hit && (size_t)(hit - s->held.data) < first)
            first = (size_t)(hit - s->held.data);
    }
    return first;
}

// Bytes at the end that may be the start of a stop string.
static size_t stop_tail(const struct stream *s)
{
    size_t longest = 0;
    for (const char *const *p = s->stop; p && *p; p++) {
        size_t n = strlen(*p);
        for (size_t k = n ? n - 1 : 0; k > longest; k--)
            if (k <= s->held.len && !memcmp(s->held.data + s->held.len - k, *p, k))
                longest = k;
    }
    return longest;
}

// Bytes at the end of d[0..n) that are a UTF-8 sequence cut short.
static size_t cut_tail(const char *d, size_t n)
{
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        unsigned char c = (unsigned char)d[n - k];
        if (c >= 0xC0)
            return (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : 2u) > k ? k : 0;
        if (c < 0x80)
            return 0;
    }
    return 0;
}

int llm__stream_push(struct stream *s)
{
    size_t at = find_stop(s, SIZE_MAX);
    if (at != SIZE_MAX) {
        int rc = emit(s, at);
        buf_clear(&s->held);
        return rc ? rc : STREAM_STOPPED;
    }
    size_t n = s->held.len - stop_tail(s);
    return emit(s, n - cut_tail(s->held.data, n));
}

int llm__stream_finish(struct stream *s)
{
    return emit(s, s->held.len);
}
