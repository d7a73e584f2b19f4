// SPDX-License-Identifier: MIT
// Constraints by JSON schema under random logits: what comes out is JSON that meets the schema.
#include "base/arena.h"
#include "base/utf8.h"
#include "llm/json.h"
#include "tests/llm/constraint_rig.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_schemas_refused),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
