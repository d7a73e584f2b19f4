// SPDX-License-Identifier: MIT
#include "tests/tools/failing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct failing failing;

bool failing_next(void)
{
    unsigned at = failing.at;
    if (!at)
        return false;
    unsigned n = ++failing.calls;
    bool now = failing.on ? n >= at : n == at;
    if (now)
        failing.failed = true;
    return now;
}

#define WRAP(type, name, params, args)        \
    type __real_##name params;                \
    type __wrap_##name params;                \
    type __wrap_##name params                 \
    {                                         \
        if (failing.ours && failing_next()) { \
            errno = ENOMEM;                   \
            return NULL;                      \
        }                                     \
        return __real_##name args;            \
    }
WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))

bool failing_try(failing_fn *run, unsigned at, bool on, bool ours, int *outcome)
{
    struct err e = {0};
    failing.at = 0;
    failing.calls = 0;
    failing.failed = false;
    failing.on = on;
    failing.ours = ours;
    failing.at = at;
    int rc = run(&e);
    failing.at = 0;
    if (rc && (rc != -ENOMEM || !*e.msg || !failing.failed)) {
        print_error("allocation %u %s%s: %d %s\n", at,
                    failing.failed ? "fails" : "does not fail", on ? " and on" : "", rc, e.msg);
        fail();
    }
    if (outcome)
        *outcome = rc;
    return failing.failed;
}

void failing_all(failing_fn *run, const char *what, unsigned by)
{
    unsigned tried = 0, refused = 0;
    bool more = true;
    for (unsigned at = 1; more; at += by) {
        more = false;
        for (int on = 0; on < 2; on++, tried++) {
            int rc;
            more |= failing_try(run, at, on, true, &rc);
            refused += rc != 0;
        }
    }
    print_message("# %s: %u runs, %u failed with a sentence, the others as if nothing had"
                  " been\n",
                  what, tried, refused);
}
