// SPDX-License-Identifier: MIT
// Models: there, the files that are pinned, and such as can be loaded; loaded as the daemon
// would, unless one has done so.
#include "doctor/doctor.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/memory.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define FETCH "scripts/fetch-models fetches it; copy it to models in the data folder"
#define INSTALL \
    "take the one of this release: models/reader and models/lexicon, or make install"

static const struct pin *find_pin(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    for (size_t i = 0; i < n_pins; i++)
        if (!strcmp(pins[i].name, name))
            return &pins[i];
    return NULL;
}

// Is a file of a known name what is known by that name?
static void check_pin(struct examination *x, const char *what, const char *path,
                      const char *get)
{
    struct err e = {0};
    struct stat st;
    char sha[65];
    const struct pin *p = find_pin(path);
    if (stat(path, &st))
        return;
    if (st.st_mode & S_IWOTH)
        examination_add(x, LEVEL_WARNING, "models", "chmod o-w the file",
                        "%s: %s can be written by everybody", what, path);
    if (!p) {
        examination_add(x, LEVEL_FINE, "models", NULL, "%s: %s, %lld MiB", what, path,
                        (long long)st.st_size >> 20);
        return;
    }
    if ((unsigned long long)st.st_size != p->bytes)
        examination_add(x, LEVEL_WARNING, "models", get,
                        "%s: %s has %lld bytes; the file of that name that askd is tested with "
                        "has %llu",
                        what, path, (long long)st.st_size, p->bytes);
    else if (hash_sha256_file(path, sha, &e))
        examination_add(x, LEVEL_FAULT, "models", get, "%s: %s", what, e.msg);
    else if (strcmp(sha, p->sha256) != 0)
        examination_add(x, LEVEL_WARNING, "models", get,
                        "%s: %s is not the file of that name that askd is tested with: its "
                        "SHA-256 is %s",
                        what, path, sha);
    else
        examination_add(x, LEVEL_FINE, "models", NULL, "%s: %s, SHA-256 as pinned", what, path);
}

static void check_one(struct examination *x, const char *what, const char *path,
                      const char *configured, const char *without, const char *get)
{
    if (*path)
        check_pin(x, what, path, get);
    else if (!strcmp(configured, "none"))
        examination_add(x, LEVEL_FINE, "models", NULL, "no %s, as the settings say", what);
    else
        examination_add(x, LEVEL_WARNING, "models", get, "no %s is there: %s", what, without);
}

static void load_embedder(struct examination *x, struct team *team)
{
    struct service *s = &x->service;
    struct err e = {0};
    if (embedder_open(s->embedder_path, team, &s->embedder, &e)) {
        examination_add(x, LEVEL_FAULT, "models", FETCH, "the embedder cannot be loaded: %s",
                        e.msg);
        return;
    }
    snprintf(x->fingerprint, sizeof x->fingerprint, "%s", embedder_fingerprint(s->embedder));
    if (*s->english_path && embedder_open(s->english_path, team, &s->english, &e))
        examination_add(x, LEVEL_FAULT, "models", FETCH, "embedder_en cannot be loaded: %s",
                        e.msg);
    else if (*s->english_path)
        snprintf(x->english, sizeof x->english, "%s", embedder_fingerprint(s->english));
    if (!*s->reader_path || !reader_open(s->embedder, s->reader_path, &s->reader, &e))
        return;
    bool named = *x->config.reader;
    examination_add(x, named ? LEVEL_FAULT : LEVEL_WARNING, "models", INSTALL,
                    "the reader cannot be used, and passages are not read: %s", e.msg);
}

static int list_adapters(const struct config *c, arena *a, struct llm_options *o)
{
    struct llm_adapter_file *list = arena_alloc(a, LLM_ADAPTERS_MAX * sizeof *list);
    char name[CONFIG_NAME_MAX + 1], path[PATH_MAX];
    o->adapters = list;
    for (size_t at = 0;
         list && o->n_adapters < LLM_ADAPTERS_MAX && config_adapter(c, &at, name, path);
         o->n_adapters++) {
        list[o->n_adapters] =
            (struct llm_adapter_file){arena_strdup(a, name), arena_strdup(a, path)};
        if (!list[o->n_adapters].name || !list[o->n_adapters].path)
            return -ENOMEM;
    }
    return list ? 0 : -ENOMEM;
}

// The daemon's own way, so what it says is what askd would say.
static void load_llm(struct examination *x, struct team *team)
{
    const struct config *c = &x->config;
    struct service *s = &x->service;
    struct err e = {0};
    struct llm_options o = {.team = team,
                            .n_ctx = (uint32_t)c->context,
                            .n_sessions = (uint32_t)c->sessions,
                            .cache_mb = (uint32_t)c->cache_mb,
                            .no_cache = !c->cache_mb,
                            .draft_path = *c->draft ? c->draft : NULL};
    struct memory_room room;
    memory_room("", &room);
    arena *a = arena_new(0);
    int rc = a ? list_adapters(c, a, &o) : -ENOMEM;
    rc = rc ? err_nomem(&e) : llm_open(s->llm_path, &o, &s->llm, &e);
    arena_free(a);
    if (rc)
        examination_add(x, LEVEL_FAULT, "models",
                        rc == -ENOMEM ? "lower what it names, or take a smaller model" : FETCH,
                        "the language model cannot be loaded: %s", e.msg);
    else if (room.bytes != UINT64_MAX)
        examination_add(x, LEVEL_FINE, "memory", NULL,
                        "the models fit into the %" PRIu64 " MiB that %s leaves",
                        room.bytes >> 20, room.bound);
}

void check_models(struct examination *x)
{
    struct service *s = &x->service;
    struct err e = {0};
    x->without_embedder = !strcmp(x->config.embedder, "none");
    if (service_find(s, &x->config, &e)) {
        examination_add(x, LEVEL_FAULT, "models", "correct the setting", "%s", e.msg);
        return;
    }
    check_one(x, "language model", s->llm_path, x->config.llm, "answers are quotations alone",
              FETCH);
    check_one(x, "embedder", s->embedder_path, x->config.embedder,
              "searches go by words alone, not by meaning", FETCH);
    if (*s->embedder_path) {
        check_one(x, "embedder for English", s->english_path, x->config.embedder_en,
                  "English passages are found less surely", FETCH);
        check_one(x, "reader", s->reader_path, x->config.reader,
                  "answers are found less surely", INSTALL);
    }
    check_one(x, "lexicon", s->lexicon_path, x->config.lexicon,
              "questions find nothing in the other language", INSTALL);
    if (*s->lexicon_path && lexicon_open(s->lexicon_path, &s->lexicon, &e))
        examination_add(x, LEVEL_FAULT, "models", "correct the line", "%s", e.msg);
    if (x->loaded) {
        examination_add(x, LEVEL_FINE, "models", NULL, "the daemon has loaded them");
        return;
    }
    if (team_new((unsigned)x->config.threads, &s->team, &e)) {
        examination_add(x, LEVEL_FAULT, "threads", "lower the setting threads", "%s", e.msg);
        return;
    }
    if (*s->embedder_path)
        load_embedder(x, s->team);
    if (*s->llm_path)
        load_llm(x, s->team);
}
