// SPDX-License-Identifier: MIT
#define PCRE2_CODE_UNIT_WIDTH 8
#include "eval/draft.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_LIMIT 200000

struct pattern {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

int pattern_new(const char *source, pattern **out, struct err *e)
{
    int code;
    size_t at;
    pattern *p = *out = calloc(1, sizeof *p);
    if (!p)
        return err_nomem(e);
    p->code = pcre2_compile((PCRE2_SPTR)source, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                            &code, &at, NULL);
    p->match = p->code ? pcre2_match_data_create_from_pattern(p->code, NULL) : NULL;
    p->limits = pcre2_match_context_create(NULL);
    if (!p->match || !p->limits) {
        bool refused = !p->code;
        pattern_free(p);
        *out = NULL;
        return refused ? err_set(e, -EINVAL, "pattern %.60s: error %d at %zu", source, code, at)
                       : err_nomem(e);
    }
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    return 0;
}

void pattern_free(pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->limits);
    free(p);
}

bool pattern_find(pattern *p, const char *s, size_t n, size_t *pos, struct span *groups,
                  size_t n_groups)
{
    int k = *pos <= n ? pcre2_match(p->code, (PCRE2_SPTR)s, n, *pos, 0, p->match, p->limits)
                      : PCRE2_ERROR_NOMATCH;
    if (k < 1)
        return false;
    const size_t *o = pcre2_get_ovector_pointer(p->match);
    for (size_t i = 0; i < n_groups; i++) {
        bool set = i < (size_t)k && o[2 * i] != PCRE2_UNSET;
        groups[i] =
            set ? (struct span){s + o[2 * i], o[2 * i + 1] - o[2 * i]} : (struct span){NULL, 0};
    }
    *pos = o[1] > o[0] ? o[1] : o[1] + 1;
    return true;
}

bool pattern_in(pattern *p, const char *s, size_t n)
{
    size_t pos = 0;
    return pattern_find(p, s, n, &pos, NULL, 0);
}
