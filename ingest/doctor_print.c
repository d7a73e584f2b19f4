// SPDX-License-Identifier: MIT
// What the doctor says: a page for people, or one JSON object.
#include "ingest/doctor.h"
#include "ingest/report.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define SHOWN_MOST 10 // findings of one kind, for people
#define SPOTS_SHOWN 6 // of one finding, those that are but a list
#define TEXT_MOST 300 // bytes of a quote, for people

static const struct {
    const char *name, *title;
} kinds[AILMENTS] = {
    {"conflict", "Documents that contradict each other"},
    {"versions", "Versions of one document"},
    {"gone", "Files that are gone"},
    {"changed", "Files that have changed"},
    {"twins", "Nearly the same text"},
    {"unread", "Files without text"},
    {"empty", "Documents without text"},
    {"no_vector", "Passages without vectors"},
    {"long", "Long passages"},
    {"short", "Short passages"},
};

static void date_of(int64_t t, char out[16])
{
    time_t when = (time_t)t;
    struct tm tm;
    strcpy(out, "-");
    if (t > 0 && gmtime_r(&when, &tm))
        strftime(out, 16, "%Y-%m-%d", &tm);
}

// ---- at a glance ----

struct glance {
    uint64_t languages[LANGUAGES], without_vector;
    int64_t oldest, newest;
};

static struct glance glance_at(const struct doctor *d, const char *collection)
{
    struct glance g = {.oldest = INT64_MAX};
    for (size_t i = 0; i < d->n; i++) {
        const struct doctor_document *x = &d->documents[i];
        if (strcmp(x->collection, collection) != 0)
            continue;
        g.languages[sketch_language(&x->sketch)]++;
        g.without_vector += x->without_vector;
        g.newest = x->modified > g.newest ? x->modified : g.newest;
        g.oldest = x->modified > 0 && x->modified < g.oldest ? x->modified : g.oldest;
    }
    g.oldest = g.oldest == INT64_MAX ? 0 : g.oldest;
    return g;
}

static bool wanted(const struct doctor *d, const struct store_collection *c)
{
    return !d->collection || !strcmp(d->collection, c->name);
}

static void print_glance(const struct doctor *d, FILE *f)
{
    for (size_t i = 0; i < d->n_collections; i++) {
        const struct store_collection *c = &d->collections[i];
        char from[16], to[16];
        if (!wanted(d, c))
            continue;
        struct glance g = glance_at(d, c->name);
        date_of(g.oldest, from);
        date_of(g.newest, to);
        fprintf(f,
                "%s: %" PRIu64 " documents of %s to %s, %" PRIu64 " passages, %" PRIu64
                " without vectors; ",
                c->name, c->documents, from, to, c->passages, g.without_vector);
        const char *sep = "";
        for (int l = 0; l < LANGUAGES; l++)
            if (g.languages[l]) {
                fprintf(f, "%s%s %" PRIu64, sep, sketch_language_name((enum language)l),
                        g.languages[l]);
                sep = ", ";
            }
        fputs(c->documents ? "\n" : "empty\n", f);
    }
}

// ---- for people ----

// On one line, cut.
static void print_text(FILE *f, const char *s)
{
    char line[TEXT_MOST + 4];
    size_t n = strlen(s), k = n < TEXT_MOST ? n : TEXT_MOST;
    while (k < n && k && ((unsigned char)s[k] & 0xC0) == 0x80)
        k--;
    for (size_t i = 0; i < k; i++)
        line[i] = s[i] == '\n' || s[i] == '\t' ? ' ' : s[i];
    strcpy(line + k, k < n ? "..." : "");
    report_text(f, line);
}

static void print_spot(const struct spot *s, FILE *f)
{
    char date[16];
    date_of(s->modified, date);
    fprintf(f, "  %s  %s  ", date, s->role);
    report_text(f, s->path);
    if (s->page > 0)
        fprintf(f, ", page %d", s->page);
    else if (s->line_first > 0 && s->line_last > s->line_first)
        fprintf(f, ":%d-%d", s->line_first, s->line_last);
    else if (s->line_first > 0)
        fprintf(f, ":%d", s->line_first);
    if (s->text) {
        fputs("\n      ", f);
        print_text(f, s->text);
    }
    fputc('\n', f);
}

static bool is_list(const struct spot *s)
{
    return !strcmp(s->role, "document") || !strcmp(s->role, "file") ||
           !strcmp(s->role, "passage");
}

