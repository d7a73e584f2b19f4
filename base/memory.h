// SPDX-License-Identifier: MIT
// How much memory this process may still take, and who says so.
#pragma once

#include <stdint.h>

struct memory_room {
    uint64_t bytes;     // the least of what the machine and the control groups leave
    const char *bound;  // whose figure that is, as a reader knows it
    uint64_t addresses; // what `ulimit -v` leaves
};

// What cannot be read sets no bound: UINT64_MAX. `root` stands before /proc and /sys; "" but in
// tests.
void memory_room(const char *root, struct memory_room *out);
