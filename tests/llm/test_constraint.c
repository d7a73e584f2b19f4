// SPDX-License-Identifier: MIT
// Constraints under random logits, on a vocabulary of single bytes and on the real ones where
// they are: every text that comes out is what was asked for, none runs into a wall, and where
// max_tokens allows it each comes to its end.
#include "base/utf8.h"
#include "llm/constraint.h"
#include "llm/json.h"
#include "llm/model.h"

#include <limits.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MODELS = 3, LEFT_MAX = 200 };

// A model as far as constraints see it.
static struct {
    llm m;
    struct candidate *candidates;
    float *row;
    uint16_t *counts;
} models[MODELS];
static size_t n_models;
static struct buf text;
static uint64_t random_state;

static uint64_t next(void)
{
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    return z ^ z >> 29;
}

static int add_model(const char *path)
{
    struct err e;
    gguf *g;
    llm *m = &models[n_models].m;
    if (access(path, R_OK)) {
        print_message("# skipped: %s is absent\n", path);
        return 0;
    }
    int rc = gguf_open(path, &g, &e);
    if (!rc)
        rc = tokenizer_open(g, &m->t, &e);
    gguf_close(g);
    if (!rc)
        rc = llm__vocab_new(m->t, &m->vocab, &e);
    size_t n = rc ? 0 : m->vocab->n;
    models[n_models].candidates = calloc(n + 1, sizeof(struct candidate));
    models[n_models].row = calloc(n + 1, sizeof(float));
    models[n_models].counts = calloc(n + 1, sizeof(uint16_t));
    n_models++;
    return rc;
}

static int setup(void **state)
{
    char path[PATH_MAX], tiny[] = "/tmp/askd-test-constraint-XXXXXX";
    const char *dir = getenv("ASKD_MODELS");
    (void)state;
    buf_init(&text);
    close(mkstemp(tiny));
    snprintf(path, sizeof path, "%s/tests/tools/make_tiny_model llama %s",
             getenv("ASKD_BUILDDIR"), tiny);
    int rc = system(path) ? -1 : add_model(tiny);
    unlink(tiny);
    static const char *const names[] = {"SmolLM2-135M-Instruct.Q4_1.gguf",
                                        "gemma-3-270m-q4_k_m.gguf"};
    for (size_t i = 0; i < 2 && !rc; i++) {
        snprintf(path, sizeof path, "%s%s/%s", dir ? dir : getenv("ASKD_SRCDIR"),
                 dir ? "" : "/models/cache", names[i]);
        rc = add_model(path);
    }
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_models; i++) {
        llm__vocab_free(models[i].m.vocab);
        tokenizer_close(models[i].m.t);
        free(models[i].candidates);
        free(models[i].row);
        free(models[i].counts);
    }
    buf_free(&text);
    return 0;
}

// A text of random tokens under `c`, into `text`; whether it came to an end.
static bool write_text(size_t model, llm_constraint *c, uint32_t left, uint64_t seed)
{
    llm *m = &models[model].m;
    size_t n = m->vocab->n;
    struct sampler s;
    struct llm_sampling o = {.temperature = seed % 3 ? 1.0f : 0.0f, .seed = seed};
    // Short tokens or any, few or all of the vocabulary: what a model would prefer.
    uint64_t taste = seed / 3 % 3;
    llm__sampler_init(&s, &o,
                      &(struct sampler_room){models[model].candidates, models[model].row,
                                             models[model].counts});
    buf_clear(&text);
    llm_constraint_reset(c);
    random_state = seed;
    for (; left; left--) {
        float *row = models[model].row;
        for (size_t i = 0; i < n; i++) {
            size_t bytes = m->vocab->at[i + 1] - m->vocab->at[i];
            row[i] = (float)(next() >> 40) * 0x1p-21f - (taste == 1 ? (float)bytes * 2 : 0);
        }
        int32_t id = llm__constraint_sample(c, &s, row, n, left);
        if (id < 0 || tokenizer_is_end(m->t, id)) {
            assert_true(llm_constraint_may_end(c));
            return true;
        }
        assert_false(tokenizer_is_control(m->t, id));
        const uint64_t *mask = llm_constraint_mask(c, 0);
        assert_true(mask[id / 64] >> id % 64 & 1);
        assert_int_equal(tokenizer_decode(m->t, id, &text), 0);
        llm_constraint_accept(c, id);
        if (llm__constraint_over(c))
            return true;
    }
    return llm_constraint_may_end(c);
}

