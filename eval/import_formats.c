// SPDX-License-Identifier: MIT
// The formats. Fields that must be there and are not are named; whatever else there is, is
// left alone.
#include "eval/import.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/sentence.h"
#include "eval/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define JSON_MAX (1u << 30)

// A string or a number as text; NULL where it is neither.
static const char *text_of(struct importer *im, const cJSON *o, const char *name)
{
    const cJSON *x = json_item(o, name);
    return cJSON_IsString(x)   ? x->valuestring
           : cJSON_IsNumber(x) ? arena_printf(im->a, "%.17g", x->valuedouble)
                               : NULL;
}

static int missing(struct importer *im, const char *name)
{
    return err_set(im->e, -EINVAL, "\"%s\" is missing or of the wrong type", name);
}

static cJSON *question(const char *id, const char *text, bool answerable)
{
    cJSON *q = cJSON_CreateObject();
    cJSON_AddStringToObject(q, "id", id);
    cJSON_AddStringToObject(q, "question", text);
    cJSON_AddBoolToObject(q, "answerable", answerable);
    return q;
}

// ---- SQuAD (Rajpurkar et al. 2016, 2018), CMRC 2018 (Cui et al. 2019), DRCD ----

static size_t byte_of(const char *s, double characters)
{
    size_t n = strlen(s), at = 0, step;
    for (double i = 0; i < characters && at < n; i++, at += step)
        utf8_decode(s + at, n - at, &step);
    return at;
}

// The sentences of the context that the answer stands in.
static const char *around(struct importer *im, const char *context, size_t start, size_t end)
{
    struct sentence s;
    size_t pos = 0, n = strlen(context), from = n, to = 0;
    while (sentence_next(context, n, &pos, &s)) {
        if (s.end <= start || s.start >= end)
            continue;
        from = s.start < from ? s.start : from;
        to = s.end;
    }
    return from < to ? arena_strndup(im->a, context + from, to - from) : NULL;
}

static int squad_question(struct importer *im, const cJSON *qa, const char *context,
                          const char *file)
{
    const char *id = text_of(im, qa, "id"), *text = text_of(im, qa, "question");
    const cJSON *answers = json_item(qa, "answers"), *one;
    if (!id || !text)
        return missing(im, id ? "question" : "id");
    if (!*text) { // CMRC 2018 has some
        im->counts.left_out++;
        return 0;
    }
    bool answerable =
        !cJSON_IsTrue(json_item(qa, "is_impossible")) && cJSON_GetArraySize(answers);
    cJSON *q = question(id, text, answerable), *list = cJSON_AddArrayToObject(q, "answers");
    cJSON_ArrayForEach(one, answers)
    {
        const cJSON *t = json_item(one, "text"), *start = json_item(one, "answer_start");
        if (!answerable || !cJSON_IsString(t))
            continue;
        size_t at = cJSON_IsNumber(start) ? byte_of(context, start->valuedouble) : 0;
        size_t n = strlen(t->valuestring);
        if (strncmp(context + at, t->valuestring, n)) {
            const char *found = strstr(context, t->valuestring);
            at = found ? (size_t)(found - context) : 0;
            n = found ? n : 0;
        }
        const char *quote = around(im, context, at, at + n);
        cJSON_AddItemToArray(list, cJSON_CreateString(t->valuestring));
        import_evidence(q, file, quote ? quote : t->valuestring);
    }
    return import_question(im, q);
}

static int squad_article(struct importer *im, const cJSON *article)
{
    const cJSON *p, *qa;
    const char *title = text_of(im, article, "title");
    if (!cJSON_IsArray(json_item(article, "paragraphs")))
        return missing(im, "paragraphs");
    cJSON_ArrayForEach(p, json_item(article, "paragraphs"))
    {
        const char *context = text_of(im, p, "context");
        if (!context)
            return missing(im, "context");
        const char *file = import_document(im, title, context);
        int rc = file ? 0 : im->e->code;
        cJSON_ArrayForEach(qa, json_item(p, "qas"))
        {
            if (!rc)
                rc = squad_question(im, qa, context, file);
        }
        if (rc)
            return rc;
    }
    return 0;
}

int import_squad(struct importer *im, const char *input)
{
    struct buf b = BUF_INIT;
    int rc = file_read(input, JSON_MAX, &b, im->e), at = 0;
    cJSON *all = rc ? NULL : cJSON_ParseWithLength(b.data, b.len);
    const cJSON *article;
    buf_free(&b);
    if (!rc && !cJSON_IsArray(json_item(all, "data")))
        rc = err_set(im->e, -EINVAL, "%s: no JSON object with a list \"data\"", input);
    cJSON_ArrayForEach(article, json_item(all, "data"))
    {
        if (!rc && (rc = squad_article(im, article)))
            err_prefix(im->e, "%s: data[%d]", input, at);
        at++;
    }
    cJSON_Delete(all);
    return rc;
}

