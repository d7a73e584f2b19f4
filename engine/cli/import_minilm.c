// SPDX-License-Identifier: MIT
// A folder with model.safetensors, tokenizer.json and config.json of a BERT sentence embedder
// (all-MiniLM-L6-v2) -> GGUF. safetensors: u64 length of a JSON header, the header ({name:
// {dtype, shape, data_offsets}}), the bytes. F32 tensors are carried over as they are.
#include "engine/cli/cli.h"

#include "base/file.h"
#include "engine/gguf/gguf_writer.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_MAX = 16 << 20, VOCAB_MAX = 1 << 20, TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL };

struct minilm {
    const char *folder;
    struct file_map weights, tokenizer, config;
    cJSON *header, *tokens, *hyper;
    uint32_t hidden, layers, heads, ffn, vocab, positions, types;
    double eps;
    struct gguf_str *spelling; // [vocab]
    int32_t *type;             // [vocab]
    char *text;                // the spellings
};

static int open_part(const struct minilm *m, const char *name, struct file_map *map,
                     struct err *e)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", m->folder, name) >= PATH_MAX)
        return err_set(e, -ENAMETOOLONG, "%.100s...: the path is too long", m->folder);
    return file_map_open(path, map, e);
}

static int parse(const struct minilm *m, const char *name, const unsigned char *s, size_t n,
                 cJSON **out, struct err *e)
{
    *out = n <= JSON_MAX ? cJSON_ParseWithLength((const char *)s, n) : NULL;
    return cJSON_IsObject(*out)
               ? 0
               : err_set(e, -EINVAL, "%s/%s is no JSON object of at most %d bytes", m->folder,
                         name, JSON_MAX);
}

static int read_parts(struct minilm *m, struct err *e)
{
    uint64_t n = 0;
    int rc = open_part(m, "model.safetensors", &m->weights, e);
    if (!rc)
        rc = open_part(m, "tokenizer.json", &m->tokenizer, e);
    if (!rc)
        rc = open_part(m, "config.json", &m->config, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < 8 && m->weights.size >= 8; i++)
        n |= (uint64_t)m->weights.data[i] << 8 * i;
    if (m->weights.size < 8 || n > m->weights.size - 8)
        return err_set(e, -EINVAL,
                       "%s/model.safetensors: its header of %llu bytes is cut short", m->folder,
                       (unsigned long long)n);
    rc = parse(m, "model.safetensors", m->weights.data + 8, (size_t)n, &m->header, e);
    if (!rc)
        rc = parse(m, "tokenizer.json", m->tokenizer.data, m->tokenizer.size, &m->tokens, e);
    return rc ? rc : parse(m, "config.json", m->config.data, m->config.size, &m->hyper, e);
}

static int number(const struct minilm *m, const char *key, double low, double high, double *out,
                  struct err *e)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(m->hyper, key);
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= low && v->valuedouble <= high))
        return err_set(e, -EINVAL, "%s/config.json: %s must be a number from %g to %g",
                       m->folder, key, low, high);
    *out = v->valuedouble;
    return 0;
}

static int read_hyper(struct minilm *m, struct err *e)
{
    const struct {
        const char *key;
        double low, high;
        uint32_t *out;
    } all[] = {{"hidden_size", 32, 8192, &m->hidden},
               {"num_hidden_layers", 1, 128, &m->layers},
               {"num_attention_heads", 1, 256, &m->heads},
               {"intermediate_size", 32, 65536, &m->ffn},
               {"vocab_size", 4, VOCAB_MAX, &m->vocab},
               {"max_position_embeddings", 2, 65536, &m->positions},
               {"type_vocab_size", 1, 64, &m->types}};
    double v;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int rc = number(m, all[i].key, all[i].low, all[i].high, &v, e);
        if (rc)
            return rc;
        *all[i].out = (uint32_t)v;
    }
    return number(m, "layer_norm_eps", 0, 1, &m->eps, e);
}

// One piece; "##" in front of what goes on a word becomes nothing, its absence U+2581, as GGUF
// has it. Control tokens keep their spelling.
static int add_piece(struct minilm *m, const cJSON *v, size_t *at, size_t room, struct err *e)
{
    uint32_t id = (uint32_t)v->valueint;
    if (!cJSON_IsNumber(v) || v->valuedouble != (double)id || id >= m->vocab ||
        m->spelling[id].s)
        return err_set(e, -EINVAL,
                       "%s/tokenizer.json: the id of '%.40s' is out of range or taken",
                       m->folder, v->string);
    bool control =
        v->string[0] == '[' && v->string[1] && v->string[strlen(v->string) - 1] == ']';
    bool inside = !strncmp(v->string, "##", 2) && v->string[2];
    int n = snprintf(m->text + *at, room - *at, "%s%s", control || inside ? "" : "\xE2\x96\x81",
                     v->string + (inside ? 2 : 0));
    m->spelling[id] = (struct gguf_str){m->text + *at, (size_t)n};
    m->type[id] = !control                      ? TYPE_NORMAL
                  : !strcmp(v->string, "[UNK]") ? TYPE_UNKNOWN
                                                : TYPE_CONTROL;
    *at += (size_t)n + 1;
    return 0;
}

