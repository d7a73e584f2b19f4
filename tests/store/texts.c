// SPDX-License-Identifier: MIT
#include "tests/store/texts.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char dir[] = "/tmp/askd-test-store-XXXXXX";

int texts_setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

int texts_teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

void put_in(store *s, const char *collection, const char *path, const char *text)
{
    struct err e;
    struct buf w = BUF_INIT;
    const char *section[] = {"Administration", "Quotas", NULL};
    assert_int_equal(text_words(&w, text, strlen(text)), 0);
    struct store_passage p[2] = {
        {.section = section, .line_first = 3, .line_last = 4, .text = text, .words = w.data},
        {.section = section + 2, .page = 2, .text = "second", .words = "second "}};
    struct store_document d = {.collection = collection,
                               .path = path,
                               .title = "Title",
                               .type = "md",
                               .modified = 100,
                               .size = 10,
                               .hash = "aa",
                               .passages = p,
                               .n_passages = 2};
    int rc = store_put(s, &d, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    buf_free(&w);
}

void put(store *s, const char *path, const char *text)
{
    put_in(s, "default", path, text);
}

size_t find(store *s, const char *word, struct store_filter f)
{
    struct err e;
    struct store_hit hits[10];
    size_t n;
    struct buf w = BUF_INIT;
    const char *words[64];
    size_t n_words = 0;
    assert_int_equal(text_words(&w, word, strlen(word)), 0);
    char *save = NULL;
    for (char *p = strtok_r(w.data, " ", &save); p; p = strtok_r(NULL, " ", &save))
        words[n_words++] = p;
    // The last is the whole, or the rarest pair.
    struct store_word last = {.word = words[n_words - 1]};
    store_sizes *z;
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_word_counts(s, NULL, NULL, &last.word, 1, &last.count, &e), 0);
    assert_int_equal(store_search_words(s, z, &last, 1, &f, 10, hits, &n, &e), 0);
    store_sizes_free(z);
    buf_free(&w);
    return n;
}
