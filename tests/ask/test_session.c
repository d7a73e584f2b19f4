// SPDX-License-Identifier: MIT
#include "ask/session.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/askd-session.XXXXXX";
static char path[128];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/askd/last.json", dir);
    return setenv("XDG_STATE_HOME", dir, 1);
}

static int teardown(void **state)
{
    char folder[128];
    (void)state;
    snprintf(folder, sizeof folder, "%s/askd", dir);
    unlink(path);
    rmdir(folder);
    return rmdir(dir);
}

static void none_is_empty(void **state)
{
    (void)state;
    struct session s;
    struct err e;
    session_load(&s, &e);
    assert_int_equal(s.n, 0);
    assert_int_equal(e.code, -ENOENT);
}

static void what_is_saved_comes_back(void **state)
{
    (void)state;
    struct session s = {.conversation = "c-1"}, t;
    struct err e;
    struct stat st;
    assert_int_equal(session_add(&s, "how \"so\"?\n", "\xE5\xA6\x82 [1]."), 0);
    assert_int_equal(session_save(&s, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    session_load(&t, &e);
    assert_int_equal(e.code, 0);
    assert_string_equal(t.conversation, "c-1");
    assert_int_equal(t.n, 2);
    assert_true(t.turns[0].user && !t.turns[1].user);
    assert_string_equal(t.turns[0].text, "how \"so\"?\n");
    assert_string_equal(t.turns[1].text, "\xE5\xA6\x82 [1].");
    session_clear(&s);
    session_clear(&t);
}

static void the_oldest_go(void **state)
{
    (void)state;
    struct session s = {0};
    char q[32];
    for (int i = 0; i < 20; i++) {
        snprintf(q, sizeof q, "question %d", i);
        assert_int_equal(session_add(&s, q, "answer"), 0);
    }
    assert_int_equal(s.n, SESSION_TURNS_MAX);
    assert_string_equal(s.turns[0].text, "question 12");
    assert_string_equal(s.turns[14].text, "question 19");
    session_clear(&s);
}

static void long_answers_are_cut_at_a_character(void **state)
{
    (void)state;
    struct session s = {0};
    char text[8192];
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xE5\xA6\x82", 4);
    assert_int_equal(session_add(&s, "q", text), 0);
    size_t n = strlen(s.turns[1].text);
    assert_true(n > 2000 && n < 2100);
    assert_int_equal(n % 3, 0);
    session_clear(&s);
}

static void a_foreign_file_is_no_conversation(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "junk",
        "[]",
        "{}",
        "{\"conversation\":1,\"turns\":[]}",
        "{\"conversation\":\"c\",\"turns\":{}}",
        "{\"conversation\":\"c\",\"turns\":[{\"role\":\"user\"}]}",
        "{\"conversation\":\"c\",\"turns\":[1]}",
        "{\"conversation\":\"012345678901234567890123456789012345678901234567890123456789"
        "0123456789\",\"turns\":[]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct session s;
        struct err e;
        assert_int_equal(file_write_atomic(path, bad[i], strlen(bad[i]), &e), 0);
        session_load(&s, &e);
        assert_int_equal(s.n, 0);
        assert_string_equal(s.conversation, "");
        assert_int_equal(e.code, -EINVAL);
        assert_non_null(strstr(e.msg, "last.json"));
        session_clear(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_empty),
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(the_oldest_go),
        cmocka_unit_test(long_answers_are_cut_at_a_character),
        cmocka_unit_test(a_foreign_file_is_no_conversation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
