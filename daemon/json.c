// SPDX-License-Identifier: MIT
#include "daemon/json.h"

#include <errno.h>
#include <stdlib.h>

static _Thread_local bool failed;

static void *take(size_t n)
{
    void *p = malloc(n);
    failed |= !p;
    return p;
}

void json_init(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){take, free});
}

bool json_failed(void)
{
    bool was = failed;
    failed = false;
    return was;
}

void json_put(cJSON *o, const char *name, cJSON *v)
{
    if (!cJSON_AddItemToObject(o, name, v))
        cJSON_Delete(v);
}

void json_append(cJSON *list, cJSON *v)
{
    if (!cJSON_AddItemToArray(list, v))
        cJSON_Delete(v);
}

int json_print(cJSON *o, struct buf *out)
{
    char *s = o ? cJSON_PrintUnformatted(o) : NULL;
    bool part = json_failed();
    int rc = s && !part ? buf_addf(out, "%s\n", s) : -ENOMEM;
    cJSON_free(s);
    cJSON_Delete(o);
    return rc;
}
