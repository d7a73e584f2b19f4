// SPDX-License-Identifier: MIT
// What a document that has taken over its reader may say to askd-ingest: any bytes. They are no
// doc, or one whose every place is within its text.
#include "fuzz/target.h"

#include "base/utf8.h"
#include "ingest/pack.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2], outcome;
    struct doc d;
    struct err e = {0};
    if (size > 100000) // as much as a socket surely holds
        return 0;
    FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    FUZZ_CHECK(!pack_write(pair[0], data, size));
    close(pair[0]);
    int rc = pack_receive(pair[1], "text", &d, &outcome, &e);
    FUZZ_CHECK(!rc || ((rc == -EPIPE || rc == -EBADMSG || rc == -ENOMEM) && *e.msg));
    FUZZ_CHECK(rc || outcome <= 0);
    if (!rc && !outcome) {
        FUZZ_CHECK(utf8_valid(d.text.data, d.text.len) && !d.text.data[d.text.len]);
        for (size_t i = 0; i < d.n_blocks; i++) {
            FUZZ_CHECK(d.blocks[i].off < d.text.len && d.blocks[i].len <= d.text.len);
            FUZZ_CHECK(utf8_valid(d.text.data + d.blocks[i].off, d.blocks[i].len));
            (void)doc_line_at(&d, d.blocks[i].off);
        }
    }
    doc_free(&d);
    close(pair[1]);
    return 0;
}
