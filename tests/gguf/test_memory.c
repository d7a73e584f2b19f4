// SPDX-License-Identifier: MIT
// Memory that runs out while a GGUF file is written or read: -ENOMEM with a sentence and no
// file, or as if nothing had been.
#include "tests/tools/failing.h"

#include "engine/gguf/gguf.h"
#include "engine/gguf/gguf_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/askd-test-gguf-XXXXXX";
static char path[64], copied[64];
static const float ones[64] = {1};

static int save(const char *to, struct err *e)
{
    static const struct gguf_str words[] = {{"a", 1}, {"bc", 2}};
    static const int32_t numbers[] = {1, 2, 3};
    static const uint64_t ne[] = {32, 2};
    const void *const slices[] = {ones, ones + 32};
    gguf_writer *w = gguf_writer_new();
    if (!w)
        return err_nomem(e);
    gguf_writer_u32(w, "u", 7);
    gguf_writer_f32(w, "f", 0.5f);
    gguf_writer_bool(w, "b", true);
    gguf_writer_str(w, "s", "text");
    gguf_writer_strings(w, "words", words, 2);
    gguf_writer_array(w, "numbers", GGUF_I32, numbers, 3);
    gguf_writer_tensor(w, "one", 0, ne, 2, ones);
    gguf_writer_stack(w, "two", 0, ne, 2, slices, 2);
    int rc = gguf_writer_save(w, to, e);
    gguf_writer_free(w);
    return rc;
}

static int write_one(struct err *e)
{
    unlink(path);
    int rc = save(path, e);
    return !rc == !access(path, F_OK) ? rc : -EINVAL;
}

static int read_one(struct err *e)
{
    gguf *g = NULL;
    struct gguf_array a;
    int rc = gguf_open(path, &g, e);
    if (!rc && (gguf_kv_count(g) != 6 || gguf_tensor_count(g) != 2))
        rc = -EINVAL;
    if (!rc)
        rc = gguf_get_array(g, "words", &a, e);
    if (!rc && (a.n != 2 || memcmp(a.s[1].s, "bc", 2) != 0 || !gguf_tensor_find(g, "two")))
        rc = -EINVAL;
    gguf_close(g);
    return rc;
}

static int copy_one(struct err *e)
{
    gguf *g = NULL;
    int rc = gguf_open(path, &g, e);
    gguf_writer *w = rc ? NULL : gguf_writer_new();
    if (!rc && !w)
        rc = err_nomem(e);
    for (size_t i = 0; !rc && i < gguf_kv_count(g); i++)
        gguf_writer_copy(w, g, i);
    if (!rc)
        rc = gguf_writer_save(w, copied, e);
    gguf_writer_free(w);
    gguf_close(g);
    return rc;
}

static void test_all(void **state)
{
    struct err e;
    (void)state;
    failing_all(write_one, "writing", 1);
    assert_int_equal(save(path, &e), 0);
    failing_all(read_one, "reading", 1);
    failing_all(copy_one, "copying", 1);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    snprintf(copied, sizeof copied, "%s/copy.gguf", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(copied);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
