// SPDX-License-Identifier: MIT
// Chat templates are recognised, never interpreted. Control tokens are placed by id, so text
// cannot spell one, and what we put around text is fixed here.
//
//   chatml   <|im_start|>ROLE\n TEXT <|im_end|>\n
//   phi4     <|im_start|>ROLE <|im_sep|> TEXT <|im_end|>
//   llama3   <|start_header_id|>ROLE <|end_header_id|>\n\n TEXT <|eot_id|>
//   gemma    <start_of_turn>ROLE\n TEXT <end_of_turn>\n
//   phi3     <|ROLE|> TEXT <|end|>
//   mistral  [INST] TEXT [/INST] ANSWER </s>
// Gemma and Mistral have no turn of the system: its text opens the next one, of a Mistral whose
// marks are control tokens the user's last.
#include "llm/internal.h"

#include <string.h>

// Of a mistral before its third version the marks are ordinary text: see plain_marks.
#define INST "[INST]"
#define INST_END "[/INST]"

static const struct {
    enum chat_kind kind;
    const char *name;
    const char *mark, *and; // recognised by, in the template
    const char *open, *close, *head_end;
} templates[] = {
    {CHAT_PHI4, "phi4", "<|im_sep|>", "<|im_start|>", "<|im_start|>", "<|im_end|>",
     "<|im_sep|>"},
    {CHAT_CHATML, "chatml", "<|im_start|>", "", "<|im_start|>", "<|im_end|>", NULL},
    {CHAT_LLAMA3, "llama3", "<|start_header_id|>", "", "<|start_header_id|>", "<|eot_id|>",
     "<|end_header_id|>"},
    {CHAT_GEMMA, "gemma", "<start_of_turn>", "", "<start_of_turn>", "<end_of_turn>", NULL},
    {CHAT_PHI3, "phi3", "<|assistant|>", "<|end|>", "<|user|>", "<|end|>", "<|assistant|>"},
    {CHAT_MISTRAL, "mistral", INST, INST_END, INST, INST_END, NULL},
};

static bool holds(struct gguf_str s, const char *part)
{
    return memmem(s.s, s.n, part, strlen(part)) != NULL;
}

static int unknown(const gguf *g, struct gguf_str s, struct err *e)
{
    // A sentence shows the beginning only, and nothing that a terminal would obey.
    char start[49];
    size_t n = s.n < sizeof start - 1 ? s.n : sizeof start - 1;
    for (size_t i = 0; i < n; i++)
        start[i] = s.s[i] >= 32 && s.s[i] < 127 ? s.s[i] : '.';
    start[n] = 0;
    return err_set(
        e, -ENOTSUP,
        "%s: its chat template (\"%s...\") is not known: ChatML, Llama 3, Gemma, Phi "
        "and Mistral are; choose another model",
        gguf_path(g), start);
}

// The ids of a template's control tokens; each must be there.
static int find_controls(const gguf *g, const tokenizer *t, size_t i, struct chat *c,
                         struct err *e)
{
    const char *names[] = {templates[i].open, templates[i].close, templates[i].head_end};
    int32_t *ids[] = {&c->open, &c->close, &c->head_end};
    // The marks are control tokens, or ordinary text.
    if (c->kind == CHAT_MISTRAL && tokenizer_find(t, INST) < 0) {
        c->plain_marks = true;
        return 0;
    }
    for (size_t k = 0; k < 3 && names[k]; k++) {
        *ids[k] = tokenizer_find(t, names[k]);
        if (!tokenizer_is_control(t, *ids[k]))
            return err_set(e, -EINVAL,
                           "%s: its template is %s, but its vocabulary has no control token %s",
                           gguf_path(g), c->name, names[k]);
    }
    return 0;
}

// Does a prompt begin with BOS?
static int find_bos(const tokenizer *t, struct chat *c)
{
    struct tokens own = TOKENS_INIT;
    int rc = 0;
    if (c->kind == CHAT_PHI3 || c->kind == CHAT_PHI4) { // as the file says
        rc = tokenizer_encode(t, "", 0, TOKENIZER_ADD_SPECIAL, &own);
        c->bos = own.len && own.ids[0] == tokenizer_bos(t);
    } else {
        c->bos = c->kind != CHAT_CHATML && tokenizer_bos(t) >= 0;
    }
    tokens_free(&own);
    return rc;
}

