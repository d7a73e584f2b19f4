// SPDX-License-Identifier: MIT
// Fields of a question that are null, empty or at their limits; conversations that make room.
#include "daemon/conversation.h"
#include "daemon/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char adapters[] = "law /a\nmed /b\n";
static const struct config limits = {
    .adapters = adapters, .max_k = 50, .max_tokens = 100, .max_history = 2, .max_depth = 8};

// 0, or the field that is refused ("": the whole body).
static const char *refused(const char *fields)
{
    static char name[64];
    char body[1000];
    struct question q;
    struct err e = {0};
    const char *field = NULL;
    arena *a = arena_new(0);
    int n = snprintf(body, sizeof body, "{\"question\":\"x\",%s}", fields);
    int rc = question_parse(body, (size_t)n, false, &limits, a, &q, &field, &e);
    snprintf(name, sizeof name, "%s", field ? field : "");
    arena_free(a);
    assert_true(!rc || (rc == -EINVAL && *e.msg));
    return rc ? name : NULL;
}

static void test_null_is_absent(void **state)
{
    (void)state;
    assert_null(refused("\"collection\":null,\"history\":null,\"adapters\":null,\"k\":null,"
                        "\"filter\":null,\"conversation\":null,\"mode\":null,\"seed\":null"));
    assert_null(refused("\"filter\":{\"path\":null,\"after\":null,\"type\":null}"));
    assert_string_equal(refused("\"collection\":[null]"), "collection");
    assert_string_equal(refused("\"collection\":[\"a\",null]"), "collection");
    assert_string_equal(refused("\"history\":[null]"), "history");
    assert_string_equal(refused("\"adapters\":[null]"), "adapters");
}

static void test_limits(void **state)
{
    char many[400] = "\"collection\":[";
    (void)state;
    for (int i = 0; i < 65; i++)
        strcat(many, i ? ",\"a\"" : "\"a\"");
    strcat(many, "]");
    assert_string_equal(refused(many), "collection");
    assert_null(refused("\"k\":1"));
    assert_null(refused("\"k\":50"));
    assert_string_equal(refused("\"k\":51"), "k");
    assert_string_equal(refused("\"k\":-1"), "k");
    assert_string_equal(refused("\"k\":1e308"), "k");
    assert_string_equal(refused("\"k\":\"8\""), "k");
    assert_null(refused("\"history\":[]"));
    assert_string_equal(refused("\"history\":{}"), "history");
    assert_string_equal(refused("\"history\":[{\"role\":1,\"content\":\"x\"}]"), "history");
    assert_string_equal(refused("\"history\":[{\"role\":\"user\",\"content\":1}]"), "history");
    assert_string_equal(refused("\"history\":[{\"role\":\"user\"}]"), "history");
    assert_string_equal(refused("\"history\":[{\"role\":\"user\",\"content\":\"1\"},"
                                "{\"role\":\"user\",\"content\":\"2\"},"
                                "{\"role\":\"user\",\"content\":\"3\"}]"),
                        "history");
    assert_string_equal(refused("\"adapters\":[{\"name\":\"law\",\"scale\":\"1\"}]"),
                        "adapters");
    assert_string_equal(refused("\"adapters\":[{\"name\":1}]"), "adapters");
    assert_string_equal(refused("\"adapters\":[1,2,3,4,5,6,7,8,9]"), "adapters");
}

static void test_dates(void **state)
{
    (void)state;
    assert_null(refused("\"filter\":{\"after\":\"2026-01-31\"}"));
    static const char *const bad[] = {"2026-01-3",  "2026-01-311", "2026/01/31", "x026-01-31",
                                      "2026-0a-31", "2026-01-3:",  "",           "2026-01-31 "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "\"filter\":{\"after\":\"%s\"}", bad[i]);
        const char *field = refused(text);
        if (!field)
            print_error("%s is let pass\n", bad[i]);
        assert_non_null(field);
    }
}

static void test_the_longest_unused_goes(void **state)
{
    struct conversations *c = conversations_new(24); // three for each
    struct answer_turn *turns;
    char ids[4][40], late[40];
    size_t n;
    arena *a = arena_new(0);
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(conversations_begin(c, 7, ids[i]), 0);
    conversations_add(c, ids[0], 7, "question", "answer");
    assert_int_equal(conversations_get(c, ids[0], 7, a, &turns, &n), 0); // used
    assert_int_equal(n, 2);
    assert_int_equal(conversations_begin(c, 8, ids[3]), 0); // another's takes nobody's place
    assert_int_equal(conversations_get(c, ids[1], 7, a, &turns, &n), 0);
    assert_int_equal(conversations_get(c, ids[2], 7, a, &turns, &n), 0);
    assert_int_equal(conversations_get(c, ids[0], 7, a, &turns, &n), 0);
    assert_int_equal(conversations_begin(c, 7, late), 0); // in the place of his second
    assert_int_equal(conversations_get(c, ids[1], 7, a, &turns, &n), -ENOENT);
    assert_int_equal(conversations_get(c, ids[0], 7, a, &turns, &n), 0);
    assert_int_equal(conversations_get(c, ids[3], 8, a, &turns, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(conversations_get(c, ids[3], 7, a, &turns, &n), -ENOENT);
    assert_int_equal(conversations_begin(c, 7, ids[1]), 0); // in the place of his third
    assert_int_equal(conversations_get(c, ids[2], 7, a, &turns, &n), -ENOENT);
    assert_int_equal(conversations_get(c, late, 7, a, &turns, &n), 0);
    conversations_add(c, "c-0", 7, "question", "answer"); // to nobody
    conversations_free(c);
    conversations_free(NULL);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_is_absent), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_dates), cmocka_unit_test(test_the_longest_unused_goes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
