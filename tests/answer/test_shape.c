// SPDX-License-Identifier: MIT
// Lists told whole where they are wished for, and where not.
#include "answer/internal.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const ops =
    "Tell the channel first. The key is in the vault.\n\n"
    "1. Open the release page.\n2. Run `make deploy`.\n3. If errors rise, run `make "
    "rollback`.\n\n"
    "These ports must be open:\n\n- 443 for HTTPS\n- 22 for SSH\n\nThat is all.";

// What is quoted of `text` for the question when the extracts are at these words: a range
// "first..last" or one sentence; "|" between extracts.
static void check(const char *text, const char *question, const char *const *picked, size_t n,
                  const char *expected)
{
    arena *a = arena_new(0);
    struct answer_passage passage = {.hit = {.text = text}};
    struct answer_passages p = {.question = question, .passages = &passage, .n = 1};
    struct extract x[EXTRACTS_MAX] = {{0}};
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        const char *at = strstr(text, picked[i]);
        assert_non_null(at);
        x[i].start = (size_t)(at - text);
        x[i].end = x[i].start + strlen(picked[i]);
    }
    shape_extracts(&p, a, x, &n);
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s%.*s", i ? "|" : "", (int)(x[i].end - x[i].start), text + x[i].start);
    assert_string_equal(b.len ? b.data : "", expected);
    buf_free(&b);
    arena_free(a);
}
#define STEPS                                                                         \
    "1. Open the release page.\n2. Run `make deploy`.\n3. If errors rise, run `make " \
    "rollback`."
#define PORTS "These ports must be open:\n\n- 443 for HTTPS\n- 22 for SSH"

static void test_steps(void **state)
{
    (void)state;
    const char *two[] = {"2. Run `make deploy`.", "1. Open the release page."};
    check(ops, "How do I deploy it?", two, 2, STEPS);
    check(ops, "What are the steps of a deployment?", two, 1, STEPS);
    check(ops, "Which command deploys it?", two, 1, two[0]);
    check(ops, "What command rolls back a deployment?", &two[1], 1, two[1]);
    const char *not_of_it[] = {"2. Run `make deploy`.", "The key is in the vault."};
    check(ops, "怎么部署？", not_of_it, 2, STEPS "|The key is in the vault.");
}

static void test_lists(void **state)
{
    (void)state;
    const char *item[] = {"- 22 for SSH"},
               *led[] = {"These ports must be open:\n\n- 443 for HTTPS"};
    check(ops, "Which ports must be open?", item, 1, PORTS);
    check(ops, "Which firewall ports do we need?", item, 1, PORTS);
    check(ops, "哪些端口要打开？", item, 1, PORTS);
    check(ops, "How do I reach the host?", item, 1, item[0]); // no steps
    check(ops, "Which port is for SSH?", item, 1, item[0]);
    check(ops, "Is anything open?", led, 1, PORTS); // never a lead-in with a part of its list
    const char *prose[] = {"The key is in the vault."};
    check(ops, "Which keys are there?", prose, 1, prose[0]);
}

static void test_room(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_addf(&b, "Before.\n\n");
    for (int i = 1; i < 10; i++)
        buf_addf(&b, "%d. Turn the wheel until it does not go on by itself any more.\n", i);
    const char *last[] = {"Before.",
                          "9. Turn the wheel until it does not go on by itself any more."};
    // Only the best may take more than its room, and what is longer still is told in part.
    check(b.data, "How do I stop it?", last, 2,
          "Before.|9. Turn the wheel until it does not go on by itself any more.");
    struct buf all = BUF_INIT;
    buf_add(&all, strstr(b.data, "1. Turn"), strlen(strstr(b.data, "1. Turn")) - 1);
    check(b.data, "How do I stop it?", last + 1, 1, all.data); // 108 words
    buf_addf(&b, "10. %0500d\n", 0);
    for (int i = 11; i < 20; i++)
        buf_addf(&b, "%d. Turn the other wheel until it stops by itself, too.\n", i);
    check(b.data, "How do I stop it?", last + 1, 1, last[1]);
    buf_free(&all);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
