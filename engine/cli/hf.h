// SPDX-License-Identifier: MIT
// The import of a Hugging Face folder: shared by hf.c, hf_tensors.c and hf_tokenizer.c only.
#pragma once

#include "base/arena.h"
#include "engine/cli/safetensors.h"
#include "engine/gguf/gguf_writer.h"

#include <cjson/cJSON.h>

enum hf_family {
    HF_BERT, // encoders first
    HF_XLM_R,
    HF_NOMIC_BERT,
    HF_MODERN_BERT,
    HF_LLAMA,
    HF_MIXTRAL,
    HF_QWEN2,
    HF_QWEN3,
    HF_QWEN3_MOE,
    HF_GEMMA3,
    HF_PHI3
};

struct hf {
    const char *folder;
    enum hf_family family;
    const char *arch; // general.architecture
    cJSON *config, *tokenizer, *tokenizer_config;
    safetensors *weights;
    gguf_writer *w;
    arena *a; // what the writer borrows until the save
    uint32_t hidden, layers, heads, kv_heads, head_dim, ffn, vocab, positions, types;
    uint32_t context; // positions at most, fewer where a window would begin to tell
    uint32_t experts, experts_used, expert_ffn; // of a mixture; else 0
    uint32_t rotary;                            // of a head's numbers, those that turn
    uint32_t first_position; // rows of the position table that no text reaches
    bool tied, encoder;
};

// A number of config.json from low to high, a whole one where `whole`; absent or null:
// `fallback`, unless that is NAN.
int hf_number(const struct hf *m, const cJSON *in, const char *key, double low, double high,
              double fallback, double *out, struct err *e);
// The string at `key`, or NULL.
const char *hf_string(const cJSON *in, const char *key);

// A whole number of config.json, as hf_number.
int hf_whole(const struct hf *m, const char *key, double low, double high, double fallback,
             uint32_t *out, struct err *e);
// A JSON object in a file of the folder; *out stays as it is where there is none.
int hf_parse_optional(const struct hf *m, const char *name, cJSON **out, struct err *e);
// Keys ARCHITECTURE.KEY.
void hf_put_u32(const struct hf *m, const char *key, uint32_t v);
void hf_put_f32(const struct hf *m, const char *key, double v);

// hf_encoder.c: what an encoder's configuration says beside its sizes.
int hf_write_encoder_keys(struct hf *m, struct err *e);
// hf_rope.c: the keys rope.*, and the factors that stand beside the weights.
int hf_write_rope(struct hf *m, struct err *e);
// hf_tensors.c: every tensor by its name in GGUF, rotated, shifted and converted as its family
// needs; one that no name fits is an error.
int hf_write_tensors(struct hf *m, struct err *e);
// hf_tokenizer.c: the keys tokenizer.*.
int hf_write_tokenizer(struct hf *m, struct err *e);
