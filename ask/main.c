// SPDX-License-Identifier: MIT
// ask: questions to askd from the command line.
#include "ask/interactive.h"
#include "ask/interrupt.h"

#include <locale.h>
#include <stdlib.h>
#include <stdio.h>

static int run(struct asker *a)
{
    const struct options *o = a->options;
    struct err e = {0};
    if (o->follow) {
        session_load(&a->session, &e);
        a->follow = a->session.n > 0;
        if (!a->follow)
            asker_complain(e.code == -ENOENT ? "no earlier question to follow up on: this one "
                                               "begins a conversation"
                                             : e.msg);
    }
    if (o->interactive)
        return interactive_run(a);
    int status = asker_ask(a, o->question.data, o->search);
    // What was not found is part of a conversation too; what was withheld is not kept.
    if (!o->search && (status == EXIT_ANSWERED || status == EXIT_NOT_FOUND) &&
        session_save(&a->session, &e))
        asker_complain(e.msg);
    return status;
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct asker asker;
    struct err e = {0};
    setlocale(LC_CTYPE, ""); // libedit edits characters, not bytes
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    int status = options_parse(argc, argv, &options);
    if (status < 0) {
        asker.options = &options;
        if (interrupt_open(&e) || daemon_find(&asker.daemon, options.socket, &e)) {
            asker_complain(e.msg);
            status = EXIT_USAGE_OR_FAILURE;
        } else {
            status = run(&asker);
        }
    }
    session_clear(&asker.session);
    options_free(&options);
    if (fflush(stdout) || ferror(stdout)) {
        if (status == EXIT_ANSWERED) {
            asker_complain("cannot write to stdout");
            status = EXIT_USAGE_OR_FAILURE;
        }
    }
    return status;
}
