// SPDX-License-Identifier: MIT
// The service manager's readiness protocol (sd_notify(3)), without its library.
#pragma once

// Connect to $NOTIFY_SOCKET, if there is one: once, before sockets are given up.
void notify_open(void);
// Send "KEY=value" lines to it; nothing where there is none. Any thread.
void notify_send(const char *state);