// ---- CLAPnq (Rosenthal et al. 2024) ----

static int clapnq_line(struct importer *im, const cJSON *o, void *ctx)
{
    const char *id = text_of(im, o, "id"), *text = text_of(im, o, "input"), *file = NULL;
    const cJSON *p, *x, *s;
    bool answerable = false;
    (void)ctx;
    if (!id || !text || !cJSON_IsArray(json_item(o, "passages")))
        return missing(im, !id ? "id" : !text ? "input" : "passages");
    cJSON_ArrayForEach(x, json_item(o, "output"))
    {
        const char *answer = text_of(im, x, "answer");
        answerable = answerable || (answer && *answer);
    }
    cJSON *q = question(id, text, answerable), *answers = cJSON_AddArrayToObject(q, "answers");
    cJSON_ArrayForEach(p, json_item(o, "passages"))
    {
        const char *body = text_of(im, p, "text");
        if (!body || !(file = import_document(im, text_of(im, p, "title"), body))) {
            cJSON_Delete(q);
            return body ? im->e->code : missing(im, "text");
        }
    }
    cJSON_ArrayForEach(x, json_item(o, "output"))
    {
        const char *answer = text_of(im, x, "answer");
        if (answer && *answer)
            cJSON_AddItemToArray(answers, cJSON_CreateString(answer));
        cJSON_ArrayForEach(s, json_item(x, "selected_sentences"))
        {
            if (cJSON_IsString(s) && file)
                import_evidence(q, file, s->valuestring);
        }
    }
    return import_question(im, q);
}

int import_clapnq(struct importer *im, const char *input)
{
    return import_lines(im, input, clapnq_line, NULL);
}

// ---- documents that have names ----

struct names {
    struct named {
        const char *id, *file;
    } * all;
    size_t n, room;
};

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->id, ((const struct named *)b)->id);
}

static int name(struct importer *im, struct names *names, const char *id, const char *file)
{
    if (names->n == names->room) {
        size_t room = names->room ? 2 * names->room : 1024;
        struct named *all = realloc(names->all, room * sizeof *all);
        if (!all)
            return err_nomem(im->e);
        names->all = all;
        names->room = room;
    }
    names->all[names->n++] = (struct named){arena_strdup(im->a, id), file};
    return names->all[names->n - 1].id ? 0 : err_nomem(im->e);
}

// Among what is sorted.
static const char *file_of(const struct names *names, const char *id)
{
    const struct named key = {id, NULL};
    const struct named *hit =
        names->n ? bsearch(&key, names->all, names->n, sizeof key, by_id) : NULL;
    return hit ? hit->file : NULL;
}

// ---- MTRAG (Katsis et al. 2025): tasks with contexts, the last turn is the question ----

static const char *mtrag_document(struct importer *im, struct names *names, const cJSON *c)
{
    const char *id = text_of(im, c, "document_id"), *text = text_of(im, c, "text");
    if (!id || !text) {
        missing(im, id ? "text" : "document_id");
        return NULL;
    }
    for (size_t i = 0; i < names->n; i++)
        if (!strcmp(names->all[i].id, id))
            return names->all[i].file;
    const char *file = import_document(im, text_of(im, c, "title"), text);
    return file && !name(im, names, id, file) ? file : NULL;
}

// What the annotators said: "ANSWERABLE", "PARTIAL", "UNANSWERABLE", "UNDERSPECIFIED", as a
// text or a list of them.
static const char *mtrag_kind(struct importer *im, const cJSON *o)
{
    const cJSON *x = json_item(o, "answerability") ? json_item(o, "answerability")
                                                   : json_item(o, "Answerability");
    const cJSON *first = cJSON_IsArray(x) ? cJSON_GetArrayItem(x, 0) : x;
    return cJSON_IsString(first) ? arena_strdup(im->a, first->valuestring) : "ANSWERABLE";
}

