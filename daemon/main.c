// SPDX-License-Identifier: MIT
// askd: the daemon. Settings, then the server, then the models in the background.
#include "daemon/confine.h"
#include "daemon/json.h"
#include "daemon/notify.h"
#include "daemon/route.h"
#include "daemon/try_rules.h"

#include "base/log.h"
#include "base/paths.h"

#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONVERSATIONS 1000

static const char usage[] =
    "usage: askd [--config FILE] [--data DIR] [--socket PATH] [--set NAME=VALUE] "
    "[--check-config] [--make-token NAME]\n"
    "Answers questions from a team's own documents over a Unix socket. See askd(8).\n"
    "  --config FILE     settings (default: $ASKD_CONFIG, ~/.config/askd/askd.conf)\n"
    "  --data DIR        store, index and models (default: $ASKD_DATA, ~/.local/share/askd)\n"
    "  --socket PATH     where to listen (default: $ASKD_SOCKET, "
    "$XDG_RUNTIME_DIR/askd/askd.sock)\n"
    "  --set NAME=VALUE  any option of askd.conf\n"
    "  --check-config    report every error of the settings and exit\n"
    "  --safety-test FILE show what each rule (safety_rules) finds in a file, and exit\n"
    "  --make-token NAME print a token for TCP, and its line for [tokens]\n"
    "  --sample-config   print askd.conf with every option, its default and its meaning\n"
    "  --version, --help\n";

struct arguments {
    const char *config;
    const char *try_rules; // a file
    bool check;
    struct {
        const char *name, *value;
    } set[64];
    size_t n_set;
};

static int add_setting(struct arguments *a, const char *name, const char *value)
{
    if (a->n_set == sizeof a->set / sizeof *a->set) {
        fprintf(stderr, "askd: more than 64 settings on the command line\n");
        return 2;
    }
    a->set[a->n_set].name = name;
    a->set[a->n_set++].value = value;
    return 0;
}

// The token is shown once; only its hash is kept.
static int make_token(const char *name)
{
    char token[ACCESS_TOKEN_MAX], sha256[65];
    struct err e = {0};
    struct access *t = access_new();
    int rc = t ? access_make_token(token, sha256, &e) : err_nomem(&e);
    if (!rc)
        rc = access_add_token(t, name, sha256, &e); // is it a name that can be one?
    access_free(t);
    if (rc) {
        fprintf(stderr, "askd: %s\n", e.msg);
        return 2;
    }
    printf("# The token, for whoever it is for; askd keeps its hash only:\n#   %s\n"
           "# In askd.conf:\n[tokens]\n%s = %s\n",
           token, name, sha256);
    return 0;
}

