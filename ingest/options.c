// SPDX-License-Identifier: MIT
#include "ingest/options.h"

#include "base/paths.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MODEL "models/multilingual-e5-small.Q4_0.gguf"
#define DEFAULT_MODEL_EN "models/all-MiniLM-L6-v2.Q8_0.gguf"
#define DEFAULT_MAX_MB 64

static const char help[] =
    "usage: askd-ingest [OPTION]... COMMAND [PATH]...\n"
    "\n"
    "  add PATH...     take in files and folders; new, changed and vanished files below PATH\n"
    "                  are noticed\n"
    "  rm PATH...      remove documents at or below PATH\n"
    "  ls [PATH]       list documents\n"
    "  status          collections, passages, share with vectors\n"
    "  rebuild         read every known document again, changed or not\n"
    "  embed           make the vectors that are missing or damaged\n"
    "  verify          is all of the store what was put there?\n"
    "  snapshot DIR    copy the store to a new folder, while others use it\n"
    "  restore DIR     put a snapshot in the place of the store\n"
    "  doctor          what makes answers wrong: versions, contradictions, stale files\n"
    "\n"
    "  --data DIR          where the store is ($ASKD_DATA, ~/.local/share/askd)\n"
    "  --collection NAME   which collection (default)\n"
    "  --model FILE        the embedder ($ASKD_EMBEDDER, DATA/" DEFAULT_MODEL ")\n"
    "  --model-en FILE     a second one, for what is not in Chinese script; none\n"
    "                      ($ASKD_EMBEDDER_EN, DATA/" DEFAULT_MODEL_EN ")\n"
    "  --threads N         1-256 (as many as CPUs)\n"
    "  --no-embed          words only; `embed` makes the vectors later\n"
    "  --dry-run           say what would be done, change nothing\n"
    "  --exclude GLOB      leave out what matches, as in .gitignore; may be repeated\n"
    "  --max-size MB       larger files are refused (64)\n"
    "  --json              doctor: one JSON object\n"
    "  --report FILE       write every file and text that was left out, and why\n"
    "  -v, --verbose       the same on stderr\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 all taken, 1 some files failed (each is named), 2 usage or failure;\n"
    "doctor: 0 nothing to say, 1 findings; verify: 0 nothing is wrong, 1 damage.\n";

const char *options_help(void)
{
    return help;
}

static unsigned cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n < 1 ? 1 : n > 256 ? 256 : (unsigned)n;
}

static int number(const char *name, const char *v, unsigned long max, unsigned long *out,
                  struct err *e)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(v, &end, 10);
    if (errno || *end || *v < '0' || *v > '9' || !n || n > max)
        return err_set(e, -EINVAL, "%s takes a number from 1 to %lu, not \"%.40s\"", name, max,
                       v);
    *out = n;
    return 0;
}

static int set_path(char *out, const char *name, const char *v, struct err *e)
{
    size_t n = strlen(v);
    if (!n || n >= PATH_MAX)
        return err_set(e, -EINVAL, "%s: %s", name, n ? "the path is too long" : "empty path");
    memcpy(out, v, n + 1);
    return 0;
}

