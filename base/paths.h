// SPDX-License-Identifier: MIT
// Where things are when nobody says otherwise (XDG Base Directory Specification 0.8).
#pragma once

#include "base/err.h"

#include <stddef.h>

// Precedence here: environment (ASKD_DATA, ASKD_CONFIG, ASKD_SOCKET), then the default:
// $XDG_DATA_HOME/askd, $XDG_CONFIG_HOME/askd/askd.conf, $XDG_RUNTIME_DIR/askd/askd.sock (or
// /tmp/askd-UID/askd.sock). Each writes a NUL-terminated path into out[cap]; -ENAMETOOLONG, or
// -EINVAL when neither the variable nor $HOME is set.
int paths_data(char *out, size_t cap, struct err *e);
int paths_config(char *out, size_t cap, struct err *e);
int paths_socket(char *out, size_t cap, struct err *e);
// $XDG_STATE_HOME/askd, for what a client remembers.
int paths_state(char *out, size_t cap, struct err *e);

// The folder a socket lives in: create it 0700 if absent; refuse one in /tmp that is a link,
// is not ours, or that others may write to (-EPERM).
int paths_prepare_socket_dir(const char *socket_path, struct err *e);
