// SPDX-License-Identifier: MIT
#include "daemon/parse.h"

#include "base/utf8.h"
#include "daemon/json.h"

#include <math.h>
#include <string.h>

#define QUESTION_MAX 8192
#define COLLECTIONS_MAX 64
#define TOP_K_MAX 1000

struct parser {
    const struct config *limits;
    arena *a;
    struct question *q;
    const char **field;
    struct err *e;
};

static int bad(struct parser *p, const char *field, const char *what)
{
    *p->field = field;
    return err_set(p->e, -EINVAL, "%s", what);
}

// Nesting is bounded before the recursive parser sees the text.
static bool too_deep(const char *s, size_t n, long most)
{
    long depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (in_string) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                in_string = false;
        } else if (s[i] == '"') {
            in_string = true;
        } else if (s[i] == '{' || s[i] == '[') {
            if (++depth > most)
                return true;
        } else if (s[i] == '}' || s[i] == ']') {
            depth--;
        }
    }
    return false;
}

static int text(struct parser *p, const cJSON *v, const char *field, const char **out)
{
    if (cJSON_IsNull(v))
        return 0;
    if (!cJSON_IsString(v))
        return bad(p, field, "must be a string");
    *out = arena_strdup(p->a, v->valuestring);
    return *out ? 0 : err_nomem(p->e);
}

static int whole(struct parser *p, const cJSON *v, const char *field, double low, double high,
                 double *out)
{
    if (cJSON_IsNull(v))
        return 0;
    if (!cJSON_IsNumber(v) || v->valuedouble < low || v->valuedouble > high ||
        v->valuedouble != floor(v->valuedouble)) {
        *p->field = field;
        return err_set(p->e, -EINVAL, "%s must be a whole number from %.0f to %.0f", field, low,
                       high);
    }
    *out = v->valuedouble;
    return 0;
}

static int parse_question(struct parser *p, const cJSON *v)
{
    const char *s = NULL;
    int rc = text(p, v, "question", &s);
    if (rc)
        return rc;
    if (!s || !s[strspn(s, " \t\r\n")])
        return bad(p, "question", "question must be a text that is not empty");
    if (strlen(s) > QUESTION_MAX)
        return bad(p, "question", "question is longer than 8192 bytes");
    p->q->request.question = s;
    return 0;
}

static int parse_collection(struct parser *p, const cJSON *v)
{
    if (cJSON_IsNull(v))
        return 0;
    int n = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : 1;
    if (n < 1 || n > COLLECTIONS_MAX)
        return bad(p, "collection", "collection is a name or a list of 1 to 64 names");
    const char **list = arena_alloc(p->a, ((size_t)n + 1) * sizeof *list);
    if (!list)
        return err_nomem(p->e);
    for (int i = 0; i < n; i++) {
        int rc =
            text(p, cJSON_IsArray(v) ? cJSON_GetArrayItem(v, i) : v, "collection", &list[i]);
        if (rc || !list[i])
            return rc ? rc : bad(p, "collection", "collection holds a null");
    }
    p->q->request.collections = list;
    return 0;
}

static bool is_date(const char *s)
{
    static const char form[] = "dddd-dd-dd";
    size_t i = 0;
    for (; form[i]; i++)
        if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
            return false;
    return !s[i];
}

static int parse_after(struct parser *p, const cJSON *v)
{
    const char **after = &p->q->request.after;
    int rc = text(p, v, "filter.after", after);
    return rc || !*after || is_date(*after)
               ? rc
               : bad(p, "filter.after", "filter.after is a date YYYY-MM-DD");
}