static unsigned seeds(size_t model)
{
    static const unsigned n[MODELS] = {300, 12, 4}; // the real vocabularies take longer
    return n[model];
}

static llm_constraint *regex(size_t model, const char *pattern)
{
    struct err e;
    llm_constraint *c = NULL;
    if (llm_constraint_regex(&models[model].m, pattern, &c, &e))
        fail_msg("%s: %s", pattern, e.msg);
    return c;
}

static void test_regex(void **state)
{
    // As we write it, and as POSIX does.
    static const struct {
        const char *ours, *theirs;
    } patterns[] = {
        {"yes|no|may(be)?", NULL},
        {"[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]", NULL},
        {"\\d+(\\.\\d{1,3})?", "[0-9]+(\\.[0-9]{1,3})?"},
        {"[a-z]{3,8}(, [a-z]{3,8}){0,3}\\.", NULL},
        {"(?:ab|a)(?:bc|c)*d{2,}", "(ab|a)(bc|c)*d{2,}"},
        {"^(the|then)? ?(and|an)+$", NULL},
        {"\\x41[\\x42-\\x44]\\u0045?", "A[B-D]E?"},
        {"(a|b)*a(a|b){7}", NULL}, // 2^8 states
        {"[]^-]{1,3}", NULL},
        {"", "()"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char whole[256];
        regex_t posix;
        snprintf(whole, sizeof whole, "^(%s)$",
                 patterns[i].theirs ? patterns[i].theirs : patterns[i].ours);
        assert_int_equal(regcomp(&posix, whole, REG_EXTENDED | REG_NOSUB), 0);
        for (size_t m = 0; m < n_models; m++) {
            llm_constraint *c = regex(m, patterns[i].ours);
            for (uint64_t seed = 0; seed < seeds(m); seed++) {
                if (!write_text(m, c, 40, seed))
                    fail_msg("%s: no end: %s", patterns[i].ours, text.data);
                if (regexec(&posix, text.data, 0, NULL, 0))
                    fail_msg("%s: %s", patterns[i].ours, text.data);
            }
            llm_constraint_free(c);
        }
        regfree(&posix);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    for (size_t m = 0; m < n_models; m++) {
        llm_constraint *c = regex(m, "[^\\x00-\\x7F]{1,5}"), *d = regex(m, "[α-ω你-佡]+");
        for (uint64_t seed = 0; seed < seeds(m); seed++) {
            assert_true(write_text(m, c, 20, seed));
            assert_true(utf8_valid(text.data, text.len));
            assert_in_range(utf8_count(text.data, text.len), 1, 5);
            for (size_t i = 0; i < text.len; i++)
                assert_true((unsigned char)text.data[i] >= 0x80);
            assert_true(write_text(m, d, 20, seed));
            assert_true(utf8_valid(text.data, text.len));
            for (size_t i = 0, step; i < text.len; i += step) {
                uint32_t cp = utf8_decode(text.data + i, text.len - i, &step);
                assert_true((cp >= 0x3B1 && cp <= 0x3C9) || (cp >= 0x4F60 && cp <= 0x4F61));
            }
        }
        llm_constraint_free(c);
        llm_constraint_free(d);
    }
}

static void test_regex_refused(void **state)
{
    static const struct {
        const char *pattern, *says;
    } wrong[] = {{"a(b", "not closed"},
                 {"a)", "not opened"},
                 {"[a", "not closed"},
                 {"*a", "nothing"},
                 {"a{3,2}", "{n,m}"},
                 {"a{1001}", "1000"},
                 {"(?=a)", "(?:"},
                 {"\\1", "back"},
                 {"a*?", "lazy"},
                 {"a**", "group"},
                 {"[z-a]", "range"},
                 {"a^b", "ends"},
                 {"^a|b", "group"},
                 {"\\", "backslash"},
                 {"[^\\u0000-\\uFFFF]x\\q", "letter"},
                 {"((a{1000}){1000}){9}", "states"},
                 {"\\xZ", "hexadecimal"},
                 {"a$b", "ends"}};
    (void)state;
    struct err e;
    llm_constraint *c;
    char deep[200];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_true(llm_constraint_regex(&models[0].m, wrong[i].pattern, &c, &e) < 0);
        if (!strstr(e.msg, wrong[i].says))
            fail_msg("%s: %s", wrong[i].pattern, e.msg);
    }
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    assert_int_equal(llm_constraint_regex(&models[0].m, deep, &c, &e), -E2BIG);
}

// ---- schemas ----

static bool meets(const struct json *schema, const struct json *v);

static uint32_t number_of(const struct json *schema, const char *key, uint32_t fallback)
{
    const struct json *n = json_get(schema, key);
    return n ? (uint32_t)atoi(n->text) : fallback;
}

static bool meets_object(const struct json *schema, const struct json *v)
{
    const struct json *properties = json_get(schema, "properties");
    for (const struct json *x = v->first; x; x = x->next) {
        const struct json *p = properties ? json_get(properties, x->key) : NULL;
        if (!p || !meets(p, x) || json_get(v, x->key) != x)
            return false;
    }
    const struct json *list = json_get(schema, "required");
    for (const struct json *x = list ? list->first : NULL; x; x = x->next)
        if (!json_get(v, x->text))
            return false;
    return true;
}

static bool meets_string(const struct json *schema, const struct json *v)
{
    size_t n = utf8_count(v->text, strlen(v->text));
    const struct json *pattern = json_get(schema, "pattern");
    if (pattern) {
        regex_t posix;
        assert_int_equal(regcomp(&posix, pattern->text, REG_EXTENDED | REG_NOSUB), 0);
        bool ok = !regexec(&posix, v->text, 0, NULL, 0);
        regfree(&posix);
        return ok;
    }
    return n >= number_of(schema, "minLength", 0) && n <= number_of(schema, "maxLength", ~0u);
}

static bool meets_type(const struct json *schema, const char *type, const struct json *v)
{
    if (!strcmp(type, "object"))
        return v->kind == JSON_OBJECT && meets_object(schema, v);
    if (!strcmp(type, "string"))
        return v->kind == JSON_STRING && meets_string(schema, v);
    if (!strcmp(type, "array")) {
        size_t n = 0;
        for (const struct json *x = v->first; x; x = x->next, n++)
            if (!meets(json_get(schema, "items"), x))
                return false;
        return v->kind == JSON_ARRAY && n >= number_of(schema, "minItems", 0) &&
               n <= number_of(schema, "maxItems", ~0u);
    }
    if (!strcmp(type, "integer"))
        return v->kind == JSON_NUMBER && !strpbrk(v->text, ".eE");
    if (!strcmp(type, "number"))
        return v->kind == JSON_NUMBER;
    if (!strcmp(type, "boolean"))
        return v->kind == JSON_TRUE || v->kind == JSON_FALSE;
    return v->kind == JSON_NULL;
}

static bool meets(const struct json *schema, const struct json *v)
{
    const struct json *x;
    if ((x = json_get(schema, "enum"))) {
        for (x = x->first; x; x = x->next)
            if (x->kind == v->kind && (!x->text || !strcmp(x->text, v->text)))
                return true;
        return false;
    }
    if ((x = json_get(schema, "anyOf"))) {
        for (x = x->first; x; x = x->next)
            if (meets(x, v))
                return true;
        return false;
    }
    x = json_get(schema, "type");
    if (x->kind == JSON_STRING)
        return meets_type(schema, x->text, v);
    for (x = x->first; x; x = x->next)
        if (meets_type(schema, x->text, v))
            return true;
    return false;
}

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"answer\":{\"type\":\"string\",\"maxLength\":20},"
    "\"sources\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,"
    "\"maxItems\":3},\"sure\":{\"type\":\"boolean\"},\"note\":{\"type\":[\"string\",\"null\"]}}"
    ","
    "\"required\":[\"answer\",\"sources\"],\"additionalProperties\":false}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"number\"}"
    ","
    "\"c\":{\"type\":\"object\"}}}",
    "{\"enum\":[\"red\",\"gr\\\"n\\n\",\"\\u84dd\",7,-1.5e3,true,null]}",
    "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\",\"minLength\":2,"
    "\"maxLength\":3},{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}},"
    "{\"type\":\"number\"}]}}",
    "{\"type\":\"string\",\"pattern\":\"^[A-Z][a-z]*( [!-w]{0,4})?$\"}",
    "{\"type\":\"string\",\"pattern\":\"ab+c\"}",
    "{\"type\":\"string\",\"maxLength\":2000}",
};

