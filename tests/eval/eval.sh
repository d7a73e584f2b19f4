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
like "$out" "hit@1 +1.000  \[1.000, 1.000\]  of 3" "hits are counted"
like "$out" "quotes that stand in their passage +1.000" "quotes are checked"
like "$out" "correct refusals +1.000 .* of 1" "refusals are judged apart"
like "$out" "whole answer +p50 [0-9.]+  p95 [0-9.]+ +of" "latencies"
is "$(jq '[.questions[].id] == ["a","b","c","d"] and .summary.measures["hit@10"].n == 3' "$dir/a.json")" true \
    "the run is kept as JSON"
is "$(jq -r '.questions[0] | "\(.rank) \(.holds) \(.status)"' "$dir/a.json")" "1 true answered" "each question in it"
is "$(jq -r '.questions[0] | "\(.first_holds) \(has("span_f1"))"' "$dir/a.json")" "true false" \
    "the first quote is judged; where nothing was read no words are marked"
is "$(grep -c '<b>1998\|<script\|src=\|url(' "$dir/a.html")" 0 "the report escapes what is foreign and loads nothing"
like "$(cat "$dir/a.html")" "Risk and coverage.*Reliability.*Time to the whole answer" "and has its curves"
like "$(cat "$dir/a.html")" "Citations.*holds the answer" "and each question's citations"
is "$(jq '[.summary.measures[] | .low <= .mean and .mean <= .high] | all' "$dir/a.json")" true "each mean lies in its interval"
jq '.questions[0].rank = 5' "$dir/a.json" >"$dir/mixed.json"
like "$("$eval_" show "$dir/mixed.json")" "MRR +0.733  \[0.200, 1.000\]" "which is wide where questions differ"
is "$(jq '[.questions[] | (.cited | length) == .citations] | all' "$dir/a.json")" true "the citations are kept"
jq '.questions[0].evidence = {"words <b>": 0.25, "other": "no number"}' "$dir/a.json" >"$dir/why.json"
run "$eval_" show --html "$dir/why.html" "$dir/why.json"
like "$rc $(cat "$dir/why.html")" "^0 .*Why.*<dt>words &lt;b&gt;</dt><dd>0.25</dd>" "the report says why, if the daemon did"
is "$(jq '[.questions[].evidence.coverage | numbers] | length' "$dir/a.json") $(grep -c '>Why<' "$dir/a.html")" "4 4" "as it does for every question"
is "$(grep -c 'no number' "$dir/why.html")" 0 "in numbers"
jq 'del(.summary)' "$dir/a.json" >"$dir/bare.json"
is "$("$eval_" show "$dir/bare.json")" "$("$eval_" show "$dir/a.json")" "a table is made of the records, always the same"
run "$eval_" run --search --out "$dir/b.json" --html "$dir/b.html" "$dir/set.jsonl"
like "$rc $out" "^0 .*hit@1" "passages alone"
is "$(grep -c refusals <<<"$out")$(grep -c 'Risk and' "$dir/b.html")" 00 "have no answers to judge"
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
like "$rc $out" "^0 .*hit@1 +1.000 .* of 1" "an imported set is run"
run "$eval_" run --collection kept --out "$dir/kept.json" "$dir/mtrag/set.jsonl"
like "$rc $out" "^0 .*hit@10 +[01].000 .* of 1" "one with a history"

# ---- drafts from one's own documents ----
mkdir "$dir/own"
cat >"$dir/own/vault.md" <<'J'
# vault(1)

## 1.1. What is the vault for?

The vault keeps the keys of all machines of the team. Nobody else may read it.

## What is the key of the vault?

The key of the vault is -----BEGIN RSA PRIVATE KEY-----MIIEowIBAAKCAQEA-----END RSA PRIVATE KEY----- for all machines.

## 1.2. Installing the vault

It is a nice program. Run apt install vault-server as root to install the vault on a machine. The next step is a matter of taste and of time for you.

This is a program that is used for nothing. Vaultd is a daemon that hands out keys over TLS.

All is sent over TLS (Transport Layer Security).

```
usage: vault --export FILE
  --export FILE    writes all keys to a file
```
J
cat >"$dir/own/mirror.md" <<'J'
# Mirrors

