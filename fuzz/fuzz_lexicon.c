// SPDX-License-Identifier: MIT
// A lexicon of any bytes: a line is wrong, or every term is found again.
#include "fuzz/target.h"

#include "base/utf8.h"
#include "retriever/lexicon.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lexicon *l;
    struct err e = {0};
    size_t n, found = 0;
    int rc = lexicon_open(fuzz_file(data, size), &l, &e);
    if (rc) {
        FUZZ_CHECK(*e.msg);
        return 0;
    }
    const char *s = (const char *)data, *end = s + size;
    for (const char *next; s < end; s = next + 1) {
        next = memchr(s, '\n', (size_t)(end - s));
        next = next ? next : end;
        const char *tab = memchr(s, '\t', (size_t)(next - s));
        if (s == next || *s == '#' || !tab)
            continue;
        const struct lexicon_translation *t = lexicon_find(l, s, (size_t)(tab - s), &n);
        FUZZ_CHECK(t && n && *t->word && t->probability > 0 && t->probability <= 1);
        FUZZ_CHECK(lexicon_longest(l, s, (size_t)(tab - s)) > 0 ||
                   utf8_count(s, (size_t)(tab - s)) > 8);
        found++;
    }
    FUZZ_CHECK(found == lexicon_terms(l));
    lexicon_close(l);
    return 0;
}
