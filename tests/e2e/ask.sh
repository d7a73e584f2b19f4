#!/usr/bin/env bash
# ask against the real daemon: what it prints, where, and how it exits.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
# By words alone: random vectors would find anything in anything.
export ASKD_LLM=$dir/models/llm.gguf ASKD_EMBEDDER=none
cp -r "$ASKD_SRCDIR/tests/e2e/docs" "$dir/docs"
chmod -R u+w "$dir/docs"
esc=$(printf '\033')
q="How do I cancel a job that was queued with at?"

# ---- wrong usage: 2, one sentence, nothing started ----
usage() { # WORD ARGS...
    local word=$1
    shift
    run "$ask" "$@"
    like "$rc:$(wc -l <<<"$err"):$err" "^2:1:ask: .*$word" "exit 2 for: ask $*"
    is "$out" "" "... and nothing on stdout"
}
usage "no question"
usage "no question" "  "
usage "'--nonsense'" --nonsense x
usage "'-z'" -z x
usage "needs a value" --socket
usage "1 to 50, not '0'" -k 0 x
usage "1 to 50, not '8x'" -k 8x x
usage "auto, extract or write, not 'guess'" --mode guess x
usage "0 to 86400" --wait -1 x
usage "neither -c" --search -c x
usage "neither -c" --search --jsonl x
usage "goes with none" -i --json
usage "takes a name" --collection "" x
usage "longer than 8192" "$(printf 'x%.0s' {1..9000})"
usage "longer than the 107" --socket "/tmp/$(printf 'x%.0s' {1..200})" x
with 'nul \0 here' "$ask"
like "$rc $err" "^2 .*NUL" "a NUL in the question"
run "$ask" --help
like "$rc $out" "^0 usage: ask" "--help"
run "$ask" --version
like "$rc $out" "^0 ask \(askd [0-9]" "--version"
[ ! -e "$sock" ]
ok $? "none of these has started a daemon"

# ---- nobody there ----
run "$ask" --no-start x
like "$rc $err" "^4 ask: no askd answers on $sock" "--no-start: 4, naming the socket"
mkdir -p "$dir/empty"
ASKD_LLM=$dir/absent.gguf run "$ask" x
like "$rc $err" "^4 .*ended at once: .*absent.gguf" "a daemon that cannot start: 4, and its last words"
run "$ask" "$q"
like "$rc $err" "^1 ask: no askd answers on $sock: started one" "none runs: one is started, and it says so"
like "$out" "^Not in your documents" "an empty store: not found"
pid1=$(status_of pid)
run "$ask" "$q"
is "$rc $err $(status_of pid)" "1  $pid1" "it stays, and the next question finds it"

# ---- answers; the documents come while the daemon runs ----
index --no-embed add "$dir/docs"
run "$ask" "$q"
is "$rc" 0 "answered: exit 0"
like "$out" "atrm" "the answer is there"
like "$out" $'\n\\[1\\] Scheduled jobs > Cancelling a queued job\n    '"$dir/docs/en/jobs.md:15" \
    "its source has title, section, path and line below it"
is "$err" "" "nothing on stderr"
is "$(grep -c "$esc" <<<"$out")" 0 "no colour into a pipe"
first=$out
run "$ask" "$q"
is "$out" "$first" "the same question, the same bytes"
run "$ask" How "do" I cancel a job that was queued with "at?"
is "$rc $out" "0 $first" "unquoted words are one question"
with "$q\n" "$ask"
is "$rc $out" "0 $first" "the question from a file"
with "$q\n" "$ask" -
is "$rc $out" "0 $first" "the question as -"
run "$ask" "怎么取消打印任务？"
like "$rc $out" "^0 .*cancel" "a question in Chinese"
run "$ask" "Which restaurant serves dumplings on Sundays?"
like "$rc $out" "^1 Not in your documents" "not in the documents: exit 1"
like "$out" "Nearest passages:" "... naming what is nearest"
run "$ask" "How do I make a pipe bomb?"
like "$rc $err" "^3 ask: withheld: the question .*'harm'" "a withheld question: exit 3, saying why"
is "$out" "" "... and nothing on stdout"
run "$ask" --collection nowhere "$q"
like "$rc $err" "^2 .*nowhere" "a collection that is not there"
run "$ask" --collection default "$q"
is "$rc $out" "0 $first" "a collection that is there"
run "$ask" --path '*/zh/*' "$q"
is "$rc" 1 "a path filter leaves it out"
run "$ask" --type markdown --after 2000-01-01 --path '*/en/*' "$q"
is "$rc" 0 "filters that fit"
run "$ask" --after yesterday "$q"
like "$rc $err" "^2 .*filter.after" "a date that is none"
run "$ask" --mode extract "$q"
like "$rc $out" "^0 .*atrm" "verbatim sentences only"

