// SPDX-License-Identifier: MIT
// The model, its timelines and turns of the team: what llm.c shares with generate.c.
#pragma once

#include "base/clock.h"
#include "engine/transformer/transformer.h"
#include "llm/adapters.h"
#include "llm/draft.h"
#include "llm/internal.h"
#include "llm/kv.h"
#include "llm/vocab.h"

#include <pthread.h>

enum { TURN_TOKENS = 64, SESSIONS_MAX = 64 };
// Tokens of one pass: a piece of a prompt, a token of each other answer, guesses of some.
#define PASS_TOKENS(sessions)   \
    (TURN_TOKENS + (sessions) + \
     DRAFT_MAX * ((sessions) < GUESSING ? (sessions) : (uint32_t)GUESSING))
enum { GUESSING = 4 };

// One timeline and the scratch of the request that has it.
struct slot {
    transformer_session *session;
    int32_t *tokens; // [n_ctx] what the timeline holds
    uint32_t len;
    struct adapter_set set; // that it was computed with
    bool busy;
    uint64_t used; // when, for the least recently used
    struct sampler_room room;
    float *rows; // [DRAFT_ROWS, n_vocab] logits behind guesses; NULL: none are made
    struct pace pace;
    struct draft_line line; // of the draft model, if there is one
    // Under turns.lock: writes an answer; has posted; is not waited for.
    bool decoding, queued, late;
};

// Tokens to append to a timeline.
struct turn {
    const int32_t *tokens;
    uint32_t n; // up to TURN_TOKENS
    float *all; // [n, n_vocab]: the logits behind each, or NULL
    enum transformer_want want;
    int32_t best; // out
    const atomic_bool *cancel;
    // Of turns.c.
    struct turns *turns;
    struct slot *slot;
    struct turn *next;
    bool done, leads;
    int rc;
    struct err e;
};

// Turns that wait for a pass, and those of the pass that runs.
struct turns {
    struct turn *first, **last;
    bool led;                         // somebody runs a pass, or is about to
    bool left_open;                   // who ran it has left: another goes on; the team is taken
    struct turn *batch[SESSIONS_MAX]; // NULL: it is over
    struct transformer_part parts[SESSIONS_MAX];
    uint32_t n_batch;
    int n_decoding; // requests that write an answer
    uint64_t passes, shared;
    pthread_mutex_t lock;
    pthread_cond_t posted, turned;
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
    uint32_t n_ctx, n_slots, n_batch; // n_batch: tokens of one pass
    size_t longest_token;             // bytes
    bool lookup;                      // guess from the prompt
    struct draft_model draft;
    struct adapters adapters;
    atomic_uint_fast64_t drafted, accepted;
    struct kv_store store; // of earlier prompts
    struct turns turns;
    struct slot *slots;
    uint64_t clock;
    struct vocab *vocab;     // made when first asked for
    pthread_mutex_t hashing; // sha256
    char sha256[65];         // of the file; "" until it is asked for
    pthread_mutex_t lock;    // slots' busy, used; clock; vocab
    pthread_cond_t freed;
};

// 0, or -ECANCELED with its sentence.
int llm__cancelled(const atomic_bool *cancel, struct err *e);
int llm__too_long(const llm *m, size_t prompt, size_t more, struct err *e);
// The free slot that shares most with the prompt under these adapters, else the one unused for
// longest; waits while all are busy. It computes with them from now on.
int llm__take_slot(llm *m, const struct tokens *p, const struct adapter_set *set,
                   const atomic_bool *cancel, struct slot **out, struct err *e);
void llm__give_slot(llm *m, struct slot *s);

// ---- room.c ----

// -ENOMEM with figures, and what to lower, where all that the model would take is more than
// this process may have.
int llm__room_check(const gguf *g, const struct llm_options *o, uint32_t n_sessions,
                    uint32_t n_ctx, uint64_t cache, struct err *e);

// ---- turns.c ----

void llm__turns_init(struct turns *q);
void llm__turns_free(struct turns *q);
// Compute tokens in a pass that others may share. On failure the timeline is as it was; once it
// is cancelled the pass that goes on for others has nothing to do with it any more.
int llm__turn(llm *m, struct slot *s, struct turn *t, struct err *e);
// The request of this slot begins to write, or has ended: passes wait a moment for such.
void llm__turns_decoding(llm *m, struct slot *s, bool decoding);
// Other requests that write now.
uint32_t llm__turns_others(llm *m);

// ---- llm.c ----

// Make the timeline hold exactly the prompt, with the logits of its last token. To *cached how
// many of its tokens were not computed, to *restored how many of those came from the store.
int llm__prefill(llm *m, struct slot *s, const struct tokens *p, uint32_t *cached,
                 uint32_t *restored, const atomic_bool *cancel, struct err *e);
// The vocabulary as bytes, made once.
int llm__vocab(llm *m, const struct vocab **out, struct err *e);
