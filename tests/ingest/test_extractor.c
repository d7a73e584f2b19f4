// SPDX-License-Identifier: MIT
// Documents that crash, hang, eat or take over what reads them. This program is its own keeper:
// started as one, it reads with obey(), which does what the document says, and all else that
// the real one does. Every document names its outcome, so that none can get another's.
#include "ingest/extractor.h"

#include "base/confine.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const struct extractor_limits tight = {.memory = 512 << 20, .cpu_s = 1, .wall_s = 3};

// ---- what a document can say ----

static bool says(const struct buf *b, const char *what)
{
    return !strncmp(b->data, what, strlen(what));
}

static int told(struct doc *d, bool done)
{
    const char *s = done ? "done" : errno == EPERM || errno == EACCES ? "refused" : "failed";
    doc_add(d, s, strlen(s), 1);
    doc_close(d);
    return 0;
}

static int attempt(const struct buf *b, struct doc *d)
{
    errno = 0;
    if (says(b, "try socket"))
        return told(d, socket(AF_INET, SOCK_STREAM, 0) >= 0);
    if (says(b, "try fork"))
        return told(d, fork() >= 0);
    if (says(b, "try kill"))
        return told(d, !kill(getppid(), SIGKILL));
    if (says(b, "try read"))
        return told(d, open("/etc/passwd", O_RDONLY) >= 0);
    if (says(b, "try write"))
        return told(d, open("/tmp/askd-test-extractor", O_WRONLY | O_CREAT, 0600) >= 0);
    if (says(b, "try proc"))
        return told(d, open("/proc/self/mem", O_RDWR) >= 0);
    char *const argv[] = {(char[]){"id"}, NULL};
    return told(d, !execv("/usr/bin/id", argv));
}

// A doc that is none: `kind` says in which way.
static int lie(int kind, struct doc *d)
{
    doc_add(d, "some text of it", 15, 1);
    doc_close(d);
    struct block *b = d->blocks;
    switch (kind) {
    case 0:
        b->len = 1000;
        break;
    case 1:
        b->off = SIZE_MAX;
        break;
    case 2:
        b->len = 0;
        break;
    case 3:
        b->kind = 77;
        break;
    case 4:
        b->level = -1;
        break;
    case 5:
        d->text.data[3] = '\x1b';
        break;
    case 6:
        d->text.data[3] = '\xff';
        break;
    case 7:
        d->marks[0].off = 999;
        break;
    case 8:
        d->marks[0].line = -5;
        break;
    case 9:
        d->text.data[b->len - 2] = '\xc3';
        d->text.data[b->len - 1] = '\xa9';
        b->len--; // half a character
        break;
    case 10:
        d->text.data[3] = '\xc2';
        d->text.data[4] = '\x9b'; // a control character of two bytes
        break;
    case 11:
        d->title.len = SIZE_MAX / 2;
        break;
    case 12:
        d->n_blocks = 1000;
        break;
    default:
        return kind == 13 ? 5 : -9999; // no outcomes
    }
    return 0;
}

static int obey(enum format f, struct buf *b, struct doc *d, struct err *e)
{
    static int before; // documents that this child has read
    doc_init(d, extract_type(f));
    if (says(b, "crash") || (says(b, "if used crash") && before)) {
        signal(SIGSEGV, SIG_DFL); // a sanitizer's
        raise(SIGSEGV);
    }
    if (says(b, "abort"))
        abort();
    if (says(b, "exit"))
        _exit(9);
    while (says(b, "loop"))
        ;
    while (says(b, "hang"))
        pause();
    while (says(b, "eat")) {
        char *p =
            mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return err_nomem(e);
    }
    if (says(b, "try"))
        return attempt(b, d);
    if (says(b, "lie"))
        return lie(atoi(b->data + 4), d);
    before++;
    return extract_bytes(f, b, d, e);
}

// ---- reading ----

static extractors *x;
static struct err err;

static int read_as(enum format f, const char *text, size_t n, struct doc *d)
{
    struct buf b = {(char *)text, n, 0};
    err = (struct err){0};
    return extractors_read(x, f, &b, d, &err);
}

