// SPDX-License-Identifier: MIT
// Both ends are the same program on the same machine: blocks and marks travel as they are.
#include "ingest/pack.h"

#include "base/utf8.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct header {
    struct err outcome; // code 0: a doc follows
    size_t title, text; // bytes
    size_t blocks, marks;
};

int pack_write(int fd, const void *p, size_t n)
{
    for (const char *s = p; n;) {
        ssize_t put = send(fd, s, n, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR)
            return -errno;
        s += put > 0 ? put : 0;
        n -= put > 0 ? (size_t)put : 0;
    }
    return 0;
}

int pack_read(int fd, void *p, size_t n)
{
    for (char *s = p; n;) {
        ssize_t got = recv(fd, s, n, MSG_WAITALL);
        if (!got || (got < 0 && errno == ECONNRESET))
            return -EPIPE;
        if (got < 0 && errno != EINTR)
            return -errno;
        s += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return 0;
}

int pack_send(int fd, int rc, const struct doc *d, const struct err *e)
{
    struct header h = {.outcome = *e};
    h.outcome.code = rc;
    if (rc)
        return pack_write(fd, &h, sizeof h);
    h.title = d->title.len;
    h.text = d->text.len;
    h.blocks = d->n_blocks;
    h.marks = d->n_marks;
    int failed = pack_write(fd, &h, sizeof h);
    if (!failed)
        failed = pack_write(fd, d->title.data, h.title);
    if (!failed)
        failed = pack_write(fd, d->text.data, h.text);
    if (!failed)
        failed = pack_write(fd, d->blocks, h.blocks * sizeof *d->blocks);
    return failed ? failed : pack_write(fd, d->marks, h.marks * sizeof *d->marks);
}

static int nonsense(struct err *e)
{
    return err_set(e, -EBADMSG, "what was read of it makes no sense");
}

static int read_buf(int fd, size_t n, struct buf *out)
{
    int rc = buf_reserve(out, n);
    if (!rc)
        rc = pack_read(fd, out->data, n);
    if (rc)
        return rc;
    out->len = n;
    out->data[n] = 0;
    return 0;
}

static int read_list(int fd, size_t n, size_t size, void *out, size_t *count, size_t *cap)
{
    void *list = n ? reallocarray(NULL, n, size) : NULL;
    if (n && !list)
        return -ENOMEM;
    *(void **)out = list;
    *count = *cap = n;
    return pack_read(fd, list, n * size);
}

// As doc.h promises it.
static bool is_text(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++) {
        unsigned char c = (unsigned char)b->data[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F ||
            (c == 0xC2 && (unsigned char)b->data[i + 1] < 0xA0))
            return false;
    }
    return utf8_valid(b->data, b->len);
}

static bool starts_character(const struct buf *b, size_t off)
{
    return off == b->len || ((unsigned char)b->data[off] & 0xC0) != 0x80;
}

static bool whole(const struct doc *d)
{
    size_t end = 0;
    for (size_t i = 0; i < d->n_blocks; i++) {
        const struct block *b = &d->blocks[i];
        if ((unsigned)b->kind > BLOCK_ROW || b->level < 0 || b->page < 0 || b->off < end ||
            !b->len || b->off > d->text.len || b->len > d->text.len - b->off ||
            !starts_character(&d->text, b->off) || !starts_character(&d->text, b->off + b->len))
            return false;
        end = b->off + b->len;
    }
    for (size_t i = 0; i < d->n_marks; i++)
        if (d->marks[i].line < 0 || d->marks[i].off > d->text.len ||
            (i && d->marks[i].off <= d->marks[i - 1].off))
            return false;
    return is_text(&d->text);
}

int pack_receive(int fd, const char *type, struct doc *d, int *outcome, struct err *e)
{
    struct header h;
    doc_init(d, type);
    *outcome = 0;
    int rc = pack_read(fd, &h, sizeof h);
    if (rc)
        return err_set(e, rc, "it was not read to its end");
    if (h.outcome.code) {
        h.outcome.msg[ERR_MSG_MAX - 1] = 0;
        if (h.outcome.code > 0 || h.outcome.code < -4095 || !*h.outcome.msg)
            return nonsense(e);
        *outcome = err_set(e, h.outcome.code, "%s", h.outcome.msg);
        return 0;
    }
    // No block and no mark is without text.
    if (h.title > DOC_TEXT_MAX || h.text > DOC_TEXT_MAX || h.blocks > h.text ||
        h.marks > h.text + 1)
        return nonsense(e);
    rc = read_buf(fd, h.title, &d->title);
    if (!rc)
        rc = read_buf(fd, h.text, &d->text);
    if (!rc)
        rc = read_list(fd, h.blocks, sizeof *d->blocks, &d->blocks, &d->n_blocks,
                       &d->cap_blocks);
    if (!rc)
        rc = read_list(fd, h.marks, sizeof *d->marks, &d->marks, &d->n_marks, &d->cap_marks);
    if (rc)
        return rc == -ENOMEM ? err_nomem(e) : err_set(e, rc, "it was not read to its end");
    return whole(d) ? 0 : nonsense(e);
}