static void test_schemas(void **state)
{
    (void)state;
    struct err e;
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        arena *a = arena_new(0);
        struct json *schema;
        assert_int_equal(json_read(schemas[i], a, &schema, &e), 0);
        for (size_t m = 0; m < n_models; m++) {
            llm_constraint *c;
            if (llm_constraint_schema(&models[m].m, schemas[i], &c, &e))
                fail_msg("%s: %s", schemas[i], e.msg);
            for (uint64_t seed = 0; seed < seeds(m); seed++) {
                struct json *v;
                if (!write_text(m, c, 40 + (uint32_t)(seed % 60), seed))
                    fail_msg("no end: %s", text.data);
                if (json_read(text.data, a, &v, &e) || !meets(schema, v))
                    fail_msg("%s: %s", schemas[i], text.data);
            }
            llm_constraint_free(c);
        }
        arena_free(a);
    }
}

static void test_schemas_refused(void **state)
{
    static const struct {
        const char *schema, *says;
    } wrong[] = {
        {"{\"type\":\"strung\"}", "strung"},
        {"{\"type\":\"string\",\"format\":\"date\"}", "format"},
        {"{\"type\":\"integer\",\"minimum\":1}", "minimum"},
        {"{\"$ref\":\"#\"}", "type"},
        {"{}", "needs"},
        {"true", "object"},
        {"{\"type\":\"array\"}", "items"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":2,\"maxItems\":1}",
         "minItems"},
        {"{\"type\":\"object\",\"required\":[\"x\"]}", "'x'"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"a\":{\"type\":"
         "\"null\"}}}",
         "twice"},
        {"{\"type\":\"string\",\"pattern\":\"a(\"}", "group"},
        {"{\"type\":\"string\",\"enum\":[1]}", "type"},
        {"{\"enum\":[]}", "empty"},
        {"{\"type\":\"string\",\"maxLength\":99999}", "maxLength"},
        {"{\"type\":\"string\"", "end is missing"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":2000},"
         "\"maxItems\":1000}",
         "states"},
    };
    (void)state;
    struct err e;
    llm_constraint *c;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_true(llm_constraint_schema(&models[0].m, wrong[i].schema, &c, &e) < 0);
        if (!strstr(e.msg, wrong[i].says))
            fail_msg("%s: %s", wrong[i].schema, e.msg);
    }
    struct buf deep = BUF_INIT;
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_adds(&deep, "{\"anyOf\":["), 0);
    assert_int_equal(llm_constraint_schema(&models[0].m, deep.data, &c, &e), -E2BIG);
    buf_free(&deep);
}

