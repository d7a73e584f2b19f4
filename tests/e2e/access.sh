#!/usr/bin/env bash
# Every principal x operation x collection against the real daemon: what is not given is not
# there. Principals are other users (as root, through setpriv) and tokens over TCP.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
port=$((20000 + ($$ + 7919) % 20000))
collections=(alpha beta gamma)
declare -A secret=([alpha]=canaryalphaqx7 [beta]=canarybetaqx7 [gamma]=canarygammaqx7)
for c in "${collections[@]}"; do
    mkdir -p "$dir/docs/$c"
    printf '# Plans %s\n\nThe launch word of the plan is %s today.\n' "${secret[$c]}" \
        "${secret[$c]}" >"$dir/docs/$c/${secret[$c]}.md"
    index add --collection "$c" "$dir/docs/$c"
done

# ---- principals, and what each may read ----
declare -A reads=([owner]="alpha beta gamma" [bearer]="alpha gamma" [reader]=gamma [stranger]="")
declare -A token
principals=(owner bearer reader stranger)
line_of() { # NAME: a token's line; the token itself into ${token[NAME]}
    local out
    out=$("$askd" --make-token "$1") || exit 1
    token[$1]=$(sed -n 's/^#   //p' <<<"$out")
    tail -n 1 <<<"$out"
}
line_of bearer-x >"$dir/tokens"
token[bearer]=${token[bearer-x]}
line_of reader-x >>"$dir/tokens"
token[reader]=${token[reader-x]}
cat >"$dir/askd.conf" <<C
listen = 127.0.0.1:$port
hosts = askd.example
log_level = trace
[access]
bearer-x = read alpha
*        = read gamma
61001 = read alpha
@62002 = read beta
61004 = admin *
61005 = write beta
[tokens]
$(cat "$dir/tokens")
C
declare -A run_as
if [ "$(id -u)" = 0 ] && setpriv --reuid=61001 --regid=61001 --clear-groups true 2>/dev/null; then
    run_as=([user]="--reuid=61001 --regid=61001 --clear-groups"
        [member]="--reuid=61002 --regid=61002 --groups=62002"
        [primary]="--reuid=61003 --regid=62002 --clear-groups"
        [admin]="--reuid=61004 --regid=61004 --clear-groups"
        [writer]="--reuid=61005 --regid=61005 --clear-groups")
    reads+=([user]="alpha gamma" [member]="beta gamma" [primary]="beta gamma" [admin]=gamma
        [writer]=gamma)
    principals+=(user member primary admin writer)
else
    echo "# skipped: other users, which takes root and setpriv; tokens stand for them"
fi
# shellcheck disable=SC2046
start --config "$dir/askd.conf" $(tiny)
is "$(stat -c %a "$sock")" 660 "the socket is its owner's and group's"
chmod 711 "$dir" "$dir/run" "$dir/run/askd" # for other users to reach, which the test wants
chmod 666 "$sock"

# as PRINCIPAL METHOD PATH [JSON [CURL-ARGS]]: $code and $body
as() {
    local who=$1 method=$2 path=$3 json=${4-} out
    local args=(-s --max-time 60 -X "$method" -w '\n%{http_code}')
    if [ -n "$json" ]; then
        args+=(-H 'Content-Type: application/json' --data-binary "$json")
    fi
    args+=("${@:5}")
    case $who in
    bearer | reader)
        out=$(curl "${args[@]}" -H "Authorization: Bearer ${token[$who]}" \
            "http://127.0.0.1:$port$path")
        ;;
    stranger) out=$(curl "${args[@]}" "http://127.0.0.1:$port$path") ;;
    owner) out=$(curl "${args[@]}" --unix-socket "$sock" "http://askd$path") ;;
    *)
        # shellcheck disable=SC2086
        out=$(setpriv ${run_as[$who]} curl "${args[@]}" --unix-socket "$sock" "http://askd$path")
        ;;
    esac
    code=${out##*$'\n'}
    body=${out%$'\n'*}
    heard[$who]+=$body
}
declare -A heard
may() { [[ " ${reads[$1]} " == *" $2 "* ]]; }
# allowed WHO COLLECTION NAME: $code and $body are what they must be.
allowed() {
    if may "$1" "$2"; then
        [[ $code = 200 && $body == *"${secret[$2]}"* ]]
        ok $? "$3: given"
    elif [ -z "${reads[$1]}" ]; then
        is "$code" 401 "$3: who may nothing is told so"
    else
        is "$code ${body//$2/nowhere}" "$absent" "$3: as if it were not there"
    fi
}

