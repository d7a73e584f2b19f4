// SPDX-License-Identifier: MIT
// One request to a model at an address that the user has named: the chat completions of
// OpenAI's API, which llama.cpp, vLLM, Ollama and others speak, too. This is the one place of
// askd that may reach another machine.
#pragma once

#include "base/err.h"

#include <cJSON.h>

#define ENDPOINT_KEY "ASKD_JUDGE_KEY"

struct endpoint {
    const char *url;   // base, as https://host/v1; /chat/completions is added
    const char *model; // the name that the endpoint knows it by
    const char *key;   // sent as a bearer token; NULL or "": none
    long timeout;      // seconds for a whole reply
};

// Is the address one that may be used? -EINVAL: no http or https, a user or a password in it;
// -EPERM: a key would go unencrypted to another machine.
int endpoint_check(const struct endpoint *p, struct err *e);
// Ask once, at temperature 0. *text is the reply's text, freed with free(). -ETIMEDOUT;
// -EAGAIN: the endpoint is busy or broken for now (429, 5xx); -EPROTO: not what the API says;
// -ECONNREFUSED, -EIO and others otherwise. The key stands in no sentence.
int endpoint_ask(const struct endpoint *p, const char *system, const char *user, char **text,
                 struct err *e);
