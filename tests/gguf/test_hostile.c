// SPDX-License-Identifier: MIT
// Every kind of malformed file that llama.cpp's test-gguf refuses, and more, is refused with
// one sentence that names the path and the key, tensor or byte. Each case is the sample with
// one thing wrong.
#include "base/buf.h"
#include "base/file.h"
#include "engine/gguf/gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { F32 = 0, Q4_0 = 2, Q4_K = 12 }; // ggml type ids

static char path[] = "/tmp/askd-test-hostile-XXXXXX";

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

// ---- a file, piece by piece ----

struct sample {
    uint32_t magic, version;
    uint64_t n_tensors, n_kv;
    struct buf kv, tensors;
    size_t data; // bytes behind the padding
};

static void u32(struct buf *b, uint32_t v)
{
    assert_int_equal(buf_add(b, &v, sizeof v), 0);
}

static void u64(struct buf *b, uint64_t v)
{
    assert_int_equal(buf_add(b, &v, sizeof v), 0);
}

static void str(struct buf *b, const char *s, size_t n)
{
    u64(b, n);
    assert_int_equal(buf_add(b, s, n), 0);
}

static void name(struct buf *b, const char *s)
{
    str(b, s, strlen(s));
}

static void key_u32(struct sample *s, const char *key, uint32_t v)
{
    name(&s->kv, key);
    u32(&s->kv, GGUF_U32);
    u32(&s->kv, v);
    s->n_kv++;
}

// The head of an array; its elements are the caller's.
static void key_array(struct sample *s, const char *key, uint32_t type, uint64_t n)
{
    name(&s->kv, key);
    u32(&s->kv, GGUF_ARRAY);
    u32(&s->kv, type);
    u64(&s->kv, n);
    s->n_kv++;
}

static void tensor(struct sample *s, const char *n, uint32_t dims, const uint64_t *ne,
                   uint32_t type, uint64_t offset)
{
    name(&s->tensors, n);
    u32(&s->tensors, dims);
    for (uint32_t i = 0; i < dims && i < 8; i++)
        u64(&s->tensors, ne[i]);
    u32(&s->tensors, type);
    u64(&s->tensors, offset);
    s->n_tensors++;
}

static void flat(struct sample *s, const char *n, uint64_t ne, uint32_t type, uint64_t offset)
{
    tensor(s, n, 1, &ne, type, offset);
}

static int open_sample(struct sample *s, struct err *e)
{
    struct buf b = BUF_INIT;
    gguf *g = NULL;
    u32(&b, s->magic);
    u32(&b, s->version);
    u64(&b, s->n_tensors);
    u64(&b, s->n_kv);
    assert_int_equal(buf_add(&b, s->kv.data, s->kv.len), 0);
    assert_int_equal(buf_add(&b, s->tensors.data, s->tensors.len), 0);
    while (s->data && b.len % 32)
        assert_int_equal(buf_addc(&b, 0), 0);
    for (size_t i = 0; i < s->data; i++)
        assert_int_equal(buf_addc(&b, (char)i), 0);
    assert_int_equal(file_write_atomic(path, b.data, b.len, e), 0);
    int rc = gguf_open(path, &g, e);
    gguf_close(rc ? NULL : g);
    buf_free(&b);
    buf_free(&s->kv);
    buf_free(&s->tensors);
    return rc;
}

// ---- what can be wrong ----

static void bad_magic(struct sample *s)
{
    s->magic = 0x4C4D4747; // "GGML"
}

static void version_0(struct sample *s)
{
    s->version = 0;
}

static void version_1(struct sample *s)
{
    s->version = 1;
}

static void version_future(struct sample *s)
{
    s->version = 4;
}

static void version_big_endian(struct sample *s)
{
    s->version = 3u << 24;
}

static void huge_tensor_count(struct sample *s)
{
    s->n_tensors = UINT64_MAX / 2;
}

static void huge_key_count(struct sample *s)
{
    s->n_kv = UINT64_MAX;
}

static void one_tensor_too_many(struct sample *s)
{
    s->n_tensors++;
    s->data = 0;
}

static void key_length_huge(struct sample *s)
{
    u64(&s->kv, UINT64_MAX);
    s->n_kv++;
}