static int set(struct options *o, const char *name, const char *v, struct err *e)
{
    unsigned long n;
    int rc = 0;
    if (!strcmp(name, "--data")) {
        rc = set_path(o->data, name, v, e);
    } else if (!strcmp(name, "--model")) {
        o->model_named = true;
        rc = set_path(o->model, name, v, e);
    } else if (!strcmp(name, "--model-en")) {
        o->model_en_named = true;
        rc = set_path(o->model_en, name, v, e);
    } else if (!strcmp(name, "--collection")) {
        o->collection = v;
        o->collection_named = true;
        if (!*v || strlen(v) > 64 ||
            strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789._-") != strlen(v))
            rc = err_set(e, -EINVAL,
                         "--collection: a name is 1-64 of letters, digits, '.', '_' and '-', "
                         "not \"%.64s\"",
                         v);
    } else if (!strcmp(name, "--threads")) {
        rc = number(name, v, 256, &n, e);
        o->threads = rc ? o->threads : (unsigned)n;
    } else if (!strcmp(name, "--max-size")) {
        rc = number(name, v, 1024, &n, e);
        o->max_file = rc ? o->max_file : (size_t)n << 20;
    } else if (!strcmp(name, "--report")) {
        o->report = v;
    } else {
        o->excludes[o->n_excludes++] = v;
    }
    return rc;
}

static bool flag(struct options *o, const char *arg)
{
    const struct {
        const char *name;
        bool *value;
    } flags[] = {{"--no-embed", &o->no_embed},
                 {"--dry-run", &o->dry_run},
                 {"--json", &o->json},
                 {"--verbose", &o->verbose},
                 {"-v", &o->verbose},
                 {"--help", &o->help},
                 {"-h", &o->help},
                 {"--version", &o->version}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (!strcmp(flags[i].name, arg)) {
            *flags[i].value = true;
            return true;
        }
    return false;
}

// "--name VALUE" or "--name=VALUE" at argv[*i].
static int valued(struct options *o, int argc, char **argv, int *i, struct err *e)
{
    static const char *const names[] = {"--data",    "--model",   "--model-en", "--collection",
                                        "--threads", "--exclude", "--max-size", "--report"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t n = strlen(names[k]);
        if (strncmp(argv[*i], names[k], n) || (argv[*i][n] && argv[*i][n] != '='))
            continue;
        if (argv[*i][n] == '=')
            return set(o, names[k], argv[*i] + n + 1, e);
        if (*i + 1 == argc)
            return err_set(e, -EINVAL, "%s needs a value", names[k]);
        return set(o, names[k], argv[++*i], e);
    }
    return err_set(e, -EINVAL, "unknown option \"%.60s\"; askd-ingest --help lists them",
                   argv[*i]);
}

static int fill_model(const struct options *o, const char *variable, const char *fallback,
                      char path[PATH_MAX], bool *named, struct err *e)
{
    const char *env = getenv(variable);
    if (*named)
        return 0;
    if (env && *env) {
        *named = true;
        return set_path(path, variable, env, e);
    }
    if ((size_t)snprintf(path, PATH_MAX, "%s/%s", o->data, fallback) >= PATH_MAX)
        return err_set(e, -EINVAL, "--data: the path is too long");
    return 0;
}

// What no flag said: environment, then default.
static int fill(struct options *o, struct err *e)
{
    int rc = o->data[0] ? 0 : paths_data(o->data, sizeof o->data, e);
    if (!rc)
        rc = fill_model(o, "ASKD_EMBEDDER", DEFAULT_MODEL, o->model, &o->model_named, e);
    if (!rc)
        rc = fill_model(o, "ASKD_EMBEDDER_EN", DEFAULT_MODEL_EN, o->model_en,
                        &o->model_en_named, e);
    if (!rc && !strcmp(o->model_en, "none"))
        o->model_en[0] = 0;
    return rc;
}

int options_parse(int argc, char **argv, struct options *o, struct err *e)
{
    *o = (struct options){
        .collection = "default", .threads = cpus(), .max_file = (size_t)DEFAULT_MAX_MB << 20};
    const char **paths = calloc((size_t)argc + 1, sizeof *paths);
    o->excludes = calloc((size_t)argc + 1, sizeof *o->excludes);
    o->paths = paths;
    if (!paths || !o->excludes)
        return err_nomem(e);
    bool only_paths = false;
    for (int i = 1; i < argc; i++) {
        int rc = 0;
        if (!only_paths && !strcmp(argv[i], "--"))
            only_paths = true;
        else if (!only_paths && argv[i][0] == '-' && argv[i][1])
            rc = flag(o, argv[i]) ? 0 : valued(o, argc, argv, &i, e);
        else if (!o->command)
            o->command = argv[i];
        else
            paths[o->n_paths++] = argv[i];
        if (rc)
            return rc;
    }
    if (o->help || o->version)
        return 0;
    if (!o->command)
        return err_set(e, -EINVAL, "no command; askd-ingest --help lists them");
    return fill(o, e);
}

void options_free(struct options *o)
{
    free((void *)o->excludes);
    free((void *)o->paths);
    *o = (struct options){0};
}
