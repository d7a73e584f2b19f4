// SPDX-License-Identifier: MIT
// Lines of key=value on stderr, one write each. Only programs log; libraries return errors.
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

// Set once at start; messages above `level` are dropped. Default LOG_INFO.
void log_set_level(enum log_level level);
// Level by name ("error" .. "trace"); -EINVAL for another word.
int log_level_parse(const char *name, enum log_level *out);
// What this thread's lines are about from here on: they say "request=ID". NULL: nothing. Not
// copied.
void log_set_request(const char *id);
// Write one line: time, level, domain, then the formatted text. Control bytes and invalid
// UTF-8 are escaped as \xNN, so foreign text cannot forge lines. Any thread.
void log_write(enum log_level level, const char *domain, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
