# Shared by the tests of askd-ingest: a folder of its own, TAP, what is in the store.
# shellcheck shell=bash disable=SC2034
set -u
build=${ASKD_BUILDDIR:?run me through make check}
ingest=$build/askd-ingest
dir=$(mktemp -d "${TMPDIR:-/tmp}/askd-ingest.XXXXXX") || exit 2
dir=$(cd "$dir" && pwd -P)
trap 'chmod -R u+rwX "$dir"; rm -rf "$dir"' EXIT
export HOME=$dir XDG_DATA_HOME=$dir/data
unset ASKD_DATA ASKD_EMBEDDER ASKD_EMBEDDER_EN
data=$dir/data/askd
docs=$dir/docs
n_tests=0

ok() { # STATUS NAME
    n_tests=$((n_tests + 1))
    if [ "$1" = 0 ]; then echo "ok $n_tests - $2"; else echo "not ok $n_tests - $2"; fi
}
is() { # GOT WANT NAME
    [ "$1" = "$2" ]
    local rc=$?
    ok $rc "$3"
    [ $rc = 0 ] || printf '# got:  %s\n# want: %s\n' "${1//$'\n'/ / }" "$2"
}
like() { # GOT REGEX NAME
    [[ $1 =~ $2 ]]
    local rc=$?
    ok $rc "$3"
    [ $rc = 0 ] || printf '# got:  %s\n# want: %s\n' "${1//$'\n'/ / }" "$2"
}
run() { # ARGS...: $out, $err, $rc
    out=$("$ingest" "$@" 2>"$dir/err" </dev/null)
    rc=$?
    err=$(cat "$dir/err")
}
names() { "$ingest" ls "$@" 2>/dev/null | sed "s|.* $docs/||" | tr '\n' ' '; }
# What is in the store, ids and times aside.
content() {
    python3 - "$1/askd.db" <<'P'
import hashlib, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
h = hashlib.sha256()
for row in c.execute("SELECT d.path, d.title, d.type, d.hash, d.size, p.ord, p.section, p.page,"
                     " p.line_first, p.line_last, p.text, w.w FROM documents d JOIN passages p"
                     " ON p.document = d.id JOIN words w ON w.rowid = p.id ORDER BY d.path, p.ord"):
    h.update(repr(row).encode())
n = c.execute("SELECT count(*) FROM words").fetchone()[0]
print(h.hexdigest(), n, c.execute("PRAGMA integrity_check").fetchone()[0])
P
}
