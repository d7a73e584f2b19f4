#!/usr/bin/env bash
# askd-eval choice: formats and their errors with a tiny model, sense with a real one.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
eval_=$build/askd-eval
models || exit 1
tiny_model=$dir/models/llm.gguf

cat >"$dir/set.jsonl" <<'J2'
{"question": "What is frozen water called?", "choices": ["ice", "steam", "sand"], "answer": 0}

{"question": "Which \"animal\" barks,\nand why?", "choices": ["a cat", "a dog, mostly", "a cow"], "answer": "B"}
J2
printf 'question,A,B,C,answer\r\nWhat is frozen water called?,ice,steam,sand,A\r\n"Which ""animal"" barks,\nand why?",a cat,"a dog, mostly",a cow,B\r\n' >"$dir/set.csv"
run "$eval_" choice "$tiny_model" "$dir/set.jsonl" --out "$dir/lines.json"
like "$rc $out" "^0 cloze, 0-shot +[01]\.[05]00  \[.*\]  of 2.letters, 0-shot .* of 2$" "JSON lines"
run "$eval_" choice "$tiny_model" "$dir/set.csv" --threads 1 --out "$dir/csv.json"
is "$rc $(cmp "$dir/lines.json" "$dir/csv.json" 2>&1)" "0 " "CSV with quotes and a heading: the same questions, the same bytes"
is "$(jq -c '[.questions[].answer]' "$dir/csv.json")" "[0,1]" "answers as letters and as numbers"

# MMLU's folder: subjects by name, examples of each, five at most.
mkdir -p "$dir/mmlu/test" "$dir/mmlu/dev"
for i in 1 2 3; do echo "How many legs has a bird?,one,two,three,four,B"; done >"$dir/mmlu/test/world_birds_test.csv"
echo "What is 2 + 2?,1,2,3,4,D" >"$dir/mmlu/test/algebra_test.csv"
for i in 1 2 3 4 5 6 7; do echo "What is $i?,one,two,three,four,A"; done >"$dir/mmlu/dev/world_birds_dev.csv"
run "$eval_" choice "$tiny_model" "$dir/mmlu" --out "$dir/mmlu.json"
like "$rc $out" "^0 cloze.* of 4.letters, 5-shot .* of 4$" "MMLU's folder"
is "$(jq -r '[.questions[].subject] | join(" ")' "$dir/mmlu.json")" "algebra world_birds world_birds world_birds" "subject after subject"
# Examples that do not fit the tiny model's context of 2048 tokens are left away.
jq -nc '{question: ("word " * 150), choices: ["a", "b"], answer: 0}' >"$dir/long.jsonl"
cat "$dir/long.jsonl" "$dir/long.jsonl" "$dir/long.jsonl" "$dir/long.jsonl" "$dir/long.jsonl" >"$dir/examples.jsonl"
run "$eval_" choice "$tiny_model" "$dir/set.jsonl" --examples "$dir/examples.jsonl"
like "$rc $out" "^0 .*letters, [1-3]-shot" "as many examples as fit"

wrong() { # LINE WORD NAME
    printf '%s\n' "$1" >"$dir/wrong.jsonl"
    run "$eval_" choice "$tiny_model" "$dir/wrong.jsonl"
    like "$rc $err" "^2 .*$2" "$3"
}
wrong '{"question": "x", "choices": ["a"], "answer": 0}' ':1: "choices"' "a single choice"
wrong '{"question": "x", "choices": ["a", "b"], "answer": 2}' ':1: "answer"' "an answer that is no choice"
wrong '{"choices": ["a", "b"], "answer": 0}' ':1: "question"' "no question"
wrong 'x' ':1: not a JSON object' "no JSON"
wrong '' 'no question in it' "an empty set"
printf 'a,b,c,A\nd,"e,f\n' >"$dir/wrong.csv"
run "$eval_" choice "$tiny_model" "$dir/wrong.csv"
like "$rc $err" "^2 .*wrong.csv, record 2" "a quote that is not closed"
printf 'a,b,c,D\n' >"$dir/wrong.csv"
run "$eval_" choice "$tiny_model" "$dir/wrong.csv"
like "$rc $err" "^2 .*wrong.csv, record 1" "a letter without a choice"
run "$eval_" choice "$dir/set.csv" "$dir/set.csv"
like "$rc $err" "^2 .*set.csv" "a model that is none"
run "$eval_" choice "$tiny_model"
like "$rc $err" "^2 .*MODEL.gguf and a SET" "a set that is missing"

model=${ASKD_MODELS:-$ASKD_SRCDIR/models/cache}/SmolLM2-135M-Instruct.Q4_1.gguf
if [ -e "$model" ]; then
    cat >"$dir/easy.jsonl" <<'J2'
{"question": "What is the capital of France?", "choices": ["London", "Paris", "Madrid", "Rome"], "answer": 1}
{"question": "How many days are there in a week?", "choices": ["five", "six", "seven", "eight"], "answer": 2}
{"question": "Which planet do people live on?", "choices": ["Mars", "Venus", "Earth", "Jupiter"], "answer": 2}
{"question": "What do bees make?", "choices": ["honey", "milk", "bread", "steel"], "answer": 0}
{"question": "What is frozen water called?", "choices": ["ice", "steam", "sand", "oil"], "answer": 0}
{"question": "What do plants need to grow?", "choices": ["plastic", "sunlight", "petrol", "glass"], "answer": 1}
J2
    run "$eval_" choice "$model" "$dir/easy.jsonl" --out "$dir/easy.json"
    is "$rc $(jq '.cloze.right >= 5 and .cloze.low > 0.25' "$dir/easy.json")" "0 true" "SmolLM2 knows what is easy, better than chance"
else
    echo "# skipped: $model is absent"
fi
finish
