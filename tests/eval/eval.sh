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

# ---- public sets ----
cat >"$dir/squad.json" <<'J'
{"version": "v2.0", "data": [{"title": "Quotas", "paragraphs": [{"context": "Größe: see below. The limit is 40 GB. Ask root for more.",
 "qas": [{"id": "s1", "question": "How large is the limit?", "answers": [{"text": "40 GB", "answer_start": 31}, {"text": "40 GB", "answer_start": 31}]},
         {"id": "s2", "question": "Who set it?", "is_impossible": true, "answers": []}, {"id": "s3", "question": "", "answers": []}]}]}]}
J
run "$eval_" import squad "$dir/squad.json" "$dir/squad"
like "$rc $out" "^0 1 documents in .*, 2 questions in .*; 1 left out" "SQuAD"
is "$(cat "$dir/squad/docs/000/000000.md")" $'# Quotas\n\nGröße: see below. The limit is 40 GB. Ask root for more.' "its paragraphs"
is "$(jq -c '[.id, .lang, .answerable, .answers[0], .evidence[0].quote]' "$dir/squad/set.jsonl" | tr '\n' ' ')" \
    '["s1","en",true,"40 GB","The limit is 40 GB."] ["s2","en",false,null,null] ' "its questions"
run "$eval_" import squad "$dir/squad.json" "$dir/squad"
like "$rc $err" "^2 .*holds a set already" "are not overwritten"
cat >"$dir/clapnq.jsonl" <<'J'
{"id":"1","input":"how far","passages":[{"title":"T","text":"It is far . Very far ."}],"output":[{"answer":"Very far.","selected_sentences":["Very far ."]}]}
{"id":2,"input":"为什么","passages":[{"title":"U","text":"No reason ."}],"output":[{"answer":"","selected_sentences":[]}]}
J
run "$eval_" import clapnq "$dir/clapnq.jsonl" "$dir/clapnq"
is "$(jq -c '[.id, .lang, .answerable, .evidence[0].file]' "$dir/clapnq/set.jsonl" | tr '\n' ' ')" \
    '["1","en",true,"docs/000/000000.md"] ["2","zh",false,null] ' "CLAPnq"
cat >"$dir/mtrag.jsonl" <<'J'
{"task_id":"c<::>2","contexts":[{"document_id":"d1","title":"T","text":"One."},{"document_id":"d2","text":"Two."}],"input":[{"speaker":"user","text":"first?"},{"speaker":"agent","text":"yes"},{"speaker":"user","text":"and then?"}],"targets":[{"text":"Two."}],"answerability":["ANSWERABLE"]}
{"task_id":"c<::>3","contexts":[{"document_id":"d1","title":"T","text":"One."}],"input":[{"speaker":"user","text":"what?"}],"targets":[{"text":"?"}],"answerability":["UNDERSPECIFIED"]}
J
run "$eval_" import mtrag "$dir/mtrag.jsonl" "$dir/mtrag"
like "$rc $out" "^0 2 documents in .*, 1 questions in .*; 1 left out" "MTRAG"
is "$(jq -c '[.question, (.history | map(.role)), (.evidence | length)]' "$dir/mtrag/set.jsonl")" \
    '["and then?",["user","assistant"],2]' "the last turn is the question"
mkdir -p "$dir/in/qrels"
printf '{"_id":"a","title":"A","text":"alpha"}\n{"_id":"b","text":"beta"}\n' >"$dir/in/corpus.jsonl"
printf '{"_id":"q1","text":"which?"}\n{"_id":"q2","text":"unjudged?"}\n' >"$dir/in/queries.jsonl"
printf 'query-id\tcorpus-id\tscore\nq1\tb\t1\nq1\ta\t0\n' >"$dir/in/qrels/test.tsv"
run "$eval_" import beir "$dir/in" "$dir/beir"
is "$(jq -c '[.id, .evidence[].file]' "$dir/beir/set.jsonl")" '["q1","docs/000/000001.md"]' "BEIR"
run "$eval_" import beir "$dir/squad" "$dir/none"
like "$rc $err" "^2 .*corpus.jsonl: No such file" "what is missing is named"
printf '{"task_id":"x"}\n' >"$dir/bad.jsonl"
run "$eval_" import mtrag "$dir/bad.jsonl" "$dir/none2"
like "$rc $err" '^2 .*bad.jsonl:1: "input" is missing' "a field, too"
run "$eval_" import trec "$dir/bad.jsonl" "$dir/none3"
like "$rc $err" "^2 .*'trec' is none of" "an unknown format"
index --no-embed add --collection kept "$dir/squad/docs" "$dir/mtrag/docs"
run "$eval_" run --collection kept --out "$dir/kept.json" "$dir/squad/set.jsonl"
like "$rc $out" "^0 .*hit@1 +1.000  of 1" "an imported set is run"
run "$eval_" run --collection kept --out "$dir/kept.json" "$dir/mtrag/set.jsonl"
like "$rc $out" "^0 .*hit@10 +[01].000  of 1" "one with a history"

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
