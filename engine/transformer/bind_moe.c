// SPDX-License-Identifier: MIT
// Experts: one tensor holds a part of all of them, expert after expert.
#include "engine/transformer/bind.h"
#include "engine/transformer/moe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct binder *b, const char *what)
{
    if (!b->rc)
        b->rc = err_set(b->e, -ENOTSUP, "%s: %s is not known of architecture %s",
                        gguf_path(b->t->g), what, b->t->architecture);
    return b->rc;
}

void bind_moe_numbers(struct binder *b)
{
    struct transformer *t = b->t;
    t->n_expert = bind_number(b, "expert_count", 0, EXPERTS_MAX, 0);
    if (!t->n_expert || b->rc) {
        if (b->arch->moe && strcmp(t->architecture, "llama"))
            refuse(b, "a model without experts");
        return;
    }
    if (!b->arch->moe)
        refuse(b, "a mixture of experts");
    t->n_used = bind_number(b, "expert_used_count", 1, t->n_expert, -1);
    t->n_ff_exp = bind_number(b, "expert_feed_forward_length", 32, 131072, t->n_ff);
    if (bind_number(b, "expert_shared_count", 0, EXPERTS_MAX, 0))
        refuse(b, "an expert that all tokens share");
    if (bind_number(b, "expert_gating_func", 0, 16, 1) != 1)
        refuse(b, "a router without softmax");
    if (!b->rc && t->n_ff_exp % MATRIX_BLOCK)
        b->rc = err_set(b->e, -EINVAL, "%s: experts of width %u do not fit", gguf_path(t->g),
                        t->n_ff_exp);
}

static struct linear *bind_part(struct binder *b, uint32_t i, const char *part, uint64_t cols,
                                uint64_t rows)
{
    char name[64];
    struct transformer *t = b->t;
    snprintf(name, sizeof name, "blk.%u.%s.weight", i, part);
    if (b->rc)
        return NULL;
    const struct gguf_tensor *x = bind_look_up(b, name);
    if (!x || x->ne[0] != cols || x->ne[1] != rows || x->ne[2] != t->n_expert ||
        x->ne[3] != 1) {
        b->rc = err_set(b->e, -EINVAL, "%s: tensor %s is missing or not %llu x %llu x %u",
                        gguf_path(t->g), name, (unsigned long long)cols,
                        (unsigned long long)rows, t->n_expert);
        return NULL;
    }
    struct linear *all = calloc(t->n_expert, sizeof *all);
    if (!all)
        b->rc = err_nomem(b->e);
    for (uint32_t e = 0; e < t->n_expert && !b->rc; e++)
        bind_rows(b, x, e * rows, rows, &all[e].w);
    return all;
}

void bind_experts(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct experts *x = b->rc ? NULL : calloc(1, sizeof *x);
    if (!x) {
        b->rc = b->rc ? b->rc : err_nomem(b->e);
        return;
    }
    t->layers[i].experts = x;
    x->router = bind_floats(
        b, bind_find(b, true, t->n_embd, t->n_expert, "blk.%u.ffn_gate_inp.weight", i));
    x->gate = bind_part(b, i, "ffn_gate_exps", t->n_embd, t->n_ff_exp);
    x->up = bind_part(b, i, "ffn_up_exps", t->n_embd, t->n_ff_exp);
    x->down = bind_part(b, i, "ffn_down_exps", t->n_ff_exp, t->n_embd);
}

void experts_free(struct experts *x)
{
    if (!x)
        return;
    free(x->router);
    free(x->gate);
    free(x->up);
    free(x->down);
    free(x);
}
