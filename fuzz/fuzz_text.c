// SPDX-License-Identifier: MIT
// Text of any bytes through one small vocabulary of each kind: byte BPE with every
// pre-tokeniser, SentencePiece, WordPiece, unigram. No id is outside the vocabulary or, but for
// the unknown token, a control token; byte-level BPE gives back valid UTF-8 as it was; spans of
// unigram ascend within the text.
#include "fuzz/target.h"

#include "base/utf8.h"
#include "fuzz/vocabulary.h"

#include <string.h>

static void check_spans(const tokenizer *t, const char *s, size_t n, const struct tokens *ids)
{
    struct tokens out = TOKENS_INIT;
    struct token_spans spans = TOKEN_SPANS_INIT;
    struct err e;
    FUZZ_CHECK(!tokenizer_encode_spans(t, s, n, 0, &out, &spans, &e));
    FUZZ_CHECK(out.len == ids->len && spans.len == out.len);
    for (size_t i = 0; i < spans.len; i++) {
        struct token_span x = spans.at[i], last = spans.at[i ? i - 1 : 0];
        FUZZ_CHECK(out.ids[i] == ids->ids[i]);
        FUZZ_CHECK(last.start <= x.start && last.end <= x.end);
        FUZZ_CHECK(x.start <= x.end && x.end <= n);
    }
    tokens_free(&out);
    token_spans_free(&spans);
}

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
        if (k == FUZZ_T5)
            check_spans(all[k], s, size, &out);
        if (k < FUZZ_LLAMA && utf8_valid(s, size))
            FUZZ_CHECK(back.len == size && !memcmp(back.data, s, size));
        tokens_free(&out);
        buf_free(&back);
    }
    return 0;
}
