// SPDX-License-Identifier: MIT
// askd-model import --from hf: config.json, tokenizer.json and safetensors -> GGUF, with the
// names and keys that llama.cpp gives them. Matrices keep their type. What the engine could not
// run as the model means it (other activations, scalings, caps) is refused.
#include "engine/cli/hf.h"

#include "base/file.h"
#include "engine/cli/cli.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_MAX = 1 << 20, TOKENIZER_MAX = 48 << 20, EXPERTS_MAX = 512 };

static int parse(const struct hf *m, const char *name, size_t most, cJSON **out, struct err *e)
{
    char path[PATH_MAX];
    struct file_map map;
    if (snprintf(path, sizeof path, "%s/%s", m->folder, name) >= PATH_MAX)
        return err_set(e, -ENAMETOOLONG, "%.100s...: the path is too long", m->folder);
    int rc = file_map_open(path, &map, e);
    if (rc)
        return rc;
    *out = map.size <= most ? cJSON_ParseWithLength((const char *)map.data, map.size) : NULL;
    file_map_close(&map);
    return cJSON_IsObject(*out)
               ? 0
               : err_set(e, -EINVAL, "%s is no JSON object of at most %zu bytes", path, most);
}

// A file that may be absent.
int hf_parse_optional(const struct hf *m, const char *name, cJSON **out, struct err *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", m->folder, name);
    return access(path, F_OK) ? 0 : parse(m, name, CONFIG_MAX, out, e);
}

int hf_number(const struct hf *m, const cJSON *in, const char *key, double low, double high,
              double fallback, double *out, struct err *e)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(in, key);
    *out = fallback;
    if ((!v || cJSON_IsNull(v)) && !isnan(fallback))
        return 0;
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= low && v->valuedouble <= high))
        return err_set(e, -EINVAL, "%s/config.json: %s must be a number from %g to %g",
                       m->folder, key, low, high);
    *out = v->valuedouble;
    return 0;
}

const char *hf_string(const cJSON *in, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(in, key);
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

void hf_put_u32(const struct hf *m, const char *key, uint32_t v)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", m->arch, key);
    gguf_writer_u32(m->w, name, v);
}

void hf_put_f32(const struct hf *m, const char *key, double v)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", m->arch, key);
    gguf_writer_f32(m->w, name, (float)v);
}

static int read_family(struct hf *m, struct err *e)
{
    static const struct {
        const char *type, *arch, *act;
        enum hf_family family;
    } known[] = {{"bert", "bert", "gelu", HF_BERT},
                 {"xlm-roberta", "bert", "gelu", HF_XLM_R},
                 {"nomic_bert", "nomic-bert", "swiglu", HF_NOMIC_BERT},
                 {"modernbert", "modern-bert", "gelu", HF_MODERN_BERT},
                 {"llama", "llama", "silu", HF_LLAMA},
                 {"mistral", "llama", "silu", HF_LLAMA},
                 {"mixtral", "llama", "silu", HF_MIXTRAL},
                 {"qwen2", "qwen2", "silu", HF_QWEN2},
                 {"qwen3", "qwen3", "silu", HF_QWEN3},
                 {"qwen3_moe", "qwen3moe", "silu", HF_QWEN3_MOE},
                 {"gemma3_text", "gemma3", "gelu_pytorch_tanh", HF_GEMMA3},
                 {"phi3", "phi3", "silu", HF_PHI3}};
    const char *type = hf_string(m->config, "model_type"), *act;
    size_t k = 0, n = sizeof known / sizeof *known;
    while (k < n && (!type || strcmp(type, known[k].type)))
        k++;
    if (!type && cJSON_HasObjectItem(m->config, "type_vocab_size"))
        k = 0; // BERT before there were types
    if (k == n)
        return err_set(
            e, -ENOTSUP,
            "%s/config.json: model_type '%.40s' is none of bert, xlm-roberta, nomic_bert, "
            "modernbert, llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma3_text, phi3",
            m->folder, type ? type : "");
    m->family = known[k].family;
    m->arch = known[k].arch;
    m->encoder = m->family <= HF_MODERN_BERT;
    if (m->family == HF_NOMIC_BERT) {
        act = hf_string(m->config, "activation_function");
        act = act ? act : "gelu"; // what its code takes then
    } else {
        act = hf_string(m->config, "hidden_activation");
        act = act ? act : hf_string(m->config, "hidden_act");
    }
    if (act && strcmp(act, known[k].act))
        return err_set(e, -ENOTSUP, "%s/config.json: the activation '%.40s' is not %s",
                       m->folder, act, known[k].act);
    return 0;
}

int hf_whole(const struct hf *m, const char *key, double low, double high, double fallback,
             uint32_t *out, struct err *e)
{
    double v;
    int rc = hf_number(m, m->config, key, low, high, fallback, &v, e);
    if (!rc && v != floor(v))
        rc = err_set(e, -EINVAL, "%s/config.json: %s is no whole number", m->folder, key);
    if (!rc)
        *out = (uint32_t)v;
    return rc;
}

