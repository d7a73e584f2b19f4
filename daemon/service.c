// SPDX-License-Identifier: MIT
#include "daemon/service.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/priority.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_LLM "SmolLM2-135M-Instruct.Q4_1.gguf"
#define PROMPTS "%s/prompts.kv"
#define DEFAULT_EMBEDDER "multilingual-e5-small.Q4_0.gguf"
#define DEFAULT_ENGLISH "all-MiniLM-L6-v2.Q8_0.gguf"
#define DEFAULT_READER "multilingual-e5-small.reader.gguf"
#define DEFAULT_LEXICON "en-zh.lexicon.tsv"

static const char *const stages[] = {"threads", "embedder", "index", "language model"};
#define N_STAGES ((int)(sizeof stages / sizeof *stages))

// A configured file, or the default in DATA/models if it is there; "" for none.
static int find_model(const struct config *c, const char *what, const char *configured,
                      const char *fallback, char out[4096], struct err *e)
{
    *out = 0;
    if (!strcmp(configured, "none"))
        return 0;
    if (*configured) {
        if (access(configured, R_OK))
            return err_set(e, -errno, "%s: %s cannot be read (%s); name a file or 'none'", what,
                           configured, strerror(errno));
        snprintf(out, 4096, "%s", configured);
        return 0;
    }
    snprintf(out, 4096, "%s/models/%s", c->data, fallback);
    if (access(out, R_OK)) {
        log_write(LOG_WARN, "service",
                  "no %s: %s is not there (scripts/fetch-models fetches it)", what, out);
        *out = 0;
    }
    return 0;
}

// What comes with the program: it is installed, or lies with the other models.
static int find_shipped(const struct config *c, const char *what, const char *configured,
                        const char *name, char out[4096], struct err *e)
{
    if (*configured)
        return find_model(c, what, configured, name, out, e);
    snprintf(out, 4096, "%s/models/%s", c->data, name);
    if (access(out, R_OK))
        snprintf(out, 4096, "%s/%s", PKGDATADIR, name);
    if (access(out, R_OK)) {
        log_write(LOG_WARN, "service", "no %s: %s is neither in %s/models nor in %s", what,
                  name, c->data, PKGDATADIR);
        *out = 0;
    }
    return 0;
}

// Name and path of each adapter; in `a`.
static int list_adapters(const struct config *c, arena *a, struct llm_options *o, struct err *e)
{
    struct llm_adapter_file *list = arena_alloc(a, LLM_ADAPTERS_MAX * sizeof *list);
    char name[CONFIG_NAME_MAX + 1], path[PATH_MAX];
    if (!list)
        return err_nomem(e);
    for (size_t at = 0; config_adapter(c, &at, name, path); o->n_adapters++) {
        if (o->n_adapters == LLM_ADAPTERS_MAX)
            return err_set(e, -E2BIG, "adapter: more than %d are named", LLM_ADAPTERS_MAX);
        list[o->n_adapters] =
            (struct llm_adapter_file){arena_strdup(a, name), arena_strdup(a, path)};
        if (!list[o->n_adapters].name || !list[o->n_adapters].path)
            return err_nomem(e);
    }
    o->adapters = list;
    return 0;
}

static int load_llm(struct service *s, struct err *e)
{
    struct llm_options o = {.team = s->team,
                            .n_ctx = (uint32_t)s->config->context,
                            .n_sessions = (uint32_t)s->config->sessions,
                            .cache_mb = (uint32_t)s->config->cache_mb,
                            .no_cache = !s->config->cache_mb,
                            .draft_path = *s->config->draft ? s->config->draft : NULL};
    arena *a = arena_new(0);
    int rc = a ? list_adapters(s->config, a, &o, e) : err_nomem(e);
    if (!rc)
        rc = llm_open(s->llm_path, &o, &s->llm, e);
    arena_free(a);
    return rc;
}

// A reader goes with one embedder. That the default one does not fit is no reason not to start.
static int load_reader(struct service *s, struct err *e)
{
    if (!*s->reader_path || !s->embedder)
        return 0;
    int rc = reader_open(s->embedder, s->reader_path, &s->reader, e);
    if (!rc || *s->config->reader)
        return rc;
    log_write(LOG_WARN, "service", "passages are not read: %s", e->msg);
    return 0;
}

static int load_lexicon(struct service *s, struct err *e)
{
    int rc = lexicon_open(s->lexicon_path, &s->lexicon, e);
    if (!rc)
        retriever_use_lexicon(s->retriever, s->lexicon);
    return rc;
}

// Any thread.
static void note_damage(void *ctx, const char *sentence)
{
    struct service *s = ctx;
    atomic_fetch_add(&s->damaged, 1);
    log_write(LOG_ERROR, "store", "%s", sentence);
}

static int load(struct service *s, struct err *e)
{
    unsigned cpus[CONFIG_CPUS_MAX];
    int rc = priority_step_back(); // before the team's threads are started
    if (rc)
        log_write(LOG_WARN, "service",
                  "threads that compute cannot step back behind searches, which will wait "
                  "longer while questions run: %s",
                  strerror(-rc));
    rc = team_new((unsigned)s->config->threads, &s->team, e);
    int n_cpus = config_cpus(s->config->pin, cpus);
    if (!rc && n_cpus > 0)
        rc = team_pin(s->team, cpus, (size_t)n_cpus, e);
    atomic_store(&s->stage, 1);
    if (!rc && *s->embedder_path)
        rc = embedder_open(s->embedder_path, s->team, &s->embedder, e);
    if (!rc && *s->english_path)
        rc = embedder_open(s->english_path, s->team, &s->english, e);
    if (!rc)
        rc = load_reader(s, e);
    atomic_store(&s->stage, 2);
    if (!rc)
        rc = retriever_open(s->config->data, s->embedder, s->english, s->reader, &s->retriever,
                            e);
    if (!rc)
        retriever_on_damage(s->retriever, note_damage, s);
    if (!rc && *s->lexicon_path)
        rc = load_lexicon(s, e);
    atomic_store(&s->stage, 3);
    if (!rc && *s->llm_path)
        rc = load_llm(s, e);
    const struct answer_options a = {.retriever = s->retriever,
                                     .llm = s->llm,
                                     .safety = s->safety,
                                     .min_confidence = s->config->min_confidence};
    if (!rc)
        rc = answerer_new(&a, &s->answerer, e);
    atomic_store(&s->stage, N_STAGES);
    return rc;
}

