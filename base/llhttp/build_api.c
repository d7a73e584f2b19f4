// SPDX-License-Identifier: MIT
// The generated api.c of llhttp, from where its package installs it.
#include <api.c>
