// SPDX-License-Identifier: MIT
#include "tests/embedder/reader_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char tiny_path[] = "/tmp/askd-test-xlmr-XXXXXX";

int make_tiny(const char *kind, const char *path)
{
    char command[2 * PATH_MAX];
    snprintf(command, sizeof command, "'%s/tests/tools/make_tiny_model' %s '%s'",
             getenv("ASKD_BUILDDIR"), kind, path);
    return system(command);
}

int rig_setup(void **state)
{
    (void)state;
    int fd = mkstemp(tiny_path);
    return fd < 0 || close(fd) ? -1 : make_tiny("xlmr", tiny_path);
}

int rig_teardown(void **state)
{
    (void)state;
    return unlink(tiny_path);
}

// The models that are here: the tiny one always.
static const char *const names[MODELS] = {NULL, "multilingual-e5-small.Q4_0"};

static bool find_model(size_t i, char path[PATH_MAX])
{
    const char *dir = getenv("ASKD_MODELS");
    if (!names[i])
        snprintf(path, PATH_MAX, "%s", tiny_path);
    else
        snprintf(path, PATH_MAX, "%s%s/%s.gguf", dir ? dir : getenv("ASKD_SRCDIR"),
                 dir ? "" : "/models/cache", names[i]);
    if (!access(path, R_OK))
        return true;
    print_message("# skipped: %s is absent (scripts/fetch-models)\n", path);
    return false;
}

int open_reader(struct rig *r, struct random_reader of, bool own_base, struct err *e)
{
    strcpy(r->adapter, "/tmp/askd-test-reader-XXXXXX");
    int fd = mkstemp(r->adapter);
    assert_true(fd >= 0);
    close(fd);
    of.model = r->model;
    of.base = own_base ? embedder_fingerprint(r->m) : of.base;
    assert_int_equal(random_reader_save(&of, r->adapter, e), 0);
    int rc = reader_open(r->m, r->adapter, &r->r, e);
    if (rc)
        unlink(r->adapter);
    return rc;
}

const struct random_reader usual = {.rank = 8, .outputs = OUTPUTS, .seed = 7};

bool open_rig(struct rig *r, size_t model, unsigned threads)
{
    struct err e = {0};
    memset(r, 0, sizeof *r);
    if (!find_model(model, r->model))
        return false;
    int rc = team_new(threads, &r->team, &e);
    if (!rc)
        rc = embedder_open(r->model, r->team, &r->m, &e);
    if (!rc)
        rc = open_reader(r, usual, true, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    return true;
}

void close_rig(struct rig *r)
{
    reader_close(r->r);
    embedder_close(r->m);
    team_free(r->team);
    unlink(r->adapter);
}

const char question[] = "When does the nation's backup start?";

char *repeated(const char *s, size_t times)
{
    size_t n = strlen(s);
    char *all = malloc(n * times + 1);
    assert_non_null(all);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * n, s, n);
    all[n * times] = 0;
    return all;
}

void make_texts(struct texts *t)
{
    static const char *const some[TEXTS][2] = {
        {"Backups", "The nightly backup starts at 02:15 and ends before five."},
        {"", "The nightly backup starts at 02:15 and ends before five."},
        {"", ""},
        {"Heading alone", ""},
        {"\xE4\xB8\xAD\xE5\x9B\xBD", "  \xE5\x9B\xBD \xE4\xB8\xAD\xE5\x9B\xBD  x\xCC\x81 "},
        {"bad \xFF", "\xFE\xFF the \xE4\xB8 tion\n\n in"},
        {"x", "y"},
        {" ", "    "},
    };
    for (size_t i = 0; i < TEXTS; i++) {
        const char *heading = some[i][0] ? some[i][0] : "Long", *s = some[i][1];
        if (i >= TEXTS - 2) // two windows, and several
            s = t->owned[i - (TEXTS - 2)] = repeated(
                i == TEXTS - 1 ? "the tin can in the inn, 42. " : "another \xC3\xA9 . ",
                i == TEXTS - 1 ? 120 : 60);
        t->at[i] = (struct reader_text){heading, strlen(heading), s, strlen(s)};
    }
}

void drop_texts(struct texts *t)
{
    free(t->owned[0]);
    free(t->owned[1]);
}

void read_all(struct rig *r, const char *q, const struct reader_text *texts, size_t n, arena *a,
              struct reading *out)
{
    struct err e = {0};
    int rc = reader_read(r->r, TEAM_INTERACTIVE, q, strlen(q), texts, n, a, out, NULL, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
}
