// SPDX-License-Identifier: MIT
#include "tests/store/workload.h"

#include "base/arena.h"
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Version of each document after a step; 0: absent. Several documents may change in one step.
struct change {
    int step, document, version;
};
enum { VECTORS = -1, TOUCH = -2, REPEATS = -3, REOPEN = -4 };
static const struct change changes[] = {
    {1, 0, 1},        {2, 1, 1},       {3, 2, 1},        {4, VECTORS, 0},  {5, 1, 2},
    {6, 3, 1},        {6, 4, 1},       {6, 0, 2},        {7, TOUCH, 3},    {8, 2, 0},
    {9, VECTORS, 0},  {10, REOPEN, 0}, {11, 2, 2},       {12, 5, 1},       {12, 5, 2},
    {12, 6, 1},       {12, 4, 0},      {13, REPEATS, 5}, {14, 0, 3},       {15, 7, 1},
    {16, VECTORS, 0}, {17, 7, 0},      {18, REOPEN, 0},  {19, 4, 2},       {20, 1, 0},
    {20, 3, 2},       {20, 6, 2},      {21, 1, 3},       {22, VECTORS, 0}, {23, 6, 0},
    {24, 7, 2},       {25, 2, 3},      {26, VECTORS, 0},
};
#define N_CHANGES (sizeof changes / sizeof *changes)

struct state {
    int version[WORK_DOCUMENTS];
};

static struct state state_after(int step)
{
    struct state s = {{0}};
    for (size_t i = 0; i < N_CHANGES && changes[i].step <= step; i++)
        if (changes[i].document >= 0)
            s.version[changes[i].document] = changes[i].version;
    return s;
}

static int passages_of(int document, int version)
{
    return 1 + (document + version) % WORK_PASSAGES;
}

const char *work_word(int document, int version, int passage)
{
    static char word[32];
    snprintf(word, sizeof word, "unique%dx%dx%d", document, version, passage);
    return word;
}

const char *work_text(int document, int version, int passage)
{
    static char text[12000];
    size_t n = 0, want = document == 3 ? 6000 : 200 + (size_t)(document * 97 + version * 31);
    unsigned seed = (unsigned)(document * 100 + version * 10 + passage);
    n = (size_t)snprintf(text, sizeof text, "Document %d, version %d: %s.", document, version,
                         work_word(document, version, passage));
    while (n < want) {
        static const char *const words[] = {"ash", "birch", "cedar", "elm", "fir", "oak"};
        seed = seed * 1103515245 + 12345;
        n += (size_t)snprintf(text + n, sizeof text - n, " %s", words[(seed >> 16) % 6]);
    }
    return text;
}

static const char *path_of(int document)
{
    static char path[32];
    snprintf(path, sizeof path, "/docs/%d.md", document);
    return path;
}

static int put(store *s, int document, int version, struct err *e)
{
    struct store_passage p[WORK_PASSAGES];
    struct buf words[WORK_PASSAGES];
    char *texts[WORK_PASSAGES];
    const char *section[] = {"Chapter", "Part", NULL};
    size_t n = (size_t)passages_of(document, version);
    char hash[33], path[32];
    int rc = 0;
    snprintf(hash, sizeof hash, "%032d", document * 10 + version);
    snprintf(path, sizeof path, "%s", path_of(document));
    for (size_t i = 0; i < n; i++) {
        buf_init(&words[i]);
        texts[i] = strdup(work_text(document, version, (int)i));
        if (!texts[i] || text_words(&words[i], texts[i], strlen(texts[i])))
            rc = err_nomem(e);
        p[i] = (struct store_passage){.section = section,
                                      .line_first = 1,
                                      .line_last = 9,
                                      .text = texts[i],
                                      .words = words[i].data};
    }
    struct store_document d = {.collection = document % 2 ? "odd" : "even",
                               .path = path,
                               .title = "A title",
                               .type = "md",
                               .modified = 1000 + version,
                               .size = 10,
                               .passages = p,
                               .n_passages = n};
    memcpy(d.hash, hash, sizeof hash);
    memcpy(d.text_hash, hash, sizeof hash);
    if (!rc)
        rc = store_put(s, &d, e);
    for (size_t i = 0; i < n; i++) {
        buf_free(&words[i]);
        free(texts[i]);
    }
    return rc;
}

static void vector_of(int64_t id, uint16_t f16[WORK_DIMS])
{
    for (int i = 0; i < WORK_DIMS; i++)
        f16[i] = (uint16_t)(0x3000 + (id * 7 + i * 13) % 1000);
}

