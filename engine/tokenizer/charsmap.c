// SPDX-License-Identifier: MIT
// SentencePiece's precompiled normaliser (tokenizer.ggml.precompiled_charsmap): u32 bytes of
// the trie, the trie, the replacements, each ended by NUL. The trie is a double array (Aoe
// 1989; as Darts-clone packs it): a unit of 32 bits has its label in the low byte, "a key ends
// here" in bit 8, and the way to its children, an XOR, in bits 10 and up, times 256 where bit 9
// is set. The unit behind a key's end holds the place of its replacement.
#include "engine/tokenizer/internal.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT_MAX 256 // bytes; Unicode's longest takes 33

struct charsmap {
    uint32_t *units;
    size_t n_units;
    char *text; // ends with NUL
    size_t n_text;
};

static int bad(const gguf *g, struct err *e, const char *what)
{
    return err_set(e, -EINVAL, "%s: tokenizer.ggml.precompiled_charsmap: %s", gguf_path(g),
                   what);
}

int charsmap_open(const gguf *g, struct charsmap **out, struct err *e)
{
    struct gguf_array a;
    uint32_t bytes = 0;
    int rc = gguf_get_array(g, "tokenizer.ggml.precompiled_charsmap", &a, e);
    *out = NULL;
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    if ((a.type != GGUF_U8 && a.type != GGUF_I8) || (a.n && a.n < 8))
        return bad(g, e, "it is no list of bytes, or too short");
    if (!a.n)
        return 0;
    memcpy(&bytes, a.data, sizeof bytes);
    if (!bytes || bytes % 4 || bytes > a.n - 4)
        return bad(g, e, "its trie is cut short");
    struct charsmap *m = *out = calloc(1, sizeof *m);
    if (!m)
        return err_nomem(e);
    m->n_units = bytes / 4;
    m->n_text = a.n - 4 - bytes;
    m->units = malloc(bytes);
    m->text = malloc(m->n_text + 1);
    if (!m->units || !m->text)
        return err_nomem(e);
    memcpy(m->units, (const char *)a.data + 4, bytes);
    memcpy(m->text, (const char *)a.data + 4 + bytes, m->n_text);
    m->text[m->n_text] = 0;
    return 0;
}

void charsmap_close(struct charsmap *m)
{
    if (!m)
        return;
    free(m->units);
    free(m->text);
    free(m);
}

static size_t children(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

size_t charsmap_match(const struct charsmap *m, const char *s, size_t n, const char **to,
                      size_t *n_to)
{
    size_t longest = 0, at = children(m->units[0]);
    for (size_t i = 0; i < n && s[i]; i++) {
        unsigned char c = (unsigned char)s[i];
        at ^= c;
        if (at >= m->n_units || (m->units[at] & (1u << 31 | 255)) != c)
            break;
        bool ends = m->units[at] >> 8 & 1;
        at ^= children(m->units[at]);
        if (!ends)
            continue;
        size_t place = at < m->n_units ? m->units[at] & INT32_MAX : SIZE_MAX;
        if (place >= m->n_text)
            break; // a lie
        size_t len = strnlen(m->text + place, REPLACEMENT_MAX + 1);
        if (len > REPLACEMENT_MAX)
            continue;
        longest = i + 1;
        *to = m->text + place;
        *n_to = len;
    }
    return longest;
}
