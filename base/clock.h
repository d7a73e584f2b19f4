// SPDX-License-Identifier: MIT
// Time that only goes forward, and waiting by it.
#pragma once

#include <pthread.h>

// CLOCK_MONOTONIC in milliseconds.
double clock_ms(void);

// A condition for clock_wait; plain waits and pthread_cond_destroy do as ever.
void clock_cond_init(pthread_cond_t *c);
// As pthread_cond_wait, for at most so many microseconds: 0 or ETIMEDOUT.
int clock_wait(pthread_cond_t *c, pthread_mutex_t *lock, long us);

// How often whoever waits without being woken looks at whether it is still wanted: cancelled
// work is to end within 50 ms.
#define CLOCK_LOOK_US 10000
