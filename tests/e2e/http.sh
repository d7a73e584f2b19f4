#!/usr/bin/env bash
# What the daemon says to requests that are wrong, too big, slow or broken; and that it goes on.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
# shellcheck disable=SC2046
start $(tiny) --set idle_timeout_s=1 --set read_timeout_s=1

# ---- what is there ----
http GET /healthz
is "$code $(json .status)" "200 ok" "healthz"
http GET /readyz
is "$code $(json .status)" "200 ready" "readyz"
http GET /v1/status
is "$code $(json .state)" "200 ready" "status says ready"
is "$(json .pid)" "$pid" "status names the process"
is "$(json .llm.chat)" chatml "the tiny model's template is ChatML"
http GET /metrics
is "$code" 200 "metrics"
like "$(cat "$dir/head")" "text/plain; version=0.0.4" "metrics have Prometheus' type"
like "$body" $'\naskd_ready 1\n' "metrics say ready"
is "$(grep -cvE '^(#.*|[a-zA-Z_][a-zA-Z0-9_]*(\{[^}]*\})? [-+0-9.e]+)$' <<<"$body")" 0 \
    "every line of metrics is in Prometheus' format"
http GET /v1/collections
is "$code $(json '.collections | length')" "200 0" "no collections in an empty store"

# ---- wrong requests, each with one sentence and the field ----
wrong() { # JSON FIELD NAME [STATUS]
    post "${path:-/v1/ask}" "$1"
    is "$code $(json .error.type) $(json '.error.field // "-"')" \
        "${4:-400} invalid_request $2" "$3"
}
wrong '{"question":"x","quesion":1}' quesion "an unknown field is named"
wrong '{}' question "no question"
wrong '{"question":"  \n"}' question "an empty question"
wrong '{"question":7}' question "a question that is a number"
wrong '{"question":null}' question "a question that is null"
wrong '{"question":"x","k":0}' k "k 0"
wrong '{"question":"x","k":-1}' k "k -1"
wrong '{"question":"x","k":51}' k "k beyond the limit"
wrong '{"question":"x","k":1e308}' k "k 1e308"
wrong '{"question":"x","k":1.5}' k "k 1.5"
wrong '{"question":"x","k":"8"}' k "k a string"
wrong '{"question":"x","k":NaN}' - "k NaN is no JSON"
wrong '{"question":"x","max_tokens":0}' max_tokens "max_tokens 0"
wrong '{"question":"x","max_tokens":99999999999}' max_tokens "max_tokens beyond the limit"
wrong '{"question":"x","temperature":-0.1}' temperature "temperature below 0"
wrong '{"question":"x","temperature":3}' temperature "temperature above 2"
wrong '{"question":"x","seed":-1}' seed "a negative seed"
wrong '{"question":"x","mode":"guess"}' mode "an unknown mode"
wrong '{"question":"x","stream":"yes"}' stream "stream that is no truth value"
wrong '{"question":"x","collection":[]}' collection "an empty list of collections"
wrong '{"question":"x","collection":[1]}' collection "a collection that is a number"
wrong '{"question":"x","filter":{"size":1}}' filter "an unknown filter"
wrong '{"question":"x","filter":{"path":1}}' filter.path "a filter of the wrong type"
wrong '{"question":"x","filter":{"after":"yesterday"}}' filter.after "a date that is none"
wrong '{"question":"x","history":[{"role":"system","content":"x"}]}' history "a foreign role"
wrong '{"question":"x","history":[1]}' history "a message that is no object"
wrong '{"question":"x","history":"x"}' history "a history that is no list"
wrong '' - "an empty body"
wrong '[]' - "a body that is a list"
wrong '{"question":"x"' - "a body that is cut"
wrong '{"question":"x"} {}' - "a body with something behind it"
wrong $'{"question":"\xff"}' - "a body that is no UTF-8"
wrong '{"question":"a\u0000b"}' - "a NUL in a string"
wrong "{\"question\":\"$(printf 'x%.0s' {1..9000})\"}" question "a question that is too long"
deep=$(printf '[%.0s' {1..40})
wrong "{\"question\":\"x\",\"history\":$deep" - "JSON nested too deep"
path=/v1/search
wrong '{"question":"x","mode":"auto"}' mode "a field of ask is none of search"
wrong '{"question":"x","stream":true}' stream "search does not stream"
path=
post /v1/ask '{"question":"x","conversation":"c-00000000000000000000000000000000"}'
is "$code $(json .error.type) $(json .error.field)" "404 not_found conversation" \
    "a conversation that nobody began"
post /v1/ask '{"question":"x","collection":"nowhere"}'
like "$code $(json .error.field)" "^40[04] collection" "a collection that is not there is named"
http GET /v1/documents/7
is "$code $(json .error.type)" "404 not_found" "a document that is not there"
for id in x 0 -1 99999999999999999999 1x '..%2f..' %00; do
    http GET "/v1/documents/$id"
    is "$code" 400 "document id '$id' is none"
done
http GET /v1/ask
is "$code" 405 "GET on a POST path"
like "$(cat "$dir/head")" "Allow: POST" "405 names what is allowed"
http DELETE /healthz
is "$code" 405 "DELETE on healthz"
http GET /nowhere
is "$code $(json .error.type)" "404 not_found" "an unknown path"
http GET '/v1/%zz'
is "$code" 400 "a broken escape in the path"
http GET '/healthz?x=1'
is "$code" 200 "a query does not change the path"