static void key_length_beyond(struct sample *s)
{
    u64(&s->kv, 1000);
    s->n_kv++;
}

static void key_empty(struct sample *s)
{
    key_u32(s, "", 1);
}

static void key_too_long(struct sample *s)
{
    char k[1100];
    memset(k, 'k', sizeof k);
    str(&s->kv, k, sizeof k);
    u32(&s->kv, GGUF_U32);
    u32(&s->kv, 1);
    s->n_kv++;
}

static void key_no_utf8(struct sample *s)
{
    key_u32(s, "k\xFF", 1);
}

static void key_with_escape(struct sample *s)
{
    key_u32(s, "k\x1b[2J", 1);
}

static void key_with_nul(struct sample *s)
{
    str(&s->kv, "a\0b", 3);
    u32(&s->kv, GGUF_U32);
    u32(&s->kv, 1);
    s->n_kv++;
}

static void key_twice(struct sample *s)
{
    key_u32(s, "some.key", 2);
}

static void value_type_unknown(struct sample *s)
{
    name(&s->kv, "odd.key");
    u32(&s->kv, 13);
    u64(&s->kv, 0);
    s->n_kv++;
}

static void value_type_negative(struct sample *s)
{
    name(&s->kv, "odd.key");
    u32(&s->kv, UINT32_MAX);
    u64(&s->kv, 0);
    s->n_kv++;
}

static void string_huge(struct sample *s)
{
    name(&s->kv, "odd.key");
    u32(&s->kv, GGUF_STRING);
    u64(&s->kv, UINT64_MAX - 7);
    s->n_kv++;
}

static void array_type_unknown(struct sample *s)
{
    key_array(s, "odd.key", 99, 1);
    u64(&s->kv, 0);
}

static void array_of_arrays(struct sample *s)
{
    key_array(s, "odd.key", GGUF_ARRAY, 1);
    u64(&s->kv, 0);
}

static void array_count_huge(struct sample *s)
{
    key_array(s, "odd.key", GGUF_U8, UINT64_MAX);
}

static void array_count_wraps(struct sample *s)
{
    key_array(s, "odd.key", GGUF_U64, UINT64_MAX / 8 + 2); // times 8 is 8
    u64(&s->kv, 0);
}

static void array_beyond(struct sample *s)
{
    key_array(s, "odd.key", GGUF_U64, 150); // fewer than the file's bytes, more than its words
    u64(&s->kv, 0);
}

static void strings_beyond(struct sample *s)
{
    key_array(s, "odd.key", GGUF_STRING, 150);
    u64(&s->kv, 0);
}

static void string_in_array_huge(struct sample *s)
{
    key_array(s, "odd.key", GGUF_STRING, 1);
    u64(&s->kv, 1ull << 40);
}

static void alignment_0(struct sample *s)
{
    key_u32(s, "general.alignment", 0);
}

static void alignment_3(struct sample *s)
{
    key_u32(s, "general.alignment", 3);
}

static void alignment_huge(struct sample *s)
{
    key_u32(s, "general.alignment", 1u << 31);
}

static void alignment_string(struct sample *s)
{
    name(&s->kv, "general.alignment");
    u32(&s->kv, GGUF_STRING);
    name(&s->kv, "32");
    s->n_kv++;
}

static void alignment_negative(struct sample *s)
{
    name(&s->kv, "general.alignment");
    u32(&s->kv, GGUF_I32);
    u32(&s->kv, (uint32_t)-32);
    s->n_kv++;
}

static void alignment_other(struct sample *s)
{
    key_u32(s, "general.alignment", 64); // the tensors lie at multiples of 32
}

static void tensor_name_empty(struct sample *s)
{
    flat(s, "", 8, F32, 64);
}

static void tensor_name_long(struct sample *s)
{
    char n[66] = {0};
    memset(n, 't', 65);
    flat(s, n, 8, F32, 64);
}

static void tensor_name_huge(struct sample *s)
{
    u64(&s->tensors, 1ull << 62);
    s->n_tensors++;
}

static void tensor_twice(struct sample *s)
{
    flat(s, "one", 8, F32, 64);
}

static void dims_0(struct sample *s)
{
    tensor(s, "odd", 0, NULL, F32, 64);
}