static int read_sizes(struct hf *m, struct err *e)
{
    bool bert = m->encoder, typed = bert && m->family != HF_MODERN_BERT;
    bool nomic = m->family == HF_NOMIC_BERT; // has GPT-2's names
    const struct {
        const char *key;
        double low, high, fallback;
        uint32_t *out;
    } all[] = {{nomic ? "n_embd" : "hidden_size", 32, 16384, NAN, &m->hidden},
               {nomic ? "n_layer" : "num_hidden_layers", 1, 256, NAN, &m->layers},
               {nomic ? "n_head" : "num_attention_heads", 1, 256, NAN, &m->heads},
               {"num_key_value_heads", 1, 256, 0, &m->kv_heads},
               {"head_dim", 2, 1024, 0, &m->head_dim},
               {nomic ? "n_inner" : "intermediate_size", 32, 131072, NAN, &m->ffn},
               {"vocab_size", 4, 1 << 22, NAN, &m->vocab},
               {nomic ? "n_positions" : "max_position_embeddings", 2, 1 << 22,
                bert ? NAN : 4096, &m->positions},
               {"type_vocab_size", 1, 16, typed ? NAN : 0, &m->types}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int rc =
            hf_whole(m, all[i].key, all[i].low, all[i].high, all[i].fallback, all[i].out, e);
        if (rc)
            return rc;
    }
    m->kv_heads = m->kv_heads ? m->kv_heads : m->heads;
    m->head_dim = m->head_dim ? m->head_dim : m->hidden / m->heads;
    if (m->heads % m->kv_heads || m->head_dim % 2 || !m->head_dim)
        return err_set(e, -EINVAL, "%s/config.json: its heads and widths do not fit together",
                       m->folder);
    // Fairseq's positions count from the padding token's id on.
    double padding = 0;
    if (m->family == HF_XLM_R) {
        int rc = hf_number(m, m->config, "pad_token_id", 0, m->positions - 2, 1, &padding, e);
        if (rc)
            return rc;
        m->first_position = (uint32_t)padding + 1;
        m->positions -= m->first_position;
    }
    m->tied = !bert && (m->family == HF_GEMMA3 || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(
                                                      m->config, "tie_word_embeddings")));
    return 0;
}

// The context. The engine gives Phi-3 no window, and needs none where the context ends with it.
static int read_context(struct hf *m, struct err *e)
{
    m->context = m->positions;
    if (m->family != HF_PHI3)
        return 0;
    uint32_t window = 0;
    int rc = hf_whole(m, "sliding_window", 1, 1 << 22, m->positions, &window, e);
    m->context = window < m->positions ? window : m->positions;
    return rc;
}

// A mixture of experts; the engine has one in every layer and weighs those it chose so that
// together they count as one.
static int read_experts(struct hf *m, struct err *e)
{
    bool qwen = m->family == HF_QWEN3_MOE;
    const cJSON *c = m->config;
    uint32_t step = 1;
    m->expert_ffn = m->ffn;
    if (!qwen && m->family != HF_MIXTRAL)
        return 0;
    int rc = hf_whole(m, qwen ? "num_experts" : "num_local_experts", 1, EXPERTS_MAX, NAN,
                      &m->experts, e);
    if (!rc)
        rc = hf_whole(m, "num_experts_per_tok", 1, m->experts, NAN, &m->experts_used, e);
    if (rc || !qwen)
        return rc;
    rc = hf_whole(m, "moe_intermediate_size", 32, 131072, NAN, &m->expert_ffn, e);
    if (!rc)
        rc = hf_whole(m, "decoder_sparse_step", 1, 256, 1, &step, e);
    if (!rc && !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c, "norm_topk_prob")))
        rc = err_set(e, -ENOTSUP, "%s/config.json: norm_topk_prob is not true", m->folder);
    if (!rc && (step != 1 ||
                cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(c, "mlp_only_layers"))))
        rc = err_set(e, -ENOTSUP,
                     "%s/config.json: by decoder_sparse_step or mlp_only_layers not every "
                     "layer has experts",
                     m->folder);
    return rc;
}

// What would make other sums than the engine's.
static int refuse_unknown(const struct hf *m, struct err *e)
{
    static const char *const caps[] = {"attn_logit_softcapping", "final_logit_softcapping"};
    const cJSON *c = m->config;
    const char *position = hf_string(c, "position_embedding_type");
    for (size_t i = 0; i < 2; i++)
        if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(c, caps[i])))
            return err_set(e, -ENOTSUP, "%s/config.json: %s is not supported", m->folder,
                           caps[i]);
    if (position && strcmp(position, "absolute"))
        return err_set(e, -ENOTSUP, "%s/config.json: positions of kind '%.40s'", m->folder,
                       position);
    if (m->family == HF_GEMMA3) {
        double scalar, pattern;
        int rc = hf_number(m, c, "query_pre_attn_scalar", 1, 65536, m->head_dim, &scalar, e);
        if (!rc)
            rc = hf_number(m, c, "sliding_window_pattern", 1, 256, 6, &pattern, e);
        if (!rc && (scalar != m->head_dim || pattern != 6))
            rc =
                err_set(e, -ENOTSUP,
                        "%s/config.json: queries are not scaled by the width of a head, or not "
                        "every sixth layer sees all",
                        m->folder);
        return rc;
    }
    if (m->family == HF_PHI3)
        return 0; // its window bounds the context
    bool windows = m->family == HF_LLAMA || m->family == HF_MIXTRAL ||
                   cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c, "use_sliding_window"));
    if (windows && cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(c, "sliding_window")))
        return err_set(e, -ENOTSUP, "%s/config.json: sliding windows are not supported here",
                       m->folder);
    return 0;
}