# ---- too big ----
head -c 70000 /dev/zero | tr '\0' x >"$dir/big"
http POST /v1/ask --data-binary @"$dir/big"
is "$code $(json .error.type)" "413 too_large" "a body of 70 kB"
head -c 5000000 /dev/zero | tr '\0' x >"$dir/big"
http POST /v1/ask --data-binary @"$dir/big"
is "$code" 413 "a body of 5 MB, announced"
http POST /v1/ask --data-binary @"$dir/big" -H 'Transfer-Encoding: chunked'
is "$code" 413 "a body of 5 MB, not announced"
http GET /healthz -H "X-Long: $(head -c 20000 /dev/zero | tr '\0' x)"
is "$code" 431 "a head of 20 kB"
http GET "/$(head -c 20000 /dev/zero | tr '\0' x)"
is "$code" 431 "a path of 20 kB"
post /v1/ask '{"question":"x"}' -H 'Transfer-Encoding: chunked'
is "$code" 200 "a chunked body is taken"
post /v1/ask '{"question":"x"}' -H 'Expect: 100-continue'
is "$code" 200 "a client that waits for 100 Continue gets its answer"

# ---- the wire itself ----
say() { printf '%b' "$1" | "$talk" "${@:2}" "$sock"; }
first() { head -n 1 <<<"$1" | tr -d '\r'; }
for bad in 'GARBAGE\r\n\r\n' 'GET\r\n\r\n' '\x16\x03\x01\x02\x00\x01' \
    'GET /healthz HTTP/9.9\r\n\r\n' 'GET /healthz HTTP/1.1\r\nA\rB: c\r\n\r\n' \
    'POST /v1/ask HTTP/1.1\r\nContent-Length: x\r\n\r\n' \
    'POST /v1/ask HTTP/1.1\r\nContent-Length: -5\r\n\r\n' \
    'POST /v1/ask HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde' \
    'POST /v1/ask HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n' \
    'POST /v1/ask HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
    'POST /v1/ask HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'; do
    like "$(first "$(say "$bad")")" '^HTTP/1\.1 4(00|13) ' "refused: ${bad:0:60}"
done
got=$(say 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
is "$(grep -c '^HTTP/1.1' <<<"$got")" 2 "two requests in one write get two replies"
like "$got" 'HTTP/1.1 200 OK.*HTTP/1.1 404' "... in their order"
many=$(for _ in {1..800}; do printf 'GET /healthz HTTP/1.1\r\n\r\n'; done)
got=$(printf '%s\r\n\r\nGET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n' "$many" | "$talk" "$sock")
is "$(grep -c '^HTTP/1.1 200' <<<"$got")" 800 "800 pipelined requests get 800 replies"
q='{"question":"x"}'
got=$(say "POST /v1/ask HTTP/1.1\r\nContent-Length: ${#q}\r\n\r\n${q}GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
is "$(grep -c '^HTTP/1.1 200' <<<"$got")" 2 "a request behind a question waits for its answer"
got=$(curl -sv --unix-socket "$sock" http://askd/healthz http://askd/healthz 2>&1)
like "$got" "Re-using existing connection" "a connection is kept"
got=$(say 'GET /healthz HTTP/1.0\r\n\r\n')
like "$got" 'HTTP/1.1 200 OK.*"status":"ok"' "HTTP/1.0 gets its answer, then the end"
late='HTTP/1\.1 408 .*"type":"invalid_request".*read_timeout_s'
like "$(say 'GET /healthz HTT')" "$late" "half a request is told that its time is over"
like "$(say 'POST /v1/ask HTTP/1.1\r\nContent-Length: 100\r\n\r\n{')" "$late" "half a body too"
got=$(say 'GET /healthz HTTP/1.1\r\n\r\nGET /hea')
like "$got" "HTTP/1\.1 200 .*$late" "and half of a second request"
: >"$dir/nothing"
"$talk" "$sock" <"$dir/nothing" >"$dir/out"
is "$?:$(cat "$dir/out")" "0:" "who says nothing is closed without a word"
is "$(say 'GET /healthz HTTP/1.1\r\n\r\n' | grep -c HTTP)" 1 "an idle connection too"
printf 'GET /healthz HTTP/1.1\r\nX-Slow: %s\r\n\r\n' "$(printf 'x%.0s' {1..400})" |
    "$talk" -d 20 "$sock" >"$dir/out"
like "$(cat "$dir/out")" "$late" "a head that trickles is cut off at its deadline"
printf 'POST /v1/ask HTTP/1.1\r\nContent-Length: 400\r\n\r\n%s' "$(printf 'x%.0s' {1..399})" |
    "$talk" -d 20 "$sock" >"$dir/out"
like "$(cat "$dir/out")" "$late" "a body that trickles too"

is "$(status_of pid)" "$pid" "the same daemon has answered all that"
stop TERM
is "$status" 0 "SIGTERM ends it with 0"
[ ! -e "$sock" ]
ok $? "... and its socket is gone"

# ---- many at once ----
start --set llm=none --set embedder=none --set read_timeout_s=60 --set max_connections=4
# On a machine that stalls one may give up before it has been counted: then another comes.
helpers=(0 0 0 0 0 0)
full() {
    local i
    for i in "${!helpers[@]}"; do
        [ "${helpers[i]}" != 0 ] && kill -0 "${helpers[i]}" 2>/dev/null && continue
        printf 'GET /healthz HTT' | "$talk" "$sock" >/dev/null &
        helpers[i]=$!
    done
    http GET /healthz
    [ "$code" = 503 ]
}
await full
is "$code $(json .error.type)" "503 busy" "beyond max_connections: busy"
like "$(cat "$dir/head")" "Retry-After: [0-9]+" "... and when to come again"
kill "${helpers[@]}" 2>/dev/null
wait "${helpers[@]}" 2>/dev/null
free() {
    http GET /healthz
    [ "$code" = 200 ]
}
await free
is "$code" 200 "... and free again once they have gone"
stop TERM
is "$status" 0 "and this one ends with 0 too"
finish
