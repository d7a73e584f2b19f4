// SPDX-License-Identifier: MIT
// What searching needs to know of every passage at once: its document, and how many words it
// has. Six bytes a passage, read once and then kept up with the store.
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#define PASSAGES_MAX ((int64_t)1 << 31)

int store_sizes_new(store_sizes **out, struct err *e)
{
    store_sizes *z = calloc(1, sizeof *z);
    if (!z)
        return err_nomem(e);
    z->sequence = z->removals = z->epoch = -1;
    pthread_mutex_init(&z->refreshing, NULL);
    pthread_rwlock_init(&z->lock, NULL);
    *out = z;
    return 0;
}

void store_sizes_free(store_sizes *z)
{
    if (!z)
        return;
    pthread_rwlock_destroy(&z->lock);
    pthread_mutex_destroy(&z->refreshing);
    free(z->documents);
    free(z->lengths);
    free(z);
}

void store_sizes_hold(store_sizes *z)
{
    pthread_rwlock_rdlock(&z->lock);
}

void store_sizes_release(store_sizes *z)
{
    pthread_rwlock_unlock(&z->lock);
}

uint64_t store_sizes_passages(store_sizes *z)
{
    store_sizes_hold(z);
    uint64_t n = z->passages;
    store_sizes_release(z);
    return n;
}

static int make_room(store_sizes *z, size_t n, struct err *e)
{
    if (n <= z->cap)
        return 0;
    size_t cap = z->cap ? z->cap : 1024;
    while (cap < n)
        cap += cap / 2;
    uint32_t *d = reallocarray(z->documents, cap, sizeof *d);
    if (!d)
        return err_nomem(e);
    z->documents = d;
    uint16_t *l = reallocarray(z->lengths, cap, sizeof *l);
    if (!l)
        return err_nomem(e);
    z->lengths = l;
    memset(d + z->cap, 0, (cap - z->cap) * sizeof *d);
    memset(l + z->cap, 0, (cap - z->cap) * sizeof *l);
    z->cap = cap;
    return 0;
}

// FTS5 keeps a passage's number of words as a varint: big-endian groups of seven bits.
static unsigned first_varint(const uint8_t *p, int n)
{
    unsigned v = 0;
    for (int i = 0; i < n && i < 3; i++) {
        v = v << 7 | (p[i] & 0x7F);
        if (!(p[i] & 0x80))
            return v;
    }
    return UINT16_MAX;
}

static int read_lengths(store *s, store_sizes *z, int64_t after, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s, "SELECT id, sz FROM words_docsize WHERE id > ?", &q, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 1, after);
    int step;
    while ((step = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(q, 0);
        unsigned n = first_varint(sqlite3_column_blob(q, 1), sqlite3_column_bytes(q, 1));
        if ((uint64_t)id < z->n)
            z->lengths[id] = (uint16_t)(n < UINT16_MAX ? n : UINT16_MAX);
    }
    rc = step == SQLITE_DONE ? 0 : store_fail(s, e);
    sqlite3_reset(q);
    return rc;
}

// The last number that a passage was given: a damaged row beyond it must not decide how much
// memory is taken.
static int last_given(store *s, int64_t *out, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s,
                           "SELECT coalesce((SELECT seq FROM sqlite_sequence"
                           " WHERE name = 'passages'), 2147483647)",
                           &q, e);
    return rc ? rc : store_number(s, q, out, e);
}

static int read_documents(store *s, store_sizes *z, int64_t after, struct err *e)
{
    sqlite3_stmt *q;
    int64_t most = 0;
    int rc = last_given(s, &most, e);
    // All of them: from the small index by document, not from the texts.
    if (!rc)
        rc = after ? store_prepare(s, "SELECT id, document FROM passages WHERE id > ?", &q, e)
                   : store_prepare(s, "SELECT id, document FROM passages WHERE ?1 = 0", &q, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 1, after);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(q, 0), document = sqlite3_column_int64(q, 1);
        if (id <= 0 || id >= PASSAGES_MAX || id > most || document <= 0 ||
            document >= PASSAGES_MAX) {
            rc = err_set(e, -EOVERFLOW,
                         "%s is damaged: passage %lld is out of range, of which %lld were "
                         "given; `askd-ingest verify` says more",
                         s->path, (long long)id, (long long)most);
        } else if (!(rc = make_room(z, (size_t)id + 1, e))) {
            z->documents[id] = (uint32_t)document;
            z->n = (size_t)id >= z->n ? (size_t)id + 1 : z->n;
            z->last_document =
                document > z->last_document ? (uint32_t)document : z->last_document;
        }
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    return rc;
}

// Take in passages beyond the last, or all of them anew where some were removed.
static int update(store *s, store_sizes *z, bool anew, struct err *e)
{
    if (anew && z->n) {
        memset(z->documents, 0, z->n * sizeof *z->documents);
        z->n = 0;
    }
    int64_t after = z->n ? (int64_t)z->n - 1 : 0;
    int rc = read_documents(s, z, after, e);
    if (!rc)
        rc = read_lengths(s, z, after, e);
    z->passages = z->words = 0;
    for (size_t i = 0; i < z->n && !rc; i++) {
        z->passages += z->documents[i] != 0;
        z->words += z->documents[i] ? z->lengths[i] : 0;
    }
    if (rc)
        z->n = 0;
    return rc;
}

int store_sizes_refresh(store_sizes *z, store *s, struct err *e)
{
    int64_t now = -1, removals = -1, epoch = -1;
    pthread_mutex_lock(&z->refreshing);
    // One snapshot of the store, whatever is committed meanwhile; not an earlier one, whose end
    // failed for want of memory.
    int rc = sqlite3_get_autocommit(s->db) ? 0 : store_exec(s, "ROLLBACK", e);
    if (!rc)
        rc = store_exec(s, "BEGIN", e);
    bool open = !rc;
    if (!rc)
        rc = store_sequence(s, &now, e);
    if (!rc)
        rc = store_epoch(s, &epoch, e);
    if (!rc && (now != z->sequence || epoch != z->epoch)) {
        rc = store_removals(s, &removals, e);
        pthread_rwlock_wrlock(&z->lock);
        if (!rc)
            rc = update(s, z, removals != z->removals || epoch != z->epoch, e);
        pthread_rwlock_unlock(&z->lock);
        z->sequence = rc ? -1 : now;
        z->removals = rc ? -1 : removals;
        z->epoch = epoch;
    }
    if (open)
        sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
    pthread_mutex_unlock(&z->refreshing);
    return rc;
}
