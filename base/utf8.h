// SPDX-License-Identifier: MIT
// UTF-8: validation, decoding, normalisation (utf8proc) and the classes that text work needs.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Length in bytes (1-4) of the valid sequence at s[0..n), or 0 if there is none
// (overlong, surrogate, beyond U+10FFFF, cut short). RFC 3629.
size_t utf8_valid_step(const char *s, size_t n);
// True if all n bytes are valid UTF-8.
bool utf8_valid(const char *s, size_t n);
// Decode one code point; an invalid byte gives U+FFFD and advances by one. *step gets 1-4.
// n must be > 0.
uint32_t utf8_decode(const char *s, size_t n, size_t *step);
// Encode cp into out[4]; returns the length (surrogates and > U+10FFFF become U+FFFD).
size_t utf8_encode(uint32_t cp, char out[4]);
// Append s with every invalid byte replaced by U+FFFD. 0 or -ENOMEM.
int utf8_add_clean(struct buf *b, const char *s, size_t n);
// Append the NFKC case-folded form of valid UTF-8 text: for comparison and matching.
// 0, -EINVAL (invalid UTF-8) or -ENOMEM.
int utf8_add_folded(struct buf *b, const char *s, size_t n);
// Append what a reader sees of one code point: its compatibility decomposition without marks
// and ignorable characters (zero-width, soft hyphen, variation selectors), so that disguised
// text compares equal to plain text. May append nothing. 0 or -ENOMEM.
int utf8_add_visible(struct buf *b, uint32_t cp);
// Append one code point as BERT reads it: its canonical decomposition without nonspacing marks,
// in lower case; controls and format characters give nothing, white space a space. 0 or
// -ENOMEM.
int utf8_add_bare(struct buf *b, uint32_t cp);
// Number of code points; an invalid byte counts as one.
size_t utf8_count(const char *s, size_t n);

// Han, kana, Hangul and their marks: scripts written without spaces between words.
bool utf8_is_cjk(uint32_t cp);
// Does a NUL-terminated text hold such a character?
bool utf8_has_cjk(const char *s);
// Is it mostly written so? Chinese technical prose is full of Latin names: more than 15 %
// count.
bool utf8_in_cjk(const char *s);
bool utf8_is_letter(uint32_t cp); // general category L*
bool utf8_is_mark(uint32_t cp);   // M*
bool utf8_is_number(uint32_t cp); // N*
bool utf8_is_space(uint32_t cp);  // White_Space property
bool utf8_is_punct(uint32_t cp);  // P*
