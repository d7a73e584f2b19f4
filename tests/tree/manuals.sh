#!/usr/bin/env bash
# Manuals and completion against the programs: no option or setting is missing on either side.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
src=$ASKD_SRCDIR
help=$("$ask" --help)
long_options() { grep -oE -- '--[a-z][a-z-]+' | sort -u; }
missing=
for o in $(long_options <<<"$help"); do
    grep -qE -- "Fl -${o#--}\b" "$src/ask/ask.1" || missing="$missing ask.1:$o"
    grep -q -- "$o\b" "$src/contrib/completions/ask.bash" || missing="$missing completion:$o"
done
is "$missing" "" "ask --help's options are in the manual and the completion"
missing=
for o in $(long_options <"$src/contrib/completions/ask.bash"); do
    case $o in --unix-socket | --max-time) continue ;; esac
    grep -qE -- "Fl -${o#--}\b" "$src/ask/ask.1" || missing="$missing $o"
done
is "$missing" "" "the completion offers nothing else"
missing=
for o in $("$askd" --help | long_options); do
    grep -qE -- "(Fl -|\| -)${o#--}\b" "$src/daemon/askd.8" || missing="$missing $o"
done
is "$missing" "" "askd --help's options are in the manual"
is "$(sed -n 's/^\.It Ic \([a-z_0-9]*\)$/\1/p' "$src/daemon/askd.conf.5")" \
    "$("$askd" --sample-config | sed -n 's/^#\([a-z_0-9]*\) =.*/\1/p')" \
    "askd.conf(5) has the settings that the program has, in its order"
missing=
for c in $("$build/askd-model" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^\.It Ic $c$" "$src/engine/cli/askd-model.1" || missing="$missing $c"
done
is "$missing" "" "askd-model's commands are in the manual"
missing=
for o in $("$build/askd-ingest" --help | long_options); do
    grep -qE -- "(Fl -|, -)${o#--}\b" "$src/ingest/askd-ingest.1" || missing="$missing $o"
done
for c in $("$build/askd-ingest" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^\.It Ic $c$" "$src/ingest/askd-ingest.1" || missing="$missing $c"
done
is "$missing" "" "askd-ingest's options and commands are in the manual"
missing=
for o in $("$build/askd-eval" --help | long_options); do
    grep -qE -- "(Fl -|, -)${o#--}\b" "$src/eval/askd-eval.1" || missing="$missing $o"
done
is "$missing" "" "askd-eval's options are in the manual"
missing=
for o in $("$build/askd-doctor" --help | long_options); do
    grep -qE -- "(Fl -|, -)${o#--}\b" "$src/doctor/askd-doctor.8" || missing="$missing $o"
done
is "$missing" "" "askd-doctor's options are in the manual"
if command -v mandoc >/dev/null; then
    is "$(cd "$src" && mandoc -Tlint -Wwarning ask/*.1 daemon/*.[58] doctor/*.8 engine/cli/*.1 ingest/*.1 eval/*.1 2>&1)" "" \
        "mandoc has no complaint"
else
    echo "# skipped: mandoc is absent"
fi
finish
