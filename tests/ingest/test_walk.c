// SPDX-License-Identifier: MIT
#include "ingest/ignore.h"
#include "ingest/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64]; // a folder of this test, resolved

static void make(const char *path, const char *text)
{
    char p[512];
    snprintf(p, sizeof p, "%s/%s", top, path);
    for (char *s = strchr(p + strlen(top) + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = 0;
        mkdir(p, 0700);
        *s = '/';
    }
    FILE *f = fopen(p, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    char tmp[] = "/tmp/askd-walk.XXXXXX";
    char *real = mkdtemp(tmp) ? realpath(tmp, NULL) : NULL;
    if (!real)
        return -1;
    snprintf(top, sizeof top, "%s", real);
    free(real);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[128];
    snprintf(cmd, sizeof cmd, "chmod -R u+rwx %s; rm -rf %s", top, top);
    return system(cmd);
}

// The walk's paths below the test's folder, joined by a space.
static void walked(const char *root, const char *const *excludes, size_t n, char *out,
                   size_t cap)
{
    char p[512];
    struct err e = {0};
    struct walk w;
    arena *a = arena_new(0);
    snprintf(p, sizeof p, "%s/%s", top, root);
    const char *paths[] = {p};
    assert_int_equal(walk_run(paths, 1, excludes, n, a, &w, &e), 0);
    out[0] = 0;
    for (size_t i = 0; i < w.n; i++) {
        size_t at = strlen(out);
        snprintf(out + at, cap - at, "%s%s", i ? " " : "", w.files[i].path + strlen(top) + 1);
    }
    arena_free(a);
}

static void test_glob(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
        {"a.md", "a.md", true},
        {"*.md", "a.md", true},
        {"*.md", "b/a.md", false},
        {"a*b*c", "axxbyyc", true},
        {"a*b*c", "axxbyy", false},
        {"?x", "ax", true},
        {"?x", "/x", false},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[]]x", "]x", true},
        {"[ab", "[ab", true},
        {"\\*x", "*x", true},
        {"\\*x", "ax", false},
        {"**/a", "a", true},
        {"**/a", "x/y/a", true},
        {"**/a", "xa", false},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a/**", "a/x/y", true},
        {"a/**", "a", false},
        {"a/*/b", "a/x/b", true},
        {"a/*/b", "a/x/y/b", false},
        {"**/x/*.md", "a/x/b/x/c.md", true},
        {"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ignore_glob(cases[i].pattern, cases[i].path) != cases[i].match)
            fail_msg("\"%s\" against \"%s\"", cases[i].pattern, cases[i].path);
}

static void test_rules(void **state)
{
    (void)state;
    char out[4096];
    make("r/.gitignore",
         "*.log\n/only-top.md\nbuild/\n!keep.log\n# comment\n\\#odd.md\nsp.md \n");
    make("r/a.md", "x");
    make("r/a.log", "x");
    make("r/keep.log", "x");
    make("r/only-top.md", "x");
    make("r/#odd.md", "x");
    make("r/sp.md", "x");
    make("r/build/in.md", "x");
    make("r/sub/build", "a file of that name");
    make("r/sub/only-top.md", "x");
    make("r/sub/b.log", "x");
    make("r/sub/.gitignore", "!b.log\n");
    make("r/sub/.askdignore", "secret.md\n");
    make("r/sub/secret.md", "x");
    make("r/node_modules/x/readme.md", "x");
    make("r/.git/config", "x");
    walked("r", NULL, 0, out, sizeof out);
    assert_string_equal(out, "r/a.md r/keep.log r/sub/b.log r/sub/build r/sub/only-top.md");
    // Rules of the repository's top hold below it too.
    walked("r/sub", NULL, 0, out, sizeof out);
    assert_string_equal(out, "r/sub/b.log r/sub/build r/sub/only-top.md");
    // What is named itself is taken whatever the rules say.
    walked("r/a.log", NULL, 0, out, sizeof out);
    assert_string_equal(out, "r/a.log");
    const char *ex[] = {"sub/*.md", "keep*"};
    walked("r", ex, 2, out, sizeof out);
    assert_string_equal(out, "r/a.md r/sub/b.log r/sub/build");
}

// A folder left out cannot have parts taken in again; built-in rules can be undone.
static void test_negation(void **state)
{
    (void)state;
    char out[4096];
    make("n/.askdignore", "drop/\n!drop/x.md\n!node_modules/\n");
    make("n/drop/x.md", "x");
    make("n/node_modules/y.md", "x");
    walked("n", NULL, 0, out, sizeof out);
    assert_string_equal(out, "n/node_modules/y.md");
}

static void test_links(void **state)
{
    (void)state;
    char from[512], out[4096];
    make("l/d/a.md", "x");
    snprintf(from, sizeof from, "%s/l/d/loop", top);
    assert_int_equal(symlink("..", from), 0);
    snprintf(from, sizeof from, "%s/l/b.md", top);
    assert_int_equal(symlink("/etc/passwd", from), 0);
    snprintf(from, sizeof from, "%s/l/pipe", top);
    assert_int_equal(mkfifo(from, 0600), 0);
    walked("l", NULL, 0, out, sizeof out);
    assert_string_equal(out, "l/d/a.md");
    // A link that is named is followed, and its target is what the document is called.
    snprintf(from, sizeof from, "%s/named", top);
    assert_int_equal(symlink("l/d", from), 0);
    walked("named", NULL, 0, out, sizeof out);
    assert_string_equal(out, "l/d/a.md");
}

static void test_faults(void **state)
{
    (void)state;
    char p[512];
    struct err e = {0};
    struct walk w;
    arena *a = arena_new(0);
    make("f/a.md", "x");
    snprintf(p, sizeof p, "%s/f", top);
    const char *paths[] = {"/nonexistent/x", p, p};
    assert_int_equal(walk_run(paths, 3, NULL, 0, a, &w, &e), 0);
    assert_int_equal(w.n_faults, 1);
    assert_string_equal(w.faults[0].path, "/nonexistent/x");
    assert_non_null(strstr(w.faults[0].why, "No such file"));
    assert_int_equal(w.n, 1); // named twice, taken once
    assert_int_equal(w.files[0].size, 1);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob),     cmocka_unit_test(test_rules),
        cmocka_unit_test(test_negation), cmocka_unit_test(test_links),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests_name("walk", tests, setup, teardown);
}