static int mtrag_line(struct importer *im, const cJSON *o, void *ctx)
{
    const char *id = text_of(im, o, "task_id"), *kind = mtrag_kind(im, o), *text = NULL;
    const cJSON *x, *turns = json_item(o, "input");
    int n = cJSON_GetArraySize(turns), at = 0;
    if (n)
        text = text_of(im, cJSON_GetArrayItem(turns, n - 1), "text");
    if (!id || !text)
        return missing(im, id ? "input" : "task_id");
    bool answerable = strcmp(kind, "UNANSWERABLE") != 0;
    cJSON *q = question(id, text, answerable), *h = cJSON_AddArrayToObject(q, "history"),
          *answers = cJSON_AddArrayToObject(q, "answers");
    cJSON_AddStringToObject(q, "kind", kind);
    cJSON_ArrayForEach(x, turns)
    {
        const char *who = text_of(im, x, "speaker"), *said = text_of(im, x, "text");
        if (++at == n || !said)
            continue;
        cJSON *turn = cJSON_CreateObject();
        cJSON_AddStringToObject(turn, "role",
                                who && !strcmp(who, "user") ? "user" : "assistant");
        cJSON_AddStringToObject(turn, "content", said);
        cJSON_AddItemToArray(h, turn);
    }
    cJSON_ArrayForEach(x, json_item(o, "contexts"))
    {
        const char *file = mtrag_document(im, ctx, x);
        if (!file) {
            cJSON_Delete(q);
            return im->e->code;
        }
        if (answerable)
            import_evidence(q, file, NULL);
    }
    cJSON_ArrayForEach(x, json_item(o, "targets"))
    {
        const char *answer = answerable ? text_of(im, x, "text") : NULL;
        if (answer)
            cJSON_AddItemToArray(answers, cJSON_CreateString(answer));
    }
    // Whoever is asked something unclear should ask back, which is neither.
    if (strcmp(kind, "UNDERSPECIFIED") != 0)
        return import_question(im, q);
    im->counts.left_out++;
    cJSON_Delete(q);
    return 0;
}

int import_mtrag(struct importer *im, const char *input)
{
    struct names names = {0};
    int rc = import_lines(im, input, mtrag_line, &names);
    free(names.all);
    return rc;
}

// ---- BEIR (Thakur et al. 2021): corpus.jsonl, queries.jsonl, qrels/test.tsv or dev.tsv ----

static int beir_document(struct importer *im, const cJSON *o, void *ctx)
{
    const char *id = text_of(im, o, "_id"), *text = text_of(im, o, "text");
    if (!id || !text)
        return missing(im, id ? "text" : "_id");
    const char *file = import_document(im, text_of(im, o, "title"), text);
    return file ? name(im, ctx, id, file) : im->e->code;
}

struct beir {
    struct names documents;
    struct names judged; // [query] = document's file, for each judgement, sorted by query
};

static int beir_query(struct importer *im, const cJSON *o, void *ctx)
{
    const struct beir *b = ctx;
    const char *id = text_of(im, o, "_id"), *text = text_of(im, o, "text");
    if (!id || !text)
        return missing(im, id ? "text" : "_id");
    const struct named key = {id, NULL};
    const struct named *hit =
        b->judged.n ? bsearch(&key, b->judged.all, b->judged.n, sizeof key, by_id) : NULL;
    if (!hit) {
        im->counts.left_out++;
        return 0;
    }
    cJSON *q = question(id, text, true);
    while (hit > b->judged.all && !strcmp(hit[-1].id, id))
        hit--;
    for (; hit < b->judged.all + b->judged.n && !strcmp(hit->id, id); hit++)
        import_evidence(q, hit->file, NULL);
    return import_question(im, q);
}

static int beir_judgements(struct importer *im, const char *dir, struct beir *b)
{
    char path[PATH_MAX], query[256], document[256];
    size_t line = 0;
    snprintf(path, sizeof path, "%s/qrels/test.tsv", dir);
    FILE *f = fopen(path, "r");
    if (!f) {
        snprintf(path, sizeof path, "%s/qrels/dev.tsv", dir);
        f = fopen(path, "r");
    }
    if (!f)
        return err_set(im->e, -ENOENT, "%s: neither qrels/test.tsv nor qrels/dev.tsv", dir);
    char s[1024];
    int rc = 0, score;
    while (!rc && fgets(s, sizeof s, f)) {
        line++;
        if (sscanf(s, "%255[^\t]\t%255[^\t]\t%d", query, document, &score) != 3) {
            if (line > 1) // the first may be a heading
                rc = err_set(im->e, -EINVAL, "%s:%zu: not query, document, score between tabs",
                             path, line);
            continue;
        }
        const char *file = file_of(&b->documents, document);
        if (score > 0 && !file)
            rc = err_set(im->e, -EINVAL, "%s:%zu: document '%s' is not in corpus.jsonl", path,
                         line, document);
        else if (score > 0)
            rc = name(im, &b->judged, query, file);
    }
    fclose(f);
    if (b->judged.n)
        qsort(b->judged.all, b->judged.n, sizeof *b->judged.all, by_id);
    return rc;
}

int import_beir(struct importer *im, const char *input)
{
    struct beir b = {0};
    const char *corpus = arena_printf(im->a, "%s/corpus.jsonl", input),
               *queries = arena_printf(im->a, "%s/queries.jsonl", input);
    int rc = corpus && queries ? import_lines(im, corpus, beir_document, &b.documents)
                               : err_nomem(im->e);
    if (!rc)
        qsort(b.documents.all, b.documents.n, sizeof *b.documents.all, by_id);
    if (!rc)
        rc = beir_judgements(im, input, &b);
    if (!rc)
        rc = import_lines(im, queries, beir_query, &b);
    free(b.documents.all);
    free(b.judged.all);
    return rc;
}
