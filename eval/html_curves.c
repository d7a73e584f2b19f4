// SPDX-License-Identifier: MIT
#include "eval/html.h"

#include "eval/json.h"
#include "eval/measures.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// A plot's frame: (0,0) is its upper left corner, the y axis points down.
#define WIDTH 400.0
#define HEIGHT 220.0
#define BINS 10

static int open_plot(struct buf *b, const char *title, const char *across, const char *up)
{
    int rc = buf_addf(b,
                      "<figure><h3>%s</h3><svg viewBox=\"-60 -12 %g %g\" role=img "
                      "aria-label=\"%s\"><g class=grid>",
                      title, WIDTH + 76, HEIGHT + 56, title);
    for (int i = 0; i <= 4 && !rc; i++)
        rc = buf_addf(b, "<path d=\"M0 %gH%g\"/>", HEIGHT * i / 4, WIDTH);
    if (!rc)
        rc =
            buf_addf(b,
                     "</g><g class=label><text x=%g y=%g text-anchor=middle>%s</text><text "
                     "transform=\"translate(-46 %g) rotate(-90)\" text-anchor=middle>%s</text>",
                     WIDTH / 2, HEIGHT + 36, across, HEIGHT / 2, up);
    for (int i = 0; i <= 4 && !rc; i++)
        rc = buf_addf(b, "<text x=-6 y=%g text-anchor=end>%g</text>", HEIGHT * i / 4 + 4,
                      1 - i / 4.0);
    return rc ? rc : buf_adds(b, "</g>");
}

static int add_tick(struct buf *b, double x, const char *text)
{
    return buf_addf(b, "<text class=label x=%.1f y=%g text-anchor=middle>%s</text>", x,
                    HEIGHT + 16, text);
}

static int share_ticks(struct buf *b)
{
    static const char *const texts[] = {"0", "0.25", "0.5", "0.75", "1"};
    int rc = 0;
    for (int i = 0; i <= 4 && !rc; i++)
        rc = add_tick(b, WIDTH * i / 4, texts[i]);
    return rc;
}

static int close_plot(struct buf *b, const char *explain)
{
    return buf_addf(b, "</svg><figcaption>%s</figcaption></figure>", explain);
}

struct point {
    double confidence;
    bool wrong;
};

static int surest_first(const void *a, const void *b)
{
    double x = ((const struct point *)a)->confidence, y = ((const struct point *)b)->confidence;
    return (x < y) - (x > y);
}

// Questions that were answered or refused with a confidence and can be judged: right is an
// answer that holds an accepted one. The points are the caller's.
static int points_of(const cJSON *questions, struct point **out, size_t *n)
{
    const cJSON *r;
    struct point *p = malloc(((size_t)cJSON_GetArraySize(questions) + 1) * sizeof *p);
    *n = 0;
    *out = p;
    if (!p)
        return -ENOMEM;
    cJSON_ArrayForEach(r, questions)
    {
        bool answerable = json_true(r, "answerable");
        if (json_item(r, "confidence") &&
            (!answerable || cJSON_GetArraySize(json_item(r, "answers")) > 0))
            p[(*n)++] = (struct point){json_number(r, "confidence"),
                                       !answerable || !json_true(r, "holds")};
    }
    qsort(p, *n, sizeof *p, surest_first);
    return 0;
}

int html_risk(struct buf *b, const cJSON *questions)
{
    struct point *p;
    size_t n, wrong = 0;
    double area = 0;
    char text[200];
    int rc = points_of(questions, &p, &n);
    if (!rc && n > 1) {
        rc = open_plot(b, "Risk and coverage", "share answered, the surest first",
                       "share of them wrong");
        if (!rc)
            rc = share_ticks(b);
        if (!rc)
            rc = buf_adds(b, "<polyline class=line points=\"");
        for (size_t i = 0; i < n && !rc; i++) {
            wrong += p[i].wrong;
            double risk = (double)wrong / (double)(i + 1);
            area += risk / (double)n;
            rc = buf_addf(b, "%.1f,%.1f ", WIDTH * (double)(i + 1) / (double)n,
                          HEIGHT * (1 - risk));
        }
        snprintf(
            text, sizeof text,
            "Were only the surest questions answered, how many answers would be wrong? Area "
            "%.3f, %zu questions; refused ones count as wrong.",
            area, n);
        if (!rc)
            rc = buf_adds(b, "\"/>");
        if (!rc)
            rc = close_plot(b, text);
    }
    free(p);
    return rc;
}

