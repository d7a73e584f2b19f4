#!/bin/sh
# Replays the kept inputs of every fuzz target; each input is one test.
set -u
n=0
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
export ASKD_FUZZ_EMBEDDER="$dir/embedder.gguf"
"$ASKD_BUILDDIR/tests/tools/make_tiny_model" xlmr "$ASKD_FUZZ_EMBEDDER" 32 1 || exit 2
for corpus in "$ASKD_SRCDIR"/fuzz/corpus/*; do
    target=$(basename "$corpus")
    out=$("$ASKD_BUILDDIR/fuzz/fuzz_$target" "$corpus" 2>&1)
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
