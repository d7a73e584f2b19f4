// SPDX-License-Identifier: MIT
#include "ingest/report.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double report_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int report_open(struct report *r, bool verbose, const char *list, struct err *e)
{
    *r = (struct report){.verbose = verbose, .started = report_now()};
    const char *term = getenv("TERM");
    r->tty = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
    if (list && !(r->list = fopen(list, "we")))
        return err_set(e, -errno, "--report %s: %s", list, strerror(errno));
    return 0;
}

int report_close(struct report *r, struct err *e)
{
    report_clear(r);
    if (!r->list)
        return 0;
    bool bad = ferror(r->list) != 0;
    bad |= fclose(r->list) != 0;
    r->list = NULL;
    return bad ? err_set(e, -EIO, "--report: the file could not be written whole") : 0;
}

void report_text(FILE *f, const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0, step; i < n; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0xFFFD)
            fputc('?', f);
        else
            fwrite(s + i, 1, step, f);
    }
}

void report_clear(struct report *r)
{
    if (r->shown)
        fputs("\r\033[K", stderr);
    r->shown = false;
}

static void line(FILE *f, const char *path, const char *what, const char *detail)
{
    report_text(f, path);
    fprintf(f, ": %s", what);
    if (*detail) {
        fputs(": ", f);
        report_text(f, detail);
    }
    fputc('\n', f);
}

void report_warning(struct report *r, const char *what, const char *detail)
{
    report_clear(r);
    fprintf(stderr, "askd-ingest: %s: %s\n", what, detail);
}

void report_failed(struct report *r, const char *path, const char *why)
{
    r->files[OUT_FAILED]++;
    report_clear(r);
    fputs("askd-ingest: ", stderr);
    // Sentences from below often begin with the path already.
    size_t n = strlen(path);
    bool named = !strncmp(why, path, n) && why[n] == ':';
    line(stderr, path, named ? why + n + 2 : why, "");
    if (r->list)
        line(r->list, path, "failed", named ? why + n + 2 : why);
}

void report_left_out(struct report *r, const char *path, const char *what, const char *detail)
{
    if (r->list)
        line(r->list, path, what, detail);
    if (!r->verbose)
        return;
    report_clear(r);
    line(stderr, path, what, detail);
}

void report_progress(struct report *r, const char *stage, uint64_t done, uint64_t total,
                     double since)
{
    double now = report_now(), spent = now - since;
    // Without a terminal: a plain line every half minute.
    if (now - r->last_shown < (r->tty ? 0.1 : 30) || (!r->tty && spent < 30))
        return;
    r->last_shown = now;
    double rate = spent > 0 ? (double)done / spent : 0;
    char left[40] = "";
    if (rate > 0 && spent > 1) {
        double s = (double)(total - done) / rate;
        if (s < 90)
            snprintf(left, sizeof left, ", %.0f s left", s);
        else
            snprintf(left, sizeof left, ", %.0f min left", s / 60);
    }
    fprintf(stderr, "%s%s %" PRIu64 "/%" PRIu64 " (%" PRIu64 "%%) %.1f/s%s%s",
            r->tty ? "\r\033[K" : "", stage, done, total, total ? done * 100 / total : 100,
            rate, left, r->tty ? "" : "\n");
    fflush(stderr);
    r->shown = r->tty;
}

static void size_text(uint64_t n, char out[32])
{
    if (n < 10000)
        snprintf(out, 32, "%" PRIu64 " bytes", n);
    else if (n < 1000000)
        snprintf(out, 32, "%.1f kB", (double)n / 1e3);
    else
        snprintf(out, 32, "%.1f MB", (double)n / 1e6);
}

void report_summary(const struct report *r, bool dry)
{
    static const char *const skips[] = {"binary", "without text", "duplicates", "of poor text"};
    const uint64_t *f = r->files;
    printf("%s%" PRIu64 " new, %" PRIu64 " updated, %" PRIu64 " unchanged, %" PRIu64
           " removed, %" PRIu64 " failed, %" PRIu64 " skipped",
           dry ? "would be: " : "", f[OUT_NEW], f[OUT_UPDATED], f[OUT_UNCHANGED],
           f[OUT_REMOVED], f[OUT_FAILED], f[OUT_SKIPPED]);
    const char *sep = " (";
    for (size_t i = 0; i < SKIP_KINDS; i++)
        if (r->skipped[i]) {
            printf("%s%" PRIu64 " %s", sep, r->skipped[i], skips[i]);
            sep = ", ";
        }
    puts(*sep == ',' ? ")" : "");
    static const char *const drops[] = {
        "repeated blocks of text (navigation, notices, licences), kept once",
        "blocks of poor text (encoded bytes, signs)"};
    char size[32];
    for (size_t i = 0; i < DROP_KINDS; i++)
        if (r->dropped_blocks[i]) {
            size_text(r->dropped_bytes[i], size);
            printf("left out %" PRIu64 " %s: %s\n", r->dropped_blocks[i], drops[i], size);
        }
    if (r->permissions)
        printf("of %" PRIu64 " known documents the permissions have changed\n", r->permissions);
    if (r->unknown_readers)
        printf("%" PRIu64 " files whose readers cannot be told (access control lists): where "
               "acl = files, nobody is shown them\n",
               r->unknown_readers);
    if (!r->passages)
        return;
    double s = report_now() - r->started;
    size_text(r->bytes, size);
    printf("%" PRIu64 " passages from %s in %.1f s (%.1f MB/s, %.0f passages/s)\n", r->passages,
           size, s, s > 0 ? (double)r->bytes / 1e6 / s : 0,
           s > 0 ? (double)r->passages / s : 0);
}
