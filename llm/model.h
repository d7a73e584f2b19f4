// SPDX-License-Identifier: MIT
// The model, its timelines and turns of the team: what llm.c shares with generate.c.
#pragma once

#include "engine/transformer/transformer.h"
#include "llm/draft.h"
#include "llm/internal.h"
#include "llm/kv.h"
#include "llm/vocab.h"

#include <pthread.h>

enum { TURN_TOKENS = 64 };

// One timeline and the scratch of the request that has it.
struct slot {
    transformer_session *session;
    int32_t *tokens; // [n_ctx] what the timeline holds
    uint32_t len;
    bool busy;
    uint64_t used; // when, for the least recently used
    struct sampler_room room;
    float *rows; // [DRAFT_ROWS, n_vocab] logits behind guesses; NULL: none are made
    struct pace pace;
    struct draft_line line; // of the draft model, if there is one
};

// Tokens to append to a timeline.
struct turn {
    const int32_t *tokens;
    uint32_t n; // up to TURN_TOKENS
    float *all; // [n, n_vocab], or NULL: then what `want` says
    enum transformer_want want;
    int32_t best; // out
    const atomic_bool *cancel;
};

struct llm {
    gguf *g;
    tokenizer *t;
    transformer *model;
    struct team *team;
    struct chat chat;
    struct transformer_info info;
    struct llm_info about;
    char name[128];
    uint32_t n_ctx, n_slots;
    size_t longest_token; // bytes
    bool lookup;          // guess from the prompt
    struct draft_model draft;
    atomic_uint_fast64_t drafted, accepted;
    struct kv_store store; // of earlier prompts
    struct slot *slots;
    uint64_t clock;
    struct vocab *vocab;  // made when first asked for
    pthread_mutex_t lock; // slots' busy, used; clock; vocab
    pthread_cond_t freed;
};

double llm__now_ms(void);
// 0, or -ECANCELED with its sentence.
int llm__cancelled(const atomic_bool *cancel, struct err *e);
int llm__too_long(const llm *m, size_t prompt, size_t more, struct err *e);
// The free slot that shares most with the prompt, else the one unused for longest; waits while
// all are busy.
int llm__take_slot(llm *m, const struct tokens *p, const atomic_bool *cancel, struct slot **out,
                   struct err *e);
void llm__give_slot(llm *m, struct slot *s);
// One turn of the team. On failure the timeline is as it was.
int llm__turn(llm *m, struct slot *s, struct turn *t, struct err *e);
// Make the timeline hold exactly the prompt, with the logits of its last token. To *cached how
// many of its tokens were not computed, to *restored how many of those came from the store.
int llm__prefill(llm *m, struct slot *s, const struct tokens *p, uint32_t *cached,
                 uint32_t *restored, const atomic_bool *cancel, struct err *e);
// The vocabulary as bytes, made once.
int llm__vocab(llm *m, const struct vocab **out, struct err *e);