static void reads(const char *text, const char *want)
{
    struct doc d;
    int rc = read_as(FORMAT_TEXT, text, strlen(text), &d);
    if (rc || d.n_blocks != 1 || d.blocks->len != strlen(want) ||
        memcmp(d.text.data + d.blocks->off, want, strlen(want)) != 0) {
        print_error("%s: %d %s %.*s\n", text, rc, err.msg, (int)d.text.len, d.text.data);
        fail();
    }
    doc_free(&d);
}

static void fails(const char *text, int code, const char *why)
{
    struct doc d;
    int rc = read_as(FORMAT_TEXT, text, strlen(text), &d);
    doc_free(&d);
    if (rc != code || !strstr(err.msg, why)) {
        print_error("%s: %d %s\n", text, rc, err.msg);
        fail();
    }
}

static void fresh(unsigned threads)
{
    extractors_free(x);
    assert_int_equal(extractors_new(threads, &x, &err), 0);
}

static void same_as_here(enum format f, const char *text, size_t n)
{
    struct doc here, there;
    struct buf b = BUF_INIT;
    struct err e = {0};
    assert_int_equal(buf_add(&b, text, n), 0);
    int rc = extract_bytes(f, &b, &here, &e);
    assert_int_equal(read_as(f, text, n, &there), rc);
    assert_string_equal(err.msg, e.msg);
    if (!rc) {
        assert_string_equal(there.type, here.type);
        assert_string_equal(there.title.data, here.title.data);
        assert_int_equal(there.text.len, here.text.len);
        assert_memory_equal(there.text.data, here.text.data, here.text.len + 1);
        assert_int_equal(there.n_blocks, here.n_blocks);
        for (size_t i = 0; i < here.n_blocks; i++) {
            const struct block *p = &here.blocks[i], *q = &there.blocks[i];
            assert_true(p->kind == q->kind && p->level == q->level && p->page == q->page &&
                        p->off == q->off && p->len == q->len);
        }
        assert_int_equal(there.n_marks, here.n_marks);
        for (size_t i = 0; i < here.n_marks; i++)
            assert_true(here.marks[i].off == there.marks[i].off &&
                        here.marks[i].line == there.marks[i].line);
    }
    doc_free(&here);
    doc_free(&there);
    buf_free(&b);
}

static void test_same(void **state)
{
    static const char pages[] = "Head\nOne page.\n\fHead\nAnother.\n\fHead\nA third.\n\f";
    static const char md[] =
        "# Title\n\n- one\n- two\n\n```\ncode\n```\n\n| a | b |\n|---|---|\n"
        "| 1 | 2 |\n";
    static const char html[] =
        "<title>T</title><h1>H</h1><ul><li>x<li>y</ul><p>\xE9t\xE9 caf\xE9";
    (void)state;
    fresh(1);
    same_as_here(FORMAT_MARKDOWN, md, sizeof md - 1);
    same_as_here(FORMAT_HTML, html, sizeof html - 1);
    same_as_here(FORMAT_PDF, pages, sizeof pages - 1);
    same_as_here(FORMAT_TEXT, "", 0);
    same_as_here(FORMAT_TEXT, "\0\0\0", 3); // refused, in the same words
    size_t n = 1 << 20;                     // more than sockets hold
    char *large = malloc(n);
    assert_non_null(large);
    for (size_t i = 0; i < n; i++)
        large[i] = "word. \n\n"[i * 7919 % 8];
    same_as_here(FORMAT_TEXT, large, n);
    free(large);
    // Another charset is a library that is loaded there.
    same_as_here(FORMAT_HTML, "<meta charset=gb18030><p>\xC4\xE3\xBA\xC3 \xB9\xA4\xD7\xF7", 35);
}

static void test_ends(void **state)
{
    (void)state;
    fresh(1);
    fails("crash", -EILSEQ, "crashed (signal 11)");
    reads("one after it", "one after it");
    fails("abort", -EILSEQ, "crashed (signal 6)");
    fails("exit", -EILSEQ, "ended with status 9");
    reads("one after it", "one after it");
    fails("loop", -ETIME,
          "more than"); // of processor time, or of the clock where there is little of it
    fails("hang", -ETIME, "more than 3 s");
    reads("one after it", "one after it");
}

