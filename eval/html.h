// SPDX-License-Identifier: MIT
// The parts of the report; shared by html.c and html_curves.c.
#pragma once

#include "base/buf.h"

#include <cJSON.h>

// Append text of others with <, >, & and " escaped. 0 or -ENOMEM, as all here.
int html_escaped(struct buf *b, const char *s);

// Risk and coverage (El-Yaniv and Wiener 2010), reliability (DeGroot and Fienberg 1983) and the
// time that answers took, as SVG; nothing where the records do not have what it needs.
int html_risk(struct buf *b, const cJSON *questions);
int html_reliability(struct buf *b, const cJSON *questions);
int html_latency(struct buf *b, const cJSON *questions);
