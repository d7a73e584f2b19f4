// SPDX-License-Identifier: MIT
#include "daemon/config.h"

#include "base/buf.h"
#include "base/ini.h"
#include "base/log.h"
#include "base/paths.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// LINES: may be given several times; what begins with the same word replaces it.
enum kind { TEXT, LINES, WHOLE, REAL };

struct option {
    const char *name;
    enum kind kind;
    size_t at;
    double low, high;
    const char *fallback;
    bool reloadable;
    const char *help;
};

#define AT(field) offsetof(struct config, field)
static const struct option options[] = {
    {"data", TEXT, AT(data), 0, 0, "", false, "Folder of the store, the index and the models."},
    {"socket", TEXT, AT(socket), 0, 0, "", false, "Unix socket, made with mode 0660."},
    {"listen", TEXT, AT(listen), 0, 0, "", false,
     "Address and port for HTTP over TCP (127.0.0.1:PORT); other than the loopback only with "
     "[tokens]; empty: off."},
    {"hosts", TEXT, AT(hosts), 0, 0, "", true,
     "Names besides localhost and the address of listen that a TCP request's Host may have, "
     "with commas between."},
    {"acl", TEXT, AT(acl), 0, 0, "", true,
     "files: of a document also the permissions of its file decide who may read it, for users "
     "of this machine alone; files NAME, NAME: in these collections; empty: in none."},
    {"llm", TEXT, AT(llm), 0, 0, "", false,
     "GGUF file of the language model; empty: the default in DATA/models; none: quotes only."},
    {"adapter", LINES, AT(adapters), 0, 0, "", false,
     "NAME PATH: a LoRA adapter (GGUF) of llm, by the name that requests use; may be "
     "repeated."},
    {"draft", TEXT, AT(draft), 0, 0, "", false,
     "GGUF file of a smaller model that guesses ahead for llm; empty: none."},
    {"embedder", TEXT, AT(embedder), 0, 0, "", false,
     "GGUF file of the embedder; empty: the default in DATA/models; none: words only."},
    {"embedder_en", TEXT, AT(embedder_en), 0, 0, "", false,
     "GGUF file of a second embedder, for English; empty: the default in DATA/models; none."},
    {"reader", TEXT, AT(reader), 0, 0, "", false,
     "GGUF adapter that reads passages with the embedder; empty: the default in DATA/models; "
     "none: passages are not read."},
    {"lexicon", TEXT, AT(lexicon), 0, 0, "", false,
     "what terms are called in another language; empty: the one that comes with askd; none"},
    {"safety_rules", TEXT, AT(safety_rules), 0, 0, "", false,
     "Rules file that adds to the built-in rules; empty: none."},
    {"safety", TEXT, AT(safety), 0, 0, "enforce", false,
     "enforce; or report: a dry run, where rules only count and tell what they find."},
    {"log_level", TEXT, AT(log_level), 0, 0, "info", true,
     "error, warn, info, debug or trace."},
    {"threads", WHOLE, AT(threads), 0, 256, "0", false,
     "Threads that compute; 0: the number of CPUs, at most 8."},
    {"pin", TEXT, AT(pin), 0, 0, "", false,
     "CPUs that compute, as 0-3 or 0,2,4-7, a thread on each; empty: any."},
    {"context", WHOLE, AT(context), 512, 131072, "2048", false,
     "Tokens of context per session."},
    {"sessions", WHOLE, AT(sessions), 1, 64, "2", false, "Prompts whose KV cache is kept."},
    {"cache_mb", WHOLE, AT(cache_mb), 0, 1048576, "128", false,
     "MiB for the keys and values of earlier prompts; 0: none are kept."},
    {"keep_prompts", WHOLE, AT(keep_prompts), 0, 1, "0", false,
     "1: keep them in DATA/prompts.kv from stop to start."},
    {"ask_workers", WHOLE, AT(ask_workers), 1, 64, "4", false, "Questions answered at once."},
    {"search_workers", WHOLE, AT(search_workers), 1, 64, "2", false, "Searches run at once."},
    {"max_connections", WHOLE, AT(max_connections), 1, 10000, "256", true,
     "Connections open at once."},
    {"max_user_connections", WHOLE, AT(max_user_connections), 1, 10000, "64", true,
     "Of these, one user's (a uid; over TCP a token, and before it is shown an address)."},
    {"max_queue", WHOLE, AT(max_queue), 1, 10000, "32", false,
     "Questions that may wait, and twice as many searches; beyond it 503 and Retry-After."},
    {"max_user_questions", WHOLE, AT(max_user_questions), 1, 10000, "16", true,
     "One user's questions that may wait and run, and as many searches."},
    {"max_head_kib", WHOLE, AT(max_head_kib), 1, 1024, "16", true,
     "KiB of a request's first line and headers."},
    {"max_body_kib", WHOLE, AT(max_body_kib), 1, 16384, "64", true, "KiB of a request's body."},
    {"max_output_kib", WHOLE, AT(max_output_kib), 64, 1048576, "4096", true,
     "KiB of replies that a client has not taken; beyond it the connection ends."},
    {"max_depth", WHOLE, AT(max_depth), 4, 200, "32", true,
     "Levels of lists and objects in a request's JSON."},
    {"max_k", WHOLE, AT(max_k), 1, 50, "50", true, "Passages that a request may ask for."},
    {"max_tokens", WHOLE, AT(max_tokens), 1, 32768, "1024", true,
     "Tokens that a request may ask the model for."},
    {"max_history", WHOLE, AT(max_history), 0, 1000, "32", true,
     "Messages of a conversation's history."},
    {"request_timeout_s", WHOLE, AT(request_timeout_s), 1, 3600, "120", true,
     "Seconds that one question may take."},
    {"read_timeout_s", WHOLE, AT(read_timeout_s), 1, 3600, "10", true,
     "Seconds from a request's first byte (from connecting) to its last."},
    {"write_timeout_s", WHOLE, AT(write_timeout_s), 1, 3600, "10", true,
     "Seconds in which a client must take something of what is written to it."},
    {"idle_timeout_s", WHOLE, AT(idle_timeout_s), 1, 3600, "30", true,
     "Seconds that a connection may be kept without another request."},
    {"drain_timeout_s", WHOLE, AT(drain_timeout_s), 0, 600, "10", true,
     "Seconds that questions may go on after SIGTERM."},
    {"min_confidence", REAL, AT(min_confidence), 0, 1, "0", false,
     "Evidence below this gives \"not in your documents\"; 0: the built-in threshold."},
};
#define N_OPTIONS (sizeof options / sizeof *options)

