// SPDX-License-Identifier: MIT
// Names, shapes and layouts. GGUF keeps Hugging Face's row-major matrices; three things differ:
// llama rotates neighbouring pairs, so the rows of its Q and K are interleaved; Gemma's norms
// are stored with 1 added; vectors are F32.
#include "engine/cli/hf.h"

#include "engine/tensor/formats.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { F32 = 0 };
enum {
    OPTIONAL = 1, // may be absent
    AS_F32 = 2,
    PLUS_ONE = 4, // with AS_F32
    PAIRS = 8,    // rotary halves become neighbouring pairs; `heads` of them
};

struct rule {
    const char *from, *to; // behind the layer's prefix
    uint64_t rows, cols;   // rows 0: a vector
    unsigned flags;
    uint32_t heads;
    bool bias; // it may have one
};

// Row r of a head in GGUF is this row in Hugging Face: 0, half, 1, half + 1, ...
static uint64_t paired_row(uint64_t row, uint64_t head_rows)
{
    uint64_t in = row % head_rows;
    return row - in + in / 2 + in % 2 * (head_rows / 2);
}

static const void *convert(struct hf *m, const struct safetensor *t, uint64_t rows,
                           uint64_t cols, unsigned flags, uint32_t heads, uint32_t *type)
{
    const struct tensor_type *info = tensor_type_info(t->type);
    bool widen = flags & AS_F32 && t->type != F32;
    *type = flags & AS_F32 ? F32 : t->type;
    if (!widen && !(flags & (PLUS_ONE | PAIRS)))
        return t->data;
    size_t in = (size_t)cols * info->bytes,
           out = (size_t)cols * (*type == F32 ? 4 : info->bytes);
    char *made = arena_alloc(m->a, (size_t)rows * out);
    for (uint64_t r = 0; made && r < rows; r++) {
        uint64_t from = flags & PAIRS ? paired_row(r, rows / heads) : r;
        const char *src = (const char *)t->data + from * in;
        char *dst = made + r * out;
        if (*type == t->type)
            memcpy(dst, src, in);
        else
            tensor_unpack(info, src, (size_t)cols, (float *)(void *)dst);
        for (uint64_t c = 0; flags & PLUS_ONE && c < cols; c++)
            ((float *)(void *)dst)[c] += 1;
    }
    return made;
}

// The tensor `from` of that shape; *out is NULL where it may be absent and is.
static int look_up(struct hf *m, const char *from, uint64_t rows, uint64_t cols, bool optional,
                   struct safetensor **out, struct err *e)
{
    struct safetensor *t = *out = safetensors_find(m->weights, from);
    if (!t && optional)
        return 0;
    if (!t)
        return err_set(e, -EINVAL, "%s: tensor %s is missing", m->folder, from);
    if (t->type == SAFETENSOR_OTHER)
        return err_set(e, -ENOTSUP, "%s: tensor %s is of another type than F32, F16 and BF16",
                       m->folder, from);
    if (t->n_dims != (rows ? 2 : 1) || t->ne[0] != (rows ? rows : cols) ||
        (rows && t->ne[1] != cols))
        return err_set(
            e, -EINVAL, "%s: tensor %s is %llu x %llu, config.json wants %llu x %llu",
            m->folder, from, (unsigned long long)t->ne[0], (unsigned long long)t->ne[1],
            (unsigned long long)(rows ? rows : cols), (unsigned long long)(rows ? cols : 1));
    t->used = true;
    return 0;
}

static int carry(struct hf *m, const char *from, const char *to, uint64_t rows, uint64_t cols,
                 unsigned flags, uint32_t heads, struct err *e)
{
    struct safetensor *t;
    uint64_t ne[2] = {cols, rows};
    uint32_t type;
    int rc = look_up(m, from, rows, cols, flags & OPTIONAL, &t, e);
    if (rc || !t)
        return rc;
    // A rotated bias is a column: one number a row.
    bool column = flags & PAIRS && !rows;
    const void *data = convert(m, t,
                               column ? cols
                               : rows ? rows
                                      : 1,
                               column ? 1 : cols, rows ? flags : flags | AS_F32, heads, &type);
    if (!data)
        return err_nomem(e);
    gguf_writer_tensor(m->w, to, type, ne, rows ? 2 : 1, data);
    return 0;
}

