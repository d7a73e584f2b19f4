// SPDX-License-Identifier: MIT
// Parsers that a document has taken over: Python stands in for the parser, the document is
// what it does.
#include "base/confine.h"
#include "base/file.h"
#include "ingest/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PYTHON "/usr/bin/python3"
#define AMPLE 60 // seconds, of which none is waited for

static char dir[] = "/tmp/askd-test-parser-XXXXXX";
static char script[100], victim[100];
static struct buf out;
static struct err err;

// Does the kernel have these? (cmocka's own skip() is a failure to the TAP driver.)
static bool have(int parts)
{
    int status;
    pid_t pid = fork();
    if (!pid) {
        int files = confine_files(NULL, 0), calls = confine_calls(0);
        _exit(files < 0 || calls < 0 ? 0 : files | calls);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) & parts)
        print_message("# skipped: this kernel does not confine it\n");
    return !(WEXITSTATUS(status) & parts);
}

// What becomes of it when the document says `text`, with so many seconds.
static int become(const char *text, int cpu_s, int wall_s, int *status)
{
    const char *const argv[] = {"parser", "-I", "-S", script, NULL};
    const struct parser p = {PYTHON, argv, script, 256 << 20, cpu_s, wall_s, 1 << 20};
    err = (struct err){0};
    out.len = 0;
    *status = -1;
    assert_int_equal(file_write_atomic(script, text, strlen(text), &err), 0);
    return parser_run(&p, &out, status, &err);
}

// The attempt raises the error, and the parser goes on to say so.
static void refused(const char *attempt, const char *error)
{
    char text[1000];
    int status;
    snprintf(text, sizeof text,
             "import os, sys, ctypes\nvictim = '%s'\ntry:\n    %s\n    print('done')\n"
             "except BaseException as e:\n    print(type(e).__name__)\n",
             victim, attempt);
    int rc = become(text, AMPLE, AMPLE, &status);
    if (rc || status || strncmp(out.data, error, strlen(error)) != 0)
        print_message("%s: %d %d %s %.*s\n", attempt, rc, status, err.msg, (int)out.len,
                      out.data);
    assert_int_equal(rc, 0);
    assert_int_equal(status, 0);
    assert_int_equal(strncmp(out.data, error, strlen(error)), 0);
}

static void test_works(void **state)
{
    int status;
    (void)state;
    assert_int_equal(become("print('text of a document')", AMPLE, AMPLE, &status), 0);
    assert_int_equal(status, 0);
    assert_string_equal(out.data, "text of a document\n");
    assert_int_equal(become("raise SystemExit(3)", AMPLE, AMPLE, &status), 0);
    assert_int_equal(status, 3);
}

static void test_calls(void **state)
{
    (void)state;
    if (!have(CONFINE_NO_SECCOMP))
        return;
    refused("import _socket; _socket.socket(2, 1)", "PermissionError");
    refused("import _socket; _socket.socket(1, 1)", "PermissionError");
    refused("os.fork()", "PermissionError");
    refused("os.kill(os.getppid(), 9)", "PermissionError");
}

static void test_files(void **state)
{
    struct stat st;
    (void)state;
    if (!have(CONFINE_NO_LANDLOCK | CONFINE_NO_TRUNCATE))
        return;
    refused("open('/etc/passwd').read()", "PermissionError");
    refused("open(victim).read()", "PermissionError");
    refused("open(victim, 'a').write('x')", "PermissionError");
    refused("os.truncate(victim, 0)", "PermissionError");
    refused("os.unlink(victim)", "PermissionError");
    refused("open(victim + '2', 'w').write('x')", "PermissionError");
    refused("os.listdir('/proc')", "PermissionError");
    refused("os.execv('/usr/bin/id', ['id'])", "PermissionError");
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 6);
}

static void test_resources(void **state)
{
    int status;
    (void)state;
    refused("bytearray(1 << 30)", "MemoryError");
    assert_int_equal(become("while True: pass", 1, AMPLE, &status), -EILSEQ); // the CPU limit
    assert_non_null(strstr(err.msg, "signal 9"));
    assert_int_equal(become("import time; time.sleep(999)", AMPLE, 1, &status), -ETIME);
    assert_non_null(strstr(err.msg, "more than 1 s"));
    // Its output is at an end, it is not.
    assert_int_equal(become("import os, time\nos.close(1)\ntime.sleep(999)", AMPLE, 1, &status),
                     -ETIME);
    assert_int_equal(become("while True: print('x' * 9999)", AMPLE, AMPLE, &status), -EFBIG);
    assert_int_equal(become("import os\nos.abort()", AMPLE, AMPLE, &status), -EILSEQ);
    assert_non_null(strstr(err.msg, "signal 6"));
}

static void test_absent(void **state)
{
    const char *const argv[] = {"parser", NULL};
    const struct parser p = {"/usr/bin/no-such-parser", argv, script, 256 << 20, 2, 4, 1 << 20};
    int status;
    (void)state;
    assert_int_equal(parser_run(&p, &out, &status, &err), 0);
    assert_int_equal(status, 127);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(script, sizeof script, "%s/document", dir);
    snprintf(victim, sizeof victim, "%s/victim", dir);
    return file_write_atomic(victim, "secret", 6, &err);
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&out);
    unlink(script);
    unlink(victim);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_works),  cmocka_unit_test(test_calls),
        cmocka_unit_test(test_files),  cmocka_unit_test(test_resources),
        cmocka_unit_test(test_absent),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