Mirrord is a program that was written by Ada in 1999 for the team's own packages. A snapshot is a copy of all packages on the mirror at one time.

## 镜像的配置

镜像服务器是一种保存软件包副本的机器，团队里的人都可以使用。这是一个例子。编辑 /etc/mirror.conf 文件可以配置镜像的来源。
J
index --no-embed add --collection own "$dir/own"
run "$eval_" make --collection own "$dir/drafts.jsonl"
like "$rc $out" "^0 .* drafts in .*, 1 of them unanswerable.*Nobody has checked" "a set is drafted"
is "$(jq -s 'all(.[]; .checked == false) and (map(.id) | unique | length) == length' "$dir/drafts.jsonl")" true "nobody has checked it"
draft() { jq -r --arg q "$1" 'select(.question == $q) | "\(.kind) \(.lang): \(.answers[0])"' "$dir/drafts.jsonl"; }
is "$(draft "What is the vault for?")" "faq en: The vault keeps the keys of all machines of the team. Nobody else may read it." "a heading that asks"
is "$(draft "How do I install the vault?")" "how-to en: Run apt install vault-server as root to install the vault on a machine." "one that names a task"
is "$(draft "What is Vaultd?")" "definition en: a daemon that hands out keys over TLS" "a definition"
is "$(draft "What is a snapshot?")" "definition en: a copy of all packages on the mirror at one time" "another"
is "$(draft "What does TLS stand for?")" "abbreviation en: Transport Layer Security" "an abbreviation"
is "$(draft "What does the option --export of vault do?")" "option en: writes all keys to a file" "an option"
is "$(draft "什么是镜像服务器？")" "definition zh: 一种保存软件包副本的机器" "a Chinese definition"
is "$(draft "如何配置镜像？")" "how-to zh: 编辑 /etc/mirror.conf 文件可以配置镜像的来源。" "a Chinese task"
is "$(jq -r 'select(.answerable | not) | "\(.question) \(.evidence | length) \(.note | length > 20)"' "$dir/drafts.jsonl")" \
    "Who wrote the first version of Vaultd? 0 true" "what is told of another program and not of this one has no answer"
is "$(grep -c "withheld\|key of the vault" "$dir/drafts.jsonl")" 0 "nor is what the daemon withholds"
is "$(jq -s 'map(select(.question | test("This|next step|It"))) | length' "$dir/drafts.jsonl")" 0 "what leans on other sentences makes no question"
is "$(jq -r '.evidence[]? | "\(.file)\t\(.quote)"' "$dir/drafts.jsonl" |
    while IFS=$'\t' read -r file quote; do grep -cF -- "$quote" "$file"; done | grep -c '^0$')" 0 "every quote stands in its file"
run "$eval_" make --collection own "$dir/drafts2.jsonl"
ok "$(cmp -s "$dir/drafts.jsonl" "$dir/drafts2.jsonl"; echo $?)" "the same documents give the same drafts"
run "$eval_" make --collection own --count 6 "$dir/drafts3.jsonl"
is "$(wc -l <"$dir/drafts3.jsonl") $(jq -s 'map(.evidence[0].file // "-") | unique | length' "$dir/drafts3.jsonl")" "6 3" \
    "as many as wanted, from all documents"
run "$eval_" make --collection own "$dir/drafts.jsonl"
like "$rc $err" "^2 .*drafts.jsonl is there already" "what people have corrected is not overwritten"
run "$eval_" make --collection none "$dir/drafts4.jsonl"
like "$rc $err" "^2 .*'none'" "an unknown collection"
run "$eval_" make --count 0 "$dir/drafts4.jsonl"
like "$rc $err" "^2 .*--count" "a wrong count"
jq -c 'if .kind == "faq" then .checked = true else . end' "$dir/drafts.jsonl" >"$dir/half.jsonl"
run "$eval_" run --collection own --search --out "$dir/half.json" "$dir/half.jsonl"
n=$(($(wc -l <"$dir/half.jsonl")))
like "$rc $out" "hit@10 +1.000 .* of $((n - 1)).*nobody has checked $((n - 1)) of the $n questions" "a run says how many nobody has checked"

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