// What is asked stands in it: it must be a file of our own that nobody else can read.
static bool is_private(const char *path)
{
    struct stat st;
    if (lstat(path, &st)) {
        if (errno != ENOENT)
            log_write(LOG_WARN, "service", "%s is not used: %s", path, strerror(errno));
        return false;
    }
    bool ours = S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
    if (!ours)
        log_write(
            LOG_WARN, "service",
            "%s is not used: it must be a file of the user that runs askd, with mode 0600",
            path);
    return ours;
}

static void load_prompts(struct service *s)
{
    char path[PATH_MAX];
    struct err e;
    struct llm_stats stats;
    snprintf(path, sizeof path, PROMPTS, s->config->data);
    if (!s->llm || !s->config->keep_prompts || !is_private(path))
        return;
    if (llm_cache_load(s->llm, path, &e)) {
        log_write(LOG_WARN, "service", "%s", e.msg);
        return;
    }
    llm_stats(s->llm, &stats);
    log_write(LOG_INFO, "service", "%s: %zu KiB of earlier prompts", path,
              stats.cache_bytes >> 10);
}

static void save_prompts(struct service *s)
{
    char path[PATH_MAX];
    struct err e;
    snprintf(path, sizeof path, PROMPTS, s->config->data);
    if (s->llm && s->config->keep_prompts && atomic_load(&s->hashed) &&
        llm_cache_save(s->llm, path, &e))
        log_write(LOG_WARN, "service", "%s", e.msg);
}

static void *loader(void *arg)
{
    struct service *s = arg;
    int rc = load(s, &s->failure);
    atomic_store(&s->state, rc ? SERVICE_FAILED : SERVICE_READY);
    s->on_change(s->ctx);
    if (rc)
        return NULL;
    // Receipts name the exact files; hashing them need not delay the first question.
    struct err e;
    rc = 0;
    if (*s->llm_path)
        rc = llm_sha256(s->llm, s->llm_sha256, &e);
    if (!rc && *s->embedder_path)
        rc = hash_sha256_file(s->embedder_path, s->embedder_sha256, &e);
    if (!rc && *s->english_path)
        rc = hash_sha256_file(s->english_path, s->english_sha256, &e);
    if (rc)
        log_write(LOG_WARN, "service", "%s", e.msg);
    else
        atomic_store(&s->hashed, true);
    if (!rc)
        load_prompts(s);
    return NULL;
}

// What a rule would have done; where, not what.
static void on_found(void *ctx, const struct safety_finding *f, const char *action)
{
    (void)ctx;
    log_write(LOG_INFO, "safety", "%s: rule=%s category=%s bytes=%zu-%zu", action, f->rule,
              f->category, f->start, f->end);
}

int service_find(struct service *s, const struct config *c, struct err *e)
{
    const struct safety_options rules = {.extra = *c->safety_rules ? c->safety_rules : NULL,
                                         .report = !strcmp(c->safety, "report"),
                                         .found = on_found};
    s->config = c;
    int rc = find_model(c, "llm", c->llm, DEFAULT_LLM, s->llm_path, e);
    if (!rc)
        rc = find_model(c, "embedder", c->embedder, DEFAULT_EMBEDDER, s->embedder_path, e);
    if (!rc)
        rc = find_shipped(c, "lexicon", c->lexicon, DEFAULT_LEXICON, s->lexicon_path, e);
    if (!rc && *s->embedder_path) // it is a second one
        rc = find_model(c, "embedder_en", c->embedder_en, DEFAULT_ENGLISH, s->english_path, e);
    if (!rc && *s->embedder_path) // else there is nothing that it could read with
        rc = find_shipped(c, "reader", c->reader, DEFAULT_READER, s->reader_path, e);
    if (!rc)
        rc = safety_open(&rules, &s->safety, e);
    return rc;
}

int service_start(struct service *s, void (*on_change)(void *), void *ctx, struct err *e)
{
    int rc;
    s->on_change = on_change;
    s->ctx = ctx;
    if ((rc = -pthread_create(&s->thread, NULL, loader, s)))
        err_set(e, rc, "no thread for loading: %s", strerror(-rc));
    s->started = !rc;
    return rc;
}

void service_stop(struct service *s)
{
    if (s->started)
        pthread_join(s->thread, NULL);
    save_prompts(s);
    answerer_free(s->answerer);
    if (s->retriever)
        retriever_close(s->retriever);
    lexicon_close(s->lexicon);
    if (s->llm)
        llm_close(s->llm);
    reader_close(s->reader);
    if (s->embedder)
        embedder_close(s->embedder);
    if (s->english)
        embedder_close(s->english);
    if (s->team)
        team_free(s->team);
    safety_close(s->safety);
}

void service_progress(const struct service *s, const char **stage, int *done, int *total)
{
    int at = atomic_load(&s->stage);
    *stage = stages[at < N_STAGES ? at : N_STAGES - 1];
    *done = at;
    *total = N_STAGES;
}
