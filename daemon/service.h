// SPDX-License-Identifier: MIT
// Models, index and rules: loaded in the background, then used by tasks on any thread.
#pragma once

#include "answer/answer.h"
#include "base/err.h"
#include "daemon/config.h"
#include "embedder/embedder.h"
#include "engine/tensor/team.h"
#include "llm/llm.h"
#include "retriever/retriever.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum service_state { SERVICE_LOADING, SERVICE_READY, SERVICE_FAILED };

struct service {
    atomic_int state; // enum service_state
    atomic_int stage; // index of what is being loaded
    // Valid once ready.
    struct team *team;
    embedder *embedder; // NULL: words only
    embedder *english;  // NULL: there is no second one
    reader *reader;     // NULL: passages are not read
    lexicon *lexicon;   // NULL: questions are not translated
    llm *llm;           // NULL: quotes only
    retriever *retriever;
    safety *safety;
    answerer *answerer;
    // Valid once hashed.
    atomic_bool hashed;
    char llm_sha256[65], embedder_sha256[65], english_sha256[65];
    atomic_uint_fast64_t damaged; // passages that were found and could not be shown
    struct err failure;           // valid once failed
    // Private.
    pthread_t thread;
    bool started;
    char llm_path[4096], embedder_path[4096], english_path[4096], reader_path[4096],
        lexicon_path[4096];
    const struct config *config;
    void (*on_change)(void *ctx); // loader thread: the state has changed
    void *ctx;
};

// Settle which files to load (-ENOENT names a configured one that is absent) and compile the
// rules. Starts no thread.
int service_find(struct service *s, const struct config *c, struct err *e);
// Load them on a thread; on_change(ctx) is called there when that has ended.
int service_start(struct service *s, void (*on_change)(void *), void *ctx, struct err *e);
// Wait for the loader and free everything. No task may be running.
void service_stop(struct service *s);
// What is being loaded, and how many steps of how many are done.
void service_progress(const struct service *s, const char **stage, int *done, int *total);
