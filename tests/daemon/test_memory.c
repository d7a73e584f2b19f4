// SPDX-License-Identifier: MIT
// Memory that runs out while a request is read, rights are looked up, settings are read and
// conversations are kept: -ENOMEM with a sentence, or as if nothing had been.
#include "tests/tools/failing.h"

#include "base/file.h"
#include "daemon/config.h"
#include "daemon/conversation.h"
#include "daemon/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char adapters[] = "law /a\nmed /b\n";
static const struct config limits = {
    .adapters = adapters, .max_k = 50, .max_tokens = 100, .max_history = 4, .max_depth = 8};

static int parse(struct err *e)
{
    static const char body[] =
        "{\"question\":\"what is "
        "it\",\"collection\":[\"a\",\"b\"],\"k\":3,\"conversation\":\"c-1\","
        "\"filter\":{\"path\":\"/srv/*\",\"after\":\"2026-01-01\",\"type\":\"pdf\"},"
        "\"history\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
        "\"content\":\"b\"}],"
        "\"adapters\":[{\"name\":\"law\",\"scale\":0.5}]}";
    struct question q = {0};
    const char *field = NULL;
    arena *a = arena_new(0);
    if (!a)
        return err_nomem(e);
    int rc = question_parse(body, sizeof body - 1, false, &limits, a, &q, &field, e);
    if (!rc && (strcmp(q.request.question, "what is it") != 0 || q.request.n_history != 2 ||
                q.request.n_adapters != 1 || strcmp(q.request.collections[1], "b") != 0))
        rc = -EINVAL;
    arena_free(a);
    return rc;
}

static int rights(struct err *e)
{
    struct access *t = access_new();
    const gid_t groups[] = {4242};
    const struct principal p = {
        .known = true, .local = true, .uid = 61234, .groups = groups, .n_groups = 1};
    struct rights may = {0};
    struct principal bearer = {0};
    arena *a = arena_new(0);
    int rc = t && a ? 0 : err_nomem(e);
    if (!rc)
        rc = access_add(t, "61234", "read a, b", 1, e);
    if (!rc)
        rc = access_add(t, "@4242", "read c", 2, e);
    if (!rc)
        rc = access_add_token(
            t, "prom", "0000000000000000000000000000000000000000000000000000000000000000", e);
    if (!rc)
        rc = access_add(t, "prom", "admin *", 3, e);
    if (!rc && access_rights(t, "files b", &p, ACCESS_READ, a, &may))
        rc = err_nomem(e);
    const char *const *list = may.collections;
    if (!rc &&
        (!list[0] || !list[1] || !list[2] || list[3] || !may.by_files || may.n_groups != 1))
        rc = -EINVAL; // fewer or more than were given
    if (!rc && access_bearer(t, "no such token", &bearer))
        rc = -EINVAL;
    access_free(t);
    arena_free(a);
    return rc;
}

static char path[] = "/tmp/askd-test-memory-XXXXXX";

static void note(void *ctx, const char *sentence)
{
    snprintf(ctx, ERR_MSG_MAX, "%s", sentence);
}

static int settings(struct err *e)
{
    struct config c;
    char last[ERR_MSG_MAX] = "";
    int rc = config_init(&c, e);
    if (!rc)
        rc = config_read(&c, path, note, last, e);
    if (rc > 0) // so many lines are wrong: those for which there was no memory
        rc = strstr(last, "memory") ? err_set(e, -ENOMEM, "%s", last) : -EINVAL;
    if (!rc && (c.max_k != 20 || strcmp(c.data, "/srv/askd") != 0))
        rc = -EINVAL;
    config_free(&c);
    return rc;
}

static int talk(struct err *e)
{
    struct conversations *c = conversations_new(2);
    struct answer_turn *turns;
    char id[40];
    size_t n = 0;
    arena *a = arena_new(0);
    int rc = c && a ? 0 : err_nomem(e);
    if (!rc)
        rc = conversations_begin(c, 1, id);
    for (int i = 0; i < 10 && !rc; i++)
        conversations_add(c, id, 1, "question", "answer"); // one that finds no room is left out
    if (!rc && (rc = conversations_get(c, id, 1, a, &turns, &n)))
        err_nomem(e);
    for (size_t i = 0; i < n && !rc; i++)
        if (turns[i].user != (i % 2 == 0) ||
            strcmp(turns[i].text, i % 2 ? "answer" : "question"))
            rc = -EINVAL;
    if (!rc && conversations_get(c, id, 2, a, &turns, &n) != -ENOENT)
        rc = -EINVAL; // another's
    conversations_free(c);
    arena_free(a);
    return rc;
}

static void test_all(void **state)
{
    (void)state;
    failing_all(parse, "the JSON of a question", 1);
    failing_all(rights, "rights", 1);
    failing_all(settings, "settings", 1);
    failing_all(talk, "conversations", 1);
}

static int setup(void **state)
{
    static const char text[] = "data = /srv/askd\nmax_k = 20\nhosts = a, b\n[access]\n"
                               "0 = read a, b\n@0 = read c\n* = read d\n";
    struct err e;
    int fd = mkstemp(path);
    (void)state;
    if (fd < 0)
        return -1;
    close(fd);
    return file_write_atomic(path, text, sizeof text - 1, &e);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