static int read_pieces(struct minilm *m, struct err *e)
{
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(m->tokens, "model"), *v;
    const cJSON *vocab = cJSON_GetObjectItemCaseSensitive(model, "vocab");
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(model, "type");
    size_t n = 0, room = 0, at = 0;
    if (!cJSON_IsObject(vocab) || !cJSON_IsString(kind) ||
        strcmp(kind->valuestring, "WordPiece"))
        return err_set(e, -EINVAL, "%s/tokenizer.json holds no WordPiece vocabulary",
                       m->folder);
    cJSON_ArrayForEach(v, vocab)
    {
        n++;
        room += strlen(v->string) + 4;
    }
    if (n != m->vocab)
        return err_set(e, -EINVAL, "%s/tokenizer.json has %zu pieces, config.json says %u",
                       m->folder, n, m->vocab);
    m->spelling = calloc(n, sizeof *m->spelling);
    m->type = calloc(n, sizeof *m->type);
    m->text = malloc(room);
    if (!m->spelling || !m->type || !m->text)
        return err_nomem(e);
    int rc = 0;
    cJSON_ArrayForEach(v, vocab) if (!rc) rc = add_piece(m, v, &at, room, e);
    return rc;
}

// ---- tensors ----

static bool has_shape(const cJSON *shape, uint64_t cols, uint64_t rows)
{
    int n = cJSON_GetArraySize(shape);
    if (n != (rows ? 2 : 1))
        return false;
    const cJSON *first = cJSON_GetArrayItem(shape, 0), *last = cJSON_GetArrayItem(shape, n - 1);
    return cJSON_IsNumber(first) && cJSON_IsNumber(last) && last->valuedouble == (double)cols &&
           (!rows || first->valuedouble == (double)rows);
}

// Carry `from` over as `to`; rows 0: a vector.
static int carry(const struct minilm *m, gguf_writer *w, const char *from, const char *to,
                 uint64_t cols, uint64_t rows, struct err *e)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(m->header, from);
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(t, "dtype");
    const cJSON *span = cJSON_GetObjectItemCaseSensitive(t, "data_offsets");
    const cJSON *a = cJSON_GetArrayItem(span, 0), *b = cJSON_GetArrayItem(span, 1);
    uint64_t base = 8, room, bytes = cols * (rows ? rows : 1) * 4, ne[2] = {cols, rows};
    for (size_t i = 0; i < 8; i++)
        base += (uint64_t)m->weights.data[i] << 8 * i;
    room = m->weights.size - base;
    if (!t)
        return err_set(e, -EINVAL, "%s/model.safetensors: tensor %s is missing", m->folder,
                       from);
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "F32") ||
        !has_shape(cJSON_GetObjectItemCaseSensitive(t, "shape"), cols, rows))
        return err_set(e, -EINVAL, "%s/model.safetensors: tensor %s is not F32 of %llu x %llu",
                       m->folder, from, (unsigned long long)cols, (unsigned long long)rows);
    if (!cJSON_IsNumber(a) || !cJSON_IsNumber(b) || !(a->valuedouble >= 0) ||
        fmod(a->valuedouble, 4) != 0 || b->valuedouble - a->valuedouble != (double)bytes ||
        b->valuedouble > (double)room)
        return err_set(e, -EINVAL, "%s/model.safetensors: tensor %s lies outside the file",
                       m->folder, from);
    gguf_writer_tensor(w, to, 0, ne, rows ? 2 : 1,
                       m->weights.data + base + (uint64_t)a->valuedouble);
    return 0;
}

