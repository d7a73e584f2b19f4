// SPDX-License-Identifier: MIT
// The patterns that drafts are found by; shared by draft.c, draft_headings.c and draft_none.c.
#pragma once

#include "eval/draft.h"

enum rule {
    RULE_DEFINITION,    // groups: article, subject, is or are, what it is
    RULE_EMPTY_SUBJECT, // a subject that says nothing outside its place: "the next step"
    RULE_RELATION,      // what a definition has and an opinion mostly has not
    RULE_CLAUSE,        // what follows the answer proper
    RULE_DEFINITION_ZH, // groups: subject, what it is
    RULE_CLAUSE_ZH,
    RULE_ABBREVIATION,  // groups: letters, words
    RULE_EXPANSION,     // groups: words, letters
    RULE_OPTION,        // groups: flag, what it does
    RULE_ROW,           // groups: the first column, a name; the second
    RULE_COMMAND,       // group: a program's name
    RULE_COMMAND_TITLE, // the same, as a whole title
    RULE_QUESTION,      // a heading that asks
    RULE_GERUND,        // groups: "Installing", "up", what
    RULE_VERB_ZH,       // groups: verb, what
    RULE_NOUN_ZH,       // groups: what, verb
    RULE_INSTRUCTION,   // a sentence that tells how
    RULE_INSTRUCTION_ZH,
    RULE_BEGINS_ZH,   // a sentence that begins as an instruction does
    RULE_LITERAL,     // something to type: a file, a flag
    RULE_POINTS_AWAY, // a sentence that leans on others
    RULE_WHOLE,       // a sentence that is not cut short, and no heading
    RULE_LEAD,        // "which ", "to " before what an option does
    RULE_PRODUCT,     // a definition of something that somebody makes
    RULE_NUMBER,      // "12.3. " before a heading
    RULE_CALLOUT,     // "BACK TO BASICS " before one
    RULES
};

struct draft_rules {
    pattern *p[RULES];
};

// A heading without its number and without the capitals of a boxed text.
struct span draft_bare(draft_rules *r, const char *heading);
