// SPDX-License-Identifier: MIT
#include "llm/constraint.h"

#include "llm/ground.h"
#include "llm/model.h"
#include "llm/nfa.h"

#include <stdlib.h>
#include <string.h>

enum { CACHE = 16, PLAN_MAX = 2048 };
#define NO_LIMIT UINT32_MAX

// The mask of one state, without regard to what is left.
struct cached {
    uint32_t state;
    uint64_t epoch, used;
    bool valid, any; // any: some token may come beside those that end
    uint64_t *mask;
};

struct llm_constraint {
    const struct vocab *v;
    struct machine *m;
    size_t words;
    uint64_t *memory; // of all masks
    uint64_t *pressed;
    struct cached cache[CACHE];
    uint64_t clock;
    // The shortest way to an end, and the fewest tokens that write its first i bytes.
    unsigned char way[PLAN_MAX + 1];
    uint32_t fewest[PLAN_MAX + 1];
    int32_t first[PLAN_MAX + 1]; // the first of those tokens
    size_t plan_at;
};

int llm__constraint_new(const struct vocab *v, struct machine *machine, llm_constraint **out,
                        struct err *e)
{
    llm_constraint *c = calloc(1, sizeof *c);
    if (c) {
        c->v = v;
        c->words = (v->n + 63) / 64;
        c->memory = malloc(c->words * (CACHE + 1) * sizeof *c->memory);
    }
    if (!c || !c->memory) {
        free(c);
        machine->free(machine);
        return err_nomem(e);
    }
    c->m = machine;
    c->pressed = c->memory + CACHE * c->words;
    for (size_t i = 0; i < CACHE; i++)
        c->cache[i].mask = c->memory + i * c->words;
    llm_constraint_reset(c);
    *out = c;
    return 0;
}

void llm_constraint_free(llm_constraint *c)
{
    if (!c)
        return;
    c->m->free(c->m);
    free(c->memory);
    free(c);
}

void llm_constraint_reset(llm_constraint *c)
{
    c->m->reset(c->m);
}

bool llm_constraint_may_end(const llm_constraint *c)
{
    return c->m->distance(c->m, 0) == 0;
}

static void set_bits(const struct vocab *v, uint64_t *mask, int32_t token)
{
    for (; token >= 0; token = v->same[token])
        mask[token / 64] |= 1ull << token % 64;
}

// Every token that leads to a state at most `limit` bytes from an end; whether there is one.
static bool walk(llm_constraint *c, uint32_t limit, uint64_t *mask)
{
    const struct vocab *v = c->v;
    struct machine *m = c->m;
    bool any = false;
    memset(mask, 0, c->words * sizeof *mask);
    for (uint32_t i = 0; i < v->n_nodes;) {
        const struct vocab_node *node = &v->nodes[i];
        if (!m->step(m, node->depth - 1u, node->byte)) {
            i = node->end;
            continue;
        }
        if (node->token >= 0 && (limit == NO_LIMIT || m->distance(m, node->depth) <= limit)) {
            set_bits(v, mask, node->token);
            any = true;
        }
        i++;
    }
    if (llm_constraint_may_end(c))
        for (uint32_t i = 0; i < v->n_ends; i++)
            mask[v->ends[i] / 64] |= 1ull << v->ends[i] % 64;
    return any;
}

static struct cached *unpressed(llm_constraint *c)
{
    struct cached *oldest = &c->cache[0];
    for (size_t i = 0; i < CACHE; i++) {
        struct cached *k = &c->cache[i];
        if (k->valid && k->state == c->m->path[0] && k->epoch == c->m->epoch) {
            k->used = ++c->clock;
            return k;
        }
        if (!k->valid || k->used < oldest->used)
            oldest = k;
    }
    oldest->any = walk(c, NO_LIMIT, oldest->mask);
    oldest->valid = true;
    oldest->used = ++c->clock;
    oldest->state = c->m->path[0]; // behind the walk, which may have renumbered
    oldest->epoch = c->m->epoch;
    return oldest;
}

// How far from an end the next token may leave the text.
static uint32_t limit_of(const llm_constraint *c, uint32_t left)
{
    // A token for each byte always does, so once that fits it goes on fitting.
    if (!left || c->m->distance(c->m, 0) > left || left - 1 >= c->m->farthest)
        return NO_LIMIT;
    return left - 1;
}

const uint64_t *llm_constraint_mask(llm_constraint *c, uint32_t left)
{
    uint32_t limit = limit_of(c, left);
    if (limit == NO_LIMIT)
        return unpressed(c)->mask;
    walk(c, limit, c->pressed);
    return c->pressed;
}

bool llm__constraint_over(llm_constraint *c)
{
    return llm_constraint_may_end(c) && !unpressed(c)->any;
}

// Along the token's bytes to path[*depth].
static bool run(llm_constraint *c, int32_t token, unsigned *depth)
{
    const struct vocab *v = c->v;
    uint32_t from = v->at[token], n = v->at[token + 1] - from;
    *depth = n;
    if (!n || n > VOCAB_TOKEN_MAX)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!c->m->step(c->m, i, (unsigned char)v->bytes[from + i]))
            return false;
    return true;
}

