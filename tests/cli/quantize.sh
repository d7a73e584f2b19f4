#!/bin/sh
# askd-model quantize: which tensor becomes what, nothing else changes, and what it costs.
# shellcheck source=tests/cli/lib.sh
. "$ASKD_SRCDIR/tests/cli/lib.sh"
"$tiny" llama "$dir/small.gguf" && "$tiny" llama "$dir/wide.gguf" 256 2 && "$tiny" bert "$dir/em.gguf"
ok $? "tiny models"
q=$dir/q.gguf

for type in q5_0 q4_0 q4_1 q4_k q6_k; do
    "$model" quantize "$dir/wide.gguf" "$q" --type $type >"$dir/out" 2>"$dir/err"
    status=$?
    want=$(echo $type | tr '[:lower:]' '[:upper:]')
    got=$(sed -n 's/^blk.1.ffn_down.weight Q8_0 -> \([^ ]*\).*/\1/p' "$dir/out")
    [ $status = 0 ] && [ "$got" = "$want" ] && grep -q '^output_norm.weight F32 -> F32$' "$dir/out"
    ok $? "$type: matrices become it, norms stay"
    "$model" inspect "$q" >"$dir/after"
    "$model" inspect "$dir/wide.gguf" >"$dir/before"
    diff "$dir/before" "$dir/after" | grep '^[<>] "' >"$dir/changed"
    [ "$(grep -vc 'general.file_type\|general.quantization_version\|bytes$' "$dir/changed")" = 0 ] &&
        [ "$("$model" tokenize "$q" 'the and')" = "$("$model" tokenize "$dir/wide.gguf" 'the and')" ]
    ok $? "$type: the metadata is carried over"
    "$model" generate --max-tokens 4 "$q" x >/dev/null 2>&1
    ok $? "$type: it runs"
done
grep -q '^token_embd.weight Q8_0 -> Q6_K (the head)$' "$dir/out"
ok $? "the embedding that is the head as well gets more bits"
"$model" quantize "$dir/wide.gguf" "$q" --type q4_0 --pure | grep -q '^token_embd.weight Q8_0 -> Q4_0$'
ok $? "--pure: it does not"

# 64 columns are no multiple of 256.
"$model" quantize "$dir/small.gguf" "$q" --type q4_k >"$dir/out"
grep -q '^blk.0.attn_q.weight Q8_0 -> Q5_0 (its rows are no multiple of 256)$' "$dir/out"
ok $? "q4_k falls back to Q5_0, and says so"
"$model" quantize "$dir/em.gguf" "$q" --type q4_1 >"$dir/out" && grep -q '^position_embd.weight Q8_0 -> Q8_0$' "$dir/out" &&
    grep -q '^token_types.weight Q8_0 -> Q8_0$' "$dir/out" && echo a | "$model" embed "$q" | grep -q embedding
ok $? "an encoder: positions and types stay"

# ---- from F32, F16, BF16: tensors whose blocks are known ----
python3 - "$dir" <<'P'
import struct, sys
def text(s):
    return struct.pack("<Q", len(s)) + s.encode()
def gguf(path, kind, pack, values):
    raw = b"".join(pack(v) for v in values)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("general.architecture") + struct.pack("<I", 8) + text("none")
    head += text("a.weight") + struct.pack("<IQQIQ", 2, 32, len(values) // 32, kind, 0)
    open(path, "wb").write(head + bytes(-len(head) % 32) + raw + bytes(-len(raw) % 32))
values = [float(i % 32 - 16) for i in range(64)]
f32 = lambda v: struct.pack("<f", v)
gguf(sys.argv[1] + "/f32.gguf", 0, f32, values)
gguf(sys.argv[1] + "/f16.gguf", 1, lambda v: struct.pack("<e", v), values)
gguf(sys.argv[1] + "/bf16.gguf", 30, lambda v: f32(v)[2:], values)
gguf(sys.argv[1] + "/nan.gguf", 0, f32, values[:40] + [float("nan")] + values[41:])
gguf(sys.argv[1] + "/huge.gguf", 0, f32, values[:40] + [1e6] + values[41:])
P
for from in f32 f16 bf16; do
    "$model" quantize "$dir/$from.gguf" "$dir/$from.q" --type q8_0 | grep -q "^a.weight .* -> Q8_0$"
    ok $? "$from to q8_0"
    "$model" quantize "$dir/$from.gguf" "$dir/$from.q" --type q5_0 >/dev/null && tail -c 44 "$dir/$from.q" >"$dir/$from.raw"
done
cmp -s "$dir/f32.q" "$dir/f16.q" && cmp -s "$dir/f32.q" "$dir/bf16.q"
ok $? "F32, F16 and BF16 of the same numbers give the same file"
fails 1 'tensor a.weight holds a number that is not finite' "$model" quantize "$dir/nan.gguf" "$dir/o.gguf" --type q8_0
fails 1 'beyond 65504' "$model" quantize "$dir/huge.gguf" "$dir/o.gguf" --type q8_0
"$model" quantize "$dir/f32.gguf" "$q" --type q4_0 >/dev/null
fails 1 'no tensor of it can become q8_0' "$model" quantize "$q" "$dir/o.gguf" --type q8_0
fails 2 'no type named "q3_k"' "$model" quantize "$dir/f32.gguf" "$dir/o.gguf" --type q3_k
fails 2 usage "$model" quantize "$dir/f32.gguf" "$dir/o.gguf"
fails 1 absent "$model" quantize "$dir/absent.gguf" "$dir/o.gguf" --type q8_0
fails 1 absent "$model" quantize "$dir/f32.gguf" "$dir/o.gguf" --type q8_0 --text "$dir/absent"
[ ! -e "$dir/o.gguf" ]
ok $? "a failure leaves nothing behind"
for threads in 1 2; do
    "$model" quantize --threads $threads "$dir/wide.gguf" "$dir/$threads.gguf" --type q4_k >/dev/null
done
cmp -s "$dir/1.gguf" "$dir/2.gguf"
ok $? "the number of threads changes nothing"

# ---- what it costs ----
seq 1 300 | tr '\n' ' ' >"$dir/text"
"$model" quantize "$dir/wide.gguf" "$q" --type q5_0 --text "$dir/text" --window 64 >"$dir/out"
a=$(sed -n 's/^perplexity \([^ ]*\) -> .*/\1/p' "$dir/out")
[ -n "$a" ] && grep -q "^perplexity $a -> " "$dir/out" && "$model" perplexity --window 64 "$dir/wide.gguf" "$dir/text" | grep -q "\"perplexity\": $a,"
ok $? "perplexity before and after"
echo "1..$n"