question='what is the launch word of the plan'
# ---- cached prompts are their asker's ----
gamma="{\"question\":\"$question\",\"collection\":\"gamma\",\"mode\":\"write\"}"
for who in bearer reader; do
    as $who POST /v1/ask "$gamma"
    is "$(json '.usage.cached_tokens')" 0 "$who: another's prompt is not cached"
    prompt=$(json .receipt.prompt)
    as $who POST /v1/ask "$gamma"
    [ "$(json '.usage.cached_tokens')" -gt 0 ]
    ok $? "... one's own is"
    is "$(json .receipt.prompt)" "$prompt" "... and the prompts are the same"
done
as owner POST /v1/ask "$gamma"
is "$(json .receipt.prompt) $(json '.usage.cached_tokens')" "$prompt 0" \
    "the owner's same prompt is computed anew"

# ---- the matrix ----
as owner GET /v1/collections
is "$(json '[.collections[].name] | sort | join(" ")')" "alpha beta gamma" "the owner sees all"
declare -A document
for c in "${collections[@]}"; do
    as owner POST /v1/search "{\"question\":\"$question\",\"collection\":\"$c\"}"
    document[$c]=$(json '.passages[0].document.id')
done
for who in "${principals[@]}"; do
    for path in /v1/search /v1/ask; do
        as "$who" POST $path "{\"question\":\"$question\",\"collection\":\"nowhere\"}"
        absent="$code $body"
        for c in "${collections[@]}"; do
            as "$who" POST $path "{\"question\":\"$question\",\"collection\":\"$c\"}"
            allowed "$who" "$c" "$who $path $c"
            as "$who" POST $path "{\"question\":\"$question\",\"collection\":[\"gamma\",\"$c\"]}"
            allowed "$who" "$c" "$who $path [gamma, $c]"
            if [ $path = /v1/ask ]; then
                as "$who" POST $path \
                    "{\"question\":\"$question\",\"collection\":\"$c\",\"stream\":true}"
                allowed "$who" "$c" "$who $path $c, streamed"
            fi
        done
        as "$who" POST $path "{\"question\":\"$question\",\"k\":50}"
        seen=
        for c in "${collections[@]}"; do
            if [[ $body == *"${secret[$c]}"* ]]; then seen+=" $c"; fi
        done
        is "${seen# }" "${reads[$who]}" "$who $path everywhere finds what is readable"
    done
    as "$who" GET /v1/documents/999999
    absent="$code ${body//999999/nowhere}"
    for c in "${collections[@]}"; do
        as "$who" GET "/v1/documents/${document[$c]}"
        if may "$who" "$c" || [ -z "${reads[$who]}" ]; then
            allowed "$who" "$c" "$who document of $c"
        else
            is "$code ${body//document ${document[$c]}/document nowhere}" "$absent" \
                "$who document of $c: as if it were not there"
        fi
    done
    as "$who" GET /v1/collections
    is "$(json '[.collections[].name] | sort | join(" ")')" "${reads[$who]}" "$who /v1/collections"
    as "$who" GET /metrics
    case $who in
    owner | admin) want=200 ;;
    stranger) want=401 ;;
    *) want=403 ;;
    esac
    is "$code" "$want" "$who /metrics"
    as "$who" GET /v1/status
    inside=$(json 'has("pid") or has("data")')
    case $who in
    owner | admin) is "$code $inside" "200 true" "$who /v1/status, with its inside" ;;
    stranger) is "$code" 401 "$who /v1/status" ;;
    *) is "$code $inside" "200 false" "$who /v1/status, without its inside" ;;
    esac
    as "$who" GET /readyz
    is "$code" 200 "$who /readyz"
done
# Nothing of another collection in all that each has heard.
for who in "${principals[@]}"; do
    for c in "${collections[@]}"; do
        may "$who" "$c" || is "$(grep -c "${secret[$c]}" <<<"${heard[$who]}")" 0 \
            "$who has never heard of $c's secret"
    done
