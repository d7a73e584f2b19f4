// SPDX-License-Identifier: MIT
// Who may do what: rules and principals, one by one.
#include "base/hash.h"
#include "daemon/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STRANGER 61234 // no daemon's uid

static void add(struct access *t, const char *who, const char *value)
{
    struct err e = {0};
    if (access_add(t, who, value, 1, &e))
        fail_msg("%s = %s: %s", who, value, e.msg);
}

// The scope as "a b", "*" for all.
static const char *scope(const struct access *t, const struct principal *p,
                         enum access_right right)
{
    static char text[200];
    struct rights r;
    arena *a = arena_new(0);
    assert_int_equal(access_rights(t, "", p, right, a, &r), 0);
    assert_false(r.by_files);
    const char *const *list = r.collections;
    snprintf(text, sizeof text, "%s", list ? "" : "*");
    for (size_t i = 0; list && list[i]; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 list[i]);
    arena_free(a);
    return text;
}

static struct principal user(uid_t uid, const gid_t *groups, size_t n)
{
    return (struct principal){
        .known = true, .local = true, .uid = uid, .groups = groups, .n_groups = n};
}

static void test_nothing_written_gives_nothing(void **state)
{
    (void)state;
    struct access *t = access_new();
    struct principal stranger = user(STRANGER, NULL, 0), root = user(0, NULL, 0),
                     own = user(geteuid(), NULL, 0), nobody = {0};
    for (int right = ACCESS_READ; right <= ACCESS_ADMIN; right *= 2) {
        assert_string_equal(scope(t, &stranger, (enum access_right)right), "");
        assert_string_equal(scope(t, &nobody, (enum access_right)right), "");
        assert_string_equal(scope(t, &root, (enum access_right)right), "*");
        assert_string_equal(scope(t, &own, (enum access_right)right), "*");
        assert_false(access_somewhere(t, &stranger, (enum access_right)right));
        assert_false(access_everywhere(t, &nobody, (enum access_right)right));
        assert_true(access_everywhere(t, &own, (enum access_right)right));
    }
    access_free(t);
}

static void test_rights_add_up(void **state)
{
    (void)state;
    const gid_t groups[] = {7, 50001};
    struct access *t = access_new();
    struct principal p = user(STRANGER, groups, 2), other = user(STRANGER + 1, groups, 1),
                     nobody = {0};
    add(t, "61234", "read,write a, b");
    add(t, "@50001", "read b c");
    add(t, "*", "read d");
    add(t, "anonymous", "read e");
    assert_string_equal(scope(t, &p, ACCESS_READ), "a b c d");
    assert_string_equal(scope(t, &p, ACCESS_WRITE), "a b");
    assert_string_equal(scope(t, &p, ACCESS_ADMIN), "");
    assert_string_equal(scope(t, &other, ACCESS_READ), "d");
    assert_string_equal(scope(t, &nobody, ACCESS_READ), "e");
    add(t, "@7", "admin *");
    assert_string_equal(scope(t, &other, ACCESS_ADMIN), "*");
    assert_string_equal(scope(t, &other, ACCESS_READ), "d"); // admin reads nothing
    access_free(t);
}

static void test_wrong_lines(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"5", "reads a"},
                                           {"5", "read"},
                                           {"5", ""},
                                           {"5", "read,"
                                                 "execute a"},
                                           {"@nosuchgroup", "read a"},
                                           {"5", "a read"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct access *t = access_new();
        struct err e = {0};
        assert_int_equal(access_add(t, wrong[i][0], wrong[i][1], 1, &e), -EINVAL);
        assert_true(*e.msg);
        access_free(t);
    }
    struct access *t = access_new();
    struct err e = {0};
    int line = 0;
    assert_int_equal(access_add(t, "nosuchuser", "read a", 12, &e), 0);
    assert_int_equal(access_check(t, &line, &e), -EINVAL);
    assert_int_equal(line, 12);
    assert_non_null(strstr(e.msg, "nosuchuser"));
    access_free(t);
}

