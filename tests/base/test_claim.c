// SPDX-License-Identifier: MIT
// Which sentences contradict each other, and which only look alike.
#include "base/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// What differs between two sentences: "" when they do not contradict each other.
static const char *between(const char *x, const char *y, bool versions)
{
    struct claim a, b;
    enum claim_kind there, back;
    claim_of(x, strlen(x), &a);
    claim_of(y, strlen(y), &b);
    bool found = claim_conflict(&a, &b, versions, &there);
    assert_int_equal(claim_conflict(&b, &a, versions, &back), found);
    if (found)
        assert_int_equal(there, back);
    return found ? claim_kind_name(there) : "";
}

struct pair {
    const char *x, *y, *differs;
};

static void check(const struct pair *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = between(p[i].x, p[i].y, false);
        if (strcmp(got, p[i].differs) != 0)
            fail_msg("\"%s\" / \"%s\": got \"%s\", want \"%s\"", p[i].x, p[i].y, got,
                     p[i].differs);
    }
}

static void test_english(void **state)
{
    (void)state;
    const struct pair pairs[] = {
        {"The backup starts at 03:15 every night.", "Backups start at 4:15 every night.",
         "date"},
        {"Sessions expire after 30 minutes of inactivity.",
         "A session expires after 2 hours of inactivity.", "number"},
        {"Sessions expire after 120 minutes of inactivity.",
         "A session expires after 2 hours of inactivity.", ""},
        {"Each user may keep five snapshots on the server.",
         "Each user may keep 7 snapshots on the server.", "number"},
        {"The server runs on Debian 11.4.1 in production.",
         "The server runs on Debian 12.0.2 in production.", "version"},
        {"The image needs a client of version v1.2.",
         "The image needs a client of version v1.3.", "version"},
        {"The contract ends on 3 May 2026 without notice.",
         "The contract ends on 2027-05-03 without notice.", "date"},
        {"The contract ends on May 3, 2026 without notice.",
         "The contract ends on 2026-05-03 without notice.", ""},
        {"The service listens on port 8080 for requests.",
         "The service listens on port 9090 for requests.", "number"},
        {"The bucket is emptied on Fridays by the script.",
         "The bucket is emptied on Mondays by the script.", "date"},
        {"Logs are stored in /var/log/askd by default.",
         "Logs are stored in /srv/log/askd by default.", "path"},
        {"Use --force to overwrite an existing file.", "Use -f to overwrite an existing file.",
         "flag"},
        {"Guests may use the printer in the lobby.",
         "Guests may not use the printer in the lobby.", "negation"},
        {"The cache is enabled by default in releases.",
         "The cache is disabled by default in releases.", "negation"},
        {"There is a limit on attachments for guests.",
         "There is no limit on attachments for guests.", "negation"},
        {"The limit for uploads is 5 GB.", "The limit for uploads is now 10GB.", "number"},
        {"The limit for uploads is 5 GB.", "The limit for uploads is 5000 MB.", ""},
    };
    check(pairs, sizeof pairs / sizeof *pairs);
}

// The same frame about other things, and other sentences.
static void test_subjects(void **state)
{
    (void)state;
    const struct pair pairs[] = {
        {"Option -a takes 1 argument.", "Option -b takes 2 arguments.", ""},
        {"Option -a prints the long list.", "Option -b prints the long list.", ""},
        {"The option -a is obsolete and ignored.", "The option -b is obsolete and ignored.",
         ""},
        {"Chapter 3 describes the package system.", "Chapter 4 describes the package system.",
         ""},
        {"This is described in section 3 of the manual.",
         "This is described in section 5 of the manual.", ""},
        {"Plan 2 includes 5 mailboxes for staff.", "Plan 3 includes 9 mailboxes for staff.",
         ""},
        {"The zebra number 3 sleeps in hall 21.", "The zebra number 4 sleeps in hall 28.", ""},
        {"The file /etc/hosts is read at start.", "The file /etc/fstab is read at start.", ""},
        {"The internal backup starts at 03:15.", "The external backup starts at 04:15.", ""},
        {"Users of Linux need 5 GB of disk.", "Users of Windows need 9 GB of disk.", ""},
        {"Room 12 has a projector and a screen.", "Room 14 has a projector and a screen.", ""},
        {"Copyright 2024 Example Corporation and others.",
         "Copyright 2026 Example Corporation and others.", ""},
        {"The backup starts at 03:15 every night.", "The backup starts at 03:15 every night.",
         ""},
        {"It is 5.", "It is 6.", ""},
        {"| timeout | 30 | seconds to wait |", "| timeout | 60 | seconds to wait |", ""},
        {"选项 -a 需要 1 个参数。", "选项 -b 需要 2 个参数。", ""},
        {"第3章介绍软件包管理系统。", "第4章介绍软件包管理系统。", ""},
        {"内部系统的备份在3点开始。", "外部系统的备份在4点开始。", ""},
    };
    check(pairs, sizeof pairs / sizeof *pairs);
}

