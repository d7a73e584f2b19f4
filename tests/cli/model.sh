#!/bin/sh
# askd-model: usage, hostile input, and, where the fetched file is there, a lossless import.
# shellcheck source=tests/cli/lib.sh
. "$ASKD_SRCDIR/tests/cli/lib.sh"
fails 2 usage "$model"
fails 2 nonsense "$model" nonsense
fails 2 usage "$model" inspect
fails 1 absent.gguf "$model" inspect "$dir/absent.gguf"
fails 2 onnx "$model" import --from onnx a b
fails 1 absent "$model" import --from e5s1 "$dir/absent" "$dir/o.gguf"
printf 'E5S1\001\000\000\000' >"$dir/short"
fails 1 damaged "$model" import --from e5s1 "$dir/short" "$dir/o.gguf"
head -c 4096 /dev/zero >"$dir/zero"
fails 1 "no E5S1" "$model" import --from e5s1 "$dir/zero" "$dir/o.gguf"
{
    printf 'E5S1\001\000\000\000'
    head -c 400 /dev/zero | tr '\0' '\377'
} >"$dir/huge"
fails 1 damaged "$model" import --from e5s1 "$dir/huge" "$dir/o.gguf"
[ ! -e "$dir/o.gguf" ]
ok $? "a failed import leaves nothing behind"

# ---- a folder of a sentence embedder ----
python3 - "$dir/mini" <<'P'
import json, os, struct, sys
folder = sys.argv[1]
os.makedirs(folder)
h, f, pieces = 32, 64, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b"]
shapes = {"embeddings.word_embeddings.weight": [6, h], "embeddings.position_embeddings.weight": [8, h],
          "embeddings.token_type_embeddings.weight": [2, h]}
def linear(name, out, into):
    shapes[name + ".weight"], shapes[name + ".bias"] = [out, into], [out]
def norm(name):
    shapes[name + ".weight"], shapes[name + ".bias"] = [h], [h]
norm("embeddings.LayerNorm")
at = "encoder.layer.0."
for part in "query", "key", "value":
    linear(at + "attention.self." + part, h, h)
linear(at + "attention.output.dense", h, h)
norm(at + "attention.output.LayerNorm")
linear(at + "intermediate.dense", f, h)
linear(at + "output.dense", h, f)
norm(at + "output.LayerNorm")
header, blob = {}, b""
for name, shape in shapes.items():
    n = 4
    for x in shape:
        n *= x
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(blob), len(blob) + n]}
    blob += bytes(n)
text = json.dumps(header).encode()
open(folder + "/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + blob)
json.dump({"normalizer": {"type": "BertNormalizer", "lowercase": True}, "model": {"type": "WordPiece", "vocab": {p: i for i, p in enumerate(pieces)}}},
          open(folder + "/tokenizer.json", "w"))
json.dump({"hidden_size": h, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": f,
           "vocab_size": 6, "max_position_embeddings": 8, "type_vocab_size": 2, "layer_norm_eps": 1e-12},
          open(folder + "/config.json", "w"))
P
"$model" import --from minilm "$dir/mini" "$dir/mini.gguf"
[ "$("$model" tokenize --special "$dir/mini.gguf" "AB c" 2>/dev/null)" = "[2, 4, 5, 1, 3]" ]
ok $? "minilm: imported"
spoil() { # NAME FILE SED: what is refused, naming NAME
    rm -rf "$dir/bad"
    cp -r "$dir/mini" "$dir/bad"
    sed -i "$3" "$dir/bad/$2"
    fails 1 "$1" "$model" import --from minilm "$dir/bad" "$dir/o.gguf"
}
spoil "is missing" model.safetensors 's/self.key.bias/self.kex.bias/'
spoil "larger than its shape" model.safetensors 's/"F32"/"F16"/'
spoil "is of another type" model.safetensors 's/"F32"/"I32"/'
spoil "lies outside" model.safetensors 's/"data_offsets": \[0, 768\]/"data_offsets": [9, 999]/'
spoil "no JSON object" model.safetensors 's/": {"dtype/": "dtype/'
spoil "is none from 0 to 5" tokenizer.json 's/"a": 4/"a": 6/'
spoil "is taken" tokenizer.json 's/"a": 4/"a": 5/'
spoil "has no \[CLS\]" tokenizer.json 's/CLS/CLX/'
spoil "lower case" tokenizer.json 's/"lowercase": true/"lowercase": false/'
spoil "no WordPiece" tokenizer.json 's/WordPiece/BPE/'
spoil "config.json wants 7 x 32" config.json 's/"vocab_size": 6/"vocab_size": 7/'
spoil "hidden_size must be" config.json 's/"hidden_size": 32/"hidden_size": -1/'
cp "$dir/mini/config.json" "$dir/bad"
truncate -s 4 "$dir/bad/model.safetensors"
fails 1 "cut short" "$model" import --from minilm "$dir/bad" "$dir/o.gguf"
fails 1 "config.json" "$model" import --from minilm "$dir" "$dir/o.gguf"

missing=
for option in $("$model" --help | grep -o -- '--[a-z][a-z-]*' | sort -u); do
    grep -q -- "Fl -${option#--}\>" "$ASKD_SRCDIR/engine/cli/askd-model.1" || missing="$missing $option"
done
[ -z "$missing" ]
ok $? "every option is in the manual$missing"

e5=$cache/multilingual-e5-small.Q4_0.gguf
if [ -f "$e5" ]; then
    "$model" inspect "$e5" >"$dir/out" 2>&1 && grep -q '^"askd.embedder.query_prefix" = "query: "$' "$dir/out" &&
        grep -q '^197 tensors, ' "$dir/out"
    ok $? "inspect lists what the converted embedder holds"
    [ "$("$model" tokenize --special "$e5" 'query: hello' 2>"$dir/err")" = '[0, 41, 1294, 12, 33600, 31, 2]' ]
    ok $? "tokenize gives the published ids"
else
    n=$((n + 1))
    echo "ok $n # SKIP multilingual-e5-small is not fetched"
fi
echo "1..$n"
