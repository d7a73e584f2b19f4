// SPDX-License-Identifier: MIT
#include "ask/interactive.h"

#include "ask/interrupt.h"
#include "base/file.h"
#include "base/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_MAX 1000
#define QUESTION_MAX 8192
#define CTRL_D L'\4'

struct line_reader {
    EditLine *el;
    History *history;
    int fd;                      // the keyboard
    char history_path[PATH_MAX]; // "" : none is kept
    bool more;                   // inside """
};

static const char help[] = "A line is a question; it follows up on the ones before.\n"
                           "  \"\"\"              begins and ends a question of several lines\n"
                           "  /search WORDS    passages only\n"
                           "  /new             forget the conversation so far\n"
                           "  /help, /quit     (Ctrl-D quits too; Ctrl-C stops an answer)\n";

static char *prompt(EditLine *el)
{
    static char first[] = "ask> ", next[] = "...> ", none[] = "";
    struct line_reader *r = NULL;
    el_get(el, EL_CLIENTDATA, &r);
    return !isatty(STDIN_FILENO) ? none : r && r->more ? next : first;
}

// One byte of the keyboard: 1, 0 at its end, -1 with errno; EINTR where Ctrl-C was pressed,
// even between two bytes, where read() alone would sleep on. SIGINT is taken here alone: it
// would cut short what libedit writes and the settings that it gives the terminal.
static ssize_t read_byte(int fd, char *c)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
                          {.fd = interrupt_fd(), .events = POLLIN}};
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigdelset(&mask, SIGINT);
    for (;;) {
        if (ppoll(p, 2, NULL, &mask) < 0 && errno != EINTR)
            return -1;
        if (interrupt_seen()) {
            errno = EINTR;
            return -1;
        }
        if (p[0].revents) {
            ssize_t n = read(fd, c, 1);
            if (n >= 0 || (errno != EINTR && errno != EAGAIN))
                return n;
        }
    }
}

// The keyboard, never to block: on Ctrl-C the terminal drops bytes that poll() has told of. A
// description of our own, as O_NONBLOCK on stdin's would reach the shell.
static int open_keyboard(void)
{
    char name[PATH_MAX];
    int fd = -1;
    if (!ttyname_r(STDIN_FILENO, name, sizeof name))
        fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : STDIN_FILENO;
}

// EL_GETCFN: one character. What is no character of the locale is read as '?'. A Ctrl-D typed
// before libedit has taken the terminal, which it does behind the prompt, comes as a NUL.
static int read_character(EditLine *el, wchar_t *out)
{
    mbstate_t state = {0};
    struct line_reader *r = NULL;
    el_get(el, EL_CLIENTDATA, &r);
    for (;;) {
        char c;
        ssize_t n = read_byte(r->fd, &c);
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(out, &c, 1, &state);
        if (used == (size_t)-2)
            continue;
        if (used == (size_t)-1)
            *out = L'?';
        if (!used)
            *out = r->fd != STDIN_FILENO ? CTRL_D : L'?';
        return 1;
    }
}

static int reader_open(struct line_reader *r, struct err *e)
{
    HistEvent ev;
    *r = (struct line_reader){.fd = open_keyboard()};
    r->el = el_init("ask", stdin, stdout, stderr);
    r->history = history_init();
    if (!r->el || !r->history)
        return err_nomem(e);
    el_set(r->el, EL_CLIENTDATA, r);
    el_set(r->el, EL_PROMPT, prompt);
    el_set(r->el, EL_GETCFN, read_character);
    el_set(r->el, EL_EDITOR, "emacs");
    history(r->history, &ev, H_SETSIZE, HISTORY_MAX);
    history(r->history, &ev, H_SETUNIQUE, 1);
    el_set(r->el, EL_HIST, history, r->history);
    el_source(r->el, NULL); // ~/.editrc, as every libedit program
    char dir[PATH_MAX];
    if (isatty(STDIN_FILENO) && !paths_state(dir, sizeof dir, NULL) &&
        !file_mkdirs(dir, 0700, NULL) &&
        snprintf(r->history_path, PATH_MAX, "%s/history", dir) < PATH_MAX)
        history(r->history, &ev, H_LOAD, r->history_path);
    else
        *r->history_path = 0;
    return 0;
}