static int put_vectors(store *s, struct err *e)
{
    struct store_pending *p;
    size_t n = 1;
    int rc = 0;
    while (!rc && n) {
        arena *a = arena_new(0);
        rc = a ? store_pending(s, WORK_FINGERPRINT, STORE_FOR_ALL, 100, a, &p, &n, e)
               : err_nomem(e);
        uint16_t f16[100][WORK_DIMS];
        int64_t ids[100];
        for (size_t i = 0; i < n && !rc; i++)
            vector_of(ids[i] = p[i].id, f16[i]);
        if (!rc && n)
            rc = store_put_vectors(s, WORK_FINGERPRINT, ids, n, WORK_DIMS, f16[0], e);
        arena_free(a);
    }
    return rc ? rc : store_complete(s, WORK_FINGERPRINT, STORE_FOR_ALL, e);
}

static int put_repeat(store *s, int document, struct err *e)
{
    const struct store_repeat r = {"/docs", 0x123456789abcdef, path_of(document)};
    return store_put_repeats(s, document % 2 ? "odd" : "even", &r, 1, e);
}

static int one_change(store *s, const struct change *c, struct err *e)
{
    bool removed;
    switch (c->document) {
    case VECTORS:
        return put_vectors(s, e);
    case TOUCH:
        return store_touch(s, "odd", path_of(c->version), 2000, e);
    case REPEATS:
        return put_repeat(s, c->version, e);
    case REOPEN:
        return 0;
    default:
        return c->version ? put(s, c->document, c->version, e)
                          : store_remove(s, c->document % 2 ? "odd" : "even",
                                         path_of(c->document), &removed, e);
    }
}

int work_step(store *s, int step, struct err *e)
{
    size_t first = 0, n = 0;
    while (first < N_CHANGES && changes[first].step != step)
        first++;
    while (first + n < N_CHANGES && changes[first + n].step == step)
        n++;
    int rc = n > 1 ? store_begin(s, e) : 0;
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++)
        rc = one_change(s, &changes[first + i], e);
    if (n > 1 && rc)
        store_rollback(s);
    else if (n > 1)
        rc = store_commit(s, e);
    return rc;
}

static bool is_reopen(int step)
{
    for (size_t i = 0; i < N_CHANGES; i++)
        if (changes[i].step == step)
            return changes[i].document == REOPEN;
    return false;
}

int work_run(const char *data_dir, int from, work_ack_fn *ack, void *ctx, struct err *e)
{
    store *s = NULL;
    int rc = store_open_writer(data_dir, &s, e);
    for (int i = from; i <= WORK_STEPS && !rc; i++) {
        if (is_reopen(i)) {
            store_close(s);
            s = NULL;
            rc = store_open_writer(data_dir, &s, e);
        } else {
            rc = work_step(s, i, e);
        }
        if (!rc && ack)
            ack(ctx, i);
    }
    store_close(s);
    return rc;
}

// ---- checking ----

struct look {
    struct state have;
    int seen[WORK_DOCUMENTS]; // passages
    char *why;
    bool bad;
};

static int wrong(struct look *l, const char *what, const char *where)
{
    snprintf(l->why, ERR_MSG_MAX, "%s: %.100s", what, where);
    l->bad = true;
    return 1;
}

// Which document and version a text is, or false.
static bool known_text(const char *path, const char *text, int *document, int *version,
                       int *passage)
{
    if (sscanf(text, "Document %d, version %d: unique%*dx%*dx%d.", document, version,
               passage) != 3 ||
        *document < 0 || *document >= WORK_DOCUMENTS || *version < 1 ||
        *version > WORK_VERSIONS || *passage < 0 ||
        *passage >= passages_of(*document, *version))
        return false;
    return !strcmp(path, path_of(*document)) &&
           !strcmp(text, work_text(*document, *version, *passage));
}

static int note(void *ctx, const struct store_scan_row *row)
{
    struct look *l = ctx;
    int document, version, passage;
    if (!row->passage || !known_text(row->path, row->text, &document, &version, &passage))
        return wrong(l, "no text that was put", row->path);
    if (strcmp(row->collection, document % 2 ? "odd" : "even") != 0 ||
        strcmp(row->title, "A title") != 0 || strcmp(row->heading, "Part") != 0)
        return wrong(l, "not the description that was put", row->path);
    if (l->seen[document] && l->have.version[document] != version)
        return wrong(l, "of two versions", row->path);
    if (passage != l->seen[document]++)
        return wrong(l, "a passage is missing", row->path);
    l->have.version[document] = version;
    return 0;
}

static int note_vector(void *ctx, int64_t passage, int64_t collection, const char *text,
                       const uint16_t *f16, size_t dims)
{
    (void)text;
    uint16_t want[WORK_DIMS];
    (void)collection;
    vector_of(passage, want);
    return dims == WORK_DIMS && !memcmp(want, f16, sizeof want)
               ? 0
               : wrong(ctx, "a vector is not what was put", "");
}