void llm_constraint_accept(llm_constraint *c, int32_t token)
{
    unsigned depth;
    if (run(c, token, &depth))
        c->m->path[0] = c->m->path[depth];
}

static bool ends(const llm_constraint *c, int32_t token)
{
    for (uint32_t i = 0; i < c->v->n_ends; i++)
        if (c->v->ends[i] == token)
            return true;
    return false;
}

static bool allows(llm_constraint *c, int32_t token, uint32_t limit)
{
    unsigned depth;
    if (token < 0)
        return false;
    if (ends(c, token))
        return llm_constraint_may_end(c);
    return run(c, token, &depth) && (limit == NO_LIMIT || c->m->distance(c->m, depth) <= limit);
}

static void reach(void *ctx, size_t length, int32_t id)
{
    llm_constraint *c = ctx;
    size_t from = c->plan_at, to = from + length;
    if (c->fewest[from] + 1 < c->fewest[to]) {
        c->fewest[to] = c->fewest[from] + 1;
        c->first[to] = from ? c->first[from] : id;
    }
}

// The fewest tokens that write the shortest way from path[depth] to an end, and the first of
// them; UINT32_MAX for a way that is too long to plan.
static uint32_t plan(llm_constraint *c, unsigned depth, int32_t *first)
{
    struct machine *m = c->m;
    uint32_t n = m->distance(m, depth);
    if (n > PLAN_MAX)
        return UINT32_MAX;
    m->path[1] = m->path[depth];
    for (uint32_t i = 0; i < n; i++) {
        c->way[i] = m->way(m, 1);
        if (!m->step(m, 1, c->way[i]))
            return UINT32_MAX;
        m->path[1] = m->path[2];
    }
    c->fewest[0] = 0;
    for (uint32_t i = 1; i <= n; i++)
        c->fewest[i] = UINT32_MAX - 1;
    for (c->plan_at = 0; c->plan_at < n; c->plan_at++)
        llm__vocab_prefixes(c->v, c->way + c->plan_at, n - c->plan_at, reach, c);
    *first = c->first[n];
    return c->fewest[n];
}

int32_t llm__constraint_sample(llm_constraint *c, struct sampler *s, const float *row, size_t n,
                               uint32_t left)
{
    uint32_t limit = limit_of(c, left);
    bool in_time = c->m->distance(c->m, 0) <= left;
    int32_t id = -1, first;
    unsigned depth;
    // The best of all tokens, if it is allowed, is the best of those that are.
    if (!(s->o.temperature > 0))
        id = llm__sample(s, row, n, NULL);
    if (!allows(c, id, limit))
        id = llm__sample(s, row, n, llm_constraint_mask(c, left));
    if (in_time || id < 0 || ends(c, id) || !run(c, id, &depth))
        return id;
    // Written byte by byte the end is out of reach; longer tokens may reach it. Whatever is
    // chosen must leave that open, if it is open now.
    uint32_t far = c->m->distance(c->m, depth);
    if (far <= left - 1 || plan(c, depth, &first) <= left - 1)
        return id;
    return plan(c, 0, &first) <= left ? first : id;
}

// ---- constructors ----

static int from_nfa(const struct vocab *v, struct nfa *a, struct part p, llm_constraint **out,
                    struct err *e)
{
    struct machine *machine = NULL;
    int rc = nfa_machine(a, p, &machine, e);
    return rc ? rc : llm__constraint_new(v, machine, out, e);
}

int llm_constraint_regex(llm *m, const char *pattern, llm_constraint **out, struct err *e)
{
    const struct vocab *v = NULL;
    struct nfa a;
    struct part p;
    int rc = llm__vocab(m, &v, e);
    if (rc)
        return rc;
    nfa_init(&a, v->single);
    rc = regex_compile(&a, pattern, false, false, &p, e);
    if (!rc)
        return from_nfa(v, &a, p, out, e);
    nfa_free(&a);
    return rc;
}

int llm_constraint_schema(llm *m, const char *schema, llm_constraint **out, struct err *e)
{
    const struct vocab *v = NULL;
    struct nfa a;
    struct part p;
    int rc = llm__vocab(m, &v, e);
    if (rc)
        return rc;
    nfa_init(&a, v->single);
    rc = schema_compile(&a, schema, &p, e);
    if (!rc)
        return from_nfa(v, &a, p, out, e);
    nfa_free(&a);
    return rc;
}

int llm_constraint_grounded(llm *m, const struct llm_grounds *g, llm_constraint **out,
                            struct err *e)
{
    const struct vocab *v = NULL;
    struct machine *machine = NULL;
    int rc = llm__vocab(m, &v, e);
    if (!rc)
        rc = ground_machine(v->single, g->numbers, g->n_numbers, g->passages, g->n_passages,
                            g->cite, g->quote, &machine, e);
    return rc ? rc : llm__constraint_new(v, machine, out, e);
}
