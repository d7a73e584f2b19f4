// SPDX-License-Identifier: MIT
#include "eval/json.h"
#include "eval/measures.h"
#include "eval/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const struct measure *m, const cJSON *qa, const cJSON *qb, double *d,
                   struct err *e)
{
    double sum_a = 0, sum_b = 0, va, vb, low, high;
    size_t n = 0;
    const cJSON *a, *b;
    cJSON_ArrayForEach(a, qa)
    {
        b = run_find(qb, json_string(a, "id"));
        if (!b || !measure_of(m, a, &va) || !measure_of(m, b, &vb))
            continue;
        sum_a += va;
        sum_b += vb;
        d[n++] = vb - va;
    }
    if (!n)
        return 0;
    if (bootstrap_interval(d, n, &low, &high))
        return err_nomem(e);
    double k = (double)n;
    printf("%-36s %6.3f %6.3f  %+.3f  [%+.3f, %+.3f]%s  of %zu\n", m->name, sum_a / k,
           sum_b / k, (sum_b - sum_a) / k, low, high, low > 0 || high < 0 ? " *" : "  ", n);
    return 0;
}

int diff_print(const cJSON *a, const cJSON *b, struct err *e)
{
    const cJSON *qa = json_item(a, "questions"), *qb = json_item(b, "questions"), *r;
    size_t common = 0;
    cJSON_ArrayForEach(r, qa)
    {
        common += run_find(qb, json_string(r, "id")) != NULL;
    }
    double *d = malloc((common + 1) * sizeof *d);
    if (!common || !d) {
        free(d);
        return d ? err_set(e, -EINVAL, "the two runs have no question in common")
                 : err_nomem(e);
    }
    printf("%-36s %6s %6s  %s\n", "", "A", "B", "B - A, 95 % interval (* excludes zero)");
    int rc = 0;
    for (size_t i = 0; i < n_measures && !rc; i++)
        rc = compare(&measures[i], qa, qb, d, e);
    free(d);
    return rc;
}
