// SPDX-License-Identifier: MIT
// askd-model read: where in a passage the answer to a question stands, line by line.
#include "engine/cli/cli.h"

#include "embedder/reader.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading_run {
    struct team *team;
    embedder *m;
    reader *r;
    bool logits;
    size_t max_tokens;
    size_t line;
};

static int text_of(const cJSON *o, const char *key, bool must, size_t line, const char **s)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, key);
    *s = cJSON_IsString(x) ? x->valuestring : "";
    if (cJSON_IsString(x) || (!must && (!x || cJSON_IsNull(x))))
        return 0;
    return cli_fail(1, "line %zu: \"%s\" is missing or no text", line, key);
}

static void print_number(const char *key, float v)
{
    if (isnan(v))
        printf("\"%s\": null", key);
    else
        printf("\"%s\": %.9g", key, (double)v);
}

// A piece of a passage as JSON text.
static int print_text(const char *s, size_t n)
{
    char *copy = malloc(n + 1), *json = NULL;
    cJSON *x = NULL;
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = 0;
        x = cJSON_CreateString(copy);
        json = x ? cJSON_PrintUnformatted(x) : NULL;
    }
    if (json)
        printf("%s", json);
    cJSON_free(json);
    cJSON_Delete(x);
    free(copy);
    return json ? 0 : cli_fail(1, "out of memory");
}

static int print_reading(const struct reading_run *c, const char *passage,
                         const struct reading *x)
{
    struct reader_span s = {0, 0, NAN, NAN, NAN};
    bool found = reader_span(x, 0, SIZE_MAX, c->max_tokens, &s);
    printf("{");
    print_number("score", s.score);
    printf(", \"span\": ");
    if (!found)
        printf("null, \"start\": null, \"end\": null");
    else if (print_text(passage + s.start, s.end - s.start))
        return 1;
    else
        printf(", \"start\": %zu, \"end\": %zu", s.start, s.end);
    printf(", ");
    print_number("null", x->null);
    printf(", ");
    print_number("start_logit", s.start_logit);
    printf(", ");
    print_number("end_logit", s.end_logit);
    printf(", ");
    print_number("relevance", x->relevance);
    for (size_t i = 0; i < x->n && c->logits; i++)
        printf("%s[%u, %u, %.9g, %.9g]", i ? ", " : ", \"tokens\": [", x->tokens[i].start,
               x->tokens[i].end, (double)x->tokens[i].start_logit,
               (double)x->tokens[i].end_logit);
    if (c->logits)
        printf("%s", x->n ? "]" : ", \"tokens\": []");
    puts("}");
    return 0;
}

static int read_object(const struct reading_run *c, const cJSON *o)
{
    const char *question, *heading, *passage;
    struct reading x;
    struct err e;
    int status = text_of(o, "question", true, c->line, &question);
    if (!status)
        status = text_of(o, "heading", false, c->line, &heading);
    if (!status)
        status = text_of(o, "passage", true, c->line, &passage);
    if (status)
        return status;
    const struct reader_text text = {heading, strlen(heading), passage, strlen(passage)};
    arena *a = arena_new(0);
    if (!a)
        return cli_fail(1, "out of memory");
    if (reader_read(c->r, TEAM_BATCH, question, strlen(question), &text, 1, a, &x, NULL, &e))
        status = cli_fail(1, "line %zu: %s", c->line, e.msg);
    else
        status = print_reading(c, passage, &x);
    arena_free(a);
    return status;
}

static int read_lines(struct reading_run *c, const struct buf *b)
{
    int status = 0;
    for (const char *at = b->data, *end = b->data + b->len; at < end && !status;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        c->line++;
        cJSON *o = cJSON_ParseWithLength(at, (size_t)(stop - at));
        status = cJSON_IsObject(o) ? read_object(c, o)
                                   : cli_fail(1, "line %zu is no JSON object", c->line);
        cJSON_Delete(o);
        at = stop + 1;
    }
    return status;
}

static int run(int argc, char **argv)
{
    long threads = 0, max_tokens = READER_SPAN_TOKENS;
    bool base = false;
    struct reading_run c = {0};
    const struct cli_option options[] = {
        {"--threads", CLI_WHOLE, &threads, 1, 256},
        {"--max-tokens", CLI_WHOLE, &max_tokens, 1, READER_SPAN_TOKENS_MAX},
        {"--logits", CLI_FLAG, &c.logits, 0, 0},
        {"--base", CLI_FLAG, &base, 0, 0},
        {0}};
    struct buf b = BUF_INIT;
    struct err e;
    int n = cli_options(options, argc, argv), status = 0;
    if (n < 0)
        return 2;
    if (n != (base ? 1 : 2))
        return cli_usage(&command_read);
    c.max_tokens = (size_t)max_tokens;
    int rc = team_new((unsigned)threads, &c.team, &e);
    if (!rc)
        rc = embedder_open(argv[1], c.team, &c.m, &e);
    if (!rc && base)
        puts(embedder_fingerprint(c.m));
    else if (!rc)
        rc = reader_open(c.m, argv[2], &c.r, &e);
    if (rc)
        status = cli_fail(1, "%s", e.msg);
    else if (!base && (status = cli_read_input(&b)) == 0)
        status = read_lines(&c, &b);
    reader_close(c.r);
    embedder_close(c.m);
    team_free(c.team);
    buf_free(&b);
    return status;
}

const struct command command_read = {
    "read",
    "[--threads N] [--max-tokens N] [--logits] FILE.gguf READER.gguf | --base FILE.gguf",
    "where the answer stands: JSON lines of question, heading and passage in, spans and their "
    "scores out; --base prints what askd.reader.base must be",
    run};