// -1: go on; else the exit status.
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option longs[] = {{"config", 1, NULL, 'c'},
                                          {"data", 1, NULL, 'd'},
                                          {"socket", 1, NULL, 's'},
                                          {"set", 1, NULL, 'o'},
                                          {"help", 0, NULL, 'h'},
                                          {"check-config", 0, NULL, 'k'},
                                          {"safety-test", 1, NULL, 'r'},
                                          {"make-token", 1, NULL, 't'},
                                          {"sample-config", 0, NULL, 'p'},
                                          {"version", 0, NULL, 'v'},
                                          {0}};
    int ch;
    while ((ch = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        char *eq;
        switch (ch) {
        case 'c':
            a->config = optarg;
            break;
        case 'd':
        case 's':
            if (add_setting(a, ch == 'd' ? "data" : "socket", optarg))
                return 2;
            break;
        case 'o':
            if (!(eq = strchr(optarg, '='))) {
                fprintf(stderr, "askd: --set takes NAME=VALUE, not '%s'\n", optarg);
                return 2;
            }
            *eq = 0;
            if (add_setting(a, optarg, eq + 1))
                return 2;
            break;
        case 'k':
            a->check = true;
            break;
        case 'r':
            a->try_rules = optarg;
            break;
        case 't':
            return make_token(optarg);
        case 'p':
            config_write_sample(stdout);
            return 0;
        case 'v':
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
    if (optind < argc) {
        fprintf(stderr, "askd: '%s' is no option\n%s", argv[optind], usage);
        return 2;
    }
    return -1;
}

static void report(void *ctx, const char *sentence)
{
    (void)ctx;
    fprintf(stderr, "askd: %s\n", sentence);
}

// The settings' file.
static int find_config(const struct arguments *a, char path[PATH_MAX], struct err *e)
{
    if (!a->config)
        return paths_config(path, PATH_MAX, e);
    snprintf(path, PATH_MAX, "%s", a->config);
    return 0;
}

// Defaults, environment, file, flags. The number of errors reported, or negative.
static int settle(const struct arguments *a, struct config *c)
{
    struct err e = {0};
    char path[PATH_MAX] = "";
    int errors = 0, rc = config_init(c, &e);
    if (!rc)
        rc = find_config(a, path, &e);
    if (!rc) {
        rc = config_read(c, path, report, NULL, &e);
        if (rc == -ENOENT && !a->config && !getenv("ASKD_CONFIG"))
            rc = 0; // nobody asked for one
        errors = rc > 0 ? rc : 0;
        rc = rc < 0 ? rc : 0;
    }
    for (size_t i = 0; i < a->n_set && !rc; i++)
        if (config_set(c, a->set[i].name, a->set[i].value, &e)) {
            report(NULL, e.msg);
            errors++;
        }
    if (!rc && !errors && config_check(c, &e)) {
        report(NULL, e.msg);
        errors++;
    }
    if (rc)
        report(NULL, e.msg);
    return rc ? rc : errors;
}

static struct arguments arguments;

static void reload(struct server *s)
{
    struct config fresh = {0};
    char ignored[512];
    if (settle(&arguments, &fresh)) {
        log_write(LOG_ERROR, "config", "the new settings have errors; the old ones stay");
    } else {
        enum log_level level = LOG_INFO;
        config_reload(s->config, &fresh, ignored, sizeof ignored);
        log_level_parse(s->config->log_level, &level);
        log_set_level(level);
        log_write(LOG_INFO, "config", "reloaded%s%s", *ignored ? "; needs a restart: " : "",
                  ignored);
    }
    config_free(&fresh);
}

static void on_change(void *ctx)
{
    struct service *v = ctx;
    bool ready = atomic_load(&v->state) == SERVICE_READY;
    notify_send(ready ? "STATUS=ready" : "STATUS=could not load; see the log");
    if (ready)
        log_write(LOG_INFO, "service", "ready");
    else
        log_write(LOG_ERROR, "service", "%s", v->failure.msg);
}

// All threads keep to the CPUs of `pin`, those that libraries have started before main() too,
// and whatever they start; those that compute get one each later.
static int keep_to_cpus(const struct config *c, struct err *e)
{
    unsigned cpus[CONFIG_CPUS_MAX];
    cpu_set_t set;
    int n = config_cpus(c->pin, cpus), rc = 0;
    DIR *tasks = n > 0 ? opendir("/proc/self/task") : NULL;
    CPU_ZERO(&set);
    for (int i = 0; i < n; i++)
        CPU_SET(cpus[i], &set);
    if (n > 0 && sched_setaffinity(0, sizeof set, &set))
        rc = -errno;
    for (const struct dirent *t; tasks && !rc && (t = readdir(tasks));)
        if (*t->d_name != '.' &&
            sched_setaffinity((pid_t)strtol(t->d_name, NULL, 10), sizeof set, &set))
            rc = -errno;
    if (tasks)
        closedir(tasks);
    return rc ? err_set(e, rc, "pin: askd cannot keep to the CPUs %s: %s", c->pin,
                        strerror(-rc))
              : 0;
}

static int serve(struct config *c)
{
    static struct server server;
    static struct service service;
    struct err e = {0};
    char config_path[PATH_MAX] = "";
    json_init();
    server.service = &service;
    server.handle = route_request;
    server.on_reload = reload;
    server.conversations = conversations_new(CONVERSATIONS);
    int rc = keep_to_cpus(c, &e);
    if (!rc)
        rc = find_config(&arguments, config_path, &e);
    if (!rc)
        rc = server.conversations ? server_open(&server, c, &e) : err_nomem(&e);
    if (!rc) {
        notify_open();
        rc = service_find(&service, c, &e);
        if (!rc)
            rc = confine_daemon(c, &service, config_path, &e);
        if (!rc)
            rc = server_start(&server, &e);
        if (!rc)
            rc = service_start(&service, on_change, &service, &e);
        if (!rc) {
            log_write(LOG_INFO, "server", "listening on %s", c->socket);
            notify_send("READY=1"); // whoever asks while it loads is told how far it is
            rc = server_run(&server, &e);
            notify_send("STOPPING=1");
        }
        server_close(&server);
        service_stop(&service);
    }
    conversations_free(server.conversations);
    if (rc)
        fprintf(stderr, "askd: %s\n", e.msg);
    return rc ? 2 : 0;
}

int main(int argc, char **argv)
{
    struct config config = {0};
    enum log_level level = LOG_INFO;
    int rc = parse_arguments(argc, argv, &arguments);
    if (rc >= 0)
        return rc;
    rc = settle(&arguments, &config);
    if (!rc && arguments.check)
        puts("askd: the settings are right");
    if (!rc && arguments.try_rules) {
        struct err e = {0};
        rc = try_rules(&config, arguments.try_rules, &e);
        if (rc)
            report(NULL, e.msg);
    } else if (!rc && !arguments.check) {
        log_level_parse(config.log_level, &level);
        log_set_level(level);
        signal(SIGPIPE, SIG_IGN);
        rc = serve(&config);
    }
    config_free(&config);
    return rc ? 2 : 0;
}
