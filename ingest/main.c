// SPDX-License-Identifier: MIT
// askd-ingest: documents into the store, and out of it.
#include "ingest/ingest.h"

#include "base/log.h"
#include "base/paths.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_MODEL "models/multilingual-e5-small.Q4_0.gguf"
#define EXCLUDES_MAX 64

static const char usage[] =
    "usage: askd-ingest [OPTION]... add PATH... | rm PATH... | ls | status | embed | rebuild\n"
    "Takes documents (text, Markdown, HTML, PDF) into the store that askd answers from.\n"
    "  add PATH...        take files and folders; what has changed is taken again, what has "
    "gone\n"
    "                     from a folder is removed\n"
    "  rm PATH...         remove documents and whole folders from the store\n"
    "  ls                 list the documents\n"
    "  status             count documents, passages and vectors\n"
    "  embed              make the vectors that are missing\n"
    "  rebuild            read every document again\n"
    "  --data DIR         where the store is (default: $ASKD_DATA, ~/.local/share/askd)\n"
    "  --collection NAME  (default: \"default\")\n"
    "  --model FILE       embedder (default: $ASKD_EMBEDDER, DATA/" DEFAULT_MODEL ")\n"
    "  --no-embed         words only; vectors can follow with \"embed\"\n"
    "  --exclude PATTERN  leave out, as a line of .gitignore would; may be repeated\n"
    "  --threads N        (default: one a core, at most 8)\n"
    "  --dry-run          tell what would be done\n"
    "  --verbose          tell each document\n"
    "  --version, --help\n";

struct arguments {
    struct ingest_options o;
    char data[PATH_MAX], model[PATH_MAX];
    const char *exclude[EXCLUDES_MAX + 1];
    size_t n_exclude;
    bool no_embed;
};

static int fail(const char *sentence)
{
    fprintf(stderr, "askd-ingest: %s\n", sentence);
    return 2;
}

static int parse_threads(const char *s, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(s, &end, 10);
    if (errno || *end || n < 1 || n > 256) {
        fprintf(stderr, "askd-ingest: --threads takes a number from 1 to 256, not '%s'\n", s);
        return 2;
    }
    *out = (unsigned)n;
    return -1;
}

