#!/usr/bin/env bash
# Thousands of broken requests (always the same), then the question whether it is still well.
# FUZZ_CASES and FUZZ_SEED try more and others.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
index --model "$dir/models/embedder.gguf" add "$ASKD_SRCDIR/tests/e2e/docs"
start --set "llm=$dir/models/llm.gguf" --set "embedder=$dir/models/embedder.gguf" --set idle_timeout_s=1
ask_one() {
    post /v1/ask '{"question":"How do I cancel a job that was queued with at?"}'
    json .answer
}
before=$(ask_one)
for part in 1 2 3 4; do # side by side, so that they disturb each other too
    python3 "$ASKD_SRCDIR/tests/tools/fuzz_http.py" "$sock" "${FUZZ_CASES:-300}" \
        "${FUZZ_SEED:-1}$part" >"$dir/fuzz.$part" &
    parts[part]=$!
done
for part in 1 2 3 4; do
    wait "${parts[part]}"
    ok $? "broken requests, part $part: every reply is HTTP and every body JSON"
    cut -c 1-2000 "$dir/fuzz.$part"
done
is "$(status_of pid)" "$pid" "the daemon has survived them"
is "$(ask_one)" "$before" "... and answers as before"
idle() { [ "$(status_of connections)" = 1 ]; }
await idle
ok $? "... and has closed every connection"
is "$(curl -s --unix-socket "$sock" http://askd/metrics | grep -c '^askd_questions.* 0$')" 2 \
    "... and runs none of their questions"
stop TERM
is "$status" 0 "the end"
finish
