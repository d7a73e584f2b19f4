// SPDX-License-Identifier: MIT
// askd-doctor: looks over an installation and says the next step for each thing it finds.
#include "doctor/doctor.h"

#include "base/log.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_MAX 64
#define EXIT_USAGE 3

static const char usage[] =
    "usage: askd-doctor [--system] [--config FILE] [--data DIR] [--socket PATH] "
    "[--set NAME=VALUE] [--json]\n"
    "Looks over an installation of askd, running or not, and says the next step for each "
    "thing\n"
    "that it finds. Changes nothing. See askd-doctor(8).\n"
    "  --system          look at the system service: /etc/askd, /var/lib/askd, /run/askd\n"
    "  --config FILE     settings, as askd takes them\n"
    "  --data DIR        the data folder\n"
    "  --socket PATH     the daemon's socket\n"
    "  --set NAME=VALUE  any option of askd.conf\n"
    "  --json            one JSON object\n"
    "  --version, --help\n"
    "Exit status: 0 nothing to do, 1 warnings, 2 something does not work, 3 wrong usage.\n";

struct arguments {
    const char *config;
    struct setting set[SETTINGS_MAX];
    size_t n_set;
    bool json;
};

static int fail(const char *what, const char *word)
{
    fprintf(stderr, "askd-doctor: %s '%s'\n%s", what, word, usage);
    return EXIT_USAGE;
}

static int add_setting(struct arguments *a, const char *name, const char *value)
{
    if (a->n_set == SETTINGS_MAX)
        return fail("too many settings before", value);
    a->set[a->n_set++] = (struct setting){name, value};
    return -1;
}

// Where the unit of the system service has them.
static int take_system_places(void)
{
    unsetenv("ASKD_CONFIG");
    unsetenv("ASKD_DATA");
    unsetenv("ASKD_SOCKET");
    return setenv("XDG_CONFIG_HOME", "/etc", 1) || setenv("XDG_DATA_HOME", "/var/lib", 1) ||
                   setenv("XDG_RUNTIME_DIR", "/run", 1)
               ? EXIT_USAGE
               : -1;
}

static int take(struct arguments *a, int ch)
{
    char *eq;
    switch (ch) {
    case 'y':
        return take_system_places();
    case 'c':
        a->config = optarg;
        return -1;
    case 'd':
        return add_setting(a, "data", optarg);
    case 's':
        return add_setting(a, "socket", optarg);
    case 'o':
        if (!(eq = strchr(optarg, '=')))
            return fail("--set takes NAME=VALUE, not", optarg);
        *eq = 0;
        return add_setting(a, optarg, eq + 1);
    case 'j':
        a->json = true;
        return -1;
    case 'v':
        puts("askd-doctor (" PACKAGE_STRING ")");
        return 0;
    case 'h':
        fputs(usage, stdout);
        return 0;
    default:
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
}

static void examine(struct examination *x, const struct arguments *a)
{
    bool usable = check_config(x, a->config, a->set, a->n_set);
    check_machine(x, "");
    check_units(x, "");
    if (!usable)
        return;
    check_folder(x);
    check_daemon(x);
    check_models(x);
    check_store(x);
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"system", 0, NULL, 'y'},  {"config", 1, NULL, 'c'}, {"data", 1, NULL, 'd'},
        {"socket", 1, NULL, 's'},  {"set", 1, NULL, 'o'},    {"json", 0, NULL, 'j'},
        {"version", 0, NULL, 'v'}, {"help", 0, NULL, 'h'},   {0}};
    static struct examination x;
    struct arguments a = {0};
    int ch, rc = -1;
    while (rc < 0 && (ch = getopt_long(argc, argv, "", longs, NULL)) != -1)
        rc = take(&a, ch);
    if (rc < 0 && optind < argc)
        rc = fail("there is no argument", argv[optind]);
    if (rc >= 0)
        return rc;
    log_set_level(LOG_ERROR); // what libraries would warn of is a finding here
    examine(&x, &a);
    rc = a.json ? examination_json(&x, stdout) : examination_print(&x, stdout);
    enum level worst = examination_worst(&x);
    examination_free(&x);
    if (rc || fflush(stdout)) {
        fputs("askd-doctor: the findings could not be written\n", stderr);
        return EXIT_USAGE;
    }
    return worst == LEVEL_FAULT ? 2 : worst == LEVEL_WARNING ? 1 : 0;
}
