// SPDX-License-Identifier: MIT
#include "embedder/embedder.h"

#include "base/hash.h"
#include "embedder/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The model's prefix for queries or passages: from the file, or by a known name.
static int read_prefix(embedder *m, enum embedder_kind kind, const char *name, struct err *e)
{
    static const struct {
        const char *part, *prefix[2];
    } known[] = {
        {"e5", {"query: ", "passage: "}},
        {"bge", {"Represent this sentence for searching relevant passages: ", ""}},
        {"arctic-embed", {"Represent this sentence for searching relevant passages: ", ""}},
    };
    const char *key =
        kind == EMBEDDER_QUERY ? "askd.embedder.query_prefix" : "askd.embedder.passage_prefix";
    struct gguf_str s;
    int rc = gguf_get_str(m->g, key, &s, e);
    if (!rc && s.n >= EMBEDDER_PREFIX_MAX)
        return err_set(e, -EINVAL, "%s: %s is longer than %d bytes", gguf_path(m->g), key,
                       EMBEDDER_PREFIX_MAX - 1);
    if (!rc)
        memcpy(m->prefix[kind], s.s, s.n);
    for (size_t i = 0; rc == -ENOENT && i < sizeof known / sizeof *known; i++)
        if (strstr(name, known[i].part)) {
            strcpy(m->prefix[kind], known[i].prefix[kind]);
            break;
        }
    return rc == -ENOENT ? 0 : rc;
}

