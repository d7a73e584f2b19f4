// SPDX-License-Identifier: MIT
// The generated llhttp.c of llhttp, from where its package installs it.
#include <llhttp.c>
