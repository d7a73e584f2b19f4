// SPDX-License-Identifier: MIT
#include "ask/session.h"

#include "base/file.h"
#include "base/paths.h"

#include <cJSON.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (1u << 20)
#define TURN_BYTES_MAX 2048 // of each: a follow-up needs no more, and bodies are bounded

static int path_of(char *out, size_t cap, struct err *e)
{
    int rc = paths_state(out, cap, e);
    if (!rc)
        rc = file_mkdirs(out, 0700, e);
    size_t n = rc ? 0 : strlen(out);
    if (!rc && n + sizeof "/last.json" > cap)
        rc = err_set(e, -ENAMETOOLONG, "path too long: %.100s...", out);
    if (!rc)
        memcpy(out + n, "/last.json", sizeof "/last.json");
    return rc;
}

void session_clear(struct session *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->turns[i].text);
    *s = (struct session){0};
}

static char *cut(const char *text)
{
    size_t n = strnlen(text, TURN_BYTES_MAX);
    while (n && text[n] && ((unsigned char)text[n] & 0xC0) == 0x80) // a whole character
        n--;
    return strndup(text, n);
}

static int push(struct session *s, bool user, const char *text)
{
    char *copy = cut(text);
    if (!copy)
        return -ENOMEM;
    if (s->n == SESSION_TURNS_MAX) {
        free(s->turns[0].text);
        memmove(s->turns, s->turns + 1, (SESSION_TURNS_MAX - 1) * sizeof *s->turns);
        s->n--;
    }
    s->turns[s->n++] = (struct session_turn){user, copy};
    return 0;
}

int session_add(struct session *s, const char *question, const char *answer)
{
    int rc = push(s, true, question);
    return rc ? rc : push(s, false, answer);
}

static bool read_json(struct session *s, const cJSON *root)
{
    const cJSON *id = cJSON_GetObjectItem(root, "conversation"),
                *turns = cJSON_GetObjectItem(root, "turns"), *t;
    if (!cJSON_IsString(id) || strlen(id->valuestring) >= sizeof s->conversation ||
        !cJSON_IsArray(turns))
        return false;
    memcpy(s->conversation, id->valuestring, strlen(id->valuestring) + 1);
    cJSON_ArrayForEach(t, turns)
    {
        const cJSON *role = cJSON_GetObjectItem(t, "role"),
                    *content = cJSON_GetObjectItem(t, "content");
        if (!cJSON_IsString(role) || !cJSON_IsString(content) ||
            push(s, !strcmp(role->valuestring, "user"), content->valuestring))
            return false;
    }
    return true;
}

void session_load(struct session *s, struct err *e)
{
    char path[PATH_MAX];
    struct buf text = BUF_INIT;
    *s = (struct session){0};
    *e = (struct err){0};
    int rc = path_of(path, sizeof path, e);
    if (!rc)
        rc = file_read(path, FILE_MAX, &text, e);
    if (!rc) {
        cJSON *root = cJSON_ParseWithLength(text.data, text.len);
        if (!read_json(s, root)) {
            session_clear(s);
            err_set(e, -EINVAL, "%s holds no conversation; the next question writes it anew",
                    path);
        }
        cJSON_Delete(root);
    }
    buf_free(&text);
}

int session_save(const struct session *s, struct err *e)
{
    char path[PATH_MAX];
    int rc = path_of(path, sizeof path, e);
    if (rc)
        return rc;
    cJSON *root = cJSON_CreateObject(), *turns = cJSON_AddArrayToObject(root, "turns");
    cJSON_AddStringToObject(root, "conversation", s->conversation);
    for (size_t i = 0; i < s->n; i++) {
        cJSON *t = cJSON_CreateObject();
        cJSON_AddStringToObject(t, "role", s->turns[i].user ? "user" : "assistant");
        cJSON_AddStringToObject(t, "content", s->turns[i].text);
        cJSON_AddItemToArray(turns, t);
    }
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (!text)
        return err_nomem(e);
    mode_t old = umask(0077); // what was asked is nobody else's business
    rc = file_write_atomic(path, text, strlen(text), e);
    umask(old);
    cJSON_free(text);
    return rc;
}
