#!/bin/sh
# askd-model: usage, hostile input, and, where the fetched file is there, a lossless import.
set -u
model=$ASKD_BUILDDIR/askd-model
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
ok() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
# fails STATUS WORD COMMAND...: the exit status, and a sentence that holds the word.
fails() {
    status=$1
    word=$2
    shift 2
    "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    [ $got = "$status" ] && grep -q -- "$word" "$dir/err"
    ok $? "exit $status, saying $word"
}
fails 2 usage "$model"
fails 2 nonsense "$model" nonsense
fails 2 usage "$model" inspect
fails 1 absent.gguf "$model" inspect "$dir/absent.gguf"
fails 2 onnx "$model" import --from onnx a b
fails 1 absent "$model" import --from e5s1 "$dir/absent" "$dir/o.gguf"
printf 'E5S1\001\000\000\000' >"$dir/short"
fails 1 damaged "$model" import --from e5s1 "$dir/short" "$dir/o.gguf"
head -c 4096 /dev/zero >"$dir/zero"
fails 1 "no E5S1" "$model" import --from e5s1 "$dir/zero" "$dir/o.gguf"
{
    printf 'E5S1\001\000\000\000'
    head -c 400 /dev/zero | tr '\0' '\377'
} >"$dir/huge"
fails 1 damaged "$model" import --from e5s1 "$dir/huge" "$dir/o.gguf"
[ ! -e "$dir/o.gguf" ]
ok $? "a failed import leaves nothing behind"

e5=${ASKD_MODELS:-$ASKD_SRCDIR/models/cache}/multilingual-e5-small.Q4_0.gguf
if [ -f "$e5" ]; then
    "$model" inspect "$e5" >"$dir/out" 2>&1 && grep -q '^"askd.embedder.query_prefix" = "query: "$' "$dir/out" &&
        grep -q '^197 tensors, ' "$dir/out"
    ok $? "inspect lists what the converted embedder holds"
    [ "$("$model" tokenize --special "$e5" 'query: hello' 2>"$dir/err")" = '0 41 1294 12 33600 31 2' ]
    ok $? "tokenize gives the published ids"
else
    n=$((n + 1))
    echo "ok $n # SKIP multilingual-e5-small is not fetched"
fi
echo "1..$n"
