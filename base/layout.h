// SPDX-License-Identifier: MIT
// The shapes that plain text gives to what it says: lists with what leads to them, tables.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Bytes of the marker ("- ", "3. ") of the list item that starts the line, white space before
// it included; 0: the line starts no item.
size_t layout_item(const char *line, size_t n);

struct layout_list {
    size_t lead;       // where the sentence that leads to it (": ") starts; `start` without one
    size_t start, end; // bytes of all items
    bool numbered;
};
// The list that has text[at] in one of its items, or in the sentence that leads to it. An item
// goes on in the lines below it up to an empty one, and behind that where they are indented.
bool layout_list_at(const char *text, size_t n, size_t at, struct layout_list *out);

// Is the line that starts at text[line] a row of a table: cells with " | " between them, as
// many as in the line above or below it?
bool layout_is_row(const char *text, size_t n, size_t line);
// The first row [*start, *end) of the table that the row at text[line] belongs to, which names
// its columns.
void layout_head_of(const char *text, size_t n, size_t line, size_t *start, size_t *end);
