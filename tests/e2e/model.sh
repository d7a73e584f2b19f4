#!/usr/bin/env bash
# What a request and the settings ask of the language model, through the daemon.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
for i in 7 8; do "$build/tests/tools/make_tiny_model" lora "$dir/models/lora$i.gguf" 64 2 $i; done
index --model "$dir/models/embedder.gguf" add "$ASKD_SRCDIR/tests/e2e/docs"
q='"question":"How do I cancel a job that was queued with at?","mode":"write"'
hashed() {
    post /v1/ask "{$q}"
    [ "$(json .receipt.llm)" != null ]
}

failed() { [ "$(status_of state)" = failed ]; }

# ---- adapters ----
# shellcheck disable=SC2046
start $(tiny) --set adapter="law $dir/models/lora7.gguf" --set adapter="med $dir/models/lora8.gguf"
http GET /v1/status
is "$(json '.llm.adapters | join(" ")')" "law med" "status names the adapters"
await hashed
post /v1/ask "{$q}"
is "$(json '.usage.cached_tokens > 0') $(json '.receipt | has("adapters")')" "true false" \
    "a question without adapters: its prompt is cached"
post /v1/ask "{$q,\"adapters\":[{\"name\":\"law\"}]}"
is "$code $(json .status) $(json .usage.cached_tokens)" "200 answered 0" \
    "with one, nothing of that is taken"
is "$(json '.receipt.adapters[0] | "\(.name) \(.scale) \(.sha256)"')" \
    "law 1 $(sha256sum "$dir/models/lora7.gguf" | cut -c1-64)" "the receipt names its very file"
post /v1/ask "{$q,\"adapters\":[{\"name\":\"law\",\"scale\":1}]}"
is "$(json '.usage.cached_tokens == .usage.prompt_tokens - 1')" true "again, it is all there"
post /v1/ask "{$q,\"adapters\":[{\"name\":\"med\"},{\"name\":\"law\",\"scale\":-0.5}]}"
is "$code $(json .usage.cached_tokens) $(json '.receipt.adapters | length')" "200 0 2" "two at once"
post /v1/ask "{$q,\"temperature\":0.7,\"seed\":4,\"top_k\":40,\"top_p\":0.9,\"min_p\":0.05,
    \"repetition_penalty\":1.1,\"frequency_penalty\":0.5,\"presence_penalty\":-0.5,\"logprobs\":true}"
is "$code $(json .status) $(json '.written | type')" "200 answered array" "every way to choose a token"
post /v1/ask "{$q}"
is "$(json 'has("written")')" false "what the model wrote is told only if asked for"
post /v1/ask "{$q,\"adapters\":[{\"name\":\"tax\"}]}"
is "$code $(json .error.field)" "400 adapters" "an unknown one is refused"
stop TERM

# ---- earlier prompts, from stop to start ----
prompts=$XDG_DATA_HOME/askd/prompts.kv
keep="$(tiny) --set keep_prompts=1"
metric() { curl -s --unix-socket "$sock" http://askd/metrics | sed -n "s/^askd_llm_$1 //p"; }
says() { grep -qF -- "$1" "$dir/log"; }
# start_again: with a new log, until what was kept is read or refused
start_again() {
    : >"$dir/log"
    # shellcheck disable=SC2086
    start $keep "$@"
    await says prompts.kv
}
# shellcheck disable=SC2086
start $keep
await hashed
stop TERM
is "$(stat -c '%a %F' "$prompts")" "600 regular file" "kept at the end, for nobody else to read"
start_again
post /v1/ask "{$q}"
is "$(json '.usage.cached_tokens == .usage.prompt_tokens - 1') $(metric cache_hits_total)" "true 1" \
    "the first question finds its prompt"
is "$(metric cache_bytes_max | grep -c '^1[0-9]\{8\}$')" 1 "the cache has its 128 MiB"
stop TERM
chmod 640 "$prompts"
start_again
post /v1/ask "{$q}"
is "$(json .usage.cached_tokens) $(grep -c 'prompts.kv is not used' "$dir/log")" "0 1" \
    "one that others can read is refused, and the log says so"
stop TERM
is "$(stat -c %a "$prompts")" 600 "... and made anew"
ln -sf "$prompts.real" "$prompts.link" && mv "$prompts" "$prompts.real" && mv "$prompts.link" "$prompts"
start_again
is "$(metric cache_bytes) $(grep -c 'prompts.kv is not used' "$dir/log")" "0 1" "so is a link"
stop TERM
is "$(stat -c %F "$prompts")" "regular file" "... which is replaced, not followed"
"$build/tests/tools/make_tiny_model" llama "$dir/models/other.gguf" 64 3
start_again --set llm="$dir/models/other.gguf"
is "$(metric cache_bytes) $(grep -c 'prompts.kv: it is of another model' "$dir/log")" "0 1" \
    "so is another model's"
post /v1/ask "{$q}"
is "$code $(json .status)" "200 answered" "... and questions are answered"
stop TERM
head -c 5000 "$prompts" >"$dir/cut" && cat "$dir/cut" >"$prompts"
start_again --set llm="$dir/models/other.gguf"
is "$(grep -c 'prompts.kv: it is ' "$dir/log")" 1 "so is a broken one"
stop KILL
rm -f "$prompts"
# shellcheck disable=SC2046
start $(tiny) --set cache_mb=0
post /v1/ask "{$q}"
is "$code $(metric cache_bytes_max)" "200 0" "no cache at all"
stop TERM
[ ! -e "$prompts" ]
ok $? "nothing is kept unless asked for"

# ---- a draft model, CPUs ----
cpus=$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')
# shellcheck disable=SC2046
start $(tiny) --set draft="$dir/models/llm.gguf" --set pin="$cpus" --set threads=2
post /v1/ask "{$q}"
is "$code $(($(metric drafted_tokens_total) > 0)) $(($(metric accepted_tokens_total) > 0))" "200 1 1" \
    "a draft model guesses"
is "$(($(metric passes_total) > 0))" 1 "passes are counted"
like "$(metric shared_passes_total)" '^[0-9]+$' "... and those that several shared"
is "$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/"$pid"/task/*/status | sort -u)" "$cpus" \
    "every thread keeps to its CPU"
stop TERM
# shellcheck disable=SC2046
run "$askd" $(tiny) --set pin=1023
is "$rc $(grep -c 'cannot keep to the CPUs 1023' <<<"$err")" "2 1" "a CPU that is not there"
# shellcheck disable=SC2046
launch $(tiny) --set draft="$dir/models/embedder.gguf"
await failed
like "$(status_of error)" "embedder.gguf: its tokens" "a draft model of other tokens"
stop TERM

# ---- a small context: as many passages as fit, or quotes alone ----
# shellcheck disable=SC2046
start $(tiny) --set context=512
post /v1/ask "{$q}"
is "$code $(json .status) $(json '.citations | length > 0')" "200 answered true" "a context of 512"
post /v1/ask "{$q,\"max_tokens\":8}"
is "$code $(json .status) $(json '.usage.prompt_tokens <= 504')" "200 answered true" "... asked for less"
stop TERM
run "$askd" --check-config --set adapter=law
is "$rc" 2 "an adapter without a path"
# shellcheck disable=SC2046
launch $(tiny) --set adapter="law $dir/models/llm.gguf"
await failed
like "$(status_of error)" "llm.gguf.*general.type" "a model is no adapter"
stop TERM

finish
