#!/usr/bin/env bash
# The daemon over a store that is damaged, replaced, restored, or on a full disk, and over one
# whose vectors are of another embedder: it says so or goes on, and shows nothing that was not
# put.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
data=$XDG_DATA_HOME/askd
db=$data/askd.db
export ASKD_EMBEDDER=$dir/models/embedder.gguf
mkdir -p "$dir/docs"
printf '# Keys\n\nThe ZEBRA key opens the store room.\n' >"$dir/docs/keys.md"
printf '# Quotas\n\nThe GIRAFFE quota is five.\n' >"$dir/docs/quotas.md"
for i in {1..60}; do
    printf '# Page %s\n\nThe number of page %s is n%s, and it says little else.\n' "$i" "$i" "$i"
done >"$dir/docs/many.md"
ingest() { run "$build/askd-ingest" --data "$data" "$@"; }
# search WORDS: the texts found into $texts.
search() {
    post /v1/search "{\"question\": \"$1\", \"k\": 8}"
    texts=$(json '[.passages[].text] | join(" ")')
}
# change FROM TO: in the passages' own text, where SQLite sees nothing wrong.
change() {
    python3 - "$db" "$1" "$2" <<'P'
import sys
path, old, new = sys.argv[1], sys.argv[2].encode(), sys.argv[3].encode()
data = open(path, "rb").read()
assert data.count(old) >= 1 and len(old) == len(new)
open(path, "r+b").write(data.replace(old, new))
P
}
# over FROM BYTES: zeros in the middle of the file.
over() { dd if=/dev/zero of="$db" bs=1 seek="$1" count="$2" conv=notrunc status=none; }
alive() { is "$(status_of state)" ready "... and the daemon is there"; }

index add "$dir/docs"
ingest verify
like "$rc $out" "^0 3 documents, .* all as they were put" "a sound store is found sound"
ingest snapshot "$dir/snap"
is "$rc" 0 "a snapshot is taken"
# shellcheck disable=SC2046
start $(tiny)
is "$(status_of search)" "words and meaning" "status says how it searches"

# ---- a passage that is not what was put ----
search zebra
like "$texts" "The ZEBRA key" "a passage is found"
stop TERM
change "The ZEBRA key opens" "The ZEBRA key never"
# shellcheck disable=SC2046
start $(tiny)
search zebra
is "$code" 200 "with another text in its row, the search goes on"
[[ $texts != *ZEBRA* ]]
ok $? "... but does not show it"
id=$(python3 - "$db" <<'P'
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT id FROM documents WHERE path LIKE '%keys.md'").fetchone()[0])
P
)
http GET "/v1/documents/$id"
like "$code $(json .error.message)" "^500 .*damaged and not shown" "... nor with the whole document"
like "$(cat "$dir/log")" "passage [0-9]+ of document $id is damaged" "... it is in the log"
http GET /metrics
like "$body" "askd_damaged_passages_total [1-9]" "... and counted"
search giraffe
like "$texts" "The GIRAFFE quota" "... others are found"
ingest verify
like "$rc $out" "^1 passage: passage [0-9]+ of .*keys.md.*next: askd-ingest rebuild" "verify names it, and what to do"
ingest snapshot "$dir/bad"
like "$rc $err" "^2 .*damaged.*no snapshot" "no snapshot is taken of it"
[ ! -e "$dir/bad" ]
ok $? "... indeed"
ingest rebuild
ingest verify
is "$rc" 0 "after askd-ingest rebuild all is well"
search zebra
like "$texts" "The ZEBRA key opens" "... and the daemon shows it, without a restart"

