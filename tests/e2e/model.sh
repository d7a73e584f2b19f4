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
failed() { [ "$(status_of state)" = failed ]; }
await failed
like "$(status_of error)" "llm.gguf.*general.type" "a model is no adapter"
stop TERM

finish
