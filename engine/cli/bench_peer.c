// SPDX-License-Identifier: MIT
#include "engine/cli/bench_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int spawn(struct bench_peer *p, char *const argv[], const int in[2], const int out[2])
{
    posix_spawn_file_actions_t f;
    posix_spawn_file_actions_init(&f);
    posix_spawn_file_actions_adddup2(&f, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&f, out[1], STDOUT_FILENO);
    int rc = posix_spawnp(&p->pid, argv[0], &f, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&f);
    return rc;
}

int bench_peer_start(struct bench_peer *p, const char *program, const uint32_t numbers[5],
                     const char *model, struct err *e)
{
    static const char *const names[] = {"--threads", "--prompt", "--decode", "--depth",
                                        "--sessions"};
    char texts[5][16];
    const char *argv[16] = {program, "bench", "--repeat", "0"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(texts[i], sizeof texts[i], "%u", numbers[i]);
        argv[4 + 2 * i] = names[i];
        argv[5 + 2 * i] = texts[i];
    }
    argv[14] = model;
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC))
        return err_set(e, -errno, "a pipe to %s: %s", program, strerror(errno));
    if (pipe2(out, O_CLOEXEC)) {
        close(in[0]);
        close(in[1]);
        return err_set(e, -errno, "a pipe from %s: %s", program, strerror(errno));
    }
    signal(SIGPIPE, SIG_IGN); // one that has ended is told by its missing answer
    int rc = spawn(p, (char *const *)argv, in, out);
    close(in[0]);
    close(out[1]);
    if (rc) {
        close(in[1]);
        close(out[0]);
        return err_set(e, -rc, "%s cannot be run: %s", program, strerror(rc));
    }
    p->program = program;
    p->in = fdopen(in[1], "w");
    p->out = fdopen(out[0], "r");
    if (!p->in || !p->out)
        return err_nomem(e);
    double first[3]; // a round that is not counted: it reads the model
    return bench_peer_round(p, first, 0, e);
}

// Threads that spin behind their work go to sleep.
static void rest(void)
{
    const struct timespec t = {0, 100000000};
    nanosleep(&t, NULL);
}

int bench_peer_round(struct bench_peer *p, double *numbers, size_t n, struct err *e)
{
    char line[256], *at = line, *word;
    rest();
    if (fputc('\n', p->in) == EOF || fflush(p->in) || !fgets(line, sizeof line, p->out))
        return err_set(e, -EIO, "%s ended without an answer; what it says itself stands above",
                       p->program);
    rest();
    for (size_t i = 0; i < n; i++) {
        word = strsep(&at, ",");
        numbers[i] = word ? strtod(word, NULL) : 0;
    }
    return 0;
}

void bench_peer_stop(struct bench_peer *p)
{
    if (p->in)
        fclose(p->in);
    if (p->out)
        fclose(p->out);
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    *p = (struct bench_peer){0};
}
