// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Open a regular file without being caught by a FIFO or device.
static int open_regular(const char *path, struct stat *st, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(fd, st) < 0) {
        int rc = err_set(e, -errno, "%s: cannot stat: %s", path, strerror(errno));
        close(fd);
        return rc;
    }
    if (!S_ISREG(st->st_mode)) {
        close(fd);
        return err_set(e, -EINVAL, "%s: not a regular file", path);
    }
    return fd;
}

int file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    struct stat st;
    int fd = open_regular(path, &st, e);
    if (fd < 0)
        return fd;
    size_t start = out->len;
    int rc = 0;
    for (;;) {
        size_t have = out->len - start;
        if (have > max) {
            rc = err_set(e, -EFBIG, "%s: larger than the limit of %zu bytes", path, max);
            break;
        }
        size_t room = have < (size_t)st.st_size ? (size_t)st.st_size - have + 1 : 4096;
        if (room > max - have + 1)
            room = max - have + 1;
        if (buf_reserve(out, room)) {
            rc = err_nomem(e);
            break;
        }
        ssize_t n = read(fd, out->data + out->len, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = err_set(e, -errno, "%s: cannot read: %s", path, strerror(errno));
            break;
        }
        if (n == 0)
            break;
        out->len += (size_t)n;
        out->data[out->len] = 0;
    }
    close(fd);
    if (rc)
        buf_truncate(out, start);
    return rc;
}

int file_map_open(const char *path, struct file_map *m, struct err *e)
{
    struct stat st;
    *m = (struct file_map){0};
    int fd = open_regular(path, &st, e);
    if (fd < 0)
        return fd;
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            int rc = err_set(e, -errno, "%s: cannot map: %s", path, strerror(errno));
            close(fd);
            return rc;
        }
        m->data = p;
        m->size = (size_t)st.st_size;
    }
    close(fd);
    return 0;
}

void file_map_close(struct file_map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->size);
    *m = (struct file_map){0};
}

enum { PUBLIC = 0666, PRIVATE = 0600 }; // before the umask

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -errno;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

void file_parent(const char *path, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s", path);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, PATH_MAX, ".");
    else
        slash[slash == out] = 0;
}

static int sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static int sync_parent(const char *path)
{
    char dir[PATH_MAX];
    file_parent(path, dir);
    return sync_path(dir);
}

int file_sync(const char *path, struct err *e)
{
    int rc = sync_path(path);
    return rc ? err_set(e, rc, "%s: cannot sync: %s", path, strerror(-rc)) : 0;
}

static int write_parts(const char *path, mode_t mode, const struct file_part *parts, size_t n,
                       struct err *e)
{
    char tmp[PATH_MAX];
    if (snprintf(tmp, sizeof tmp, "%s.tmp", path) >= (int)sizeof tmp)
        return err_set(e, -ENAMETOOLONG, "%s: path too long", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return err_set(e, -errno, "%s: cannot create: %s", tmp, strerror(errno));
    // One that was left behind may be for others to read.
    int rc = mode == PRIVATE && fchmod(fd, mode) < 0 ? -errno : 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = write_all(fd, parts[i].p, parts[i].n);
    if (!rc && fsync(fd) < 0)
        rc = -errno;
    if (close(fd) < 0 && !rc)
        rc = -errno;
    if (!rc && rename(tmp, path) < 0)
        rc = -errno;
    if (!rc)
        rc = sync_parent(path);
    if (rc) {
        unlink(tmp);
        return err_set(e, rc, "%s: cannot write: %s", path, strerror(-rc));
    }
    return 0;
}

int file_write_atomic(const char *path, const void *p, size_t n, struct err *e)
{
    return write_parts(path, PUBLIC, &(struct file_part){p, n}, 1, e);
}

int file_write_parts_atomic(const char *path, const struct file_part *parts, size_t n,
                            struct err *e)
{
    return write_parts(path, PUBLIC, parts, n, e);
}

int file_write_private(const char *path, const void *p, size_t n, struct err *e)
{
    return write_parts(path, PRIVATE, &(struct file_part){p, n}, 1, e);
}

int file_mkdirs(const char *path, unsigned mode, struct err *e)
{
    char p[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof p)
        return err_set(e, -ENAMETOOLONG, "'%s': not a usable folder path", path);
    memcpy(p, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (p[i] != '/' && p[i] != 0)
            continue;
        char c = p[i];
        p[i] = 0;
        int rc = mkdir(p, (mode_t)mode) < 0 ? -errno : sync_parent(p);
        if (rc && rc != -EEXIST)
            return err_set(e, rc, "%s: cannot create folder: %s", p, strerror(-rc));
        p[i] = c;
    }
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, -ENOTDIR, "%s: not a folder", path);
    return 0;
}