done

# ---- conversations are their beginner's ----
as owner POST /v1/ask "{\"question\":\"$question\"}"
theirs=$(json .conversation)
as owner POST /v1/ask "{\"question\":\"$question\",\"conversation\":\"$theirs\"}"
is "$code" 200 "one's own conversation goes on"
for who in "${principals[@]}"; do
    if [ "$who" = owner ] || [ -z "${reads[$who]}" ]; then continue; fi
    as "$who" POST /v1/ask "{\"question\":\"$question\",\"conversation\":\"$theirs\"}"
    is "$code $(json .error.field)" "404 conversation" "$who has not the owner's conversation"
done

# ---- what is not readable takes part in no figure ----
figures() {
    as reader POST /v1/ask "{\"question\":\"launch word of the plan\",\"mode\":\"extract\"}"
    json 'del(.timings_ms, .receipt, .conversation)'
}
before=$(figures)
like "$before" "launch word" "there are figures"
printf 'The plan has a launch word. %s\n' {1..9} >"$dir/docs/beta/more.md"
index add --collection beta "$dir/docs/beta"
is "$(figures)" "$before" "no figure moves when an unreadable collection changes"

# ---- rights change on SIGHUP ----
sed -i 's/^bearer-x = read alpha/bearer-x = read beta/; /^reader-x = [0-9a-f]/d' "$dir/askd.conf"
kill -HUP "$pid"
moved() {
    as bearer GET /v1/collections
    [ "$(json '[.collections[].name] | sort | join(" ")')" = "beta gamma" ]
}
await moved
ok $? "rights change without a restart"
as reader GET /v1/collections
is "$code" 401 "a token that is gone opens nothing"

# ---- TCP ----
tcp() { curl -s -o /dev/null -w '%{http_code}' --max-time 10 "$@" "http://127.0.0.1:$port/v1/collections"; }
auth="Authorization: Bearer ${token[bearer]}"
is "$(tcp -H "$auth")" 200 "a token"
is "$(tcp -H "${auth/Bearer/bearer}")" 200 "... with a small letter"
is "$(tcp -H "$auth"0)" 401 "a token with something behind it"
is "$(tcp -H "${auth%?}")" 401 "a token cut short"
is "$(tcp -H 'Authorization: Basic YTpi')" 401 "a password"
is "$(tcp -H "Authorization: Bearer $(sed -n 's/.* = //p' "$dir/tokens" | head -n 1)")" 401 \
    "the hash is no token"
is "$(tcp -H "$auth" -H "$auth")" 401 "two tokens are none"
is "$(tcp -H "$auth" -H 'Host: askd.example:8080')" 200 "a name of hosts"
is "$(tcp -H "$auth" -H 'Host: evil.example')" 403 "a foreign name, though with a token"
is "$(tcp -H "$auth" -H 'Host: askd.example.evil')" 403 "a name that only begins like ours"
is "$(tcp -H "$auth" -H 'Host: localhost:80@evil')" 403 "a port that is none"
is "$(tcp -H "$auth" -H 'Host;')" 403 "no name"
is "$(tcp -H "$auth" -H 'Origin: http://localhost')" 403 "a web page, though of our name"
is "$(tcp -H "$auth" -H 'Origin: null')" 403 "a page without an origin"
post_as() {
    curl -s -o /dev/null -w '%{http_code}' --max-time 10 -H "$auth" -H "Content-Type: $1" \
        -d '{"question":"x"}' "http://127.0.0.1:$port/v1/search"
}
is "$(post_as 'application/json; charset=utf-8')" 200 "JSON with a charset"
is "$(post_as text/plain)" 415 "a body that a form can send"
is "$(post_as application/jsonx)" 415 "a type that only begins so"

# ---- what is written down ----
as owner GET /metrics
is "$(grep -cE 'canary|alpha|beta|gamma' <<<"$body")" 0 "metrics name no collection and no text"
is "$(grep -ciE 'canary|launch|Bearer |askd_[0-9a-f]' "$dir/log")" 0 \
    "the log has neither text nor tokens, at its most talkative"
stop TERM
is "$status" 0 "the end"
finish