// A part [rows, cols] of every expert: PREFIX E FROM.weight for each E become one tensor.
static int carry_experts(struct hf *m, const char *prefix, const char *from, const char *to,
                         uint64_t rows, uint64_t cols, struct err *e)
{
    uint64_t ne[3] = {cols, rows, m->experts};
    uint32_t type = F32;
    const void **slices = arena_alloc(m->a, m->experts * sizeof *slices);
    if (!slices)
        return err_nomem(e);
    for (uint32_t i = 0; i < m->experts; i++) {
        char name[160];
        struct safetensor *t;
        snprintf(name, sizeof name, "%s%u.%s.weight", prefix, i, from);
        int rc = look_up(m, name, rows, cols, false, &t, e);
        if (rc)
            return rc;
        if (i && t->type != type)
            return err_set(e, -ENOTSUP, "%s: tensor %s is of another type than those before",
                           m->folder, name);
        type = t->type;
        slices[i] = t->data;
    }
    gguf_writer_stack(m->w, to, type, ne, 3, slices, m->experts);
    return 0;
}

// One rule with `prefix` before both names and the parts .weight and .bias behind them.
static int apply(struct hf *m, const char *prefix, const char *into, const struct rule *r,
                 struct err *e)
{
    char from[160], to[96];
    snprintf(from, sizeof from, "%s%s.weight", prefix, r->from);
    snprintf(to, sizeof to, "%s%s.weight", into, r->to);
    int rc = carry(m, from, to, r->rows, r->cols, r->flags, r->heads, e);
    if (rc || !r->bias)
        return rc;
    snprintf(from, sizeof from, "%s%s.bias", prefix, r->from);
    snprintf(to, sizeof to, "%s%s.bias", into, r->to);
    bool must = m->encoder && (!r->rows || m->family == HF_BERT || m->family == HF_XLM_R);
    unsigned flags = (r->flags & PAIRS) | (must ? 0 : OPTIONAL);
    return carry(m, from, to, 0, r->rows ? r->rows : r->cols, flags, r->heads, e);
}

static int apply_all(struct hf *m, const char *prefix, const char *into, const struct rule *r,
                     size_t n, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = apply(m, prefix, into, &r[i], e);
    return rc;
}

static int bert_layer(struct hf *m, const char *prefix, const char *into, struct err *e)
{
    uint64_t h = m->hidden, f = m->ffn;
    const struct rule rules[] = {
        {"attention.self.query", "attn_q", h, h, 0, 0, true},
        {"attention.self.key", "attn_k", h, h, 0, 0, true},
        {"attention.self.value", "attn_v", h, h, 0, 0, true},
        {"attention.output.dense", "attn_output", h, h, 0, 0, true},
        {"intermediate.dense", "ffn_up", f, h, 0, 0, true},
        {"output.dense", "ffn_down", h, f, 0, 0, true},
        {"attention.output.LayerNorm", "attn_output_norm", 0, h, 0, 0, true},
        {"output.LayerNorm", "layer_output_norm", 0, h, 0, 0, true},
    };
    return apply_all(m, prefix, into, rules, sizeof rules / sizeof *rules, e);
}

