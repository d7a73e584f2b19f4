# shellcheck shell=bash
# Sourced by the end-to-end tests: a private home, tiny models, the real daemon, TAP.
set -u
build=${ASKD_BUILDDIR:?run me through make check}
askd=$build/askd
ask=$build/ask/ask
talk=$build/tests/tools/talk
dir=$(mktemp -d /tmp/askd-e2e.XXXXXX) || exit 2
export HOME=$dir XDG_DATA_HOME=$dir/data XDG_CONFIG_HOME=$dir/config \
    XDG_STATE_HOME=$dir/state XDG_RUNTIME_DIR=$dir/run
unset ASKD_DATA ASKD_SOCKET ASKD_CONFIG ASKD_LLM ASKD_EMBEDDER ASKD_EMBEDDER_EN NO_COLOR
mkdir -m 700 "$dir/run"
sock=$dir/run/askd/askd.sock
n_tests=0
pid=

cleanup() {
    if [ -n "$pid" ]; then kill -9 "$pid" 2>/dev/null; fi
    # One that ask started belongs to no shell.
    local other
    other=$(status_of pid 2>/dev/null)
    case $other in '' | *[!0-9]*) ;; *) kill "$other" 2>/dev/null ;; esac
    rm -rf "$dir"
}
trap cleanup EXIT

# ok STATUS NAME: one test, passed if the status is 0.
ok() {
    n_tests=$((n_tests + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n_tests - $2"
    else
        echo "not ok $n_tests - $2"
    fi
}
# is GOT WANT NAME
is() {
    [ "$1" = "$2" ]
    local rc=$?
    ok $rc "$3"
    if [ $rc != 0 ]; then
        printf '# got:  %s\n# want: %s\n' "${1:0:2000}" "$2" | sed '2,$s/^\([^#]\)/# \1/'
    fi
}
# like GOT EXTENDED-REGEX NAME
like() {
    [[ $1 =~ $2 ]]
    local rc=$?
    ok $rc "$3"
    if [ $rc != 0 ]; then
        printf '%s\n' "got: ${1:0:2000}" "want: $2" | sed 's/^/# /'
    fi
}
# The last test: no daemon's log holds a sanitizer's report.
finish() {
    local logs=$dir/all.log
    cat "$dir"/log "$dir"/state/askd/askd.log >"$logs" 2>/dev/null
    is "$(grep -cE 'AddressSanitizer|LeakSanitizer|runtime error:' "$logs")" 0 \
        "no daemon has lost or broken memory"
    if grep -qE 'AddressSanitizer|LeakSanitizer|runtime error:' "$logs"; then
        grep -A 30 -E 'AddressSanitizer|LeakSanitizer|runtime error:' "$logs" | sed 's/^/# /'
    fi
    echo "1..$n_tests"
}

# Tiny models in $dir/models, once.
models() {
    mkdir -p "$dir/models"
    "$build/tests/tools/make_tiny_model" llama "$dir/models/llm.gguf" &&
        "$build/tests/tools/make_tiny_model" bert "$dir/models/embedder.gguf"
}
tiny() { # prints the settings that name them
    printf -- '--set llm=%s/models/llm.gguf --set embedder=%s/models/embedder.gguf' \
        "$dir" "$dir"
}

# http METHOD PATH [CURL-ARGS...]: the body into $body, the status into $code.
http() {
    local method=$1 path=$2
    shift 2
    code=$(curl -s --max-time 60 --unix-socket "$sock" -X "$method" -o "$dir/body" \
        -D "$dir/head" -w '%{http_code}' "http://askd$path" "$@")
    body=$(cat "$dir/body" 2>/dev/null)
    : >"$dir/body"
}
# post PATH JSON [CURL-ARGS...]
post() {
    local path=$1 json=$2
    shift 2
    http POST "$path" --data-binary "$json" "$@"
}
json() { jq -r "$1" <<<"$body" 2>/dev/null; }
status_of() {
    curl -s --max-time 10 --unix-socket "$sock" http://askd/v1/status | jq -r ".$1"
}

# launch ARGS...: start askd, without waiting. Its log is $dir/log.
launch() {
    "$askd" "$@" >>"$dir/log" 2>&1 &
    pid=$!
}
# await COMMAND...: until it succeeds, at most 30 s.
await() {
    local i
    for ((i = 0; i < 600; i++)); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}
ready() { [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$sock" http://askd/readyz)" = 200 ]; }
# start ARGS...: start askd and wait until it is ready.
start() {
    launch "$@"
    if ! await ready; then
        sed 's/^/# /' "$dir/log"
        echo "Bail out! askd does not become ready"
        exit 1
    fi
}
# stop SIGNAL: end it; its exit status into $status.
stop() {
    kill "-$1" "$pid"
    wait "$pid"
    status=$?
    pid=
}

# index ARGS...: take documents in; ARGS go to askd-ingest.
index() {
    "$build/askd-ingest" --data "$XDG_DATA_HOME/askd" "$@" >"$dir/ingest.log" 2>&1 || {
        sed 's/^/# /' "$dir/ingest.log"
        echo "Bail out! the documents could not be taken in"
        exit 1
    }
}
# run COMMAND...: its exit status in $rc, stdout in $out, stderr in $err.
run() {
    out=$("$@" 2>"$dir/err" </dev/null)
    rc=$?
    err=$(cat "$dir/err")
}
# with TEXT COMMAND...: the same, with the text as stdin.
with() {
    local text=$1
    shift
    out=$(printf '%b' "$text" | "$@" 2>"$dir/err")
    rc=$?
    err=$(cat "$dir/err")
}
