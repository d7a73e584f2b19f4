// SPDX-License-Identifier: MIT
#include "base/layout.h"

#include "base/sentence.h"

#include <ctype.h>
#include <string.h>

static size_t line_end(const char *text, size_t n, size_t at)
{
    const char *end = memchr(text + at, '\n', n - at);
    return end ? (size_t)(end - text) : n;
}

static size_t line_start(const char *text, size_t at)
{
    while (at && text[at - 1] != '\n')
        at--;
    return at;
}

static size_t indent(const char *line, size_t n)
{
    size_t i = 0;
    while (i < n && (line[i] == ' ' || line[i] == '\t'))
        i++;
    return i;
}

size_t layout_item(const char *line, size_t n)
{
    size_t i = indent(line, n), digits = 0;
    if (i + 1 < n && strchr("-*+", line[i]) && line[i + 1] == ' ')
        return i + 2;
    if (n - i >= 4 && !memcmp(line + i, "\xE2\x80\xA2 ", 4))
        return i + 4;
    while (i + digits < n && isdigit((unsigned char)line[i + digits]))
        digits++;
    if (digits && digits < 4 && i + digits + 1 < n && strchr(".)", line[i + digits]) &&
        line[i + digits + 1] == ' ')
        return i + digits + 2;
    return 0;
}

// ---- lists ----

struct line {
    size_t start, end;
    bool blank, item;
};

static struct line line_at(const char *text, size_t n, size_t start)
{
    size_t end = line_end(text, n, start), len = end - start;
    return (struct line){start, end, indent(text + start, len) == len,
                         layout_item(text + start, len) > 0};
}

// The item that the line at `at` is part of: where its first line starts, or SIZE_MAX.
static size_t item_of(const char *text, size_t n, size_t at)
{
    bool indented = false;
    for (size_t start = line_start(text, at);; start = line_start(text, start - 1)) {
        struct line l = line_at(text, n, start);
        if (l.item)
            return start;
        if (!start || (l.blank && !indented))
            return (size_t)-1;
        if (!l.blank)
            indented = indent(text + l.start, l.end - l.start) > 0;
    }
}

// Where the items that begin at `start` end.
static size_t items_end(const char *text, size_t n, size_t start)
{
    size_t end = start;
    bool after_blank = false;
    for (size_t at = start; at < n;) {
        struct line l = line_at(text, n, at);
        if (!l.blank) {
            if (after_blank && !l.item && !indent(text + l.start, l.end - l.start))
                break;
            end = l.end;
        }
        after_blank = l.blank;
        at = l.end + 1;
    }
    return end;
}

// The first item of the list in which an item starts at `start`.
static size_t first_item(const char *text, size_t n, size_t start)
{
    size_t first = start;
    for (size_t at = start; at;) {
        at = line_start(text, at - 1);
        struct line l = line_at(text, n, at);
        if (l.blank)
            continue;
        size_t item = item_of(text, n, at);
        if (item == (size_t)-1 && !indent(text + l.start, l.end - l.start))
            break;
        if (item != (size_t)-1)
            first = at = item;
    }
    return first;
}

// Does text[0..end) end with a colon, white space left out? *mark: where it stands.
static bool leads(const char *text, size_t end, size_t *mark)
{
    while (end && isspace((unsigned char)text[end - 1]))
        end--;
    bool wide = end >= 3 && !memcmp(text + end - 3, "\xEF\xBC\x9A", 3);
    *mark = end - (wide ? 3 : 1);
    return wide || (end && text[end - 1] == ':');
}

// The sentence that text[at] is part of.
static struct sentence sentence_with(const char *text, size_t n, size_t at)
{
    struct sentence s;
    size_t pos = 0;
    while (sentence_next(text, n, &pos, &s))
        if (s.end > at)
            return s;
    return (struct sentence){at, at};
}

// The start of the item behind the lead-in that text[at] is part of, or SIZE_MAX.
static size_t item_behind(const char *text, size_t n, size_t at)
{
    size_t end = sentence_with(text, n, at).end, mark;
    if (!leads(text, end, &mark))
        return (size_t)-1;
    while (end < n && isspace((unsigned char)text[end]))
        end++;
    if (end >= n)
        return (size_t)-1;
    size_t start = line_start(text, end);
    return line_at(text, n, start).item ? start : (size_t)-1;
}

bool layout_list_at(const char *text, size_t n, size_t at, struct layout_list *out)
{
    if (at >= n)
        return false;
    size_t item = item_of(text, n, at), mark;
    if (item == (size_t)-1)
        item = item_behind(text, n, at);
    if (item == (size_t)-1)
        return false;
    *out = (struct layout_list){.start = first_item(text, n, item)};
    out->end = items_end(text, n, out->start);
    out->lead =
        leads(text, out->start, &mark) ? sentence_with(text, n, mark).start : out->start;
    const char *marker = text + out->start + indent(text + out->start, n - out->start);
    out->numbered = isdigit((unsigned char)*marker);
    return true;
}

// ---- tables ----

static size_t cells(const char *text, size_t n, size_t line)
{
    size_t end = line_end(text, n, line), count = 0;
    for (size_t i = line; i + 3 <= end; i++)
        count += !memcmp(text + i, " | ", 3);
    return count ? count + 1 : 0;
}

static bool row_above(const char *text, size_t n, size_t line, size_t count)
{
    return line && cells(text, n, line_start(text, line - 1)) == count;
}

bool layout_is_row(const char *text, size_t n, size_t line)
{
    size_t count = line < n ? cells(text, n, line) : 0, end;
    if (!count)
        return false;
    end = line_end(text, n, line);
    return row_above(text, n, line, count) || (end + 1 < n && cells(text, n, end + 1) == count);
}

void layout_head_of(const char *text, size_t n, size_t line, size_t *start, size_t *end)
{
    size_t count = cells(text, n, line);
    while (row_above(text, n, line, count))
        line = line_start(text, line - 1);
    *start = line;
    *end = line_end(text, n, line);
}
