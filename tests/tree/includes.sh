#!/bin/sh
# Reads every #include and holds it against the folder's .may_include (see docs/architecture.md).
exec "$ASKD_SRCDIR/scripts/check-includes" "$ASKD_SRCDIR"