static void dims_5(struct sample *s)
{
    tensor(s, "odd", 5, (uint64_t[]){8, 1, 1, 1, 1}, F32, 64);
}

static void dims_huge(struct sample *s)
{
    tensor(s, "odd", UINT32_MAX, (uint64_t[]){8, 1, 1, 1, 1, 1, 1, 1}, F32, 64);
}

static void shape_0(struct sample *s)
{
    tensor(s, "odd", 2, (uint64_t[]){8, 0}, F32, 64);
}

static void shape_negative(struct sample *s)
{
    flat(s, "odd", (uint64_t)-8, F32, 64);
}

static void shape_huge(struct sample *s)
{
    flat(s, "odd", INT64_MAX / 32 * 32, F32, 64);
}

static void shape_wraps(struct sample *s)
{
    tensor(s, "odd", 3, (uint64_t[]){1ull << 32, 1ull << 32, 8}, F32, 64); // 2^67 is 8
}

static void bytes_wrap(struct sample *s)
{
    tensor(s, "odd", 2, (uint64_t[]){1ull << 31, 1ull << 31}, F32, 64); // times 4 is 0
}

static void type_unknown(struct sample *s)
{
    flat(s, "odd", 8, 200, 64);
}

static void type_removed(struct sample *s)
{
    flat(s, "odd", 32, 4, 64); // Q4_2, gone from ggml
}

static void no_whole_blocks(struct sample *s)
{
    flat(s, "odd", 48, Q4_0, 64);
}

static void no_whole_superblocks(struct sample *s)
{
    flat(s, "odd", 128, Q4_K, 64);
}

static void offset_unaligned(struct sample *s)
{
    flat(s, "odd", 1, F32, 65);
}

static void offset_gap(struct sample *s)
{
    flat(s, "odd", 8, F32, 96);
}

static void offset_overlap(struct sample *s)
{
    flat(s, "odd", 8, F32, 32);
}

static void offset_huge(struct sample *s)
{
    flat(s, "odd", 8, F32, UINT64_MAX - 31);
}

static void data_missing(struct sample *s)
{
    s->data = 0;
}

static void data_short(struct sample *s)
{
    s->data = 63;
}

static const struct {
    void (*spoil)(struct sample *s);
    const char *sentence; // a part of it
} cases[] = {
    {bad_magic, "byte 0: header: this is no GGUF file"},
    {version_0, "byte 4: header: the GGUF version"},
    {version_1, "byte 4: header: the GGUF version"},
    {version_future, "byte 4: header: the GGUF version"},
    {version_big_endian, "little-endian"},
    {huge_tensor_count, "byte 8: header: it announces more tensors"},
    {huge_key_count, "byte 16: header: it announces more keys"},
    {one_tensor_too_many, "tensor 2: the file ends too early"},
    {key_length_huge, "key 1: it is longer than 1024 bytes"},
    {key_length_beyond, "key 1: the file ends too early"},
    {key_empty, "key 1: its name is empty"},
    {key_too_long, "key 1: it is longer than 1024 bytes"},
    {key_no_utf8, "key 1: its name is no UTF-8"},
    {key_with_escape, "control characters"},
    {key_with_nul, "control characters"},
    {key_twice, "some.key: two values have this key"},
    {value_type_unknown, "odd.key: its value has an unknown type"},
    {value_type_negative, "odd.key: its value has an unknown type"},
    {string_huge, "odd.key: a string is longer than 16 MiB"},
    {array_type_unknown, "odd.key: an array's elements have an unknown type"},
    {array_of_arrays, "odd.key: an array's elements have an unknown type, or are arrays"},
    {array_count_huge, "odd.key: an array has more elements"},
    {array_count_wraps, "odd.key: an array has more elements"},
    {array_beyond, "odd.key: an array is longer than the file"},
    {strings_beyond, "odd.key: an array has more strings"},
    {string_in_array_huge, "odd.key: a string is longer"},
    {alignment_0, "general.alignment: it is no power of two"},
    {alignment_3, "general.alignment: it is no power of two"},
    {alignment_huge, "general.alignment: it is no power of two"},
    {alignment_string, "general.alignment is no whole number"},
    {alignment_negative, "general.alignment is no whole number"},
    {alignment_other, "two: its offset is not aligned"},
    {tensor_name_empty, "tensor 2: its name is empty"},
    {tensor_name_long, "tensor 2: its name is longer than 64 bytes"},
    {tensor_name_huge, "tensor 2: its name is longer than 64 bytes"},
    {tensor_twice, "one: two tensors have this name"},
    {dims_0, "odd: a tensor has 1 to 4 dimensions"},
    {dims_5, "odd: a tensor has 1 to 4 dimensions"},
    {dims_huge, "odd: a tensor has 1 to 4 dimensions"},
    {shape_0, "odd: a dimension is 0"},
    {shape_negative, "odd: a dimension is negative"},
    {shape_huge, "odd: it is larger than the file"},
    {shape_wraps, "odd: a dimension is negative, or their product is too large"},
    {bytes_wrap, "odd: it is larger than the file"},
    {type_unknown, "odd: its type is none"},
    {type_removed, "odd: its type is none"},
    {no_whole_blocks, "odd: its rows are no whole number of blocks"},
    {no_whole_superblocks, "odd: its rows are no whole number of blocks"},
    {offset_unaligned, "odd: its offset is not aligned"},
    {offset_gap, "odd: its data does not follow"},
    {offset_overlap, "odd: its data does not follow"},
    {offset_huge, "odd: its data lies beyond the end"},
    {data_missing, "one: its data lies beyond the end"},
    {data_short, "two: its data lies beyond the end"},
};

