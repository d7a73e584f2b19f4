// SPDX-License-Identifier: MIT
// The state of documents and their files: gone, changed, empty, without vectors; files beside
// them of which nothing could be taken; passages of odd length.
#include "base/utf8.h"
#include "ingest/doctor.h"
#include "ingest/take.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SPOTS_MOST 200  // of one kind
#define LONG_BYTES 4000 // twice what a passage of 400 tokens has
#define SHORT_BYTES 24  // a line that says nothing by itself
#define EMPTY_BYTES 40  // a document of so little
#define SCAN_BYTES 100  // a page of a PDF with less is a picture
#define UNREAD_MOST 200 // files beside the documents that are opened
#define UNREAD_SIZE (8 << 20)

// One finding a kind, with spots up to SPOTS_MOST and a count of the rest.
static int note(struct doctor *d, enum ailment kind, const char *what, const char *advice,
                const struct spot *s)
{
    struct finding *f = NULL;
    for (size_t i = 0; i < d->n_findings && !f; i++)
        f = d->findings[i].kind == kind ? &d->findings[i] : NULL;
    if (!f && !(f = doctor_finding(d, kind, what, advice)))
        return err_nomem(d->e);
    if (f->n_spots < SPOTS_MOST)
        return doctor_spot(d, f, s);
    f->more++;
    return 0;
}

int doctor_length(struct doctor *d, const struct store_scan_row *row)
{
    size_t n = strlen(row->text);
    if (n <= LONG_BYTES && n >= SHORT_BYTES)
        return 0;
    struct spot s = {.role = "passage",
                     .path = row->path,
                     .modified = row->modified,
                     .page = row->page,
                     .line_first = row->line_first,
                     .line_last = row->line_last};
    if (n > LONG_BYTES) {
        s.text = arena_printf(d->a, "%zu bytes", n);
        return note(d, AIL_LONG, "Passages too long to be embedded whole",
                    "Only their beginning is found by meaning; break the text into paragraphs.",
                    &s);
    }
    s.text = row->text;
    return note(d, AIL_SHORT, "Passages that say next to nothing",
                "They take places in searches; join them with the text they belong to.", &s);
}

// ---- files ----

static int check_file(struct doctor *d, const struct doctor_document *x)
{
    struct stat st;
    struct spot s = {.role = "file", .path = x->path, .modified = x->modified};
    if (stat(x->path, &st)) {
        if (errno != ENOENT && errno != ENOTDIR) {
            s.text = strerror(errno);
            return note(d, AIL_GONE, "Files that are gone or cannot be seen",
                        "Answers still quote them: askd-ingest add their folder again, or rm.",
                        &s);
        }
        s.text = "gone";
        return note(d, AIL_GONE, "Files that are gone or cannot be seen",
                    "Answers still quote them: askd-ingest add their folder again, or rm.", &s);
    }
    if (st.st_mtime == x->modified && st.st_size == x->size)
        return 0;
    s.text = x->modified < 0         ? "due to be read again"
             : st.st_size != x->size ? "another size than when it was taken in"
                                     : "another time than when it was taken in";
    s.modified = st.st_mtime;
    return note(d, AIL_CHANGED, "Files that have changed since they were taken in",
                "askd-ingest add their folder again.", &s);
}

static int check_text(struct doctor *d, const struct doctor_document *x)
{
    struct spot s = {.role = "document", .path = x->path, .modified = x->modified};
    bool pdf = !strcmp(x->type, "pdf");
    if (pdf && x->pages > 0 && x->bytes < (uint64_t)x->pages * SCAN_BYTES)
        s.text = arena_printf(d->a, "%" PRIu64 " bytes of text on %u pages: scanned?", x->bytes,
                              x->pages);
    else if (x->bytes < EMPTY_BYTES)
        s.text = arena_printf(d->a, "%" PRIu64 " bytes of text", x->bytes);
    else
        return 0;
    return note(d, AIL_EMPTY, "Documents with next to no text",
                "A scan needs OCR (ocrmypdf) before it is added; a stub can go.", &s);
}

