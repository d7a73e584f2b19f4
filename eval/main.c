// SPDX-License-Identifier: MIT
// askd-eval: how good are the answers?
#include "base/file.h"
#include "base/paths.h"
#include "eval/choice.h"
#include "eval/import.h"
#include "eval/json.h"
#include "eval/judge.h"
#include "eval/make.h"
#include "eval/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: askd-eval run [OPTION]... SET.jsonl\n"
    "       askd-eval diff A.json B.json\n"
    "       askd-eval choice [OPTION]... MODEL.gguf SET\n"
    "       askd-eval judge A.json B.json --endpoint URL --model NAME\n"
    "       askd-eval show RUN.json\n"
    "       askd-eval import FORMAT INPUT DIR\n"
    "       askd-eval make [OPTION]... OUT.jsonl\n"
    "\n"
    "  run SET         ask a running askd every question of the set, print what came of it\n"
    "  diff A B        two runs of one set: differences with 95 % intervals\n"
    "  judge A B       two runs before a large model at URL, which is sent questions and\n"
    "                  answers; its key, if it wants one, in $ASKD_JUDGE_KEY\n"
    "  choice MODEL SET\n"
    "                  multiple choice as MMLU has it: what a model thinks the likeliest\n"
    "  show RUN        print a run's table again\n"
    "  import FORMAT INPUT DIR\n"
    "                  a public set (squad, clapnq, mtrag, beir) to DIR/docs and "
    "DIR/set.jsonl\n"
    "  make OUT        draft a set from the documents of a running askd, to be corrected\n"
    "\n"
    "  --socket PATH       where askd answers ($ASKD_SOCKET)\n"
    "  --collection NAME   ask in one collection\n"
    "  --mode MODE         auto, extract or write\n"
    "  --search            passages only, no answers\n"
    "  --out FILE          keep the run, what the judge said or the choices as JSON\n"
    "  --html FILE         a report to look at\n"
    "  --count N           how many questions to draft, 1-5000 (50)\n"
    "  --endpoint URL      of the judge: chat completions as OpenAI has them, https://host/v1\n"
    "  --model NAME        which model judges there\n"
    "  --timeout SECONDS   for one reply of the judge, 1-3600 (120)\n"
    "  --examples FILE     solved questions that choice shows before each\n"
    "  --threads N         for choice, 1-256 (as many as CPUs)\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0, or 2 for usage and failures.\n";

struct arguments {
    const char *command, *paths[3], *out, *html, *count;
    const char *endpoint, *model, *timeout, *examples, *threads;
    size_t n_paths;
    struct run_options run;
    char socket[PATH_MAX];
    bool help, version;
};

static int parse(int argc, char **argv, struct arguments *a, struct err *e)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {{"--socket", &a->run.socket}, {"--collection", &a->run.collection},
                   {"--mode", &a->run.mode},     {"--out", &a->out},
                   {"--html", &a->html},         {"--count", &a->count},
                   {"--endpoint", &a->endpoint}, {"--model", &a->model},
                   {"--timeout", &a->timeout},   {"--examples", &a->examples},
                   {"--threads", &a->threads}};
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof options / sizeof *options && !known; k++) {
            if (strcmp(argv[i], options[k].name) != 0)
                continue;
            if (++i == argc)
                return err_set(e, -EINVAL, "%s needs a value", options[k].name);
            *options[k].value = argv[i];
            known = true;
        }
        if (known)
            continue;
        if (!strcmp(argv[i], "--search"))
            a->run.search_only = true;
        else if (!strcmp(argv[i], "--help"))
            a->help = true;
        else if (!strcmp(argv[i], "--version"))
            a->version = true;
        else if (argv[i][0] == '-' && argv[i][1])
            return err_set(e, -EINVAL, "unknown option %.60s (see --help)", argv[i]);
        else if (!a->command)
            a->command = argv[i];
        else if (a->n_paths < 3)
            a->paths[a->n_paths++] = argv[i];
        else
            return err_set(e, -EINVAL, "too many arguments at %.60s (see --help)", argv[i]);
    }
    if (strcmp(a->run.mode, "auto") != 0 && strcmp(a->run.mode, "extract") != 0 &&
        strcmp(a->run.mode, "write") != 0)
        return err_set(e, -EINVAL, "--mode is auto, extract or write, not %.40s", a->run.mode);
    return 0;
}

static void progress(size_t done, size_t n)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%zu of %zu%s", done, n, done == n ? "\r\033[K" : "");
}

