#!/usr/bin/env bash
# askd-eval against a real daemon that searches by words: measures, files, comparison, wrong sets.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
eval_=$build/askd-eval
cp -r "$ASKD_SRCDIR/tests/e2e/docs" "$dir/docs"
chmod -R u+w "$dir/docs"
index --no-embed add "$dir/docs"
start --set log_level=info
cat >"$dir/set.jsonl" <<'J'
{"id":"a","lang":"en","question":"How do I cancel a job that was queued with at?","answerable":true,"answers":["atrm"],"evidence":[{"file":"en/jobs.md","quote":"atrm"}],"kind":"command"}
{"id":"b","lang":"en","question":"Who may use it?","answers":["owner"],"follow_up_of":"a","evidence":[{"file":"en/jobs.md","quote":"owner of a job"}]}
{"id":"c","lang":"zh","question":"怎么取消打印任务？","answers":["cancel"],"evidence":[{"file":"zh/printing.md","quote":"cancel"}]}

{"id":"d","lang":"en","question":"Who won the football world cup <b>1998</b>?","answerable":false,"answers":[]}
J
run "$eval_" run --out "$dir/a.json" --html "$dir/a.html" "$dir/set.jsonl"
is "$rc" 0 "a set is asked"
like "$out" "hit@1 +1.000  of 3" "hits are counted"
like "$out" "quotes that stand in their passage +1.000" "quotes are checked"
like "$out" "correct refusals +1.000  of 1" "refusals are judged apart"
like "$out" "whole answer +p50 [0-9.]+  p95 [0-9.]+ +of" "latencies"
is "$(jq '[.questions[].id] == ["a","b","c","d"] and .summary.measures["hit@10"].n == 3' "$dir/a.json")" true \
    "the run is kept as JSON"
is "$(jq -r '.questions[0] | "\(.rank) \(.holds) \(.status)"' "$dir/a.json")" "1 true answered" "each question in it"
is "$(grep -c '<b>1998\|<script\|src=\|url(' "$dir/a.html")" 0 "the report escapes what is foreign and loads nothing"
like "$(cat "$dir/a.html")" "polyline" "and has its curve"
run "$eval_" run --search --out "$dir/b.json" "$dir/set.jsonl"
like "$rc $out" "^0 .*hit@1" "passages alone"
is "$(grep -c refusals <<<"$out")" 0 "have no answers to judge"
run "$eval_" diff "$dir/a.json" "$dir/b.json"
like "$rc $out" "^0 .*hit@1 +1.000 +0.667 +-0.333 +\[-1.000, \+0.000\] .*hit@10 +1.000 +1.000 +\+0.000 +\[\+0.000, \+0.000\]" "two runs are compared"
run "$eval_" show "$dir/a.json"
like "$rc $out" "^0 .*hit@1" "a run is shown again"

# ---- what is wrong is named ----
printf '{"question":"x"}\n{"question":7}\n' >"$dir/bad.jsonl"
run "$eval_" run "$dir/bad.jsonl"
like "$rc $err" "^2 askd-eval: .*bad.jsonl:2: \"question\" is missing" "a line"
printf '{"question":"x","follow_up_of":"y"}\n' >"$dir/bad.jsonl"
run "$eval_" run "$dir/bad.jsonl"
like "$rc $err" "^2 .*:1: \"follow_up_of\" names \"y\"" "a turn that is not there"
printf 'nonsense\n' >"$dir/bad.jsonl"
run "$eval_" run "$dir/bad.jsonl"
like "$rc $err" "^2 .*:1: not JSON" "no JSON"
: >"$dir/bad.jsonl"
run "$eval_" run "$dir/bad.jsonl"
like "$rc $err" "^2 .*no question in it" "an empty set"
run "$eval_" diff "$dir/a.json" "$dir/set.jsonl"
like "$rc $err" "^2 .*set.jsonl: not what" "a file that is no run"
run "$eval_" run --collection none "$dir/set.jsonl"
like "$rc $err" "^2 .*question a: /v1/ask: 404 .*'none'" "the daemon's own words"
run "$eval_" run --socket "$dir/none.sock" "$dir/set.jsonl"
like "$rc $err" "^2 .*none.sock" "nobody there"
run "$eval_" frobnicate
like "$rc $err" "^2 .*frobnicate" "an unknown command"
run "$eval_" run --mode loud "$dir/set.jsonl"
like "$rc $err" "^2 .*--mode" "an unknown mode"
finish
