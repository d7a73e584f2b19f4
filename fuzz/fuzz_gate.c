// SPDX-License-Identifier: MIT
// An answer of any bytes, cut into pieces in any way (the first eight bytes are the cuts): what
// leaves the gate is what leaves it when the whole is fed at once, and looking at the whole
// agrees.
#include "fuzz/target.h"

#include "base/buf.h"
#include "safety/safety.h"

#include <string.h>

static const char more[] = "[email]\nenabled = yes\n[us-ssn]\nenabled = yes\n"
                           "[codename]\ncategory = internal\nstages = answer\naction = redact\n"
                           "words = heron project, heron\n"
                           "[abuse-zh-learned]\nenabled = yes\n";

static safety *rules(void)
{
    static safety *s;
    struct err e;
    const struct safety_options o = {.extra =
                                         fuzz_file((const uint8_t *)more, sizeof more - 1)};
    if (!s)
        FUZZ_CHECK(!safety_open(&o, &s, &e));
    return s;
}

static int collect(void *ctx, const char *s, size_t n)
{
    return buf_add(ctx, s, n);
}

static const char *const sources[] = {"see https://ok.example/page or write to ops@ok.example"};
static const struct safety_text answer = {
    .stage = SAFETY_ANSWER, .sources = sources, .n_sources = 1};

// What comes out, what closed it and how far it came; returns whether something did.
static bool run(const char *s, size_t n, uint64_t cuts, struct buf *out)
{
    safety_gate *g;
    struct err e = {0};
    const struct safety_gate_options o = {.text = answer, .write = collect, .ctx = out};
    FUZZ_CHECK(!safety_gate_new(rules(), &o, &g, &e));
    for (size_t i = 0, k; i < n; i += k) {
        k = cuts ? cuts % 9 + (cuts & 64 ? 20 : 0) : n;
        cuts = cuts ? (cuts >> 3 | cuts << 61) + 1 : 0;
        k = k > n - i ? n - i : k ? k : 1;
        FUZZ_CHECK(safety_gate_feed(g, s + i, k, &e) >= 0);
    }
    int rc = safety_gate_finish(g, &e);
    const struct safety_finding *f = safety_gate_finding(g);
    FUZZ_CHECK(rc >= 0 && (rc == 1) == (f != NULL));
    FUZZ_CHECK(!buf_addf(out, "|%s|%zu", f ? f->rule : "", safety_gate_passed(g)));
    safety_gate_free(g);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT, cut = BUF_INIT;
    struct err e;
    uint64_t cuts;
    if (size < sizeof cuts)
        return 0;
    memcpy(&cuts, data, sizeof cuts);
    const char *s = (const char *)data + sizeof cuts;
    size_t n = size - sizeof cuts;
    bool closed = run(s, n, 0, &whole);
    FUZZ_CHECK(run(s, n, cuts | 1, &cut) == closed);
    FUZZ_CHECK(whole.len == cut.len && !memcmp(whole.data, cut.data, whole.len));
    int rc = safety_scan(rules(), &answer, s, n, NULL, NULL, &e);
    // What is redacted is not there any more to be withheld.
    FUZZ_CHECK(rc >= 0 && (memmem(whole.data, whole.len, SAFETY_MARK, strlen(SAFETY_MARK)) ||
                           !(rc & SAFETY_WITHHELD) == !closed));
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