static void *field(struct config *c, const struct option *o)
{
    return (char *)c + o->at;
}

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (!strcmp(options[i].name, name))
            return &options[i];
    return NULL;
}

int config_cpus(const char *pin, unsigned cpus[CONFIG_CPUS_MAX])
{
    bool seen[CONFIG_CPUS_MAX] = {false};
    int n = 0;
    for (const char *p = pin; *p;) {
        unsigned first, last;
        int used = 0;
        if (!isdigit((unsigned char)*p) || sscanf(p, "%4u%n", &first, &used) != 1)
            return -EINVAL;
        p += used;
        last = first;
        if (*p == '-') {
            if (!isdigit((unsigned char)p[1]) || sscanf(p + 1, "%4u%n", &last, &used) != 1)
                return -EINVAL;
            p += used + 1;
        }
        if (last < first || last >= CONFIG_CPUS_MAX || (*p && (*p != ',' || !p[1])))
            return -EINVAL;
        p += *p == ',';
        for (unsigned i = first; i <= last; i++) {
            if (seen[i])
                return -EINVAL;
            seen[i] = true;
            cpus[n++] = i;
        }
    }
    return n;
}

// 0 for none of the two.
static int family(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1    ? AF_INET
           : inet_pton(AF_INET6, host, address) == 1 ? AF_INET6
                                                     : 0;
}

