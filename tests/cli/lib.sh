# shellcheck shell=sh
# Sourced by the tests of askd-model: the program, a private folder, TAP.
# shellcheck disable=SC2034
set -u
tiny=$ASKD_BUILDDIR/tests/tools/make_tiny_model
cache=${ASKD_MODELS:-$ASKD_SRCDIR/models/cache}
export LC_ALL=C.UTF-8
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
# holds PYTHON NAME: an expression over `lines`, the JSON lines of $dir/out.
holds() {
    python3 - "$dir/out" "$1" <<'P'
import json, sys
lines = [json.loads(x) for x in open(sys.argv[1])]
sys.exit(not eval(sys.argv[2]))
P
    ok $? "$2"
}
