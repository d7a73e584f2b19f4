// SPDX-License-Identifier: MIT
// A question of any text, with any filter: every passage that holds one of its words may come,
// no other, and nothing that it says is taken for a query of the full-text index. The input is
// the question, a glob, a date and a type, a 0x1E byte between.
#include "fuzz/target.h"

#include "base/buf.h"
#include "retriever/retriever.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const texts[] = {
    "The quota of the at queue is 12 jobs -a NOT NEAR/5 col:words.",
    "\xE9\x85\x8D\xE9\xA2\x9D\xE6\x98\xAF\xE4\xBB\x80\xE4\xB9\x88 a backup starts",
    "\"quoted\" (words) AND OR * ^ {x y} : + - of /etc/at.deny",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static retriever *make(void)
{
    static retriever *r;
    struct err e;
    store *s;
    if (r)
        return r;
    const char *data_dir = fuzz_folder();
    FUZZ_CHECK(!store_open_writer(data_dir, &s, &e));
    for (int i = 0; i < TEXTS; i++) {
        static const char *const section[] = {NULL};
        struct buf words = BUF_INIT;
        char path[20];
        snprintf(path, sizeof path, "/docs/%d.md", i);
        FUZZ_CHECK(!text_words(&words, texts[i], strlen(texts[i])));
        struct store_passage p = {.section = section, .text = texts[i], .words = words.data};
        struct store_document d = {.collection = "default",
                                   .path = path,
                                   .title = "T",
                                   .type = "markdown",
                                   .modified = 1000000000 + i,
                                   .passages = &p,
                                   .n_passages = 1};
        FUZZ_CHECK(!store_put(s, &d, &e));
        buf_free(&words);
    }
    store_close(s);
    FUZZ_CHECK(!retriever_open(data_dir, NULL, NULL, NULL, &r, &e));
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct retriever_result out = {0};
    struct err e = {0};
    char *part[4] = {NULL}, *copy = malloc(size + 1), *s = copy;
    FUZZ_CHECK(copy);
    memcpy(copy, data, size);
    copy[size] = 0;
    for (int i = 0; i < 4 && s; i++) {
        part[i] = strsep(&s, "\x1E");
        part[i] = *part[i] ? part[i] : NULL;
    }
    const struct retriever_query q = {.question = part[0] ? part[0] : "",
                                      .k = 5,
                                      .path_glob = part[1],
                                      .after = part[2],
                                      .type = part[3]};
    arena *a = arena_new(0);
    FUZZ_CHECK(a);
    int rc = retriever_search(make(), &q, a, &out, &e);
    FUZZ_CHECK(!rc || (rc == -EINVAL && *e.msg && q.after));
    FUZZ_CHECK(rc || out.n <= TEXTS);
    for (size_t i = 0; i < out.n && !rc; i++) {
        size_t k = 0;
        while (k < TEXTS && strcmp(texts[k], out.hits[i].text) != 0)
            k++;
        FUZZ_CHECK(k < TEXTS && out.hits[i].score >= 0 && out.hits[i].score <= 1);
    }
    arena_free(a);
    free(copy);
    return 0;
}
