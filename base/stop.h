// SPDX-License-Identifier: MIT
// Words that say nothing about what is asked, English and Chinese.
#pragma once

#include <stdbool.h>

// `w` is folded. A run of Chinese characters counts when each of them does. Any thread.
bool stop_word(const char *w);
