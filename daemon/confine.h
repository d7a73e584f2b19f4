// SPDX-License-Identifier: MIT
// What the daemon gives up once it listens: all files but those of its settings, and all
// system calls that would start or reach anything.
#pragma once

#include "base/err.h"
#include "daemon/config.h"
#include "daemon/service.h"

// `config_path` is the settings' file, or "". Logs what is in force. Before any thread is
// started: Landlock binds the caller and the threads that it starts.
int confine_daemon(const struct config *c, const struct service *s, const char *config_path,
                   struct err *e);