static int carry_layer(const struct minilm *m, gguf_writer *w, uint32_t i, struct err *e)
{
    uint64_t h = m->hidden, f = m->ffn;
    const struct {
        const char *from, *to;
        uint64_t cols, rows;
    } all[] = {{"attention.self.query", "attn_q", h, h},
               {"attention.self.key", "attn_k", h, h},
               {"attention.self.value", "attn_v", h, h},
               {"attention.output.dense", "attn_output", h, h},
               {"intermediate.dense", "ffn_up", h, f},
               {"output.dense", "ffn_down", f, h},
               {"attention.output.LayerNorm", "attn_output_norm", h, 0},
               {"output.LayerNorm", "layer_output_norm", h, 0}};
    char from[96], to[64];
    int rc = 0;
    for (size_t k = 0; k < 2 * sizeof all / sizeof *all && !rc; k++) {
        const char *part = k % 2 ? "bias" : "weight";
        uint64_t rows = all[k / 2].rows;
        snprintf(from, sizeof from, "encoder.layer.%u.%s.%s", i, all[k / 2].from, part);
        snprintf(to, sizeof to, "blk.%u.%s.%s", i, all[k / 2].to, part);
        rc = k % 2 ? carry(m, w, from, to, rows ? rows : h, 0, e)
                   : carry(m, w, from, to, all[k / 2].cols, rows, e);
    }
    return rc;
}

static int carry_all(const struct minilm *m, gguf_writer *w, struct err *e)
{
    uint64_t h = m->hidden;
    int rc =
        carry(m, w, "embeddings.word_embeddings.weight", "token_embd.weight", h, m->vocab, e);
    if (!rc)
        rc = carry(m, w, "embeddings.position_embeddings.weight", "position_embd.weight", h,
                   m->positions, e);
    if (!rc)
        rc = carry(m, w, "embeddings.token_type_embeddings.weight", "token_types.weight", h,
                   m->types, e);
    if (!rc)
        rc = carry(m, w, "embeddings.LayerNorm.weight", "token_embd_norm.weight", h, 0, e);
    if (!rc)
        rc = carry(m, w, "embeddings.LayerNorm.bias", "token_embd_norm.bias", h, 0, e);
    for (uint32_t i = 0; i < m->layers && !rc; i++)
        rc = carry_layer(m, w, i, e);
    return rc;
}

static int write_metadata(const struct minilm *m, gguf_writer *w, struct err *e)
{
    static const struct {
        const char *spelling, *key;
    } special[] = {{"[CLS]", "tokenizer.ggml.bos_token_id"},
                   {"[SEP]", "tokenizer.ggml.eos_token_id"},
                   {"[UNK]", "tokenizer.ggml.unknown_token_id"},
                   {"[PAD]", "tokenizer.ggml.padding_token_id"}};
    gguf_writer_str(w, "general.architecture", "bert");
    gguf_writer_str(w, "general.name", "all-MiniLM-L6-v2");
    gguf_writer_str(w, "general.license", "apache-2.0");
    gguf_writer_u32(w, "general.file_type", 0);
    gguf_writer_u32(w, "bert.block_count", m->layers);
    gguf_writer_u32(w, "bert.context_length", m->positions);
    gguf_writer_u32(w, "bert.embedding_length", m->hidden);
    gguf_writer_u32(w, "bert.feed_forward_length", m->ffn);
    gguf_writer_u32(w, "bert.attention.head_count", m->heads);
    gguf_writer_f32(w, "bert.attention.layer_norm_epsilon", (float)m->eps);
    gguf_writer_bool(w, "bert.attention.causal", false);
    gguf_writer_u32(w, "bert.pooling_type", 1);
    gguf_writer_str(w, "tokenizer.ggml.model", "bert");
    gguf_writer_strings(w, "tokenizer.ggml.tokens", m->spelling, m->vocab);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, m->type, m->vocab);
    gguf_writer_u32(w, "tokenizer.ggml.token_type_count", m->types);
    gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_bool(w, "tokenizer.ggml.add_eos_token", true);
    for (size_t k = 0; k < sizeof special / sizeof *special; k++) {
        uint32_t i = 0;
        while (i < m->vocab && strcmp(m->spelling[i].s, special[k].spelling))
            i++;
        if (i == m->vocab)
            return err_set(e, -EINVAL, "%s/tokenizer.json has no %s", m->folder,
                           special[k].spelling);
        gguf_writer_u32(w, special[k].key, i);
    }
    return 0;
}

int import_minilm(const char *in, const char *out, struct err *e)
{
    struct minilm m = {.folder = in};
    gguf_writer *w = gguf_writer_new();
    int rc = w ? read_parts(&m, e) : err_nomem(e);
    if (!rc)
        rc = read_hyper(&m, e);
    if (!rc)
        rc = read_pieces(&m, e);
    if (!rc)
        rc = write_metadata(&m, w, e);
    if (!rc)
        rc = carry_all(&m, w, e);
    if (!rc)
        rc = gguf_writer_save(w, out, e);
    gguf_writer_free(w);
    cJSON_Delete(m.header);
    cJSON_Delete(m.tokens);
    cJSON_Delete(m.hyper);
    free(m.spelling);
    free(m.type);
    free(m.text);
    file_map_close(&m.weights);
    file_map_close(&m.tokenizer);
    file_map_close(&m.config);
    return rc;
}