void doctor_print(const struct doctor *d, FILE *f)
{
    print_glance(d, f);
    for (size_t i = 0, k; i < d->n_findings; i = k) {
        enum ailment kind = d->findings[i].kind;
        for (k = i; k < d->n_findings && d->findings[k].kind == kind; k++)
            ;
        uint64_t all = k - i + d->more[kind];
        fprintf(f, "\n%s (%" PRIu64 ")\n", kinds[kind].title, all);
        for (size_t m = i; m < k && m < i + SHOWN_MOST; m++) {
            const struct finding *x = &d->findings[m];
            fprintf(f, "\n%s. %s\n", x->what, x->advice);
            uint64_t more = x->more;
            size_t listed = 0;
            for (size_t s = 0; s < x->n_spots; s++) {
                listed += is_list(&x->spots[s]);
                if (is_list(&x->spots[s]) && listed > SPOTS_SHOWN)
                    more++;
                else
                    print_spot(&x->spots[s], f);
            }
            if (more)
                fprintf(f, "  and %" PRIu64 " more\n", more);
        }
        if (all > SHOWN_MOST)
            fprintf(f, "\nand %" PRIu64 " more of this kind; --json lists them\n",
                    all - SHOWN_MOST);
    }
    if (!d->n_findings)
        fputs("nothing to say\n", f);
}

// ---- JSON (RFC 8259) ----

static void json_string(FILE *f, const char *s)
{
    size_t n = strlen(s), step;
    fputc('"', f);
    for (size_t i = 0; i < n; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        char out[4];
        size_t len = utf8_encode(cp, out);
        if (cp == '"' || cp == '\\')
            fprintf(f, "\\%c", (int)cp);
        else if (cp < 0x20)
            fprintf(f, "\\u%04x", (unsigned)cp);
        else
            fwrite(out, 1, len, f);
    }
    fputc('"', f);
}

static void json_field(FILE *f, const char *name, const char *s)
{
    fprintf(f, ",\"%s\":", name);
    if (s)
        json_string(f, s);
    else
        fputs("null", f);
}

static void json_spot(const struct spot *s, FILE *f)
{
    char date[16];
    date_of(s->modified, date);
    fputs("{\"role\":", f);
    json_string(f, s->role);
    json_field(f, "path", s->path);
    json_field(f, "date", s->modified > 0 ? date : NULL);
    if (s->page > 0)
        fprintf(f, ",\"page\":%d", s->page);
    if (s->line_first > 0)
        fprintf(f, ",\"lines\":[%d,%d]", s->line_first, s->line_last);
    json_field(f, "text", s->text);
    fputc('}', f);
}

static void json_collections(const struct doctor *d, FILE *f)
{
    const char *sep = "";
    for (size_t i = 0; i < d->n_collections; i++) {
        const struct store_collection *c = &d->collections[i];
        char from[16], to[16];
        if (!wanted(d, c))
            continue;
        struct glance g = glance_at(d, c->name);
        date_of(g.oldest, from);
        date_of(g.newest, to);
        fprintf(f, "%s{\"name\":", sep);
        json_string(f, c->name);
        fprintf(f,
                ",\"documents\":%" PRIu64 ",\"passages\":%" PRIu64
                ",\"without_vectors\":%" PRIu64,
                c->documents, c->passages, g.without_vector);
        json_field(f, "oldest", g.oldest ? from : NULL);
        json_field(f, "newest", g.newest ? to : NULL);
        fprintf(f,
                ",\"languages\":{\"english\":%" PRIu64 ",\"chinese\":%" PRIu64
                ",\"other\":%" PRIu64 ",\"too_short\":%" PRIu64 "}}",
                g.languages[LANGUAGE_ENGLISH], g.languages[LANGUAGE_CHINESE],
                g.languages[LANGUAGE_OTHER], g.languages[LANGUAGE_NONE]);
        sep = ",";
    }
}

void doctor_print_json(const struct doctor *d, FILE *f)
{
    fputs("{\"collections\":[", f);
    json_collections(d, f);
    fputs("],\"findings\":[", f);
    for (size_t i = 0; i < d->n_findings; i++) {
        const struct finding *x = &d->findings[i];
        fprintf(f, "%s\n{\"kind\":\"%s\"", i ? "," : "", kinds[x->kind].name);
        json_field(f, "what", x->what);
        json_field(f, "advice", x->advice);
        fputs(",\"spots\":[", f);
        for (size_t s = 0; s < x->n_spots; s++) {
            fputs(s ? "," : "", f);
            json_spot(&x->spots[s], f);
        }
        fprintf(f, "],\"more\":%" PRIu64 "}", x->more);
    }
    fputs("],\"not_listed\":{", f);
    const char *sep = "";
    for (int k = 0; k < AILMENTS; k++)
        if (d->more[k]) {
            fprintf(f, "%s\"%s\":%" PRIu64, sep, kinds[k].name, d->more[k]);
            sep = ",";
        }
    fputs("}}\n", f);
}
