// SPDX-License-Identifier: MIT
// Another program that is timed in turns with this one. It is called as `PROGRAM bench --repeat
// 0 --threads N --prompt N --decode N --depth N --sessions N FILE`, works for one round when it
// is given a line, and answers with a line of the round's numbers, as askd-model bench itself
// does; a number that it has not may be left out.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct bench_peer {
    const char *program;
    FILE *in, *out; // what is written to it and read from it; NULL: there is none
    pid_t pid;
};
// Start it with {threads, prompt, decode, depth, sessions}; `program` must outlive it.
int bench_peer_start(struct bench_peer *p, const char *program, const uint32_t numbers[5],
                     const char *model, struct err *e);
// Let it work for a round while we rest; n numbers, 0 for one that it has not.
int bench_peer_round(struct bench_peer *p, double *numbers, size_t n, struct err *e);
void bench_peer_stop(struct bench_peer *p); // also where there is none