static void test_chinese(void **state)
{
    (void)state;
    const struct pair pairs[] = {
        {"备份每天凌晨 3:15 开始。", "备份每天凌晨 4:15 开始。", "date"},
        {"会话在30分钟后过期。", "会话在两小时后过期。", "number"},
        {"会话在120分钟后过期。", "会话在两小时后过期。", ""},
        {"合同于2026年3月1日到期。", "合同于2027年3月1日到期。", "date"},
        {"合同于2026年3月1日到期。", "合同于 2026-03-01 到期。", ""},
        {"访客可以使用大厅的打印机。", "访客不能使用大厅的打印机。", "negation"},
        {"外来人员进入机房需要登记。", "外来人员进入机房无需登记。", "negation"},
        {"系统不支持匿名用户登录。", "系统支持匿名用户登录。", "negation"},
        {"密码连续输错三次账号会被锁定。", "密码连续输错 5 次账号会被锁定。", "number"},
        {"日志文件存放在 /var/log/askd 目录。", "日志文件存放在 /srv/log/askd 目录。", "path"},
        {"例会安排在每周一上午。", "例会安排在每周三上午。", "date"},
    };
    check(pairs, sizeof pairs / sizeof *pairs);
}

static void test_versions(void **state)
{
    (void)state;
    const char *a = "The backup starts at 03:15 and takes 2 hours on the server.";
    const char *b = "The backup starts at 04:15 and takes 3 hours on the server.";
    assert_string_equal(between(a, b, false), "");
    assert_string_equal(between(a, b, true), "date");
    assert_string_equal(
        between("Option -a takes 1 argument.", "Option -b takes 2 arguments.", true), "");
}

static void test_context(void **state)
{
    (void)state;
    struct claim c;
    claim_of("It starts at 03:15 every night on the big server.", 49, &c);
    assert_true(claim_needs_context(&c));
    claim_of("The backup of the big server starts at 03:15.",
             strlen("The backup of the big server starts at 03:15."), &c);
    assert_false(claim_needs_context(&c));
    assert_true(claim_context("Handbook v2 (old)", "Quotas") ==
                claim_context("handbook", "quotas"));
    assert_true(claim_context("Handbook", "Quotas") != claim_context("Handbook", "Backups"));
    assert_true(claim_context("用户手册", NULL) != claim_context("管理手册", NULL));
}

// Whatever the bytes are, reading stays inside them.
static void test_hostile(void **state)
{
    (void)state;
    const char *const seeds[] = {"\xff\xfe 12:34 -- /// ::: 3年5月 不",
                                 "1.2.3-4:5,6 v1. -a- ~/",
                                 "第三十百次周天 2026-13-45 9999999999999999999999999 gb"};
    struct claim c;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        for (size_t n = 0; n <= strlen(seeds[i]); n++) {
            claim_of(seeds[i] + strlen(seeds[i]) - n, n, &c);
            for (unsigned k = 0; k < c.n_values; k++)
                assert_true(c.value[k].start < c.value[k].end && c.value[k].end <= n);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_english), cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_chinese), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_context), cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