static void test_tokens(void **state)
{
    (void)state;
    char token[ACCESS_TOKEN_MAX], sha256[65], second[ACCESS_TOKEN_MAX], other[65];
    struct err e = {0};
    struct principal p = {0}, q = {0};
    struct access *t = access_new();
    int line;
    assert_int_equal(access_make_token(token, sha256, &e), 0);
    assert_int_equal(access_make_token(second, other, &e), 0);
    assert_string_not_equal(token, second);
    assert_int_equal(strlen(token), 5 + 64); // 256 bits
    assert_int_equal(access_add_token(t, "buildbot-x", sha256, &e), 0);
    assert_int_equal(access_add_token(t, "wikibot-x", other, &e), 0);
    add(t, "buildbot-x", "read a");
    add(t, "*", "read b");
    assert_int_equal(access_check(t, &line, &e), 0);
    assert_true(access_bearer(t, token, &p));
    assert_string_equal(scope(t, &p, ACCESS_READ), "a b");
    assert_true(access_bearer(t, second, &q));
    assert_string_equal(scope(t, &q, ACCESS_READ), "b");
    assert_true(access_number(&p, "") < -1 && access_number(&q, "files") < -1);
    assert_true(access_number(&p, "") != access_number(&q, ""));
    token[10] ^= 1;
    assert_false(access_bearer(t, token, &p));
    assert_false(access_bearer(t, "", &p));
    assert_false(access_bearer(t, sha256, &p)); // what stands in the file opens nothing
    assert_int_equal(access_add_token(t, "short", "abc", &e), -EINVAL);
    assert_int_equal(access_add_token(t, "*", other, &e), -EINVAL);
    assert_int_equal(access_add_token(t, "0", other, &e), -EINVAL);
    assert_int_equal(access_add_token(t, "anonymous", other, &e), -EINVAL);
    access_free(t);
}

// A token by the name of a user is that user.
static void test_token_of_a_user(void **state)
{
    (void)state;
    char token[ACCESS_TOKEN_MAX], sha256[65];
    struct err e = {0};
    struct principal p = {0};
    struct access *t = access_new();
    assert_int_equal(access_make_token(token, sha256, &e), 0);
    assert_int_equal(access_add_token(t, "root", sha256, &e), 0);
    assert_true(access_bearer(t, token, &p));
    assert_int_equal(access_number(&p, "files"), 0);
    assert_true(access_owner(&p));
    access_free(t);
}

static void test_files(void **state)
{
    (void)state;
    gid_t groups[] = {7, 50001};
    struct err e = {0};
    struct rights r;
    arena *a = arena_new(0);
    struct access *t = access_new();
    struct principal p = user(STRANGER, groups, 2), nobody = {0},
                     own = user(geteuid(), NULL, 0);
    add(t, "*", "read a, b, c");
    add(t, "anonymous", "read a");
    assert_int_equal(access_rights(t, "files", &p, ACCESS_READ, a, &r), 0);
    groups[1] = 8; // the connection's memory is used again
    assert_true(rights_document(&r, "a", "") && rights_document(&r, "a", "1:50001:2"));
    assert_true(rights_document(&r, "b", "61234:1:4"));
    assert_false(rights_document(&r, "a", "1:8:2") || rights_document(&r, "a", "?"));
    assert_false(rights_document(&r, "d", "")); // files add no rights
    assert_int_equal(access_rights(t, "files b,c", &p, ACCESS_READ, a, &r), 0);
    assert_true(rights_document(&r, "a", "1:1:4"));
    assert_false(rights_document(&r, "b", "1:1:4") || rights_document(&r, "c", "1:1:4"));
    // Whoever has no uid reads nothing there, though everybody could read the file.
    assert_int_equal(access_rights(t, "files", &nobody, ACCESS_READ, a, &r), 0);
    assert_true(rights_collection(&r, "a"));
    assert_false(rights_document(&r, "a", ""));
    assert_int_equal(access_rights(t, "files", &own, ACCESS_READ, a, &r), 0);
    assert_false(rights_limited(&r));
    assert_int_equal(access_check_acl("", &e) | access_check_acl("files", &e) |
                         access_check_acl("files a", &e),
                     0);
    assert_int_equal(access_check_acl("file", &e), -EINVAL);
    assert_int_equal(access_check_acl("filesa", &e), -EINVAL);
    arena_free(a);
    access_free(t);
}

// Under an acl another session of the same user, with other groups, is another asker.
static void test_numbers(void **state)
{
    (void)state;
    const gid_t one[] = {7, 50001}, turned[] = {50001, 7}, less[] = {7};
    struct principal p = user(STRANGER, one, 2), q = user(STRANGER, turned, 2),
                     r = user(STRANGER, less, 1), s = user(STRANGER + 1, one, 2);
    assert_int_equal(access_number(&p, ""), STRANGER);
    assert_int_equal(access_number(&r, ""), STRANGER);
    assert_true(access_number(&p, "files") == access_number(&q, "files"));
    assert_true(access_number(&p, "files") != access_number(&r, "files"));
    assert_true(access_number(&p, "files") != access_number(&s, "files"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_written_gives_nothing),
        cmocka_unit_test(test_rights_add_up),
        cmocka_unit_test(test_wrong_lines),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_token_of_a_user),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