# ---- a title, a vector ----
stop TERM
change "Quotas" "Quotes"
# shellcheck disable=SC2046
start $(tiny)
search giraffe
[[ $code = 200 && $texts != *GIRAFFE* ]]
ok $? "a passage whose description was changed is not shown either"
ingest verify
like "$rc $out" "^1 .*quotas.md: its description|^1 tree: " "verify names it"
ingest restore "$dir/snap"
is "$rc" 0 "restore"
search giraffe
like "$texts" "The GIRAFFE quota" "the running daemon goes on with the snapshot"
python3 - "$db" <<'P'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("UPDATE vectors SET f16 = zeroblob(length(f16)) WHERE passage = (SELECT min(passage) FROM vectors)")
c.commit()
P
ingest verify
like "$rc $out" "^1 vector: .*next: askd-ingest embed" "a vector that was changed is named"
ingest embed
like "$rc $out" "1 vectors were damaged and are made again" "embed makes it again"
ingest verify
is "$rc" 0 "... and all is well"

# ---- pages that are no pages, while the daemon runs ----
size=$(stat -c %s "$db")
for at in 0 $((size / 2)); do
    over "$at" $((size - at > 40000 ? 40000 : size - at))
    for w in zebra giraffe n17; do
        search "$w"
        [[ $code = 200 || ($code = 500 && $(json .error.message) = *"askd-ingest verify"*) ]]
        ok $? "zeros from byte $at on: a search gives passages or says what is wrong ($code)"
        [[ ! $texts =~ never|Quotes ]] || ok 1 "... nothing that was not put"
    done
    alive
    ingest verify
    like "$rc $out" "^1 .*next: askd-ingest restore" "verify says to restore"
    ingest restore "$dir/snap"
    is "$rc" 0 "restore"
    search zebra
    like "$code $texts" "^200 .*The ZEBRA key opens" "... and the daemon goes on, without a restart"
done
: >"$db"
search zebra
[ "$code" = 200 ] || [ "$code" = 500 ]
ok $? "a file cut to nothing"
alive
ingest restore "$dir/snap"
search zebra
like "$rc $err $code $texts" "^0  200 .*The ZEBRA key opens" "... restored"

# ---- another file in its place ----
cp "$dir/snap/askd.db" "$dir/other.db"
rm -f "$db-wal" "$db-shm"
mv "$dir/other.db" "$db"
printf '# Keys\n\nThe HIPPO key opens the store room.\n' >"$dir/docs/keys.md"
index add "$dir/docs"
search hippo
like "$code $texts" "^200 .*The HIPPO key" "a file that was moved in is noticed"
rm -f "$db" "$db-wal" "$db-shm"
search hippo
[ "$code" = 200 ] && [ "$texts" = "" ]
ok $? "a store that is gone has nothing"
alive
ingest restore "$dir/snap"
search zebra
like "$rc $code $texts" "^0 200 .*The ZEBRA key opens" "... restored"
stop TERM
over 0 40000
# shellcheck disable=SC2046
launch $(tiny)
failed() { [ "$(status_of state 2>/dev/null)" = failed ]; }
await failed
http GET /readyz
like "$code $(json .error.message)" "^500 .*damaged.*askd-ingest verify" "a daemon that starts over a damaged store says so"
stop TERM
ingest restore "$dir/snap"

# ---- another embedder ----
"$build/tests/tools/make_tiny_model" bert "$dir/models/other.gguf" 32 2 9
other="--set llm=none --set embedder=$dir/models/other.gguf"
# shellcheck disable=SC2086
start $other
is "$(status_of search)" words "with vectors of another embedder only, words are searched"
search giraffe
like "$texts" "The GIRAFFE quota" "... and found"
ingest status
like "$out" "embedder .*: [0-9]+ vectors" "askd-ingest status lists the embedders"
python3 - "$db" <<'P'
# As after an embedding that was ended early.
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("DELETE FROM meta WHERE key LIKE 'complete %'")
c.commit()
P
ingest status
like "$out" "in the making: askd searches without them until" "... and which one is not complete"
ingest --model "$dir/models/other.gguf" embed
is "$rc" 0 "embedding with it"
search giraffe
like "$texts" "The GIRAFFE quota" "... the next search"
is "$(status_of search)" "words and meaning" "... goes by meaning again"
stop TERM

