// SPDX-License-Identifier: MIT
// Shared by the files of answer/ only.
#pragma once

#include "answer/answer.h"
#include "base/buf.h"
#include "base/clock.h"

struct answerer {
    struct answer_options o;
    enum answer_mode auto_mode; // what ANSWER_AUTO means with this model
    bool small;                 // too small to be trusted with more than a sentence
};

// ---- followup.c ----
// The question made standalone from the history; the question itself when it stands alone. In
// `a`; NULL when memory runs out.
const char *followup_standalone(const struct answer_request *r, arena *a);

// ---- words.c ----
struct word_list {
    const char **w; // folded content words, each once, NUL-terminated
    double *weight; // rarity in the passages: 1 for the rarest, towards 0 for common ones
    size_t n;
    // The same in the other language: the question's terms, each by all its translations.
    struct retriever_term *terms;
    double *term_weight;
    size_t n_terms;
};
// Content words of a question (CJK: character bigrams), weighted by how rare they are
// in what may be read.
int words_of_question(retriever *r, const struct rights *rights, const char *question, arena *a,
                      struct word_list *out, struct err *e);
// Weighted share of the words that stand in the folded text; in a text in the other script, of
// the terms of which a translation does, and of the words in Latin script, if that is more.
double words_coverage(const struct word_list *w, const char *folded, bool foreign);
// All content words of a folded sentence stand in the folded text; false when memory runs out.
bool words_told(const char *sentence, const char *folded, arena *a);
// Folded form for matching, in `a`; NULL when memory runs out.
const char *words_fold(const char *text, size_t n, arena *a);
// The same of a passage's title and headings.
const char *words_of_headings(const struct retriever_hit *h, arena *a);

// ---- extract.c ----
#define PASSAGES_READ 5 // that sentences are chosen from
struct extract {
    size_t passage;        // index
    size_t start, end;     // bytes of the passage's text
    size_t head, head_end; // of a table's row: the row that names the columns; equal: none
    double score;          // 0..1
    double similarity;     // cosine to the question
    double coverage;       // weighted share of the question's words
    double read;           // how surely the reader finds the answer in it, 0..1
};
#define EXTRACTS_MAX 4
#define WORDS_TOLD 80 // in all; of Chinese two characters count as a word
// Words that a reader reads.
size_t extract_words(const char *s, size_t n);
// The best sentences of the best passages, best first; at most EXTRACTS_MAX.
int extract_best(answerer *an, const struct answer_request *r, const struct answer_passages *p,
                 const struct word_list *w, arena *a, struct extract *out, size_t *n,
                 struct err *e);

// ---- shape.c ----
// Give x[0..*n) the shape that the text has: a list that is led to is told whole, and so are
// steps and lists where the question asks for several things. What has no room then is left
// out.
void shape_extracts(const struct answer_passages *p, arena *a, struct extract *x, size_t *n);

// ---- evidence.c ----
// Fill in the signals and the confidence (0..1) that the passages hold an answer. -ENOMEM.
int evidence_measure(const struct answer_passages *p, const struct word_list *w,
                     const struct extract *x, size_t n, arena *a, struct answer_evidence *out);
#define EVIDENCE_DEFAULT_MIN 0.3

// ---- compose.c ----
// One answer being put together: text goes through the gate to the sink, citations are
// numbered.
struct composer {
    answerer *an;
    const struct answer_request *r;
    const struct answer_sink *sink;
    const struct answer_passages *p;
    arena *a;
    safety_gate *gate;
    size_t fed;      // bytes given to the gate
    char last;       // of them, the last
    struct buf text; // let through
    struct answer_citation *citations;
    size_t n_citations, announced;
    size_t *mark_end; // of what is fed, where citation i's mark is complete
    double started, first_token;
    bool withheld;
};
int composer_open(struct composer *c, struct err *e);
void composer_close(struct composer *c);
// 0, 1 when the gate has closed, or a negative error.
int composer_text(struct composer *c, const char *text, size_t n, struct err *e);
// Append " [n]" for the quote passage.text[start..end), numbering it (an equal one keeps its
// number).
int composer_cite(struct composer *c, size_t passage, size_t start, size_t end, struct err *e);
int composer_finish(struct composer *c, struct err *e);

// ---- answer.c ----
// Tell the sink that a stage begins.
void answer_enter(struct composer *c, enum answer_stage s);

// ---- conflict.c ----
// Where sentences of the extracts x[0..*n) are contradicted by other passages shown, put all
// sides into the composer, with the dates of their documents; *found tells whether any are. The
// extracts that are told so leave the list. Negative error, or 1 when the gate has closed.
int conflict_tell(struct composer *c, struct extract *x, size_t *n, bool *found, struct err *e);

// ---- write.c ----
// Let the model write, check each sentence, and put what passes into the composer. A small
// model adds one short sentence to the quotes that stand there already; a larger one writes the
// answer, with quotes in place of what failed. *sentences counts what was kept.
int write_answer(struct composer *c, const struct word_list *w, const struct extract *x,
                 size_t n, struct answer_result *out, size_t *sentences, struct err *e);
