// SPDX-License-Identifier: MIT
#include "daemon/conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TURNS_MAX 16

struct conversation {
    char id[40];
    int64_t who;
    uint64_t used;
    struct answer_turn turns[TURNS_MAX];
    size_t n;
};

struct conversations {
    struct conversation *all;
    size_t n, max;
    uint64_t clock;
};

struct conversations *conversations_new(size_t max)
{
    struct conversations *c = calloc(1, sizeof *c);
    if (c && !(c->all = calloc(max, sizeof *c->all))) {
        free(c);
        return NULL;
    }
    if (c)
        c->max = max;
    return c;
}

static void clear(struct conversation *v)
{
    for (size_t i = 0; i < v->n; i++)
        free((char *)v->turns[i].text);
    v->n = 0;
}

void conversations_free(struct conversations *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        clear(&c->all[i]);
    free(c->all);
    free(c);
}

static struct conversation *find(struct conversations *c, const char *id, int64_t who)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->all[i].who == who && !strcmp(c->all[i].id, id))
            return &c->all[i];
    return NULL;
}

// A new place, or the one that was not used for longest: his own of who has an eighth of all,
// so that nobody takes everybody else's.
static struct conversation *place(struct conversations *c, int64_t who)
{
    struct conversation *oldest = NULL, *own = NULL;
    size_t n_own = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct conversation *v = &c->all[i];
        bool his = v->who == who;
        n_own += his;
        if (!oldest || v->used < oldest->used)
            oldest = v;
        if (his && (!own || v->used < own->used))
            own = v;
    }
    if (n_own && n_own >= c->max / 8)
        return own;
    return c->n < c->max ? &c->all[c->n++] : oldest;
}

int conversations_begin(struct conversations *c, int64_t who, char out[40])
{
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -EIO;
    struct conversation *v = place(c, who);
    clear(v);
    char *at = v->id + sprintf(v->id, "c-");
    for (size_t i = 0; i < sizeof random; i++)
        at += sprintf(at, "%02x", random[i]);
    v->who = who;
    v->used = ++c->clock;
    memcpy(out, v->id, sizeof v->id);
    return 0;
}

int conversations_get(struct conversations *c, const char *id, int64_t who, arena *a,
                      struct answer_turn **turns, size_t *n)
{
    struct conversation *v = find(c, id, who);
    if (!v)
        return -ENOENT;
    v->used = ++c->clock;
    *turns = arena_alloc(a, (v->n + 1) * sizeof **turns);
    if (!*turns)
        return -ENOMEM;
    for (size_t i = 0; i < v->n; i++) {
        (*turns)[i] = v->turns[i];
        (*turns)[i].text = arena_strdup(a, v->turns[i].text);
        if (!(*turns)[i].text)
            return -ENOMEM;
    }
    *n = v->n;
    return 0;
}

void conversations_add(struct conversations *c, const char *id, int64_t who,
                       const char *question, const char *answer)
{
    struct conversation *v = find(c, id, who);
    char *q = v ? strdup(question) : NULL, *t = v ? strdup(answer) : NULL;
    if (!q || !t) {
        free(q);
        free(t);
        return;
    }
    if (v->n == TURNS_MAX) {
        free((char *)v->turns[0].text);
        free((char *)v->turns[1].text);
        memmove(v->turns, v->turns + 2, (TURNS_MAX - 2) * sizeof *v->turns);
        v->n -= 2;
    }
    v->turns[v->n++] = (struct answer_turn){.user = true, .text = q};
    v->turns[v->n++] = (struct answer_turn){.user = false, .text = t};
}