static int check_vectors(struct doctor *d, const struct doctor_document *x)
{
    if (!x->without_vector)
        return 0;
    struct spot s = {.role = "document", .path = x->path, .modified = x->modified};
    s.text = arena_printf(d->a, "%u of %u passages", x->without_vector, x->passages);
    return note(d, AIL_NO_VECTOR, "Documents with passages that have no vectors",
                "They are found by their words only: askd-ingest embed makes the vectors.", &s);
}

// ---- files beside the documents ----

static int by_path(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_text_name(const char *name)
{
    static const char *const list[] = {".pdf",  ".md",   ".markdown", ".txt",
                                       ".text", ".html", ".htm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof list / sizeof *list; i++)
        if (!strcasecmp(dot, list[i]))
            return *name != '.';
    return false;
}

static int try_file(struct doctor *d, extractors *x, const char *path, size_t max_file)
{
    const struct repeats none = {0};
    struct walk_file f = {.path = path};
    struct taken t;
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size > UNREAD_SIZE)
        return 0;
    f.size = st.st_size;
    f.modified = st.st_mtime;
    take_file(x, &f, NULL, "default", max_file, &none, &t);
    struct spot s = {.role = "file", .path = path, .modified = f.modified};
    s.text = arena_strdup(d->a, t.err.msg);
    bool unread = t.outcome == OUT_FAILED ||
                  (t.outcome == OUT_SKIPPED && (t.skip == SKIP_EMPTY || t.skip == SKIP_POOR));
    taken_free(&t);
    return unread ? note(d, AIL_UNREAD, "Files beside the documents that gave no text",
                         "Nobody finds what they hold; a scan needs OCR (ocrmypdf).", &s)
                  : 0;
}

// Files of `folder` that are no documents, in the order of their names.
static int check_folder(struct doctor *d, extractors *x, const char *folder,
                        const char *const *known, size_t n, size_t *tried, size_t max_file)
{
    const char **names = NULL;
    size_t n_names = 0, cap = 0;
    int rc = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *f; dir && (f = readdir(dir)) && !rc;) {
        if (!is_text_name(f->d_name))
            continue;
        names = doctor_grow(d->a, names, n_names, &cap, sizeof *names);
        const char *path = names ? arena_printf(d->a, "%s/%s", folder, f->d_name) : NULL;
        if (!path)
            rc = err_nomem(d->e);
        else if (!bsearch(&path, known, n, sizeof *known, by_path))
            names[n_names++] = path;
    }
    if (dir)
        closedir(dir);
    if (n_names)
        qsort(names, n_names, sizeof *names, by_path);
    for (size_t i = 0; i < n_names && *tried < UNREAD_MOST && !rc; i++, ++*tried)
        rc = try_file(d, x, names[i], max_file);
    return rc;
}

static int check_folders(struct doctor *d, size_t max_file)
{
    const char **known = arena_alloc(d->a, (d->n + 1) * sizeof *known);
    char folder[PATH_MAX], last[PATH_MAX] = "";
    size_t tried = 0;
    extractors *x = NULL;
    int rc = known ? extractors_new(1, &x, d->e) : err_nomem(d->e);
    for (size_t i = 0; i < d->n && !rc; i++)
        known[i] = d->documents[i].path;
    if (!rc && d->n)
        qsort(known, d->n, sizeof *known, by_path);
    for (size_t i = 0; i < d->n && !rc && tried < UNREAD_MOST; i++) {
        const char *slash = strrchr(known[i], '/');
        size_t n = slash ? (size_t)(slash - known[i]) : 0;
        if (!n || n >= sizeof folder)
            continue;
        memcpy(folder, known[i], n);
        folder[n] = 0;
        if (!strcmp(folder, last))
            continue;
        strcpy(last, folder);
        rc = check_folder(d, x, folder, known, d->n, &tried, max_file);
    }
    extractors_free(x);
    return rc;
}

int doctor_state(struct doctor *d, size_t max_file)
{
    int rc = 0;
    for (size_t i = 0; i < d->n && !rc; i++) {
        rc = check_file(d, &d->documents[i]);
        if (!rc)
            rc = check_text(d, &d->documents[i]);
        if (!rc)
            rc = check_vectors(d, &d->documents[i]);
    }
    return rc ? rc : check_folders(d, max_file);
}
