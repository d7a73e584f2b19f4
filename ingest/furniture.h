// SPDX-License-Identifier: MIT
// Shared by html.c and furniture.c only.
#pragma once

#include <gumbo.h>

#include <stdbool.h>

// The attribute's value; "" when it is absent.
const char *html_attribute(const GumboElement *e, const char *name);
// Is the element no content: scripts, forms, page furniture? `has_main`: the page marks its
// main part, so that a header can be content.
bool html_dropped(const GumboElement *e, bool has_main);
