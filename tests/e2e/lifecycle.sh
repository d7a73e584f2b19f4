#!/usr/bin/env bash
# Starting, stopping, settings, sockets: the daemon as an administrator sees it.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
none="--set llm=none --set embedder=none"

# ---- the command line ----
run "$askd" --help
like "$rc $out" "^0 usage: askd" "--help"
run "$askd" --version
like "$rc $out" "^0 askd [0-9]+\.[0-9]+" "--version"
run "$askd" --nonsense
like "$rc $err" "^2 .*nonsense" "an unknown flag is named"
run "$askd" --set colour=red
like "$rc $err" "^2 .*'colour'" "an unknown setting is named"
run "$askd" --set threads=many
like "$rc $err" "^2 .*threads is a number from 0 to 256, not 'many'" "a bad value too"
run "$askd" --set threads
like "$rc $err" "^2 .*NAME=VALUE" "a setting without a value"
run "$askd" extra
like "$rc $err" "^2 .*'extra'" "a word too many"
run "$askd" --socket relative.sock --check-config
like "$rc $err" "^2 .*absolute path" "a relative socket"
run "$askd" --socket "/tmp/$(printf 'x%.0s' {1..200})" --check-config
like "$rc $err" "^2 .*107 bytes" "a socket path that is too long"
run "$askd" --set listen=0.0.0.0:80 --check-config
like "$rc $err" "^2 .*loopback" "TCP beyond the loopback is refused"
run "$askd" --sample-config
is "$rc" 0 "--sample-config"
printf '%s\n' "$out" | sed 's/^#\([a-z_0-9]* =\)/\1/' >"$dir/sample.conf"
run "$askd" --config "$dir/sample.conf" --check-config
# The sample's defaults of paths are empty: those alone are errors.
is "$(grep -c 'askd:' <<<"$err")" 1 "the sample's own defaults pass, but for the empty data"

# ---- --check-config ----
cat >"$dir/bad.conf" <<'C'
# a comment
threads = lots
colour = red
[section]
max_k = 51
this is no setting
listen = example.org:80
C
run "$askd" --config "$dir/bad.conf" --check-config
is "$rc" 2 "--check-config of a bad file fails"
for at in 2 3 5 6 7; do
    like "$err" "bad.conf:$at: " "... naming line $at"
done
like "$err" "bad.conf:5: .*section" "... and that there is no such section"
printf 'threads = 2\nmax_k = 20\n' >"$dir/good.conf"
run "$askd" --config "$dir/good.conf" --check-config
is "$rc $err" "0 " "a good file passes"
run "$askd" --config "$dir/absent.conf" --check-config
like "$rc $err" "^2 .*absent.conf" "a file that was named and is absent"
run "$askd" --set "llm=$dir/absent.gguf"
like "$rc $err" "^2 .*absent.gguf" "a model that was named and is absent"
[ ! -e "$sock" ]
ok $? "... leaves no socket behind"
echo junk >"$dir/junk.gguf"
launch --set "llm=$dir/junk.gguf" --set embedder=none
failed() { [ "$(status_of state 2>/dev/null)" = failed ]; }
await failed
http GET /readyz
like "$code $(json .error.message)" "^500 .*junk.gguf" "a broken model: readyz says which"
post /v1/ask '{"question":"x"}'
like "$code $(json .error.message)" "^500 .*junk.gguf" "... and so does a question"
stop TERM
is "$status" 0 "... and it can be stopped"

# ---- the socket ----
# shellcheck disable=SC2086
start $none
is "$(stat -c %a "$sock")" 660 "the socket has mode 0660"
is "$(stat -c %a "$dir/run/askd")" 700 "its folder has mode 0700"
first=$pid
# shellcheck disable=SC2086
run "$askd" $none
like "$rc $err" "^2 .*another askd" "a second daemon is refused"
http GET /healthz
is "$code $(status_of pid)" "200 $first" "... and the first one answers on"
stop KILL
[ -S "$sock" ]
ok $? "kill -9 leaves the socket"
# shellcheck disable=SC2086
start $none
is "$(status_of pid)" "$pid" "a stale socket is replaced"
stop TERM
for i in {1..6}; do
    # shellcheck disable=SC2086
    "$askd" $none 2>"$dir/race.$i" &
    racers[i]=$!
