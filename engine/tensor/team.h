// SPDX-License-Identifier: MIT
// One persistent team of compute threads, shared by everything that computes in the process:
// two spinning pools never run at once. Work on it goes in short turns: whoever wants to
// compute takes the team, runs one chunk (a decode step, a few dozen prefill tokens, one
// embedding batch) and gives it back. Interactive takers go before batch ones; equals in turn.
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>

struct team;

enum team_class { TEAM_INTERACTIVE, TEAM_BATCH };

// n_threads counts the caller's own thread; 0: the number of usable CPUs, at most 8. Those that
// are started have the caller's priority.
int team_new(unsigned n_threads, struct team **out, struct err *e);
void team_free(struct team *t);
unsigned team_size(const struct team *t);

// Keep worker i on cpus[i % n]; whoever takes the team stays where it is. -EINVAL for a CPU
// that cannot be used.
int team_pin(struct team *t, const unsigned *cpus, size_t n, struct err *e);

// Block until the team is ours, first come first served within a class, interactive first.
// -ECANCELED, without it, within CLOCK_LOOK_US of *cancel being set; NULL: it cannot fail.
int team_take(struct team *t, enum team_class c, const atomic_bool *cancel, struct err *e);
void team_give(struct team *t);

// Run fn(arg, i, n) on as many of the n = team_size() threads as have time for it, each with an
// i of its own, the caller's being 0; only while the team is taken. What there is to do is
// claimed in parts: the round is over when the caller finds no more of them and all threads
// that have come in are done. Memory effects are visible to every thread afterwards.
void team_run(struct team *t, void (*fn)(void *arg, unsigned i, unsigned n), void *arg);
// The next part of the round that runs: 0, 1, 2... each to one thread. A thread that is held up
// leaves the parts that it has not claimed to the others.
size_t team_claim(struct team *t);
