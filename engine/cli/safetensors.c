// SPDX-License-Identifier: MIT
#include "engine/cli/safetensors.h"

#include "base/file.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_MAX = 16 << 20, TENSORS_MAX = 65536, FILES_MAX = 256 };

struct shard {
    char *name;
    struct file_map map;
    cJSON *header;
};

struct safetensors {
    const char *folder;
    struct shard *shards;
    size_t n_shards;
    struct safetensor *tensors; // by name
    size_t n;
};

static int wrong(const safetensors *s, const struct shard *f, const char *tensor,
                 const char *what, struct err *e)
{
    return err_set(e, -EINVAL, "%s/%s: tensor %.80s %s", s->folder, f->name, tensor, what);
}

static bool is_size(const cJSON *v, double most)
{
    return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= most &&
           v->valuedouble == floor(v->valuedouble);
}

static int read_tensor(const safetensors *s, const struct shard *f, const cJSON *v,
                       size_t header, struct safetensor *t, struct err *e)
{
    static const struct {
        const char *name;
        uint32_t type, bytes;
    } types[] = {{"F32", 0, 4}, {"F16", 1, 2}, {"BF16", 30, 2}};
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(v, "dtype"), *d;
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(v, "shape");
    const cJSON *span = cJSON_GetObjectItemCaseSensitive(v, "data_offsets");
    const cJSON *a = cJSON_GetArrayItem(span, 0), *b = cJSON_GetArrayItem(span, 1);
    double room = (double)(f->map.size - 8 - header), count = 1;
    size_t k = 0;
    *t = (struct safetensor){.name = v->string, .ne = {1, 1, 1, 1}};
    while (k < 3 && (!cJSON_IsString(type) || strcmp(type->valuestring, types[k].name)))
        k++;
    if (k == 3) {
        t->type = SAFETENSOR_OTHER;
        return cJSON_IsString(type) ? 0 : wrong(s, f, v->string, "has no dtype", e);
    }
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > 4)
        return wrong(s, f, v->string, "has no shape of up to 4 dimensions", e);
    cJSON_ArrayForEach(d, shape)
    {
        if (!is_size(d, room) || d->valuedouble < 1)
            return wrong(s, f, v->string, "has a dimension that is none", e);
        count *= d->valuedouble; // stays exact as long as it is small enough to be right
        t->ne[t->n_dims++] = (uint64_t)d->valuedouble;
    }
    if (!is_size(a, room) || !is_size(b, room) || !(count * types[k].bytes <= room) ||
        b->valuedouble - a->valuedouble != count * types[k].bytes)
        return wrong(s, f, v->string, "lies outside the file, or is larger than its shape", e);
    t->type = types[k].type;
    t->data = f->map.data + 8 + header + (size_t)a->valuedouble;
    t->bytes = (size_t)(b->valuedouble - a->valuedouble);
    return 0;
}

// Read one file; its tensors are appended.
static int read_shard(safetensors *s, struct shard *f, struct err *e)
{
    char path[PATH_MAX];
    uint64_t n = 0;
    if (snprintf(path, sizeof path, "%s/%s", s->folder, f->name) >= PATH_MAX)
        return err_set(e, -ENAMETOOLONG, "%.100s...: the path is too long", s->folder);
    int rc = file_map_open(path, &f->map, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < 8 && f->map.size >= 8; i++)
        n |= (uint64_t)f->map.data[i] << 8 * i;
    if (f->map.size < 8 || n > f->map.size - 8)
        return err_set(e, -EINVAL, "%s: its header of %llu bytes is cut short", path,
                       (unsigned long long)n);
    f->header = n <= HEADER_MAX
                    ? cJSON_ParseWithLength((const char *)f->map.data + 8, (size_t)n)
                    : NULL;
    if (!cJSON_IsObject(f->header))
        return err_set(e, -EINVAL, "%s: its header is no JSON object of at most %d bytes", path,
                       HEADER_MAX);
    const cJSON *v;
    cJSON_ArrayForEach(v, f->header)
    {
        if (!strcmp(v->string, "__metadata__"))
            continue;
        if (s->n == TENSORS_MAX)
            return err_set(e, -EINVAL, "%s: more than %d tensors", path, TENSORS_MAX);
        rc = read_tensor(s, f, v, (size_t)n, &s->tensors[s->n++], e);
        if (rc)
            return rc;
    }
    return 0;
}

