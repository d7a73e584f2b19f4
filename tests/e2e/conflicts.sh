#!/usr/bin/env bash
# Documents that contradict each other: the answer shows both sides with their dates, the newest
# first, in the language of the question; what only looks alike is answered as ever.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
docs=$dir/docs
mkdir -p "$docs"
# page NAME DATE TEXT
page() {
    printf '%b' "$3" >"$docs/$1"
    touch -d "$2T12:00:00Z" "$docs/$1"
}
page backup.md 2026-03-01 '# Backup\n\nThe nightly backup of the vault starts at 03:15. Ask the operators about it.\n'
page operations.md 2024-11-12 '# Operations\n\nThe nightly backup of the vault starts at 04:30. It is watched from the control room.\n'
page changelog.md 2023-01-02 '# Changes\n\nThe nightly backup of the vault starts at 01:00.\n'
page login.md 2026-03-01 '# 登录\n\n密码连续输错三次，账号会被系统自动锁定。请联系管理员解锁。\n'
page account.md 2024-11-12 '# 账号\n\n密码连续输错五次，账号会被系统自动锁定。账号由人事部门建立。\n'
page frobnicate.md 2026-03-01 '# Frobnicate\n\nThe frobnicate option -a takes 1 argument. The frobnicate option -b takes 2 arguments.\n'
page twiddle.md 2024-11-12 '# More options\n\nThe frobnicate option -c takes 3 arguments. The frobnicate option -d takes 4 arguments.\n'
same='The lobby is open all day. The printer stands beside the stairs and takes paper of the size A4. Paper is kept in the
cupboard behind it, and the porter has the key of the cupboard. Toner is changed by the help desk after a call. The
scanner beside it sends what it reads to an address that is typed in.'
page visitors.md 2026-03-01 "# Visitors\n\n$same Guests of the institute may use the printer in the lobby.\n"
page rules.md 2024-11-12 "# Rules\n\n$same Guests of the institute may not use the printer in the lobby.\n"
page plain.md 2026-03-01 '# Canteen\n\nThe canteen of the institute opens at noon on working days.\n'
page same.md 2024-11-12 '# Meals\n\nThe canteen of the institute opens at noon on working days. Bring a card.\n'
index --model "$dir/models/embedder.gguf" add "$docs"
# The tiny embedder knows nothing: what counts here is what is quoted, not whether.
# shellcheck disable=SC2046
start $(tiny) --set min_confidence=0.01

answer() { # QUESTION [ASK-ARGS...]
    run "$ask" --json "${@:2}" "$1"
    text=$(jq -r .answer <<<"$out")
}
quoted() { # NAME: every quote is an exact part of its passage, every citation has its mark
    is "$(jq '[.citations[] as $c | .passages[] | select(.id == $c.passage) | .text | contains($c.quote)] | all and length > 1' \
        <<<"$out")$(jq '.answer as $a | .citations | all("[\(.n)]" as $n | $a | contains($n))' <<<"$out")" truetrue "$1"
}
both='Your documents disagree; the newest first:
2026-03-01: The nightly backup of the vault starts at 03:15. [1]
2024-11-12: The nightly backup of the vault starts at 04:30. [2]'
for mode in extract write auto; do
    answer "When does the nightly backup of the vault start?" --mode "$mode"
    is "${text:0:${#both}}" "$both" "$mode: both times with dates, the newest first"
    quoted "... each cited, word for word"
done
is "$(jq -r '[.citations[:2][] | .document.path | split("/") | last] | join(" ")' <<<"$out")" "backup.md operations.md" \
    "... from their documents"
is "$(jq .usage.completion_tokens <<<"$out")" 0 "... and no model chooses between them"
is "$(grep -c 01:00 <<<"${text:0:${#both}}")" 0 "a change log contradicts nothing"
run "$ask" --jsonl "When does the nightly backup of the vault start?"
is "$(jq -rj 'select(.event == "token").text' <<<"$out")" "$text" "streamed: the same text"

answer "密码连续输错几次账号会被锁定？"
both='文档的说法不一致，新的在前：
2026-03-01：密码连续输错三次，账号会被系统自动锁定。 [1]
2024-11-12：密码连续输错五次，账号会被系统自动锁定。 [2]'
is "${text:0:${#both}}" "$both" "in Chinese: both numbers"
quoted "... cited"
answer "May guests of the institute use the printer in the lobby?"
like "$text" "2026-03-01: Guests of the institute may use the printer in the lobby\. \[[0-9]\]
2024-11-12: Guests of the institute may not use the printer in the lobby\. \[[0-9]\]" "a permission and its denial, in texts that are else the same"

for q in "How many arguments does the frobnicate option take?" "When does the canteen of the institute open?"; do
    answer "$q"
    is "$(jq -r .status <<<"$out") $(grep -c disagree <<<"$text")" "answered 0" "no contradiction: $q"
done
run "$ask" --json --collection nothere "When does the backup start?"
is "$rc" 2 "an error stays an error"

# One date: nothing is said about new and old.
touch -d 2026-03-01T12:00:00Z "$docs/operations.md"
index --model "$dir/models/embedder.gguf" add "$docs"
answer "When does the nightly backup of the vault start?"
like "$text" "^Your documents disagree:
2026-03-01: .*
2026-03-01: " "documents of one date are not called new and old"
stop TERM
is "$status" 0 "the end"
finish
