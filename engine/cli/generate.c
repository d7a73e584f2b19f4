// SPDX-License-Identifier: MIT
// askd-model generate: what a decoder writes, as askd would have it write.
#include "engine/cli/cli.h"

#include "base/file.h"
#include "llm/constraint.h"
#include "llm/llm.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_text(void *ctx, const char *text, size_t n)
{
    (void)ctx;
    return fwrite(text, 1, n, stdout) != n || fflush(stdout);
}

enum { ADAPTERS = sizeof((struct cli_texts *)0)->at / sizeof(char *) };

struct wish {
    struct cli_texts loras;
    const char *model, *prompt, *system, *draft, *stop, *pattern, *schema;
    long threads, context, max_tokens, top_k, seed;
    double temperature, top_p, min_p, repetition, frequency, presence;
    bool raw;
};

// What --pattern or --schema asks for; NULL without.
static int constrain(const struct wish *w, llm *m, struct llm_constraint **out, struct err *e)
{
    struct buf schema = BUF_INIT;
    int rc = 0;
    if (w->pattern) {
        rc = llm_constraint_regex(m, w->pattern, out, e);
    } else if (w->schema) {
        rc = file_read(w->schema, 1 << 20, &schema, e);
        if (!rc)
            rc = llm_constraint_schema(m, schema.data, out, e);
    }
    buf_free(&schema);
    return rc;
}

// What --lora asks for; each is named by its number.
struct loras {
    char paths[ADAPTERS][PATH_MAX], names[ADAPTERS][4];
    struct llm_adapter_file files[ADAPTERS];
    struct llm_adapter uses[ADAPTERS];
};

// FILE or FILE:SCALE.
static int read_loras(const struct cli_texts *given, struct loras *l, struct err *e)
{
    for (size_t i = 0; i < given->n; i++) {
        const char *s = given->at[i], *colon = strrchr(s, ':');
        char *end = NULL;
        double scale = colon ? strtod(colon + 1, &end) : 1;
        bool scaled = colon && colon[1] && !*end;
        size_t n = scaled ? (size_t)(colon - s) : strlen(s);
        if (n >= PATH_MAX)
            return err_set(e, -ENAMETOOLONG, "the path of --lora %zu is too long", i + 1);
        memcpy(l->paths[i], s, n);
        l->paths[i][n] = 0;
        snprintf(l->names[i], sizeof l->names[i], "%zu", i + 1);
        l->files[i] = (struct llm_adapter_file){l->names[i], l->paths[i]};
        l->uses[i] = (struct llm_adapter){l->names[i], scaled ? (float)scale : 1};
    }
    return 0;
}

static int generate(const struct wish *w, struct err *e)
{
    struct team *team = NULL;
    llm *m = NULL;
    struct loras loras = {0};
    struct llm_result res = {0};
    struct llm_message messages[2] = {{"system", w->system}, {"user", w->prompt}};
    const char *stops[2] = {w->stop, NULL};
    struct llm_request r = {.messages = w->system ? messages : messages + 1,
                            .n_messages = w->system ? 2 : 1,
                            .raw = w->raw,
                            .max_tokens = (uint32_t)w->max_tokens,
                            .sampling = {(float)w->temperature, (uint32_t)w->top_k,
                                         (float)w->top_p, (float)w->min_p, (uint64_t)w->seed},
                            .stop = w->stop ? stops : NULL,
                            .on_text = print_text};
    r.sampling.repetition = (float)w->repetition;
    r.sampling.frequency = (float)w->frequency;
    r.sampling.presence = (float)w->presence;
    r.adapters = loras.uses;
    r.n_adapters = w->loras.n;
    int rc = read_loras(&w->loras, &loras, e);
    if (!rc)
        rc = team_new((unsigned)w->threads, &team, e);
    struct llm_options o = {.team = team,
                            .n_ctx = (uint32_t)w->context,
                            .n_sessions = 1,
                            .no_cache = true, // one prompt
                            .raw = w->raw,
                            .draft_path = w->draft,
                            .adapters = loras.files,
                            .n_adapters = w->loras.n};
    if (!rc)
        rc = llm_open(w->model, &o, &m, e);
    if (!rc)
        rc = constrain(w, m, &r.constraint, e);
    if (!rc)
        rc = llm_generate(m, &r, &res, e);
    if (!rc) {
        putchar('\n');
        fprintf(stderr, "%u prompt tokens, %u new ones, %s; %.1f and %.1f tokens/s\n",
                res.prompt_tokens, res.completion_tokens,
                res.finish == LLM_STOP ? "ended" : "cut at --max-tokens",
                res.prompt_tokens * 1e3 / (res.prefill_ms + 1e-9),
                res.completion_tokens * 1e3 / (res.decode_ms + 1e-9));
    }
    llm_constraint_free(r.constraint);
    llm_close(m);
    team_free(team);
    return rc;
}

