// SPDX-License-Identifier: MIT
// The generated http.c of llhttp, from where its package installs it.
#include <http.c>
