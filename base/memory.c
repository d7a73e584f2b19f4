// SPDX-License-Identifier: MIT
// MemAvailable, the memory controller of control groups (version 2, or 1) and RLIMIT_AS.
//
// A group's file pages are counted as room: the kernel gives them up, and the models that are
// mapped are such pages.
#include "base/memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// The number behind `key` at a line's start; false: there is none.
static bool number_in(const char *path, const char *key, uint64_t *out)
{
    char line[256];
    size_t n = strlen(key);
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned long long v;
        found = !strncmp(line, key, n) && sscanf(line + n, " %llu", &v) == 1;
        if (found)
            *out = v;
    }
    if (f)
        fclose(f);
    return found;
}

struct controller {
    const char *mount, *most, *taken, *file, *bound;
};
static const struct controller version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                            "file ", "memory.max of the control group"};
static const struct controller version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                            "memory.usage_in_bytes", "total_cache ",
                                            "memory.limit_in_bytes of the control group"};

static void narrow(struct memory_room *out, uint64_t bytes, const char *bound)
{
    if (bytes < out->bytes) {
        out->bytes = bytes;
        out->bound = bound;
    }
}

// One group; what it leaves.
static void look_at(const struct controller *c, const char *folder, struct memory_room *out)
{
    char path[PATH_MAX];
    uint64_t most, taken, file = 0;
    snprintf(path, sizeof path, "%s/%s", folder, c->most);
    if (!number_in(path, "", &most))
        return; // "max": no bound
    snprintf(path, sizeof path, "%s/%s", folder, c->taken);
    if (!number_in(path, "", &taken))
        return;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    number_in(path, c->file, &file);
    taken = taken > file ? taken - file : 0;
    narrow(out, most > taken ? most - taken : 0, c->bound);
}

// The group of this process and all above it.
static void look_up(const char *root, const struct controller *c, const char *group,
                    struct memory_room *out)
{
    char folder[PATH_MAX];
    size_t base = strlen(root) + strlen(c->mount);
    int n = snprintf(folder, sizeof folder, "%s%s%s", root, c->mount,
                     strcmp(group, "/") ? group : "");
    if (n < 0 || n >= (int)sizeof folder)
        return;
    for (;;) {
        look_at(c, folder, out);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < base)
            break;
        *slash = 0;
    }
}

static void groups(const char *root, struct memory_room *out)
{
    char path[PATH_MAX], line[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        if (!strcmp(names + 1, ""))
            look_up(root, &version_2, group, out);
        else if (!strcmp(names + 1, "memory"))
            look_up(root, &version_1, group, out);
    }
    if (f)
        fclose(f);
}

static uint64_t addresses_left(void)
{
    struct rlimit r;
    unsigned long pages = 0;
    if (getrlimit(RLIMIT_AS, &r) || r.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    uint64_t taken = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return r.rlim_cur > taken ? r.rlim_cur - taken : 0;
}

void memory_room(const char *root, struct memory_room *out)
{
    char path[PATH_MAX];
    uint64_t kib;
    *out = (struct memory_room){UINT64_MAX, "no bound is known", addresses_left()};
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (number_in(path, "MemAvailable:", &kib))
        narrow(out, kib * 1024, "MemAvailable of this machine");
    groups(root, out);
}
