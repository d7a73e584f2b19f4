#!/usr/bin/env bash
# Limits, fair shares and bad clients: normal ones are served, others cut, nothing leaks. The
# long form is bench/soak.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
"$build/tests/tools/make_tiny_model" llama "$dir/models/slow.gguf" 512 12
index --model "$dir/models/embedder.gguf" add "$ASKD_SRCDIR/tests/e2e/docs"
slow="--set llm=$dir/models/slow.gguf --set embedder=$dir/models/embedder.gguf"
metric() { # NAME
    curl -s --max-time 10 --unix-socket "$sock" http://askd/metrics | sed -n "s/^$1 //p"
}
refused() { # REASON [COUNT]: has it been counted?
    [ "$(metric "askd_refused_total{reason=\"$1\"}")" -ge "${2:-1}" ]
}

# ---- the short form of bench/soak ----
"$ASKD_SRCDIR/bench/soak" --json --seconds 6 --round 3 --searchers 2 --askers 1 --slow 250 --half 20 --mute 4 \
    --connects 300 --asks 2 --read-timeout 1 --llm "$dir/models/llm.gguf" --embedder "$dir/models/embedder.gguf" --embedder-en none \
    --reader none --docs "$ASKD_SRCDIR/tests/e2e/docs/en" "$build" >"$dir/soak" 2>"$dir/soak.err"
ok $? "bench/soak ends well"
sed 's/^/# /' "$dir/soak.err"
soaked() { # FILTER NAME
    is "$(jq -e "$1" "$dir/soak" >/dev/null 2>&1; echo $?)" 0 "$2"
}
soaked '.alive' "beside 250 slow clients and 300 connects a second it lives"
soaked '.failures == {}' "... every normal request is answered"
soaked '.latency_ms | [.search, .ask] | all(.alone.n > 0 and .tormented.n > 0)' "... searches and questions, all the time"
soaked '.torment["slow cut"] > 0 and .torment.timed_out > 0 and .refused.read_timeout > 0' "... the slow are cut and told why"
soaked '.torment["half cut"] > 0' "... the half-closed are let go"
soaked '.refused.write_timeout > 0 and .torment["mute cut"] > 0' "... who reads nothing is cut"
soaked '.sockets.end <= .sockets.start' "... no socket is left open"
soaked '.fds.end <= .fds.start + 18' "... and no file but those of the store's connections"
soaked '.connections.end == 1' "... and no connection"
[ -s "$dir/soak" ] && sed 's/^/# /' "$dir/soak"

# ---- one user's connections ----
# shellcheck disable=SC2046
start $(tiny) --set max_user_connections=6 --set read_timeout_s=60 --set max_connections=40
"$build/bench/torment" --slow 30 "$sock" >"$dir/torment" &
helper=$!
turned_away() {
    http GET /healthz
    [ "$code" = 503 ]
}
await turned_away
like "$code $(json .error.type) $(json .error.message)" "503 busy .*max_user_connections" \
    "one user has only so many connections, and is told so"
like "$(cat "$dir/head")" "Retry-After: [0-9]" "... and when to come again"
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$dir" "$dir/run" "$dir/run/askd"
    chmod 666 "$sock"
    is "$(setpriv --reuid=65534 --regid=65534 --clear-groups curl -s -o /dev/null -w '%{http_code}' \
        --unix-socket "$sock" http://askd/healthz)" 200 "... another user is not turned away for it"
else
    echo "# skipped: only root can become another user"
fi
kill "$helper"
wait "$helper"
free() {
    http GET /healthz
    [ "$code" = 200 ]
}
await free
ok $? "... with their end there are places again"
refused user_connections
ok $? "... it is counted"
like "$(cat "$dir/log")" "connections turned away: 1, the last by max_user_connections" "... and logged once"
is "$(grep -c 'turned away' "$dir/log")" 1 "... not for each"
stop TERM

# ---- TCP: first the address, then the token ----
port=$((20000 + ($$ + 4242) % 20000))
"$askd" --make-token bearer-x >"$dir/token" || exit 1
token=$(sed -n 's/^#   //p' "$dir/token")
printf 'listen = 127.0.0.1:%s\nmax_user_connections = 3\n[access]\nbearer-x = read *\n%s\n' "$port" \
    "$(grep -v '^#' "$dir/token")" >"$dir/askd.conf"
# shellcheck disable=SC2046
start --config "$dir/askd.conf" $(tiny)
python3 - "$port" "$token" >"$dir/tcp" <<'P'
import socket, sys
port, token = int(sys.argv[1]), sys.argv[2]
def ask(auth):
    s = socket.create_connection(("127.0.0.1", port), 20)
    head = f"Authorization: Bearer {token}\r\n" if auth else ""
    s.sendall(f"GET /{'v1/collections' if auth else 'healthz'} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
    return s, s.recv(4096).split()[1].decode()
# Three with the token have left the address's places; the fourth is one too many for the token.
held = [ask(True) for _ in range(4)]
print(*[code for _, code in held])
held += [ask(False) for _ in range(4)]
print(*[code for _, code in held[4:]])
P
is "$(cat "$dir/tcp")" $'200 200 200 503\n200 200 200 503' \
    "over TCP each address and each token has its connections"
stop TERM

# ---- one user's questions ----
asking=()
ask_slowly() { # NAME [SETPRIV-ARGS...]: a question in the background, its status into code.NAME
    local as=()
    [ $# -gt 1 ] && as=(setpriv "${@:2}")
    "${as[@]}" curl -s --max-time 300 --unix-socket "$sock" -o "$dir/slow.$1" -w '%{http_code}' http://askd/v1/ask \
        --data-binary "{\"question\":\"How do I cancel job $1 that was queued with at?\",\"mode\":\"write\"}" >"$dir/code.$1" &
    asking+=($!)
}
printf '[access]\n65534 = read *\n' >"$dir/askd.conf"
# shellcheck disable=SC2086
start --config "$dir/askd.conf" $slow --set ask_workers=1 --set max_user_questions=3 --set request_timeout_s=300 \
    --set drain_timeout_s=0 --set log_level=debug
for i in 1 2 3 4 5; do ask_slowly "$i"; done
await refused user_questions 2
ok $? "of one user's five questions three may wait and run"
is "$(cat "$dir"/code.? | grep -o 503 | wc -l) $(cat "$dir"/slow.? | grep -c max_user_questions)" "2 2" "... the others are told why"
if [ "$(id -u)" = 0 ]; then
    chmod 666 "$sock"
    ask_slowly other --reuid=65534 --regid=65534 --clear-groups
    three() { [ "$(metric 'askd_questions{state="waiting"}')" = 3 ]; }
    await three
    ok $? "another user's question waits"
    wait "${asking[5]}"
    answered() { [ "$(grep -c outcome=answered "$dir/log")" -ge 3 ]; }
    await answered
    # It came last, behind one that ran and two that waited: it goes before the last of those.
    is "$(cat "$dir/code.other") $(grep outcome=answered "$dir/log" | grep -n user=uid:65534 | cut -d : -f 1)" "200 3" \
        "... and is answered before the last of the first user's"
else
    echo "# skipped: only root can become another user"
fi

# ---- what waits gives up its place with its client ----
kill "${asking[@]}" 2>/dev/null
wait "${asking[@]}" 2>/dev/null
none() { [ "$(metric 'askd_questions{state="running"}') $(metric 'askd_questions{state="waiting"}')" = "0 0" ]; }
await none
asking=()
for i in 6 7 8; do ask_slowly "$i"; done
two() { [ "$(metric 'askd_questions{state="waiting"}')" = 2 ]; }
await two
# Searches go first: of all threads those that compute for questions have stepped back.
nice=$(ps -o ni= -p "$pid")
behind=$((nice + 5 > 19 ? 19 : nice + 5))
threads() { ps -L -o ni= -p "$pid" | awk -v ni="$1" '$1 == ni' | wc -l; }
if [ "$nice" -lt 19 ]; then
    [ "$(threads "$((nice))")" -ge 3 ] # the loop, two that search
    ok $? "the loop and those who search have the priority that askd was started with"
    [ "$(threads "$behind")" -ge 2 ]
    ok $? "... those that compute for questions step back"
fi
kill "${asking[@]}"
wait "${asking[@]}" 2>/dev/null
await none
ok $? "all gone, nothing waits"
like "$(cat "$dir/log")" "status=0 queue_ms=[0-9.]+ cancelled=queue stopped_ms=0\.0" "... what had not begun was dropped at once"
stop TERM

# ---- who sends thousands of requests ahead keeps nobody waiting ----
# Both are there when the daemon goes on: the other's one request is answered amid the thousands, not behind them.
: >"$dir/log"
# shellcheck disable=SC2046
start $(tiny) --set log_level=debug
python3 - "$sock" "$pid" >"$dir/ahead" <<'P'
import os, signal, socket, sys
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    return s
one, many = b"GET /healthz HTTP/1.1\r\n\r\n", 3000
ahead, other = connect(), connect()
ahead.sendall(one)
ahead.recv(4096)
os.kill(int(sys.argv[2]), signal.SIGSTOP)
ahead.sendall(one * many)
other.sendall(b"GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n")
os.kill(int(sys.argv[2]), signal.SIGCONT)
got = b""
while got.count(b"HTTP/1.1 200") < many:
    got += ahead.recv(65536)
other.recv(4096)
print(got.count(b"HTTP/1.1 200"))
P
is "$(cat "$dir/ahead")" 3000 "thousands of requests that were sent ahead are all answered"
sed -n '/route=\/v1\/status/,$p' "$dir/log" | grep -c 'route=/healthz' >"$dir/behind"
[ "$(cat "$dir/behind")" -gt 2500 ]
ok $? "... and another's one request before nearly all of them"
stop TERM

# ---- sizes ----
# shellcheck disable=SC2046
start $(tiny) --set max_head_kib=2 --set max_body_kib=1 --set max_depth=4 --set max_output_kib=64
http GET /healthz -H "X-Long: $(head -c 3000 /dev/zero | tr '\0' x)"
like "$code $(json .error.message)" "431 .*2 KiB \(max_head_kib\)" "max_head_kib"
post /v1/ask "{\"question\":\"$(head -c 1100 /dev/zero | tr '\0' x)\"}"
like "$code $(json .error.message)" "413 .*1 KiB \(max_body_kib\)" "max_body_kib"
post /v1/ask '{"question":"x","history":[[[[]]]]}'
like "$code $(json .error.message)" "400 .*4 levels \(max_depth\)" "max_depth"
for i in {1..900}; do printf '# Part %s\n\nThe length of part %s of this list is %s.\n\n' "$i" "$i" "$i"; done >"$dir/long.md"
index --model "$dir/models/embedder.gguf" add "$dir/long.md"
post /v1/search '{"question":"length of part 7 of this list","filter":{"path":"*long.md"}}'
http GET "/v1/documents/$(json '.passages[0].document.id')"
like "$code $(json .error.type) $(json .error.message)" "413 too_large .*max_output_kib is 64" \
    "a reply that is larger than askd writes is refused, not cut"
stop TERM

# ---- fewer files than connections ----
# shellcheck disable=SC2016
printf '#!/bin/sh\nulimit -n 64\nexec "%s" "$@"\n' "$askd" >"$dir/few-files"
chmod +x "$dir/few-files"
askd=$dir/few-files
start --set llm=none --set embedder=none
# wave: 100 at once; prints how many of the last are served, told why not, or see the connection end.
wave() {
    python3 - "$sock" <<'P'
import socket, sys
crowd, gone = [], 0
for _ in range(100):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(sys.argv[1])
    crowd.append(s)
for s in crowd[64:]:
    try:
        s.send(b"GET /healthz HTTP/1.1\r\nHost: askd\r\nConnection: close\r\n\r\n")
        got = s.recv(1000)
        gone += not got or b" 200 OK" in got or b"no more files" in got
    except ConnectionError:
        gone += 1
print(gone)
P
}
healthy() { http GET /healthz && [ "$code" = 200 ]; }
# What libuv keeps for this itself lasts for one wave.
for i in 1 2 3 4; do
    is "$(wave)" 36 "when there are no more files, nobody is left waiting (wave $i)"
    await healthy
    ok $? "... and with the crowd gone the next is served"
done
[ "$(grep -c 'connections turned away' "$dir/log")" -le 2 ]
ok $? "... the log has a line a minute"
stop TERM
is "$status" 0 "the end"
finish