static int run(int argc, char **argv)
{
    struct wish w = {.max_tokens = 128};
    const struct cli_option options[] = {{"--threads", CLI_WHOLE, &w.threads, 1, 256},
                                         {"--context", CLI_WHOLE, &w.context, 16, 1 << 20},
                                         {"--max-tokens", CLI_WHOLE, &w.max_tokens, 1, 1 << 20},
                                         {"--temperature", CLI_REAL, &w.temperature, 0, 100},
                                         {"--top-k", CLI_WHOLE, &w.top_k, 0, 1 << 20},
                                         {"--top-p", CLI_REAL, &w.top_p, 0, 1},
                                         {"--min-p", CLI_REAL, &w.min_p, 0, 1},
                                         {"--seed", CLI_WHOLE, &w.seed, 0, 9007199254740992.0},
                                         {"--repetition", CLI_REAL, &w.repetition, 0, 100},
                                         {"--frequency", CLI_REAL, &w.frequency, -100, 100},
                                         {"--presence", CLI_REAL, &w.presence, -100, 100},
                                         {"--stop", CLI_TEXT, &w.stop, 0, 0},
                                         {"--pattern", CLI_TEXT, &w.pattern, 0, 0},
                                         {"--schema", CLI_TEXT, &w.schema, 0, 0},
                                         {"--draft", CLI_TEXT, &w.draft, 0, 0},
                                         {"--lora", CLI_TEXTS, &w.loras, 0, 0},
                                         {"--system", CLI_TEXT, &w.system, 0, 0},
                                         {"--raw", CLI_FLAG, &w.raw, 0, 0},
                                         {0}};
    struct buf b = BUF_INIT;
    struct err e;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n < 1 || n > 2 || (w.raw && w.system) || (w.pattern && w.schema))
        return cli_usage(&command_generate);
    int rc = n == 1 ? cli_read_input(&b) : 0;
    if (!rc && memchr(b.data, 0, b.len))
        rc = cli_fail(1, "the prompt on standard input holds a NUL byte");
    w.model = argv[1];
    w.prompt = n == 2 ? argv[2] : b.data;
    if (!rc && generate(&w, &e))
        rc = cli_fail(1, "%s", e.msg);
    buf_free(&b);
    return rc;
}

const struct command command_generate = {
    "generate",
    "[--raw | --system TEXT] [--max-tokens N] [--temperature X] [--top-k N] [--top-p X] "
    "[--min-p X] [--seed N] [--repetition X] [--frequency X] [--presence X] [--stop TEXT] "
    "[--pattern REGEX | --schema FILE] [--lora FILE.gguf[:SCALE]]... [--draft FILE.gguf] "
    "[--context N] "
    "[--threads N] FILE.gguf [PROMPT]",
    "write what follows PROMPT, or standard input, through the model's chat template; --raw "
    "takes the prompt as it is",
    run};
