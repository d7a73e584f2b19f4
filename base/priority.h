// SPDX-License-Identifier: MIT
// Who gets a processor first, where there are fewer than threads that want one.
#pragma once

// The calling thread computes for long, and so will those that it starts from now on: let them
// step back behind the process's other threads, on whose work somebody waits for milliseconds.
// A second call changes nothing. 0, or -errno where the system forbids it; all goes on then as
// before. Any thread. Linux: setpriority(2) of a thread, which needs no privilege downwards.
int priority_step_back(void);