static void test_memory(void **state)
{
    (void)state;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    print_message("# skipped: sanitizers take more memory than any limit\n");
    return;
#endif
    fresh(1);
    fails("eat", -ENOMEM, "more than 512 MiB of memory");
    reads("one after it", "one after it");
}

// What an earlier document did to the child is not laid at a later one's door.
static void test_innocent(void **state)
{
    (void)state;
    fresh(1);
    reads("first", "first");
    reads("if used crash", "if used crash");
    for (int i = 0; i < 100; i++) {
        reads("another", "another");
        if (i % 7 == 0)
            fails("crash", -EILSEQ, "crashed");
    }
}

static void test_lies(void **state)
{
    (void)state;
    fresh(1);
    for (int i = 0; i < 15; i++) {
        char text[20];
        snprintf(text, sizeof text, "lie %d", i);
        fails(text, -EBADMSG, "makes no sense");
        reads("one after it", "one after it");
    }
}

static void test_confined(void **state)
{
    (void)state;
    fresh(1);
    int missing = extractors_missing(x);
    print_message("# missing of the kernel: %d\n", missing);
    if (!(missing & CONFINE_NO_SECCOMP)) {
        reads("try socket", "refused");
        reads("try fork", "refused");
        reads("try kill", "refused");
        reads("try exec", "refused");
    }
    if (!(missing & CONFINE_NO_LANDLOCK)) {
        reads("try read", "refused");
        reads("try write", "refused");
        reads("try proc", "refused");
    }
}

// ---- keepers that die ----

static pid_t parent_of(pid_t pid)
{
    char path[64], line[300];
    int ppid = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f) && strrchr(line, ')'))
        sscanf(strrchr(line, ')') + 1, " %*c %d", &ppid);
    if (f)
        fclose(f);
    return ppid;
}

// Some process whose parent this is; 0: none.
static pid_t child_of(pid_t parent)
{
    DIR *d = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *f; d && !found && (f = readdir(d));) {
        pid_t pid = atoi(f->d_name);
        if (pid && parent_of(pid) == parent)
            found = pid;
    }
    if (d)
        closedir(d);
    return found;
}

static void test_keeper_dies(void **state)
{
    (void)state;
    fresh(1);
    reads("first", "first");
    for (int i = 0; i < 3; i++) {
        pid_t keeper = child_of(getpid());
        assert_int_not_equal(keeper, 0);
        kill(keeper, SIGKILL);
        reads("one after it", "one after it");
    }
    fresh(1);
    kill(child_of(getpid()), SIGKILL); // before it has a child
    reads("first", "first");
}

// Who kills what reads a document costs the document.
static void *kill_reader(void *ctx)
{
    pid_t keeper = *(pid_t *)ctx, child;
    while (!(child = child_of(keeper)))
        usleep(1000);
    usleep(50000);
    kill(child, SIGKILL);
    return NULL;
}

static void test_killed(void **state)
{
    pthread_t t;
    (void)state;
    fresh(1);
    pid_t keeper = child_of(getpid());
    assert_int_equal(pthread_create(&t, NULL, kill_reader, &keeper), 0);
    fails("hang", -EILSEQ, "crashed (signal 9)");
    pthread_join(t, NULL);
    reads("one after it", "one after it");
}

// When askd-ingest is gone, so are its keepers and their children.
static void test_orphans(void **state)
{
    int pipes[2], status;
    pid_t pids[2];
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (!pid) {
        struct doc d;
        struct buf b = {(char[]){"hang"}, 4, 0};
        x = NULL;
        if (extractors_new(1, &x, &err))
            _exit(1);
        pids[0] = child_of(getpid());
        pids[1] = 0;
        if (fork() == 0) { // tells when the child is there
            while (!(pids[1] = child_of(pids[0])))
                usleep(1000);
            _exit(write(pipes[1], pids, sizeof pids) != sizeof pids);
        }
        extractors_read(x, FORMAT_TEXT, &b, &d, &err);
        _exit(0);
    }
    assert_int_equal(read(pipes[0], pids, sizeof pids), sizeof pids);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < 500 && (!kill(pids[0], 0) || !kill(pids[1], 0)); i++)
        usleep(10000);
    assert_true(kill(pids[1], 0) && errno == ESRCH);
    close(pipes[0]);
    close(pipes[1]);
}

