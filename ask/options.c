// SPDX-License-Identifier: MIT
#include "ask/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUESTION_MAX 8192 // the daemon's limit, said here before anything is started
#define WAIT_S 120

static const char usage[] =
    "usage: ask [OPTION]... [QUESTION|-]\n"
    "       ask [OPTION]... < FILE\n"
    "Answers a question from your documents, with its sources. See ask(1).\n"
    "  -c                   follow up on the last question\n"
    "  -i                   interactive: question after question\n"
    "  -k N                 consider N passages\n"
    "  --collection NAME    only this collection (may be repeated)\n"
    "  --path GLOB, --after YYYY-MM-DD, --type TYPE\n"
    "                       only documents of this path, change date, type\n"
    "  --mode MODE          auto, extract (verbatim sentences only) or write\n"
    "  --search             passages only, no answer\n"
    "  --json, --jsonl      one JSON object; one JSON event a line, as they come\n"
    "  --socket PATH        the daemon's socket (default: $ASKD_SOCKET, yours, the system's)\n"
    "  --no-start           do not start askd where none runs\n"
    "  --wait SECONDS       wait this long for askd to load (120)\n"
    "  --version, --help\n"
    "Exit status: 0 answered, 1 not in the documents, 2 usage or failure, 3 withheld,\n"
    "4 askd unreachable or loading, 130 interrupted.\n";

static int fail(const char *fmt, const char *what)
{
    fputs("ask: ", stderr);
    fprintf(stderr, fmt, what);
    fputs(" (ask --help lists the options)\n", stderr);
    return EXIT_USAGE_OR_FAILURE;
}

static int whole(const char *s, long low, long high, long *out)
{
    char *end;
    errno = 0;
    long v = strtol(s, &end, 10);
    if (errno || end == s || *end || v < low || v > high)
        return -1;
    *out = v;
    return 0;
}

enum {
    OPT_SEARCH = 256,
    OPT_JSON,
    OPT_JSONL,
    OPT_SOCKET,
    OPT_COLLECTION,
    OPT_MODE,
    OPT_PATH,
    OPT_AFTER,
    OPT_TYPE,
    OPT_NO_START,
    OPT_WAIT,
    OPT_VERSION,
    OPT_HELP
};

static const struct option longs[] = {{"search", 0, NULL, OPT_SEARCH},
                                      {"json", 0, NULL, OPT_JSON},
                                      {"jsonl", 0, NULL, OPT_JSONL},
                                      {"socket", 1, NULL, OPT_SOCKET},
                                      {"collection", 1, NULL, OPT_COLLECTION},
                                      {"mode", 1, NULL, OPT_MODE},
                                      {"path", 1, NULL, OPT_PATH},
                                      {"after", 1, NULL, OPT_AFTER},
                                      {"type", 1, NULL, OPT_TYPE},
                                      {"no-start", 0, NULL, OPT_NO_START},
                                      {"wait", 1, NULL, OPT_WAIT},
                                      {"interactive", 0, NULL, 'i'},
                                      {"follow-up", 0, NULL, 'c'},
                                      {"version", 0, NULL, OPT_VERSION},
                                      {"help", 0, NULL, OPT_HELP},
                                      {0}};

static int add_collection(struct options *o, const char *name)
{
    if (!*name)
        return fail("%s takes a name", "--collection");
    if (o->n_collections == ASK_COLLECTIONS_MAX)
        return fail("more than 64 collections; '%s' is one too many", name);
    o->collections[o->n_collections++] = name;
    return -1;
}

// Options with a value that must fit.
static int take_value(struct options *o, int ch, const char *value)
{
    long v = 0;
    switch (ch) {
    case 'k':
        if (whole(value, 1, 50, &v))
            return fail("-k takes a number from 1 to 50, not '%s'", value);
        o->k = (unsigned)v;
        return -1;
    case OPT_WAIT:
        if (whole(value, 0, 86400, &o->wait_s))
            return fail("--wait takes seconds from 0 to 86400, not '%s'", value);
        return -1;
    case OPT_MODE:
        if (strcmp(value, "auto") && strcmp(value, "extract") && strcmp(value, "write"))
            return fail("--mode is auto, extract or write, not '%s'", value);
        o->mode = value;
        return -1;
    default:
        return add_collection(o, value);
    }
}

