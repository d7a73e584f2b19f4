#!/usr/bin/env bash
# askd-eval judge against a small real server: verdicts, bias, replies that are none, refusals.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
eval_=$build/askd-eval
unset ASKD_JUDGE_KEY http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null; fi; cleanup' EXIT

# serve MODE: a judge; its address in $url, its requests in $dir/requests.
serve() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    rm -f "$dir/port" "$dir/requests"
    python3 "$ASKD_SRCDIR/tests/eval/judge_server.py" "$dir/port" "$dir/requests" "$1" &
    server=$!
    await test -s "$dir/port" || {
        echo "Bail out! the judge does not start"
        exit 1
    }
    url=http://127.0.0.1:$(cat "$dir/port")/v1
}
# verdicts FILE: id and verdict of each question.
verdicts() { jq -r '[.questions[] | "\(.id)=\(.verdict)"] | join(" ")' "$1"; }
judge() { run "$eval_" judge "$dir/a.json" "$dir/b.json" --endpoint "$url" --model big "$@"; }

# Eight questions: A is right in q1 to q6, B in q7; q8 is the same in both. q9 has no answer.
jq -n '{askd_eval: 1, set: "s", questions: [range(1; 10) | {id: "q\(.)", question: "What is \(.)?", answerable: (. < 9),
    answers: (if . < 9 then ["<right>", "other"] else [] end), status: "answered",
    answer: (if . < 7 or . == 8 then "It is <right> [1]" else "No idea" end)}]}' >"$dir/a.json"
jq '.questions[].answer |= (if . == "No idea" then "It is <right> [1]" else "No idea" end) |
    .questions[7].answer = "It is <right> [1]"' "$dir/a.json" >"$dir/b.json"

serve fair
ASKD_JUDGE_KEY=sesame judge --out "$dir/judged.json"
like "$rc $out" "^0 A better 6, B better 1, ties 1 \(0 where the two orders disagree, 1 alike\).*p = 0.1250.*1 without an answer" \
    "answers are judged in both orders"
is "$(verdicts "$dir/judged.json")" "q1=a q2=a q3=a q4=a q5=a q6=a q7=b q8=tie" "each has its verdict"
is "$(jq -c '.questions[0].orders' "$dir/judged.json")" \
    '[{"first":"a","winner":"a","reason":"1: because {so}"},{"first":"b","winner":"a","reason":"2: because {so}"}]' "and its reasons"
is "$(jq -s 'length, (map(.path, .key, .body.model, .body.temperature) | unique)' -c "$dir/requests" | tr '\n' ' ')" \
    '14 [0,"/v1/chat/completions","Bearer sesame","big"] ' "what was asked of the endpoint"
is "$(jq -s '[.[].body.messages[1].content | contains("Right answer, any one of these:\n<right>\nother")] | all' "$dir/requests")" true \
    "the accepted answers are given"
is "$(grep -c sesame "$dir/judged.json")" 0 "the key is not kept"
ASKD_JUDGE_KEY=sesame run "$eval_" judge "$dir/b.json" "$dir/a.json" --endpoint "$url/" --model big
like "$rc $out" "^0 A better 1, B better 6" "the other way round"

serve first
judge --out "$dir/judged.json"
like "$rc $out" "^0 A better 0, B better 0, ties 8 \(7 where the two orders disagree.*p = 1.0000" "a judge that prefers a place gives ties"
is "$(jq -s 'map(.key) | unique' -c "$dir/requests")" "[null]" "without a key none is sent"
serve chatty
judge
like "$rc $out" "^0 A better 6, B better 1" "a verdict amid prose is found"
serve garbage
judge --out "$dir/judged.json"
like "$rc $out" "^0 A better 0, B better 0, ties 1 .*7 without a usable reply" "no verdict is none"
like "$(jq -r '.questions[0].orders[0].reason' "$dir/judged.json")" "no verdict in the reply: Both are" "and the reply is kept"
serve broken
judge --out "$dir/judged.json"
like "$rc $out $(jq -r '.questions[0].orders[0].reason' "$dir/judged.json")" "^0 .*7 without a usable reply.*choices" "neither is what is no JSON"
serve hang
jq '.questions |= .[:2]' "$dir/a.json" >"$dir/short.json"
run "$eval_" judge "$dir/short.json" "$dir/b.json" --endpoint "$url" --model big --timeout 1 --out "$dir/judged.json"
like "$rc $out $(jq -r '.questions[1].orders[0].reason' "$dir/judged.json")" "^0 .*ties 0.*2 without a usable reply.*[Tt]ime" "one that does not reply is not waited for"
serve busy
run "$eval_" judge "$dir/short.json" "$dir/b.json" --endpoint "$url" --model big
like "$rc $out" "^0 A better 2" "one that is busy is asked again"
serve refuse
ASKD_JUDGE_KEY=sesame judge --out "$dir/none.json"
like "$rc $err" "^2 .*question q1: .*401 wrong key" "one that refuses ends it"
is "$([ -e "$dir/none.json" ] && echo there)$(grep -c sesame <<<"$err")" 0 "with nothing written and no key told"
kill "$server"
wait "$server" 2>/dev/null
server=
judge
like "$rc $err" "^2 .*(connect|Connection refused)" "one that is not there, too"

run "$eval_" judge "$dir/a.json" "$dir/b.json" --model big
like "$rc $err" "^2 .*--endpoint URL" "nothing is sent where no address was named"
run "$eval_" judge "$dir/a.json" "$dir/b.json" --endpoint "$url"
like "$rc $err" "^2 .*--model NAME" "or no model"
run "$eval_" judge "$dir/a.json" "$dir/b.json" --endpoint file:///etc/passwd --model big
like "$rc $err" "^2 .*neither http nor https" "an address of another kind"
run "$eval_" judge "$dir/a.json" "$dir/b.json" --endpoint http://me:secret@127.0.0.1/v1 --model big
like "$rc $err" "^2 .*ASKD_JUDGE_KEY" "a password in it"
is "$(grep -c secret <<<"$err")" 0 "which is not repeated"
ASKD_JUDGE_KEY=sesame run "$eval_" judge "$dir/a.json" "$dir/b.json" --endpoint http://example.org/v1 --model big
like "$rc $err" "^2 .*unencrypted" "a key that would be read on the way"
jq 'del(.questions[].answer)' "$dir/a.json" >"$dir/searched.json"
run "$eval_" judge "$dir/searched.json" "$dir/b.json" --endpoint "$url" --model big
like "$rc $err" "^2 .*no question in common" "runs without answers"
finish