static int parse_filter(struct parser *p, const cJSON *v)
{
    if (cJSON_IsNull(v))
        return 0;
    if (!cJSON_IsObject(v))
        return bad(p, "filter", "filter is an object with path, after or type");
    struct answer_request *r = &p->q->request;
    const cJSON *f;
    int rc = 0;
    cJSON_ArrayForEach(f, v)
    {
        if (!strcmp(f->string, "path"))
            rc = text(p, f, "filter.path", &r->path_glob);
        else if (!strcmp(f->string, "after"))
            rc = parse_after(p, f);
        else if (!strcmp(f->string, "type"))
            rc = text(p, f, "filter.type", &r->type);
        else
            rc = bad(p, "filter", "filter knows path, after and type only");
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_history(struct parser *p, const cJSON *v)
{
    if (cJSON_IsNull(v))
        return 0;
    int n = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : -1;
    if (n < 0 || n > p->limits->max_history) {
        *p->field = "history";
        return err_set(p->e, -EINVAL, "history is a list of at most %ld messages (max_history)",
                       p->limits->max_history);
    }
    struct answer_turn *turns = arena_alloc(p->a, ((size_t)n + 1) * sizeof *turns);
    if (!turns)
        return err_nomem(p->e);
    for (int i = 0; i < n; i++) {
        const cJSON *m = cJSON_GetArrayItem(v, i), *role = cJSON_GetObjectItem(m, "role"),
                    *content = cJSON_GetObjectItem(m, "content");
        if (!cJSON_IsString(role) || !cJSON_IsString(content) ||
            (strcmp(role->valuestring, "user") && strcmp(role->valuestring, "assistant")))
            return bad(p, "history",
                       "each message of history has a role (user or assistant) and a content");
        turns[i].user = *role->valuestring == 'u';
        turns[i].text = arena_strdup(p->a, content->valuestring);
        if (!turns[i].text)
            return err_nomem(p->e);
    }
    p->q->request.history = turns;
    p->q->request.n_history = (size_t)n;
    return 0;
}

static bool known_adapter(const struct config *c, const char *name)
{
    char one[CONFIG_NAME_MAX + 1], path[PATH_MAX];
    for (size_t at = 0; config_adapter(c, &at, one, path);)
        if (!strcmp(one, name))
            return true;
    return false;
}

static int parse_adapter(struct parser *p, const cJSON *v, const struct llm_adapter *before,
                         size_t n, struct llm_adapter *out)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(v, "name"),
                *scale = cJSON_GetObjectItemCaseSensitive(v, "scale");
    if (!cJSON_IsString(name) || cJSON_GetArraySize(v) != (scale ? 2 : 1))
        return bad(p, "adapters", "each of adapters has a name and may have a scale");
    if (scale && (!cJSON_IsNumber(scale) || !(fabs(scale->valuedouble) <= LLM_SCALE_MAX)))
        return bad(p, "adapters", "the scale of an adapter is a number from -10 to 10");
    *p->field = "adapters";
    if (!known_adapter(p->limits, name->valuestring))
        return err_set(p->e, -EINVAL, "there is no adapter '%.64s' (/v1/status lists them)",
                       name->valuestring);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(before[i].name, name->valuestring))
            return err_set(p->e, -EINVAL, "adapter '%.64s' is named twice", before[i].name);
    *p->field = NULL;
    out->name = arena_strdup(p->a, name->valuestring);
    out->scale = scale ? (float)scale->valuedouble : 1;
    return out->name ? 0 : err_nomem(p->e);
}

static int parse_adapters(struct parser *p, const cJSON *v)
{
    if (cJSON_IsNull(v))
        return 0;
    int n = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : -1, rc = 0;
    if (n < 0 || n > LLM_REQUEST_ADAPTERS_MAX)
        return bad(p, "adapters", "adapters is a list of at most 8 objects {name, scale}");
    struct llm_adapter *list = arena_alloc(p->a, ((size_t)n + 1) * sizeof *list);
    if (!list)
        return err_nomem(p->e);
    for (int i = 0; i < n && !rc; i++)
        rc = parse_adapter(p, cJSON_GetArrayItem(v, i), list, (size_t)i, &list[i]);
    p->q->request.adapters = list;
    p->q->request.n_adapters = (size_t)n;
    return rc;
}

static int parse_mode(struct parser *p, const cJSON *v)
{
    static const char *const modes[] = {"auto", "extract", "write"};
    if (cJSON_IsNull(v))
        return 0;
    for (int i = 0; i < 3 && cJSON_IsString(v); i++)
        if (!strcmp(v->valuestring, modes[i])) {
            p->q->request.mode = (enum answer_mode)i;
            return 0;
        }
    return bad(p, "mode", "mode is auto, extract or write");
}

#define SAMPLING(field) offsetof(struct llm_sampling, field)
static const struct {
    const char *name;
    size_t at; // of a float
    double low, high;
} reals[] = {
    {"temperature", SAMPLING(temperature), 0, 2},
    {"top_p", SAMPLING(top_p), 0.001, 1},
    {"min_p", SAMPLING(min_p), 0, 1},
    {"repetition_penalty", SAMPLING(repetition), 1, 2},
    {"frequency_penalty", SAMPLING(frequency), -2, 2},
    {"presence_penalty", SAMPLING(presence), -2, 2},
};

// *known: it is one of the numbers.
static int parse_real(struct parser *p, const cJSON *v, bool *known)
{
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        if (strcmp(v->string, reals[i].name) != 0)
            continue;
        *known = true;
        if (cJSON_IsNull(v))
            return 0;
        if (!cJSON_IsNumber(v) ||
            !(v->valuedouble >= reals[i].low && v->valuedouble <= reals[i].high)) {
            *p->field = reals[i].name;
            return err_set(p->e, -EINVAL, "%s is a number from %g to %g", reals[i].name,
                           reals[i].low, reals[i].high);
        }
        *(float *)((char *)&p->q->request.sampling + reals[i].at) = (float)v->valuedouble;
    }
    return 0;
}

