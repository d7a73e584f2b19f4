#!/usr/bin/env bash
# askd-doctor on installations that are broken in one way each: what it finds, how bad it is, the
# next step, and the exit status.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
doctor=$build/askd-doctor
data=$XDG_DATA_HOME/askd
secret=canarydoctorqx7
models
tiny=(--set "llm=$dir/models/llm.gguf" --set "embedder=$dir/models/embedder.gguf" --set embedder_en=none --set reader=none
    --set "lexicon=$ASKD_SRCDIR/models/lexicon/en-zh.lexicon.tsv")

# look ARGS...: $rc, $out (JSON), and what it says on the whole of it is kept for the end.
all=
look() {
    run "$doctor" --json "$@"
    body=$out
    all+=$out
}
# found CHECK LEVEL REGEX NAME: there is such a finding, and a next step where one is due.
found() {
    like "$(json ".findings[] | select(.check == \"$1\" and .level == \"$2\") | .what + \" -> \" + .next")" \
        "$3" "$4"
}
none_above() { # LEVELS NAME: no finding of these levels, but that of the kernel
    is "$(json "[.findings[] | select(.level | IN($1)) | select(.check + .level != \"kernelwarning\")
        | .check + \": \" + .what] | join(\"; \")")" "" "$2"
}

# ---- nothing there at all ----
look "${tiny[@]}"
is "$rc" 1 "nothing taken in yet: warnings"
found data warning "No such file" "no data folder"
found store warning "no documents yet.*askd-ingest add" "no store, and what to do"
found daemon note "no askd runs" "no daemon is no fault"
# On a kernel that cannot confine all of it, askd runs, and each look warns of that.
healthy=0 worst=note
if [ "$(json '[.findings[] | select(.check == "kernel" and .level == "warning")] | length')" != 0 ]; then
    found kernel warning "there is no (Landlock|seccomp).*take a kernel with both" "what this kernel has not"
    healthy=1 worst=warning
fi
none_above '"fault"' "nothing is broken"

# ---- a healthy one, with and without a daemon ----
mkdir -m 755 "$dir/docs"
printf '# Plans\n\nThe launch word is %s today.\n' "$secret" >"$dir/docs/plan.md"
index --model "$dir/models/embedder.gguf" add "$dir/docs"
look "${tiny[@]}"
is "$rc $(json .worst)" "$healthy $worst" "a healthy installation"
none_above '"warning", "fault"' "nothing to do"
found vectors fine "every passage has one" "vectors are of this embedder"
found store fine "schema [0-9]+, 1 documents" "the store is whole"
run "$doctor" "${tiny[@]}"
is "$rc" "$healthy" "as lines, too"
like "$out" "fine +store +schema" "a line a finding"
is "$(json '[.findings[] | select(.level == "warning" or .level == "fault") | select(.next == "")] | length')" 0 \
    "whatever is wrong has a next step"
# shellcheck disable=SC2046
start $(tiny)
look "${tiny[@]}"
is "$rc" "$healthy" "beside a running daemon"
found daemon fine "askd [0-9.]+ answers on" "it answers"
found models fine "the daemon has loaded them" "nothing is loaded twice"
found vectors fine "every passage has one" "its embedder is known from it"
look "${tiny[@]}" --data "$dir/other"
found daemon warning "data folder is .*these settings say" "the daemon has another folder"
if [ "$(id -u)" = 0 ] && setpriv --reuid=61001 --regid=61001 --clear-groups true 2>/dev/null; then
    chmod 711 "$dir" "$dir/run" "$dir/run/askd" "$dir/data"
    body=$(setpriv --reuid=61001 --regid=61001 --clear-groups "$doctor" --json "${tiny[@]}" 2>/dev/null)
    is $? 2 "another user"
    all+=$body
    found socket fault "you may not connect.*join its group" "... may not connect"
    found data fault "cannot be written by you" "... may not write"
    found store fault "Permission denied.*as the user of the daemon" "... may not read"
    chmod 666 "$sock"
    body=$(setpriv --reuid=61001 --regid=61001 --clear-groups "$doctor" --json "${tiny[@]}" 2>/dev/null)
    found daemon warning "lets you do nothing.*\[access\]" "... has no rights"
else
    echo "# skipped: other users, which takes root and setpriv"
fi
kill -STOP "$pid"
look "${tiny[@]}"
is "$rc" 2 "a daemon that hangs"
found daemon fault "no answer within 10 seconds.*restart" "... is not waited for"
kill -CONT "$pid"
kill -9 "$pid"
wait "$pid" 2>/dev/null
pid=
look "${tiny[@]}"
is "$rc" "$healthy" "a socket left over"
found daemon note "left over" "... is said"
rm -f "$sock"
echo text >"$sock"
look "${tiny[@]}"
is "$rc" 2 "a file in the socket's place"
found socket fault "is no socket.*move it away" "... is named"
rm -f "$sock"

# Another version, and something else, on the socket.
answer_with() { # STATUS JSON
    rm -f "$sock"
    python3 - "$sock" "$1" "$2" <<'P' &
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
c = s.accept()[0]
c.recv(4096)
c.sendall(("HTTP/1.1 %s X\r\nContent-Length: %d\r\n\r\n%s"
           % (sys.argv[2], len(sys.argv[3]), sys.argv[3])).encode())
c.close()
P
    other=$!
    await test -S "$sock"
    look "${tiny[@]}"
    wait "$other"
    rm -f "$sock"
}
answer_with 200 '{"version": "0.0.1", "state": "ready", "embedder": "x"}'
found daemon warning "is version 0.0.1.*restart askd" "another version"
found vectors fine "every passage" "... whose word on models is not taken"
answer_with 200 "{\"version\": \"$("$askd" --version | cut -d' ' -f2)\", \"state\": \"failed\", \"error\": \"no such\"}"
is "$rc" 2 "a daemon that could not load"
found daemon fault "could not load: no such" "... says why"
answer_with 404 'nothing'
found daemon fault "is no askd \(status 404\)" "something else"

# ---- settings ----
printf 'threads = many\nnothing = 1\nlog_level = info\nacl = fils\n' >"$dir/askd.conf"
look "${tiny[@]}" --config "$dir/askd.conf"
is "$rc" 2 "wrong settings"
is "$(json '[.findings[] | select(.check == "config" and .level == "fault")] | length')" 3 "every error is told"
found config fault "askd.conf:2: .*nothing" "... with its line"
printf 'threads = 1\n' >"$dir/askd.conf"
chmod 666 "$dir/askd.conf"
look "${tiny[@]}" --config "$dir/askd.conf"
is "$rc" 2 "settings that all may write"
found config fault "written by everybody.*chmod o-w" "... are told"
look "${tiny[@]}" --config "$dir/nowhere"
is "$rc" 2 "settings that are not there"
look "${tiny[@]}" --set threads=200
found threads warning "200 threads compute on" "too many threads"
look "${tiny[@]}" --set socket=relative
found config fault "socket must be an absolute path" "a wrong flag"

# ---- models ----
look --set llm=none --set embedder=none --set lexicon=none
is "$rc" "$healthy" "without models, by the settings"
look
is "$rc" 1 "without models, for they are missing"
found models warning "no language model is there.*fetch-models" "... the next step"
look "${tiny[@]}" --set "llm=$dir/none.gguf"
is "$rc" 2 "a model that is not there"
found models fault "none.gguf cannot be read" "... is named"
head -c 3000 "$dir/models/llm.gguf" >"$dir/short.gguf"
look "${tiny[@]}" --set "llm=$dir/short.gguf"
is "$rc" 2 "a model cut short"
found models fault "language model cannot be loaded: .*short.gguf" "... cannot be loaded"
look "${tiny[@]}" --set "embedder=$dir/models/llm.gguf"
found models fault "embedder cannot be loaded" "a model that is no embedder"
look "${tiny[@]}" --set "adapter=a $dir/models/embedder.gguf"
found models fault "language model cannot be loaded" "an adapter that is none"
found models fine "lexicon: .*SHA-256 as pinned" "the lexicon of this release is the pinned one"
printf 'a\tb:1\na word\n' >"$dir/lexicon"
look "${tiny[@]}" --set "lexicon=$dir/lexicon"
found models fault "lexicon: line 2: not TERM" "a lexicon with a line that says nothing"
mkdir "$data/models"
cp "$dir/models/llm.gguf" "$data/models/SmolLM2-135M-Instruct.Q4_1.gguf"
look --set embedder=none
found models warning "tested with has 98362432" "a file of a known name and another size"
truncate -s 98362432 "$data/models/SmolLM2-135M-Instruct.Q4_1.gguf"
look --set embedder=none
found models warning "is not the file of that name.*SHA-256 is [0-9a-f]{64}" "... of the size and another content"
rm -r "$data/models"
look --set llm=none --set "embedder=$dir/models/embedder.gguf" \
    --set "reader=$ASKD_SRCDIR/models/reader/multilingual-e5-small.reader.gguf"
found models fine "reader: .*SHA-256 as pinned" "the reader of this release is the pinned one"
found models fault "the reader cannot be used" "... and goes with another embedder"
look --set llm=none --set "embedder=$dir/models/embedder.gguf" --set context=131072 --set cache_mb=1048576
is "$rc" 1 "what is not loaded takes no memory"
if (ulimit -v 300000; "$askd" --version) >/dev/null 2>&1; then
    body=$(ulimit -v 300000; "$doctor" --json "${tiny[@]}" --set context=131072 --set sessions=64 2>/dev/null)
    found models fault "language model cannot be loaded: .*MiB.*lower" "more memory than there is"
else
    echo "# skipped: this build does not run under ulimit -v"
fi

# ---- the store and its folder ----
cp "$data/askd.db" "$dir/kept.db"
sql() { python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$data/askd.db" "$1"; }
back() {
    rm -f "$data"/askd.db*
    cp "$dir/kept.db" "$data/askd.db"
}
sql "UPDATE vectors SET fingerprint = 'other:1'"
look "${tiny[@]}"
is "$rc" 1 "vectors of another embedder"
found vectors warning "has vectors of other:1.*askd-ingest embed" "... and the next step"
back
sql "DELETE FROM meta WHERE key GLOB 'complete *'"
look "${tiny[@]}"
found vectors warning "until all have, searches go by words" "vectors in the making"
back
sql "DELETE FROM vectors"
look "${tiny[@]}"
found vectors warning "no passage has a vector" "no vectors"
back
"$build/tests/tools/make_tiny_model" bert "$dir/models/english.gguf" 32 2 9
english=("${tiny[@]}" --set "embedder_en=$dir/models/english.gguf")
look "${english[@]}"
found vectors warning "1 passages have no vector of embedder_en.*until all have, it is not used.*askd-ingest embed" \
    "a second embedder without vectors"
index --model "$dir/models/embedder.gguf" --model-en "$dir/models/english.gguf" embed
look "${english[@]}"
found vectors fine "not in Chinese script has one" "... and with"
look "${tiny[@]}" --set "embedder_en=$dir/models/nothing.gguf"
found models fault "nothing.gguf cannot be read.*correct the setting" "... and one that is not there"
back
sql "UPDATE documents SET title = 'changed'"
look "${tiny[@]}"
is "$rc" 2 "a changed row"
found store fault "1 faults found in documents.*askd-ingest verify" "... is counted"
back
sql "PRAGMA user_version = 99"
look "${tiny[@]}"
found store fault "written by a newer askd.*use the askd that wrote it" "a newer store"
back
printf 'no database at all, for sure' >"$data/askd.db"
look "${tiny[@]}"
is "$rc" 2 "no store of askd"
found store fault "" "... is a fault"
back
chmod 755 "$data"
look "${tiny[@]}"
is "$rc" 1 "a data folder that all may read"
found data warning "open to everybody.*chmod o-rwx" "... is told"
chmod 750 "$data"
look "${tiny[@]}" --set "acl=files default, elsewhere"
found acl warning "names the collection 'elsewhere'" "an acl for what is not there"
found acl fine "all 1 files are known" "permissions are known"
# An access control list, as `setfacl -m u:1:r` writes it.
if python3 - "$dir/docs/plan.md" <<'P'; then
import os, struct, sys
entry = lambda tag, perm, who=0xffffffff: struct.pack("<HHI", tag, perm, who)
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) + entry(1, 6)
            + entry(2, 4, 1) + entry(4, 4) + entry(16, 4) + entry(32, 4))
P
    index add "$dir/docs"
    look "${tiny[@]}" --set acl=files
    is "$rc" 1 "a file with an access control list"
    found acl warning "of 1 documents in 'default' it is not known.*getfacl" "... is nobody's"
else
    echo "# skipped: an access control list, which this folder's file system has not"
fi
sql "PRAGMA user_version = 3"
look "${tiny[@]}"
found store note "schema 3, an older askd's.*lifts it" "an older store"
rm -rf "$data"
echo >"$data"
look "${tiny[@]}"
found data fault "is no folder" "a file in the folder's place"

# ---- the program ----
run "$doctor" --nonsense
is "$rc" 3 "an unknown option"
run "$doctor" word
is "$rc" 3 "an argument"
run "$doctor" --set nothing
is "$rc" 3 "half a setting"
"$doctor" >/dev/full 2>/dev/null
is "$?" 3 "a full disk below its output"
run "$doctor" --system --json
body=$out
like "$(json '.findings[].what')" "/etc/askd/askd.conf" "--system looks where the service has it"
is "$(grep -c "$secret" <<<"$all")" 0 "no text of a document in all of it"
finish
