// SPDX-License-Identifier: MIT
#include "eval/import.h"

#include "base/buf.h"
#include "base/file.h"
#include "eval/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_A_FOLDER 1000
#define LINE_MAX_BYTES (64u << 20)

const char *import_document(struct importer *im, const char *title, const char *text)
{
    struct buf b = BUF_INIT;
    const char *path =
        arena_printf(im->a, "docs/%03zu/%06zu.md", im->counts.documents / FILES_A_FOLDER,
                     im->counts.documents);
    const char *whole = path ? arena_printf(im->a, "%s/%s", im->dir, path) : NULL;
    int rc = whole ? 0 : err_nomem(im->e);
    if (!rc && im->counts.documents % FILES_A_FOLDER == 0) {
        char *folder = arena_strndup(im->a, whole, strlen(whole) - strlen("/000000.md"));
        rc = folder ? file_mkdirs(folder, 0755, im->e) : err_nomem(im->e);
    }
    // A title is a heading of one line.
    if (!rc && title && *title)
        rc = buf_addf(&b, "# %.*s\n\n", (int)strcspn(title, "\r\n"), title) ? err_nomem(im->e)
                                                                            : 0;
    if (!rc)
        rc = buf_adds(&b, text) || buf_addc(&b, '\n') ? err_nomem(im->e) : 0;
    FILE *f = rc ? NULL : fopen(whole, "wx");
    if (!rc && !f)
        rc = err_set(im->e, -errno, "%s: %s", whole, strerror(errno));
    if (f && (fwrite(b.data, 1, b.len, f) != b.len) + fclose(f))
        rc = err_set(im->e, -EIO, "%s: could not be written", whole);
    buf_free(&b);
    im->counts.documents += !rc;
    return rc ? NULL : path;
}

int import_question(struct importer *im, cJSON *q)
{
    const cJSON *text = json_item(q, "question");
    int rc = 0;
    if (!cJSON_IsString(text) || !*text->valuestring)
        rc = err_set(im->e, -EINVAL, "a question without text");
    if (!rc)
        cJSON_AddStringToObject(q, "lang", utf8_has_cjk(text->valuestring) ? "zh" : "en");
    char *line = rc ? NULL : cJSON_PrintUnformatted(q);
    if (!rc && !line)
        rc = err_nomem(im->e);
    if (line && fprintf(im->set, "%s\n", line) < 0)
        rc = err_set(im->e, -EIO, "%s/set.jsonl: could not be written", im->dir);
    cJSON_free(line);
    cJSON_Delete(q);
    im->counts.questions += !rc;
    return rc;
}

void import_evidence(cJSON *q, const char *file, const char *quote)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(q, "evidence");
    if (!list)
        list = cJSON_AddArrayToObject(q, "evidence");
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "file", file);
    if (quote)
        cJSON_AddStringToObject(one, "quote", quote);
    cJSON_AddItemToArray(list, one);
}

int import_lines(struct importer *im, const char *path,
                 int (*line)(struct importer *im, const cJSON *o, void *ctx), void *ctx)
{
    FILE *f = fopen(path, "r");
    char *s = NULL;
    size_t room = 0, number = 0;
    ssize_t n;
    int rc = 0;
    if (!f)
        return err_set(im->e, -errno, "%s: %s", path, strerror(errno));
    while (!rc && (n = getline(&s, &room, f)) >= 0) {
        number++;
        if (strspn(s, " \t\r\n") >= (size_t)n)
            continue;
        cJSON *o = n < LINE_MAX_BYTES ? cJSON_ParseWithLength(s, (size_t)n) : NULL;
        rc = cJSON_IsObject(o) ? line(im, o, ctx)
                               : err_set(im->e, -EINVAL, "no line of JSON, an object");
        cJSON_Delete(o);
        if (rc)
            err_prefix(im->e, "%s:%zu", path, number);
    }
    free(s);
    fclose(f);
    if (!rc && !number)
        rc = err_set(im->e, -EINVAL, "%s: nothing in it", path);
    return rc;
}

int import_set(const char *format, const char *input, const char *dir,
               struct import_counts *out, struct err *e)
{
    static const struct {
        const char *name;
        import_format *run;
    } known[] = {{"squad", import_squad},
                 {"clapnq", import_clapnq},
                 {"mtrag", import_mtrag},
                 {"beir", import_beir}};
    import_format *run = NULL;
    char path[PATH_MAX], part[PATH_MAX];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(format, known[i].name))
            run = known[i].run;
    if (!run)
        return err_set(e, -EINVAL, "format '%.40s' is none of squad, clapnq, mtrag, beir",
                       format);
    if (snprintf(path, sizeof path, "%s/set.jsonl", dir) >= (int)sizeof path - 8)
        return err_set(e, -ENAMETOOLONG, "%.60s...: the path is too long", dir);
    snprintf(part, sizeof part, "%s/docs", dir);
    if (!access(path, F_OK) || !access(part, F_OK))
        return err_set(e, -EEXIST, "%s holds a set already: name another folder", dir);
    snprintf(part, sizeof part, "%s.part", path);
    struct importer im = {.dir = dir, .e = e, .a = arena_new(0)};
    int rc = im.a ? file_mkdirs(dir, 0755, e) : err_nomem(e);
    if (!rc && !(im.set = fopen(part, "w")))
        rc = err_set(e, -errno, "%s: %s", part, strerror(errno));
    if (!rc)
        rc = run(&im, input);
    if (!rc && !im.counts.questions)
        rc = err_set(e, -EINVAL, "%s: no question in it", input);
    if (im.set && fclose(im.set) && !rc)
        rc = err_set(e, -EIO, "%s: could not be written", part);
    if (!rc && rename(part, path)) // a set is there once it is whole
        rc = err_set(e, -errno, "%s: %s", path, strerror(errno));
    arena_free(im.a);
    *out = im.counts;
    return rc;
}