static int nomic_layer(struct hf *m, const char *prefix, const char *into, struct err *e)
{
    uint64_t h = m->hidden, f = m->ffn;
    const struct rule rules[] = {
        {"attn.Wqkv", "attn_qkv", 3 * h, h, 0, 0, true},
        {"attn.out_proj", "attn_output", h, h, 0, 0, true},
        {"mlp.fc11", "ffn_up", f, h, 0, 0, true},
        {"mlp.fc12", "ffn_gate", f, h, 0, 0, true},
        {"mlp.fc2", "ffn_down", h, f, 0, 0, true},
        {"norm1", "attn_output_norm", 0, h, 0, 0, true},
        {"norm2", "layer_output_norm", 0, h, 0, 0, true},
    };
    return apply_all(m, prefix, into, rules, sizeof rules / sizeof *rules, e);
}

// The first layer has no norm before its attention: that of the embeddings stands there.
static int modern_layer(struct hf *m, const char *prefix, const char *into, bool first,
                        struct err *e)
{
    uint64_t h = m->hidden, f = m->ffn;
    const struct rule rules[] = {
        {"attn_norm", "attn_norm", 0, h, 0, 0, false},
        {"attn.Wqkv", "attn_qkv", 3 * h, h, 0, 0, true},
        {"attn.Wo", "attn_output", h, h, 0, 0, true},
        {"mlp_norm", "ffn_norm", 0, h, 0, 0, false},
        {"mlp.Wi", "ffn_up", 2 * f, h, 0, 0, false},
        {"mlp.Wo", "ffn_down", h, f, 0, 0, true},
    };
    return apply_all(m, prefix, into, rules + first, sizeof rules / sizeof *rules - first, e);
}

static int expert_layer(struct hf *m, const char *prefix, const char *into, struct err *e)
{
    bool qwen = m->family == HF_QWEN3_MOE;
    uint64_t d = m->hidden, f = m->expert_ffn;
    const struct {
        const char *from, *to;
        uint64_t rows, cols;
    } parts[] = {{qwen ? "gate_proj" : "w1", "ffn_gate_exps", f, d},
                 {qwen ? "up_proj" : "w3", "ffn_up_exps", f, d},
                 {qwen ? "down_proj" : "w2", "ffn_down_exps", d, f}};
    const struct rule router = {qwen ? "mlp.gate" : "block_sparse_moe.gate",
                                "ffn_gate_inp",
                                m->experts,
                                d,
                                AS_F32,
                                0,
                                false};
    int rc = apply(m, prefix, into, &router, e);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !rc; i++) {
        char from[96], to[64];
        snprintf(from, sizeof from, "%s%s.experts.", prefix, qwen ? "mlp" : "block_sparse_moe");
        snprintf(to, sizeof to, "%s%s.weight", into, parts[i].to);
        rc = carry_experts(m, from, parts[i].from, to, parts[i].rows, parts[i].cols, e);
    }
    return rc;
}

static int feed_layer(struct hf *m, const char *prefix, const char *into, struct err *e)
{
    uint64_t d = m->hidden, f = m->ffn;
    const struct rule rules[] = {
        {"mlp.gate_proj", "ffn_gate", f, d, 0, 0, true},
        {"mlp.up_proj", "ffn_up", f, d, 0, 0, true},
        {"mlp.down_proj", "ffn_down", d, f, 0, 0, true},
    };
    return m->experts ? expert_layer(m, prefix, into, e)
                      : apply_all(m, prefix, into, rules, 3, e);
}

static int phi3_layer(struct hf *m, const char *prefix, const char *into, struct err *e)
{
    uint64_t d = m->hidden, f = m->ffn, q = (uint64_t)m->heads * m->head_dim,
             kv = (uint64_t)m->kv_heads * m->head_dim;
    const struct rule rules[] = {
        {"input_layernorm", "attn_norm", 0, d, AS_F32, 0, false},
        {"self_attn.qkv_proj", "attn_qkv", q + 2 * kv, d, 0, 0, false},
        {"self_attn.o_proj", "attn_output", d, q, 0, 0, false},
        {"post_attention_layernorm", "ffn_norm", 0, d, AS_F32, 0, false},
        {"mlp.gate_up_proj", "ffn_up", 2 * f, d, 0, 0, false},
        {"mlp.down_proj", "ffn_down", d, f, 0, 0, false},
    };
    return apply_all(m, prefix, into, rules, sizeof rules / sizeof *rules, e);
}