static int parse_whole(struct parser *p, const cJSON *v, bool *known)
{
    struct answer_request *r = &p->q->request;
    double x = 0;
    int rc = 0;
    *known = true;
    if (!strcmp(v->string, "max_tokens")) {
        rc = whole(p, v, "max_tokens", 1, (double)p->limits->max_tokens, &x);
        r->max_tokens = (unsigned)x;
    } else if (!strcmp(v->string, "seed")) {
        rc = whole(p, v, "seed", 0, 9007199254740992.0, &x);
        r->sampling.seed = (uint64_t)x;
    } else if (!strcmp(v->string, "top_k")) {
        rc = whole(p, v, "top_k", 0, TOP_K_MAX, &x);
        r->sampling.top_k = (uint32_t)x;
    } else {
        *known = false;
    }
    return rc;
}

static int parse_k(struct parser *p, const cJSON *v)
{
    double x = 0;
    int rc = whole(p, v, "k", 1, (double)p->limits->max_k, &x);
    p->q->request.k = (unsigned)x;
    return rc;
}

static int parse_truth(struct parser *p, const cJSON *v, const char *field, const char *what,
                       bool *out)
{
    *out = cJSON_IsTrue(v);
    return cJSON_IsBool(v) ? 0 : bad(p, field, what);
}

// What /v1/ask knows and /v1/search does not.
static int parse_ask_field(struct parser *p, const cJSON *v, bool *known)
{
    const char *name = v->string;
    int rc = parse_real(p, v, known);
    if (!rc && !*known)
        rc = parse_whole(p, v, known);
    if (rc || *known)
        return rc;
    *known = true;
    if (!strcmp(name, "adapters"))
        return parse_adapters(p, v);
    if (!strcmp(name, "mode"))
        return parse_mode(p, v);
    if (!strcmp(name, "conversation"))
        return text(p, v, "conversation", &p->q->conversation);
    if (!strcmp(name, "stream"))
        return parse_truth(p, v, "stream", "stream is true or false", &p->q->stream);
    if (!strcmp(name, "logprobs"))
        return parse_truth(p, v, "logprobs", "logprobs is true or false",
                           &p->q->request.logprobs);
    *known = false;
    return 0;
}

static int parse_field(struct parser *p, const cJSON *v, bool search)
{
    const char *name = v->string;
    if (!strcmp(name, "question"))
        return parse_question(p, v);
    if (!strcmp(name, "collection"))
        return parse_collection(p, v);
    if (!strcmp(name, "filter"))
        return parse_filter(p, v);
    if (!strcmp(name, "history"))
        return parse_history(p, v);
    if (!strcmp(name, "k"))
        return parse_k(p, v);
    bool known = false;
    int rc = search ? 0 : parse_ask_field(p, v, &known);
    if (rc || known)
        return rc;
    *p->field = arena_strdup(p->a, name);
    return err_set(p->e, -EINVAL, "there is no field '%.80s' in this request", name);
}

int question_parse(const char *body, size_t n, bool search, const struct config *limits,
                   arena *a, struct question *out, const char **field, struct err *e)
{
    struct parser p = {limits, a, out, field, e};
    *out = (struct question){0};
    *field = NULL;
    if (!utf8_valid(body, n) || memmem(body, n, "\\u0000", 6) || memchr(body, 0, n))
        return bad(&p, NULL, "the body must be UTF-8 without NUL characters");
    if (n && too_deep(body, n, limits->max_depth))
        return err_set(e, -EINVAL,
                       "the body's JSON is nested deeper than %ld levels (max_depth)",
                       limits->max_depth);
    const char *end = NULL;
    json_failed(); // earlier, elsewhere
    cJSON *root = cJSON_ParseWithLengthOpts(body, n, &end, 0);
    if (json_failed()) {
        cJSON_Delete(root);
        return err_nomem(e);
    }
    size_t rest = root ? (size_t)(end - body) : 0;
    while (root && rest < n && strchr(" \t\r\n", body[rest]))
        rest++;
    int rc = 0;
    if (!cJSON_IsObject(root) || rest != n)
        rc =
            err_set(e, -EINVAL, "the body must be one JSON object, as {\"question\": \"...\"}");
    for (const cJSON *v = rc ? NULL : root->child; v && !rc; v = v->next)
        rc = parse_field(&p, v, search);
    cJSON_Delete(root);
    if (!rc && !out->request.question)
        rc = bad(&p, "question", "question is missing");
    return rc;
}
