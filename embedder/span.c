// SPDX-License-Identifier: MIT
// The best span: for each end the best start among the tokens before it, which are kept in a
// queue whose logits descend (the sliding maximum).
#include "embedder/reader.h"

bool reader_span(const struct reading *r, size_t from, size_t to, size_t max_tokens,
                 struct reader_span *out)
{
    size_t queue[READER_SPAN_TOKENS_MAX], head = 0, tail = 0; // modulo its size
    size_t most = max_tokens ? max_tokens : READER_SPAN_TOKENS;
    double best = 0;
    bool found = false;
    most = most < READER_SPAN_TOKENS_MAX ? most : READER_SPAN_TOKENS_MAX;
    for (size_t i = 0; i < r->n && r->tokens[i].end <= to; i++) {
        const struct reader_token *t = &r->tokens[i];
        if (t->start < from || t->start == t->end)
            continue;
        while (head < tail && i - queue[head % READER_SPAN_TOKENS_MAX] >= most)
            head++;
        while (head < tail &&
               r->tokens[queue[(tail - 1) % READER_SPAN_TOKENS_MAX]].start_logit <
                   t->start_logit)
            tail--;
        queue[tail++ % READER_SPAN_TOKENS_MAX] = i;
        const struct reader_token *s = &r->tokens[queue[head % READER_SPAN_TOKENS_MAX]];
        double sum = (double)s->start_logit + (double)t->end_logit;
        if (found && !(sum > best))
            continue;
        found = true;
        best = sum;
        *out = (struct reader_span){.start = s->start,
                                    .end = t->end,
                                    .score = (float)(sum - (double)r->null),
                                    .start_logit = s->start_logit,
                                    .end_logit = t->end_logit};
    }
    return found;
}
