// SPDX-License-Identifier: MIT
// A child gives something up, then tries it: what the kernel lets it do is its exit status.
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIPPED 77

static char dir[] = "/tmp/askd-test-confine-XXXXXX";
static char true_name[] = "true"; // as exec takes it
static char inside[100], outside[100];

static int run(int (*child)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (!pid)
        _exit(child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void expect_held(int (*child)(void))
{
    int status = run(child);
    if (status == SKIPPED) { // cmocka's own skip() is a failure to the TAP driver
        print_message("# skipped: this kernel does not confine it\n");
        return;
    }
    assert_int_equal(status, 0);
}

// The number of the first check that does not hold.
#define HOLDS(n, condition) \
    do {                    \
        if (!(condition))   \
            return (n);     \
    } while (0)

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int child_files(void)
{
    char name[200], other[200];
    const struct confine_path paths[] = {
        {inside, CONFINE_WRITE}, {"/usr", CONFINE_READ}, {"/no/such/place", CONFINE_READ}};
    HOLDS(1, opens("/etc/passwd", O_RDONLY) && opens(outside, O_RDWR));
    int mask = confine_files(paths, sizeof paths / sizeof *paths);
    if (mask > 0 && mask & CONFINE_NO_LANDLOCK)
        return SKIPPED;
    HOLDS(2, mask >= 0);
    HOLDS(3, !opens("/etc/passwd", O_RDONLY) && errno == EACCES);
    HOLDS(4, !opens(outside, O_RDONLY) && !opens(outside, O_WRONLY));
    HOLDS(5, mask & CONFINE_NO_TRUNCATE || truncate(outside, 0));
    HOLDS(6, opens("/usr", O_RDONLY | O_DIRECTORY) && !opens("/usr/x", O_WRONLY | O_CREAT));
    HOLDS(7, unlink(outside) && errno == EACCES);
    snprintf(name, sizeof name, "%s/new", inside);
    snprintf(other, sizeof other, "%s/other", inside);
    HOLDS(8, opens(name, O_RDWR | O_CREAT | O_TRUNC) && !rename(name, other));
    HOLDS(9, symlink(outside, name) && !mkdir(name, 0700) && !rmdir(name));
    snprintf(name, sizeof name, "%s/../new", inside);
    HOLDS(10, !opens(name, O_RDWR | O_CREAT));
    HOLDS(11, !unlink(other));
    char *const argv[] = {true_name, NULL};
    execv("/usr/bin/true", argv);
    HOLDS(12, errno == EACCES);
    return 0;
}

static void test_files(void **state)
{
    (void)state;
    expect_held(child_files);
    struct stat st;
    assert_int_equal(stat(outside, &st), 0);
    assert_int_equal(st.st_size, 4);
}

static void *nothing(void *ctx)
{
    return ctx;
}

static void *wait_and_try(void *ctx)
{
    char byte;
    const int *pipe_read = ctx;
    static int code;
    if (read(*pipe_read, &byte, 1) != 1)
        return NULL;
    code = socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
    return &code;
}

static int child_calls(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t size = sizeof a;
    pthread_t before, after;
    void *code = NULL;
    int pair[2], pipes[2];
    int listening = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    HOLDS(1,
          !bind(listening, (struct sockaddr *)&a, sizeof a.sun_family)); // the kernel names it
    HOLDS(2, !listen(listening, 1) && !getsockname(listening, (struct sockaddr *)&a, &size));
    HOLDS(3, !connect(client, (struct sockaddr *)&a, size) && !pipe(pipes));
    HOLDS(4, !pthread_create(&before, NULL, wait_and_try, &pipes[0]));
    int mask = confine_calls(0);
    if (mask == CONFINE_NO_SECCOMP)
        return SKIPPED;
    HOLDS(5, !mask);
    HOLDS(6, socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
    HOLDS(7, socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 && errno == EPERM);
    HOLDS(8, connect(client, (struct sockaddr *)&a, size) < 0 && errno == EPERM);
    int accepted = accept(listening, NULL, NULL);
    HOLDS(9, accepted >= 0 && write(client, "x", 1) == 1);
    HOLDS(10, fork() < 0 && errno == EPERM);
    char *const argv[] = {true_name, NULL};
    execv("/usr/bin/true", argv);
    HOLDS(11, errno == EPERM);
    HOLDS(12, kill(getppid(), SIGTERM) && errno == EPERM);
    HOLDS(13, !pthread_create(&after, NULL, nothing, &pair) && !pthread_join(after, NULL));
    HOLDS(14, write(pipes[1], "x", 1) == 1 && !pthread_join(before, &code));
    HOLDS(15, code && *(int *)code == EPERM); // threads that ran already are bound too
    return 0;
}

static void test_calls(void **state)
{
    (void)state;
    expect_held(child_calls);
}

static int child_abort(void)
{
    signal(SIGABRT, SIG_DFL);
    if (confine_calls(0) == CONFINE_NO_SECCOMP)
        return SKIPPED;
    abort();
}

static void test_abort(void **state)
{
    (void)state;
    int status = run(child_abort);
    if (status == SKIPPED) { // cmocka's own skip() is a failure to the TAP driver
        print_message("# skipped: this kernel does not confine it\n");
        return;
    }
    assert_int_equal(status, 128 + SIGABRT);
}

// Within a container or a service whose filter refuses both.
static int child_within_filter(void)
{
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog p = {sizeof f / sizeof *f, f};
    const struct confine_path paths[] = {{inside, CONFINE_READ}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
        return SKIPPED;
    HOLDS(1, confine_files(paths, 1) & CONFINE_NO_LANDLOCK);
    HOLDS(2, confine_calls(0) == CONFINE_NO_SECCOMP);
    HOLDS(3, opens("/etc/passwd", O_RDONLY)); // nothing is given up, as it says
    return 0;
}

static void test_within_filter(void **state)
{
    (void)state;
    expect_held(child_within_filter);
}

static int child_exec(void)
{
    char *const argv[] = {true_name, NULL};
    if (confine_calls(CONFINE_MAY_EXEC) < 0)
        return 1;
    execv("/usr/bin/true", argv);
    return 2;
}

static void test_exec(void **state)
{
    (void)state;
    assert_int_equal(run(child_exec), 0);
}

static int child_limits(void)
{
    long long pages = 0;
    char path[200];
    snprintf(path, sizeof path, "%s/file", dir);
    FILE *f = fopen("/proc/self/statm", "re");
    HOLDS(1, f && fscanf(f, "%lld", &pages) == 1 && !fclose(f));
    const struct confine_limits l = {.memory = pages * getpagesize() + (64 << 20),
                                     .cpu = -1,
                                     .file = 4096,
                                     .files = 16,
                                     .processes = -1};
    signal(SIGXFSZ, SIG_IGN);
    HOLDS(2, !confine_limits(&l));
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    HOLDS(3, mmap(NULL, 16 << 20, prot, flags, -1, 0) != MAP_FAILED);
    HOLDS(4, mmap(NULL, 128 << 20, prot, flags, -1, 0) == MAP_FAILED && errno == ENOMEM);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    HOLDS(5, fd >= 0 && write(fd, path, 4) == 4);
    HOLDS(6, pwrite(fd, path, 4, 4096) < 0 && errno == EFBIG);
    int n = 0;
    while (n < 20 && dup(fd) >= 0)
        n++;
    HOLDS(7, n < 16 && errno == EMFILE);
    const struct confine_limits more = {-1, -1, 1 << 20, -1, -1};
    HOLDS(8, !confine_limits(&more) && pwrite(fd, path, 4, 4096) < 0); // never upwards
    return 0;
}

static void test_limits(void **state)
{
    (void)state;
    expect_held(child_limits);
}

static int child_loop(void)
{
    const struct confine_limits l = {-1, 1, -1, -1, -1};
    if (confine_limits(&l))
        return 1;
    for (volatile unsigned i = 0;; i++) {
    }
}

static void test_loop(void **state)
{
    (void)state;
    assert_int_equal(run(child_loop), 128 + SIGKILL);
}

static void test_describe(void **state)
{
    char s[300];
    (void)state;
    confine_describe(0, s, sizeof s);
    assert_string_equal(s, "files: by Landlock, system calls: by seccomp");
    confine_describe(CONFINE_NO_LANDLOCK | CONFINE_NO_SECCOMP, s, sizeof s);
    assert_non_null(strstr(s, "files: not confined"));
    assert_non_null(strstr(s, "calls: not confined"));
    confine_describe(CONFINE_NO_TRUNCATE | CONFINE_NO_SCOPE, s, sizeof s);
    assert_non_null(strstr(s, "without truncation"));
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(inside, sizeof inside, "%s/inside", dir);
    snprintf(outside, sizeof outside, "%s/outside", dir);
    int fd = open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int rc = fd < 0 || write(fd, "text", 4) != 4 || mkdir(inside, 0700);
    if (fd >= 0)
        close(fd);
    return rc ? -1 : 0;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),    cmocka_unit_test(test_calls),
        cmocka_unit_test(test_abort),    cmocka_unit_test(test_exec),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_loop),
        cmocka_unit_test(test_describe), cmocka_unit_test(test_within_filter),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