static int use_socket(struct arguments *a, struct err *e)
{
    if (a->run.socket)
        return 0;
    a->run.socket = a->socket;
    return paths_socket(a->socket, sizeof a->socket, e);
}

static int write_json(const char *path, const cJSON *o, struct err *e)
{
    char *text = cJSON_Print(o);
    int rc = text ? file_write_atomic(path, text, strlen(text), e) : err_nomem(e);
    cJSON_free(text);
    return rc;
}

static int command_run(struct arguments *a, struct err *e)
{
    struct set s;
    cJSON *run = NULL;
    arena *mem = arena_new(0);
    if (a->n_paths != 1)
        return err_set(e, -EINVAL, "run needs one SET.jsonl");
    int rc = mem ? set_read(a->paths[0], mem, &s, e) : err_nomem(e);
    if (!rc)
        rc = use_socket(a, e);
    a->run.progress = progress;
    if (!rc)
        rc = run_set(&s, a->paths[0], &a->run, &run, e);
    if (!rc)
        summary_print(run);
    if (!rc && a->out)
        rc = write_json(a->out, run, e);
    if (!rc && a->html)
        rc = html_write(a->html, run, e);
    cJSON_Delete(run);
    arena_free(mem);
    return rc;
}

// The run files that were named, which the caller deletes also after a failure.
static int read_runs(struct arguments *a, size_t n, cJSON **runs, struct err *e)
{
    int rc = 0;
    if (a->n_paths != n)
        return err_set(e, -EINVAL, "%s needs %zu file%s that `run --out` wrote", a->command, n,
                       n == 1 ? "" : "s");
    for (size_t i = 0; i < n && !rc; i++)
        rc = run_read(a->paths[i], &runs[i], e);
    return rc;
}

static int command_diff(struct arguments *a, struct err *e)
{
    cJSON *runs[2] = {NULL};
    int rc = read_runs(a, 2, runs, e);
    if (!rc)
        rc = diff_print(runs[0], runs[1], e);
    cJSON_Delete(runs[0]);
    cJSON_Delete(runs[1]);
    return rc;
}

static int command_show(struct arguments *a, struct err *e)
{
    cJSON *run = NULL;
    int rc = read_runs(a, 1, &run, e);
    cJSON *summary = rc ? NULL : summary_of(json_item(run, "questions"));
    if (!rc && !summary)
        rc = err_nomem(e);
    if (!rc) {
        cJSON_DeleteItemFromObjectCaseSensitive(run, "summary");
        cJSON_AddItemToObject(run, "summary", summary);
        summary_print(run);
    }
    if (!rc && a->html)
        rc = html_write(a->html, run, e);
    cJSON_Delete(run);
    return rc;
}

static int command_import(struct arguments *a, struct err *e)
{
    struct import_counts n;
    if (a->n_paths != 3)
        return err_set(e, -EINVAL, "import needs a format, what to read and a folder to make");
    int rc = import_set(a->paths[0], a->paths[1], a->paths[2], &n, e);
    if (rc)
        return rc;
    printf("%zu documents in %s/docs, %zu questions in %s/set.jsonl", n.documents, a->paths[2],
           n.questions, a->paths[2]);
    if (n.left_out)
        printf("; %zu left out, which nothing says how to judge", n.left_out);
    printf("\n");
    return 0;
}

// A whole number in low..high; `fallback` where the option was not given.
static int number_option(const char *name, const char *s, size_t low, size_t high,
                         size_t fallback, size_t *out, struct err *e)
{
    char *end = NULL;
    *out = s ? (size_t)strtoul(s, &end, 10) : fallback;
    if (s && (*end || *s < '0' || *s > '9' || *out < low || *out > high))
        return err_set(e, -EINVAL, "%s is %zu to %zu, not %.40s", name, low, high, s);
    return 0;
}

