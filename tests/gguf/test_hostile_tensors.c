// SPDX-License-Identifier: MIT
// Every kind of malformed tensor, as test_hostile.c has headers and keys: names, dimensions,
// types, offsets and data.
#include "tests/gguf/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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
    put_u64(&s->tensors, 1ull << 62);
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

static const struct hostile cases[] = {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_memory_limit),
    };
    return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