int llm__chat_recognise(const gguf *g, const tokenizer *t, struct chat *out, struct err *e)
{
    struct gguf_str s;
    size_t i = 0, n = sizeof templates / sizeof *templates;
    *out = LLM_CHAT_NONE;
    int rc = gguf_get_str(g, "tokenizer.chat_template", &s, e);
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    while (i < n && !(holds(s, templates[i].mark) && holds(s, templates[i].and)))
        i++;
    // Llama 2 has Mistral's marks and others of its own.
    if (i == n || (templates[i].kind == CHAT_MISTRAL && holds(s, "<<SYS>>")))
        return unknown(g, s, e);
    out->kind = templates[i].kind;
    out->name = templates[i].name;
    rc = find_controls(g, t, i, out, e);
    // Without this a Qwen3 thinks first; what it thinks is no answer.
    out->closes_thoughts = out->kind == CHAT_CHATML && holds(s, "enable_thinking");
    if (!rc && out->kind == CHAT_MISTRAL && !tokenizer_is_control(t, tokenizer_eos(t)))
        rc = err_set(e, -EINVAL, "%s: its template ends answers with EOS, and it has none",
                     gguf_path(g));
    if (!rc && out->kind == CHAT_PHI3)
        out->system = tokenizer_find(t, "<|system|>");
    if (!rc && out->kind == CHAT_PHI3 && !tokenizer_is_control(t, out->system))
        rc = err_set(e, -EINVAL, "%s: its vocabulary has no control token <|system|>",
                     gguf_path(g));
    return rc ? rc : find_bos(t, out) ? err_nomem(e) : 0;
}

// A prompt in the making.
struct prompt {
    const struct chat *c;
    const tokenizer *t;
    struct buf b; // text that is not encoded yet
    struct tokens *out;
};

// Encode what is pending.
static int flush(struct prompt *p, unsigned flags)
{
    int rc = p->b.len ? tokenizer_encode(p->t, p->b.data, p->b.len, flags, p->out) : 0;
    buf_clear(&p->b);
    return rc;
}

// Phi-3 and Mistral read each text as one of its own, with SentencePiece's space before it.
static unsigned text_flags(const struct chat *c)
{
    return c->kind == CHAT_PHI3 || c->kind == CHAT_MISTRAL ? 0 : TOKENIZER_NO_PREFIX_SPACE;
}

static int control(struct prompt *p, int32_t id)
{
    int rc = flush(p, text_flags(p->c));
    return rc ? rc : tokens_add(p->out, id);
}

// Text of others. Where marks are plain text, it must not spell one.
static int add_foreign(struct prompt *p, const char *text)
{
    int rc = 0;
    while (p->c->plain_marks && *text && !rc) {
        const char *at = strchr(text, '[');
        size_t n = at ? (size_t)(at - text) + 1 : strlen(text);
        rc = buf_add(&p->b, text, n);
        text += n;
        if (at &&
            (!strncmp(at, INST, strlen(INST)) || !strncmp(at, INST_END, strlen(INST_END))))
            rc = rc ? rc : buf_addc(&p->b, ' ');
    }
    return rc || p->c->plain_marks ? rc : buf_adds(&p->b, text);
}

// What opens a turn and, for most, what stands between its head and its text.
static int open_turn(struct prompt *p, const char *role)
{
    const struct chat *c = p->c;
    bool user = !strcmp(role, "user"), system = !strcmp(role, "system");
    int rc = 0;
    switch (c->kind) {
    case CHAT_PHI3:
        return control(p, system ? c->system : user ? c->open : c->head_end);
    case CHAT_MISTRAL:
        if (!user)
            return 0;
        return c->plain_marks ? buf_adds(&p->b, INST " ") : control(p, c->open);
    case CHAT_PHI4:
    case CHAT_LLAMA3:
        rc = control(p, c->open);
        rc = rc ? rc : buf_adds(&p->b, role);
        rc = rc ? rc : control(p, c->head_end);
        return rc || c->kind == CHAT_PHI4 ? rc : buf_adds(&p->b, "\n\n");
    default:
        rc = control(p, c->open);
        rc = rc ? rc
                : buf_adds(&p->b, c->kind == CHAT_GEMMA && !strcmp(role, "assistant") ? "model"
                                                                                      : role);
        return rc ? rc : buf_addc(&p->b, '\n');
    }
}

