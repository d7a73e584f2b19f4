// SPDX-License-Identifier: MIT
// What is wrong with an installation, and the next step for each thing. Changes nothing; shows
// no text of any document. One thread.
#pragma once

#include "daemon/config.h"
#include "daemon/service.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum level {
    LEVEL_FINE,
    LEVEL_NOTE,    // to know, nothing to do
    LEVEL_WARNING, // it works, less well or less safely than it could
    LEVEL_FAULT,   // it does not work
};

struct finding {
    enum level level;
    const char *check; // one word, a constant
    char *what, *next; // sentences; next: what to do, "" for nothing
};

struct examination {
    struct finding *list;
    size_t n, cap;
    bool no_memory; // a finding was lost
    struct config config;
    char config_path[PATH_MAX];
    struct service service; // which files are its models; nothing of it is loaded
    bool loaded;            // a daemon of this version has loaded its models
    char fingerprint[256];  // the embedder's; "": not known, or there is none
    char english[256];      // embedder_en's
    bool without_embedder;  // by the settings
};

// Note a finding; `next` may be NULL.
void examination_add(struct examination *x, enum level level, const char *check,
                     const char *next, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
enum level examination_worst(const struct examination *x);
void examination_free(struct examination *x);
// Lines for a person: level, check, sentence; below it the next step.
int examination_print(const struct examination *x, FILE *out);
// {"version", "worst", "findings": [{"check", "level", "what", "next"}]}. -ENOMEM.
int examination_json(const struct examination *x, FILE *out);

// ---- checks, in the order in which they are made ----

// A setting of the command line.
struct setting {
    const char *name, *value;
};
// The settings' file (NULL: where askd looks) with what the command line adds. Fills in
// x->config; false when there is no use in going on.
bool check_config(struct examination *x, const char *path, const struct setting *set, size_t n);
// The data folder: whose it is, who else can read it, how much room there is.
void check_folder(struct examination *x);
// Processor, threads, memory, open files, confinement, programs. `root` stands before /etc,
// /proc, /run, /sys and /usr; "" but in tests.
void check_machine(struct examination *x, const char *root);
void check_units(struct examination *x, const char *root);
// Does a daemon answer on the socket, and is it this one?
void check_daemon(struct examination *x);
// Are the models there, are they what is pinned, can they be loaded?
void check_models(struct examination *x);
// Can the store be read, is it whole at a glance, does it go with the embedder?
void check_store(struct examination *x);

// pins.c, made from models/manifest: what files of these names are.
struct pin {
    const char *name;
    unsigned long long bytes;
    const char *sha256;
};
extern const struct pin pins[];
extern const size_t n_pins;
