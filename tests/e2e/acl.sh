#!/usr/bin/env bash
# acl = files against the real daemon: of a collection each user is shown what the permissions of
# the source files let him read, and of the rest not even its weight. Every file has a secret of
# its own; what a principal may not read, it has never heard at the end. Other users take root.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
port=$((20000 + ($$ + 3331) % 20000))
chmod 711 "$dir"
take_in() { index --model "$dir/models/embedder.gguf" add "$@"; }
docs=$dir/docs
mkdir -m 755 "$docs" "$docs/shut" "$docs/group"
files=(all ann group shut below list open)
declare -A secret path id
for f in "${files[@]}"; do
    secret[$f]=canary${f}qx7
    path[$f]=$docs/$f.md
done
path[shut]=$docs/shut/shut.md
path[below]=$docs/group/below.md
path[open]=$dir/open/open.md
mkdir -m 755 "$dir/open"
for f in "${files[@]}"; do
    printf '# Plans of %s\n\nThe launch word of the plan is %s today.\n' "${secret[$f]}" \
        "${secret[$f]}" >"${path[$f]}"
    chmod 644 "${path[$f]}"
done
chmod 600 "${path[ann]}"
chmod 640 "${path[group]}"
chmod 700 "$docs/shut"
chmod 750 "$docs/group"
chmod 600 "${path[open]}" # in a collection where files do not count
have_users=
if [ "$(id -u)" = 0 ] && setpriv --reuid=61001 --regid=61001 --clear-groups true 2>/dev/null; then
    have_users=1
    chown 61001 "${path[ann]}"
    chgrp 62002 "${path[group]}" "$docs/group"
else
    echo "# skipped: other users, which takes root and setpriv"
fi
# An entry beyond the mode (a user 61003 who may not read): as `setfacl -m u:61003:-` writes it.
python3 - "${path[list]}" <<'P' || unset "secret[list]"
import os, struct, sys
entry = lambda tag, perm, who=0xffffffff: struct.pack("<HHI", tag, perm, who)
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) + entry(1, 6)
            + entry(2, 0, 61003) + entry(4, 4) + entry(16, 4) + entry(32, 4))
P
if [ -z "${secret[list]-}" ]; then
    echo "# skipped: an access control list, which this folder's file system has not"
    files=(all ann group shut below open)
    rm "${path[list]}"
fi
take_in --collection team "$docs"
like "$(cat "$dir/ingest.log")" "${secret[list]:+1 files whose readers cannot be told}" \
    "a list beyond the mode is told of"
take_in --collection open "$dir/open"

# ---- principals, and which files each may read ----
token=$("$askd" --make-token tok-x)
cat >"$dir/askd.conf" <<C
listen = 127.0.0.1:$port
acl = files team, nowhere
log_level = trace
[access]
* = read *
anonymous = read *
[tokens]
$(tail -n 1 <<<"$token")
C
token=$(sed -n 's/^#   //p' <<<"$token")
declare -A run_as heard
declare -A reads=([owner]="${files[*]}" [bearer]=open [stranger]=open)
principals=(owner bearer stranger)
if [ -n "$have_users" ]; then
    run_as=([ann]="--reuid=61001 --regid=61001 --clear-groups"
        [member]="--reuid=61002 --regid=61002 --groups=62002"
        [primary]="--reuid=61003 --regid=62002 --clear-groups"
        [alone]="--reuid=61002 --regid=61002 --clear-groups")
    reads+=([ann]="all ann open" [member]="all group below open"
        [primary]="all group below open" [alone]="all open")
    principals+=(ann member primary alone)
fi
# shellcheck disable=SC2046
start --config "$dir/askd.conf" $(tiny)
chmod 711 "$dir/run" "$dir/run/askd"
chmod 666 "$sock"

# as PRINCIPAL METHOD PATH [JSON]: $code and $body
as() {
    local who=$1 method=$2 url=$3 data=${4-} out
    local args=(-s --max-time 60 -X "$method" -w '\n%{http_code}' -H 'Content-Type: application/json')
    if [ -n "$data" ]; then args+=(--data-binary "$data"); fi
    case $who in
    bearer) out=$(curl "${args[@]}" -H "Authorization: Bearer $token" "http://127.0.0.1:$port$url") ;;
    stranger) out=$(curl "${args[@]}" "http://127.0.0.1:$port$url") ;;
    owner) out=$(curl "${args[@]}" --unix-socket "$sock" "http://askd$url") ;;
    *)
        # shellcheck disable=SC2086
        out=$(setpriv ${run_as[$who]} curl "${args[@]}" --unix-socket "$sock" "http://askd$url")
        ;;
    esac
    code=${out##*$'\n'}
    body=${out%$'\n'*}
    heard[$who]+=$body
}
may() { [[ " ${reads[$1]} " == *" $2 "* ]]; }
seen() { # the files whose secrets the body holds
    local f list=
    for f in "${files[@]}"; do
        if [[ $body == *"${secret[$f]}"* ]]; then list+=" $f"; fi
    done
    echo "${list# }"
}
team_of() { # PRINCIPAL: how many files of team it may read
    local f n=0
    for f in "${files[@]}"; do
        if [ "$f" != open ] && may "$1" "$f"; then n=$((n + 1)); fi
    done
    echo "$n"
}

