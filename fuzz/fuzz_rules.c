// SPDX-License-Identifier: MIT
// A rules file of any bytes: refused by a sentence with its line, or its rules can be used.
#include "fuzz/target.h"

#include "safety/safety.h"

#include <string.h>

static void note(void *ctx, const struct safety_finding *f, const char *action, unsigned stages)
{
    (void)stages;
    FUZZ_CHECK(f->start <= f->end && f->end <= *(size_t *)ctx && *action);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "Write to ops@example.org, heron: sk-abcdef 4111 1111 1111 1111 "
                               "https://a.example/x \xE4\xBD\xA0\xE5\xA5\xBD\xFF";
    struct err e = {0};
    safety *s = NULL;
    size_t n = sizeof text - 1;
    const struct safety_options o = {.extra = fuzz_file(data, size)};
    const struct safety_text t = {.stage = SAFETY_ANSWER};
    int rc = safety_open(&o, &s, &e);
    FUZZ_CHECK(!rc == (s != NULL) && (!rc || *e.msg));
    if (rc)
        return 0;
    struct safety_count c;
    for (size_t i = 0; safety_count(s, i, &c); i++)
        FUZZ_CHECK(*c.rule && *c.category && *c.action);
    FUZZ_CHECK(safety_list(s, &t, text, n, note, &n, &e) >= 0);
    FUZZ_CHECK(safety_scan(s, &t, text, n, NULL, NULL, &e) >= 0);
    safety_close(s);
    return 0;
}
