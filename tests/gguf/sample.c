// SPDX-License-Identifier: MIT
#include "tests/gguf/sample.h"

#include "base/file.h"

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

char sample_path[] = "/tmp/askd-test-hostile-XXXXXX";

int sample_setup(void **state)
{
    (void)state;
    int fd = mkstemp(sample_path);
    return fd < 0 ? -1 : close(fd);
}

int sample_teardown(void **state)
{
    (void)state;
    return unlink(sample_path);
}

void put_u32(struct buf *b, uint32_t v)
{
    assert_int_equal(buf_add(b, &v, sizeof v), 0);
}

void put_u64(struct buf *b, uint64_t v)
{
    assert_int_equal(buf_add(b, &v, sizeof v), 0);
}

void put_str(struct buf *b, const char *s, size_t n)
{
    put_u64(b, n);
    assert_int_equal(buf_add(b, s, n), 0);
}

void put_name(struct buf *b, const char *s)
{
    put_str(b, s, strlen(s));
}

void key_u32(struct sample *s, const char *key, uint32_t v)
{
    put_name(&s->kv, key);
    put_u32(&s->kv, GGUF_U32);
    put_u32(&s->kv, v);
    s->n_kv++;
}

void key_array(struct sample *s, const char *key, uint32_t type, uint64_t n)
{
    put_name(&s->kv, key);
    put_u32(&s->kv, GGUF_ARRAY);
    put_u32(&s->kv, type);
    put_u64(&s->kv, n);
    s->n_kv++;
}

void tensor(struct sample *s, const char *n, uint32_t dims, const uint64_t *ne, uint32_t type,
            uint64_t offset)
{
    put_name(&s->tensors, n);
    put_u32(&s->tensors, dims);
    for (uint32_t i = 0; i < dims && i < 8; i++)
        put_u64(&s->tensors, ne[i]);
    put_u32(&s->tensors, type);
    put_u64(&s->tensors, offset);
    s->n_tensors++;
}

void flat(struct sample *s, const char *n, uint64_t ne, uint32_t type, uint64_t offset)
{
    tensor(s, n, 1, &ne, type, offset);
}

int open_sample(struct sample *s, struct err *e)
{
    struct buf b = BUF_INIT;
    gguf *g = NULL;
    put_u32(&b, s->magic);
    put_u32(&b, s->version);
    put_u64(&b, s->n_tensors);
    put_u64(&b, s->n_kv);
    assert_int_equal(buf_add(&b, s->kv.data, s->kv.len), 0);
    assert_int_equal(buf_add(&b, s->tensors.data, s->tensors.len), 0);
    while (s->data && b.len % 32)
        assert_int_equal(buf_addc(&b, 0), 0);
    for (size_t i = 0; i < s->data; i++)
        assert_int_equal(buf_addc(&b, (char)i), 0);
    assert_int_equal(file_write_atomic(sample_path, b.data, b.len, e), 0);
    int rc = gguf_open(sample_path, &g, e);
    gguf_close(rc ? NULL : g);
    buf_free(&b);
    buf_free(&s->kv);
    buf_free(&s->tensors);
    return rc;
}

struct sample sound(void)
{
    struct sample s = {0x46554747, 3, 0, 0, BUF_INIT, BUF_INIT, 128};
    key_u32(&s, "some.key", 1);
    flat(&s, "one", 8, F32, 0);
    flat(&s, "two", 8, F32, 32);
    return s;
}

void check_each(const struct hostile *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err e = {0};
        struct sample s = sound();
        cases[i].spoil(&s);
        int rc = open_sample(&s, &e);
        if (rc != -EINVAL || !strstr(e.msg, sample_path) || !strstr(e.msg, cases[i].sentence))
            fail_msg("case %zu: %d: \"%s\" should say \"%s\"", i, rc, e.msg, cases[i].sentence);
    }
}

void check_memory_limit(const struct hostile *cases, size_t n)
{
#ifdef __SANITIZE_ADDRESS__
    (void)cases;
    (void)n;
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
        for (size_t i = 0; i < n; i++) {
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
