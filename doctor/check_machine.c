// SPDX-License-Identifier: MIT
// What the machine has of what askd uses.
#include "doctor/doctor.h"

#include "base/confine.h"
#include "engine/tensor/isa.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_BESIDE 64 // descriptors that askd has besides connections

static void check_processor(struct examination *x)
{
    if (isa_best == ISA_SCALAR)
        examination_add(
            x, LEVEL_WARNING, "cpu", "take a machine with AVX2, or a smaller model",
            "this processor has none of the instruction sets that askd has fast code "
            "for: answers take many times as long");
    else if (isa_chosen != isa_best)
        examination_add(x, LEVEL_WARNING, "cpu", "unset ASKD_ISA",
                        "ASKD_ISA holds askd to %s; this processor can do more", isa_name());
    else
        examination_add(x, LEVEL_FINE, "cpu", NULL, "%s", isa_name());
}

// CPUs that a control group's quota amounts to; 0: there is none.
static double quota(const char *root)
{
    char path[PATH_MAX];
    double most = 0, period = 0;
    snprintf(path, sizeof path, "%s/sys/fs/cgroup/cpu.max", root);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lf %lf", &most, &period) != 2)
        most = 0;
    fclose(f);
    return period > 0 ? most / period : 0;
}

static void check_threads(struct examination *x, const char *root)
{
    const struct config *c = &x->config;
    unsigned cpus[CONFIG_CPUS_MAX];
    cpu_set_t set;
    int n = config_cpus(c->pin, cpus);
    if (sched_getaffinity(0, sizeof set, &set))
        return;
    int cores = CPU_COUNT(&set);
    double share = quota(root);
    long threads = c->threads ? c->threads : n > 0 ? n : cores < 8 ? cores : 8;
    for (int i = 0; i < n; i++)
        if (!CPU_ISSET(cpus[i], &set))
            examination_add(x, LEVEL_FAULT, "threads", "correct the setting pin",
                            "pin names CPU %u, which cannot be used here", cpus[i]);
    if (threads > cores)
        examination_add(x, LEVEL_WARNING, "threads", "threads = 0 takes as many as there are",
                        "%ld threads compute on %d CPUs, and wait for each other", threads,
                        cores);
    else if (share > 0 && (double)threads > share + 0.5)
        examination_add(x, LEVEL_WARNING, "threads", "lower threads to that number",
                        "%ld threads compute, and the control group grants %.1f CPUs", threads,
                        share);
    else
        examination_add(x, LEVEL_FINE, "threads", NULL, "%ld on %d CPUs", threads, cores);
}

static void check_files(struct examination *x)
{
    struct rlimit r;
    rlim_t need = (rlim_t)x->config.max_connections + FILES_BESIDE;
    if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < need)
        examination_add(x, LEVEL_WARNING, "limits",
                        "raise `ulimit -n`, or lower max_connections",
                        "%llu files may be open, and max_connections (%ld) takes up to %llu",
                        (unsigned long long)r.rlim_cur, x->config.max_connections,
                        (unsigned long long)need);
}

// A child gives up what askd would, and tells what the kernel would not take.
static void check_confinement(struct examination *x)
{
    int status = 0, mask;
    char text[256];
    pid_t child = fork();
    if (child < 0)
        return;
    if (!child) {
        const struct confine_path none = {"/nowhere", CONFINE_READ};
        int files = confine_files(&none, 1), calls = files < 0 ? 0 : confine_calls(0);
        _exit(files < 0 || calls < 0 ? 128 : files | calls);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) == 128) {
        examination_add(x, LEVEL_FAULT, "kernel", "look at what confines this process already",
                        "the kernel refuses to confine a process, and askd would not start");
        return;
    }
    mask = WEXITSTATUS(status);
    confine_describe(mask, text, sizeof text);
    if (mask & (CONFINE_NO_LANDLOCK | CONFINE_NO_SECCOMP))
        examination_add(x, LEVEL_WARNING, "kernel",
                        "take a kernel with both, or let the container use them", "%s", text);
    else
        examination_add(x, mask ? LEVEL_NOTE : LEVEL_FINE, "kernel", NULL, "%s", text);
}

static void check_programs(struct examination *x)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];
    for (const char *p = path ? path : ""; *p; p += strspn(p, ":")) {
        size_t n = strcspn(p, ":");
        if ((size_t)snprintf(file, sizeof file, "%.*s/pdftotext", (int)n, p) < sizeof file &&
            !access(file, X_OK)) {
            examination_add(x, LEVEL_FINE, "programs", NULL, "%s", file);
            return;
        }
        p += n;
    }
    examination_add(x, LEVEL_WARNING, "programs", "install poppler-utils",
                    "pdftotext is not in PATH: PDF files cannot be taken in");
}

void check_machine(struct examination *x, const char *root)
{
    check_processor(x);
    check_threads(x, root);
    check_files(x);
    check_confinement(x);
    check_programs(x);
}

// ---- systemd ----

// The last value of a key in a unit file; "" for none.
static void value_of(FILE *f, const char *key, char *out, size_t cap)
{
    char line[4096];
    size_t n = strlen(key);
    *out = 0;
    rewind(f);
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, key, n) && line[n] == '=')
            snprintf(out, cap, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
}

static void look_at_unit(struct examination *x, const char *root, const char *path, FILE *f)
{
    char start[PATH_MAX], program[2 * PATH_MAX], private[16];
    value_of(f, "ExecStart", start, sizeof start);
    value_of(f, "PrivateUsers", private, sizeof private);
    start[strcspn(start, " \t")] = 0;
    snprintf(program, sizeof program, "%s%s", root, start);
    if (!*start || access(program, X_OK))
        examination_add(x, LEVEL_FAULT, "systemd", "make install, then systemctl daemon-reload",
                        "%s starts %s, which is not there", path, *start ? start : "nothing");
    else if (!strcmp(private, "yes") || !strcmp(private, "true"))
        examination_add(x, LEVEL_WARNING, "systemd", "take PrivateUsers out of the unit",
                        "%s has PrivateUsers: askd would take all users for one, nobody", path);
    else
        examination_add(x, LEVEL_FINE, "systemd", NULL, "%s starts %s", path, start);
}

void check_units(struct examination *x, const char *root)
{
    static const char *const folders[] = {
        "/etc/systemd/system",     "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system", "/lib/systemd/system",
        "/etc/systemd/user",       "/usr/local/lib/systemd/user",
        "/usr/lib/systemd/user",
    };
    char path[PATH_MAX];
    bool found = false;
    snprintf(path, sizeof path, "%s/run/systemd/system", root);
    if (access(path, F_OK)) {
        examination_add(x, LEVEL_NOTE, "systemd", NULL, "systemd does not run here");
        return;
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s/askd.service", root, folders[i]);
        FILE *f = fopen(path, "re");
        // Of the same kind the first that is found counts.
        if (f && (!found || strstr(folders[i], "/user")))
            look_at_unit(x, root, path, f);
        if (f)
            fclose(f);
        found |= f != NULL;
    }
    if (!found)
        examination_add(x, LEVEL_NOTE, "systemd", "make install puts it there",
                        "there is no askd.service; ask starts a user's own askd without");
}
