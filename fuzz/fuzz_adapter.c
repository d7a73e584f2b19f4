// SPDX-License-Identifier: MIT
// A GGUF file of any bytes as a reader (an adapter with a head) of a small embedder: refused by
// a sentence, or it reads. ASKD_FUZZ_EMBEDDER names the embedder: make_tiny_model xlmr FILE.
#include "fuzz/target.h"

#include "embedder/embedder.h"
#include "embedder/reader.h"

#include <stdlib.h>
#include <string.h>

static embedder *model(void)
{
    static embedder *m;
    static struct team *team;
    struct err e;
    const char *path = getenv("ASKD_FUZZ_EMBEDDER");
    if (m)
        return m;
    FUZZ_CHECK(path && !team_new(1, &team, &e) && !embedder_open(path, team, &m, &e));
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char question[] = "Who may do that?",
                      passage[] = "Only root may do it, he says.";
    const struct reader_text text = {"At", 2, passage, sizeof passage - 1};
    struct reading out;
    struct err e = {0};
    reader *r = NULL;
    int rc = reader_open(model(), fuzz_file(data, size), &r, &e);
    FUZZ_CHECK(!rc == (r != NULL) && (!rc || *e.msg));
    if (rc)
        return 0;
    arena *a = arena_new(0);
    FUZZ_CHECK(a);
    rc = reader_read(r, TEAM_INTERACTIVE, question, sizeof question - 1, &text, 1, a, &out,
                     NULL, &e);
    FUZZ_CHECK(!rc || *e.msg);
    for (size_t i = 0; i < out.n && !rc; i++)
        FUZZ_CHECK(out.tokens[i].start <= out.tokens[i].end &&
                   out.tokens[i].end <= sizeof passage - 1);
    arena_free(a);
    reader_close(r);
    return 0;
}
