// SPDX-License-Identifier: MIT
// A store with any bytes changed. Whatever is done with it ends with an error's sentence or
// gives texts that were put, and verify never says that a text is missing or wrong while it
// finds no fault. The input is a list of changes: 3 bytes where (modulo the file's size), one
// byte how many, the bytes; a length of 0 cuts the file there.
#include "fuzz/target.h"

#include "base/buf.h"
#include "base/file.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DOCUMENTS = 4, VECTOR = 8 };
static const char *dir;
static char db[64];
static char texts[DOCUMENTS][100];
static struct buf whole = BUF_INIT; // the store as it was made

static void make(void)
{
    static const char *const section[] = {"Part", NULL};
    struct err e;
    store *s;
    int64_t ids[DOCUMENTS] = {1, 2, 3, 4};
    uint16_t vectors[DOCUMENTS * VECTOR] = {0x3C00};
    dir = fuzz_folder();
    snprintf(db, sizeof db, "%s/askd.db", dir);
    FUZZ_CHECK(!store_open_writer(dir, &s, &e));
    for (int i = 0; i < DOCUMENTS; i++) {
        struct buf words = BUF_INIT;
        char path[20];
        snprintf(path, sizeof path, "/docs/%d.md", i);
        snprintf(texts[i], sizeof texts[i], "The oak number %d has unique%d leaves.", i, i);
        FUZZ_CHECK(!text_words(&words, texts[i], strlen(texts[i])));
        struct store_passage p = {.section = section, .text = texts[i], .words = words.data};
        struct store_document d = {.collection = i % 2 ? "odd" : "default",
                                   .path = path,
                                   .title = "Oaks",
                                   .type = "markdown",
                                   .passages = &p,
                                   .n_passages = 1};
        FUZZ_CHECK(!store_put(s, &d, &e));
        buf_free(&words);
    }
    FUZZ_CHECK(!store_put_vectors(s, "embedder", ids, DOCUMENTS, VECTOR, vectors, &e));
    FUZZ_CHECK(!store_complete(s, "embedder", STORE_FOR_ALL, &e));
    store_close(s);
    FUZZ_CHECK(!file_read(db, 16 << 20, &whole, &e));
}

static void write_changed(const uint8_t *data, size_t size)
{
    char *copy = malloc(whole.len);
    size_t n = whole.len;
    FUZZ_CHECK(copy);
    memcpy(copy, whole.data, n);
    while (size >= 4) {
        size_t at = (data[0] | data[1] << 8 | data[2] << 16) % whole.len, k = data[3];
        data += 4;
        size -= 4;
        if (!k)
            n = at < n ? at : n;
        for (; k && size; k--, size--, at++)
            if (at < whole.len)
                copy[at] = (char)*data++;
            else
                data++;
    }
    int fd = open(db, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, copy, n) == (ssize_t)n);
    close(fd);
    free(copy);
}

static void check_rc(int rc, const struct err *e)
{
    FUZZ_CHECK(!rc || (rc < 0 && *e->msg));
}

static int count_vector(void *ctx, int64_t passage, int64_t collection, const char *text,
                        const uint16_t *f16, size_t dims)
{
    (void)text;
    (void)passage;
    (void)collection;
    for (size_t i = 0; i < dims; i++)
        *(unsigned *)ctx += f16[i];
    return 0;
}

static int count_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    FUZZ_CHECK(kind < STORE_FAULTS && *sentence);
    ++*(int *)ctx;
    return 0;
}

// How many of the passages that were put are shown; none else is.
static int read_all(store *s, arena *a)
{
    struct err e = {0};
    struct store_row row;
    int shown = 0;
    for (int64_t id = 1; id <= DOCUMENTS + 1; id++) {
        int rc = store_passage(s, id, a, &row, &e);
        check_rc(rc, &e);
        if (rc)
            continue;
        FUZZ_CHECK(id <= DOCUMENTS && !strcmp(row.text, texts[id - 1]));
        FUZZ_CHECK(!strcmp(row.title, "Oaks"));
        shown++;
    }
    return shown;
}

static void search(store *s, arena *a)
{
    struct err e = {0};
    store_sizes *z;
    struct store_hit hits[8];
    const char *word = "oak";
    uint64_t count = 0;
    unsigned sum = 0;
    size_t n = 0;
    struct store_collection *c;
    struct store_row *rows;
    check_rc(store_collections(s, "embedder", NULL, a, &c, &n, &e), &e);
    check_rc(store_document_rows(s, 2, a, &rows, &n, &e), &e);
    check_rc(store_vectors(s, "embedder", 0, count_vector, &sum, &e), &e);
    FUZZ_CHECK(!store_sizes_new(&z, &e));
    int rc = store_sizes_refresh(z, s, &e);
    if (!rc)
        rc = store_word_counts(s, z, NULL, &word, 1, &count, &e);
    const struct store_word w = {word, count};
    const struct store_filter f = {0};
    if (!rc)
        rc = store_search_words(s, z, &w, 1, &f, 8, hits, &n, &e);
    check_rc(rc, &e);
    FUZZ_CHECK(rc || n <= 8);
    store_sizes_free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_health health;
    struct err e = {0};
    store *s = NULL;
    int faults = 0, shown = -1;
    if (!whole.len)
        make();
    write_changed(data, size);
    arena *a = arena_new(0);
    FUZZ_CHECK(a);
    int rc = store_open_reader(dir, &s, &e);
    check_rc(rc, &e);
    if (!rc) {
        shown = read_all(s, a);
        search(s, a);
        store_close(s);
    }
    rc = store_verify(dir, count_fault, &faults, &health, &e);
    check_rc(rc, &e);
    if (!rc && !faults && shown >= 0 && !health.unsummed)
        FUZZ_CHECK((uint64_t)shown == health.passages);
    arena_free(a);
    return 0;
}
