// SPDX-License-Identifier: MIT
// Who may read a file: what is captured of real files and folders, and how it is judged.
#include "base/permissions.h"
#include "base/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/askd-test-permissions-XXXXXX";
static char folder[64], file[64];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(folder, sizeof folder, "%s/f", dir);
    snprintf(file, sizeof file, "%s/f/a.md", dir);
    if (mkdir(folder, 0755))
        return -1;
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd < 0 ? -1 : close(fd) | chmod(dir, 0755);
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static const char *of(mode_t of_folder, mode_t of_file)
{
    static char text[PERMISSIONS_MAX];
    assert_int_equal(chmod(file, of_file) | chmod(folder, of_folder), 0);
    permissions_of(file, NULL, text);
    return text;
}

static void test_judging(void **state)
{
    (void)state;
    const gid_t groups[] = {5, 100};
    assert_true(permissions_allow("", 1, NULL, 0));
    assert_false(permissions_allow("?", 0, NULL, 0));
    assert_true(permissions_allow("7:8:4", 7, NULL, 0));
    assert_false(permissions_allow("7:8:3", 7, groups, 2));   // the owner is no "other"
    assert_false(permissions_allow("7:100:5", 9, groups, 2)); // nor is the group
    assert_true(permissions_allow("7:100:5", 9, groups, 1));
    assert_true(permissions_allow("7:100:2 9:1:6", 9, groups, 2));
    assert_false(permissions_allow("7:100:2 8:1:6", 9, groups, 2)); // every one must let pass
    static const char *const bad[] = {
        "1",      "1:2",     "1:2:",   "1:2:7",        "1:2:4 ",
        " 1:2:4", "x",       "1:2:4x", "-1:2:4",       "1::4",
        "? ",     "1:2:4 ?", "1:2:44", "1:2:4  1:2:4", "4294967296:1:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (permissions_allow(bad[i], 1, groups, 2) ||
            permissions_allow(bad[i], 4294967295u, NULL, 0))
            fail_msg("'%s' lets pass", bad[i]);
}

static void test_joining(void **state)
{
    (void)state;
    char text[PERMISSIONS_MAX] = "2:2:4";
    permissions_join(text, "1:1:6 2:2:4");
    assert_string_equal(text, "1:1:6 2:2:4");
    permissions_join(text, "");
    assert_string_equal(text, "1:1:6 2:2:4");
    permissions_join(text, "nonsense");
    assert_string_equal(text, "?");
    permissions_join(text, "");
    assert_string_equal(text, "?");
    // More than fit is nobody's.
    *text = 0;
    for (unsigned i = 0; i < 60; i++) {
        char one[40];
        snprintf(one, sizeof one, "%u:1:4", i + 1000000000u);
        permissions_join(text, one);
    }
    assert_string_equal(text, "?");
}

static void test_files(void **state)
{
    (void)state;
    char want[100], text[PERMISSIONS_MAX];
    unsigned uid = geteuid();
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    unsigned gid = st.st_gid;
    assert_string_equal(of(0755, 0644), "");
    snprintf(want, sizeof want, "%u:%u:6", uid, gid);
    assert_string_equal(of(0755, 0640), want);
    assert_string_equal(of(0750, 0640), want); // the same condition, once
    assert_string_equal(of(0750, 0644), want);
    snprintf(want, sizeof want, "%u:%u:4", uid, gid);
    assert_string_equal(of(0700, 0644), want); // a file that all could read, if they got there
    snprintf(want, sizeof want, "%u:%u:4 %u:%u:6", uid, gid, uid, gid);
    assert_string_equal(of(0700, 0640), want);
    assert_string_equal(of(0744, 0644),
                        (snprintf(want, sizeof want, "%u:%u:4", uid, gid), want));
    assert_string_equal(of(0711, 0644), ""); // it need not be listed
    snprintf(want, sizeof want, "%u:%u:1", uid, gid);
    assert_string_equal(of(0755, 0004), want);
    of(0755, 0644);
    permissions_of("/nowhere/at/all", NULL, text);
    assert_string_equal(text, "?");
    permissions_of("a.md", NULL, text);
    assert_string_equal(text, "?");
    char link[80];
    snprintf(link, sizeof link, "%s/link", dir);
    assert_int_equal(symlink(file, link), 0);
    permissions_of(link, NULL, text);
    assert_string_equal(text, "?");
}

// The folder that is remembered gives what looking anew gives.
static void test_remembered_folder(void **state)
{
    (void)state;
    struct permissions_folder *last = calloc(1, sizeof *last);
    char kept[PERMISSIONS_MAX], anew[PERMISSIONS_MAX], other[80];
    assert_non_null(last);
    snprintf(other, sizeof other, "%s/ab.md", dir); // whose folder's name begins like the other
    close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const char *const files[] = {file, file, other, file, "/etc/passwd", other};
    of(0710, 0640);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        permissions_of(files[i], last, kept);
        permissions_of(files[i], NULL, anew);
        assert_string_equal(kept, anew);
    }
    free(last);
}

