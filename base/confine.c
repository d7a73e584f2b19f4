// SPDX-License-Identifier: MIT
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- files ----

// Later than the headers of some distributions; the values are the kernel's interface.
#define ACCESS_REFER (1ull << 13)     // version 2
#define ACCESS_TRUNCATE (1ull << 14)  // 3
#define ACCESS_IOCTL_DEV (1ull << 15) // 5
#define SCOPE_ABSTRACT_SOCKET 1ull    // 6
#define SCOPE_SIGNAL 2ull

#define ACCESS_VERSION_1 ((1ull << 13) - 1)
#define ACCESS_ON_FILE                                            \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
     LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_TRUNCATE)

struct ruleset { // landlock_ruleset_attr of version 6
    uint64_t fs, net, scoped;
};

static uint64_t access_of(enum confine_use use)
{
    uint64_t a = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    if (use == CONFINE_REMOVE)
        return LANDLOCK_ACCESS_FS_REMOVE_FILE;
    if (use == CONFINE_EXEC)
        a |= LANDLOCK_ACCESS_FS_EXECUTE;
    if (use == CONFINE_WRITE)
        a |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
             LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
             LANDLOCK_ACCESS_FS_MAKE_REG | ACCESS_REFER | ACCESS_TRUNCATE;
    return a;
}

static int add_path(int rules, const struct confine_path *p, uint64_t handled)
{
    struct landlock_path_beneath_attr at = {0};
    struct stat st;
    int fd = open(p->path, O_PATH | O_CLOEXEC), rc = 0;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
    at.parent_fd = fd;
    at.allowed_access = access_of(p->use) & handled;
    if (fstat(fd, &st))
        rc = -errno;
    else if (!S_ISDIR(st.st_mode))
        at.allowed_access &= ACCESS_ON_FILE;
    if (!rc && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &at, 0))
        rc = -errno;
    close(fd);
    return rc;
}

int confine_files(const struct confine_path *paths, size_t n)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset r = {.fs = ACCESS_VERSION_1};
    size_t size = version < 4 ? 8 : version < 6 ? 16 : 24;
    int mask = 0, rc = 0;
    if (version < 1)
        return CONFINE_NO_LANDLOCK | CONFINE_NO_TRUNCATE | CONFINE_NO_SCOPE;
    if (version >= 2)
        r.fs |= ACCESS_REFER;
    if (version >= 3)
        r.fs |= ACCESS_TRUNCATE;
    else
        mask |= CONFINE_NO_TRUNCATE;
    if (version >= 5)
        r.fs |= ACCESS_IOCTL_DEV;
    if (version >= 6)
        r.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    else
        mask |= CONFINE_NO_SCOPE;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
    if (rules < 0)
        return -errno;
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_path(rules, &paths[i], r.fs);
    if (!rc && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        rc = -errno;
    if (!rc && syscall(SYS_landlock_restrict_self, rules, 0))
        rc = -errno;
    close(rules);
    return rc ? rc : mask;
}

// ---- system calls ----

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#define X32_BIT 0x40000000u
#define EXECS 2 // the first of `refused`

// clone, tgkill and those answered with ENOSYS apart.
static const int refused[] = {
    SYS_execve,
    SYS_execveat,
    // to others
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_pidfd_getfd,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_kcmp,
// processes and what they see
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsmount,
    SYS_mount_setattr,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    // the kernel
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_fanotify_init,
};
// The caller goes on without.
static const int unknown[] = {
    SYS_clone3, // its flags are in memory, where a filter cannot look
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
};

#define FIELD(name) ((unsigned)offsetof(struct seccomp_data, name))
#define LOAD(name) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(name))
#define ANSWER(what) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (what))
#define ERROR(code) ANSWER(SECCOMP_RET_ERRNO | (code))
#define ALLOW ANSWER(SECCOMP_RET_ALLOW)
// Go over `skip` instructions unless (or if) the comparison holds.
#define UNLESS(op, value, skip) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_K | (op), (unsigned)(value), 0, skip)
#define IF(op, value, skip) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_K | (op), (unsigned)(value), skip, 0)
#define COUNT(list) (sizeof(list) / sizeof *(list))

