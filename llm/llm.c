// SPDX-License-Identifier: MIT
// One model and a few timelines. A request takes the free timeline that shares the longest
// beginning with its prompt and computes only the rest, in short turns that requests share.
#include "llm/model.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCORE_TOKENS = 8, CONTEXT_DEFAULT = 4096, SESSIONS_DEFAULT = 2 };
enum { CACHE_MB_DEFAULT = 128 };

static void describe(llm *m, const char *path)
{
    struct gguf_str s;
    const char *slash = strrchr(path, '/');
    snprintf(m->name, sizeof m->name, "%s", slash ? slash + 1 : path);
    if (!gguf_get_str(m->g, "general.name", &s, NULL) && s.n)
        snprintf(m->name, sizeof m->name, "%.*s", (int)(s.n < 127 ? s.n : 127), s.s);
    m->about = (struct llm_info){.name = m->name,
                                 .architecture = m->info.architecture,
                                 .chat = m->chat.name,
                                 .n_ctx = m->n_ctx};
    for (size_t i = 0; i < gguf_tensor_count(m->g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(m->g, i);
        m->about.n_params += t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
    }
    for (uint32_t i = 0; i < m->n_slots; i++)
        m->about.kv_bytes += transformer_session_bytes(m->slots[i].session);
}

static int open_slots(llm *m, struct err *e)
{
    if (m->n_ctx > m->info.n_ctx)
        m->n_ctx = m->info.n_ctx;
    m->n_batch = PASS_TOKENS(m->n_slots) < m->n_ctx ? PASS_TOKENS(m->n_slots) : m->n_ctx;
    m->slots = calloc(m->n_slots, sizeof *m->slots);
    if (!m->slots)
        return err_nomem(e);
    for (uint32_t i = 0; i < m->n_slots; i++) {
        struct slot *s = &m->slots[i];
        int rc = transformer_session_new(m->model, m->n_ctx, m->n_batch, &s->session, e);
        if (rc)
            return rc;
        s->tokens = calloc(m->n_ctx, sizeof *s->tokens);
        s->room.candidates = calloc(m->info.n_vocab, sizeof *s->room.candidates);
        s->room.row = calloc(m->info.n_vocab, sizeof *s->room.row);
        s->room.counts = calloc(m->info.n_vocab, sizeof *s->room.counts);
        bool guesses = m->lookup || m->draft.t;
        if (guesses &&
            !(s->rows = malloc((size_t)DRAFT_ROWS * m->info.n_vocab * sizeof(float))))
            return err_nomem(e);
        if (m->draft.t && (rc = llm__draft_line_new(&m->draft, m->n_ctx, &s->line, e)))
            return rc;
        if (!s->tokens || !s->room.candidates || !s->room.row || !s->room.counts)
            return err_nomem(e);
    }
    return 0;
}

// The longest token, so that a request can reserve what it will hold.
static int measure_tokens(llm *m)
{
    struct buf b = BUF_INIT;
    int rc = 0;
    for (uint32_t i = 0; i < m->info.n_vocab && !rc; i++) {
        buf_clear(&b);
        rc = tokenizer_decode(m->t, (int32_t)i, &b);
        if (b.len > m->longest_token)
            m->longest_token = b.len;
    }
    buf_free(&b);
    return rc;
}

int llm__vocab(llm *m, const struct vocab **out, struct err *e)
{
    pthread_mutex_lock(&m->lock);
    int rc = m->vocab ? 0 : llm__vocab_new(m->t, &m->vocab, e);
    *out = m->vocab;
    pthread_mutex_unlock(&m->lock);
    return rc;
}

int llm_open(const char *path, const struct llm_options *o, llm **out, struct err *e)
{
    llm *m = calloc(1, sizeof *m);
    if (!m)
        return err_nomem(e);
    llm__turns_init(&m->turns);
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->hashing, NULL);
    clock_cond_init(&m->freed);
    m->team = o->team;
    m->chat = LLM_CHAT_NONE;
    int rc = gguf_open(path, &m->g, e);
    if (!rc)
        rc = tokenizer_open(m->g, &m->t, e);
    if (!rc)
        rc = o->raw ? 0 : llm__chat_recognise(m->g, m->t, &m->chat, e);
    size_t cache =
        o->no_cache ? 0 : (size_t)(o->cache_mb ? o->cache_mb : CACHE_MB_DEFAULT) << 20;
    m->n_ctx = o->n_ctx ? o->n_ctx : CONTEXT_DEFAULT;
    m->n_slots = o->n_sessions ? o->n_sessions : SESSIONS_DEFAULT;
    if (!rc && m->n_slots > SESSIONS_MAX)
        rc = err_set(e, -EINVAL, "%u sessions are asked for: at most %d", m->n_slots,
                     SESSIONS_MAX);
    if (!rc)
        rc = llm__room_check(m->g, o, m->n_slots, m->n_ctx, cache, e);
    if (!rc)
        rc = transformer_open(m->g, m->team, &m->model, e);
    if (!rc) {
        transformer_describe(m->model, &m->info);
        if (!m->info.causal || m->info.n_vocab != tokenizer_size(m->t))
            rc = err_set(e, -EINVAL,
                         "%s: architecture %s with %u rows for %zu tokens cannot write text: "
                         "name a decoder model",
                         path, m->info.architecture, m->info.n_vocab, tokenizer_size(m->t));
    }
    if (!rc)
        rc = llm__adapters_open(&m->adapters, o, m->model, e);
    // Of an encoder-decoder the prompt is in no timeline: nothing of it can be kept or guessed.
    m->lookup = !o->no_lookup && !m->info.reads_source;
    cache = m->info.reads_source ? 0 : cache;
    if (!rc && m->info.reads_source && o->draft_path)
        rc = err_set(e, -EINVAL, "%s: nothing drafts for an encoder-decoder", path);
    if (!rc && o->draft_path)
        rc = llm__draft_open(&m->draft, o->draft_path, m->team, m->t, e);
    if (!rc)
        rc = kv_init(&m->store, m->model, cache, e);
    if (!rc)
        rc = open_slots(m, e);
    if (rc) {
        llm_close(m);
        return rc;
    }
    describe(m, path);
    rc = measure_tokens(m);
    if (rc) {
        llm_close(m);
        return err_nomem(e);
    }
    *out = m;
    return 0;
}

