#!/usr/bin/env bash
# Kills writers at their system calls, one after the other: what they had acknowledged is there,
# nothing is there in part, a second run completes. Prints TAP.
#
# KILL_POINTS: how many for each of the commands (the test takes a few; `all`: each one).
set -u
# shellcheck source=tests/ingest/lib.sh
. "${ASKD_SRCDIR:?run me through make check}/tests/ingest/lib.sh"
check=$ASKD_SRCDIR/tests/store/kill_check.py
work=$build/tests/store/work
points=${KILL_POINTS:-4}
calls=openat,open,creat,write,pwrite64,pwritev,writev,fsync,fdatasync,ftruncate,fallocate,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,flock,fchmod
(strace -qq -o /dev/null -e trace=close -e inject=close:signal=KILL:when=1 true; exit $?) 2>/dev/null
if [ $? != 137 ]; then
    echo "1..0 # SKIP strace cannot trace here (scripts/install-packages installs it)"
    exit 0
fi
total=0
alive=0
# A sanitizer's own bookkeeping at the end does not work under strace.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0

# points_of COMMAND...: "CALL N" a line, evenly over all the calls that the command makes.
points_of() {
    strace -f -qq -e trace="$calls" -o "$dir/trace" "$@" >/dev/null 2>&1
    # strace counts the calls of each thread apart; the one that writes makes most of them.
    awk '{ split($2, name, "("); if (name[1] !~ /^[a-z0-9]+$/) next
           n = ++count[$1 " " name[1]]; if (n > most[name[1]]) most[name[1]] = n }
        END { for (c in most) for (i = 1; i <= most[c]; i++) print c, i }' "$dir/trace" |
        sort -k1,1 -k2,2n >"$dir/points"
    if [ "$points" = all ]; then
        cat "$dir/points"
    else
        awk -v want="$points" '{ line[NR] = $0 }
            END { by = NR / want; if (by < 1) by = 1
                  for (i = by; i <= NR + 0.5; i += by) print line[int(i)] }' "$dir/points"
    fi
}
# die CALL N COMMAND...: run it, killed at that call; its output in $dir/said.
die() {
    local call=$1 n=$2
    shift 2
    # In a shell of its own, which says nothing about the death.
    (
        strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" "$@" \
            >"$dir/said" 2>"$dir/err"
        exit $?
    ) 2>/dev/null
    [ $? = 137 ] || alive=$((alive + 1))
    total=$((total + 1))
}
# lost WHAT: note what went wrong.
lost() { echo "$1" | tee -a "$dir/lost" | sed 's/^/# /'; }
report() { # NAME
    is "$(cat "$dir/lost" 2>/dev/null)" "" "$1, killed at $tried points: nothing lost"
    rm -f "$dir/lost"
}
fresh() { # FROM: $data is a copy of it
    rm -rf "$data"
    mkdir -p "$(dirname "$data")"
    cp -r "$1" "$data"
}

# ---- documents one by one, each acknowledged ----
tried=0
mkdir -p "$dir/w"
while read -r call n; do
    rm -rf "$dir/w/data"
    die "$call" "$n" "$work" run "$dir/w/data"
    acked=$(tail -n 1 "$dir/said")
    "$work" check "$dir/w/data" "${acked:-0}" 2>"$dir/why" ||
        lost "$call $n, acknowledged ${acked:-0}: $(cat "$dir/why")"
    tried=$((tried + 1))
done < <(points_of "$work" run "$dir/w/data")
report "26 changes"

