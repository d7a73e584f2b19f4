// SPDX-License-Identifier: MIT
// A GGUF file of any bytes as a tokenizer: refused by a sentence, or it tokenises, and every id
// that it gives is one of its own.
#include "fuzz/target.h"

#include "engine/tokenizer/tokenizer.h"

#include <string.h>

static void encode(const tokenizer *t, const char *s, size_t n, unsigned flags)
{
    struct tokens out = TOKENS_INIT;
    struct buf back = BUF_INIT;
    FUZZ_CHECK(!tokenizer_encode(t, s, n, flags, &out));
    for (size_t i = 0; i < out.len; i++) {
        FUZZ_CHECK(out.ids[i] >= 0 && (size_t)out.ids[i] < tokenizer_size(t));
        FUZZ_CHECK(!tokenizer_decode(t, out.ids[i], &back));
        (void)tokenizer_is_end(t, out.ids[i]);
    }
    tokens_free(&out);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "Hi, the  daemon's 12345 \xE4\xBD\xA0\xE5\xA5\xBD\n\n<0x41> "
                               "<|im_end|>\xFF\xF0\x9F\x98\x80 ab abb \xC3\xA9";
    struct err e = {0};
    gguf *g;
    tokenizer *t;
    if (gguf_open(fuzz_file(data, size), &g, &e))
        return 0;
    int rc = tokenizer_open(g, &t, &e);
    gguf_close(g); // the tokenizer keeps nothing of it
    FUZZ_CHECK(!rc || (e.code < 0 && *e.msg));
    if (rc)
        return 0;
    encode(t, text, sizeof text, 0);
    encode(t, text, sizeof text - 1, TOKENIZER_ADD_SPECIAL | TOKENIZER_PARSE_CONTROL);
    encode(t, (const char *)data, size < 4096 ? size : 4096, 0);
    (void)tokenizer_find(t, "<|im_end|>");
    tokenizer_close(t);
    return 0;
}