static void reader_close(struct line_reader *r)
{
    HistEvent ev;
    if (*r->history_path) {
        mode_t old = umask(0077);
        if (history(r->history, &ev, H_SAVE, r->history_path) < 0)
            asker_complain("the history could not be written");
        umask(old);
    }
    if (r->history)
        history_end(r->history);
    if (r->el)
        el_end(r->el);
    if (r->fd != STDIN_FILENO)
        close(r->fd);
}

// The next line without its end, or NULL at the end of input. Ctrl-C begins the line anew.
static const char *read_line(struct line_reader *r, int *n)
{
    sigset_t interrupt, old;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    for (;;) {
        interrupt_clear();
        sigprocmask(SIG_BLOCK, &interrupt, &old);
        const char *line = el_gets(r->el, n);
        sigprocmask(SIG_SETMASK, &old, NULL);
        if (interrupt_seen()) {
            fputc('\n', stdout);
            el_reset(r->el);
            r->more = false;
            continue;
        }
        if (!line || *n <= 0)
            return NULL;
        while (*n && (line[*n - 1] == '\n' || line[*n - 1] == '\r'))
            --*n;
        return line;
    }
}

// The next question in `out`: a line, or the lines between two """. 1, 0 at the end, -ENOMEM.
static int read_question(struct line_reader *r, struct buf *out)
{
    int n, rc;
    buf_clear(out);
    r->more = false;
    for (;;) {
        bool inside = r->more;
        const char *line = read_line(r, &n);
        if (!line)
            return 0;
        if (inside && !r->more) // Ctrl-C
            buf_clear(out);
        bool fence = n == 3 && !memcmp(line, "\"\"\"", 3);
        if (!fence) {
            rc = r->more && out->len ? buf_addc(out, '\n') : 0;
            if (!rc)
                rc = buf_add(out, line, (size_t)n);
            if (rc)
                return rc;
        }
        r->more = fence ? !r->more : r->more;
        if (!r->more)
            return 1;
    }
}

static void remember(struct line_reader *r, const char *question)
{
    HistEvent ev;
    history(r->history, &ev, H_ENTER, question);
}

// -1: go on; else the exit status.
static int obey(struct asker *a, const char *command)
{
    if (!strcmp(command, "/quit") || !strcmp(command, "/exit"))
        return EXIT_ANSWERED;
    if (!strcmp(command, "/new")) {
        session_clear(&a->session);
        a->follow = false;
    } else if (!strncmp(command, "/search ", 8) && command[8 + strspn(command + 8, " ")]) {
        asker_ask(a, command + 8, true);
    } else {
        fputs(help, stdout);
    }
    return -1;
}

static void ask_one(struct asker *a, const char *question)
{
    struct err e = {0};
    if (strlen(question) > QUESTION_MAX) {
        asker_complain("the question is longer than 8192 bytes; ask about less at once");
        return;
    }
    int status = asker_ask(a, question, false);
    if (status == EXIT_INTERRUPTED)
        fputs("(stopped)\n", stdout);
    if (status != EXIT_ANSWERED && status != EXIT_NOT_FOUND)
        return;
    a->follow = true;
    if (session_save(&a->session, &e))
        asker_complain(e.msg);
}

int interactive_run(struct asker *a)
{
    struct line_reader r;
    struct err e = {0};
    struct buf question = BUF_INIT;
    int status = reader_open(&r, &e) ? EXIT_USAGE_OR_FAILURE : -1;
    if (status >= 0)
        asker_complain(e.msg);
    else if (isatty(STDIN_FILENO))
        fputs("Ask your documents. /help explains, Ctrl-D leaves.\n", stdout);
    if (status < 0 && a->options->question.len)
        ask_one(a, a->options->question.data);
    while (status < 0) {
        int rc = read_question(&r, &question);
        const char *text = question.data + strspn(question.data, " \t\r\n");
        if (rc <= 0) {
            status = rc ? EXIT_USAGE_OR_FAILURE : EXIT_ANSWERED;
            if (isatty(STDIN_FILENO))
                fputc('\n', stdout);
        } else if (*text) {
            remember(&r, text);
            interrupt_clear();
            if (*text == '/')
                status = obey(a, text);
            else
                ask_one(a, text);
            fputc('\n', stdout);
        }
    }
    reader_close(&r);
    buf_free(&question);
    return status;
}
