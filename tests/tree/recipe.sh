#!/usr/bin/env bash
# The recipe of the reader in small, where PyTorch is installed.
exec "$ASKD_SRCDIR/train/reader/check" "$ASKD_BUILDDIR"
