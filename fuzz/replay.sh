#!/bin/sh
# Replays the kept inputs of every fuzz target; each input is one test.
set -u
n=0
for target in gguf metadata text import constraint; do
    out=$("$ASKD_BUILDDIR/fuzz/fuzz_$target" "$ASKD_SRCDIR/fuzz/corpus/$target" 2>&1)
    status=$?
    n=$((n + 1))
    if [ $status = 0 ]; then
        echo "ok $n - $target: $(printf '%s\n' "$out" | grep -c '^ok') inputs"
    else
        echo "not ok $n - $target: exit status $status"
        printf '%s\n' "$out" | tail -n 20 | sed 's/^/# /'
    fi
done
echo "1..$n"
