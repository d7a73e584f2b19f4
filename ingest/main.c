// SPDX-License-Identifier: MIT
// askd-ingest: documents -> store.
#include "ingest/extractor.h"
#include "ingest/ingest.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

atomic_int ingest_signal;
atomic_bool ingest_cancelled;

// The first is heeded at the next document, the second ends the program at once: the store
// bears that at any time.
static void on_signal(int sig)
{
    if (ingest_signal)
        _exit(128 + sig);
    ingest_signal = sig;
    ingest_cancelled = true;
}

static int dispatch(const struct options *o, struct report *r, struct err *e)
{
    const char *c = o->command;
    if (!strcmp(c, "add"))
        return ingest_add(o, r, e);
    if (!strcmp(c, "rm"))
        return ingest_rm(o, r, e);
    if (!strcmp(c, "ls"))
        return ingest_ls(o, e);
    if (!strcmp(c, "status"))
        return ingest_status(o, e);
    if (!strcmp(c, "doctor"))
        return ingest_doctor(o, e);
    if (!strcmp(c, "verify"))
        return ingest_verify(o, e);
    if (!strcmp(c, "snapshot"))
        return ingest_snapshot(o, e);
    if (!strcmp(c, "restore"))
        return ingest_restore(o, e);
    if (!strcmp(c, "rebuild") && !o->n_paths)
        return ingest_rebuild(o, r, e);
    if (!strcmp(c, "embed"))
        return ingest_embed(o, r, e);
    err_set(e, -EINVAL,
            strcmp(c, "rebuild") ? "unknown command \"%.40s\"; askd-ingest --help lists them"
                                 : "%s takes no PATH: it reads every known document",
            c);
    return 2;
}

int main(int argc, char **argv)
{
    struct options o;
    struct report r = {0};
    struct err e = {0};
    int status = 2;
    if (argc && !strcmp(argv[0], EXTRACTOR_NAME))
        return extractor_main(extract_bytes, &extractor_limits);
    int rc = options_parse(argc, argv, &o, &e);
    if (!rc && (o.help || o.version)) {
        fputs(o.help ? options_help() : "askd-ingest " PACKAGE_VERSION "\n", stdout);
        status = 0;
    } else if (!rc && !report_open(&r, o.verbose, o.report, &e)) {
        const struct sigaction act = {.sa_handler = on_signal};
        sigaction(SIGINT, &act, NULL);
        sigaction(SIGTERM, &act, NULL);
        // A full disk is an error to report, not a reason to die.
        signal(SIGXFSZ, SIG_IGN);
        // Before anything is done: a model that was asked for has to be there.
        if (o.model_named && !o.no_embed && access(o.model, R_OK))
            err_set(&e, -errno, "the embedder %.180s: %s", o.model, strerror(errno));
        else if (o.model_en_named && o.model_en[0] && !o.no_embed && access(o.model_en, R_OK))
            err_set(&e, -errno, "the embedder %.180s: %s", o.model_en, strerror(errno));
        else
            status = dispatch(&o, &r, &e);
        struct err late = {0};
        if (report_close(&r, &late) && !e.code) {
            e = late;
            status = 2;
        }
    }
    if (e.code && status)
        fprintf(stderr, "askd-ingest: %s\n", e.msg);
    if (fflush(stdout) || ferror(stdout)) {
        fputs("askd-ingest: standard output could not be written\n", stderr);
        status = 2;
    }
    options_free(&o);
    return status;
}
