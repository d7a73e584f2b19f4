// SPDX-License-Identifier: MIT
// Rotary positions: their bases, and what stretches them.
#include "engine/cli/hf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

// A list of numbers above 0, one for each pair that turns, as a tensor.
static int write_factors(struct hf *m, const cJSON *s, const char *key, const char *name,
                         struct err *e)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(s, key), *v;
    uint64_t n = m->rotary / 2, i = 0;
    float *out = arena_alloc(m->a, n * sizeof *out);
    if (!out)
        return err_nomem(e);
    cJSON_ArrayForEach(v, list)
    {
        if (i < n && cJSON_IsNumber(v) && v->valuedouble > 0 && v->valuedouble < 1e12)
            out[i++] = (float)v->valuedouble;
        else
            i = n + 1;
    }
    if (i != n)
        return err_set(e, -EINVAL, "%s/config.json: %s must be %llu numbers above 0", m->folder,
                       key, (unsigned long long)n);
    gguf_writer_tensor(m->w, name, 0, &n, 1, out);
    return 0;
}

// LongRoPE: factors up to the original context, others beyond it, and rotations a little
// longer.
static int write_long_rope(struct hf *m, const cJSON *s, struct err *e)
{
    const char *key = "original_max_position_embeddings";
    const cJSON *in = cJSON_GetObjectItemCaseSensitive(m->config, key) ? m->config : s;
    double original, magnitude;
    int rc = hf_number(m, in, key, 2, 1 << 20, NAN, &original, e);
    double stretch = rc ? 1 : m->positions / original;
    if (!rc && in == s) // then a factor that is given counts
        rc = hf_number(m, s, "factor", 1e-3, 1e6, stretch, &stretch, e);
    if (!rc)
        rc = hf_number(m, s, "attention_factor", 1e-3, 1e3,
                       stretch > 1 ? sqrt(1 + log(stretch) / log(original)) : 1, &magnitude, e);
    if (rc)
        return rc;
    hf_put_u32(m, "rope.scaling.original_context_length", (uint32_t)original);
    hf_put_f32(m, "rope.scaling.attn_factor", magnitude);
    rc = write_factors(m, s, "long_factor", "rope_factors_long.weight", e);
    return rc ? rc : write_factors(m, s, "short_factor", "rope_factors_short.weight", e);
}

// How many of a head's numbers turn: all, of phi3 perhaps only a part.
static int read_rotary(struct hf *m, const cJSON *in, struct err *e)
{
    const char *key = "partial_rotary_factor";
    double part;
    in = cJSON_GetObjectItemCaseSensitive(in, key) ? in : m->config;
    int rc = hf_number(m, in, key, 0, 1, 1, &part, e);
    m->rotary = rc ? 0 : (uint32_t)(m->head_dim * part);
    if (!rc && ((part != 1 && m->family != HF_PHI3) || m->rotary < 2 || m->rotary % 2))
        rc = err_set(e, -ENOTSUP, "%s/config.json: %s is %g", m->folder, key, part);
    return rc;
}

int hf_write_rope(struct hf *m, struct err *e)
{
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(m->config, "rope_scaling");
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(m->config, "rope_parameters");
    const cJSON *in = cJSON_IsObject(p) ? p : m->config;
    bool far = m->family == HF_GEMMA3 || m->family == HF_MIXTRAL;
    double base, factor, local;
    s = cJSON_IsObject(p) ? p : s;
    int rc = hf_number(m, in, "rope_theta", 1, 1e12, far ? 1e6 : 10000, &base, e);
    if (!rc)
        rc = read_rotary(m, in, e);
    if (rc)
        return rc;
    hf_put_f32(m, "rope.freq_base", base);
    hf_put_u32(m, "rope.dimension_count", m->rotary);
    if (m->family == HF_GEMMA3) {
        rc = hf_number(m, m->config, "rope_local_base_freq", 1, 1e12, 10000, &local, e);
        hf_put_f32(m, "rope.freq_base_swa", local);
    }
    const char *kind = hf_string(s, "rope_type");
    kind = kind ? kind : hf_string(s, "type");
    if (rc || !cJSON_IsObject(s) || (kind && !strcmp(kind, "default")))
        return rc;
    if (m->family == HF_PHI3 && kind && (!strcmp(kind, "longrope") || !strcmp(kind, "su")))
        return write_long_rope(m, s, e);
    if (kind && !strcmp(kind, "llama3"))
        return write_llama3_factors(m, s, base, e);
    if (!kind || strcmp(kind, "linear"))
        return err_set(e, -ENOTSUP,
                       "%s/config.json: rope_scaling of type '%.40s' is none of default, "
                       "linear, llama3 and, of phi3, longrope",
                       m->folder, kind ? kind : "");
    char name[64];
    rc = hf_number(m, s, "factor", 1, 1e6, NAN, &factor, e);
    snprintf(name, sizeof name, "%s.rope.scaling.type", m->arch);
    gguf_writer_str(m->w, name, "linear");
    hf_put_f32(m, "rope.scaling.factor", factor);
    return rc;
}