// Vectors are comparable only if weights, prefixes and pooling are equal.
static void make_fingerprint(embedder *m, const char *name)
{
    char hex[33];
    uint64_t sum[2] = {m->info.pooling, 0};
    for (size_t i = 0; i < gguf_tensor_count(m->g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(m->g, i);
        sum[0] = hash64_of(t->data, t->bytes, sum[0]);
        sum[1] = hash64_of(t->name, strlen(t->name), sum[1] ^ sum[0]);
    }
    sum[1] = hash64_of(m->prefix, sizeof m->prefix, sum[1]);
    struct hash128 h = hash128_of(sum, sizeof sum);
    hash128_hex(&h, hex);
    snprintf(m->fingerprint, sizeof m->fingerprint, "%.80s:%s", name, hex);
}

static int check_limits(embedder *m, struct err *e)
{
    struct tokens none = TOKENS_INIT;
    size_t most = 0;
    int rc = 0;
    for (int k = 0; k < 2 && !rc; k++) {
        none.len = 0;
        rc = tokenizer_encode(m->tok, m->prefix[k], strlen(m->prefix[k]), TOKENIZER_ADD_SPECIAL,
                              &none);
        most = none.len > most ? none.len : most;
    }
    tokens_free(&none);
    if (rc)
        return err_nomem(e);
    if (m->info.n_ctx < most + 32)
        return err_set(e, -EINVAL, "%s: a context of %u tokens is too short for an embedder",
                       gguf_path(m->g), m->info.n_ctx);
    if (tokenizer_size(m->tok) > m->info.n_vocab)
        return err_set(e, -EINVAL, "%s: the tokenizer knows more tokens than the model",
                       gguf_path(m->g));
    m->max_tokens = m->info.n_ctx - most;
    return 0;
}

int embedder_open(const char *path, struct team *team, embedder **out, struct err *e)
{
    embedder *m = calloc(1, sizeof *m);
    struct gguf_str s = {"embedder", 8};
    char name[81];
    if (!m)
        return err_nomem(e);
    m->team = team;
    int rc = gguf_open(path, &m->g, e);
    if (!rc && gguf_get_str(m->g, "general.name", &s, NULL) == 0 && s.n > 80)
        s.n = 80;
    if (!rc)
        rc = transformer_open(m->g, team, &m->t, e);
    if (!rc) {
        transformer_describe(m->t, &m->info);
        if (m->info.causal)
            rc = err_set(e, -EINVAL, "%s is a decoder (%s); an embedder is an encoder (bert)",
                         path, m->info.architecture);
    }
    if (!rc)
        rc = tokenizer_open(m->g, &m->tok, e);
    snprintf(name, sizeof name, "%.*s", (int)s.n, s.s);
    if (!rc)
        rc = read_prefix(m, EMBEDDER_QUERY, name, e);
    if (!rc)
        rc = read_prefix(m, EMBEDDER_PASSAGE, name, e);
    if (!rc)
        rc = check_limits(m, e);
    if (rc) {
        embedder_close(m);
        return rc;
    }
    make_fingerprint(m, name);
    *out = m;
    return 0;
}

void embedder_close(embedder *m)
{
    if (!m)
        return;
    tokenizer_close(m->tok);
    transformer_close(m->t);
    gguf_close(m->g);
    free(m);
}

size_t embedder_dims(const embedder *m)
{
    return m->info.n_embd;
}

size_t embedder_max_tokens(const embedder *m)
{
    return m->max_tokens;
}

const char *embedder_fingerprint(const embedder *m)
{
    return m->fingerprint;
}

size_t embedder_count_tokens(const embedder *m, const char *s, size_t n)
{
    struct tokens t = TOKENS_INIT;
    size_t len = tokenizer_encode(m->tok, s, n, 0, &t) ? n : t.len;
    tokens_free(&t);
    return len;
}

// Prefix and text between the model's own marks, cut to the context with the closing mark kept.
static int add_text(embedder *m, enum embedder_kind kind, const struct embedder_text *x,
                    struct tokens *out)
{
    size_t prefix = strlen(m->prefix[kind]), start = out->len;
    char *whole = malloc(prefix + x->n + 1);
    if (!whole)
        return -ENOMEM;
    memcpy(whole, m->prefix[kind], prefix);
    memcpy(whole + prefix, x->s, x->n);
    int rc = tokenizer_encode(m->tok, whole, prefix + x->n, TOKENIZER_ADD_SPECIAL, out);
    free(whole);
    if (!rc && out->len == start)
        rc = tokens_add(out, 0); // a model without marks, and no text
    if (!rc && out->len - start > m->info.n_ctx) {
        int32_t last = out->ids[out->len - 1];
        out->len = start + m->info.n_ctx;
        out->ids[out->len - 1] = last;
    }
    return rc;
}

int embedder_embed(embedder *m, enum embedder_kind kind, enum team_class class,
                   const struct embedder_text *texts, size_t count, float *out,
                   const atomic_bool *cancel, struct err *e)
{
    struct tokens t = TOKENS_INIT;
    uint32_t *starts = malloc((count + 1) * sizeof *starts);
    int rc = starts ? 0 : err_nomem(e);
    for (size_t done = 0; done < count && !rc;) {
        size_t n = 0;
        t.len = 0;
        while (done + n < count && (!n || t.len < EMBEDDER_TURN_TOKENS) && !rc) {
            starts[n] = (uint32_t)t.len;
            if (add_text(m, kind, &texts[done + n], &t))
                rc = err_nomem(e);
            n++;
        }
        starts[n] = (uint32_t)t.len;
        if (rc || (rc = team_take(m->team, class, cancel, e)))
            break;
        rc = transformer_encode(m->t, t.ids, starts, (uint32_t)n, out + done * m->info.n_embd,
                                cancel, e);
        team_give(m->team);
        done += n;
    }
    tokens_free(&t);
    free(starts);
    return rc;
}

int embedder_query(embedder *m, const char *query, size_t n, float *out,
                   const atomic_bool *cancel, struct err *e)
{
    struct tokens t = TOKENS_INIT;
    const struct embedder_text text = {query, n};
    int rc = add_text(m, EMBEDDER_QUERY, &text, &t) ? err_nomem(e) : 0;
    if (!rc)
        rc = transformer_encode_alone(m->t, t.ids, (uint32_t)t.len, out, cancel, e);
    tokens_free(&t);
    return rc;
}