// ---- threads ----

static void *read_many(void *ctx)
{
    uintptr_t seed = (uintptr_t)ctx, wrong = 0;
    for (int i = 0; i < 150; i++) {
        char text[40];
        struct doc d;
        struct err e = {0};
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int kind = (int)(seed >> 60);
        snprintf(text, sizeof text, "%s %d",
                 kind == 0   ? "crash"
                 : kind == 1 ? "lie 3"
                             : "words",
                 i);
        struct buf b = {text, strlen(text), 0};
        int rc = extractors_read(x, FORMAT_TEXT, &b, &d, &e);
        int want = kind == 0 ? -EILSEQ : kind == 1 ? -EBADMSG : 0;
        wrong += rc != want || (!rc && strcmp(d.text.data, text) != 0);
        doc_free(&d);
    }
    return (void *)wrong;
}

static void test_threads(void **state)
{
    pthread_t t[4];
    void *wrong;
    (void)state;
    fresh(3); // one waits
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, read_many, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
}

// ---- a kernel that has less ----

// From here on no Landlock, and no filters but this.
static int have_less(void)
{
    const unsigned nr = offsetof(struct seccomp_data, nr);
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    const struct sock_fprog p = {sizeof f / sizeof *f, f};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
}

static void test_less(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    if (!pid) {
        x = NULL;
        if (have_less())
            _exit(77);
        if (extractors_new(1, &x, &err) || !(extractors_missing(x) & CONFINE_NO_LANDLOCK) ||
            !(extractors_missing(x) & CONFINE_NO_SECCOMP))
            _exit(1);
        struct doc d;
        int rc = read_as(FORMAT_TEXT, "words", 5, &d);
        bool good = !rc && !strcmp(d.text.data, "words");
        doc_free(&d);
        rc = read_as(FORMAT_TEXT, "crash", 5, &d);
        doc_free(&d);
        extractors_free(x);
        _exit(good && rc == -EILSEQ ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("# skipped: no filter can be set here\n");
        return;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

// askd-ingest says so, once.
static void test_warning(void **state)
{
    char dir[] = "/tmp/askd-test-extractor-XXXXXX", path[100], command[400], out[4000] = "";
    const char *build = getenv("ASKD_BUILDDIR");
    int status;
    (void)state;
    assert_non_null(build);
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%d.md", dir, i);
        snprintf(command, sizeof command, "Words of document %d.\n", i * 7);
        assert_int_equal(file_write_atomic(path, command, strlen(command), &err), 0);
    }
    snprintf(command, sizeof command,
             "'%s/askd-ingest' --threads 3 --data %s/data --no-embed add %s/*.md 2>&1", build,
             dir, dir);
    FILE *p = NULL;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (!pid) {
        dup2(pipes[1], 1);
        if (have_less())
            _exit(77);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    close(pipes[1]);
    p = fdopen(pipes[0], "r");
    assert_non_null(p);
    out[fread(out, 1, sizeof out - 1, p)] = 0;
    fclose(p);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("# skipped: no filter can be set here\n");
        return;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_non_null(strstr(out, "3 new"));
    const char *warning = strstr(out, "there is no Landlock");
    assert_non_null(warning);
    assert_null(strstr(warning + 1, "there is no Landlock"));
}

static int teardown(void **state)
{
    (void)state;
    extractors_free(x);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_innocent),
        cmocka_unit_test(test_lies),        cmocka_unit_test(test_confined),
        cmocka_unit_test(test_keeper_dies), cmocka_unit_test(test_killed),
        cmocka_unit_test(test_orphans),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_less),        cmocka_unit_test(test_warning),
    };
    if (argc && !strcmp(argv[0], EXTRACTOR_NAME))
        return extractor_main(obey, &tight);
    return cmocka_run_group_tests(tests, NULL, teardown);
}
