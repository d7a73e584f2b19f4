#!/bin/sh
# askd-model read: JSON lines in, spans out, through the real program on a tiny model and a reader
# of random weights; tokenize --offsets and bench --reader beside it.
# shellcheck source=tests/cli/lib.sh
. "$ASKD_SRCDIR/tests/cli/lib.sh"
em=$dir/em.gguf
reader=$dir/reader.gguf
"$tiny" xlmr "$em" && "$ASKD_BUILDDIR/tests/tools/make_reader" "$em" "$reader" 8 3
ok $? "a tiny model and its reader"

# ---- offsets ----
printf 'the \347\225\214  tion\377' | "$model" tokenize --special --offsets "$em" >"$dir/out"
holds 'lines[0]["offsets"] == [[0, 0], [0, 0], [0, 3], [4, 4], [4, 7], [9, 9], [9, 13], [13, 14], [14, 14]]' \
    "offsets of the bytes that were given"
"$model" tokenize --special "$em" 'the tin' >"$dir/ids"
"$model" tokenize --special --offsets "$em" 'the tin' >"$dir/out"
holds "lines[0]['ids'] == $(cat "$dir/ids") and len(lines[0]['offsets']) == len(lines[0]['ids'])" "the same ids"

# ---- read ----
cat >"$dir/in" <<'J'
{"question": "When?", "heading": "Times", "passage": "It starts at 02:15, then \u00e9 ends."}
{"question": "When?", "passage": "It starts at 02:15, then \u00e9 ends."}
{"question": "When?", "heading": null, "passage": ""}
J
"$model" read "$em" "$reader" <"$dir/in" >"$dir/out"
holds 'len(lines) == 3 and all(set(x) == {"score", "span", "start", "end", "null", "start_logit", "end_logit", "relevance"} for x in lines)' \
    "a line for each line"
holds 'all(x["span"] == "It starts at 02:15, then \u00e9 ends.".encode()[x["start"]:x["end"]].decode() for x in lines[:2])' \
    "the span is the passage's bytes"
holds 'all(abs(x["score"] - (x["start_logit"] + x["end_logit"] - x["null"])) < 1e-5 for x in lines[:2])' "its score"
holds 'lines[2]["span"] is None and lines[2]["score"] is None and lines[2]["null"] is not None' "no passage, no span"
holds 'lines[0]["null"] != lines[1]["null"]' "the heading counts"
"$model" read --logits --max-tokens 3 "$em" "$reader" <"$dir/in" >"$dir/out"
python3 - "$dir" <<'P'
import json, sys
text = "It starts at 02:15, then \u00e9 ends.".encode()
for x in [json.loads(l) for l in open(sys.argv[1] + "/out")][:2]:
    t = [k for k in x["tokens"]]
    assert b"".join(text[a:b] for a, b, _, _ in t).replace(b" ", b"") == text.replace(b" ", b"")
    best = max((t[a][2] + t[b][3], -b, -a) for b in range(len(t)) for a in range(max(0, b - 2), b + 1)
               if t[a][0] < t[a][1] and t[b][0] < t[b][1])
    assert x["start"] == t[-best[2]][0] and x["end"] == t[-best[1]][1], x
    assert abs(x["score"] - (best[0] - x["null"])) < 1e-5
P
ok $? "all logits, and the best span of them"
for threads in 1 2; do
    "$model" read --threads $threads --logits "$em" "$reader" <"$dir/in" >"$dir/threads$threads"
done
cmp -s "$dir/threads1" "$dir/threads2"
ok $? "the number of threads changes nothing"
"$ASKD_BUILDDIR/tests/tools/make_reader" "$em" "$dir/two.gguf" 8 2
"$model" read "$em" "$dir/two.gguf" <"$dir/in" >"$dir/out"
holds 'all(x["relevance"] is None for x in lines)' "a head of two outputs has no relevance"
"$tiny" xlmr "$dir/other.gguf" 64 2 9
base=$("$model" read --base "$em") && [ "${base%:*}" = tiny-xlmr ] && [ "$base" != "$("$model" read --base "$dir/other.gguf")" ]
ok $? "--base: what the adapter must name"

# ---- refused ----
fails 2 usage "$model" read "$em"
fails 2 usage "$model" read --base "$em" "$reader"
fails 2 "no option" "$model" read --text "$em" "$reader"
fails 1 "another embedder" "$model" read "$dir/other.gguf" "$reader"
fails 1 "general.type" "$model" read "$em" "$em"
# shellcheck disable=SC2016
read_bad() { fails 1 "$1" sh -c '"$1" read "$2" "$3" <"$4"' sh "$model" "$em" "$reader" "$dir/bad"; }
printf '{"question": "x", "passage": "y"}\n[1]\n' >"$dir/bad"
read_bad "line 2 is no JSON object"
printf '{"question": "x"}\n' >"$dir/bad"
read_bad 'line 1: "passage" is missing'

# ---- bench ----
"$model" bench --csv --repeat 1 --prompt 16 --decode 2 --reader "$reader" "$em" >"$dir/csv" &&
    [ "$(cut -d, -f1 "$dir/csv" | tr '\n' ' ')" = 'what query passages read ' ]
ok $? "bench --reader times passages that are read"
echo "1..$n"
