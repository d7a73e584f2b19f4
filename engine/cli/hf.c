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

enum { CONFIG_MAX = 1 << 20, TOKENIZER_MAX = 48 << 20 };

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
static int parse_optional(const struct hf *m, const char *name, cJSON **out, struct err *e)
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

static int read_family(struct hf *m, struct err *e)
{
    static const struct {
        const char *type, *arch, *act;
        enum hf_family family;
    } known[] = {{"bert", "bert", "gelu", HF_BERT},
                 {"xlm-roberta", "bert", "gelu", HF_XLM_R},
                 {"llama", "llama", "silu", HF_LLAMA},
                 {"mistral", "llama", "silu", HF_LLAMA},
                 {"qwen2", "qwen2", "silu", HF_QWEN2},
                 {"qwen3", "qwen3", "silu", HF_QWEN3},
                 {"gemma3_text", "gemma3", "gelu_pytorch_tanh", HF_GEMMA3}};
    const char *type = hf_string(m->config, "model_type"), *act;
    size_t k = 0, n = sizeof known / sizeof *known;
    while (k < n && (!type || strcmp(type, known[k].type)))
        k++;
    if (!type && cJSON_HasObjectItem(m->config, "type_vocab_size"))
        k = 0; // BERT before there were types
    if (k == n)
        return err_set(e, -ENOTSUP,
                       "%s/config.json: model_type '%.40s' is none of bert, xlm-roberta, "
                       "llama, mistral, qwen2, qwen3, gemma3_text",
                       m->folder, type ? type : "");
    m->family = known[k].family;
    m->arch = known[k].arch;
    m->encoder = m->family == HF_BERT || m->family == HF_XLM_R;
    act = hf_string(m->config, "hidden_activation");
    act = act ? act : hf_string(m->config, "hidden_act");
    if (act && strcmp(act, known[k].act))
        return err_set(e, -ENOTSUP, "%s/config.json: the activation '%.40s' is not %s",
                       m->folder, act, known[k].act);
    return 0;
}

static int read_sizes(struct hf *m, struct err *e)
{
    bool bert = m->encoder;
    const struct {
        const char *key;
        double low, high, fallback;
        uint32_t *out;
    } all[] = {{"hidden_size", 32, 16384, NAN, &m->hidden},
               {"num_hidden_layers", 1, 256, NAN, &m->layers},
               {"num_attention_heads", 1, 256, NAN, &m->heads},
               {"num_key_value_heads", 1, 256, 0, &m->kv_heads},
               {"head_dim", 2, 1024, 0, &m->head_dim},
               {"intermediate_size", 32, 131072, NAN, &m->ffn},
               {"vocab_size", 4, 1 << 22, NAN, &m->vocab},
               {"max_position_embeddings", 2, 1 << 22, bert ? NAN : 4096, &m->positions},
               {"type_vocab_size", 1, 16, bert ? NAN : 0, &m->types}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double v;
        int rc = hf_number(m, m->config, all[i].key, all[i].low, all[i].high, all[i].fallback,
                           &v, e);
        if (!rc && v != floor(v))
            rc = err_set(e, -EINVAL, "%s/config.json: %s is no whole number", m->folder,
                         all[i].key);
        if (rc)
            return rc;
        *all[i].out = (uint32_t)v;
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
    bool windows = m->family == HF_LLAMA ||
                   cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c, "use_sliding_window"));
    if (windows && cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(c, "sliding_window")))
        return err_set(e, -ENOTSUP, "%s/config.json: sliding windows are not supported here",
                       m->folder);
    return 0;
}

static void put_u32(const struct hf *m, const char *key, uint32_t v)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", m->arch, key);
    gguf_writer_u32(m->w, name, v);
}

static void put_f32(const struct hf *m, const char *key, double v)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", m->arch, key);
    gguf_writer_f32(m->w, name, (float)v);
}

// Llama 3.1's stretched rotation: a factor for each pair, by which its frequency is divided.
static int write_llama3_factors(struct hf *m, const cJSON *s, double base, struct err *e)
{
    double factor = 1, low = 1, high = 4, context = 1;
    int rc = hf_number(m, s, "factor", 1, 1e6, NAN, &factor, e);
    if (!rc)
        rc = hf_number(m, s, "low_freq_factor", 1e-3, 1e6, 1, &low, e);
    if (!rc)
        rc = hf_number(m, s, "high_freq_factor", 1e-3, 1e6, 4, &high, e);
    if (!rc)
        rc = hf_number(m, s, "original_max_position_embeddings", 1, 1 << 22, 8192, &context, e);
    if (!rc && !(high > low))
        rc =
            err_set(e, -EINVAL, "%s/config.json: high_freq_factor is not above low_freq_factor",
                    m->folder);
    uint64_t n = m->head_dim / 2;
    float *out = rc ? NULL : arena_alloc(m->a, n * sizeof *out);
    if (!rc && !out)
        rc = err_nomem(e);
    for (uint64_t i = 0; i < n && !rc; i++) {
        double wave = 2 * 3.14159265358979323846 * pow(base, 2.0 * (double)i / m->head_dim);
        double smooth = (context / wave - low) / (high - low);
        out[i] = wave < context / high  ? 1
                 : wave > context / low ? (float)factor
                                        : (float)(1 / ((1 - smooth) / factor + smooth));
    }
    if (!rc)
        gguf_writer_tensor(m->w, "rope_freqs.weight", 0, &n, 1, out);
    return rc;
}