// A list beyond the mode: the text of `setfacl -m u:1:r`, as the kernel keeps it.
static void test_access_control_list(void **state)
{
    (void)state;
    struct entry {
        uint16_t tag, perm;
        uint32_t id;
    };
    struct {
        uint32_t version;
        struct entry e[5];
    } acl = {2,
             {{1, 6, UINT32_MAX},
              {2, 4, 1},
              {4, 4, UINT32_MAX},
              {16, 4, UINT32_MAX},
              {32, 4, UINT32_MAX}}};
    char text[PERMISSIONS_MAX];
    of(0755, 0644);
    if (setxattr(file, "system.posix_acl_access", &acl, sizeof acl, 0)) {
        assert_int_equal(errno, ENOTSUP);
        print_message("# skipped: /tmp has no access control lists\n");
        skip();
    }
    permissions_of(file, NULL, text);
    assert_string_equal(text, "?");
    assert_int_equal(removexattr(file, "system.posix_acl_access"), 0);
    permissions_of(file, NULL, text);
    assert_string_equal(text, "");
    // Of a folder's, the one on itself counts, not what its files inherit.
    acl.e[0].perm = acl.e[1].perm = acl.e[2].perm = acl.e[3].perm = acl.e[4].perm = 7;
    assert_int_equal(setxattr(folder, "system.posix_acl_default", &acl, sizeof acl, 0), 0);
    permissions_of(file, NULL, text);
    assert_string_equal(text, "");
    assert_int_equal(setxattr(folder, "system.posix_acl_access", &acl, sizeof acl, 0), 0);
    permissions_of(file, NULL, text);
    assert_string_equal(text, "?");
    assert_int_equal(removexattr(folder, "system.posix_acl_access"), 0);
}

// What is judged is what the kernel does: a child with the ids opens the file, or cannot.
static bool kernel_allows(uid_t uid, gid_t gid, const gid_t *groups, size_t n)
{
    int status;
    pid_t child = fork();
    if (!child) {
        if (setgroups(n, groups) || setgid(gid) || setuid(uid))
            _exit(2);
        _exit(open(file, O_RDONLY | O_CLOEXEC) < 0);
    }
    assert_true(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                WEXITSTATUS(status) < 2);
    return !WEXITSTATUS(status);
}

static void test_as_the_kernel(void **state)
{
    static const mode_t modes[] = {0, 0400, 0040, 0004, 0440, 0044, 0404, 0444};
    (void)state;
    if (geteuid()) {
        print_message("# skipped: takes root\n");
        skip();
    }
    assert_int_equal(chown(file, 61001, 62001) | chown(folder, 61001, 62002), 0);
    for (size_t m = 0; m < 64; m++) {
        mode_t x = modes[m / 8] >> 2; // r to x
        const char *text = of(x | 0200, modes[m % 8]);
        for (unsigned who = 0; who < 12; who++) {
            gid_t groups[] = {who % 3 == 2 ? 62002u : 62001u, 62003, 62002};
            uid_t uid = who < 6 ? 61001 : 61002;
            gid_t gid = who % 2 ? 62001 : 62009;
            gid_t all[] = {groups[0], groups[1], groups[2], gid};
            size_t n = who % 3;
            all[n] = gid;
            bool want = kernel_allows(uid, gid, groups, n);
            if (permissions_allow(text, uid, all, n + 1) != want)
                fail_msg("folder %o, file %o, who %u: the kernel says %d", (unsigned)x,
                         (unsigned)modes[m % 8], who, want);
        }
    }
}

static void test_rights(void **state)
{
    (void)state;
    static const char *const both[] = {"a", "b", NULL}, *const one[] = {"b", NULL};
    struct rights r = {.collections = both};
    assert_true(rights_document(NULL, "x", "?") && !rights_limited(NULL));
    assert_true(rights_document(&r, "a", "?") && !rights_document(&r, "c", ""));
    r = (struct rights){.collections = both, .by_files = true, .files_of = one};
    assert_true(rights_document(&r, "a", "?"));
    assert_false(rights_document(&r, "b", "")); // of no user
    r.user = true;
    r.uid = 7;
    assert_true(rights_document(&r, "b", "") && rights_document(&r, "b", "7:1:4"));
    assert_false(rights_document(&r, "b", "8:1:4") || rights_document(&r, "c", ""));
    r = (struct rights){.by_files = true, .user = true};
    assert_true(rights_limited(&r) && !rights_document(&r, "any", "?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judging),
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_remembered_folder),
        cmocka_unit_test(test_access_control_list),
        cmocka_unit_test(test_as_the_kernel),
        cmocka_unit_test(test_rights),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