void llm_close(llm *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; m->slots && i < m->n_slots; i++) {
        if (m->slots[i].session)
            transformer_session_free(m->slots[i].session);
        free(m->slots[i].tokens);
        free(m->slots[i].room.candidates);
        free(m->slots[i].room.row);
        free(m->slots[i].room.counts);
        free(m->slots[i].rows);
        llm__draft_line_free(&m->slots[i].line);
    }
    free(m->slots);
    kv_free(&m->store);
    llm__adapters_free(&m->adapters);
    if (m->model)
        transformer_close(m->model);
    llm__draft_close(&m->draft);
    llm__vocab_free(m->vocab);
    tokenizer_close(m->t);
    gguf_close(m->g);
    llm__turns_free(&m->turns);
    pthread_cond_destroy(&m->freed);
    pthread_mutex_destroy(&m->hashing);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void llm_describe(const llm *m, struct llm_info *out)
{
    *out = m->about;
}

const char *llm_adapter_sha256(const llm *m, const char *name)
{
    const struct adapter *a = llm__adapters_find(&m->adapters, name);
    return a ? a->sha256 : NULL;
}

void llm_stats(llm *m, struct llm_stats *out)
{
    *out = (struct llm_stats){.drafted_tokens = atomic_load(&m->drafted),
                              .accepted_tokens = atomic_load(&m->accepted)};
    pthread_mutex_lock(&m->turns.lock);
    out->passes = m->turns.passes;
    out->shared_passes = m->turns.shared;
    pthread_mutex_unlock(&m->turns.lock);
    kv_stats(&m->store, &out->cache_hits, &out->cache_restored_tokens, &out->cache_bytes,
             &out->cache_bytes_max);
}

int llm_sha256(llm *m, char out[65], struct err *e)
{
    pthread_mutex_lock(&m->hashing);
    int rc = *m->sha256 ? 0 : hash_sha256_file(gguf_path(m->g), m->sha256, e);
    if (rc)
        *m->sha256 = 0;
    memcpy(out, m->sha256, sizeof m->sha256);
    pthread_mutex_unlock(&m->hashing);
    return rc;
}

int llm_cache_save(llm *m, const char *path, struct err *e)
{
    char model[65];
    int rc = llm_sha256(m, model, e);
    return rc ? rc : kv_save(&m->store, path, model, m->info.n_vocab, e);
}

