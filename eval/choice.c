// SPDX-License-Identifier: MIT
#include "eval/choice.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "eval/json.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define Z95 1.959963984540054

void wilson(size_t right, size_t n, double *low, double *high)
{
    double k = (double)n, p = (double)right / k, z2 = Z95 * Z95;
    double middle = (p + z2 / (2 * k)) / (1 + z2 / k);
    double half = Z95 / (1 + z2 / k) * sqrt(p * (1 - p) / k + z2 / (4 * k * k));
    *low = right ? fmax(middle - half, 0) : 0;
    *high = right < n ? fmin(middle + half, 1) : 1;
}

static int add_intro(struct buf *b, const struct choice_question *q, const char *what)
{
    if (!*q->subject)
        return 0;
    int rc = buf_addf(b, "The following are %s about ", what);
    for (const char *s = q->subject; *s && !rc; s++)
        rc = buf_addc(b, (char)(*s == '_' ? ' ' : *s));
    return rc ? rc : buf_adds(b, ".\n\n");
}

static int add_lettered(struct buf *b, const struct choice_question *q)
{
    int rc = buf_adds(b, q->text);
    for (size_t i = 0; i < q->n_choices && !rc; i++)
        rc = buf_addf(b, "\n%c. %s", (char)('A' + i), q->choices[i]);
    return rc ? rc : buf_adds(b, "\nAnswer:");
}

// The prompt with at most `shots` examples of the question's subject or of none; *used tells
// how many.
static int lettered_prompt(const struct choice_set *s, const struct choice_question *q,
                           size_t shots, struct buf *b, size_t *used)
{
    buf_clear(b);
    *used = 0;
    int rc = add_intro(b, q, "multiple choice questions (with answers)");
    for (size_t i = 0; i < s->n_examples && *used < shots && !rc; i++) {
        const struct choice_question *x = &s->examples[i];
        if (*x->subject && strcmp(x->subject, q->subject) != 0)
            continue;
        rc = add_lettered(b, x);
        if (!rc)
            rc = buf_addf(b, " %c\n\n", (char)('A' + x->answer));
        ++*used;
    }
    return rc ? rc : add_lettered(b, q);
}

// The likeliest of the continuations; by_length: for each of their characters.
static int likeliest(llm *m, const char *prompt, const char *const *choices, size_t n,
                     bool by_length, size_t *best, struct err *e)
{
    struct buf b = BUF_INIT;
    double most = -INFINITY;
    int rc = 0;
    *best = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        double sum = 0;
        uint32_t tokens;
        char letter[2] = {(char)('A' + i), 0};
        const char *choice = by_length ? choices[i] : letter;
        size_t characters = by_length ? utf8_count(choice, strlen(choice)) : 1;
        buf_clear(&b);
        rc = buf_addf(&b, " %s", choice)
                 ? err_nomem(e)
                 : llm_score_text(m, prompt, b.data, &sum, &tokens, NULL, e);
        sum /= (double)(characters ? characters : 1);
        if (!rc && sum > most) {
            most = sum;
            *best = i;
        }
    }
    buf_free(&b);
    return rc;
}

static int ask_cloze(llm *m, const struct choice_question *q, size_t *said, struct err *e)
{
    struct buf prompt = BUF_INIT;
    int rc = add_intro(&prompt, q, "questions") ||
                     buf_addf(&prompt, "Question: %s\nAnswer:", q->text)
                 ? err_nomem(e)
                 : likeliest(m, prompt.data, q->choices, q->n_choices, true, said, e);
    buf_free(&prompt);
    return rc;
}

static int ask_letters(llm *m, const struct choice_set *s, const struct choice_question *q,
                       size_t *said, size_t *shots, struct err *e)
{
    struct buf prompt = BUF_INIT;
    size_t want = CHOICE_SHOTS;
    int rc;
    do { // a long prompt does without an example
        rc = lettered_prompt(s, q, want, &prompt, shots)
                 ? err_nomem(e)
                 : likeliest(m, prompt.data, NULL, q->n_choices, false, said, e);
        want = *shots ? *shots - 1 : 0;
    } while (rc == -E2BIG && *shots);
    buf_free(&prompt);
    return rc;
}

static cJSON *share(size_t right, size_t n)
{
    double low, high;
    cJSON *o = cJSON_CreateObject();
    wilson(right, n, &low, &high);
    cJSON_AddNumberToObject(o, "right", (double)right);
    cJSON_AddNumberToObject(o, "n", (double)n);
    cJSON_AddNumberToObject(o, "accuracy", (double)right / (double)n);
    cJSON_AddNumberToObject(o, "low", low);
    cJSON_AddNumberToObject(o, "high", high);
    return o;
}

int choice_run(llm *m, const struct choice_set *s, void (*progress)(size_t done, size_t n),
               cJSON **out, struct err *e)
{
    cJSON *list = cJSON_CreateArray();
    size_t right[2] = {0}, most_shots = 0;
    int rc = list ? 0 : err_nomem(e);
    *out = NULL;
    for (size_t i = 0; i < s->n && !rc; i++) {
        const struct choice_question *q = &s->q[i];
        size_t cloze = 0, letter = 0, shots = 0;
        rc = ask_cloze(m, q, &cloze, e);
        if (!rc)
            rc = ask_letters(m, s, q, &letter, &shots, e);
        if (rc) {
            err_prefix(e, "question %zu", i + 1);
            break;
        }
        right[0] += cloze == q->answer;
        right[1] += letter == q->answer;
        most_shots = shots > most_shots ? shots : most_shots;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "subject", q->subject);
        cJSON_AddNumberToObject(o, "answer", (double)q->answer);
        cJSON_AddNumberToObject(o, "cloze", (double)cloze);
        cJSON_AddNumberToObject(o, "letters", (double)letter);
        cJSON_AddItemToArray(list, o);
        if (progress)
            progress(i + 1, s->n);
    }
    if (rc) {
        cJSON_Delete(list);
        return rc;
    }
    *out = cJSON_CreateObject();
    cJSON *letters = share(right[1], s->n);
    cJSON_AddItemToObject(*out, "cloze", share(right[0], s->n));
    cJSON_AddNumberToObject(letters, "shots", (double)most_shots);
    cJSON_AddItemToObject(*out, "letters", letters);
    cJSON_AddItemToObject(*out, "questions", list);
    return 0;
}
