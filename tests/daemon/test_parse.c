// SPDX-License-Identifier: MIT
// What a question's JSON may be, and the sentence for what it may not.
#include "daemon/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char adapters[] = "law /a\nmed /b\n";
static const struct config limits = {
    .adapters = adapters, .max_k = 50, .max_tokens = 100, .max_history = 2, .max_depth = 32};

static void refuse(const char *body, bool search, const char *field, const char *sentence)
{
    arena *a = arena_new(0);
    struct question q;
    struct err e;
    const char *got = "unset";
    assert_int_equal(question_parse(body, strlen(body), search, &limits, a, &q, &got, &e),
                     -EINVAL);
    if (field)
        assert_string_equal(got, field);
    else
        assert_null(got);
    assert_non_null(strstr(e.msg, sentence));
    arena_free(a);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("", false, NULL, "one JSON object");
    refuse("[]", false, NULL, "one JSON object");
    refuse("{\"question\":\"x\"} trailing", false, NULL, "one JSON object");
    refuse("{}", false, "question", "missing");
    refuse("{\"question\":\"  \"}", false, "question", "not empty");
    refuse("{\"question\":7}", false, "question", "string");
    refuse("{\"question\":\"x\",\"kk\":1}", false, "kk", "no field 'kk'");
    refuse("{\"question\":\"x\",\"k\":0}", false, "k", "from 1 to 50");
    refuse("{\"question\":\"x\",\"k\":1.5}", false, "k", "whole number");
    refuse("{\"question\":\"x\",\"max_tokens\":101}", false, "max_tokens", "1 to 100");
    refuse("{\"question\":\"x\",\"max_tokens\":1}", true, "max_tokens", "no field");
    refuse("{\"question\":\"x\",\"temperature\":-1}", false, "temperature", "0 to 2");
    refuse("{\"question\":\"x\",\"mode\":\"guess\"}", false, "mode", "auto, extract or write");
    refuse("{\"question\":\"x\",\"filter\":{\"size\":1}}", false, "filter",
           "path, after and type");
    refuse("{\"question\":\"x\",\"history\":[{\"role\":\"system\",\"content\":\"y\"}]}", false,
           "history", "role");
    refuse("{\"question\":\"x\",\"collection\":[]}", false, "collection", "1 to 64");
    refuse("{\"question\":\"a\\u0000b\"}", false, NULL, "NUL");
    refuse("{\"question\":\"\xFF\"}", false, NULL, "UTF-8");
    refuse("{\"question\":\"x\",\"adapters\":{}}", false, "adapters", "a list of at most 8");
    refuse("{\"question\":\"x\",\"adapters\":[{}]}", false, "adapters", "has a name");
    refuse("{\"question\":\"x\",\"adapters\":[{\"name\":\"law\",\"weight\":1}]}", false,
           "adapters", "has a name");
    refuse("{\"question\":\"x\",\"adapters\":[{\"name\":\"law\",\"scale\":11}]}", false,
           "adapters", "from -10 to 10");
    refuse("{\"question\":\"x\",\"adapters\":[{\"name\":\"la\"}]}", false, "adapters",
           "no adapter 'la'");
    refuse("{\"question\":\"x\",\"adapters\":[{\"name\":\"law\"},{\"name\":\"law\"}]}", false,
           "adapters", "'law' is named twice");
    refuse("{\"question\":\"x\",\"top_k\":1001}", false, "top_k", "from 0 to 1000");
    refuse("{\"question\":\"x\",\"top_p\":0}", false, "top_p", "from 0.001 to 1");
    refuse("{\"question\":\"x\",\"min_p\":\"0.1\"}", false, "min_p", "from 0 to 1");
    refuse("{\"question\":\"x\",\"repetition_penalty\":0.9}", false, "repetition_penalty",
           "from 1 to 2");
    refuse("{\"question\":\"x\",\"frequency_penalty\":2.5}", false, "frequency_penalty",
           "from -2 to 2");
    refuse("{\"question\":\"x\",\"presence_penalty\":-3}", false, "presence_penalty",
           "from -2 to 2");
    refuse("{\"question\":\"x\",\"logprobs\":5}", false, "logprobs", "true or false");
    refuse("{\"question\":\"x\",\"logprobs\":true}", true, "logprobs", "no field");
    refuse("{\"question\":\"x\",\"stop\":[\"x\"]}", false, "stop", "no field");
    refuse("{\"question\":\"x\",\"format\":{}}", false, "format", "no field");
    char deep[200] = "{\"question\":";
    for (int i = 0; i < 40; i++)
        strcat(deep, "[");
    refuse(deep, false, NULL, "deeper than 32");
}

static void test_taken(void **state)
{
    (void)state;
    arena *a = arena_new(0);
    struct question q;
    struct err e;
    const char *field;
    const char body[] =
        "{\"question\":\"why "
        "\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"?\",\"k\":3,\"collection\":\"a\","
        "\"filter\":{\"path\":\"*.md\",\"after\":null},\"history\":[{\"role\":\"user\","
        "\"content\":\"h\"}],"
        "\"seed\":9,\"temperature\":0.5,\"mode\":\"extract\",\"stream\":true,\"conversation\":"
        "null,\"adapters\":[{\"name\":\"med\",\"scale\":-0.5},{\"name\":\"law\"}],"
        "\"top_k\":40,\"top_p\":0.5,\"min_p\":0.25,\"repetition_penalty\":1.5,"
        "\"frequency_penalty\":-0.5,\"presence_penalty\":null,\"logprobs\":true}\n";
    assert_int_equal(question_parse(body, strlen(body), false, &limits, a, &q, &field, &e), 0);
    assert_int_equal(q.request.k, 3);
    assert_string_equal(q.request.collections[0], "a");
    assert_null(q.request.collections[1]);
    assert_string_equal(q.request.path_glob, "*.md");
    assert_null(q.request.after);
    assert_true(q.request.n_history == 1 && q.request.history[0].user);
    assert_int_equal(q.request.sampling.seed, 9);
    assert_int_equal(q.request.mode, ANSWER_EXTRACT);
    assert_true(q.stream);
    const struct llm_sampling *o = &q.request.sampling;
    assert_int_equal(o->top_k, 40);
    assert_float_equal(o->temperature, 0.5, 0);
    assert_float_equal(o->top_p, 0.5, 0);
    assert_float_equal(o->min_p, 0.25, 0);
    assert_float_equal(o->repetition, 1.5, 0);
    assert_float_equal(o->frequency, -0.5, 0);
    assert_float_equal(o->presence, 0, 0);
    assert_true(q.request.logprobs);
    assert_int_equal(q.request.n_adapters, 2);
    assert_string_equal(q.request.adapters[0].name, "med");
    assert_true(q.request.adapters[0].scale < 0 && q.request.adapters[1].scale > 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
