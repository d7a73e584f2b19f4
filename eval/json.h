// SPDX-License-Identifier: MIT
// Members of a JSON object as eval/ reads them: what is absent or of another type is empty.
#pragma once

#include <cJSON.h>

#include <stdbool.h>
#include <string.h>

static inline const cJSON *json_item(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

// The string, or "".
static inline const char *json_string(const cJSON *o, const char *name)
{
    const cJSON *x = json_item(o, name);
    return cJSON_IsString(x) ? x->valuestring : "";
}

// The number; 1 for true; else 0.
static inline double json_number(const cJSON *o, const char *name)
{
    const cJSON *x = json_item(o, name);
    return cJSON_IsNumber(x) ? x->valuedouble : cJSON_IsTrue(x) ? 1 : 0;
}

static inline bool json_true(const cJSON *o, const char *name)
{
    return cJSON_IsTrue(json_item(o, name));
}

static inline bool json_is(const cJSON *o, const char *name, const char *value)
{
    return !strcmp(json_string(o, name), value);
}
