// SPDX-License-Identifier: MIT
#include "ask/print.h"

#include <string.h>

#define NEAREST 3

void printer_init(struct printer *p, FILE *out)
{
    *p = (struct printer){.out = out, .style = terminal_style_of(out)};
}

static void put(struct printer *p, const struct buf *b)
{
    if (!b->len)
        return;
    fwrite(b->data, 1, b->len, p->out);
    p->begun = true;
    p->line_open = b->data[b->len - 1] != '\n';
}

void print_token(struct printer *p, const char *text)
{
    struct buf b = BUF_INIT;
    if (!terminal_clean(&p->filter, text, strlen(text), &b))
        put(p, &b);
    fflush(p->out);
    buf_free(&b);
}

void print_end(struct printer *p)
{
    struct buf b = BUF_INIT;
    if (!terminal_finish(&p->filter, &b))
        put(p, &b);
    if (p->line_open)
        fputc('\n', p->out);
    p->line_open = false;
    fflush(p->out);
    buf_free(&b);
}

static const char *text_of(const cJSON *o, const char *name)
{
    const cJSON *v = cJSON_GetObjectItem(o, name);
    return cJSON_IsString(v) ? v->valuestring : "";
}

// A foreign text on one line.
static void put_line(struct printer *p, const char *s)
{
    struct buf b = BUF_INIT;
    if (!terminal_clean_text(s, true, &b))
        fwrite(b.data, 1, b.len, p->out);
    buf_free(&b);
}

// "Title > Section > Subsection", the title not repeated.
static void put_place(struct printer *p, const cJSON *item)
{
    const cJSON *section = cJSON_GetObjectItem(item, "section"), *s;
    const char *title = text_of(cJSON_GetObjectItem(item, "document"), "title");
    put_line(p, *title ? title : "(no title)");
    cJSON_ArrayForEach(s, section)
    {
        if (!cJSON_IsString(s) || !strcmp(s->valuestring, title))
            continue;
        fputs(" > ", p->out);
        put_line(p, s->valuestring);
    }
}

// "PATH:12-34" or "PATH, page 3": what an editor opens.
static void put_path(struct printer *p, const cJSON *item)
{
    const cJSON *page = cJSON_GetObjectItem(item, "page"),
                *lines = cJSON_GetObjectItem(item, "lines");
    const cJSON *first = cJSON_GetArrayItem(lines, 0), *last = cJSON_GetArrayItem(lines, 1);
    put_line(p, text_of(cJSON_GetObjectItem(item, "document"), "path"));
    if (cJSON_IsNumber(first))
        fprintf(p->out, ":%d", first->valueint);
    if (cJSON_IsNumber(first) && cJSON_IsNumber(last) && last->valueint > first->valueint)
        fprintf(p->out, "-%d", last->valueint);
    if (cJSON_IsNumber(page))
        fprintf(p->out, ", page %d", page->valueint);
}

static void put_citation(struct printer *p, const cJSON *c, const char *answer)
{
    const struct terminal_style *s = &p->style;
    const char *quote = text_of(c, "quote"), *span = text_of(c, "span");
    const cJSON *n = cJSON_GetObjectItem(c, "n");
    fprintf(p->out, "%s[%d]%s ", s->mark, cJSON_IsNumber(n) ? n->valueint : 0, s->off);
    put_place(p, c);
    fprintf(p->out, "\n    %s", s->dim);
    put_path(p, c);
    fprintf(p->out, "%s\n", s->off);
    if (*span && strcmp(span, quote) != 0) { // the words that answer, of a longer quote
        fprintf(p->out, "    %s\xe2\x86\x92%s ", s->mark, s->off);
        put_line(p, span);
        fputc('\n', p->out);
    }
    if (*quote && !strstr(answer, quote)) { // what the answer says already is not repeated
        fputs("    \"", p->out);
        put_line(p, quote);
        fputs("\"\n", p->out);
    }
}

void print_sources(struct printer *p, const cJSON *done)
{
    const cJSON *list = cJSON_GetObjectItem(done, "citations"), *c;
    const char *answer = text_of(done, "answer");
    if (cJSON_GetArraySize(list) > 0) {
        fputc('\n', p->out);
        cJSON_ArrayForEach(c, list)
        {
            put_citation(p, c, answer);
        }
    } else if (!strcmp(text_of(done, "status"), "not_found")) {
        int left = NEAREST;
        list = cJSON_GetObjectItem(done, "passages");
        if (cJSON_GetArraySize(list) > 0)
            fprintf(p->out, "\n%sNearest passages:%s\n", p->style.dim, p->style.off);
        cJSON_ArrayForEach(c, list)
        {
            if (!left--)
                break;
            fputs("  ", p->out);
            put_place(p, c);
            fprintf(p->out, "\n    %s", p->style.dim);
            put_path(p, c);
            fprintf(p->out, "%s\n", p->style.off);
        }
    }
    fflush(p->out);
}

// Every line of the text behind four spaces.
static void put_block(struct printer *p, const char *text)
{
    struct buf b = BUF_INIT;
    bool start = true;
    if (terminal_clean_text(text, false, &b)) {
        buf_free(&b);
        return;
    }
    while (b.len && b.data[b.len - 1] == '\n')
        buf_truncate(&b, b.len - 1);
    for (size_t i = 0; i < b.len; i++) {
        if (start && b.data[i] != '\n')
            fputs("    ", p->out);
        start = b.data[i] == '\n';
        fputc(b.data[i], p->out);
    }
    fputc('\n', p->out);
    buf_free(&b);
}

void print_search(struct printer *p, const cJSON *result)
{
    const struct terminal_style *s = &p->style;
    const cJSON *list = cJSON_GetObjectItem(result, "passages"), *c;
    bool first = true;
    cJSON_ArrayForEach(c, list)
    {
        const cJSON *rank = cJSON_GetObjectItem(c, "rank"),
                    *score = cJSON_GetObjectItem(c, "score");
        fprintf(p->out, "%s%s%d.%s %s", first ? "" : "\n", s->mark,
                cJSON_IsNumber(rank) ? rank->valueint : 0, s->off, s->bold);
        put_place(p, c);
        fprintf(p->out, "%s\n    %s", s->off, s->dim);
        put_path(p, c);
        fprintf(p->out, "  (score %.3f)%s\n", cJSON_IsNumber(score) ? score->valuedouble : 0,
                s->off);
        put_block(p, text_of(c, "text"));
        first = false;
    }
    fflush(p->out);
}