// ---- citing and quoting ----

static const char *const passages[] = {
    "The backup starts at 02:30 \xE2\x80\x94 every night. \xE5\xA4\x87\xE4\xBB\xBD\xE4\xBA\x8E"
    "\xE5\x87\x8C\xE6\x99\xA8\xE5\xBC\x80\xE5\xA7\x8B",
    "Ask \xE2\x80\x9Cthe admin\xE2\x80\x9D, or the \xFF admin's deputy.", "aaaaaaaaab", ""};

// What stands in quotation marks is from a passage; what brackets name is 1, 12 or 30.
static void check_grounded(const char *s, bool cite, bool quote)
{
    static const char *const open[] = {"\"", "\xE2\x80\x9C", "\xE3\x80\x8C"},
                             *const close[] = {"\"", "\xE2\x80\x9D", "\xE3\x80\x8D"};
    assert_true(utf8_valid(s, strlen(s)));
    while (*s) {
        size_t k = 0;
        while (quote && k < 3 && strncmp(s, open[k], strlen(open[k])))
            k++;
        if (quote && k < 3) {
            s += strlen(open[k]);
            const char *end = strstr(s, close[k]);
            bool found = false;
            assert_non_null(end);
            for (size_t p = 0; p < 4 && !found; p++)
                found = memmem(passages[p], strlen(passages[p]), s, (size_t)(end - s));
            if (!found)
                fail_msg("not from a passage: %.*s", (int)(end - s), s);
            s = end + strlen(close[k]);
            continue;
        }
        const char *digit = s + 1 + strspn(s + 1, " ");
        if (cite && *s == '[' && *digit >= '0' && *digit <= '9') {
            char *end;
            unsigned long n = strtoul(digit, &end, 10);
            assert_true((n == 1 || n == 12 || n == 30) && *end == ']' && *digit != '0');
        }
        s++;
    }
}

