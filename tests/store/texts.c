// SPDX-License-Identifier: MIT
#include "tests/store/texts.h"

#include "base/buf.h"
#include "store/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char dir[] = "/tmp/askd-test-store-XXXXXX";

int texts_setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

int texts_teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

void put_in(store *s, const char *collection, const char *path, const char *text)
{
    struct err e;
    struct buf w = BUF_INIT;
    const char *section[] = {"Administration", "Quotas", NULL};
    assert_int_equal(text_words(&w, text, strlen(text)), 0);
    struct store_passage p[2] = {
        {.section = section, .line_first = 3, .line_last = 4, .text = text, .words = w.data},
        {.section = section + 2, .page = 2, .text = "second", .words = "second "}};
    struct store_document d = {.collection = collection,
                               .path = path,
                               .title = "Title",
                               .type = "md",
                               .modified = 100,
                               .size = 10,
                               .hash = "aa",
                               .passages = p,
                               .n_passages = 2};
    int rc = store_put(s, &d, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    buf_free(&w);
}

void put(store *s, const char *path, const char *text)
{
    put_in(s, "default", path, text);
}

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why))
        fail_msg("%s: %s", sql, why);
}

static sqlite3 *open_file(const char *folder)
{
    char path[300];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/askd.db", folder);
    assert_int_equal(sqlite3_open(path, &db), 0);
    assert_int_equal(store_add_sum(db), 0);
    return db;
}

void change(const char *folder, const char *sql)
{
    sqlite3 *db = open_file(folder);
    run(db, sql);
    assert_int_equal(sqlite3_close(db), 0);
}

void change_nullable(const char *folder, const char *table, const char *sql)
{
    sqlite3 *db = open_file(folder);
    char *looser =
        sqlite3_mprintf("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')"
                        " WHERE name = %Q",
                        table);
    run(db, "CREATE TEMP TABLE kept AS SELECT name, sql FROM sqlite_schema;"
            "PRAGMA writable_schema=ON");
    run(db, looser);
    run(db, "PRAGMA writable_schema=RESET");
    run(db, sql);
    run(db, "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql ="
            " (SELECT k.sql FROM kept k WHERE k.name = sqlite_master.name);"
            "PRAGMA writable_schema=RESET");
    sqlite3_free(looser);
    assert_int_equal(sqlite3_close(db), 0);
}

void make_older(const char *folder, int schema)
{
    change(folder, "ALTER TABLE documents DROP COLUMN permissions;"
                   "UPDATE documents SET sum = " SUM_DOCUMENT_3("") ";"
                                                                    "PRAGMA user_version = 3");
    if (schema < 3)
        change(folder, "ALTER TABLE documents DROP COLUMN sum;"
                       "ALTER TABLE passages DROP COLUMN sum;"
                       "ALTER TABLE vectors DROP COLUMN sum;"
                       "ALTER TABLE repeats DROP COLUMN sum;"
                       "DELETE FROM meta WHERE key GLOB 'complete *';"
                       "PRAGMA user_version = 2");
    if (schema < 2)
        change(folder, "DROP TABLE repeats; DROP INDEX documents_text;"
                       "ALTER TABLE documents DROP COLUMN text_hash;"
                       "PRAGMA user_version = 1");
}

size_t find(store *s, const char *word, struct store_filter f)
{
    struct err e;
    struct store_hit hits[10];
    size_t n;
    struct buf w = BUF_INIT;
    const char *words[64];
    size_t n_words = 0;
    assert_int_equal(text_words(&w, word, strlen(word)), 0);
    char *save = NULL;
    for (char *p = strtok_r(w.data, " ", &save); p; p = strtok_r(NULL, " ", &save))
        words[n_words++] = p;
    // The last is the whole, or the rarest pair.
    struct store_word last = {.word = words[n_words - 1]};
    store_sizes *z;
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_word_counts(s, NULL, NULL, &last.word, 1, &last.count, &e), 0);
    assert_int_equal(store_search_words(s, z, &last, 1, &f, 10, hits, &n, &e), 0);
    store_sizes_free(z);
    buf_free(&w);
    return n;
}
