#!/usr/bin/env bash
# ask on a terminal: colours, Ctrl-C, -i with line editing; and a daemon that is still loading.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
"$build/tests/tools/make_tiny_model" llama "$dir/models/slow.gguf" 512 24
index --no-embed add "$ASKD_SRCDIR/tests/e2e/docs"
export TERM=xterm
q="How do I cancel a job that was queued with at?"
esc=$(printf '\033')
on_terminal() {
    out=$(python3 "$ASKD_SRCDIR/tests/tools/on_terminal.py" "$@")
    rc=$?
}
metric() { curl -s --unix-socket "$sock" http://askd/metrics | sed -n "s/^$1 //p"; }

# ---- loading: 4, unless there is time to wait ----
python3 -c 'import socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(9)
body = {"/readyz": b"{\"loading\":{\"stage\":\"embedder\",\"done\":1,\"total\":4}}"}
def serve(c):
    path = c.recv(65536).split()[1].decode()
    b = body.get(path, b"{\"error\":{\"type\":\"loading\",\"message\":\"loading: embedder (1 of 4)\"}}")
    c.sendall(b"HTTP/1.1 503 x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(b) + b)
    c.close()
while True:
    threading.Thread(target=serve, args=(s.accept()[0],)).start()' "$dir/loading.sock" &
loader=$!
there() { [ -S "$dir/loading.sock" ]; }
await there
run "$ask" --socket "$dir/loading.sock" --wait 0 "$q"
is "$rc $err" "4 ask: loading: embedder (1 of 4)" "a daemon that loads, and no time: 4"
run "$ask" --socket "$dir/loading.sock" --wait 1 "$q"
is "$rc $err" $'4 ask: askd is loading: embedder (1 of 4)\nask: askd is still loading; ask again in a while' \
    "waited for in vain: 4, and what it loads is shown once"
on_terminal "$ask" --socket "$dir/loading.sock" "$q" -- "expect:askd is loading: embedder (1 of 4)" 'send:\x03'
is "$rc" 130 "Ctrl-C ends the wait: 130"
kill "$loader"
wait "$loader" 2>/dev/null

# ---- colours ----
start --set "llm=$dir/models/slow.gguf" --set embedder=none --set request_timeout_s=300
on_terminal "$ask" --mode extract "$q" --
is "$rc" 0 "an answer on a terminal"
like "$out" "$esc\\[36m\\[1\\]$esc\\[0m Scheduled jobs" "its marks are coloured"
NO_COLOR=1 on_terminal "$ask" --mode extract "$q" --
is "$rc $(grep -c "$esc" <<<"$out")" "0 0" "not under NO_COLOR"
TERM=dumb on_terminal "$ask" --mode extract "$q" --
is "$rc $(grep -c "$esc" <<<"$out")" "0 0" "not on a dumb terminal"

# ---- Ctrl-C ----
busy="curl -s --unix-socket $sock http://askd/metrics | grep -q '^askd_questions{state=\"running\"} 1'"
idle() { [ "$(metric 'askd_questions{state="running"}')" = 0 ]; }
on_terminal "$ask" --mode write "$q" -- "until:$busy" 'send:\x03'
is "$rc" 130 "Ctrl-C: 130"
await idle
is "$(metric 'askd_answers_total{outcome="cancelled"}')" 1 "... and the daemon has stopped too"

# ---- -i ----
# Sent before the program has the terminal, which makes a NUL of it.
on_terminal "$ask" -i -- 'send:\x04'
is "$rc" 0 "Ctrl-D before the prompt ends it, too"
on_terminal "$ask" -i --mode write -- "expect:ask> " "send:$q\\n" "until:$busy" 'send:\x03' \
    "expect:(stopped)" "expect:ask> " 'send:half a que\x03' "expect:ask> " \
    'send:/search disk quotas\n' "expect:Disk quotas" "expect:ask> " 'send:\x04'
[ "$rc" = 0 ] || while IFS= read -r l; do echo "# $l"; done <<<"$out"
is "$rc" 0 "-i: Ctrl-C stops the answer and begins the line anew, Ctrl-D leaves"
is "$(grep -c "step did not" <<<"$out")" 0 "... all in its order"
await idle
is "$(metric 'askd_answers_total{outcome="cancelled"}')" 2 "... and the daemon has stopped too"
is "$(stat -c %a "$dir/state/askd/history")" 600 "the history is private"
like "$(cat "$dir/state/askd/history")" "search" "... and holds what was typed"
on_terminal "$ask" -i --mode extract -- "expect:ask> " 'send:\x1b[A' "expect:/search disk quotas" 'send:\n' \
    "expect:Disk quotas" "expect:ask> " 'send:/quit\n'
is "$rc" 0 "the arrow fetches the last line of the session before"
stop TERM
is "$status" 0 "the end"
finish