int confine_calls(unsigned how)
{
#ifdef ARCH
    struct sock_filter f[2 * (COUNT(refused) + COUNT(unknown)) + 20];
    unsigned short n = 0;
    f[n++] = LOAD(arch);
    f[n++] = IF(BPF_JEQ, ARCH, 1);
    f[n++] = ERROR(EPERM); // the calls of 32-bit programs
    f[n++] = LOAD(nr);
    f[n++] = UNLESS(BPF_JGE, X32_BIT, 1);
    f[n++] = ERROR(EPERM);
    for (size_t i = how & CONFINE_MAY_EXEC ? EXECS : 0; i < COUNT(refused); i++) {
        f[n++] = UNLESS(BPF_JEQ, refused[i], 1);
        f[n++] = ERROR(EPERM);
    }
    for (size_t i = 0; i < COUNT(unknown); i++) {
        f[n++] = UNLESS(BPF_JEQ, unknown[i], 1);
        f[n++] = ERROR(ENOSYS);
    }
    f[n++] = UNLESS(BPF_JEQ, SYS_clone, 4);
    f[n++] = LOAD(args[0]); // little endian: the lower half
    f[n++] = IF(BPF_JSET, CLONE_THREAD, 1);
    f[n++] = ERROR(EPERM);
    f[n++] = ALLOW;
    f[n++] = UNLESS(BPF_JEQ, SYS_tgkill, 3); // abort() needs it
    f[n++] = LOAD(args[0]);
    f[n++] = IF(BPF_JEQ, getpid(), 1);
    f[n++] = ERROR(EPERM);
    f[n++] = ALLOW;
    const struct sock_fprog p = {n, f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &p);
    if (rc > 0)
        return -EBUSY; // a thread has filters of its own
    if (!rc)
        return 0;
    // EPERM: a filter around us keeps us from having one.
    return errno == ENOSYS || errno == EINVAL || errno == EPERM ? CONFINE_NO_SECCOMP : -errno;
#else
    (void)how;
    (void)refused;
    (void)unknown;
    return CONFINE_NO_SECCOMP;
#endif
}

// ---- resources ----

static int limit(int resource, int64_t value)
{
    struct rlimit r;
    if (value < 0)
        return 0;
    if (getrlimit(resource, &r))
        return -errno;
    if (r.rlim_max == RLIM_INFINITY || r.rlim_max > (rlim_t)value)
        r.rlim_max = (rlim_t)value;
    r.rlim_cur = r.rlim_max;
    return setrlimit(resource, &r) ? -errno : 0;
}

int confine_limits(const struct confine_limits *l)
{
    int rc = limit(RLIMIT_CORE, 0);
    if (!rc)
        rc = limit(RLIMIT_AS, l->memory);
    if (!rc)
        rc = limit(RLIMIT_CPU, l->cpu);
    if (!rc)
        rc = limit(RLIMIT_FSIZE, l->file);
    if (!rc)
        rc = limit(RLIMIT_NOFILE, l->files);
    if (!rc)
        rc = limit(RLIMIT_NPROC, l->processes);
    return rc;
}

void confine_describe(int mask, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s, %s",
             mask & CONFINE_NO_LANDLOCK ? "files: not confined, there is no Landlock"
                                        : "files: by Landlock",
             !(mask & CONFINE_NO_LANDLOCK) && mask & CONFINE_NO_TRUNCATE
                 ? " without truncation (Linux 6.2 has it)"
                 : "",
             !(mask & CONFINE_NO_LANDLOCK) && mask & CONFINE_NO_SCOPE
                 ? " without abstract sockets (6.12)"
                 : "",
             mask & CONFINE_NO_SECCOMP ? "system calls: not confined, there is no seccomp"
                                       : "system calls: by seccomp");
}