// A file beside the index, and nothing else.
static bool is_plain_name(const char *s)
{
    return *s && *s != '.' && !strchr(s, '/') && strlen(s) < 200;
}

static int add_shard(safetensors *s, const char *name, struct err *e)
{
    for (size_t i = 0; i < s->n_shards; i++)
        if (!strcmp(s->shards[i].name, name))
            return 0;
    if (s->n_shards == FILES_MAX || !is_plain_name(name))
        return err_set(e, -EINVAL,
                       "%s/model.safetensors.index.json names more than %d files, or one that "
                       "is not beside it",
                       s->folder, FILES_MAX);
    s->shards[s->n_shards].name = strdup(name);
    return s->shards[s->n_shards++].name ? 0 : err_nomem(e);
}

static int list_shards(safetensors *s, struct err *e)
{
    char path[PATH_MAX];
    struct file_map map;
    if (snprintf(path, sizeof path, "%s/model.safetensors.index.json", s->folder) >= PATH_MAX)
        return err_set(e, -ENAMETOOLONG, "%.100s...: the path is too long", s->folder);
    if (access(path, F_OK))
        return add_shard(s, "model.safetensors", e);
    int rc = file_map_open(path, &map, e);
    if (rc)
        return rc;
    cJSON *index =
        map.size <= HEADER_MAX ? cJSON_ParseWithLength((const char *)map.data, map.size) : NULL;
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(index, "weight_map"), *v;
    if (!cJSON_IsObject(files) || !files->child)
        rc = err_set(e, -EINVAL, "%s has no weight_map", path);
    cJSON_ArrayForEach(v, files) if (!rc) rc =
        cJSON_IsString(v) ? add_shard(s, v->valuestring, e)
                          : err_set(e, -EINVAL, "%s: %.80s names no file", path, v->string);
    cJSON_Delete(index);
    file_map_close(&map);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct safetensor *)a)->name, ((const struct safetensor *)b)->name);
}

int safetensors_open(const char *folder, safetensors **out, struct err *e)
{
    safetensors *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(e);
    s->folder = folder;
    s->shards = calloc(FILES_MAX, sizeof *s->shards);
    s->tensors = calloc(TENSORS_MAX, sizeof *s->tensors);
    int rc = s->shards && s->tensors ? list_shards(s, e) : err_nomem(e);
    for (size_t i = 0; i < s->n_shards && !rc; i++)
        rc = read_shard(s, &s->shards[i], e);
    if (!rc)
        qsort(s->tensors, s->n, sizeof *s->tensors, by_name);
    for (size_t i = 1; i < s->n && !rc; i++)
        if (!by_name(&s->tensors[i - 1], &s->tensors[i]))
            rc = err_set(e, -EINVAL, "%s: two tensors are called %.80s", folder,
                         s->tensors[i].name);
    if (rc) {
        safetensors_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void safetensors_close(safetensors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_shards; i++) {
        cJSON_Delete(s->shards[i].header);
        file_map_close(&s->shards[i].map);
        free(s->shards[i].name);
    }
    free(s->shards);
    free(s->tensors);
    free(s);
}

size_t safetensors_count(const safetensors *s)
{
    return s->n;
}

struct safetensor *safetensors_at(safetensors *s, size_t i)
{
    return &s->tensors[i];
}

struct safetensor *safetensors_find(safetensors *s, const char *name)
{
    struct safetensor probe = {.name = name};
    return bsearch(&probe, s->tensors, s->n, sizeof *s->tensors, by_name);
}
