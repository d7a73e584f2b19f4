// SPDX-License-Identifier: MIT
// A process gives up what it does not need: files by Landlock, system calls by seccomp,
// resources by limits. What was given up does not come back, and children inherit it.
// Where the kernel has less, the rest is done, and the mask returned says what is missing.
// Source: landlock(7), seccomp(2), setrlimit(2).
#pragma once

#include <stddef.h>
#include <stdint.h>

enum confine_use {
    CONFINE_READ,   // read files, list folders
    CONFINE_EXEC,   // that, and execute
    CONFINE_WRITE,  // read, write, create, rename and remove files and folders
    CONFINE_REMOVE, // remove files, nothing else
};

struct confine_path {
    const char
        *path; // a file, or a folder with all below it; one that is not there is left out
    enum confine_use use;
};

// What the kernel, or a filter around this process, does not offer.
enum confine_missing {
    CONFINE_NO_LANDLOCK = 1, // any file that the user may open can be opened
    CONFINE_NO_TRUNCATE = 2, // files outside can be truncated (Linux before 6.2)
    CONFINE_NO_SCOPE = 4,    // abstract sockets can be reached (before 6.12)
    CONFINE_NO_SECCOMP = 8,  // calls are not filtered: sockets, processes
};

// From here on this thread and what it starts opens no file but below these paths.
// Returns a mask of CONFINE_NO_LANDLOCK, _TRUNCATE and _SCOPE; negative errno when the kernel
// has Landlock and refuses (nothing is given up then). Threads that run already are not
// touched: call it first. Allocates nothing, so it may be called between fork and exec.
int confine_files(const struct confine_path *paths, size_t n);

enum confine_calls {
    CONFINE_MAY_EXEC = 1, // a child is about to become a program; confine_files says which
};

// From here on no thread of this process makes a socket or a connection (those open stay,
// listening ones accept), starts a process, executes a program (but with CONFINE_MAY_EXEC),
// sends a signal to another process, traces, mounts, or uses what else no program of ours
// needs: such a call returns EPERM, io_uring and clone3 ENOSYS.
// Returns 0, CONFINE_NO_SECCOMP, or negative errno. May be called between fork and exec.
int confine_calls(unsigned how);

// Upper bounds of this process, hard ones too; a negative number leaves one as it is.
struct confine_limits {
    int64_t memory;    // bytes of addresses
    int64_t cpu;       // seconds
    int64_t file;      // bytes of a file written
    int64_t files;     // open ones
    int64_t processes; // of this user; root is not bound
};
// 0 or negative errno. Never a core file. May be called between fork and exec.
int confine_limits(const struct confine_limits *l);

// What is in force, for a log: "files (Landlock), system calls (seccomp)", with what is
// missing by `mask`.
void confine_describe(int mask, char *out, size_t size);
