// SPDX-License-Identifier: MIT
// Is all of the store what was put there? SQLite looks at its trees and at what refers to what,
// FTS5 at its index against its texts; the rows are held against their sums, the schema against
// the one that this program makes.
#include "store/internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_MAX 100 // sentences of a kind

struct check {
    store *s;
    store_fault_fn *fn;
    void *ctx;
    struct store_health *out;
    struct err *e;
};

static int report(struct check *c, enum store_fault kind, const char *sentence)
{
    if (++c->out->faults[kind] > FAULTS_MAX)
        return 0;
    return c->fn(c->ctx, kind, sentence) ? err_set(c->e, -ECANCELED, "the check was cancelled")
                                         : 0;
}

// A statement could not be run: damage is a fault, the rest an error.
static int failed(struct check *c, enum store_fault kind, const char *what)
{
    char text[ERR_MSG_MAX];
    switch (sqlite3_errcode(c->s->db)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_FULL:
        return store_fail(c->s, c->e);
    default:
        snprintf(text, sizeof text, "%s: %s", what, sqlite3_errmsg(c->s->db));
        return report(c, kind, text);
    }
}

// The integrity check tells what it had no memory for among the faults.
static bool no_memory(struct check *c, const char *sentence)
{
    return sqlite3_errcode(c->s->db) == SQLITE_NOMEM ||
           strstr(sentence, "error code=7"); // SQLITE_NOMEM
}

// Each row of the statement is a fault, and its first column the sentence.
static int each_row(struct check *c, enum store_fault kind, const char *what, const char *sql)
{
    sqlite3_stmt *q;
    int rc = 0, step;
    if (sqlite3_prepare_v2(c->s->db, sql, -1, &q, NULL))
        return failed(c, kind, what);
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        bool ok = true;
        const char *t = store_text(q, 0, &ok);
        if (!ok || no_memory(c, t))
            rc = err_nomem(c->e);
        else if (strcmp(t, "ok") != 0)
            rc = report(c, kind, t);
    }
    if (!rc && step != SQLITE_DONE)
        rc = failed(c, kind, what);
    sqlite3_finalize(q);
    return rc;
}

// 0 where it cannot be read: the checks that follow say why.
static int number(struct check *c, const char *sql, void *out)
{
    sqlite3_stmt *q;
    int64_t n = 0;
    bool read =
        !sqlite3_prepare_v2(c->s->db, sql, -1, &q, NULL) && sqlite3_step(q) == SQLITE_ROW;
    int rc = !read && no_memory(c, "") ? err_nomem(c->e) : 0;
    if (read)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    memcpy(out, &n, sizeof n);
    return rc;
}

