// SPDX-License-Identifier: MIT
// The body of a question, of any bytes: refused by a sentence, or all its fields are within
// their limits. The first byte says whether it is asked or only searched for.
#include "fuzz/target.h"

#include "base/utf8.h"
#include "daemon/parse.h"

#include <math.h>
#include <string.h>

static char adapters[] = "law /a\nmed /b\n";
static const struct config limits = {
    .adapters = adapters, .max_k = 50, .max_tokens = 100, .max_history = 4, .max_depth = 8};

static void check(const struct question *q)
{
    const struct answer_request *r = &q->request;
    FUZZ_CHECK(*r->question && utf8_valid(r->question, strlen(r->question)));
    FUZZ_CHECK(r->k <= 50 && r->max_tokens <= 100 && r->n_history <= 4);
    FUZZ_CHECK(isfinite(r->sampling.temperature) && r->sampling.temperature >= 0);
    FUZZ_CHECK(isfinite(r->sampling.top_p) && r->sampling.top_p >= 0 && r->sampling.top_p <= 1);
    FUZZ_CHECK(r->n_adapters <= 8 && r->mode <= ANSWER_WRITE);
    for (size_t i = 0; i < r->n_adapters; i++)
        FUZZ_CHECK(!strcmp(r->adapters[i].name, "law") || !strcmp(r->adapters[i].name, "med"));
    for (size_t i = 0; i < r->n_history; i++)
        FUZZ_CHECK(utf8_valid(r->history[i].text, strlen(r->history[i].text)));
    for (size_t i = 0; r->collections && r->collections[i]; i++)
        FUZZ_CHECK(i < 64 && utf8_valid(r->collections[i], strlen(r->collections[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct question q;
    struct err e = {0};
    const char *field = NULL;
    if (!size)
        return 0;
    arena *a = arena_new(0);
    FUZZ_CHECK(a);
    int rc = question_parse((const char *)data + 1, size - 1, data[0] & 1, &limits, a, &q,
                            &field, &e);
    FUZZ_CHECK(rc == 0 || (rc == -EINVAL && *e.msg));
    if (!rc)
        check(&q);
    arena_free(a);
    return 0;
}
