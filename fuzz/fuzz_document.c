// SPDX-License-Identifier: MIT
// A document of any bytes in each format (the first byte says which; as PDF: what pdftotext
// says): it is refused by a sentence, or becomes a doc as doc.h promises it, which the
// receiving end takes, and passages as chunk.h promises them.
#include "fuzz/target.h"

#include "base/utf8.h"
#include "ingest/chunk.h"
#include "ingest/clean.h"
#include "ingest/extract.h"
#include "ingest/pack.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_ROOM 100000 // bytes that a socket surely holds

static void check_doc(const struct doc *d)
{
    size_t end = 0;
    FUZZ_CHECK(utf8_valid(d->text.data, d->text.len));
    for (size_t i = 0; i < d->text.len; i++) {
        unsigned char c = (unsigned char)d->text.data[i];
        FUZZ_CHECK((c >= 0x20 || c == '\n' || c == '\t') && c != 0x7F);
    }
    for (size_t i = 0; i < d->n_blocks; i++) {
        const struct block *b = &d->blocks[i];
        FUZZ_CHECK(b->len && b->off >= end && b->off + b->len <= d->text.len);
        FUZZ_CHECK(utf8_valid(d->text.data + b->off, b->len));
        end = b->off + b->len;
    }
}

static void check_travel(const struct doc *d)
{
    int pair[2], outcome;
    struct doc got;
    struct err e = {0};
    if (d->text.len + d->title.len + d->n_blocks * sizeof *d->blocks +
            d->n_marks * sizeof *d->marks >
        SOCKET_ROOM)
        return;
    FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    FUZZ_CHECK(!pack_send(pair[0], 0, d, &e));
    FUZZ_CHECK(!pack_receive(pair[1], d->type, &got, &outcome, &e) && !outcome);
    FUZZ_CHECK(got.text.len == d->text.len && got.n_blocks == d->n_blocks);
    doc_free(&got);
    close(pair[0]);
    close(pair[1]);
}

static void check_passages(struct doc *d, arena *a)
{
    struct store_passage *out;
    struct err e;
    char hash[33];
    size_t n;
    bool *keep = arena_alloc(a, d->n_blocks + 1);
    FUZZ_CHECK(keep && !clean_text_hash(d, keep, hash));
    for (size_t i = 0; i < d->n_blocks; i++)
        keep[i] = !clean_poor(&d->blocks[i], d->text.data + d->blocks[i].off);
    doc_keep(d, keep);
    (void)clean_repetitive(d);
    FUZZ_CHECK(!chunk_doc(d, "title", a, &out, &n, &e));
    for (size_t i = 0; i < n; i++) {
        const char *s = out[i].text;
        FUZZ_CHECK(*s && utf8_valid(s, strlen(s)) &&
                   utf8_valid(out[i].words, strlen(out[i].words)));
        FUZZ_CHECK(out[i].line_first <= out[i].line_last);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf bytes = BUF_INIT;
    struct err e = {0};
    struct doc d;
    if (!size)
        return 0;
    FUZZ_CHECK(!buf_add(&bytes, data + 1, size - 1));
    int rc = extract_bytes((enum format)(data[0] % 4), &bytes, &d, &e);
    FUZZ_CHECK(!rc || (rc < 0 && e.code == rc && *e.msg));
    if (!rc) {
        arena *a = arena_new(0);
        FUZZ_CHECK(a);
        check_doc(&d);
        check_travel(&d);
        check_passages(&d, a);
        arena_free(a);
    }
    doc_free(&d);
    buf_free(&bytes);
    return 0;
}
