// SPDX-License-Identifier: MIT
// What the writer writes the reader reads; and no damaged file is believed.
#include "base/buf.h"
#include "base/file.h"
#include "engine/gguf/gguf_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/askd-test-gguf-XXXXXX";

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static const float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void write_sample(void)
{
    struct err e;
    gguf_writer *w = gguf_writer_new();
    const int32_t ids[3] = {-1, 2, 3};
    const struct gguf_str words[2] = {{"a", 1}, {"b\0c", 3}};
    const uint64_t flat[1] = {8}, grid[2] = {4, 2};
    gguf_writer_str(w, "general.architecture", "tiny");
    gguf_writer_u32(w, "tiny.count", 7);
    gguf_writer_f32(w, "tiny.eps", 0.5f);
    gguf_writer_bool(w, "tiny.flag", true);
    gguf_writer_array(w, "tiny.ids", GGUF_I32, ids, 3);
    gguf_writer_strings(w, "tiny.words", words, 2);
    gguf_writer_tensor(w, "flat", 0, flat, 1, numbers);
    gguf_writer_tensor(w, "grid", 0, grid, 2, numbers);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct err e;
    gguf *g;
    write_sample();
    assert_int_equal(gguf_open(path, &g, &e), 0);
    struct gguf_str s;
    uint32_t u;
    float f;
    bool b;
    struct gguf_array a;
    int64_t i;
    assert_int_equal(gguf_get_str(g, "general.architecture", &s, &e), 0);
    assert_true(s.n == 4 && !memcmp(s.s, "tiny", 4));
    assert_int_equal(gguf_get_u32(g, "tiny.count", &u, &e), 0);
    assert_int_equal(u, 7);
    assert_int_equal(gguf_get_f32(g, "tiny.eps", &f, &e), 0);
    assert_true(f == 0.5f);
    assert_int_equal(gguf_get_bool(g, "tiny.flag", &b, &e), 0);
    assert_true(b);
    assert_int_equal(gguf_get_array(g, "tiny.ids", &a, &e), 0);
    assert_int_equal(gguf_array_i64(&a, 0, &i), 0);
    assert_int_equal(i, -1);
    assert_int_equal(gguf_array_i64(&a, 3, &i), -EINVAL);
    assert_int_equal(gguf_get_array(g, "tiny.words", &a, &e), 0);
    assert_true(a.n == 2 && a.s[1].n == 3 && !memcmp(a.s[1].s, "b\0c", 3));
    const struct gguf_tensor *t = gguf_tensor_find(g, "grid");
    assert_non_null(t);
    assert_true(t->n_dims == 2 && t->ne[0] == 4 && t->ne[1] == 2 && t->ne[2] == 1);
    assert_true(t->bytes == 32 && (uintptr_t)t->data % 32 == 0);
    assert_memory_equal(t->data, numbers, 32);
    assert_null(gguf_tensor_find(g, "none"));
    assert_int_equal(gguf_get_u32(g, "tiny.none", &u, &e), -ENOENT);
    assert_int_equal(gguf_get_u32(g, "tiny.eps", &u, &e), -EINVAL);
    assert_int_equal(gguf_get_str(g, "tiny.count", &s, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "tiny.count"));
    gguf_close(g);
}

// Keys copied one by one make a file that says the same.
static void test_copy(void **state)
{
    (void)state;
    struct err e;
    gguf *g;
    struct buf first = BUF_INIT, second = BUF_INIT;
    const uint64_t flat[1] = {8}, grid[2] = {4, 2};
    write_sample();
    assert_int_equal(file_read(path, 1 << 20, &first, &e), 0);
    assert_int_equal(gguf_open(path, &g, &e), 0);
    gguf_writer *w = gguf_writer_new();
    for (size_t i = 0; i < gguf_kv_count(g); i++)
        gguf_writer_copy(w, g, i);
    gguf_writer_tensor(w, "flat", 0, flat, 1, numbers);
    gguf_writer_tensor(w, "grid", 0, grid, 2, numbers);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
    gguf_close(g);
    assert_int_equal(file_read(path, 1 << 20, &second, &e), 0);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    buf_free(&first);
    buf_free(&second);
}

static int open_bytes(const void *p, size_t n, struct err *e)
{
    gguf *g = NULL;
    assert_int_equal(file_write_atomic(path, p, n, e), 0);
    int rc = gguf_open(path, &g, e);
    if (!rc)
        gguf_close(g);
    return rc;
}

static void test_every_truncation(void **state)
{
    (void)state;
    struct err e;
    struct buf b = BUF_INIT;
    write_sample();
    assert_int_equal(file_read(path, 1 << 20, &b, &e), 0);
    assert_int_equal(open_bytes(b.data, b.len, &e), 0);
    for (size_t n = 0; n < b.len; n++) {
        int rc = open_bytes(b.data, n, &e);
        assert_int_equal(rc, -EINVAL);
        assert_non_null(strstr(e.msg, path));
    }
    buf_free(&b);
}

// Any byte may be anything: the reader refuses or reads, and never strays (sanitizers watch).
static void test_every_byte(void **state)
{
    (void)state;
    static const unsigned char values[] = {0, 1, 9, 127, 255};
    struct err e;
    struct buf b = BUF_INIT;
    write_sample();
    assert_int_equal(file_read(path, 1 << 20, &b, &e), 0);
    size_t head = b.len - 64, refused = 0;
    for (size_t i = 0; i < head; i++) {
        char was = b.data[i];
        for (size_t k = 0; k < sizeof values; k++) {
            b.data[i] = (char)values[k];
            refused += open_bytes(b.data, b.len, &e) != 0;
        }
        b.data[i] = was;
    }
    assert_true(refused > head);
    buf_free(&b);
}

// Slices that lie apart become one tensor, without a gap; the next begins aligned.
static void test_stack(void **state)
{
    (void)state;
    struct err e;
    gguf *g;
    gguf_writer *w = gguf_writer_new();
    const uint64_t ne[3] = {2, 1, 3}, flat[1] = {8};
    const void *slices[3] = {numbers + 4, numbers, numbers + 2};
    const float want[6] = {5, 6, 1, 2, 3, 4};
    gguf_writer_str(w, "general.architecture", "tiny");
    gguf_writer_stack(w, "stack", 0, ne, 3, slices, 3);
    gguf_writer_tensor(w, "flat", 0, flat, 1, numbers);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(path, &g, &e), 0);
    const struct gguf_tensor *t = gguf_tensor_find(g, "stack");
    assert_non_null(t);
    assert_true(t->n_dims == 3 && t->ne[2] == 3 && t->bytes == sizeof want);
    assert_memory_equal(t->data, want, sizeof want);
    t = gguf_tensor_find(g, "flat");
    assert_non_null(t);
    assert_memory_equal(t->data, numbers, sizeof numbers);
    gguf_close(g);
}

static void test_duplicates(void **state)
{
    (void)state;
    struct err e;
    gguf *g;
    gguf_writer *w = gguf_writer_new();
    const uint64_t flat[1] = {8};
    gguf_writer_tensor(w, "same", 0, flat, 1, numbers);
    gguf_writer_tensor(w, "same", 0, flat, 1, numbers);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(path, &g, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "two tensors"));
    w = gguf_writer_new();
    gguf_writer_u32(w, "general.alignment", 48);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(path, &g, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "power of two"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_duplicates),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
