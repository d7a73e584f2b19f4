// SPDX-License-Identifier: MIT
// A bounded queue of jobs and the threads that run them. A job belongs to its worker from
// job_pool_submit until its `run` returns; how the result travels back is the job's affair.
//
// Jobs of one owner run in the order in which they came, and owners take turns: who has many
// waiting waits for himself (start-time fair queueing, Goyal et al. 1996, all jobs being worth
// the same).
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct job_pool job_pool;

struct job {
    void (*run)(struct job *j); // on a worker thread; may free the job
    int64_t owner;              // for whom; equal numbers take turns with others as one
    struct job *next;           // the pool's, as is the next
    uint64_t round;
};

// `threads` workers and room for `queue` waiting jobs.
int job_pool_new(unsigned threads, size_t queue, job_pool **out, struct err *e);
// Runs what is queued, then joins the threads. NULL-safe.
void job_pool_free(job_pool *p);
// 0; -EAGAIN when the queue is full, -EDQUOT when `most` jobs of this owner wait or run (0: any
// number may). The job stays the caller's then. Any thread.
int job_pool_submit(job_pool *p, struct job *j, size_t most);
// Take a job back that has not begun; false: it has, or has run. Any thread.
bool job_pool_remove(job_pool *p, const struct job *j);
// Jobs waiting and jobs running, for metrics.
void job_pool_load(job_pool *p, size_t *waiting, size_t *running);
