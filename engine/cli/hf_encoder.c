// SPDX-License-Identifier: MIT
// Encoders: what a configuration says beside its sizes, and what of it the engine cannot run.
#include "engine/cli/hf.h"

#include <math.h>
#include <stdio.h>

static const cJSON *get(const cJSON *in, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(in, key);
}

static int refuse(const struct hf *m, const char *key, struct err *e)
{
    return err_set(e, -ENOTSUP, "%s/config.json: %s is not supported", m->folder, key);
}

// The mean of all tokens, unless 1_Pooling says that it is the first one.
static int write_pooling(struct hf *m, struct err *e)
{
    static const char *const other[] = {
        "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"};
    cJSON *p = NULL;
    int rc = hf_parse_optional(m, "1_Pooling/config.json", &p, e);
    bool cls = cJSON_IsTrue(get(p, "pooling_mode_cls_token"));
    for (size_t i = 0; i < sizeof other / sizeof *other && !rc; i++)
        if (cJSON_IsTrue(get(p, other[i])))
            rc = err_set(e, -ENOTSUP, "%s/1_Pooling/config.json: %s is not supported",
                         m->folder, other[i]);
    if (!rc && cls && cJSON_IsTrue(get(p, "pooling_mode_mean_tokens")))
        rc = err_set(e, -ENOTSUP, "%s/1_Pooling/config.json: two vectors in one", m->folder);
    if (!rc)
        hf_put_u32(m, "pooling_type", cls ? 2 : 1);
    cJSON_Delete(p);
    return rc;
}

// Nomic's own code has more kinds of layers than its models use.
static int nomic(struct hf *m, struct err *e)
{
    static const char *const flags[] = {"prenorm", "parallel_block", "use_rms_norm", "causal",
                                        "rotary_emb_interleaved"};
    static const char *const numbers[] = {"rotary_emb_scale_base", "rotary_scaling_factor"};
    const cJSON *c = m->config, *mixtures = get(c, "moe_every_n_layers");
    double base, part;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (cJSON_IsTrue(get(c, flags[i])))
            return refuse(m, flags[i], e);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (cJSON_IsNumber(get(c, numbers[i])))
            return refuse(m, numbers[i], e);
    if (cJSON_IsNumber(mixtures) && mixtures->valuedouble > 0)
        return refuse(m, "moe_every_n_layers", e);
    int rc = hf_number(m, c, "rotary_emb_fraction", 0, 1, NAN, &part, e);
    if (!rc && part != 1)
        rc = refuse(m, "a rotary_emb_fraction other than 1", e);
    if (!rc)
        rc = hf_number(m, c, "rotary_emb_base", 1, 1e12, 10000, &base, e);
    if (!rc)
        hf_put_f32(m, "rope.freq_base", base);
    return rc;
}

// Layers that see all, and those between that see a window, have rotations of their own.
static int modern(struct hf *m, struct err *e)
{
    static const char *const newer[] = {"layer_types", "rope_parameters", "rope_scaling"};
    const cJSON *c = m->config;
    double global, local;
    uint32_t window = 0, period = 0;
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        if (get(c, newer[i]) && !cJSON_IsNull(get(c, newer[i])))
            return refuse(m, newer[i], e);
    int rc = hf_number(m, c, "global_rope_theta", 1, 1e12, 160000, &global, e);
    if (!rc)
        rc = hf_number(m, c, "local_rope_theta", 1, 1e12,
                       cJSON_IsNull(get(c, "local_rope_theta")) ? global : 10000, &local, e);
    if (!rc)
        rc = hf_whole(m, "local_attention", 2, 1 << 20, 128, &window, e);
    if (!rc)
        rc = hf_whole(m, "global_attn_every_n_layers", 1, 256, 3, &period, e);
    if (rc)
        return rc;
    hf_put_f32(m, "rope.freq_base", global);
    hf_put_f32(m, "rope.freq_base_swa", local);
    hf_put_u32(m, "attention.sliding_window", window);
    hf_put_u32(m, "attention.sliding_window_pattern", period);
    return 0;
}

int hf_write_encoder_keys(struct hf *m, struct err *e)
{
    const char *key = m->family == HF_NOMIC_BERT    ? "layer_norm_epsilon"
                      : m->family == HF_MODERN_BERT ? "norm_eps"
                                                    : "layer_norm_eps";
    bool rotary = m->family == HF_NOMIC_BERT || m->family == HF_MODERN_BERT;
    char name[64];
    double eps;
    int rc = hf_number(m, m->config, key, 0, 1, rotary ? 1e-5 : 1e-12, &eps, e);
    if (rc)
        return rc;
    hf_put_f32(m, "attention.layer_norm_epsilon", eps);
    snprintf(name, sizeof name, "%s.attention.causal", m->arch);
    gguf_writer_bool(m->w, name, false);
    rc = write_pooling(m, e);
    if (!rc && m->family == HF_NOMIC_BERT)
        rc = nomic(m, e);
    if (!rc && m->family == HF_MODERN_BERT)
        rc = modern(m, e);
    return rc;
}