static int decoder_layer(struct hf *m, const char *prefix, const char *into, struct err *e)
{
    uint64_t d = m->hidden, q = (uint64_t)m->heads * m->head_dim,
             kv = (uint64_t)m->kv_heads * m->head_dim;
    bool gemma = m->family == HF_GEMMA3;
    bool normed = gemma || m->family == HF_QWEN3 || m->family == HF_QWEN3_MOE;
    unsigned pairs = m->family == HF_LLAMA || m->family == HF_MIXTRAL ? PAIRS : 0;
    unsigned norm = gemma ? AS_F32 | PLUS_ONE : AS_F32;
    const struct rule rules[] = {
        {"input_layernorm", "attn_norm", 0, d, norm, 0, false},
        {"self_attn.q_proj", "attn_q", q, d, pairs, m->heads, true},
        {"self_attn.k_proj", "attn_k", kv, d, pairs, m->kv_heads, true},
        {"self_attn.v_proj", "attn_v", kv, d, 0, 0, true},
        {"self_attn.o_proj", "attn_output", d, q, 0, 0, true},
        {"post_attention_layernorm", gemma ? "post_attention_norm" : "ffn_norm", 0, d, norm, 0,
         false},
    };
    const struct rule head_norms[] = {
        {"self_attn.q_norm", "attn_q_norm", 0, m->head_dim, norm, 0, false},
        {"self_attn.k_norm", "attn_k_norm", 0, m->head_dim, norm, 0, false},
    };
    const struct rule gemma_norms[] = {
        {"pre_feedforward_layernorm", "ffn_norm", 0, d, norm, 0, false},
        {"post_feedforward_layernorm", "post_ffw_norm", 0, d, norm, 0, false},
    };
    int rc = apply_all(m, prefix, into, rules, sizeof rules / sizeof *rules, e);
    if (!rc)
        rc = feed_layer(m, prefix, into, e);
    if (!rc && normed)
        rc = apply_all(m, prefix, into, head_norms, 2, e);
    return !rc && gemma ? apply_all(m, prefix, into, gemma_norms, 2, e) : rc;
}

static int outer(struct hf *m, const char *base, struct err *e)
{
    uint64_t d = m->hidden;
    const struct rule bert[] = {
        {"embeddings.word_embeddings", "token_embd", m->vocab, d, 0, 0, false},
        {"embeddings.position_embeddings", "position_embd", m->positions, d, AS_F32, 0, false},
        {"embeddings.token_type_embeddings", "token_types", m->types, d, AS_F32, 0, false},
        {"embeddings.LayerNorm", "token_embd_norm", 0, d, 0, 0, true},
    };
    const struct rule nomic[] = {
        {"embeddings.word_embeddings", "token_embd", m->vocab, d, 0, 0, false},
        {"embeddings.token_type_embeddings", "token_types", m->types, d, AS_F32, 0, false},
        {"emb_ln", "token_embd_norm", 0, d, 0, 0, true},
    };
    const struct rule modern[] = {
        {"embeddings.tok_embeddings", "token_embd", m->vocab, d, 0, 0, false},
        {"embeddings.norm", "token_embd_norm", 0, d, 0, 0, false},
        {"final_norm", "output_norm", 0, d, 0, 0, false},
    };
    const struct rule decoder[] = {
        {"embed_tokens", "token_embd", m->vocab, d, 0, 0, false},
        {"norm", "output_norm", 0, d, m->family == HF_GEMMA3 ? AS_F32 | PLUS_ONE : AS_F32, 0,
         false},
    };
    const struct rule head = {"lm_head", "output", m->vocab, d, 0, 0, false};
    if (m->family == HF_NOMIC_BERT)
        return apply_all(m, base, "", nomic, 3, e);
    if (m->family == HF_MODERN_BERT)
        return apply_all(m, base, "", modern, 3, e);
    if (m->encoder)
        return apply_all(m, base, "", bert, sizeof bert / sizeof *bert, e);
    int rc = apply_all(m, base, "", decoder, sizeof decoder / sizeof *decoder, e);
    return rc || m->tied ? rc : apply(m, "", "", &head, e);
}