bool config_listen(const char *spec, char host[CONFIG_HOST_MAX], int *port)
{
    const char *colon = strrchr(spec, ':');
    bool six = *spec == '[';
    if (!colon || (six && (colon - spec < 2 || colon[-1] != ']')))
        return false;
    size_t n = (size_t)(colon - spec) - (six ? 2 : 0);
    char *end;
    long v = strtol(colon + 1, &end, 10);
    if (!n || n >= CONFIG_HOST_MAX || !isdigit((unsigned char)colon[1]) || *end || v < 1 ||
        v > 65535)
        return false;
    memcpy(host, spec + six, n);
    host[n] = 0;
    *port = (int)v;
    return family(host) == (six ? AF_INET6 : AF_INET);
}

static int set_text(struct config *c, const struct option *o, const char *value, struct err *e)
{
    enum log_level level;
    if (!strcmp(o->name, "log_level") && log_level_parse(value, &level))
        return err_set(e, -EINVAL, "log_level is error, warn, info, debug or trace, not '%s'",
                       value);
    char host[CONFIG_HOST_MAX];
    int port;
    if (!strcmp(o->name, "listen") && *value && !config_listen(value, host, &port))
        return err_set(e, -EINVAL,
                       "listen is ADDRESS:PORT, as 127.0.0.1:8080 or [::1]:8080, not '%.100s'",
                       value);
    if (!strcmp(o->name, "acl") && access_check_acl(value, e))
        return -EINVAL;
    if (!strcmp(o->name, "safety") && strcmp(value, "enforce") != 0 &&
        strcmp(value, "report") != 0)
        return err_set(e, -EINVAL, "safety is enforce or report, not '%.100s'", value);
    unsigned cpus[CONFIG_CPUS_MAX];
    if (!strcmp(o->name, "pin") && config_cpus(value, cpus) < 0)
        return err_set(e, -EINVAL, "pin is a list of CPUs as 0-3 or 0,2,4-7, not '%.100s'",
                       value);
    char *copy = strdup(value);
    if (!copy)
        return err_nomem(e);
    char **slot = field(c, o);
    free(*slot);
    *slot = copy;
    return 0;
}

static size_t word_length(const char *line)
{
    return strcspn(line, " \t\n");
}

// "NAME PATH", or nothing for none at all.
static int set_line(struct config *c, const struct option *o, const char *value, struct err *e)
{
    size_t n = word_length(value);
    const char *path = value + n + strspn(value + n, " \t");
    char **slot = field(c, o);
    struct buf b = BUF_INIT;
    int rc = 0;
    if (*value && (n < 1 || n > CONFIG_NAME_MAX || !*path || strchr(path, '\n') ||
                   strlen(path) >= PATH_MAX))
        return err_set(e, -EINVAL, "%s is NAME PATH, a name of at most %d bytes, not '%.100s'",
                       o->name, CONFIG_NAME_MAX, value);
    for (const char *line = *value && *slot ? *slot : ""; *line && !rc;) {
        size_t len = strcspn(line, "\n") + 1;
        if (word_length(line) != n || memcmp(line, value, n) != 0)
            rc = buf_add(&b, line, len);
        line += len;
    }
    if (!rc)
        rc = *value ? buf_addf(&b, "%.*s %s\n", (int)n, value, path) : 0;
    if (rc) {
        buf_free(&b);
        return err_nomem(e);
    }
    char *lines = buf_detach(&b);
    if (!lines)
        return err_nomem(e);
    free(*slot);
    *slot = lines;
    return 0;
}