// -1: go on; else the exit status.
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option longs[] = {{"data", 1, NULL, 'd'},
                                          {"collection", 1, NULL, 'c'},
                                          {"model", 1, NULL, 'm'},
                                          {"no-embed", 0, NULL, 'n'},
                                          {"exclude", 1, NULL, 'x'},
                                          {"threads", 1, NULL, 't'},
                                          {"dry-run", 0, NULL, 'y'},
                                          {"verbose", 0, NULL, 'v'},
                                          {"version", 0, NULL, 'V'},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    int ch, rc = -1;
    while (rc < 0 && (ch = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
        switch (ch) {
        case 'd':
            snprintf(a->data, sizeof a->data, "%s", optarg);
            break;
        case 'c':
            a->o.collection = optarg;
            break;
        case 'm':
            snprintf(a->model, sizeof a->model, "%s", optarg);
            break;
        case 'n':
            a->no_embed = true;
            break;
        case 'x':
            if (a->n_exclude == EXCLUDES_MAX)
                return fail("at most 64 --exclude patterns; put them into an .askdignore file");
            a->exclude[a->n_exclude++] = optarg;
            break;
        case 't':
            rc = parse_threads(optarg, &a->o.threads);
            break;
        case 'y':
            a->o.dry_run = true;
            break;
        case 'v':
            a->o.verbose = true;
            break;
        case 'V':
            puts(PACKAGE_STRING);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    return rc;
}

static int settle_places(struct arguments *a)
{
    struct err e;
    const char *model = getenv("ASKD_EMBEDDER");
    if (!*a->data && paths_data(a->data, sizeof a->data, &e))
        return fail(e.msg);
    if (!*a->model && model && *model)
        snprintf(a->model, sizeof a->model, "%s", model);
    if (!*a->model && snprintf(a->model, sizeof a->model, "%s/" DEFAULT_MODEL, a->data) >=
                          (int)sizeof a->model)
        return fail("the path of the data folder is too long");
    a->o.data = a->data;
    a->o.model = a->model;
    a->o.exclude = a->exclude;
    if (!a->o.collection)
        a->o.collection = "default";
    return -1;
}

static void on_signal(int sig)
{
    (void)sig;
    atomic_store(&ingest_stop, true);
}

// Missing vectors, when the model is there. The words are searchable already, so a missing
// model is told and is no failure of what was asked.
static int embed(store *s, const struct arguments *a, bool asked)
{
    struct err e;
    struct timespec t0, t1;
    uint64_t done;
    if (!asked && access(a->model, R_OK)) {
        fprintf(stderr,
                "askd-ingest: no vectors were made, because %s is not there; the documents are "
                "found by their words. Fetch the model (scripts/fetch-models), then run "
                "\"askd-ingest embed\".\n",
                a->model);
        return 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &t0);
    int rc = ingest_embed(s, &a->o, &done, &e);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    double seconds = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    if (done || asked)
        printf("%llu vectors in %.1f s (%.0f a second)\n", (unsigned long long)done, seconds,
               seconds > 0 ? (double)done / seconds : 0.0);
    if (rc == -ECANCELED) {
        fprintf(stderr, "askd-ingest: stopped; \"askd-ingest embed\" goes on from here\n");
        return 130;
    }
    return rc ? fail(e.msg) : 0;
}

static int command_add(store *s, const struct arguments *a, char **paths, size_t n)
{
    struct ingest_counts c = {0};
    struct err e;
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    int rc = ingest_add(s, &a->o, paths, n, &c, &e);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    if (rc)
        return fail(e.msg);
    double seconds = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    printf("%s%llu documents taken (%llu passages, %.1f MB of text from %.1f MB) in %.1f s, "
           "%llu unchanged, %llu removed, %llu failed",
           a->o.dry_run ? "would be done: " : "", (unsigned long long)c.taken,
           (unsigned long long)c.passages, (double)c.text_bytes / 1e6, (double)c.bytes / 1e6,
           seconds, (unsigned long long)c.unchanged, (unsigned long long)c.removed,
           (unsigned long long)c.failed);
    if (c.empty)
        printf(", %llu without text", (unsigned long long)c.empty);
    if (c.ignored)
        printf(", %llu ignored by rule or type", (unsigned long long)c.ignored);
    putchar('\n');
    fflush(stdout);
    if (atomic_load(&ingest_stop)) {
        fprintf(stderr, "askd-ingest: stopped; the same command goes on from here\n");
        return 130;
    }
    if (!a->o.dry_run && !a->no_embed && (rc = embed(s, a, false)))
        return rc;
    return c.failed ? 1 : 0;
}

// A path as the store has it, also for what is no longer there.
static void store_path(const char *path, char out[PATH_MAX])
{
    char cwd[PATH_MAX];
    if (realpath(path, out))
        return;
    if (*path == '/' || !getcwd(cwd, sizeof cwd) ||
        snprintf(out, PATH_MAX, "%s/%s", cwd, path) >= PATH_MAX)
        snprintf(out, PATH_MAX, "%s", path);
    for (size_t n = strlen(out); n > 1 && out[n - 1] == '/';)
        out[--n] = 0;
}

static int command_rm(store *s, const struct arguments *a, char **paths, size_t n)
{
    struct err e;
    char path[PATH_MAX];
    int status = 0;
    for (size_t i = 0; i < n; i++) {
        const char *const *found;
        size_t k;
        arena *ar = arena_new(0);
        store_path(paths[i], path);
        int rc = ar ? store_paths(s, a->o.collection, path, ar, &found, &k, &e) : err_nomem(&e);
        for (size_t j = 0; !rc && j < k; j++) {
            bool was;
            if (!a->o.dry_run)
                rc = store_remove(s, a->o.collection, found[j], &was, &e);
            if (!rc && a->o.verbose)
                printf("%s\tremoved\n", found[j]);
        }
        arena_free(ar);
        if (rc)
            return fail(e.msg);
        if (!k) {
            fprintf(stderr, "askd-ingest: no document of collection '%s' is at or below %s\n",
                    a->o.collection, path);
            status = 1;
        } else {
            printf("%zu documents %s\n", k, a->o.dry_run ? "would be removed" : "removed");
        }
    }
    return status;
}

static int command_ls(store *s, const struct arguments *a)
{
    struct err e;
    const char *const *paths;
    size_t n;
    arena *ar = arena_new(0);
    int rc = ar ? store_paths(s, a->o.collection, "", ar, &paths, &n, &e) : err_nomem(&e);
    for (size_t i = 0; !rc && i < n; i++)
        puts(paths[i]);
    arena_free(ar);
    return rc ? fail(e.msg) : 0;
}

static int command_status(store *s)
{
    struct err e;
    struct store_collection *c;
    size_t n;
    arena *ar = arena_new(0);
    int rc = ar ? store_collections(s, "", ar, &c, &n, &e) : err_nomem(&e);
    if (!rc && !n)
        puts("no documents yet: askd-ingest add PATH...");
    for (size_t i = 0; !rc && i < n; i++) {
        char when[32] = "";
        time_t t = (time_t)c[i].updated;
        struct tm tm;
        if (gmtime_r(&t, &tm))
            strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
        printf("%s: %llu documents, %llu passages, %llu with vectors, %.1f MB, changed %s\n",
               c[i].name, (unsigned long long)c[i].documents, (unsigned long long)c[i].passages,
               (unsigned long long)c[i].with_vectors, (double)c[i].bytes / 1e6, when);
    }
    arena_free(ar);
    return rc ? fail(e.msg) : 0;
}

// Read every document again from where it was. What has gone is removed.
static int command_rebuild(store *s, struct arguments *a)
{
    struct err e;
    const char *const *paths;
    size_t n, k = 0;
    arena *ar = arena_new(0);
    int status,
        rc = ar ? store_paths(s, a->o.collection, "", ar, &paths, &n, &e) : err_nomem(&e);
    char **list = rc ? NULL : calloc(n + 1, sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        bool was;
        if (!access(paths[i], F_OK) || errno != ENOENT)
            list[k++] = (char *)paths[i];
        else if (!a->o.dry_run && !rc)
            rc = store_remove(s, a->o.collection, paths[i], &was, &e);
    }
    a->o.force = true;
    status = rc ? fail(e.msg) : !list ? fail("out of memory") : command_add(s, a, list, k);
    free(list);
    arena_free(ar);
    return status;
}

static int dispatch(struct arguments *a, const char *command, char **args, size_t n)
{
    static const char *const takes_paths[] = {"add", "rm"};
    static const char *const reads[] = {"ls", "status"};
    struct err e;
    store *s;
    bool paths = !strcmp(command, takes_paths[0]) || !strcmp(command, takes_paths[1]);
    bool reading = !strcmp(command, reads[0]) || !strcmp(command, reads[1]);
    if (!paths && !reading && strcmp(command, "embed") && strcmp(command, "rebuild")) {
        fprintf(stderr, "askd-ingest: '%s' is no command\n%s", command, usage);
        return 2;
    }
    if (paths && !n) {
        fprintf(stderr, "askd-ingest: %s what? Name files or folders.\n", command);
        return 2;
    }
    if (!paths && n) {
        fprintf(stderr, "askd-ingest: %s takes no argument, '%s' is one too many\n", command,
                args[0]);
        return 2;
    }
    int rc = reading ? store_open_reader(a->data, &s, &e) : store_open_writer(a->data, &s, &e);
    if (rc == -ENOENT && reading) {
        printf("no documents yet in %s: askd-ingest add PATH...\n", a->data);
        return 0;
    }
    if (rc)
        return fail(e.msg);
    int status;
    if (!strcmp(command, "add"))
        status = command_add(s, a, args, n);
    else if (!strcmp(command, "rm"))
        status = command_rm(s, a, args, n);
    else if (!strcmp(command, "ls"))
        status = command_ls(s, a);
    else if (!strcmp(command, "status"))
        status = command_status(s);
    else if (!strcmp(command, "embed"))
        status = embed(s, a, true);
    else
        status = command_rebuild(s, a);
    store_close(s);
    return status;
}

int main(int argc, char **argv)
{
    static struct arguments a;
    int rc = parse_arguments(argc, argv, &a);
    if (rc < 0)
        rc = settle_places(&a);
    if (rc >= 0)
        return rc;
    if (optind == argc) {
        fputs(usage, stderr);
        return 2;
    }
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    return dispatch(&a, argv[optind], argv + optind + 1, (size_t)(argc - optind - 1));
}
