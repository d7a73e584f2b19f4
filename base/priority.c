// SPDX-License-Identifier: MIT
#include "base/priority.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>

// Steps of nice(1). Of a processor that both want, this thread gets a quarter.
#define STEPS 5

int priority_step_back(void)
{
    static _Thread_local bool done;
    if (done)
        return 0;
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0); // of this thread
    if (errno || setpriority(PRIO_PROCESS, 0, now + STEPS))
        return -errno;
    done = true;
    return 0;
}
