// SPDX-License-Identifier: MIT
#include "tests/store/disk.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512
#define FILES_MAX 16

enum event_kind { WRITE, TRUNCATE, SYNC, MAKE, REMOVE, MARK };

struct event {
    enum event_kind kind;
    int file, mark;
    bool sync_folder;
    sqlite3_int64 offset;
    size_t n;
    unsigned char *bytes;
};

struct file {
    sqlite3_file base;
    sqlite3_file *real;
    int index; // in `names`
    bool new_log, noted;
};

static sqlite3_vfs *under, vfs;
static char *names[FILES_MAX]; // the last parts of the paths
static int n_names;
static struct event *events;
static size_t n_events, cap_events;
static bool noting;
static enum disk_failure failure;
static unsigned fail_at, calls;
static bool fail_on, has_failed;

// ---- failing ----

void disk_fail(enum disk_failure kind, unsigned at, bool on)
{
    failure = kind;
    fail_at = at;
    fail_on = on;
    calls = 0;
    has_failed = false;
}

bool disk_has_failed(void)
{
    return has_failed;
}

// Does this call fail? `room`: it needs room on the disk.
static bool fails(bool room)
{
    if (!fail_at || (failure == DISK_FULL && !room))
        return false;
    calls++;
    bool now = fail_on ? calls >= fail_at : calls == fail_at;
    has_failed |= now;
    return now;
}

// ---- noting ----

static struct event *add_event(enum event_kind kind, int file)
{
    if (n_events == cap_events) {
        cap_events = cap_events ? cap_events * 2 : 1024;
        events = realloc(events, cap_events * sizeof *events);
        if (!events)
            abort();
    }
    events[n_events] = (struct event){.kind = kind, .file = file};
    return &events[n_events++];
}

void disk_note(bool on)
{
    if (on) {
        for (size_t i = 0; i < n_events; i++)
            free(events[i].bytes);
        for (int i = 0; i < n_names; i++)
            free(names[i]);
        free(events);
        events = NULL;
        n_events = cap_events = 0;
        n_names = 0;
    }
    noting = on;
}

void disk_note_ack(int ack)
{
    if (noting)
        add_event(MARK, 0)->mark = ack;
}

size_t disk_events(void)
{
    return n_events;
}

static int index_of(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    for (int i = 0; i < n_names; i++)
        if (!strcmp(names[i], name))
            return i;
    if (n_names == FILES_MAX)
        abort();
    names[n_names] = strdup(name);
    return n_names++;
}

// ---- files ----

#define REAL(f) (((struct file *)(f))->real)

static int x_close(sqlite3_file *f)
{
    int rc = REAL(f)->pMethods->xClose(REAL(f));
    sqlite3_free(REAL(f));
    return rc;
}

static int x_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return fails(false) ? SQLITE_IOERR_READ : REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}

static int x_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    const struct file *x = (struct file *)f;
    if (fails(true))
        return failure == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    if (noting && x->noted) {
        struct event *v = add_event(WRITE, x->index);
        v->offset = at;
        v->n = (size_t)n;
        v->bytes = malloc((size_t)n);
        memcpy(v->bytes, p, (size_t)n);
    }
    return REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    const struct file *x = (struct file *)f;
    if (fails(false))
        return SQLITE_IOERR_TRUNCATE;
    if (noting && x->noted)
        add_event(TRUNCATE, x->index)->offset = size;
    return REAL(f)->pMethods->xTruncate(REAL(f), size);
}

static int x_sync(sqlite3_file *f, int flags)
{
    struct file *x = (struct file *)f;
    (void)flags;
    if (fails(true))
        return failure == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC;
    // SQLite's own VFS syncs the folder with a log that it has made.
    if (noting && x->noted)
        add_event(SYNC, x->index)->sync_folder = x->new_log;
    x->new_log = false;
    return SQLITE_OK;
}

