// SPDX-License-Identifier: MIT
// Text of any bytes through one small vocabulary of each kind: byte BPE with every
// pre-tokeniser, SentencePiece, WordPiece, unigram. No id is outside the vocabulary or, but for
// the unknown token, a control token; byte-level BPE gives back valid UTF-8 as it was.
#include "fuzz/target.h"

#include "base/utf8.h"
#include "fuzz/vocabulary.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tokenizer *all[FUZZ_KINDS];
    const char *s = (const char *)data;
    for (int k = 0; k < FUZZ_KINDS; k++) {
        struct tokens out = TOKENS_INIT;
        struct buf back = BUF_INIT;
        all[k] = all[k] ? all[k] : fuzz_tokenizer((enum fuzz_kind)k);
        FUZZ_CHECK(!tokenizer_encode(all[k], s, size, 0, &out));
        FUZZ_CHECK(out.len <= 6 * size + 1);
        for (size_t i = 0; i < out.len; i++) {
            FUZZ_CHECK(out.ids[i] >= 0 && (size_t)out.ids[i] < tokenizer_size(all[k]));
            FUZZ_CHECK(!out.ids[i] || !tokenizer_is_control(all[k], out.ids[i]));
            FUZZ_CHECK(!tokenizer_decode(all[k], out.ids[i], &back));
        }
        if (k < FUZZ_LLAMA && utf8_valid(s, size))
            FUZZ_CHECK(back.len == size && !memcmp(back.data, s, size));
        tokens_free(&out);
        buf_free(&back);
    }
    return 0;
}