static int command_judge(struct arguments *a, struct err *e)
{
    struct endpoint p = {.url = a->endpoint, .model = a->model, .key = getenv(ENDPOINT_KEY)};
    struct judge_counts n;
    cJSON *runs[2] = {NULL}, *out = NULL;
    size_t timeout;
    if (!a->endpoint || !a->model)
        return err_set(e, -EINVAL,
                       "judge sends questions and answers to another program, so it needs its "
                       "address and the model's name: --endpoint URL --model NAME");
    int rc = number_option("--timeout", a->timeout, 1, 3600, 120, &timeout, e);
    p.timeout = rc ? 0 : (long)timeout;
    if (!rc)
        rc = endpoint_check(&p, e);
    if (!rc)
        rc = read_runs(a, 2, runs, e);
    if (!rc)
        rc = judge_runs(runs[0], runs[1], &p, progress, &out, &n, e);
    if (!rc)
        printf("A better %zu, B better %zu, ties %zu (%zu where the two orders disagree, %zu "
               "alike)\nsign test: p = %.4f\n",
               n.a, n.b, n.ties, n.split, n.same, n.p);
    if (!rc && n.unjudged + n.left_out)
        printf("%zu without a usable reply, %zu without an answer to judge by\n", n.unjudged,
               n.left_out);
    if (!rc && a->out)
        rc = write_json(a->out, out, e);
    cJSON_Delete(out);
    cJSON_Delete(runs[0]);
    cJSON_Delete(runs[1]);
    return rc;
}

static void print_share(const char *name, const cJSON *o)
{
    printf("%-36s %6.3f  [%.3f, %.3f]  of %g\n", name, json_number(o, "accuracy"),
           json_number(o, "low"), json_number(o, "high"), json_number(o, "n"));
}

static int command_choice(struct arguments *a, struct err *e)
{
    struct choice_set s;
    struct team *team = NULL;
    llm *m = NULL;
    cJSON *out = NULL;
    size_t threads;
    arena *mem = arena_new(0);
    int rc = mem ? 0 : err_nomem(e);
    if (!rc && a->n_paths != 2)
        rc = err_set(e, -EINVAL, "choice needs a MODEL.gguf and a SET");
    if (!rc)
        rc = number_option("--threads", a->threads, 1, 256, 0, &threads, e);
    if (!rc)
        rc = choice_read(a->paths[1], a->examples, mem, &s, e);
    if (!rc)
        rc = team_new((unsigned)threads, &team, e);
    if (!rc)
        rc = llm_open(a->paths[0], &(struct llm_options){.team = team, .n_sessions = 1}, &m, e);
    if (!rc)
        rc = choice_run(m, &s, progress, &out, e);
    if (!rc) {
        const cJSON *letters = json_item(out, "letters");
        char name[40];
        snprintf(name, sizeof name, "letters, %g-shot", json_number(letters, "shots"));
        print_share("cloze, 0-shot", json_item(out, "cloze"));
        print_share(name, letters);
    }
    if (!rc && a->out)
        rc = write_json(a->out, out, e);
    cJSON_Delete(out);
    llm_close(m);
    team_free(team);
    arena_free(mem);
    return rc;
}

static int command_make(struct arguments *a, struct err *e)
{
    struct make_counts n;
    struct make_options o = {.collection = a->run.collection};
    if (a->n_paths != 1)
        return err_set(e, -EINVAL, "make needs the file to write");
    int rc = number_option("--count", a->count, 1, 5000, 50, &o.count, e);
    if (!rc)
        rc = use_socket(a, e);
    o.socket = a->run.socket;
    if (!rc)
        rc = make_set(&o, a->paths[0], &n, e);
    if (rc)
        return rc;
    printf("%zu drafts in %s, %zu of them unanswerable, out of %zu found in %zu documents\n"
           "Nobody has checked them: correct or drop each, and set \"checked\" to true\n",
           n.written, a->paths[0], n.unanswerable, n.found, n.documents);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct arguments *a, struct err *e);
} commands[] = {{"run", command_run},       {"diff", command_diff}, {"judge", command_judge},
                {"choice", command_choice}, {"show", command_show}, {"import", command_import},
                {"make", command_make}};

int main(int argc, char **argv)
{
    struct err e = {0};
    struct arguments a = {.run = {.mode = "auto"}};
    int rc = parse(argc, argv, &a, &e);
    if (!rc && (a.help || a.version)) {
        fputs(a.help ? help : "askd-eval (askd " VERSION ")\n", stdout);
        return 0;
    }
    if (!rc && !a.command)
        rc = err_set(&e, -EINVAL, "a command is missing (see --help)");
    int (*command)(struct arguments *, struct err *) = NULL;
    for (size_t i = 0; i < sizeof commands / sizeof *commands && !rc; i++)
        if (!strcmp(a.command, commands[i].name))
            command = commands[i].run;
    if (!rc)
        rc = command ? command(&a, &e)
                     : err_set(&e, -EINVAL, "unknown command %.40s (see --help)", a.command);
    if (rc)
        fprintf(stderr, "askd-eval: %s\n", e.msg);
    return rc ? 2 : 0;
}
