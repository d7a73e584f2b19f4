// SPDX-License-Identifier: MIT
// A connection as conn.c, which reads, and reply.c, which writes, see it.
#pragma once

#include "daemon/server.h"

#include <llhttp.h>

#define READ_CHUNK 16384

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } u; // first: a uv handle's address is the connection's
    uv_timer_t timer, stall;
    uv_shutdown_t shutdown;
    int open_handles;
    struct server *s;
    struct conn *next, *prev;
    llhttp_t parser;
    struct request r;
    struct principal peer; // of the Unix socket, as it was when it connected
    gid_t *groups;         // of the peer
    int64_t user;          // whose place it takes
    bool turned_away;      // it takes none
    struct buf header;     // name of the header being read
    size_t head_bytes;
    struct buf later;
    bool begun;     // bytes of a request have come
    bool fresh;     // none has been answered yet
    bool busy;      // a request is being answered
    bool streaming; // a chunked reply has begun
    bool close_after;
    bool too_large, head_too_large, no_memory;
    bool lingering; // the reply is out; what the client still sends is dropped
    bool closing;
    bool complete;
    bool parsing;   // further up the stack: what waits is taken there, not by recursion
    bool expects;   // the client waits for 100 Continue
    bool waits;     // has had its share of this round of the loop; not read from until the next
    uint64_t round; // in which it was answered last
    unsigned in_round; // requests in it
    struct task *task;
    uint64_t written;  // bytes given to the kernel or waiting for it
    uint64_t taken;    // of those, as it was when the client last took some
    double taken_ms;   // when that was
    double replied_ms; // when the whole of a reply was written; 0: it is out
    double closing_ms;
    char chunk[READ_CHUNK];
};

// Begin with what comes in: the connection is open.
void conn_open(struct conn *c);
// Send `head`, then `body`; `close`: nothing follows.
void conn_send(struct conn *c, const char *head, size_t head_n, const char *body, size_t n,
               bool close);
// The reply is under way: on to the next request.
void conn_answered(struct conn *c);
// The last byte of the last reply is out. Closing while the client still sends would take the
// reply from it (a reset), so its sending is awaited for a moment and dropped.
void conn_finish(struct conn *c);