// One key, two tensors of 32 bytes, and data enough for a third.
static struct sample sound(void)
{
    struct sample s = {0x46554747, 3, 0, 0, BUF_INIT, BUF_INIT, 128};
    key_u32(&s, "some.key", 1);
    flat(&s, "one", 8, F32, 0);
    flat(&s, "two", 8, F32, 32);
    return s;
}

static void test_sound(void **state)
{
    (void)state;
    struct err e = {0};
    struct sample s = sound();
    assert_int_equal(open_sample(&s, &e), 0);
    s = sound();
    s.version = 2; // the same layout
    assert_int_equal(open_sample(&s, &e), 0);
    s = (struct sample){0x46554747, 3, 0, 0, BUF_INIT, BUF_INIT, 0}; // empty
    assert_int_equal(open_sample(&s, &e), 0);
    s = sound();
    key_u32(&s, "general.alignment", 32);
    assert_int_equal(open_sample(&s, &e), 0);
}

static void test_each_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        struct sample s = sound();
        cases[i].spoil(&s);
        int rc = open_sample(&s, &e);
        if (rc != -EINVAL || !strstr(e.msg, path) || !strstr(e.msg, cases[i].sentence))
            fail_msg("case %zu: %d: \"%s\" should say \"%s\"", i, rc, e.msg, cases[i].sentence);
    }
}

// The same under a tight limit of address space: what a file announces is refused as a lie, not
// for want of memory.
static void test_memory_limit(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("# skipped: the address sanitizer needs its address space\n");
#else
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        // Above what the program has: room for the map and small tables, 16 MiB.
        long pages = 0;
        FILE *f = fopen("/proc/self/statm", "r");
        if (!f || fscanf(f, "%ld", &pages) != 1)
            _exit(3);
        fclose(f);
        rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (16 << 20);
        if (setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}))
            _exit(4);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct err e = {0};
            struct sample s = sound();
            cases[i].spoil(&s);
            if (open_sample(&s, &e) != -EINVAL)
                _exit(5);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
#endif
}

// A file may be large by saying nothing: holes are free on disk. Its tables stay bounded.
static void test_holes(void **state)
{
    (void)state;
    struct err e = {0};
    gguf *g;
    struct sample s = sound();
    s.n_kv = 70000;
    s.data = 0;
    (void)open_sample(&s, &e);
    assert_int_equal(truncate(path, (off_t)1 << 32), 0);
    assert_int_equal(gguf_open(path, &g, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "more keys"));
    s = sound();
    key_array(&s, "odd.key", GGUF_STRING, (1u << 22) + 1);
    (void)open_sample(&s, &e);
    assert_int_equal(truncate(path, (off_t)1 << 32), 0);
    assert_int_equal(gguf_open(path, &g, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "more strings"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_holes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
