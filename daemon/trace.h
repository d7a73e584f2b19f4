// SPDX-License-Identifier: MIT
// What the log says of a request: one line each, when it is over. Never what was asked, what
// was answered or where a document lies.
#pragma once

#include "daemon/access.h"

struct server;

struct trace {
    char id[17];       // 16 hexadecimal digits; in X-Request-Id and in every line about it
    char user[72];     // "uid:1000", "token:NAME", "anonymous"
    const char *route; // as the table has it; static
    double started_ms; // when it had arrived
};

// Milliseconds of a clock that only goes on. Any thread.
double trace_now_ms(void);
// A new id.
void trace_begin(struct trace *t);
void trace_user(struct trace *t, const struct principal *who);
// The request is over: count the reply and write the line. `status` 0: nobody got one; `notes`:
// further words "key=value ...", or "".
void trace_end(struct server *s, const struct trace *t, int status, const char *notes);
// The client went before it had taken all of its reply, whose memory was free `ms` later.
void trace_unread(struct server *s, const struct trace *t, double ms);