static int x_file_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return fails(false) ? SQLITE_IOERR_FSTAT : REAL(f)->pMethods->xFileSize(REAL(f), n);
}
static int x_lock(sqlite3_file *f, int level)
{
    return fails(false) ? SQLITE_IOERR_LOCK : REAL(f)->pMethods->xLock(REAL(f), level);
}
static int x_unlock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xUnlock(REAL(f), level);
}
static int x_reserved(sqlite3_file *f, int *out)
{
    return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out);
}
static int x_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}
static int x_sector(sqlite3_file *f)
{
    return REAL(f)->pMethods->xSectorSize(REAL(f));
}
static int x_device(sqlite3_file *f)
{
    return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}
static int x_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    if (fails(extend != 0))
        return failure == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_SHMMAP;
    return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, out);
}
static int x_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return REAL(f)->pMethods->xShmLock(REAL(f), at, n, flags);
}
static void x_shm_barrier(sqlite3_file *f)
{
    REAL(f)->pMethods->xShmBarrier(REAL(f));
}
static int x_shm_unmap(sqlite3_file *f, int remove)
{
    return REAL(f)->pMethods->xShmUnmap(REAL(f), remove);
}

static const sqlite3_io_methods methods = {
    2,          x_close,       x_read,      x_write,   x_truncate, x_sync,   x_file_size,
    x_lock,     x_unlock,      x_reserved,  x_control, x_sector,   x_device, x_shm_map,
    x_shm_lock, x_shm_barrier, x_shm_unmap, NULL,      NULL};

// ---- the VFS ----

static int x_open(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *out)
{
    struct file *x = (struct file *)f;
    (void)v;
    x->base.pMethods = NULL;
    if (fails((flags & SQLITE_OPEN_CREATE) != 0))
        return SQLITE_CANTOPEN;
    bool is_new = path && (flags & SQLITE_OPEN_CREATE) && access(path, F_OK) != 0;
    x->real = sqlite3_malloc(under->szOsFile);
    if (!x->real)
        return SQLITE_NOMEM;
    memset(x->real, 0, (size_t)under->szOsFile);
    int rc = under->xOpen(under, path, x->real, flags, out);
    if (rc) {
        sqlite3_free(x->real);
        return rc;
    }
    x->noted = path != NULL;
    x->index = noting && path ? index_of(path) : 0;
    x->new_log = is_new && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL));
    x->base.pMethods = &methods;
    if (noting && is_new)
        add_event(MAKE, x->index);
    return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *v, const char *path, int sync_folder)
{
    (void)v;
    if (fails(false))
        return SQLITE_IOERR_DELETE;
    int rc = under->xDelete(under, path, 0);
    if (noting && !rc)
        add_event(REMOVE, index_of(path))->sync_folder = sync_folder != 0;
    return rc;
}

static int x_access(sqlite3_vfs *v, const char *path, int flags, int *out)
{
    (void)v;
    return fails(false) ? SQLITE_IOERR_ACCESS : under->xAccess(under, path, flags, out);
}

int disk_install(void)
{
    under = sqlite3_vfs_find(NULL);
    if (!under)
        return -1;
    vfs = *under;
    vfs.zName = "disk";
    vfs.szOsFile = (int)sizeof(struct file);
    vfs.pNext = NULL;
    vfs.xOpen = x_open;
    vfs.xDelete = x_delete;
    vfs.xAccess = x_access;
    return sqlite3_vfs_register(&vfs, 1);
}

// ---- power cuts ----

struct content {
    unsigned char *bytes;
    size_t n, cap;
    bool there, named; // the file exists; so does its name, surely
    size_t since;      // first event that may not have reached the disk
};

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245 + 12345;
    return *seed >> 16 & 0x7FFF;
}