question='what is the launch word of the plan'
# ---- other groups are another asker: prompts and conversations ----
if [ -n "$have_users" ]; then
    all="{\"question\":\"$question\",\"collection\":\"team\",\"mode\":\"write\",\"filter\":{\"path\":\"*/all.md\"}}"
    as member POST /v1/ask "$all"
    prompt=$(json .receipt.prompt)
    theirs=$(json .conversation)
    as member POST /v1/ask "$all"
    [ "$(json .usage.cached_tokens)" -gt 0 ]
    ok $? "one's own prompt is cached"
    as alone POST /v1/ask "$all"
    is "$(json .receipt.prompt) $(json .usage.cached_tokens)" "$prompt 0" \
        "the same user without the group computes it anew"
    as member POST /v1/ask "{\"question\":\"$question\",\"conversation\":\"$theirs\"}"
    is "$code" 200 "one's own conversation goes on"
    as alone POST /v1/ask "{\"question\":\"$question\",\"conversation\":\"$theirs\"}"
    is "$code $(json .error.field)" "404 conversation" "... and not without the group"
fi

for f in "${files[@]}"; do
    as owner POST /v1/search "{\"question\":\"${secret[$f]}\"}"
    id[$f]=$(json '.passages[0].document.id')
    like "$body" "${secret[$f]}" "the owner finds $f"
done
check_all() { # WHEN
    local who f when=$1
    for who in "${principals[@]}"; do
        as "$who" POST /v1/search "{\"question\":\"$question\",\"k\":50}"
        is "$(seen)" "${reads[$who]}" "$when: $who finds what is readable"
        as "$who" POST /v1/search "{\"question\":\"$question\",\"k\":50,\"collection\":\"team\"}"
        is "$code $(json .searched.total)" "200 $(team_of "$who")" "$when: ... and is told of no other"
        as "$who" POST /v1/ask "{\"question\":\"$question\",\"k\":50,\"mode\":\"write\",\"stream\":true}"
        is "$(seen)" "${reads[$who]}" "$when: ... answers too"
        as "$who" GET /v1/collections
        is "$(json '.collections[] | select(.name == "team") | "\(.documents) \(.passages) \(.with_vectors)"')" \
            "$(team_of "$who") $(team_of "$who") $(team_of "$who")" "$when: ... counts too"
        as "$who" GET /v1/documents/999999
        absent="$code ${body//999999/nowhere}"
        for f in "${files[@]}"; do
            as "$who" GET "/v1/documents/${id[$f]}"
            if may "$who" "$f"; then
                is "$code $(seen)" "200 $f" "$when: $who reads $f"
            else
                is "$code ${body//document ${id[$f]}/document nowhere}" "$absent" \
                    "$when: $who reads $f: as if it were not there"
            fi
        done
    done
}
check_all "at first"

