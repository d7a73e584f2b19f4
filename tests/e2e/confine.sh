#!/usr/bin/env bash
# What the daemon gives up after its start, as the kernel shows it and as its settings feel it.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
models
mkdir -p "$dir/linked" "$dir/etc" "$dir/secret"
ln -s "$dir/models/embedder.gguf" "$dir/linked/embedder.gguf"
printf 'max_k = 20\n' >"$dir/etc/askd.conf"
printf 'max_k = 10\n' >"$dir/secret/askd.conf"
# Not there at the start: documents that come later are found all the same.
[ ! -e "$XDG_DATA_HOME/askd" ]
ok $? "there is no data folder"
start --config "$dir/etc/askd.conf" --set llm=none --set embedder="$dir/linked/embedder.gguf"
log=$(grep -F 'domain=confine' "$dir/log")
like "$log" 'files: .*, system calls: ' "the log says what is in force"
like "$(status_of embedder)" '.' "a model behind a link is loaded"
printf '# Valve\n\nThe valve opens at nine bar.\n' >"$dir/valve.md"
index --model "$dir/models/embedder.gguf" add "$dir/valve.md"
found() {
    post /v1/search '{"question": "valve"}'
    [ "$(json '.passages | length')" = 1 ]
}
await found
ok $? "a store that is made later is found"

if [[ $log == *'calls: by seccomp'* ]]; then
    is "$(cat "/proc/$pid"/task/*/status | sed -n 's/^Seccomp:[[:space:]]*//p' | sort -u)" 2 \
        "every thread is under a filter"
    is "$(cat "/proc/$pid"/task/*/status | sed -n 's/^NoNewPrivs:[[:space:]]*//p' | sort -u)" 1 \
        "... and gains no privileges"
else
    echo "# no seccomp in this kernel or build"
fi

# ---- the settings' file ----
reloaded() { [ "$(grep -c "$1" "$dir/log")" -ge "$2" ]; }
most() { # the largest k that is taken
    local k
    for k in 10 20 30; do
        post /v1/search "$(printf '{"question": "valve", "k": %s}' "$k")"
        [ "$code" = 200 ] && echo "$k"
    done | tail -n 1
}
is "$(most)" 20 "the settings of the start"
printf 'max_k = 30\n' >"$dir/etc/new"
mv "$dir/etc/new" "$dir/etc/askd.conf"
kill -HUP "$pid"
await reloaded 'config.*reloaded' 1
is "$(most)" 30 "a file that an editor put in its place is read"
if [[ $log == *'files: by Landlock'* ]]; then
    ln -sf "$dir/secret/askd.conf" "$dir/etc/askd.conf"
    kill -HUP "$pid"
    await reloaded 'the old ones stay' 1
    ok $? "a link out of its folder leads nowhere"
    like "$(cat "$dir/log")" 'askd.conf: .*Permission denied' "... and that is told"
    is "$(most)" 30 "... the settings stay"
else
    echo "# no Landlock in this kernel"
fi
stop TERM
is "$status" 0 "it ends as ever"
[ ! -e "$sock" ]
ok $? "... and takes its socket away"
finish