static int set(struct config *c, const struct option *o, const char *value, struct err *e)
{
    if (o->kind == TEXT)
        return set_text(c, o, value, e);
    if (o->kind == LINES)
        return set_line(c, o, value, e);
    char *end;
    errno = 0;
    double v = o->kind == WHOLE ? (double)strtol(value, &end, 10) : strtod(value, &end);
    if (errno || end == value || *end || !isfinite(v) || v < o->low || v > o->high)
        return err_set(e, -EINVAL, "%s is a number from %g to %g, not '%s'", o->name, o->low,
                       o->high, value);
    if (o->kind == WHOLE)
        *(long *)field(c, o) = (long)v;
    else
        *(double *)field(c, o) = v;
    return 0;
}

int config_set(struct config *c, const char *name, const char *value, struct err *e)
{
    const struct option *o = find(name);
    if (!o)
        return err_set(e, -ENOENT, "there is no option '%s' (askd --help lists them)", name);
    return set(c, o, value, e);
}

int config_init(struct config *c, struct err *e)
{
    *c = (struct config){.access = access_new()};
    int rc = c->access ? 0 : err_nomem(e);
    for (size_t i = 0; i < N_OPTIONS && !rc; i++)
        rc = set(c, &options[i], options[i].fallback, e);
    char path[PATH_MAX];
    if (!rc && !(rc = paths_data(path, sizeof path, e)))
        rc = config_set(c, "data", path, e);
    if (!rc && !(rc = paths_socket(path, sizeof path, e)))
        rc = config_set(c, "socket", path, e);
    static const char *const env[][2] = {{"ASKD_LLM", "llm"},
                                         {"ASKD_EMBEDDER", "embedder"},
                                         {"ASKD_EMBEDDER_EN", "embedder_en"}};
    for (size_t i = 0; i < sizeof env / sizeof *env && !rc; i++)
        if (getenv(env[i][0]))
            rc = config_set(c, env[i][1], getenv(env[i][0]), e);
    return rc;
}

void config_free(struct config *c)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (options[i].kind == TEXT || options[i].kind == LINES)
            free(*(char **)field(c, &options[i]));
    access_free(c->access);
    *c = (struct config){0};
}

struct reading {
    struct config *c;
    const char *path, *last;
    int errors;
    void (*report)(void *ctx, const char *sentence);
    void *ctx;
};

static void complain(struct reading *r, int line, const char *sentence)
{
    char text[ERR_MSG_MAX + PATH_MAX];
    snprintf(text, sizeof text, "%s:%d: %s", r->path, line, sentence);
    r->errors++;
    if (r->report)
        r->report(r->ctx, text);
}

static int on_value(void *ctx, const char *section, const char *key, const char *value,
                    int line)
{
    struct reading *r = ctx;
    struct err e = {0};
    // What the environment says, the file cannot change.
    static const char *const env[][2] = {{"data", "ASKD_DATA"},
                                         {"socket", "ASKD_SOCKET"},
                                         {"llm", "ASKD_LLM"},
                                         {"embedder", "ASKD_EMBEDDER"},
                                         {"embedder_en", "ASKD_EMBEDDER_EN"}};
    if (*section) {
        int rc = !strcmp(section, "access")   ? access_add(r->c->access, key, value, line, &e)
                 : !strcmp(section, "tokens") ? access_add_token(r->c->access, key, value, &e)
                                              : err_set(&e, -EINVAL,
                                                        "there is no section [%s]: [access] "
                                                        "and [tokens] are known",
                                                        section);
        if (rc)
            complain(r, line, e.msg);
        return 0;
    }
    for (size_t i = 0; i < sizeof env / sizeof *env; i++)
        if (!strcmp(key, env[i][0]) && getenv(env[i][1]))
            return 0;
    if (config_set(r->c, key, value, &e))
        complain(r, line, e.msg);
    return 0;
}

