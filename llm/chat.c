// SPDX-License-Identifier: MIT
// Chat templates are recognised, never interpreted. Control tokens are placed by id, so text
// cannot spell one, and what we put around text is fixed here.
#include "llm/internal.h"

#include <string.h>

static const struct {
    enum chat_kind kind;
    const char *name, *open, *close, *head_end;
} templates[] = {
    {CHAT_CHATML, "chatml", "<|im_start|>", "<|im_end|>", NULL},
    {CHAT_LLAMA3, "llama3", "<|start_header_id|>", "<|eot_id|>", "<|end_header_id|>"},
    {CHAT_GEMMA, "gemma", "<start_of_turn>", "<end_of_turn>", NULL},
};

int llm__chat_recognise(const gguf *g, const tokenizer *t, struct chat *out, struct err *e)
{
    struct gguf_str s;
    *out = (struct chat){CHAT_NONE, "none", -1, -1, -1};
    int rc = gguf_get_str(g, "tokenizer.chat_template", &s, e);
    if (rc == -ENOENT)
        return 0;
    if (rc)
        return rc;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        const char *open = templates[i].open;
        if (!memmem(s.s, s.n, open, strlen(open)))
            continue;
        out->kind = templates[i].kind;
        out->name = templates[i].name;
        out->open = tokenizer_find(t, open);
        out->close = tokenizer_find(t, templates[i].close);
        out->head_end = templates[i].head_end ? tokenizer_find(t, templates[i].head_end) : 0;
        if (!tokenizer_is_control(t, out->open) || !tokenizer_is_control(t, out->close) ||
            (templates[i].head_end && !tokenizer_is_control(t, out->head_end)))
            return err_set(e, -EINVAL,
                           "%s: its template is %s, but its vocabulary has no control tokens "
                           "%s and %s",
                           gguf_path(g), out->name, open, templates[i].close);
        return 0;
    }
    // A sentence shows the beginning only, and nothing that a terminal would obey.
    char start[49];
    size_t n = s.n < sizeof start - 1 ? s.n : sizeof start - 1;
    for (size_t i = 0; i < n; i++)
        start[i] = s.s[i] >= 32 && s.s[i] < 127 ? s.s[i] : '.';
    start[n] = 0;
    return err_set(e, -ENOTSUP,
                   "%s: its chat template (\"%s...\") is not known: ChatML, Llama 3 and Gemma "
                   "are; choose another model",
                   gguf_path(g), start);
}

static int add_text(const tokenizer *t, const struct buf *b, unsigned flags, struct tokens *out)
{
    return tokenizer_encode(t, b->data, b->len, flags, out);
}

// What opens a turn: the control token, the role and what the template puts behind it. For
// Llama 3 the role is a piece of its own; else it starts the text in `b`.
static int open_turn(const struct chat *c, const tokenizer *t, const char *role, struct buf *b,
                     struct tokens *out)
{
    buf_clear(b);
    int rc = tokens_add(out, c->open);
    if (!rc)
        rc = buf_adds(b, role);
    if (rc || c->kind != CHAT_LLAMA3)
        return rc ? rc : buf_addc(b, '\n');
    rc = add_text(t, b, TOKENIZER_NO_PREFIX_SPACE, out);
    buf_clear(b);
    if (!rc)
        rc = tokens_add(out, c->head_end);
    return rc ? rc : buf_adds(b, "\n\n");
}

static int close_turn(const struct chat *c, const tokenizer *t, struct buf *b,
                      struct tokens *out)
{
    int rc = add_text(t, b, TOKENIZER_NO_PREFIX_SPACE, out);
    if (!rc)
        rc = tokens_add(out, c->close);
    if (!rc && c->kind != CHAT_LLAMA3)
        rc = tokenizer_encode(t, "\n", 1, TOKENIZER_NO_PREFIX_SPACE, out);
    return rc;
}

static bool known_role(const char *role)
{
    return role &&
           (!strcmp(role, "system") || !strcmp(role, "user") || !strcmp(role, "assistant"));
}

// A base model: the texts with an empty line between.
static int plain(const tokenizer *t, const struct llm_message *m, size_t n, const char *prefix,
                 struct buf *b, struct tokens *out)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = i ? buf_adds(b, "\n\n") : 0;
        rc = rc ? rc : buf_adds(b, m[i].text);
    }
    if (!rc && prefix)
        rc = buf_adds(b, prefix);
    return rc ? rc : add_text(t, b, TOKENIZER_ADD_SPECIAL, out);
}

static int turns(const struct chat *c, const tokenizer *t, const struct llm_message *m,
                 size_t n, const char *prefix, struct buf *b, struct tokens *out)
{
    bool gemma = c->kind == CHAT_GEMMA;
    const char *system = NULL;
    int rc = 0;
    if (c->kind != CHAT_CHATML && tokenizer_bos(t) >= 0)
        rc = tokens_add(out, tokenizer_bos(t));
    for (size_t i = 0; i < n && !rc; i++) {
        const char *role = m[i].role;
        if (gemma && !strcmp(role, "system")) {
            system = m[i].text; // Gemma has no system turn: it opens the next one
            continue;
        }
        if (gemma && !strcmp(role, "assistant"))
            role = "model";
        rc = open_turn(c, t, role, b, out);
        if (!rc && system)
            rc = buf_adds(b, system);
        if (!rc && system)
            rc = buf_adds(b, "\n\n");
        system = NULL;
        rc = rc ? rc : buf_adds(b, m[i].text);
        rc = rc ? rc : close_turn(c, t, b, out);
    }
    if (!rc)
        rc = open_turn(c, t, gemma ? "model" : "assistant", b, out);
    if (!rc && prefix)
        rc = buf_adds(b, prefix);
    return rc ? rc : add_text(t, b, TOKENIZER_NO_PREFIX_SPACE, out);
}

int llm__chat_prompt(const struct chat *c, const tokenizer *t, const struct llm_message *m,
                     size_t n, const char *assistant_prefix, struct tokens *out, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!known_role(m[i].role) || !m[i].text)
            return err_set(e, -EINVAL,
                           "message %zu has no text or a role other than system, user and "
                           "assistant",
                           i + 1);
    struct buf b = BUF_INIT;
    int rc = c->kind == CHAT_NONE ? plain(t, m, n, assistant_prefix, &b, out)
                                  : turns(c, t, m, n, assistant_prefix, &b, out);
    buf_free(&b);
    return rc ? err_nomem(e) : 0;
}
