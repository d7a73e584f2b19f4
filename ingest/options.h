// SPDX-License-Identifier: MIT
// The command line of askd-ingest, with environment and defaults filled in.
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct options {
    char data[PATH_MAX], model[PATH_MAX];
    char model_en[PATH_MAX];          // "": none
    bool model_named, model_en_named; // by flag or environment: it must be there
    const char *collection;
    bool collection_named; // doctor: else all
    unsigned threads;
    bool no_embed, dry_run, verbose, force, json, help, version;
    const char *report;    // file for the list of what was left out, or NULL
    size_t max_file;       // bytes
    const char **excludes; // n_excludes of them, borrowed from argv
    size_t n_excludes;
    const char *command;
    const char *const *paths; // NULL-terminated, borrowed from argv
    size_t n_paths;
};

// Parse argv. -EINVAL with the sentence for the user. options_free after both.
int options_parse(int argc, char **argv, struct options *o, struct err *e);
void options_free(struct options *o);
const char *options_help(void);