int config_read(struct config *c, const char *path,
                void (*report)(void *ctx, const char *sentence), void *ctx, struct err *e)
{
    struct reading r = {.c = c, .path = path, .report = report, .ctx = ctx};
    struct err bad = {0};
    int rc = ini_parse_path(path, on_value, &r, &bad);
    if (rc == -EINVAL) { // a line that is no "key = value": already says where
        r.errors++;
        if (report)
            report(ctx, bad.msg);
        rc = 0;
    }
    int line = 0;
    if (!rc && !r.errors && access_check(c->access, &line, &bad))
        complain(&r, line, bad.msg);
    return rc ? err_set(e, rc, "%s", bad.msg) : r.errors;
}

bool config_adapter(const struct config *c, size_t *at, char name[CONFIG_NAME_MAX + 1],
                    char path[PATH_MAX])
{
    const char *line = c->adapters ? c->adapters + *at : "";
    size_t n = word_length(line), len = strcspn(line, "\n");
    if (!*line)
        return false;
    snprintf(name, CONFIG_NAME_MAX + 1, "%.*s", (int)n, line);
    snprintf(path, PATH_MAX, "%.*s", (int)(len - n - 1), line + n + 1);
    *at += len + 1;
    return true;
}

int config_check(const struct config *c, struct err *e)
{
    if (*c->data != '/')
        return err_set(e, -EINVAL, "data must be an absolute path, not '%s'", c->data);
    if (*c->socket != '/')
        return err_set(e, -EINVAL, "socket must be an absolute path, not '%s'", c->socket);
    if (strlen(c->socket) > 107)
        return err_set(
            e, -ENAMETOOLONG,
            "socket path '%.60s...' is longer than the 107 bytes that a Unix socket may "
            "have",
            c->socket);
    char host[CONFIG_HOST_MAX];
    int port;
    if (*c->listen && config_listen(c->listen, host, &port) && strcmp(host, "127.0.0.1") != 0 &&
        strcmp(host, "::1") != 0 && !access_has_tokens(c->access))
        return err_set(
            e, -EINVAL,
            "listen is on %s and there are no [tokens]: without them askd serves the "
            "loopback only, 127.0.0.1 or [::1]",
            host);
    return 0;
}

void config_reload(struct config *running, struct config *fresh, char *ignored, size_t cap)
{
    size_t len = 0;
    *ignored = 0;
    struct access *old = running->access;
    running->access = fresh->access;
    fresh->access = old;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        void *to = field(running, o);
        const void *from = (const char *)fresh + o->at;
        bool same = o->kind < WHOLE    ? !strcmp(*(char **)to, *(char *const *)from)
                    : o->kind == WHOLE ? *(long *)to == *(const long *)from
                                       : !(*(double *)to < *(const double *)from ||
                                           *(double *)to > *(const double *)from);
        if (same)
            continue;
        if (!o->reloadable) {
            int n = snprintf(ignored + len, cap - len, "%s%s", len ? ", " : "", o->name);
            if (n > 0 && (size_t)n < cap - len)
                len += (size_t)n;
        } else if (o->kind == TEXT) {
            set_text(running, o, *(char *const *)from, NULL);
        } else if (o->kind == WHOLE) {
            *(long *)to = *(const long *)from;
        } else {
            *(double *)to = *(const double *)from;
        }
    }
}

void config_write_sample(FILE *out)
{
    fputs("# askd.conf: what stands here behind # is the default.\n", out);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        fprintf(out, "\n# %s%s\n", o->help, o->reloadable ? " (SIGHUP)" : "");
        if (o->kind >= WHOLE)
            fprintf(out, "# %g to %g\n", o->low, o->high);
        fprintf(out, "#%s = %s\n", o->name, o->fallback);
    }
    fputs(
        "\n# Who may do what with which collection; nothing here: root and the user that runs\n"
        "# askd everything, others nothing (SIGHUP).\n"
        "#[access]\n"
        "#   alice = read,write handbook, public\n"
        "#   @staff = read public\n"
        "\n# Who may come over TCP; askd --make-token NAME makes one (SIGHUP).\n"
        "#[tokens]\n",
        out);
}
