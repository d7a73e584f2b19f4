// SPDX-License-Identifier: MIT
#include "ask/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static volatile sig_atomic_t seen;

static void on_sigint(int signum)
{
    int saved = errno;
    (void)signum;
    seen = 1;
    if (write(ends[1], "", 1) < 0) {
        // Full: it is readable already.
    }
    errno = saved;
}

int interrupt_open(struct err *e)
{
    // No SA_RESTART: a write to a stopped pager ends too.
    struct sigaction sa = {.sa_handler = on_sigint};
    sigemptyset(&sa.sa_mask);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) || sigaction(SIGINT, &sa, NULL))
        return err_set(e, -errno, "cannot watch for Ctrl-C: %s", strerror(errno));
    return 0;
}

int interrupt_fd(void)
{
    return ends[0];
}

bool interrupt_seen(void)
{
    return seen;
}

void interrupt_clear(void)
{
    char drop[16];
    while (ends[0] >= 0 && read(ends[0], drop, sizeof drop) > 0) {
    }
    seen = 0;
}
