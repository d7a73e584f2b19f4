// SPDX-License-Identifier: MIT
#include "daemon/trace.h"

#include "base/hash.h"
#include "base/log.h"
#include "daemon/server.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

double trace_now_ms(void)
{
    return (double)uv_hrtime() / 1e6;
}

// Ids tell nothing about how many there were: others' requests are nobody's business.
void trace_begin(struct trace *t)
{
    static uint64_t seed, n;
    if (!n && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = uv_hrtime();
    n++;
    snprintf(t->id, sizeof t->id, "%016llx",
             (unsigned long long)hash64_of((const char *)&n, sizeof n, seed));
    t->route = "";
    t->started_ms = trace_now_ms();
    snprintf(t->user, sizeof t->user, "anonymous");
}

void trace_user(struct trace *t, const struct principal *who)
{
    if (who->token)
        snprintf(t->user, sizeof t->user, "token:%s", access_token_name(who->token));
    else if (who->known)
        snprintf(t->user, sizeof t->user, "uid:%lu", (unsigned long)who->uid);
}

// Questions and refusals are told; what watches the daemon comes every second.
static enum log_level level_of(const struct trace *t, int status)
{
    return status >= 400 || !strncmp(t->route, "/v1/", 4) ? LOG_INFO : LOG_DEBUG;
}

void trace_end(struct server *s, const struct trace *t, int status, const char *notes)
{
    // What is no request is counted where it is refused.
    if (!*t->route)
        return;
    if (status)
        metrics_response(&s->metrics, t->route, status);
    log_set_request(t->id);
    log_write(level_of(t, status), "http", "user=%s route=%s status=%d%s total_ms=%.1f",
              t->user, t->route, status, notes, trace_now_ms() - t->started_ms);
    log_set_request(NULL);
}

void trace_unread(struct server *s, const struct trace *t, double ms)
{
    metrics_cancel(&s->metrics, STAGE_WRITE, ms);
    log_set_request(t->id);
    log_write(LOG_INFO, "http", "user=%s route=%s cancelled=write stopped_ms=%.1f", t->user,
              t->route, ms);
    log_set_request(NULL);
}
