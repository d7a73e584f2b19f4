// SPDX-License-Identifier: MIT
// What the subcommands share: complaints, options, input.
#include "engine/cli/cli.h"

#include "base/file.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 64 << 20 };

// Sentences quote names out of files: none may steer the terminal.
int cli_fail(int status, const char *fmt, ...)
{
    char s[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s, sizeof s, fmt, ap);
    va_end(ap);
    fputs("askd-model: ", stderr);
    for (size_t i = 0, n = strlen(s), step; i < n; i += step) {
        step = utf8_valid_step(s + i, n - i);
        bool plain = step > 1 ? (unsigned char)s[i] != 0xC2 || (unsigned char)s[i + 1] >= 0xA0
                              : step == 1 && s[i] >= 32 && s[i] != 127;
        step = plain ? step : 1;
        if (plain)
            fwrite(s + i, 1, step, stderr);
        else
            fprintf(stderr, "\\x%02X", (unsigned char)s[i]);
    }
    fputc('\n', stderr);
    return status;
}

int cli_usage(const struct command *c)
{
    fprintf(stderr, "usage: askd-model %s %s\n", c->name, c->usage);
    return 2;
}

static int set_number(const struct cli_option *o, const char *s)
{
    char *end;
    double v = s ? strtod(s, &end) : NAN;
    bool whole = o->kind == CLI_WHOLE;
    if (!s || !*s || *end || !(v >= o->low && v <= o->high) || (whole && v != floor(v)))
        return cli_fail(-1, "%s takes a%s number from %.15g to %.15g", o->name,
                        whole ? " whole" : "", o->low, o->high);
    if (whole)
        *(long *)o->value = (long)v;
    else
        *(double *)o->value = v;
    return 0;
}

static int set_text(const struct cli_option *o, const char *s)
{
    struct cli_texts *all = o->value;
    if (!s)
        return cli_fail(-1, "%s takes a value", o->name);
    if (o->kind == CLI_TEXT) {
        *(const char **)o->value = s;
        return 0;
    }
    if (all->n == sizeof all->at / sizeof *all->at)
        return cli_fail(-1, "%s is given more than %zu times", o->name, all->n);
    all->at[all->n++] = s;
    return 0;
}

int cli_options(const struct cli_option *o, int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        const struct cli_option *k = o;
        if (!strcmp(argv[i], "--")) {
            while (++i < argc)
                argv[++n] = argv[i];
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] != '-') {
            argv[++n] = argv[i];
            continue;
        }
        while (k->name && strcmp(k->name, argv[i]))
            k++;
        if (!k->name)
            return cli_fail(-1, "%s has no option %.60s", argv[0], argv[i]);
        const char *value = k->kind == CLI_FLAG ? NULL : argv[++i];
        if (k->kind == CLI_FLAG)
            *(bool *)k->value = true;
        else if (k->kind == CLI_TEXT || k->kind == CLI_TEXTS ? set_text(k, value)
                                                             : set_number(k, value))
            return -1;
    }
    return n;
}

int cli_read_input(struct buf *b)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        if (b->len + n > INPUT_MAX || buf_add(b, chunk, n))
            return cli_fail(1, "standard input is more than %d bytes: split it", INPUT_MAX);
    return ferror(stdin) ? cli_fail(1, "standard input could not be read") : 0;
}

int cli_read_file(const char *path, struct buf *b)
{
    struct err e;
    return file_read(path, INPUT_MAX, b, &e) ? cli_fail(1, "%s", e.msg) : 0;
}