int llm_cache_load(llm *m, const char *path, struct err *e)
{
    char model[65];
    int rc = llm_sha256(m, model, e);
    return rc ? rc : kv_load(&m->store, path, model, m->info.n_vocab, e);
}

int llm__cancelled(const atomic_bool *cancel, struct err *e)
{
    if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
        return err_set(e, -ECANCELED, "the request was cancelled");
    return 0;
}

static bool same_set(const struct adapter_set *a, const struct adapter_set *b)
{
    return !memcmp(&a->key, &b->key, sizeof a->key);
}

static uint32_t common(const struct slot *s, const struct adapter_set *set,
                       const int32_t *tokens, size_t n)
{
    uint32_t k = 0;
    if (!same_set(&s->set, set))
        return 0;
    while (k < s->len && k < n && s->tokens[k] == tokens[k])
        k++;
    return k;
}

// What the timeline holds was computed with other adapters: it is empty then.
static int use_set(struct slot *s, const struct adapter_set *set, struct err *e)
{
    if (same_set(&s->set, set))
        return 0;
    int rc = transformer_session_set_adapters(s->session, set->weights, set->scales, set->n, e);
    if (rc)
        return rc;
    s->len = 0;
    s->set = *set;
    return 0;
}

int llm__take_slot(llm *m, const struct tokens *p, const struct adapter_set *set,
                   const atomic_bool *cancel, struct slot **out, struct err *e)
{
    struct slot *best = NULL;
    int rc = 0;
    pthread_mutex_lock(&m->lock);
    while (!(rc = llm__cancelled(cancel, e))) {
        uint32_t most = 0;
        for (uint32_t i = 0; i < m->n_slots; i++) {
            struct slot *s = &m->slots[i];
            if (s->busy)
                continue;
            uint32_t k = common(s, set, p->ids, p->len);
            if (!best || k > most || (k == most && s->used < best->used)) {
                best = s;
                most = k;
            }
        }
        if (best)
            break;
        clock_wait(&m->freed, &m->lock, CLOCK_LOOK_US);
    }
    if (!rc) {
        best->busy = true;
        best->used = ++m->clock;
    }
    pthread_mutex_unlock(&m->lock);
    if (rc)
        return rc;
    rc = use_set(best, set, e);
    if (rc)
        llm__give_slot(m, best);
    else
        *out = best;
    return rc;
}

void llm__give_slot(llm *m, struct slot *s)
{
    pthread_mutex_lock(&m->lock);
    s->busy = false;
    pthread_cond_signal(&m->freed);
    pthread_mutex_unlock(&m->lock);
}

// The prompt is the source; the timeline begins with the token that begins all answers.
static int read_source(llm *m, struct slot *s, const struct tokens *p,
                       const atomic_bool *cancel, struct err *e)
{
    struct turn t = {
        .tokens = &m->info.start, .n = 1, .want = TRANSFORMER_LOGITS, .cancel = cancel};
    s->len = 0;
    int rc = team_take(m->team, TEAM_INTERACTIVE, cancel, e);
    if (rc)
        return rc;
    rc = transformer_session_read(s->session, p->ids, (uint32_t)p->len, cancel, e);
    team_give(m->team);
    return rc ? rc : llm__turn(m, s, &t, e);
}

int llm__prefill(llm *m, struct slot *s, const struct tokens *p, uint32_t *cached,
                 uint32_t *restored, const atomic_bool *cancel, struct err *e)
{
    *cached = *restored = 0;
    if (m->info.reads_source)
        return read_source(m, s, p, cancel, e);
    uint32_t keep = common(s, &s->set, p->ids, p->len), n = (uint32_t)p->len;
    if (keep == n)
        keep--; // its last token is computed again for its logits
    transformer_session_truncate(s->session, keep);
    s->len = keep;
    uint32_t got = kv_get(&m->store, &s->set.key, s->session, p->ids, n - 1, keep);
    *restored = got ? got - keep : 0;
    memcpy(s->tokens + keep, p->ids + keep, *restored * sizeof *s->tokens);
    s->len += *restored;
    *cached = s->len;
    int rc = 0;
    while (s->len < n && !rc) {
        struct turn t = {.tokens = p->ids + s->len, .n = n - s->len, .cancel = cancel};
        uint32_t most = TURN_TOKENS < m->n_batch ? TURN_TOKENS : m->n_batch;
        t.want = t.n > most ? TRANSFORMER_NOTHING : TRANSFORMER_LOGITS;
        t.n = t.n > most ? most : t.n;
        rc = llm__turn(m, s, &t, e);
    }
    // What is common to prompts is of use as soon as it is there.
    kv_put(&m->store, &s->set.key, s->session, s->tokens, s->len);
    return rc;
}

