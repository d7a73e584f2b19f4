// SPDX-License-Identifier: MIT
// Memory that runs out in rules and gate: -ENOMEM with a sentence, and nothing that a rule
// withholds has left; or as if nothing had been.
#include "tests/tools/failing.h"

#include "base/buf.h"
#include "base/file.h"
#include "safety/ground.h"
#include "safety/safety.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/askd-test-safety-XXXXXX";
static safety *rules;
static const char secret[] = "AKIAIOSFODNN7EXAMPLQ";

static int open_rules(struct err *e)
{
    safety *s = NULL;
    const struct safety_options o = {.extra = path};
    int rc = safety_open(&o, &s, e);
    safety_close(s);
    return rc;
}

static int collect(void *ctx, const char *s, size_t n)
{
    return buf_add(ctx, s, n);
}

static int gate(struct err *e)
{
    static const char text[] = "Write to heron, %41nd then: AKIAIOSFODNN7EXAMPLQ is the key.";
    struct buf out = BUF_INIT;
    safety_gate *g = NULL;
    const struct safety_gate_options o = {
        .text = {.stage = SAFETY_ANSWER}, .write = collect, .ctx = &out};
    int rc = safety_gate_new(rules, &o, &g, e);
    for (size_t i = 0; i < sizeof text - 1 && rc == 0; i += 5)
        rc =
            safety_gate_feed(g, text + i, sizeof text - 1 - i < 5 ? sizeof text - 1 - i : 5, e);
    if (rc == 0)
        rc = safety_gate_finish(g, e);
    if (strstr(out.data, secret) || strstr(out.data, "heron"))
        rc = -EINVAL;          // it has left
    else if (rc == -ECANCELED) // its reader stopped, for want of memory
        rc = err_nomem(e);
    else if (rc >= 0)
        rc = rc == 1 && strstr(out.data, SAFETY_MARK "internal]") ? 0 : -EINVAL;
    safety_gate_free(g);
    buf_free(&out);
    return rc;
}

static void note(void *ctx, const struct safety_finding *f, const char *action, unsigned stages)
{
    (void)f;
    (void)action;
    (void)stages;
    ++*(int *)ctx;
}

static int whole(struct err *e)
{
    static const char text[] = "The heron says AKIAIOSFODNN7EXAMPLQ.";
    const struct safety_text t = {.stage = SAFETY_ANSWER};
    struct safety_finding f;
    struct buf out = BUF_INIT;
    int n = 0;
    int rc = safety_scan(rules, &t, text, sizeof text - 1, &f, NULL, e);
    if (rc >= 0)
        rc = rc & SAFETY_WITHHELD ? safety_redact(rules, &t, text, sizeof text - 1, &out, &f, e)
                                  : -EINVAL;
    if (rc >= 0)
        rc = rc == 1 && !strstr(out.data, "heron")
                 ? safety_list(rules, &t, text, sizeof text - 1, note, &n, e)
                 : -EINVAL;
    if (!rc && n < 2)
        rc = -EINVAL;
    buf_free(&out);
    return rc;
}

static int ground(struct err *e)
{
    static const char passage[] =
        "Jobs are queued with at. The limit is 50 jobs per user. Do not "
        "edit /etc/at.deny by hand.\n1. One loop thread. 每个用户 50 个任务。";
    static const char *const sentences[] = {"The limit is 50 jobs per user [1].",
                                            "Edit `/etc/at.allow` when Fedora runs.",
                                            "每个用户最多 50 个任务。"};
    struct ground_verdict v;
    for (int i = 0; i < 3; i++) {
        if (ground_check(sentences[i], strlen(sentences[i]), passage, sizeof passage - 1, &v))
            return err_nomem(e);
        if (v.grounded != (i != 1))
            return -EINVAL;
    }
    return 0;
}

static void test_all(void **state)
{
    (void)state;
    failing_all(open_rules, "opening the rules", 1);
    failing_all(gate, "the gate", 1);
    failing_all(whole, "whole texts", 1);
    failing_all(ground, "groundedness", 1);
}

static int setup(void **state)
{
    static const char extra[] = "[codename]\ncategory = internal\nstages = answer\n"
                                "action = redact\nwords = heron project, heron\n"
                                "collections = a, b\n";
    struct err e;
    const struct safety_options o = {.extra = path};
    int fd = mkstemp(path);
    (void)state;
    if (fd < 0)
        return -1;
    close(fd);
    int rc = file_write_atomic(path, extra, sizeof extra - 1, &e);
    return rc ? rc : safety_open(&o, &rules, &e);
}

static int teardown(void **state)
{
    (void)state;
    safety_close(rules);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
