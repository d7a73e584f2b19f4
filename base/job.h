// SPDX-License-Identifier: MIT
// A bounded queue of jobs and the threads that run them. A job belongs to its worker from
// job_pool_submit until its `run` returns; how the result travels back is the job's affair.
#pragma once

#include "base/err.h"

#include <stddef.h>

typedef struct job_pool job_pool;

struct job {
    void (*run)(struct job *j); // on a worker thread; may free the job
    struct job *next;           // the pool's
};

// `threads` workers and room for `queue` waiting jobs.
int job_pool_new(unsigned threads, size_t queue, job_pool **out, struct err *e);
// Runs what is queued, then joins the threads. NULL-safe.
void job_pool_free(job_pool *p);
// 0, or -EAGAIN when the queue is full (the job stays the caller's). Any thread.
int job_pool_submit(job_pool *p, struct job *j);
// Jobs waiting and jobs running, for metrics.
void job_pool_load(job_pool *p, size_t *waiting, size_t *running);
