#!/usr/bin/env bash
# askd-ingest doctor: what it finds in a folder of real files, and what it leaves alone. Prints TAP.
# shellcheck disable=SC2016 # $name is for jq
set -u
# shellcheck source=tests/ingest/lib.sh
. "${ASKD_SRCDIR:?run me through make check}/tests/ingest/lib.sh"

doctor() { # ARGS...: $rc, and $out as JSON
    run doctor --json "$@"
}
has() { # FILTER NAME: jq's filter is true for $out
    is "$(jq -e "$1" <<<"$out" >/dev/null 2>&1; echo $?)" 0 "$2"
}
kinds() { jq -r '[.findings[].kind] | join(" ")' <<<"$out"; }

run doctor
like "$rc $err" "^2 .*no documents yet" "no store yet is told"
mkdir -p "$docs"
python3 - "$docs" <<'P'
import os, sys
d = sys.argv[1] + "/"
def w(name, s, date=1772323200):  # 2026-03-01
    os.makedirs(os.path.dirname(d + name), exist_ok=True)
    with open(d + name, "w") as f:
        f.write(s)
    os.utime(d + name, (date, date))
w("quiet/one.md", "# Printers\n\nThe printers of the lobby take paper of the size A4 and letters only.\n\n"
  "Option -a takes 1 argument. Chapter 3 of the guide describes the trays of the device.\n")
w("quiet/two.md", "# Scanners\n\nThe scanners of the lobby send what they read to the mail of the user.\n\n"
  "Option -b takes 2 arguments. Chapter 4 of the guide describes the trays of the device.\n")
P
run --collection quiet --no-embed add "$docs/quiet"
doctor --collection quiet
is "$rc $(kinds)" "1 no_vector" "sentences that list different things are no contradiction"
run --collection quiet doctor
like "$rc $out" "^1 quiet: 2 documents of 2026-03-01 to 2026-03-01, .*English 2" "for people: collections at a glance"
like "$out" "askd-ingest embed makes the vectors" "... and what to do"

python3 - "$docs" <<'P'
import os, sys
d = sys.argv[1] + "/"
def w(name, s, date=1772323200):  # 2026-03-01
    os.makedirs(os.path.dirname(d + name), exist_ok=True)
    with open(d + name, "w") as f:
        f.write(s)
    os.utime(d + name, (date, date))
old = 1731369600  # 2024-11-12
pages = ["The office %s keeps its records in cabinet %d and hands them out by the desk of the %s.\n\n" % (n, i * 3, n)
         for i, n in enumerate(("north south east west upper lower inner outer first last green blue").split())]
book = "# Handbook\n\n" + "".join(pages)
w("all/handbook.md", book + "Sessions expire after 30 minutes without any input of the user.\n")
w("all/handbook_old.md", book + "Sessions expire after 45 minutes without any input of the user.\n", old)
w("all/backup.md", "# Backup\n\nThe nightly backup starts at 03:15 on every server of the site.\n")
w("all/operations.md", "# Operations\n\nPlease note. The nightly backup starts at 04:30 on every server of the site.\n", old)
w("all/visitors.md", "# Visitors\n\nGuests of the institute may use the printer in the lobby.\n")
w("all/rules.md", "# Rules\n\nGuests of the institute may not use the printer in the lobby.\n", old)
w("all/login.md", "# 登录\n\n密码连续输错三次，账号会被系统自动锁定。\n")
w("all/account.md", "# 账号\n\n密码连续输错五次，账号会被系统自动锁定。\n", old)
w("all/changelog.md", "# Changes\n\nThe nightly backup starts at 01:00 on every server of the site.\n", old)
w("all/stub.md", "# Stub\n\nTo do.\n")
w("all/gone.md", "# Gone\n\nThis file goes away after it has been taken in by the program.\n")
w("all/changed.md", "# Changed\n\nThis file changes after it has been taken in by the program.\n")
w("all/blank.md", "\n\n\n")
for y in ("2025", "2026"):
    for n in ("alpha", "beta", "gamma", "delta"):
        w(f"all/{y}/{n}.md", f"# Guide {n}\n\n" + "".join(p.replace("office", "team " + n) for p in pages)
          + f"The budget of the team {n} is {y[3]}00 EUR in total.\n", old if y == "2025" else 1772323200)