static int write_rope(struct hf *m, struct err *e)
{
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(m->config, "rope_scaling");
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(m->config, "rope_parameters");
    const cJSON *in = cJSON_IsObject(p) ? p : m->config;
    double base, factor, local;
    s = cJSON_IsObject(p) ? p : s;
    int rc =
        hf_number(m, in, "rope_theta", 1, 1e12, m->family == HF_GEMMA3 ? 1e6 : 10000, &base, e);
    if (rc)
        return rc;
    put_f32(m, "rope.freq_base", base);
    put_u32(m, "rope.dimension_count", m->head_dim);
    if (m->family == HF_GEMMA3) {
        rc = hf_number(m, m->config, "rope_local_base_freq", 1, 1e12, 10000, &local, e);
        put_f32(m, "rope.freq_base_swa", local);
    }
    const char *kind = hf_string(s, "rope_type");
    kind = kind ? kind : hf_string(s, "type");
    if (rc || !cJSON_IsObject(s) || (kind && !strcmp(kind, "default")))
        return rc;
    if (kind && !strcmp(kind, "llama3"))
        return write_llama3_factors(m, s, base, e);
    if (!kind || strcmp(kind, "linear"))
        return err_set(e, -ENOTSUP,
                       "%s/config.json: rope_scaling of type '%.40s' is none of default, "
                       "linear, llama3",
                       m->folder, kind ? kind : "");
    char name[64];
    rc = hf_number(m, s, "factor", 1, 1e6, NAN, &factor, e);
    snprintf(name, sizeof name, "%s.rope.scaling.type", m->arch);
    gguf_writer_str(m->w, name, "linear");
    put_f32(m, "rope.scaling.factor", factor);
    return rc;
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
    double eps, window;
    int rc = hf_number(m, m->config, "rms_norm_eps", 1e-12, 1, 1e-6, &eps, e);
    if (rc)
        return rc;
    put_u32(m, "attention.head_count_kv", m->kv_heads);
    put_u32(m, "attention.key_length", m->head_dim);
    put_u32(m, "attention.value_length", m->head_dim);
    put_f32(m, "attention.layer_norm_rms_epsilon", eps);
    put_u32(m, "vocab_size", m->vocab);
    if (m->family == HF_GEMMA3) {
        rc = hf_number(m, m->config, "sliding_window", 1, 1 << 20, 512, &window, e);
        put_u32(m, "attention.sliding_window", (uint32_t)window);
    }
    return rc ? rc : write_rope(m, e);
}

static int write_bert_keys(struct hf *m, struct err *e)
{
    cJSON *pooling = NULL;
    double eps;
    int rc = hf_number(m, m->config, "layer_norm_eps", 0, 1, 1e-12, &eps, e);
    if (!rc)
        rc = parse_optional(m, "1_Pooling/config.json", &pooling, e);
    if (!rc) {
        bool cls =
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(pooling, "pooling_mode_cls_token"));
        put_f32(m, "attention.layer_norm_epsilon", eps);
        gguf_writer_bool(m->w, "bert.attention.causal", false);
        put_u32(m, "pooling_type", cls ? 2 : 1);
    }
    cJSON_Delete(pooling);
    return rc;
}

static int write_keys(struct hf *m, const char *name, struct err *e)
{
    gguf_writer_str(m->w, "general.architecture", m->arch);
    gguf_writer_str(m->w, "general.name", name);
    gguf_writer_u32(m->w, "general.file_type", file_type(m));
    put_u32(m, "block_count", m->layers);
    put_u32(m, "context_length", m->positions);
    put_u32(m, "embedding_length", m->hidden);
    put_u32(m, "feed_forward_length", m->ffn);
    put_u32(m, "attention.head_count", m->heads);
    return m->encoder ? write_bert_keys(m, e) : write_decoder_keys(m, e);
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
        rc = parse_optional(&m, "tokenizer_config.json", &m.tokenizer_config, e);
    if (!rc)
        rc = read_family(&m, e);
    if (!rc)
        rc = read_sizes(&m, e);
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