// Each word is found exactly where its passage is there.
static int check_words(store *s, store_sizes *z, struct look *l, struct err *e)
{
    for (int d = 0; d < WORK_DOCUMENTS; d++)
        for (int v = 1; v <= WORK_VERSIONS; v++)
            for (int p = 0; p < passages_of(d, v); p++) {
                char word[32];
                snprintf(word, sizeof word, "%s", work_word(d, v, p));
                struct store_word w = {word, 0};
                const char *list[1] = {word};
                struct store_filter none = {0};
                struct store_hit hits[3];
                size_t n = 0;
                int rc = store_word_counts(s, z, NULL, list, 1, &w.count, e);
                if (!rc)
                    rc = store_search_words(s, z, &w, 1, &none, 3, hits, &n, e);
                if (rc)
                    return rc;
                bool there = l->have.version[d] == v;
                if (n != there || w.count != there)
                    return wrong(l, n > there ? "deleted text is found" : "a text is not found",
                                 word);
            }
    return 0;
}

static int count_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)kind;
    return wrong(ctx, "verify", sentence);
}

// 0; an error of the store; 1 when the look is bad.
static int look(store *s, struct look *l, struct err *e)
{
    store_sizes *z = NULL;
    int rc = store_scan(s, NULL, note, l, e);
    if (!rc)
        rc = store_vectors(s, WORK_FINGERPRINT, 0, note_vector, l, e);
    if (!rc)
        rc = store_sizes_new(&z, e);
    if (!rc)
        rc = store_sizes_refresh(z, s, e);
    if (!rc)
        rc = check_words(s, z, l, e);
    store_sizes_free(z);
    for (int d = 0; d < WORK_DOCUMENTS && !rc; d++)
        if (l->have.version[d] && l->seen[d] != passages_of(d, l->have.version[d]))
            rc = wrong(l, "a passage is missing", path_of(d));
    return rc;
}

int work_check(const char *data_dir, int acked, int *state, char why[ERR_MSG_MAX])
{
    struct err e = {0};
    struct look l = {.why = why};
    struct store_health h;
    store *s = NULL;
    int rc = store_verify(data_dir, count_fault, &l, &h, &e);
    bool empty = rc == -ENOENT || (!rc && !h.schema) || (l.bad && !h.schema);
    if (acked == 0 && empty) { // nothing was promised, and nothing is there
        *state = 0;
        return 0;
    }
    if (!rc && !l.bad)
        rc = store_open_reader(data_dir, &s, &e);
    if (!rc && !l.bad)
        rc = look(s, &l, &e);
    store_close(s);
    if (l.bad)
        return -1;
    if (rc) {
        snprintf(why, ERR_MSG_MAX, "%s", e.msg);
        return -1;
    }
    for (*state = acked; *state <= acked + 1 && *state <= WORK_STEPS; ++*state) {
        struct state want = state_after(*state);
        if (!memcmp(&want, &l.have, sizeof want))
            return 0;
    }
    snprintf(why, ERR_MSG_MAX, "acknowledged up to %d, but that is not what is there", acked);
    return -1;
}

// ---- reading what may be damaged ----

static int read_passages(store *s, struct look *l)
{
    struct err e;
    int errors = 0;
    for (int64_t id = 0; id < 120 && !l->bad; id++) {
        arena *a = arena_new(0);
        struct store_row row;
        int document, version, passage;
        int rc = a ? store_passage(s, id, a, &row, &e) : -ENOMEM;
        errors |= rc && rc != -ENOENT;
        if (!rc && !known_text(row.path, row.text, &document, &version, &passage))
            wrong(l, "a text that was not put was read", row.path);
        else if (!rc && strcmp(row.title, "A title") != 0)
            wrong(l, "a title that was not put was read", row.path);
        arena_free(a);
    }
    return errors;
}

int work_read(const char *data_dir, char why[ERR_MSG_MAX])
{
    struct err e = {0};
    struct look l = {.why = why, .have = state_after(WORK_STEPS)};
    store_sizes *z = NULL;
    store *s = NULL;
    int errors = 0, rc = store_open_reader(data_dir, &s, &e);
    if (rc)
        return rc == -ENOENT ? -1 : 1;
    errors |= read_passages(s, &l);
    rc = store_vectors(s, WORK_FINGERPRINT, 0, note_vector, &l, &e);
    if (!rc && !l.bad && !(rc = store_sizes_new(&z, &e)))
        rc = store_sizes_refresh(z, s, &e);
    // Words lead to passages, which are compared when they are read: that too few are found is
    // for verify to see.
    if (!rc && !l.bad)
        rc = check_words(s, z, &l, &e);
    store_sizes_free(z);
    store_close(s);
    if (l.bad && (strstr(why, "is not found") || strstr(why, "is found")))
        return 1;
    return l.bad ? -1 : errors || rc ? 1 : 0;
}