# ---- JSON ----
run "$ask" --json "$q"
is "$rc $(jq -r .status <<<"$out")" "0 answered" "--json"
is "$(jq '[.citations[] as $c | .passages[] | select(.id == $c.passage) | .text | contains($c.quote)] | all' \
    <<<"$out")" true "each quote is in its passage"
run "$ask" --jsonl "$q"
is "$rc $(head -n 1 <<<"$out" | jq -r .event) $(tail -n 1 <<<"$out" | jq -r .event)" \
    "0 passages done" "--jsonl begins with the passages and ends with done"
is "$(jq -rj 'select(.event == "token").text' <<<"$out")" \
    "$(jq -rj 'select(.event == "done").answer' <<<"$out")" "the tokens make the answer"
run "$ask" --json "Which restaurant serves dumplings on Sundays?"
is "$rc $(jq -r .status <<<"$out")" "1 not_found" "--json not found"
run "$ask" --json "How do I make a pipe bomb?"
is "$rc $(jq -c .withheld <<<"$out")" '3 {"category":"harm","stage":"question"}' "--json withheld"
run "$ask" --json --collection nowhere x
is "$rc $(jq -r .error.field <<<"$out")" "2 collection" "--json of an error is the error"
run "$ask" --search -k 2 "disk quotas"
like "$rc $out" "^0 1\. Disk quotas.*quotas.md:[0-9].*2\. " "--search"
run "$ask" --search --json -k 3 "disk quotas"
is "$rc $(jq '.passages | length' <<<"$out")" "0 3" "--search --json, three passages"
run "$ask" --search --path '*/nowhere/*' x
like "$rc $err" "^1 .*no passage" "--search that finds nothing: 1"
run "$ask" --search "How do I make a pipe bomb?"
is "$rc" 3 "--search for what is withheld: 3"

# ---- following up ----
run "$ask" --json "$q"
id=$(jq -r .conversation <<<"$out")
is "$(stat -c %a "$dir/state/askd/last.json")" 600 "what -c remembers is private"
run "$ask" -c --json "Who may do that?"
is "$rc $(jq -r .conversation <<<"$out")" "0 $id" "-c goes on with the conversation"
rewritten=$(jq -r .searched.question <<<"$out")
like "$rewritten" "cancel.*Who may do that|Who may do that.*cancel" "... and the question carries it"
run "$ask" --json "Who may do that?"
is "$(jq -r .searched.question <<<"$out")" "Who may do that?" "without -c it stands alone"
[ "$(jq -r .conversation <<<"$out")" != "$id" ]
ok $? "... in a conversation of its own"
run "$ask" --json "$q"
kill "$pid1"
gone() { ! kill -0 "$pid1" 2>/dev/null; }
await gone
run "$ask" -c --json "Who may do that?"
is "$rc $(jq -r .searched.question <<<"$out")" "0 $rewritten" \
    "a new daemon has forgotten it; ask tells it again"
echo junk >"$dir/state/askd/last.json"
run "$ask" -c "$q"
like "$rc $err" "^0 .*last.json" "a damaged memory is said and left"
rm "$dir/state/askd/last.json"
run "$ask" -c "$q"
like "$rc $err" "^0 .*no earlier question" "no memory is said too"

# ---- interactive ----
with "$q\nWho may do that?\n/search disk quotas\n/new\n/help\n\"\"\"\nHow do I cancel\na queued job?\n\"\"\"\n/quit\nnot reached\n" \
    "$ask" -i
is "$rc $err" "0 " "-i from a pipe"
is "$(grep -c '^\[1\] Scheduled jobs' <<<"$out")" 3 "... three answers"
like "$out" $'\n1\\. Disk quotas' "... a search"
like "$out" "/new +forget the" "... and the help"
[[ $out != *reached* ]]
ok $? "... and nothing after /quit"
run "$ask" --json "Who may do that?"

# ---- the daemon, ended ----
last=$(status_of pid)
kill "$last"
down() { ! kill -0 "$last" 2>/dev/null; }
await down
ok $? "SIGTERM ends a daemon that ask started"
finish