static uint32_t file_type(const struct hf *m)
{
    for (size_t i = 0; i < safetensors_count(m->weights); i++) {
        const struct safetensor *t = safetensors_at(m->weights, i);
        if (t->n_dims == 2)
            return t->type == 30 ? 32 : t->type; // as llama.cpp numbers them
    }
    return 0;
}

static int write_decoder_keys(struct hf *m, struct err *e)
{
    bool near = m->family == HF_PHI3 || m->family == HF_MIXTRAL;
    double eps, window;
    int rc = hf_number(m, m->config, "rms_norm_eps", 1e-12, 1, near ? 1e-5 : 1e-6, &eps, e);
    if (rc)
        return rc;
    hf_put_u32(m, "attention.head_count_kv", m->kv_heads);
    hf_put_u32(m, "attention.key_length", m->head_dim);
    hf_put_u32(m, "attention.value_length", m->head_dim);
    hf_put_f32(m, "attention.layer_norm_rms_epsilon", eps);
    hf_put_u32(m, "vocab_size", m->vocab);
    if (m->experts) {
        hf_put_u32(m, "expert_count", m->experts);
        hf_put_u32(m, "expert_used_count", m->experts_used);
        hf_put_u32(m, "expert_feed_forward_length", m->expert_ffn);
    }
    if (m->family == HF_GEMMA3) {
        rc = hf_number(m, m->config, "sliding_window", 1, 1 << 20, 512, &window, e);
        hf_put_u32(m, "attention.sliding_window", (uint32_t)window);
    }
    return rc ? rc : hf_write_rope(m, e);
}

static int write_keys(struct hf *m, const char *name, struct err *e)
{
    gguf_writer_str(m->w, "general.architecture", m->arch);
    gguf_writer_str(m->w, "general.name", name);
    gguf_writer_u32(m->w, "general.file_type", file_type(m));
    hf_put_u32(m, "block_count", m->layers);
    hf_put_u32(m, "context_length", m->context);
    hf_put_u32(m, "embedding_length", m->hidden);
    hf_put_u32(m, "feed_forward_length", m->ffn);
    hf_put_u32(m, "attention.head_count", m->heads);
    return m->encoder ? hf_write_encoder_keys(m, e) : write_decoder_keys(m, e);
}

// The last part of a path, where there is one: folders are called as their models are.
static const char *last_part(const char *s, char out[128])
{
    size_t n = strlen(s), start;
    while (n && s[n - 1] == '/')
        n--;
    for (start = n; start && s[start - 1] != '/'; start--)
        ;
    snprintf(out, 128, "%.*s", (int)(n - start < 127 ? n - start : 127), s + start);
    return *out && *out != '.' ? out : NULL;
}

int import_hf(const char *in, const char *out, const char *name, struct err *e)
{
    struct hf m = {.folder = in};
    char folder[128];
    m.a = arena_new(0);
    m.w = gguf_writer_new();
    int rc = m.a && m.w ? parse(&m, "config.json", CONFIG_MAX, &m.config, e) : err_nomem(e);
    if (!rc)
        rc = parse(&m, "tokenizer.json", TOKENIZER_MAX, &m.tokenizer, e);
    if (!rc)
        rc = hf_parse_optional(&m, "tokenizer_config.json", &m.tokenizer_config, e);
    if (!rc)
        rc = read_family(&m, e);
    if (!rc)
        rc = read_sizes(&m, e);
    if (!rc)
        rc = read_context(&m, e);
    if (!rc)
        rc = read_experts(&m, e);
    if (!rc)
        rc = refuse_unknown(&m, e);
    if (!rc)
        rc = safetensors_open(in, &m.weights, e);
    if (!rc) {
        name = name ? name : last_part(in, folder);
        rc = write_keys(&m, name ? name : "model", e);
    }
    if (!rc)
        rc = hf_write_tokenizer(&m, e);
    if (!rc)
        rc = hf_write_tensors(&m, e);
    if (!rc)
        rc = gguf_writer_save(m.w, out, e);
    gguf_writer_free(m.w);
    safetensors_close(m.weights);
    cJSON_Delete(m.config);
    cJSON_Delete(m.tokenizer);
    cJSON_Delete(m.tokenizer_config);
    arena_free(m.a);
    return rc;
}
