// SPDX-License-Identifier: MIT
// Settings of askd: one table row per option. Flag > environment > file > default.
#pragma once

#include "base/err.h"
#include "daemon/access.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct config {
    struct access *access;
    char *data, *socket, *listen; // listen: address:port for TCP, "" for off
    char *hosts;                  // names with commas between, or ""
    char *acl;                    // see access_check_acl
    // paths, or "" for the default in DATA/models
    char *llm, *embedder, *embedder_en, *reader, *lexicon;
    char *adapters;     // "NAME PATH" a line
    char *safety_rules; // path, or ""
    char *safety;       // "enforce" or "report"
    char *log_level;
    char *draft; // path, or ""
    char *pin;   // CPUs, or ""
    long cache_mb, keep_prompts;
    long threads, context, sessions;
    long max_connections, max_user_connections, max_queue, max_user_questions;
    long max_head_kib, max_body_kib, max_output_kib, max_depth;
    long max_k, max_tokens, max_history;
    long ask_workers, search_workers;
    long request_timeout_s, read_timeout_s, write_timeout_s, idle_timeout_s, drain_timeout_s;
    double min_confidence;
};

// Fill in defaults and the environment (ASKD_DATA, ASKD_SOCKET, ASKD_LLM, ASKD_EMBEDDER).
int config_init(struct config *c, struct err *e);
void config_free(struct config *c);

// Read an INI file. Every error is reported, not only the first: `report` (may be NULL) gets
// one sentence "file:line: what" each; the return is the number of errors, or negative when the
// file cannot be read (-ENOENT: there is none).
int config_read(struct config *c, const char *path,
                void (*report)(void *ctx, const char *sentence), void *ctx, struct err *e);
// Set one option by its name, as from a flag. -ENOENT: no such option; -EINVAL: bad value.
int config_set(struct config *c, const char *name, const char *value, struct err *e);
// The adapters one by one: `at` is 0 first and then what it was left at. Their names and paths
// into name and path; false behind the last.
#define CONFIG_NAME_MAX 64
bool config_adapter(const struct config *c, size_t *at, char name[CONFIG_NAME_MAX + 1],
                    char path[PATH_MAX]);
// The CPUs of `pin` ("0-3,6"), each below CONFIG_CPUS_MAX, in the order in which they stand;
// their number, 0 for none, or -EINVAL.
#define CONFIG_CPUS_MAX 1024
int config_cpus(const char *pin, unsigned cpus[CONFIG_CPUS_MAX]);
// The address and port of `listen`, "127.0.0.1:80" or "[::1]:80"; false: it is neither.
#define CONFIG_HOST_MAX 64
bool config_listen(const char *spec, char host[CONFIG_HOST_MAX], int *port);
// Checks across options, once everything is set.
int config_check(const struct config *c, struct err *e);
// Take over what may change without a restart (`fresh` is left with the old one, to be freed);
// the names of changed options that may not are
// written into `ignored` (cap bytes).
void config_reload(struct config *running, struct config *fresh, char *ignored, size_t cap);
// The whole table as a commented askd.conf.
void config_write_sample(FILE *out);
