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

struct loader {
    safety *s;
    const char *file;
    size_t first; // first rule of this file
    struct err *e;
    const char *key; // of the last value, to know continuation lines
};

static void rule_free(struct rule *r)
{
    free(r->name);
    free(r->category);
    buf_free(&r->pattern);
    buf_free(&r->words);
    pcre2_code_free(r->code);
}

// The rule of this section: of this file, new, or replacing an earlier file's.
static struct rule *find_or_add(struct loader *l, const char *name, int line)
{
    safety *s = l->s;
    for (size_t i = 0; i < s->n; i++) {
        struct rule *r = &s->rules[i];
        if (strcmp(r->name, name))
            continue;
        if (r->file == l->file)
            return r;
        char *keep = r->name;
        r->name = NULL;
        rule_free(r);
        *r = (struct rule){.name = keep, .enabled = true, .file = l->file, .line = line};
        buf_init(&r->pattern);
        buf_init(&r->words);
        return r;
    }
    if (s->n == RULES_MAX)
        return NULL;
    struct rule *grown = realloc(s->rules, (s->n + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    s->rules = grown;
    struct rule *r = &s->rules[s->n];
    *r = (struct rule){.name = strdup(name), .enabled = true, .file = l->file, .line = line};
    buf_init(&r->pattern);
    buf_init(&r->words);
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
    static const char *const names[] = {"", "luhn", "iban", "cn-id", "entropy", "sources"};
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if (!strcmp(value, names[i])) {
            r->check = (enum rule_check)i;
            return 0;
        }
    return wrong(l, line, "checks are luhn, iban, cn-id, entropy and sources, not", value);
}

static int on_value(void *ctx, const char *section, const char *key, const char *value,
                    int line)
{
    struct loader *l = ctx;
    if (!*section)
        return wrong(l, line, "a rule's [name] must stand before", key);
    struct rule *r = find_or_add(l, section, line);
    if (!r)
        return err_set(l->e, -ENOMEM, "%s:%d: more than %d rules, or out of memory", l->file,
                       line, RULES_MAX);
    if (!strcmp(key, "category")) {
        free(r->category);
        r->category = strdup(value);
        return r->category && *value ? 0 : wrong(l, line, "a category is one word, not", value);
    }
    if (!strcmp(key, "stages"))
        return set_stages(l, r, value, line);
    if (!strcmp(key, "check"))
        return set_check(l, r, value, line);
    if (!strcmp(key, "pattern"))
        return buf_adds(&r->pattern, value) ? err_nomem(l->e) : 0;
    if (!strcmp(key, "words"))
        return buf_addf(&r->words, "%s,", value) ? err_nomem(l->e) : 0;
    if (!strcmp(key, "action") && (!strcmp(value, "withhold") || !strcmp(value, "flag"))) {
        r->action = *value == 'f' ? RULE_FLAG : RULE_WITHHOLD;
        return 0;
    }
    if (!strcmp(key, "enabled") && (!strcmp(value, "yes") || !strcmp(value, "no"))) {
        r->enabled = *value == 'y';
        return 0;
    }
    if (!strcmp(key, "action"))
        return wrong(l, line, "an action is withhold or flag, not", value);
    if (!strcmp(key, "enabled"))
        return wrong(l, line, "enabled is yes or no, not", value);
    return wrong(l, line,
                 "unknown key (category, stages, action, pattern, words, check, enabled)", key);
}

// words = a, b: one alternation; what is written with spaces stands between word boundaries.
static int words_to_pattern(struct rule *r)
{
    int rc = buf_adds(&r->pattern, "(?i)(?:");
    char *save = NULL;
    bool any = false;
    for (char *w = strtok_r(r->words.data, ",", &save); w && !rc;
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
            rc = buf_addc(&r->pattern, '|');
        any = true;
        if (!rc && !cjk)
            rc = buf_adds(&r->pattern, "\\b");
        for (size_t i = 0; i < n && !rc; i++) {
            if (w[i] == ' ')
                rc = buf_adds(&r->pattern, "\\s{1,3}");
            else if (ispunct((unsigned char)w[i]))
                rc = buf_addf(&r->pattern, "\\%c", w[i]);
            else
                rc = buf_addc(&r->pattern, w[i]);
        }
        if (!rc && !cjk)
            rc = buf_adds(&r->pattern, "\\b");
    }
    return rc ? rc : buf_addc(&r->pattern, ')');
}

static int compile(struct rule *r, struct err *e)
{
    if (!r->category || !r->stages)
        return err_set(e, -EINVAL, "%s:%d: rule '%s' needs a category and stages", r->file,
                       r->line, r->name);
    if ((r->pattern.len > 0) == (r->words.len > 0))
        return err_set(e, -EINVAL, "%s:%d: rule '%s' needs either a pattern or words", r->file,
                       r->line, r->name);
    if (r->words.len && words_to_pattern(r))
        return err_nomem(e);
    int code;
    PCRE2_SIZE at;
    r->code = pcre2_compile((PCRE2_SPTR)r->pattern.data, r->pattern.len,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
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
    struct loader l = {.s = s, .file = file, .first = s->n, .e = e};
    int rc = text ? ini_parse_text(file, text, on_value, &l, e)
                  : ini_parse_path(file, on_value, &l, e);
    for (size_t i = 0; i < s->n && !rc; i++)
        if (s->rules[i].file == file && s->rules[i].enabled)
            rc = compile(&s->rules[i], e);
    return rc;
}

int safety_open(const char *extra, safety **out, struct err *e)
{
    safety *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(e);
    int rc = load(s, "built-in rules", safety_builtin_rules, e);
    if (!rc && extra) {
        s->extra = strdup(extra);
        rc = s->extra ? load(s, s->extra, NULL, e) : err_nomem(e);
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
    free(s->extra);
    free(s);
}
