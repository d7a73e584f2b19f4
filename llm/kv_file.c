// SPDX-License-Identifier: MIT
// A store's file, little-endian:
//   header; then each chunk, parents before children: its parent as 1 + its number in the file
//   (0: none), its number of tokens, its key, CHUNK_TOKENS token ids (0 behind the last), the
//   state of so many positions; then XXH3 of all before it, 16 bytes.
// The hash finds damage, not malice: a file that somebody wrote for us can make answers wrong,
// never reach beyond the buffers. Keep it where only askd writes.
#include "llm/kv.h"

#include "base/file.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct header {
    char magic[8];
    uint32_t layout, chunk_tokens, n_vocab, n_chunks;
    uint64_t chunk_state_bytes;
    char model[64], version[16]; // another version may compute other bits
};

struct record {
    uint32_t parent, n;
    struct kv_key key;
    int32_t tokens[CHUNK_TOKENS];
};

static struct header expected(const struct kv_store *s, const char *model, uint32_t n_vocab)
{
    struct header h = {.magic = "askd kv2",
                       .layout = TRANSFORMER_STATE_LAYOUT,
                       .chunk_tokens = CHUNK_TOKENS,
                       .n_vocab = n_vocab,
                       .chunk_state_bytes = s->state_bytes};
    memcpy(h.model, model, sizeof h.model);
    memcpy(h.version, PACKAGE_VERSION,
           sizeof PACKAGE_VERSION < sizeof h.version ? sizeof PACKAGE_VERSION
                                                     : sizeof h.version);
    return h;
}

static int add_record(const struct kv_store *s, struct buf *b, uint32_t i,
                      const uint32_t *number)
{
    const struct chunk *c = &s->chunks[i];
    struct record r = {
        .parent = c->parent == CHUNK_NONE ? 0 : number[c->parent], .n = c->n, .key = c->key};
    memcpy(r.tokens, c->tokens, c->n * sizeof *c->tokens);
    int rc = buf_add(b, &r, sizeof r);
    return rc ? rc : buf_add(b, c->state, s->state_bytes / CHUNK_TOKENS * c->n);
}

// Chunks as records, level by level; their number to h->n_chunks.
static int add_chunks(const struct kv_store *s, struct buf *b, struct header *h)
{
    uint32_t *number = calloc(s->n + 1, sizeof *number),
             *order = calloc(s->n + 1, sizeof *order);
    uint32_t made = 0;
    int rc = number && order ? 0 : -ENOMEM;
    for (uint32_t i = s->roots; !rc && i != CHUNK_NONE; i = s->chunks[i].next)
        order[made++] = i;
    for (uint32_t k = 0; k < made && !rc; k++) {
        uint32_t i = order[k];
        number[i] = k + 1;
        rc = add_record(s, b, i, number);
        for (uint32_t c = s->chunks[i].first; c != CHUNK_NONE; c = s->chunks[c].next)
            order[made++] = c;
    }
    h->n_chunks = made;
    free(number);
    free(order);
    return rc;
}

int kv_save(struct kv_store *s, const char *path, const char *model, uint32_t n_vocab,
            struct err *e)
{
    struct buf b = BUF_INIT;
    struct header h = expected(s, model, n_vocab);
    pthread_mutex_lock(&s->lock);
    int rc = buf_add(&b, &h, sizeof h);
    if (!rc)
        rc = add_chunks(s, &b, &h);
    pthread_mutex_unlock(&s->lock);
    if (!rc) {
        memcpy(b.data, &h, sizeof h);
        struct hash128 sum = hash128_of(b.data, b.len);
        rc = buf_add(&b, sum.bytes, sizeof sum.bytes);
    }
    if (!rc)
        rc = file_write_private(path, b.data, b.len, e);
    else
        err_nomem(e);
    buf_free(&b);
    return rc;
}

// The parts of a file, once they are known to be there.
struct loaded {
    struct header h;
    const unsigned char *at; // the first record
};

static int bad(const char *path, struct err *e, const char *why)
{
    return err_set(e, -EINVAL, "%s: %s; delete it, it is made again", path, why);
}