static int close_turn(struct prompt *p, const char *role)
{
    const struct chat *c = p->c;
    int rc;
    switch (c->kind) {
    case CHAT_MISTRAL:
        if (strcmp(role, "user"))
            return control(p, tokenizer_eos(p->t));
        if (!c->plain_marks)
            return control(p, c->close);
        rc = buf_adds(&p->b, " " INST_END);
        return rc ? rc : flush(p, 0);
    case CHAT_CHATML:
    case CHAT_GEMMA:
        rc = control(p, c->close);
        rc = rc ? rc : buf_addc(&p->b, '\n');
        return rc ? rc : flush(p, TOKENIZER_NO_PREFIX_SPACE);
    default:
        return control(p, c->close);
    }
}

// A token by its spelling where there is one, else its text.
static int add_spelled(struct prompt *p, const char *s)
{
    int32_t id = tokenizer_find(p->t, s);
    return id >= 0 ? control(p, id) : buf_adds(&p->b, s);
}

// "<think>\n\n</think>\n\n"
static int close_thoughts(struct prompt *p)
{
    int rc = add_spelled(p, "<think>");
    rc = rc ? rc : buf_adds(&p->b, "\n\n");
    rc = rc ? rc : add_spelled(p, "</think>");
    return rc ? rc : buf_adds(&p->b, "\n\n");
}

// The first turn that may open with the system's text.
static size_t system_from(const struct chat *c, const struct llm_message *m, size_t n)
{
    while (c->kind == CHAT_MISTRAL && !c->plain_marks && n)
        if (!strcmp(m[--n].role, "user"))
            return n;
    return 0;
}

static int turns(struct prompt *p, const struct llm_message *m, size_t n, const char *prefix)
{
    const struct chat *c = p->c;
    bool no_system = c->kind == CHAT_GEMMA || c->kind == CHAT_MISTRAL;
    const char *system = NULL;
    size_t from = system_from(c, m, n);
    int rc = c->bos ? tokens_add(p->out, tokenizer_bos(p->t)) : 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (no_system && !strcmp(m[i].role, "system")) {
            system = m[i].text;
            continue;
        }
        rc = open_turn(p, m[i].role);
        if (!rc && system && i >= from) {
            rc = add_foreign(p, system);
            rc = rc ? rc : buf_adds(&p->b, "\n\n");
            system = NULL;
        }
        rc = rc ? rc : add_foreign(p, m[i].text);
        rc = rc ? rc : close_turn(p, m[i].role);
    }
    if (!rc)
        rc = open_turn(p, "assistant");
    if (!rc && c->closes_thoughts)
        rc = close_thoughts(p);
    if (!rc && prefix)
        rc = buf_adds(&p->b, prefix);
    return rc ? rc : flush(p, text_flags(c));
}

// A base model: the texts with an empty line between.
static int plain(struct prompt *p, const struct llm_message *m, size_t n, const char *prefix)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = i ? buf_adds(&p->b, "\n\n") : 0;
        rc = rc ? rc : buf_adds(&p->b, m[i].text);
    }
    if (!rc && prefix)
        rc = buf_adds(&p->b, prefix);
    return rc ? rc : tokenizer_encode(p->t, p->b.data, p->b.len, TOKENIZER_ADD_SPECIAL, p->out);
}

static bool known_role(const char *role)
{
    return role &&
           (!strcmp(role, "system") || !strcmp(role, "user") || !strcmp(role, "assistant"));
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
    struct prompt p = {.c = c, .t = t, .b = BUF_INIT, .out = out};
    int rc = c->kind == CHAT_NONE ? plain(&p, m, n, assistant_prefix)
                                  : turns(&p, m, n, assistant_prefix);
    buf_free(&p.b);
    return rc ? err_nomem(e) : 0;
}