# ---- a second embedder, for English ----
printf '# 长颈鹿\n\n长颈鹿的磁盘配额由管理员设置。\n' >"$dir/docs/giraffe-zh.md"
ingest --model "$dir/models/other.gguf" add "$dir/docs"
english="$other --set embedder_en=$dir/models/embedder.gguf"
rated() { # QUESTION: do the passages have its score?
    http POST /v1/search -d "{\"question\":\"$1\"}"
    json '[.passages[] | has("english")] | unique | map(tostring) | join(" ")'
}
# shellcheck disable=SC2086
start $english
like "$(status_of embedder_en)" ":[0-9a-f]{32}" "the status names it"
is "$(rated giraffe)" false "it has no part in a search before there are vectors of it"
ingest --model "$dir/models/other.gguf" --model-en "$dir/models/none.gguf" embed
like "$rc $err" "2 .*none.gguf" "one that is named must be there"
ingest --model "$dir/models/other.gguf" --model-en "$dir/models/embedder.gguf" embed
like "$rc $out" "0 .*vectors for English .* 0 passages are left" "its vectors are made"
is "$(rated giraffe)" "false true" "then it rates the passages that are not Chinese"
is "$(rated 长颈鹿)" false "... but not for a question in Chinese"
ingest verify
is "$rc" 0 "the store is whole with vectors of two"
python3 - "$db" <<'P'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
n = c.execute("SELECT count(*) FROM vectors v JOIN passages p ON p.id = v.passage JOIN documents d"
              " ON d.id = p.document WHERE d.path LIKE '%giraffe-zh.md'").fetchone()[0]
sys.exit(n != 1)
P
ok $? "... and the Chinese passage has one"
stop TERM

# ---- a full disk ----
(strace -qq -o /dev/null -e trace=close -e inject=close:signal=KILL:when=1 true; exit $?) 2>/dev/null
if [ $? = 137 ]; then
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # leaks are not looked for under strace
    full() { strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:error=ENOSPC:when=$2" "${@:3}"; }
    printf '# New\n\nThe OKAPI is new.\n' >"$dir/docs/new.md"
    run full pwrite64 3+ "$build/askd-ingest" --data "$data" --no-embed add "$dir/docs"
    like "$rc $err" "^2 .*no room left on the disk" "askd-ingest on a full disk says so"
    ingest verify
    is "$rc" 0 "... and loses nothing"
    run full pwrite64,write 2+ "$build/askd-ingest" --data "$data" snapshot "$dir/snap2"
    is "$rc" 2 "no snapshot is made there"
    [ ! -e "$dir/snap2" ] && [ ! -e "$dir/snap2.tmp" ]
    ok $? "... not even in part"
    ingest --no-embed add "$dir/docs"
    is "$rc" 0 "with room again, the next run completes"
    start --set llm=none --set embedder=none
    strace -f -qq -o /dev/null -e trace=pwrite64,fallocate,ftruncate,write,fsync \
        -e inject=pwrite64,fallocate,ftruncate,fsync:error=ENOSPC -p "$pid" &
    tracer=$!
    attached() { ! grep -q '^TracerPid:.0$' "/proc/$pid/status"; }
    if await attached; then
        for w in okapi giraffe okapi; do
            search "$w"
            like "$code $texts" "^200 .*(OKAPI|GIRAFFE)" "a daemon whose disk is full answers"
        done
    fi
    kill "$tracer"
    wait "$tracer" 2>/dev/null
    stop TERM
    full pwrite64 1+ "$askd" --set llm=none --set embedder=none >>"$dir/log" 2>&1 &
    tracer=$!
    settled() { [[ $(status_of state 2>/dev/null) =~ ready|failed ]]; }
    await settled
    search okapi
    like "$code $texts$(json .error.message)" "^(200 .*The OKAPI|500 .*no room left)" \
        "one that starts on a full disk answers or says so"
    kill "$(status_of pid)"
    wait "$tracer"
else
    echo "# skipped: strace cannot trace here, so no disk can be full"
fi
finish
