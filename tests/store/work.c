// SPDX-License-Identifier: MIT
// The workload as a program, for killing: "work run DATA" does the steps and prints each when
// it is done; "work check DATA N" looks whether all up to N is there and does the rest.
#include "tests/store/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(void *ctx, int step)
{
    char line[16];
    (void)ctx;
    int n = snprintf(line, sizeof line, "%d\n", step);
    if (write(STDOUT_FILENO, line, (size_t)n) != n)
        _exit(3);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    char why[ERR_MSG_MAX] = "";
    int state = 0, rc = -1;
    if (argc == 3 && !strcmp(argv[1], "run"))
        rc = work_run(argv[2], 1, tell, NULL, &e);
    else if (argc == 4 && !strcmp(argv[1], "check"))
        rc = work_check(argv[2], atoi(argv[3]), &state, why);
    if (argc == 4 && !rc)
        rc = work_run(argv[2], state + 1, NULL, NULL, &e);
    if (argc == 4 && !rc)
        rc = work_check(argv[2], WORK_STEPS, &state, why);
    if (rc)
        fprintf(stderr, "work: %s%s\n", e.msg, why);
    return rc ? 1 : 0;
}
