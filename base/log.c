// SPDX-License-Identifier: MIT
#include "base/log.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
static atomic_int max_level = LOG_INFO;
static _Thread_local const char *request;

void log_set_level(enum log_level level)
{
    atomic_store(&max_level, (int)level);
}

void log_set_request(const char *id)
{
    request = id;
}

int log_level_parse(const char *name, enum log_level *out)
{
    for (int i = 0; i <= LOG_TRACE; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    return -EINVAL;
}

// Copy `s` to out[cap] with control bytes and invalid UTF-8 as \xNN; returns the length.
static size_t escape(const char *s, char *out, size_t cap)
{
    size_t n = 0, len = strlen(s);
    for (size_t i = 0; i < len && n + 5 < cap;) {
        size_t step = utf8_valid_step(s + i, len - i);
        if (step == 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7F) {
            n += (size_t)snprintf(out + n, cap - n, "\\x%02X", (unsigned char)s[i]);
            i++;
        } else {
            memcpy(out + n, s + i, step);
            n += step;
            i += step;
        }
    }
    return n;
}

void log_write(enum log_level level, const char *domain, const char *fmt, ...)
{
    if ((int)level > atomic_load(&max_level))
        return;
    char text[1024], line[2200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n +=
        (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ level=%s domain=%s %s%.32s%s",
                         now.tv_nsec / 1000000, names[level], domain, request ? "request=" : "",
                         request ? request : "", request ? " " : "");
    n += escape(text, line + n, sizeof line - n - 1);
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}