// Whatever was not carried over must be known to say nothing.
static int check_unused(const struct hf *m, struct err *e)
{
    static const char *const idle[] = {"pooler.", "position_ids", "rotary_emb.inv_freq",
                                       "cls."};
    for (size_t i = 0; i < safetensors_count(m->weights); i++) {
        const struct safetensor *t = safetensors_at(m->weights, i);
        bool known = t->used || (m->tied && !strcmp(t->name, "lm_head.weight")) ||
                     (m->encoder && !strncmp(t->name, "lm_head.", 8)) ||
                     (m->family == HF_MODERN_BERT &&
                      (!strncmp(t->name, "head.", 5) || !strncmp(t->name, "decoder.", 8)));
        for (size_t k = 0; k < sizeof idle / sizeof *idle; k++)
            known = known || strstr(t->name, idle[k]);
        if (!known)
            return err_set(e, -ENOTSUP,
                           "%s: tensor %.80s has no place in a %s model: it would be lost",
                           m->folder, t->name, m->arch);
    }
    return 0;
}

// What stands before every name: the model's own part, where it was saved with a head.
static const char *find_base(const struct hf *m)
{
    static const char *const bases[] = {"bert.", "roberta.", "model."};
    const char *first = m->family == HF_MODERN_BERT ? "embeddings.tok_embeddings"
                        : m->encoder                ? "embeddings.word_embeddings"
                                                    : "embed_tokens";
    char probe[64];
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        snprintf(probe, sizeof probe, "%s%s.weight", bases[i], first);
        if (safetensors_find(m->weights, probe))
            return bases[i];
    }
    return "";
}

// Leave out the rows of the position table that stand before the first position.
static void skip_positions(const struct hf *m, const char *base)
{
    char name[80];
    snprintf(name, sizeof name, "%sembeddings.position_embeddings.weight", base);
    struct safetensor *t = safetensors_find(m->weights, name);
    if (!t || t->n_dims != 2 || t->type == SAFETENSOR_OTHER || t->ne[0] <= m->first_position)
        return; // carry() complains
    size_t skip = t->bytes / t->ne[0] * m->first_position;
    t->data = (const char *)t->data + skip;
    t->bytes -= skip;
    t->ne[0] -= m->first_position;
}

static int layer(struct hf *m, uint32_t i, const char *prefix, const char *into, struct err *e)
{
    switch (m->family) {
    case HF_BERT:
    case HF_XLM_R:
        return bert_layer(m, prefix, into, e);
    case HF_NOMIC_BERT:
        return nomic_layer(m, prefix, into, e);
    case HF_MODERN_BERT:
        return modern_layer(m, prefix, into, i == 0, e);
    case HF_PHI3:
        return phi3_layer(m, prefix, into, e);
    default:
        return decoder_layer(m, prefix, into, e);
    }
}

int hf_write_tensors(struct hf *m, struct err *e)
{
    const char *base = find_base(m);
    const char *layers = m->family == HF_NOMIC_BERT                      ? "encoder.layers"
                         : m->family == HF_BERT || m->family == HF_XLM_R ? "encoder.layer"
                                                                         : "layers";
    char prefix[64], into[32];
    if (m->first_position)
        skip_positions(m, base);
    int rc = outer(m, base, e);
    for (uint32_t i = 0; i < m->layers && !rc; i++) {
        snprintf(prefix, sizeof prefix, "%s%s.%u.", base, layers, i);
        snprintf(into, sizeof into, "blk.%u.", i);
        rc = layer(m, i, prefix, into, e);
    }
    return rc ? rc : check_unused(m, e);
}
