// SPDX-License-Identifier: MIT
// The service manager's readiness protocol (sd_notify(3)), without its library.
#pragma once

// Send "KEY=value" lines to $NOTIFY_SOCKET; nothing where there is none. Any thread.
void notify_send(const char *state);