static void put(struct content *c, size_t at, const unsigned char *p, size_t n)
{
    if (at + n > c->cap) {
        size_t cap = (at + n) * 2;
        c->bytes = realloc(c->bytes, cap);
        if (!c->bytes)
            abort();
        memset(c->bytes + c->cap, 0, cap - c->cap);
        c->cap = cap;
    }
    memcpy(c->bytes + at, p, n);
    c->n = at + n > c->n ? at + n : c->n;
}

static void cut_at(struct content *c, size_t n)
{
    if (n < c->n) {
        memset(c->bytes + n, 0, c->n - n);
        c->n = n;
    }
}

static void apply(struct content *c, const struct event *v)
{
    if (v->kind == WRITE)
        put(c, (size_t)v->offset, v->bytes, v->n);
    else if (v->kind == TRUNCATE)
        cut_at(c, (size_t)v->offset);
}

// Some of the sectors of a write.
static void apply_some(struct content *c, const struct event *v, unsigned *seed)
{
    if (v->kind == TRUNCATE && next(seed) % 2)
        cut_at(c, (size_t)v->offset);
    unsigned how = next(seed) % 3; // none, all, some
    for (size_t i = 0; v->kind == WRITE && how && i < v->n;) {
        size_t n = SECTOR - (size_t)(v->offset + (sqlite3_int64)i) % SECTOR;
        n = n < v->n - i ? n : v->n - i;
        if (how == 1 || next(seed) % 2)
            put(c, (size_t)v->offset + i, v->bytes + i, n);
        i += n;
    }
}

// What is waiting for a file, each event at most once, in any order.
static void apply_waiting(struct content *c, int file, size_t n, unsigned *seed)
{
    size_t *order = malloc((n + 1) * sizeof *order), k = 0;
    for (size_t i = c->since; i < n; i++)
        if (events[i].file == file && (events[i].kind == WRITE || events[i].kind == TRUNCATE))
            order[k++] = i;
    bool shuffled = next(seed) % 2;
    for (size_t i = k; shuffled && i > 1; i--) {
        size_t j = next(seed) % i, t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
    for (size_t i = 0; i < k; i++)
        apply_some(c, &events[order[i]], seed);
    free(order);
}

static void sync_file(struct content *c, int file, size_t at)
{
    for (size_t i = c->since; i < at; i++)
        if (events[i].file == file)
            apply(c, &events[i]);
    c->since = at;
}

static void write_file(const char *folder, const char *name, const struct content *c)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(c->bytes ? c->bytes : (unsigned char *)"", 1, c->n, f) != c->n ||
        fclose(f))
        abort();
}

int disk_cut(size_t n, unsigned seed, const char *to)
{
    struct content c[FILES_MAX] = {{0}}, gone[FILES_MAX] = {{0}};
    int mark = 0;
    for (size_t i = 0; i < n; i++) {
        const struct event *v = &events[i];
        struct content *x = &c[v->file];
        switch (v->kind) {
        case MARK:
            mark = v->mark;
            break;
        case MAKE:
            *x = (struct content){.there = true, .since = i + 1};
            break;
        case SYNC:
            sync_file(x, v->file, i);
            break;
        case REMOVE: // it may come back as it was, until the folder is synced
            sync_file(x, v->file, i);
            free(gone[v->file].bytes);
            gone[v->file] = *x;
            *x = (struct content){0};
            break;
        default:
            break;
        }
        for (int f = 0; f < n_names && v->sync_folder; f++) {
            c[f].named = c[f].there;
            free(gone[f].bytes);
            gone[f] = (struct content){0};
        }
    }
    for (int f = 0; f < n_names; f++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", to, names[f]);
        unlink(path);
        if (c[f].there)
            apply_waiting(&c[f], f, n, &seed);
        if (c[f].there && (c[f].named || next(&seed) % 2))
            write_file(to, names[f], &c[f]);
        else if (!c[f].there && gone[f].there && next(&seed) % 2)
            write_file(to, names[f], &gone[f]);
        free(c[f].bytes);
        free(gone[f].bytes);
    }
    return mark;
}
