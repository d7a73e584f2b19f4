// SPDX-License-Identifier: MIT
#include "tests/llm/constraint_rig.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct constraint_model models[MODELS];
size_t n_models;
struct buf text;
static uint64_t random_state;

static uint64_t next(void)
{
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    return z ^ z >> 29;
}

static int add_model(const char *path)
{
    struct err e;
    gguf *g;
    llm *m = &models[n_models].m;
    if (access(path, R_OK)) {
        print_message("# skipped: %s is absent\n", path);
        return 0;
    }
    int rc = gguf_open(path, &g, &e);
    if (!rc)
        rc = tokenizer_open(g, &m->t, &e);
    gguf_close(g);
    if (!rc)
        rc = llm__vocab_new(m->t, &m->vocab, &e);
    size_t n = rc ? 0 : m->vocab->n;
    models[n_models].candidates = calloc(n + 1, sizeof(struct candidate));
    models[n_models].row = calloc(n + 1, sizeof(float));
    models[n_models].counts = calloc(n + 1, sizeof(uint16_t));
    n_models++;
    return rc;
}

int rig_setup(void **state)
{
    char path[PATH_MAX], tiny[] = "/tmp/askd-test-constraint-XXXXXX";
    const char *dir = getenv("ASKD_MODELS");
    (void)state;
    buf_init(&text);
    close(mkstemp(tiny));
    snprintf(path, sizeof path, "%s/tests/tools/make_tiny_model llama %s",
             getenv("ASKD_BUILDDIR"), tiny);
    int rc = system(path) ? -1 : add_model(tiny);
    unlink(tiny);
    static const char *const names[] = {"SmolLM2-135M-Instruct.Q4_1.gguf",
                                        "gemma-3-270m-q4_k_m.gguf"};
    for (size_t i = 0; i < 2 && !rc; i++) {
        snprintf(path, sizeof path, "%s%s/%s", dir ? dir : getenv("ASKD_SRCDIR"),
                 dir ? "" : "/models/cache", names[i]);
        rc = add_model(path);
    }
    return rc;
}

int rig_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_models; i++) {
        llm__vocab_free(models[i].m.vocab);
        tokenizer_close(models[i].m.t);
        free(models[i].candidates);
        free(models[i].row);
        free(models[i].counts);
    }
    buf_free(&text);
    return 0;
}

bool write_text(size_t model, llm_constraint *c, uint32_t left, uint64_t seed)
{
    llm *m = &models[model].m;
    size_t n = m->vocab->n;
    struct sampler s;
    struct llm_sampling o = {.temperature = seed % 3 ? 1.0f : 0.0f, .seed = seed};
    // Short tokens or any, few or all of the vocabulary: what a model would prefer.
    uint64_t taste = seed / 3 % 3;
    llm__sampler_init(&s, &o,
                      &(struct sampler_room){models[model].candidates, models[model].row,
                                             models[model].counts});
    buf_clear(&text);
    llm_constraint_reset(c);
    random_state = seed;
    for (; left; left--) {
        float *row = models[model].row;
        for (size_t i = 0; i < n; i++) {
            size_t bytes = m->vocab->at[i + 1] - m->vocab->at[i];
            row[i] = (float)(next() >> 40) * 0x1p-21f - (taste == 1 ? (float)bytes * 2 : 0);
        }
        int32_t id = llm__constraint_sample(c, &s, row, n, left);
        if (id < 0 || tokenizer_is_end(m->t, id)) {
            assert_true(llm_constraint_may_end(c));
            return true;
        }
        assert_false(tokenizer_is_control(m->t, id));
        const uint64_t *mask = llm_constraint_mask(c, 0);
        assert_true(mask[id / 64] >> id % 64 & 1);
        assert_int_equal(tokenizer_decode(m->t, id, &text), 0);
        llm_constraint_accept(c, id);
        if (llm__constraint_over(c))
            return true;
    }
    return llm_constraint_may_end(c);
}

unsigned seeds(size_t model)
{
    static const unsigned n[MODELS] = {300, 12, 4}; // the real vocabularies take longer
    return n[model];
}

llm_constraint *regex(size_t model, const char *pattern)
{
    struct err e;
    llm_constraint *c = NULL;
    if (llm_constraint_regex(&models[model].m, pattern, &c, &e))
        fail_msg("%s: %s", pattern, e.msg);
    return c;
}