P
run --no-embed add "$docs/all"
like "$out" "^20 new" "the documents are taken in"
rm "$docs/all/gone.md"
echo "More of it." >>"$docs/all/changed.md"
doctor --collection default
is "$rc" 1 "findings make the exit status 1"
is "$(kinds)" "conflict conflict conflict versions versions gone changed unread empty no_vector short" "most important first"
sides() { # PATH-END: both sides of the conflict that has this path
    jq -r --arg p "$1" '.findings[] | select(.kind == "conflict" and any(.spots[]; .path | endswith($p))) |
        .spots[] | "\(.date) \(.role) \(.path | split("/") | last):\(.lines | join("-")) \(.text)"' <<<"$out"
}
is "$(sides backup.md)" "2026-03-01 newest backup.md:3-3 The nightly backup starts at 03:15 on every server of the site.
2024-11-12 older operations.md:3-3 The nightly backup starts at 04:30 on every server of the site." \
    "two times of one backup: both sides with dates and lines, the newest first, no change log"
is "$(sides rules.md)" "2026-03-01 newest visitors.md:3-3 Guests of the institute may use the printer in the lobby.
2024-11-12 older rules.md:3-3 Guests of the institute may not use the printer in the lobby." "a permission and its denial"
is "$(sides login.md)" "2026-03-01 newest login.md:3-3 密码连续输错三次，账号会被系统自动锁定。
2024-11-12 older account.md:3-3 密码连续输错五次，账号会被系统自动锁定。" "two numbers in Chinese"
has '.findings[] | select(.what == "2 versions of one document") | .spots |
    (.[0].role == "newest") and (.[0].path | endswith("/handbook.md")) and (.[0].date == "2026-03-01") and
    (.[1].role == "older") and (.[1].path | endswith("/handbook_old.md")) and (.[1].date == "2024-11-12")' \
    "versions by name and text: which is newest"
has '.findings[] | select(.what == "2 versions of one document") | [.spots[] | select(.role | startswith("differs")) | .text] ==
    ["Sessions expire after 30 minutes without any input of the user.",
     "Sessions expire after 45 minutes without any input of the user."]' "... and where they differ"
has '.findings[] | select(.what | startswith("4 documents stand in 2 folders")) |
    (.spots[0].path | endswith("/all/2026/")) and (.spots[1].path | endswith("/all/2025/"))' "folders of versions are told of once"
spot() { jq -r --arg k "$1" '.findings[] | select(.kind == $k) | [.spots[] | "\(.path | split("/") | last): \(.text)"] | join(", ")' <<<"$out"; }
is "$(spot gone)" "gone.md: gone" "a file that is gone"
is "$(spot changed)" "changed.md: another size than when it was taken in" "a file that has changed"
is "$(spot unread)" "blank.md: no text in it" "a file that gave no text"
like "$(spot empty)" "^stub.md: [0-9]+ bytes of text$" "a document of next to nothing"
has '.collections == [.collections[0]] and .collections[0].name == "default" and .collections[0].documents == 20 and
    .collections[0].without_vectors == .collections[0].passages and .collections[0].languages.too_short > 0' "the collection at a glance"
once=$out
doctor --collection default
is "$out" "$once" "the same store, the same words"
doctor
is "$(jq -r '[.collections[].name] | join(" ")' <<<"$out")" "default quiet" "without --collection, all of them"
run doctor --collection default
like "$out" "Documents that contradict each other \(3\)" "for people: kinds with their number"
like "$out" "2024-11-12  older  .*/operations.md:3" "... and path and line"
run doctor --collection nothere
like "$rc $err" '^2 .*no collection "nothere"' "an unknown collection is told"
run doctor "$docs"
like "$rc $err" "^2 .*takes no PATH" "a path is refused"

# ---- nothing to say ----
"$build/tests/tools/make_tiny_model" bert "$dir/embedder.gguf"
run --data "$dir/other" --model "$dir/embedder.gguf" add "$docs/quiet"
run --data "$dir/other" doctor
like "$rc $out" "^0 default: 2 documents.*nothing to say" "nothing to say: 0"
echo "1..$n_tests"