static int take(struct options *o, int ch)
{
    switch (ch) {
    case 'c':
        o->follow = true;
        return -1;
    case 'i':
        o->interactive = true;
        return -1;
    case OPT_SEARCH:
        o->search = true;
        return -1;
    case OPT_JSON:
    case OPT_JSONL:
        o->output = ch == OPT_JSON ? OUTPUT_JSON : OUTPUT_JSONL;
        return -1;
    case OPT_SOCKET:
        o->socket = optarg;
        return -1;
    case OPT_PATH:
        o->path = optarg;
        return -1;
    case OPT_AFTER:
        o->after = optarg;
        return -1;
    case OPT_TYPE:
        o->type = optarg;
        return -1;
    case OPT_NO_START:
        o->no_start = true;
        return -1;
    case OPT_VERSION:
        puts("ask (" PACKAGE_STRING ")");
        return EXIT_ANSWERED;
    case OPT_HELP:
        fputs(usage, stdout);
        return EXIT_ANSWERED;
    default:
        return take_value(o, ch, optarg);
    }
}

static int read_stdin(struct buf *out)
{
    char chunk[4096];
    ssize_t n;
    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            return EXIT_INTERRUPTED;
        if (n < 0)
            return fail("cannot read the question from stdin: %s", strerror(errno));
        if (buf_add(out, chunk, (size_t)n))
            return fail("%s", "out of memory");
        if (out->len > QUESTION_MAX)
            break;
    }
    return -1;
}

static int take_question(struct options *o, char **words, int n)
{
    int rc = -1;
    if (n == 1 && !strcmp(words[0], "-"))
        rc = read_stdin(&o->question);
    else if (!n && !isatty(STDIN_FILENO) && !o->interactive)
        rc = read_stdin(&o->question);
    else
        for (int i = 0; i < n; i++) // unquoted words are one question
            if (buf_addf(&o->question, "%s%s", i ? " " : "", words[i]))
                return fail("%s", "out of memory");
    if (rc >= 0)
        return rc;
    struct buf *q = &o->question;
    while (q->len && isspace((unsigned char)q->data[q->len - 1]))
        buf_truncate(q, q->len - 1);
    if (strlen(q->data) != q->len)
        return fail("%s", "the question holds a NUL character");
    if (q->len > QUESTION_MAX)
        return fail("%s", "the question is longer than 8192 bytes; ask about less at once");
    if (!q->data[strspn(q->data, " \t\r\n")] && !o->interactive)
        return fail("%s", "no question: ask \"How do I ...?\", or ask < FILE, or ask -i");
    return -1;
}

int options_parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.wait_s = WAIT_S, .question = BUF_INIT};
    int ch, rc = -1;
    opterr = 0;
    while (rc < 0 && (ch = getopt_long(argc, argv, ":cik:", longs, NULL)) != -1) {
        const char *word = argv[optind > 0 ? optind - 1 : 0];
        if (ch == ':')
            rc = fail("%s needs a value", word);
        else if (ch == '?')
            rc = fail("there is no option '%s'", word);
        else
            rc = take(o, ch);
    }
    if (rc >= 0)
        return rc;
    if (o->socket && !*o->socket)
        return fail("%s takes a path", "--socket");
    if (o->interactive && (o->output != OUTPUT_TEXT || o->search))
        return fail("%s", "-i goes with none of --json, --jsonl and --search");
    if (o->search && (o->follow || o->output == OUTPUT_JSONL))
        return fail("%s", "--search goes with neither -c nor --jsonl");
    return take_question(o, argv + optind, argc - optind);
}

void options_free(struct options *o)
{
    buf_free(&o->question);
}
