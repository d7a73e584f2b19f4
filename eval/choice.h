// SPDX-License-Identifier: MIT
// Multiple choice, as MMLU (Hendrycks et al. 2021) asks it: what a decoder itself thinks the
// likeliest of the choices. A check of engine and quantisation against published figures, not
// of answers from documents.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "llm/llm.h"

#include <cJSON.h>

#include <stddef.h>

#define CHOICES_MAX 26
#define CHOICE_SHOTS 5

struct choice_question {
    const char *subject; // "" where none is named
    const char *text;
    const char **choices;
    size_t n_choices, answer; // index of the right one
};

struct choice_set {
    struct choice_question *q;
    size_t n;
    struct choice_question *examples; // solved ones, shown before a question of their subject
    size_t n_examples;
};

// Read SET: JSON lines {"question", "choices": [...], "answer": index or letter, "subject"}; a
// CSV of MMLU's layout (question, choices, letter; a heading is skipped); or a folder with
// test/SUBJECT_test.csv and dev/SUBJECT_dev.csv. `examples` is such a file, or NULL: those of
// dev/. Lives in `a`. -EINVAL names file and line.
int choice_read(const char *path, const char *examples, arena *a, struct choice_set *out,
                struct err *e);

// Ask every question in both ways; *out is the caller's:
//   {"cloze": {"right", "n", "accuracy", "low", "high"}, "letters": the same and "shots",
//    "questions": [{"subject", "answer", "cloze", "letters"}...]}
// cloze: without examples; the choice whose log-probability behind the question is largest for
// each of its characters. letters: behind five solved examples of the subject, fewer where they
// do not fit; the letter that is likeliest. The interval is Wilson's, 95 %.
int choice_run(llm *m, const struct choice_set *s, void (*progress)(size_t done, size_t n),
               cJSON **out, struct err *e);

// Wilson's 95 % interval of a share: right of n, n > 0.
void wilson(size_t right, size_t n, double *low, double *high);
