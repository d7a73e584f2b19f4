// SPDX-License-Identifier: MIT
// Rule files: INI sections to compiled patterns.
#include "safety/internal.h"

#include "base/ini.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 500
// Released text that the gate keeps for lookbehind.
#define LOOKBEHIND_MAX 64

const char *const rule_action_names[RULE_ACTIONS] = {"withhold", "redact", "flag", "report"};

struct loader {
    safety *s;
    const char *file;
    struct err *e;
    const char *key; // of the last value, to know continuation lines
};

static void rule_free(struct rule *r)
{
    free(r->name);
    free(r->category);
    buf_free(&r->pattern);
    buf_free(&r->words);
    buf_free(&r->collections);
    pcre2_code_free(r->code);
}

static void rule_init(struct rule *r, char *name, const char *file, int line)
{
    *r = (struct rule){.name = name, .enabled = true, .file = file, .line = line};
    buf_init(&r->pattern);
    buf_init(&r->words);
    buf_init(&r->collections);
}

// Names stand in metrics and logs: they are words.
static bool is_word(const char *s)
{
    return *s &&
           !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

// The rule of this section: new, of this file, or an earlier file's, whose keys stay until they
// are given anew.
static struct rule *find_or_add(struct loader *l, const char *name, int line)
{
    safety *s = l->s;
    for (size_t i = 0; i < s->n; i++) {
        struct rule *r = &s->rules[i];
        if (strcmp(r->name, name) != 0)
            continue;
        if (r->file != l->file) {
            r->old_pattern = r->old_stages = r->old_collections = true;
            r->file = l->file;
            r->line = line;
        }
        return r;
    }
    if (s->n == RULES_MAX)
        return NULL;
    struct rule *grown = realloc(s->rules, (s->n + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    s->rules = grown;
    struct rule *r = &s->rules[s->n];
    rule_init(r, strdup(name), l->file, line);
    if (!r->name)
        return NULL;
    s->n++;
    return r;
}

static int wrong(struct loader *l, int line, const char *what, const char *value)
{
    return err_set(l->e, -EINVAL, "%s:%d: %s '%s'", l->file, line, what, value);
}

static int set_stages(struct loader *l, struct rule *r, const char *value, int line)
{
    char copy[100], *save = NULL;
    if (strlen(value) >= sizeof copy)
        return wrong(l, line, "too long a list of stages", value);
    strcpy(copy, value);
    if (r->old_stages)
        r->stages = 0;
    r->old_stages = false;
    for (char *w = strtok_r(copy, " ,", &save); w; w = strtok_r(NULL, " ,", &save)) {
        if (!strcmp(w, "question"))
            r->stages |= SAFETY_QUESTION;
        else if (!strcmp(w, "passage"))
            r->stages |= SAFETY_PASSAGE;
        else if (!strcmp(w, "answer"))
            r->stages |= SAFETY_ANSWER;
        else
            return wrong(l, line, "stages are question, passage and answer, not", w);
    }
    return 0;
}

static int set_check(struct loader *l, struct rule *r, const char *value, int line)
{
    static const char *const names[] = {"",        "luhn",    "iban", "cn-id",
                                        "entropy", "sources", "abuse"};
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if (!strcmp(value, names[i])) {
            r->check = (enum rule_check)i;
            return 0;
        }
    return wrong(l, line, "checks are luhn, iban, cn-id, entropy, sources and abuse, not",
                 value);
}

// A pattern takes the place of an earlier file's, with its check.
static int add_pattern(struct rule *r, const char *key, const char *value)
{
    if (r->old_pattern) {
        buf_clear(&r->pattern);
        buf_clear(&r->words);
        r->check = CHECK_NONE;
        pcre2_code_free(r->code);
        r->code = NULL;
    }
    r->old_pattern = false;
    return *key == 'p' ? buf_adds(&r->pattern, value) : buf_addf(&r->words, "%s,", value);
}

static int add_collections(struct rule *r, const char *value)
{
    if (r->old_collections)
        buf_clear(&r->collections);
    r->old_collections = false;
    int rc = 0;
    for (const char *w = value; !rc && *(w += strspn(w, " ,"));) {
        size_t n = strcspn(w, " ,");
        rc = buf_add(&r->collections, w, n);
        if (!rc)
            rc = buf_addc(&r->collections, 0);
        w += n;
    }
    return rc;
}

static int set_action(struct loader *l, struct rule *r, const char *value, int line)
{
    for (int i = 0; i < RULE_ACTIONS; i++)
        if (!strcmp(value, rule_action_names[i])) {
            r->action = (enum rule_action)i;
            return 0;
        }
    return wrong(l, line, "actions are withhold, redact, flag and report, not", value);
}

static int on_value(void *ctx, const char *section, const char *key, const char *value,
                    int line)
{
    struct loader *l = ctx;
    if (!*section)
        return wrong(l, line, "a rule's [name] must stand before", key);
    if (!is_word(section))
        return wrong(l, line, "a rule's name has letters, digits and ._- only, not", section);
    struct rule *r = find_or_add(l, section, line);
    if (!r)
        return err_set(l->e, -ENOMEM, "%s:%d: more than %d rules, or out of memory", l->file,
                       line, RULES_MAX);
    if (!strcmp(key, "category")) {
        free(r->category);
        r->category = strdup(value);
        if (!r->category)
            return err_nomem(l->e);
        return is_word(value) ? 0 : wrong(l, line, "a category is one word, not", value);
    }
    if (!strcmp(key, "stages"))
        return set_stages(l, r, value, line);
    if (!strcmp(key, "check"))
        return set_check(l, r, value, line);
    if (!strcmp(key, "pattern") || !strcmp(key, "words"))
        return add_pattern(r, key, value) ? err_nomem(l->e) : 0;
    if (!strcmp(key, "collections"))
        return add_collections(r, value) ? err_nomem(l->e) : 0;
    if (!strcmp(key, "action"))
        return set_action(l, r, value, line);
    if (!strcmp(key, "enabled") && (!strcmp(value, "yes") || !strcmp(value, "no"))) {
        r->enabled = *value == 'y';
        return 0;
    }
    if (!strcmp(key, "enabled"))
        return wrong(l, line, "enabled is yes or no, not", value);
    return wrong(l, line,
                 "unknown key (category, stages, action, pattern, words, check, collections, "
                 "enabled)",
                 key);
}

// words = a, b: one alternation; what is written with spaces stands between word boundaries.
static int words_to_pattern(const struct rule *r, struct buf *out)
{
    char *save = NULL, *list = strdup(r->words.data);
    int rc = list ? buf_adds(out, "(?i)(?:") : -ENOMEM;
    bool any = false;
    for (char *w = rc ? NULL : strtok_r(list, ",", &save); w && !rc;
         w = strtok_r(NULL, ",", &save)) {
        while (*w == ' ')
            w++;
        size_t n = strlen(w), step;
        while (n && w[n - 1] == ' ')
            n--;
        if (!n)
            continue;
        bool cjk = utf8_is_cjk(utf8_decode(w, n, &step));
        if (any)
            rc = buf_addc(out, '|');
        any = true;
        if (!rc && !cjk)
            rc = buf_adds(out, "\\b");
        for (size_t i = 0; i < n && !rc; i++) {
            if (w[i] == ' ')
                rc = buf_adds(out, "\\s{1,3}");
            else if (ispunct((unsigned char)w[i]))
                rc = buf_addf(out, "\\%c", w[i]);
            else
                rc = buf_addc(out, w[i]);
        }
        if (!rc && !cjk)
            rc = buf_adds(out, "\\b");
    }
    free(list);
    return rc ? rc : buf_addc(out, ')');
}

static int compile(struct rule *r, struct err *e)
{
    if (!r->category || !r->stages)
        return err_set(e, -EINVAL, "%s:%d: rule '%s' needs a category and stages", r->file,
                       r->line, r->name);
    if ((r->pattern.len > 0) == (r->words.len > 0))
        return err_set(e, -EINVAL, "%s:%d: rule '%s' needs either a pattern or words", r->file,
                       r->line, r->name);
    if (r->action == RULE_REDACT && r->stages & SAFETY_QUESTION)
        return err_set(e, -EINVAL,
                       "%s:%d: rule '%s': a question is not redacted, only withheld", r->file,
                       r->line, r->name);
    if (r->words.len && !r->words.data[strspn(r->words.data, " ,")]) // it would fit anywhere
        return err_set(e, -EINVAL, "%s:%d: rule '%s': there is no word in words", r->file,
                       r->line, r->name);
    struct buf words = BUF_INIT;
    const struct buf *pattern = r->words.len ? &words : &r->pattern;
    int code = 0, rc = r->words.len ? words_to_pattern(r, &words) : 0;
    PCRE2_SIZE at = 0;
    pcre2_code_free(r->code);
    r->code =
        rc ? NULL
           : pcre2_compile((PCRE2_SPTR)pattern->data, pattern->len,
                           PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    buf_free(&words);
    if (rc)
        return err_nomem(e);
    if (!r->code) {
        PCRE2_UCHAR text[120];
        pcre2_get_error_message(code, text, sizeof text);
        return err_set(e, -EINVAL, "%s:%d: rule '%s': %s at character %zu of the pattern",
                       r->file, r->line, r->name, (char *)text, (size_t)at);
    }
    uint32_t back = 0;
    pcre2_pattern_info(r->code, PCRE2_INFO_MAXLOOKBEHIND, &back);
    if (back > LOOKBEHIND_MAX)
        return err_set(e, -EINVAL, "%s:%d: rule '%s' looks back %u characters; at most %d",
                       r->file, r->line, r->name, back, LOOKBEHIND_MAX);
    // Just-in-time code is faster and optional: without it the interpreter runs.
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
    return 0;
}

static int load(safety *s, const char *file, const char *text, struct err *e)
{
    struct loader l = {.s = s, .file = file, .e = e};
    int rc = text ? ini_parse_text(file, text, on_value, &l, e)
                  : ini_parse_path(file, on_value, &l, e);
    for (size_t i = 0; i < s->n && !rc; i++)
        if (s->rules[i].file == file && s->rules[i].enabled)
            rc = compile(&s->rules[i], e);
    return rc;
}

int safety_open(const struct safety_options *o, safety **out, struct err *e)
{
    const char *extra = o ? o->extra : NULL;
    safety *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(e);
    int rc = load(s, "built-in rules", safety_builtin_rules, e);
    if (!rc && extra) {
        s->extra = strdup(extra);
        rc = s->extra ? load(s, s->extra, NULL, e) : err_nomem(e);
    }
    if (!rc && !(s->counts = calloc(s->n + 1, sizeof *s->counts)))
        rc = err_nomem(e);
    for (size_t i = 0; o && o->report && i < s->n; i++)
        s->rules[i].action = RULE_REPORT;
    if (o) {
        s->found = o->found;
        s->ctx = o->ctx;
    }
    if (rc) {
        safety_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void safety_close(safety *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        rule_free(&s->rules[i]);
    free(s->rules);
    free(s->counts);
    free(s->extra);
    free(s);
}