// What the schema is made of, as one text: each object's SQL, by name.
static char *schema_text(sqlite3 *db)
{
    sqlite3_stmt *q;
    char *out = NULL;
    if (!sqlite3_prepare_v2(db,
                            "SELECT group_concat(type || name || tbl_name || coalesce(sql, '')"
                            ", ';') FROM (SELECT * FROM sqlite_schema ORDER BY name)",
                            -1, &q, NULL) &&
        sqlite3_step(q) == SQLITE_ROW)
        out = sqlite3_mprintf("%s", sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    return out;
}

static int check_schema(struct check *c)
{
    sqlite3 *fresh = NULL;
    bool same = false;
    char *want = NULL, *have = schema_text(c->s->db);
    if (!have)
        return failed(c, STORE_FAULT_TREE, "the schema");
    if (!sqlite3_open(":memory:", &fresh) && !store_add_sum(fresh) &&
        !store_make_schema(fresh, 0, c->out->schema))
        want = schema_text(fresh);
    same = want && !strcmp(want, have);
    sqlite3_close(fresh);
    sqlite3_free(want);
    sqlite3_free(have);
    if (!want)
        return err_nomem(c->e);
    return same ? 0 : report(c, STORE_FAULT_TREE, "the schema is not the one of its version");
}

static int check_counters(struct check *c)
{
    int rc = each_row(c, STORE_FAULT_TREE, "documents without a collection",
                      "SELECT printf('document %d has no collection', id) FROM documents"
                      " WHERE collection NOT IN (SELECT id FROM collections)");
    if (!rc)
        rc = each_row(c, STORE_FAULT_TREE, "counters",
                      "SELECT 'the store has lost its sequence' WHERE NOT EXISTS"
                      " (SELECT 1 FROM meta WHERE key = 'sequence') UNION ALL"
                      " SELECT printf('meta has %s, which is not known', key) FROM meta"
                      " WHERE typeof(value) <> 'integer' OR (key NOT IN ('sequence',"
                      " 'removals', 'epoch') AND key NOT GLOB 'complete *')");
    if (!rc)
        rc = each_row(c, STORE_FAULT_TREE, "ids",
                      "SELECT printf('an id of %s was given twice, or may be', name)"
                      " FROM sqlite_sequence WHERE seq < CASE name"
                      " WHEN 'documents' THEN (SELECT max(id) FROM documents)"
                      " WHEN 'passages' THEN (SELECT max(id) FROM passages)"
                      " WHEN 'collections' THEN (SELECT max(id) FROM collections) END");
    return rc;
}

#define DOCUMENTS                                                               \
    "SELECT printf('document %d, %s: its description is not what was put', id," \
    " path) FROM documents WHERE sum <> "

static int check_documents(struct check *c)
{
    if (c->out->unsummed)
        return 0;
    return each_row(c, STORE_FAULT_DOCUMENT, "documents",
                    c->out->schema < 4 ? DOCUMENTS SUM_DOCUMENT_3("")
                                       : DOCUMENTS SUM_DOCUMENT(""));
}

static int check_rows(struct check *c)
{
    if (c->out->unsummed)
        return 0;
    int rc = check_documents(c);
    if (!rc)
        rc = each_row(c, STORE_FAULT_PASSAGE, "passages",
                      "SELECT printf('passage %d of %s: its text or place is not what was put',"
                      " p.id, coalesce(d.path, '?')) FROM passages p LEFT JOIN documents d"
                      " ON d.id = p.document WHERE p.sum <> " SUM_PASSAGE("p."));
    if (!rc)
        rc = each_row(c, STORE_FAULT_VECTOR, "vectors",
                      "SELECT printf('the vector of passage %d is not what was put', passage)"
                      " FROM vectors WHERE sum <> " SUM_VECTOR(""));
    if (!rc)
        rc = each_row(c, STORE_FAULT_VECTOR, "vectors",
                      "SELECT printf('vectors of %s have %d to %d bytes', fingerprint,"
                      " min(length(f16)), max(length(f16))) FROM vectors GROUP BY fingerprint"
                      " HAVING min(length(f16)) <> max(length(f16)) OR min(length(f16)) < 2"
                      " OR min(length(f16)) % 2");
    if (!rc)
        rc = each_row(c, STORE_FAULT_REPEAT, "repeated blocks",
                      "SELECT printf('a repeated block below %s is not what was put', folder)"
                      " FROM repeats WHERE sum <> " SUM_REPEAT(""));
    return rc;
}

// FTS5 looks whether a term stands where its directory (words_idx, where each leaf of the index
// begins) could lead to, not whether it does lead there. A beginning that is too early hides
// the terms that follow it, so these have to be found by themselves as going through all finds
// them.
static int check_terms(struct check *c)
{
    if (sqlite3_exec(c->s->db,
                     "CREATE VIRTUAL TABLE temp.found USING fts5vocab(main, words, row);"
                     "CREATE TEMP TABLE terms (term TEXT PRIMARY KEY, doc) WITHOUT ROWID;"
                     "INSERT INTO terms SELECT term, doc FROM found",
                     NULL, NULL, NULL))
        return failed(c, STORE_FAULT_WORDS, "the index of words cannot be read");
    return each_row(c, STORE_FAULT_WORDS, "the index of words cannot be read",
                    "SELECT printf('the index does not lead to the word %s', a.term)"
                    " FROM words_idx i JOIN terms a ON a.term IN (SELECT term FROM terms WHERE"
                    " term >= CAST(substr(i.term, 2) AS TEXT) ORDER BY term LIMIT 8) WHERE NOT"
                    " EXISTS (SELECT 1 FROM found f WHERE f.term = a.term AND f.doc = a.doc)");
}

static int check_words(struct check *c)
{
    int rc = each_row(c, STORE_FAULT_WORDS, "words",
                      "SELECT printf('passage %d has no words in the index', id) FROM passages"
                      " WHERE id NOT IN (SELECT id FROM words_content)");
    if (!rc)
        rc = each_row(c, STORE_FAULT_WORDS, "words",
                      "SELECT printf('the index has words of passage %d, which is gone', id)"
                      " FROM words_content WHERE id NOT IN (SELECT id FROM passages)");
    if (rc)
        return rc;
    // FTS5 takes the check for a change, so it runs in a transaction that is undone.
    sqlite3_exec(c->s->db, "BEGIN", NULL, NULL, NULL);
    if (sqlite3_exec(c->s->db, "INSERT INTO words(words) VALUES ('integrity-check')", NULL,
                     NULL, NULL))
        rc = failed(c, STORE_FAULT_WORDS, "the index of words is not that of its texts");
    sqlite3_exec(c->s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc ? rc : check_terms(c);
}

static int check_tree(struct check *c)
{
    int rc = each_row(c, STORE_FAULT_TREE, "integrity check", "PRAGMA integrity_check");
    if (!rc)
        rc = each_row(c, STORE_FAULT_TREE, "foreign keys",
                      "SELECT printf('a row of %s (%s) refers to none of %s', \"table\","
                      " coalesce(rowid, '?'), parent) FROM pragma_foreign_key_check");
    return rc ? rc : check_counters(c);
}

// What there is, as far as the file can be read as a store.
static int count_all(struct check *c)
{
    struct store_health *h = c->out;
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(c->s->db, "PRAGMA user_version", -1, &q, NULL) ||
        sqlite3_step(q) != SQLITE_ROW) {
        int rc = failed(c, STORE_FAULT_FILE, c->s->path);
        sqlite3_finalize(q);
        return rc;
    }
    h->schema = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    if (h->schema > STORE_SCHEMA)
        return err_set(c->e, -EPROTO,
                       "%s: written by a newer askd (schema %d, this one knows %d); use that",
                       c->s->path, h->schema, STORE_SCHEMA);
    if (h->schema < 1)
        return report(c, STORE_FAULT_FILE, "the file is no store of askd");
    h->unsummed = h->schema < 3;
    int rc = number(c, "SELECT value FROM meta WHERE key = 'sequence'", &h->sequence);
    if (!rc)
        rc = number(c, "SELECT count(*) FROM documents", &h->documents);
    if (!rc)
        rc = number(c, "SELECT count(*) FROM passages", &h->passages);
    if (!rc)
        rc = number(c, "SELECT count(*) FROM vectors", &h->vectors);
    return rc;
}

static int check_all(struct check *c)
{
    int rc = count_all(c);
    if (rc || c->out->schema < 1)
        return rc;
    rc = number(c, "SELECT count(DISTINCT fingerprint) FROM vectors", &c->out->embedders);
    if (!rc)
        rc = check_schema(c);
    if (!rc)
        rc = check_tree(c);
    if (!rc)
        rc = check_rows(c);
    return rc ? rc : check_words(c);
}

static int glance(struct check *c)
{
    int rc = count_all(c);
    if (rc || c->out->schema < 1)
        return rc;
    rc = check_schema(c);
    if (!rc)
        rc = check_counters(c);
    if (!rc)
        rc = check_documents(c);
    int64_t size = 0;
    if (!rc)
        rc = number(c,
                    "SELECT page_count * page_size FROM pragma_page_count(),"
                    " pragma_page_size()",
                    &size);
    if (!rc && size <= STORE_GLANCE_MAX)
        rc = each_row(c, STORE_FAULT_TREE, "quick check", "PRAGMA quick_check");
    return rc;
}

static int check_file(const char *path, int (*check)(struct check *), store_fault_fn *fn,
                      void *ctx, struct store_health *out, struct err *e)
{
    struct check c = {.fn = fn, .ctx = ctx, .out = out, .e = e};
    *out = (struct store_health){0};
    int rc = store_open_file(path, SQLITE_OPEN_READWRITE, &c.s, e);
    if (rc)
        return rc;
    sqlite3_busy_timeout(c.s->db, 1000);
    sqlite3_db_config(c.s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c.s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    // A foreign key check needs no enforcement, and nothing is put right while looking.
    if (sqlite3_exec(c.s->db, "PRAGMA trusted_schema=OFF", NULL, NULL, NULL) ||
        store_add_sum(c.s->db))
        rc = failed(&c, STORE_FAULT_FILE, path);
    else
        rc = check(&c);
    store_close(c.s);
    return rc;
}

int store_verify_file(const char *path, store_fault_fn *fn, void *ctx, struct store_health *out,
                      struct err *e)
{
    return check_file(path, check_all, fn, ctx, out, e);
}

static int find_file(const char *data_dir, char path[PATH_MAX], struct err *e)
{
    int rc = store_path(path, data_dir, "askd.db", e);
    return rc ? rc : store_find_file(path, e);
}

int store_glance(const char *data_dir, store_fault_fn *fn, void *ctx, struct store_health *out,
                 struct err *e)
{
    char path[PATH_MAX];
    int rc = find_file(data_dir, path, e);
    return rc ? rc : check_file(path, glance, fn, ctx, out, e);
}

int store_verify(const char *data_dir, store_fault_fn *fn, void *ctx, struct store_health *out,
                 struct err *e)
{
    char path[PATH_MAX];
    int lock = -1;
    int rc = find_file(data_dir, path, e);
    if (!rc)
        rc = store_take_lock(data_dir, &lock, e);
    if (!rc)
        rc = store_verify_file(path, fn, ctx, out, e);
    if (lock >= 0)
        close(lock);
    return rc;
}
