// SPDX-License-Identifier: MIT
// ask -i: question after question, with line editing and history.
#pragma once

#include "ask/question.h"

// Runs until the end of input or /quit. The exit status.
int interactive_run(struct asker *a);
