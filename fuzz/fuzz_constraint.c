// SPDX-License-Identifier: MIT
// What constrains an answer, from hostile text: a pattern, a JSON schema or passages to quote
// (the first byte says which), walked along tokens that the text chooses. Either it is refused
// by a sentence, or there is a next token wherever the answer may not end.
#include "fuzz/target.h"
#include "fuzz/vocabulary.h"

#include "llm/constraint.h"
#include "llm/model.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 48 };

static llm *model(void)
{
    static llm *m;
    struct err e;
    if (m)
        return m;
    m = calloc(1, sizeof *m); // as far as constraints see one
    FUZZ_CHECK(m);
    pthread_mutex_init(&m->lock, NULL);
    m->t = fuzz_tokenizer(FUZZ_QWEN2);
    FUZZ_CHECK(!llm__vocab_new(m->t, &m->vocab, &e));
    return m;
}

static int make(int kind, const char *s, llm_constraint **out, struct err *e)
{
    static const uint32_t numbers[] = {1, 2, 12};
    const char *passages[2] = {s, s + strlen(s) / 2};
    switch (kind) {
    case 0:
        return llm_constraint_regex(model(), s, out, e);
    case 1:
        return llm_constraint_schema(model(), s, out, e);
    default:
        return llm_constraint_grounded(model(),
                                       &(struct llm_grounds){.cite = kind & 1,
                                                             .numbers = numbers,
                                                             .n_numbers = 3,
                                                             .quote = true,
                                                             .passages = passages,
                                                             .n_passages = 2},
                                       out, e);
    }
}

// The k-th of the tokens that may come, counted around; -1 where none may.
static int32_t nth(const uint64_t *mask, size_t n, size_t k)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += mask[i / 64] >> i % 64 & 1;
    if (!count)
        return -1;
    k %= count;
    for (size_t i = 0;; i++)
        if (mask[i / 64] >> i % 64 & 1 && !k--)
            return (int32_t)i;
}

static void walk(llm_constraint *c, const uint8_t *data, size_t size)
{
    size_t n = tokenizer_size(model()->t);
    llm_constraint_reset(c);
    for (uint32_t left = TOKENS; left; left--) {
        bool may_end = llm_constraint_may_end(c);
        int32_t id = nth(llm_constraint_mask(c, left), n, data[left % size] + left * 7u);
        if (id < 0 || tokenizer_is_end(model()->t, id)) {
            FUZZ_CHECK(may_end);
            return;
        }
        FUZZ_CHECK(!tokenizer_is_control(model()->t, id));
        llm_constraint_accept(c, id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    llm_constraint *c = NULL;
    struct err e = {0};
    if (size < 2)
        return 0;
    char *s = malloc(size);
    FUZZ_CHECK(s);
    memcpy(s, data + 1, size - 1);
    s[size - 1] = 0;
    int rc = make(data[0] % 4, s, &c, &e);
    FUZZ_CHECK(!rc == (c != NULL));
    FUZZ_CHECK(!rc || *e.msg);
    for (int times = 0; times < 2 && !rc; times++)
        walk(c, data, size);
    llm_constraint_free(c);
    free(s);
    return 0;
}