# ---- askd-ingest add: new, changed, unchanged and vanished files, with vectors ----
"$build/tests/tools/make_tiny_model" bert "$dir/embedder.gguf" || exit 1
export ASKD_EMBEDDER=$dir/embedder.gguf
document() { # NAME WORDS...
    local name=$1
    shift
    mkdir -p "$docs"
    { echo "# About $name"; echo; echo "This holds only$name and $*."; echo
      for i in 1 2 3 4 5 6 7 8; do echo "## Part $i"; echo
        for j in 1 2 3 4 5 6 7 8 9; do echo "Line $j of part $i of $name says $* and $((i * j))."; done
        echo; done; } >"$docs/$name.md"
}
for n in one two three four; do document $n first version; done
"$ingest" --threads 1 add "$docs" >/dev/null 2>&1 || echo "Bail out! add fails"
"$ingest" snapshot "$dir/snap" >/dev/null || echo "Bail out! snapshot fails"
cp -r "$data" "$dir/before"
document two second text altogether
document five another one
document six more of it
rm "$docs/three.md"
"$ingest" --threads 1 add "$docs" >/dev/null 2>&1 || echo "Bail out! add fails"
cp -r "$data" "$dir/after"
healthy() { # WHAT: verify has no complaint
    "$ingest" verify >"$dir/verify" 2>&1 || lost "$1: $(tail -n 3 "$dir/verify" | tr '\n' ' ')"
}
checked() { # WHAT BEFORE AFTER ACKNOWLEDGED
    python3 "$check" "$2/askd.db" "$3/askd.db" "$data/askd.db" "$4" 2>"$dir/why" ||
        lost "$1: $(cat "$dir/why")"
}
tried=0
fresh "$dir/before"
while read -r call n; do
    fresh "$dir/before"
    die "$call" "$n" "$ingest" --threads 1 add "$docs"
    grep -q ' new, ' "$dir/said"
    acked=$((!$?))
    healthy "add, $call $n"
    checked "add, $call $n, acknowledged $acked" "$dir/before" "$dir/after" $acked
    "$ingest" --threads 1 add "$docs" >/dev/null 2>"$dir/err" || lost "add, $call $n, again: $(cat "$dir/err")"
    checked "add, $call $n, again" "$dir/after" "$dir/after" 1
    tried=$((tried + 1))
done < <(points_of "$ingest" --threads 1 add "$docs")
report "askd-ingest add"

# ---- rm ----
tried=0
cp -r "$dir/before" "$dir/removed"
ASKD_DATA=$dir/removed "$ingest" rm "$docs/one.md" >/dev/null
fresh "$dir/before"
while read -r call n; do
    fresh "$dir/before"
    die "$call" "$n" "$ingest" rm "$docs/one.md"
    grep -q ' removed' "$dir/said"
    acked=$((!$?))
    healthy "rm, $call $n"
    checked "rm, $call $n, acknowledged $acked" "$dir/before" "$dir/removed" $acked
    tried=$((tried + 1))
done < <(points_of "$ingest" rm "$docs/one.md")
report "askd-ingest rm"

# ---- snapshot: the folder is there whole or not at all ----
tried=0
fresh "$dir/after"
while read -r call n; do
    rm -rf "$dir/copy"
    die "$call" "$n" "$ingest" snapshot "$dir/copy"
    if [ -e "$dir/copy" ]; then
        ASKD_DATA=$dir/elsewhere "$ingest" restore "$dir/copy" >/dev/null 2>"$dir/why" ||
            lost "snapshot, $call $n: $(cat "$dir/why")"
        rm -rf "$dir/elsewhere"
    elif [ -s "$dir/said" ]; then
        lost "snapshot, $call $n: acknowledged and not there"
    fi
    rm -rf "$dir/copy"
    "$ingest" snapshot "$dir/copy" >/dev/null 2>"$dir/why" || lost "snapshot, $call $n, again: $(cat "$dir/why")"
    tried=$((tried + 1))
done < <(points_of "$ingest" snapshot "$dir/copy"; rm -rf "$dir/copy")
rm -rf "$dir/copy"
healthy "after snapshots"
checked "after snapshots" "$dir/after" "$dir/after" 1
report "askd-ingest snapshot"

# ---- restore: the old store or the new one; also over one that is no database any more ----
for kind in whole broken; do
    tried=0
    spoil() {
        fresh "$dir/after"
        [ $kind = whole ] || head -c 4096 /dev/zero | dd of="$data/askd.db" conv=notrunc status=none
    }
    spoil
    while read -r call n; do
        spoil
        die "$call" "$n" "$ingest" restore "$dir/snap"
        acked=0
        [ -s "$dir/said" ] && acked=1
        if [ $kind = whole ] || [ $acked = 1 ]; then
            healthy "restore, $call $n"
            checked "restore, $call $n, acknowledged $acked" "$dir/after" "$dir/before" $acked
        fi
        "$ingest" restore "$dir/snap" >/dev/null 2>"$dir/why" || lost "restore, $call $n, again: $(cat "$dir/why")"
        healthy "restore, $call $n, again"
        checked "restore, $call $n, again" "$dir/before" "$dir/before" 1
        tried=$((tried + 1))
    done < <(points_of "$ingest" restore "$dir/snap")
    report "askd-ingest restore over a store that is $kind"
done
# With threads, a call's number is not the same in each run.
[ $((alive * 10)) -lt "$total" ]
ok $? "nearly all were killed ($alive of $total were not)"
echo "# $total kill points"
echo "1..$n_tests"
