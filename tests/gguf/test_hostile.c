// SPDX-License-Identifier: MIT
// Every kind of malformed header and key that llama.cpp's test-gguf refuses, and more, is
// refused with one sentence that names the path and the key or byte. Each case is the sample
// with one thing wrong; test_hostile_tensors.c has the tensors.
#include "tests/gguf/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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
    put_u64(&s->kv, UINT64_MAX);
    s->n_kv++;
}

static void key_length_beyond(struct sample *s)
{
    put_u64(&s->kv, 1000);
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
    put_str(&s->kv, k, sizeof k);
    put_u32(&s->kv, GGUF_U32);
    put_u32(&s->kv, 1);
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
    put_str(&s->kv, "a\0b", 3);
    put_u32(&s->kv, GGUF_U32);
    put_u32(&s->kv, 1);
    s->n_kv++;
}

static void key_twice(struct sample *s)
{
    key_u32(s, "some.key", 2);
}

static void value_type_unknown(struct sample *s)
{
    put_name(&s->kv, "odd.key");
    put_u32(&s->kv, 13);
    put_u64(&s->kv, 0);
    s->n_kv++;
}

static void value_type_negative(struct sample *s)
{
    put_name(&s->kv, "odd.key");
    put_u32(&s->kv, UINT32_MAX);
    put_u64(&s->kv, 0);
    s->n_kv++;
}

static void string_huge(struct sample *s)
{
    put_name(&s->kv, "odd.key");
    put_u32(&s->kv, GGUF_STRING);
    put_u64(&s->kv, UINT64_MAX - 7);
    s->n_kv++;
}

static void array_type_unknown(struct sample *s)
{
    key_array(s, "odd.key", 99, 1);
    put_u64(&s->kv, 0);
}

static void array_of_arrays(struct sample *s)
{
    key_array(s, "odd.key", GGUF_ARRAY, 1);
    put_u64(&s->kv, 0);
}

static void array_count_huge(struct sample *s)
{
    key_array(s, "odd.key", GGUF_U8, UINT64_MAX);
}

static void array_count_wraps(struct sample *s)
{
    key_array(s, "odd.key", GGUF_U64, UINT64_MAX / 8 + 2); // times 8 is 8
    put_u64(&s->kv, 0);
}

static void array_beyond(struct sample *s)
{
    key_array(s, "odd.key", GGUF_U64, 150); // fewer than the file's bytes, more than its words
    put_u64(&s->kv, 0);
}

static void strings_beyond(struct sample *s)
{
    key_array(s, "odd.key", GGUF_STRING, 150);
    put_u64(&s->kv, 0);
}

static void string_in_array_huge(struct sample *s)
{
    key_array(s, "odd.key", GGUF_STRING, 1);
    put_u64(&s->kv, 1ull << 40);
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
    put_name(&s->kv, "general.alignment");
    put_u32(&s->kv, GGUF_STRING);
    put_name(&s->kv, "32");
    s->n_kv++;
}

static void alignment_negative(struct sample *s)
{
    put_name(&s->kv, "general.alignment");
    put_u32(&s->kv, GGUF_I32);
    put_u32(&s->kv, (uint32_t)-32);
    s->n_kv++;
}

static void alignment_other(struct sample *s)
{
    key_u32(s, "general.alignment", 64); // the tensors lie at multiples of 32
}

static const struct hostile cases[] = {
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
};

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
    check_each(cases, sizeof cases / sizeof *cases);
}

static void test_memory_limit(void **state)
{
    (void)state;
    check_memory_limit(cases, sizeof cases / sizeof *cases);
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
    assert_int_equal(truncate(sample_path, (off_t)1 << 32), 0);
    assert_int_equal(gguf_open(sample_path, &g, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "more keys"));
    s = sound();
    key_array(&s, "odd.key", GGUF_STRING, (1u << 22) + 1);
    (void)open_sample(&s, &e);
    assert_int_equal(truncate(sample_path, (off_t)1 << 32), 0);
    assert_int_equal(gguf_open(sample_path, &g, &e), -EINVAL);
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
    return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