static void test_grounded(void **state)
{
    static const uint32_t numbers[] = {1, 12, 30};
    (void)state;
    struct err e;
    unsigned quoted = 0, cited = 0;
    for (size_t m = 0; m < n_models; m++)
        for (int kind = 1; kind < 4; kind++) {
            const struct llm_grounds g = {kind & 1, numbers, 3, kind & 2, passages, 4};
            llm_constraint *c;
            assert_int_equal(llm_constraint_grounded(&models[m].m, &g, &c, &e), 0);
            for (uint64_t seed = 0; seed < seeds(m); seed++) {
                // Begin where it is narrow, which random tokens seldom do.
                assert_true(write_text(m, c, 1 + (uint32_t)(seed % 50), seed));
                check_grounded(text.data, g.cite, g.quote);
                quoted += strchr(text.data, '"') != NULL;
                cited += strchr(text.data, ']') != NULL;
            }
            llm_constraint_free(c);
        }
    print_message("# %u quote, %u cite\n", quoted, cited);
    assert_true(quoted && cited);
    // Nothing to cite, nothing to quote: no number, and only empty quotations.
    llm_constraint *c;
    const struct llm_grounds none = {.cite = true, .quote = true};
    assert_int_equal(llm_constraint_grounded(&models[0].m, &none, &c, &e), 0);
    for (uint64_t seed = 0; seed < 100; seed++) {
        assert_true(write_text(0, c, 60, seed));
        for (const char *p = text.data; (p = strchr(p, '[')); p++)
            assert_false(p[1] >= '0' && p[1] <= '9');
        const char *q = strchr(text.data, '"');
        assert_true(!q || q[1] == '"');
    }
    llm_constraint_free(c);
    char *large = malloc((2u << 20) + 1);
    memset(large, 'a', 2u << 20);
    large[2u << 20] = 0;
    const struct llm_grounds many = {
        .quote = true, .passages = (const char *const *)&large, .n_passages = 1};
    assert_int_equal(llm_constraint_grounded(&models[0].m, &many, &c, &e), -E2BIG);
    free(large);
}

// Ever fewer tokens: an end wherever one is possible.
static void test_budget(void **state)
{
    (void)state;
    struct err e;
    llm_constraint *c;
    // 9 bytes at least: {"a":null}
    const char *schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"null\","
                         "\"string\"]}},\"required\":[\"a\"]}";
    for (size_t m = 0; m < n_models; m++) {
        assert_int_equal(llm_constraint_schema(&models[m].m, schema, &c, &e), 0);
        for (uint32_t left = 1; left <= 30; left++)
            for (uint64_t seed = 0; seed < (m ? 2 : 20); seed++)
                if (!write_text(m, c, left, seed))
                    assert_true(left < 8); // {"a":""} byte by byte
        llm_constraint_free(c);
        // 36 bytes, but few of the real models' tokens.
        c = regex(m, "[a-z ]{5} and the answer to the question [a-z]{5}");
        for (uint64_t seed = 0; seed < 6 && m; seed++)
            assert_true(write_text(m, c, 22, seed));
        llm_constraint_free(c);
    }
    // What the vocabulary cannot write is said at once.
    assert_int_equal(llm_constraint_regex(&models[0].m, "a[^\\x00-\\uFFFF]b[^\\s\\S]", &c, &e),
                     -EINVAL);
    assert_non_null(strstr(e.msg, "tokens"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regex),           cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_regex_refused),   cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_schemas_refused), cmocka_unit_test(test_grounded),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
