// SPDX-License-Identifier: MIT
// Settings of any bytes: every line that is wrong is told, or all of them can be used.
#include "fuzz/target.h"

#include "daemon/config.h"

#include <string.h>

static void told(void *ctx, const char *sentence)
{
    FUZZ_CHECK(*sentence);
    ++*(int *)ctx;
}

static void use(const struct config *c)
{
    char name[CONFIG_NAME_MAX + 1], path[PATH_MAX], host[CONFIG_HOST_MAX];
    unsigned cpus[CONFIG_CPUS_MAX];
    int port;
    for (size_t at = 0; config_adapter(c, &at, name, path);)
        FUZZ_CHECK(*name && *path);
    int n = config_cpus(c->pin, cpus);
    for (int i = 0; i < n; i++)
        FUZZ_CHECK(cpus[i] < CONFIG_CPUS_MAX);
    if (*c->listen && config_listen(c->listen, host, &port))
        FUZZ_CHECK(*host && port > 0 && port < 65536);
    FUZZ_CHECK(c->max_k > 0 && c->max_body_kib > 0 && c->max_connections > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c, running;
    struct err e = {0};
    char ignored[200];
    int n = 0;
    FUZZ_CHECK(!config_init(&c, &e) && !config_init(&running, &e));
    int rc = config_read(&c, fuzz_file(data, size), told, &n, &e);
    FUZZ_CHECK(rc < 0 ? *e.msg != 0 : rc == n);
    if (!rc && !config_check(&c, &e)) {
        use(&c);
        config_reload(&running, &c, ignored, sizeof ignored);
        use(&running);
    }
    config_free(&c);
    config_free(&running);
    return 0;
}