int llm__too_long(const llm *m, size_t prompt, size_t more, struct err *e)
{
    size_t before = m->info.reads_source ? 1 : prompt; // in the timeline
    if (prompt && prompt <= m->n_ctx && more <= m->n_ctx - before)
        return 0;
    return err_set(e, prompt ? -E2BIG : -EINVAL,
                   "a prompt of %zu tokens and %zu more do not fit the context of %u: shorten "
                   "the prompt or ask for less",
                   prompt, more, m->n_ctx);
}

size_t llm_count_tokens(const llm *m, const char *s, size_t n)
{
    struct tokens t = TOKENS_INIT;
    // Without memory the count is the bound that is never too small: one token a byte.
    size_t count = tokenizer_encode(m->t, s, n, 0, &t) ? n : t.len;
    tokens_free(&t);
    return count;
}

static int score(llm *m, struct slot *s, const struct tokens *c, float *rows, double *sum,
                 const atomic_bool *cancel, struct err *e)
{
    size_t v = m->info.n_vocab;
    *sum = llm__logprob(transformer_session_logits(s->session), v, c->ids[0]);
    for (size_t i = 0; i + 1 < c->len;) {
        uint32_t k = (uint32_t)(c->len - 1 - i < SCORE_TOKENS ? c->len - 1 - i : SCORE_TOKENS);
        struct turn t = {.tokens = c->ids + i, .n = k, .all = rows, .cancel = cancel};
        int rc = llm__turn(m, s, &t, e);
        if (rc)
            return rc;
        for (uint32_t j = 0; j < k; j++)
            *sum += llm__logprob(rows + j * v, v, c->ids[i + j + 1]);
        i += k;
    }
    return 0;
}

// The prompt's tokens, which it frees, and what may follow.
static int score_behind(llm *m, struct tokens *p, const char *continuation, double *logprob,
                        uint32_t *n_tokens, const atomic_bool *cancel, struct err *e)
{
    struct tokens c = TOKENS_INIT;
    struct slot *s = NULL;
    const struct adapter_set none = {0};
    uint32_t cached, restored;
    float *rows = malloc((size_t)SCORE_TOKENS * m->info.n_vocab * sizeof *rows);
    int rc = rows ? 0 : err_nomem(e);
    if (!rc && tokenizer_encode(m->t, continuation, strlen(continuation),
                                TOKENIZER_NO_PREFIX_SPACE, &c))
        rc = err_nomem(e);
    if (!rc && !c.len)
        rc = err_set(e, -EINVAL, "an empty continuation has no likelihood");
    if (!rc)
        rc = llm__too_long(m, p->len, c.len, e);
    if (!rc)
        rc = llm__take_slot(m, p, &none, cancel, &s, e);
    if (!rc)
        rc = llm__prefill(m, s, p, &cached, &restored, cancel, e);
    if (!rc)
        rc = score(m, s, &c, rows, logprob, cancel, e);
    if (!rc)
        *n_tokens = (uint32_t)c.len;
    if (s)
        llm__give_slot(m, s);
    tokens_free(p);
    tokens_free(&c);
    free(rows);
    return rc;
}

int llm_score(llm *m, const struct llm_message *messages, size_t n_messages,
              const char *continuation, double *logprob, uint32_t *n_tokens,
              const atomic_bool *cancel, struct err *e)
{
    struct tokens p = TOKENS_INIT;
    int rc = llm__chat_prompt(&m->chat, m->t, messages, n_messages, NULL, &p, e);
    if (!rc)
        return score_behind(m, &p, continuation, logprob, n_tokens, cancel, e);
    tokens_free(&p);
    return rc;
}

int llm_score_text(llm *m, const char *text, const char *continuation, double *logprob,
                   uint32_t *n_tokens, const atomic_bool *cancel, struct err *e)
{
    struct tokens p = TOKENS_INIT;
    const struct chat none = LLM_CHAT_NONE;
    int rc = llm__chat_prompt(&none, m->t, &(struct llm_message){"user", text}, 1, NULL, &p, e);
    if (!rc)
        return score_behind(m, &p, continuation, logprob, n_tokens, cancel, e);
    tokens_free(&p);
    return rc;
}