done
await ready
winner=$(status_of pid)
alive=0
for i in {1..6}; do
    if [ "${racers[i]}" = "$winner" ]; then continue; fi
    wait "${racers[i]}"
    [ $? = 2 ] && alive=$((alive + 1))
done
is "$alive" 5 "of six that start at once one stays and five say why not"
is "$(status_of pid)" "$winner" "... and the one that stays can be reached"
pid=$winner
stop TERM
echo "keep me" >"$dir/file"
# shellcheck disable=SC2086
run "$askd" $none --socket "$dir/file"
like "$rc $err" "^2 .*no socket" "a file in the socket's place is not removed"
is "$(cat "$dir/file")" "keep me" "... indeed"
mkdir -m 777 "/tmp/${dir##*/}.open"
# shellcheck disable=SC2086
run "$askd" $none --socket "/tmp/${dir##*/}.open/s"
like "$rc $err" "^2 .*not a private folder" "a folder in /tmp that others may write to is refused"
rmdir "/tmp/${dir##*/}.open"

# ---- SIGHUP ----
printf 'max_k = 20\nmax_body_kib = 8\nthreads = 1\nllm = none\nembedder = none\n' >"$dir/live.conf"
start --config "$dir/live.conf"
post /v1/search '{"question":"x","k":30}'
is "$code $(json .error.field)" "400 k" "k 30 is beyond max_k 20"
sed -i 's/max_k = 20/max_k = 40/; s/threads = 1/threads = 2/' "$dir/live.conf"
kill -HUP "$pid"
reloaded() { grep -q "reloaded" "$dir/log"; }
await reloaded
post /v1/search '{"question":"x","k":30}'
is "$code" 200 "after SIGHUP it is not"
like "$(cat "$dir/log")" "needs a restart: threads" "what needs a restart is named"
echo "max_k = zero" >>"$dir/live.conf"
kill -HUP "$pid"
kept() { grep -q "the old ones stay" "$dir/log"; }
await kept
ok $? "settings with errors are not taken"
like "$(cat "$dir/log")" "live.conf:6: max_k" "... and the line is named"
post /v1/search '{"question":"x","k":30}'
is "$code" 200 "... and the old ones stay"
stop INT
is "$status" 0 "SIGINT ends it with 0"

# ---- the service manager ----
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(30)
while True:
    m = s.recv(4096).decode()
    print(m, flush=True)
    if "STOPPING" in m:
        break' "$dir/notify" >"$dir/notified" &
listener=$!
there() { [ -S "$dir/notify" ]; }
await there
export NOTIFY_SOCKET=$dir/notify
# shellcheck disable=SC2086
start $none
stop TERM
unset NOTIFY_SOCKET
wait "$listener"
is "$(head -n 2 "$dir/notified" | sort | tr '\n' ' ')$(tail -n 1 "$dir/notified")" "READY=1 STATUS=ready STOPPING=1" \
    "readiness and the end are told"

# ---- TCP, when asked for ----
port=$((20000 + $$ % 20000))
# shellcheck disable=SC2086
start $none --set "listen=127.0.0.1:$port"
tcp() { curl -s -o /dev/null -w '%{http_code}' --max-time 10 "$@"; }
is "$(tcp "http://127.0.0.1:$port/healthz")" 200 "TCP answers on the loopback"
is "$(tcp -H 'Host: evil.example' "http://127.0.0.1:$port/healthz")" 403 "a foreign Host is refused"
is "$(tcp -H 'Host: localhost.evil.example' "http://127.0.0.1:$port/healthz")" 403 \
    "a Host that only begins like ours too"
is "$(tcp -H 'Origin: http://evil.example' "http://127.0.0.1:$port/healthz")" 403 \
    "a web page is refused"
is "$(tcp -d '{"question":"x"}' "http://127.0.0.1:$port/v1/search")" 415 \
    "a form is refused"
is "$(tcp -H 'Content-Type: application/json' -d '{"question":"x"}' \
    "http://127.0.0.1:$port/v1/search")" 401 "JSON is taken, with a token only"
stop TERM
is "$status" 0 "the end"
finish