# ---- each secret by its own words: neither the passage nor a sign of it ----
for who in "${principals[@]}"; do
    for f in "${files[@]}"; do
        if may "$who" "$f"; then continue; fi
        as "$who" POST /v1/search "{\"question\":\"canarynowhereqx7\",\"k\":50}"
        other=$(json 'del(.timings_ms) | .question = ""')
        as "$who" POST /v1/search "{\"question\":\"${secret[$f]}\",\"k\":50}"
        is "$(json '.searched.total, (.passages | map(.score) | max)')" \
            "$(jq -r '.searched.total, (.passages | map(.score) | max)' <<<"$other")" \
            "$who looks for $f's secret: as for a word that nobody wrote"
        as "$who" POST /v1/ask "{\"question\":\"${secret[$f]}?\",\"mode\":\"write\"}"
        body=${body//"${secret[$f]}?"/}
        is "$(seen | grep -cw "$f")" 0 "... and no answer has it"
        heard[$who]=${heard[$who]//"${secret[$f]}?"/}
    done
done

# ---- what is not readable has no weight ----
if [ -n "$have_users" ]; then
    figures() {
        as alone POST /v1/ask "{\"question\":\"launch word of the plan\",\"k\":50,\"mode\":\"extract\"}"
        json 'del(.timings_ms, .receipt, .conversation)'
    }
    before=$(figures)
    like "$before" "launch word" "there are figures"
    for i in 1 2 3; do
        printf 'The plan %s has a launch word. %s\n' {1..9} >"$docs/shut/more$i.md"
        printf 'Launch launch word plan %s\n' "$i" >"$docs/more$i.md"
        chmod 600 "$docs/more$i.md"
    done
    take_in --collection team "$docs"
    is "$(figures)" "$before" "no figure moves when unreadable files come"
    rm "$docs"/more? "$docs"/more*.md "$docs"/shut/more*.md 2>/dev/null
    take_in --collection team "$docs"
    is "$(figures)" "$before" "... and go"
fi

# ---- permissions change, the text does not ----
for who in "${principals[@]}"; do
    for f in "${files[@]}"; do
        may "$who" "$f" || is "$(grep -c "${secret[$f]}" <<<"${heard[$who]}")" 0 \
            "$who has never heard of $f's secret"
    done
done
chmod 600 "${path[all]}"
chmod 755 "$docs/shut"
take_in --collection team "$docs"
like "$(cat "$dir/ingest.log")" "0 new, 0 updated, .*of 2 known documents the permissions have changed" \
    "permissions are taken in without the text"
for who in "${principals[@]}"; do
    if [ "$who" != owner ] && [ -n "${run_as[$who]-}" ]; then
        reads[$who]=$(sed -E 's/\ball\b ?//; s/open/shut open/; s/below shut/shut below/' <<<"${reads[$who]}")
    fi
done
check_all "after chmod"
take_in --collection team "$docs"
like "$(cat "$dir/ingest.log")" "0 new, 0 updated" "again: nothing to do"
is "$(grep -c permissions "$dir/ingest.log")" 0 "... of permissions neither"

# A file that becomes readable with another text: the old text is nobody else's meanwhile.
if [ -n "$have_users" ]; then
    printf 'was: %s\n' "${secret[all]}" >"$dir/askd-kept"
    printf '# Open\n\nThe launch word is free for everybody.\n' >"${path[all]}"
    chmod 644 "${path[all]}"
    as alone POST /v1/search "{\"question\":\"${secret[all]}\",\"k\":50}"
    is "$(seen | grep -cw all)" 0 "before it is taken in: the old permissions"
    take_in --collection team "$docs"
    as alone POST /v1/search '{"question":"launch word free for everybody","k":50}'
    like "$(json '[.passages[].text] | join(" ")')" "free for everybody" "after: the new text"
    is "$(seen | grep -cw all)" 0 "... and not the old one"
fi

# A folder that the ingest may not look into any more: who could read it, it cannot tell.
if [ -n "$have_users" ]; then
    mkdir -m 777 "$dir/theirs"
    mkdir -m 755 "$dir/blind" "$dir/blind/in"
    echo 'The blind text of the plan.' >"$dir/blind/in/a.md"
    their_index() {
        setpriv --reuid=61001 --regid=61001 --clear-groups "$build/askd-ingest" --no-embed \
            --data "$dir/theirs" add "$dir/blind" >"$dir/ingest.log" 2>&1
    }
    permissions() {
        python3 -c 'import sqlite3, sys
print([r[0] for r in sqlite3.connect(sys.argv[1]).execute("SELECT permissions FROM documents")])' \
            "$dir/theirs/askd.db"
    }
    their_index
    is "$(permissions)" "['']" "everybody may read it"
    chmod 700 "$dir/blind/in"
    their_index
    is "$? $(permissions)" "1 ['?']" "... and nobody, once the ingest cannot look"
    their_index
    is "$? $(permissions)" "1 ['?']" "... nor the next time"
    chmod 755 "$dir/blind/in"
    their_index
    is "$? $(permissions)" "0 ['']" "... until it can"
fi

# ---- the setting changes on SIGHUP: this is what it all hung on ----
sed -i '/^acl/d' "$dir/askd.conf"
kill -HUP "$pid"
moved() {
    as bearer GET /v1/collections
    [ "$(json '.collections[] | select(.name == "team") | .documents')" = "$((${#files[@]} - 1))" ]
}
await moved
ok $? "without acl the collection decides"

# ---- what is written down ----
as owner GET /metrics
is "$(grep -cE 'canary|team' <<<"$body")" 0 "metrics name no collection and no text"
is "$(grep -ciE 'canary|launch|\.md' "$dir/log")" 0 "the log has neither text nor files"
stop TERM
is "$status" 0 "the end"
finish