int html_reliability(struct buf *b, const cJSON *questions)
{
    struct point *p;
    struct {
        double confidence, right;
        size_t n;
    } bins[BINS] = {0};
    size_t n;
    double error = 0;
    char text[200];
    int rc = points_of(questions, &p, &n);
    for (size_t i = 0; i < n && !rc; i++) {
        int k = (int)(p[i].confidence * BINS);
        k = k < 0 ? 0 : k < BINS ? k : BINS - 1;
        bins[k].confidence += p[i].confidence;
        bins[k].right += !p[i].wrong;
        bins[k].n++;
    }
    free(p);
    if (rc || n < 2)
        return rc;
    rc = open_plot(b, "Reliability", "confidence", "share right");
    if (!rc)
        rc = share_ticks(b);
    if (!rc)
        rc = buf_addf(b, "<path class=ideal d=\"M0 %gL%g 0\"/>", HEIGHT, WIDTH);
    if (!rc)
        rc = buf_adds(b, "<polyline class=line points=\"");
    for (int k = 0; k < BINS && !rc; k++)
        if (bins[k].n)
            rc = buf_addf(b, "%.1f,%.1f ", WIDTH * bins[k].confidence / (double)bins[k].n,
                          HEIGHT * (1 - bins[k].right / (double)bins[k].n));
    if (!rc)
        rc = buf_adds(b, "\"/>");
    for (int k = 0; k < BINS && !rc; k++) {
        if (!bins[k].n)
            continue;
        double size = (double)bins[k].n;
        error += fabs(bins[k].confidence - bins[k].right) / (double)n;
        rc = buf_addf(
            b,
            "<circle class=dot cx=%.1f cy=%.1f r=%.1f><title>%zu questions, confidence "
            "%.2f, right %.2f</title></circle>",
            WIDTH * bins[k].confidence / size, HEIGHT * (1 - bins[k].right / size),
            3 + 11 * sqrt(size / (double)n), bins[k].n, bins[k].confidence / size,
            bins[k].right / size);
    }
    snprintf(text, sizeof text,
             "Questions by their confidence, a dot's area their number; on the dashed line the "
             "confidence is the share of right answers. Mean distance %.3f.",
             error);
    return rc ? rc : close_plot(b, text);
}

// Ticks at 1, 2 or 5 times a power of ten, four or so of them up to `most`.
static int time_ticks(struct buf *b, double most)
{
    double step = pow(10, floor(log10(most / 4)));
    int rc = 0;
    while (most / step > 5)
        step *= most / step > 12.5 ? 5 : 2;
    for (double x = 0; x <= most * 1.0001 && !rc; x += step) {
        char text[32];
        snprintf(text, sizeof text, "%g", x);
        rc = add_tick(b, WIDTH * x / most, text);
    }
    return rc;
}

int html_latency(struct buf *b, const cJSON *questions)
{
    const cJSON *r;
    size_t n = 0;
    double *v = malloc(((size_t)cJSON_GetArraySize(questions) + 1) * sizeof *v);
    char text[200];
    if (!v)
        return -ENOMEM;
    cJSON_ArrayForEach(r, questions)
    {
        const cJSON *x = json_item(json_item(r, "timings_ms"), "total");
        if (cJSON_IsNumber(x) && json_is(r, "status", "answered"))
            v[n++] = x->valuedouble;
    }
    int rc = 0;
    if (n > 1) {
        qsort(v, n, sizeof *v, ascending);
        double most = v[n - 1] > 0 ? v[n - 1] : 1;
        rc = open_plot(b, "Time to the whole answer", "milliseconds", "share of answers");
        if (!rc)
            rc = time_ticks(b, most);
        if (!rc)
            rc = buf_addf(b, "<polyline class=line points=\"0,%g ", HEIGHT);
        for (size_t i = 0; i < n && !rc; i++)
            rc = buf_addf(b, "%.1f,%.1f ", WIDTH * v[i] / most,
                          HEIGHT * (1 - (double)(i + 1) / (double)n));
        snprintf(text, sizeof text,
                 "Half within %.3g ms, 95 %% within %.3g ms, all %zu within %.3g ms.",
                 v[(n - 1) / 2], v[(size_t)(0.95 * (double)(n - 1))], n, v[n - 1]);
        if (!rc)
            rc = buf_adds(b, "\"/>");
        if (!rc)
            rc = close_plot(b, text);
    }
    free(v);
    return rc;
}