// Each record lies inside, its tokens are known, its parent is a whole chunk before it.
static int check_records(const struct kv_store *s, const struct loaded *f, size_t left,
                         const char *path, struct err *e)
{
    const unsigned char *at = f->at;
    bool *whole = calloc((size_t)f->h.n_chunks + 1, sizeof *whole);
    int rc = whole ? 0 : err_nomem(e);
    for (uint32_t i = 0; i < f->h.n_chunks && !rc; i++) {
        struct record r;
        if (left < sizeof r) {
            rc = bad(path, e, "it is cut short");
            break;
        }
        memcpy(&r, at, sizeof r);
        bool ok =
            r.n >= 1 && r.n <= CHUNK_TOKENS && r.parent <= i && (!r.parent || whole[r.parent]);
        for (uint32_t k = 0; k < CHUNK_TOKENS && ok; k++)
            ok = r.tokens[k] >= 0 && (uint32_t)r.tokens[k] < f->h.n_vocab;
        size_t bytes = ok ? sizeof r + s->state_bytes / CHUNK_TOKENS * r.n : 0;
        if (!ok || bytes > left)
            rc = bad(path, e, ok ? "it is cut short" : "a chunk of it is impossible");
        whole[i + 1] = r.n == CHUNK_TOKENS;
        at += bytes;
        left -= bytes;
    }
    if (!rc && left)
        rc = bad(path, e, "something follows its last chunk");
    free(whole);
    return rc;
}

static int check_file(const struct kv_store *s, const struct file_map *m, const char *path,
                      const char *model, uint32_t n_vocab, struct loaded *f, struct err *e)
{
    struct header want = expected(s, model, n_vocab);
    struct hash128 sum;
    if (m->size < sizeof f->h + sizeof sum.bytes)
        return bad(path, e, "it is cut short");
    size_t left = m->size - sizeof sum.bytes;
    memcpy(&f->h, m->data, sizeof f->h);
    want.n_chunks = f->h.n_chunks;
    if (memcmp(&f->h, &want, sizeof want))
        return bad(path, e,
                   memcmp(f->h.magic, want.magic, sizeof want.magic)
                       ? "it is no store of keys and values"
                       : "it is of another model or another version of askd");
    sum = hash128_of(m->data, left);
    if (memcmp(sum.bytes, m->data + left, sizeof sum.bytes))
        return bad(path, e, "it is damaged");
    if (f->h.n_chunks > left / sizeof(struct record))
        return bad(path, e, "it names more chunks than it holds");
    f->at = m->data + sizeof f->h;
    return check_records(s, f, left - sizeof f->h, path, e);
}

// Add what is not there. A full store keeps what it has.
static int take_records(struct kv_store *s, const struct loaded *f, struct err *e)
{
    const unsigned char *at = f->at;
    uint32_t *place = malloc(((size_t)f->h.n_chunks + 1) * sizeof *place);
    if (!place)
        return err_nomem(e);
    place[0] = CHUNK_NONE;
    for (uint32_t i = 0; i < f->h.n_chunks; i++) {
        struct record r;
        memcpy(&r, at, sizeof r);
        size_t bytes = s->state_bytes / CHUNK_TOKENS * r.n;
        at += sizeof r;
        // Under a parent that found no room there is none either; 0 as a root is not that.
        uint32_t parent = place[r.parent], c = CHUNK_NONE;
        bool orphan = r.parent && parent == CHUNK_NONE;
        if (!orphan)
            c = kv_find(s, &r.key, parent, r.tokens, r.n);
        if (!orphan && c == CHUNK_NONE && (c = kv_add(s, &r.key, parent, 0)) != CHUNK_NONE) {
            memcpy(s->chunks[c].tokens, r.tokens, sizeof r.tokens);
            memcpy(s->chunks[c].state, at, bytes);
            s->chunks[c].n = r.n;
        }
        place[i + 1] = c;
        at += bytes;
    }
    free(place);
    return 0;
}

int kv_load(struct kv_store *s, const char *path, const char *model, uint32_t n_vocab,
            struct err *e)
{
    struct file_map m;
    struct loaded f;
    int rc = file_map_open(path, &m, e);
    if (rc)
        return rc;
    rc = check_file(s, &m, path, model, n_vocab, &f, e);
    if (!rc) {
        pthread_mutex_lock(&s->lock);
        rc = take_records(s, &f, e);
        pthread_mutex_unlock(&s->lock);
    }
    file_map_close(&m);
    return rc;
}
