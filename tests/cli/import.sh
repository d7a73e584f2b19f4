#!/bin/sh
# askd-model import of Hugging Face folders, tiny ones made here: each family gives the logits of an
# independent forward pass (tests/golden/hf), whatever the type and the number of files; what
# cannot be imported whole is refused.
# shellcheck source=tests/cli/lib.sh
. "$ASKD_SRCDIR/tests/cli/lib.sh"
make=$ASKD_SRCDIR/tests/tools/make_hf_folder.py
ids=$(seq 0 39 | awk '{printf "%s%d", (NR > 1 ? "," : ""), ($1 * 7919 + 13) % 260}')

for family in llama mixtral qwen2 qwen3 qwen3_moe gemma3 phi3 bert xlm-roberta nomic_bert modernbert; do
    python3 "$make" $family "$dir/$family" && "$model" import "$dir/$family" "$dir/$family.gguf"
    ok $? "$family: imported"
done
for family in llama mixtral qwen2 qwen3 qwen3_moe gemma3 phi3; do
    if ! "$model" logits --all --ids "$ids" "$dir/$family.gguf" >"$dir/out" 2>"$dir/err"; then
        grep -q "architecture '$family' is none of" "$dir/err"
        ok $? "$family # SKIP the engine does not run it"
        continue
    fi
    # The engine works on 8-bit weights and activations: logits from -5 to 5 are off by up to 0.2.
    python3 - "$dir/out" "$ASKD_SRCDIR/tests/golden/hf/$family.txt" <<'P'
import json, sys
ours = json.loads(open(sys.argv[1]).read().splitlines()[-1])["logits"]
want = [float(x) for x in open(sys.argv[2])]
assert len(ours) == len(want)
off = max(abs(a - b) for a, b in zip(ours, want))
assert off < 0.35, off
mean = sum(want) / len(want)
left = sum((a - b) ** 2 for a, b in zip(ours, want)) / sum((b - mean) ** 2 for b in want)
assert left < 0.005, left
P
    ok $? "$family: the logits are those of a forward pass from the folder itself"
done
for family in nomic_bert modernbert; do
    python3 -c 'print(" ".join("abcxyz"[(i * i + 3 * i) % 6] for i in range(30)))' |
        "$model" embed "$dir/$family.gguf" >"$dir/out"
    python3 - "$dir/out" "$ASKD_SRCDIR/tests/golden/hf/$family.txt" <<'P'
import json, sys
ours = json.loads(open(sys.argv[1]).read().splitlines()[-1])["embedding"]
want = [float(x) for x in open(sys.argv[2])]
assert len(ours) == len(want)
off = sum((a - b) ** 2 for a, b in zip(ours, want)) ** 0.5
assert off < 0.03, off
P
    ok $? "$family: the vector is that of a forward pass from the folder itself"
done
for type in F16 BF16; do
    python3 "$make" llama "$dir/$type/llama" $type && "$model" import "$dir/$type/llama" "$dir/$type.gguf" &&
        "$model" logits --all --ids 1,2,3 "$dir/$type.gguf" >"$dir/$type.out"
    ok $? "$type: imported"
done
cmp -s "$dir/F16.out" "$dir/BF16.out"
ok $? "numbers that both types have give the same logits"
"$model" inspect "$dir/BF16.gguf" >"$dir/out"
grep -q '^"blk.0.attn_q.weight" \[64, 64\] BF16 ' "$dir/out" && grep -q '^"blk.0.attn_norm.weight" \[64\] F32 ' "$dir/out"
ok $? "matrices keep their type, vectors become F32"
python3 "$make" llama "$dir/shards/llama" F32 3 && "$model" import "$dir/shards/llama" "$dir/shards.gguf" &&
    cmp -s "$dir/shards.gguf" "$dir/llama.gguf"
ok $? "three files give the same as one"
printf 'abc\nxyz b' | "$model" embed "$dir/bert.gguf" >"$dir/out"
holds 'len(lines) == 2 and len(lines[0]["embedding"]) == 64' "bert: it embeds"
printf 'abc\n' | "$model" embed "$dir/xlm-roberta.gguf" >"$dir/out"
holds 'len(lines) == 1' "xlm-roberta: it embeds"
"$model" inspect "$dir/xlm-roberta.gguf" | grep -q '^"position_embd.weight" \[64, 254\] F32'
ok $? "xlm-roberta: positions begin behind the padding token's"
mkdir "$dir/bert/1_Pooling"
echo '{"pooling_mode_cls_token": true}' >"$dir/bert/1_Pooling/config.json"
sed 's/cls_token/lasttoken/' "$dir/bert/1_Pooling/config.json" >"$dir/last" && mkdir -p "$dir/pooled"
cp -r "$dir/bert/." "$dir/pooled" && cp "$dir/last" "$dir/pooled/1_Pooling/config.json"
fails 1 "pooling_mode_lasttoken is not supported" "$model" import "$dir/pooled" "$dir/o.gguf"
"$model" import --name given "$dir/bert" "$dir/cls.gguf"
"$model" inspect "$dir/cls.gguf" >"$dir/out"
grep -q '^"bert.pooling_type" = 2$' "$dir/out" && grep -q '^"general.name" = "given"$' "$dir/out"
ok $? "pooling from 1_Pooling, the name from --name"

# ---- tokenizers ----
is_ids() { # MODEL TEXT IDS
    got=$("$model" tokenize --special "$dir/$1.gguf" "$2")
    [ "$got" = "$3" ]
    ok $? "$1: \"$2\" is $got"
}
is_ids llama ' the 123<tool>' '[261, 260, 32, 259, 51, 263]'
is_ids qwen2 ' the 12<|end|>' '[260, 32, 49, 50, 60, 124, 101, 110, 100, 124, 62]'
is_ids gemma3 'a the <b>é' '[2, 261, 291, 260, 293, 199, 173]'
is_ids bert 'ab c' '[2, 5, 32, 7, 3]'
is_ids nomic_bert 'ab c' '[2, 5, 32, 7, 3]'
is_ids modernbert 'a the 12' '[261, 97, 260, 32, 259, 262]'
is_ids xlm-roberta ' ab！ cé ' '[0, 6, 5, 4, 9, 3, 2]'
"$model" inspect "$dir/llama.gguf" | grep -q '^"tokenizer.chat_template" = '
ok $? "the chat template comes along"

# ---- refused ----
spoil() { # SAYING FAMILY FILE SED: one thing wrong in a folder
    rm -rf "$dir/bad"
    cp -r "$dir/$2" "$dir/bad"
    sed -i "$4" "$dir/bad/$3"
    cmp -s "$dir/$2/$3" "$dir/bad/$3" && echo "# nothing was spoilt: $4"
    fails 1 "$1" "$model" import "$dir/bad" "$dir/o.gguf"
}
spoil "model_type 'mamba' is none of" llama config.json 's/"model_type": "llama"/"model_type": "mamba"/'
spoil "activation 'relu'" llama config.json 's/silu/relu/'
spoil "head_dim must be a number" llama config.json 's/"head_dim": 16/"head_dim": "x"/'
spoil "no whole number" llama config.json 's/"head_dim": 16/"head_dim": 16.5/'
spoil "do not fit together" llama config.json 's/"num_key_value_heads": 2/"num_key_value_heads": 3/'
spoil "config.json wants 128 x 64" llama config.json 's/"head_dim": 16/"head_dim": 32/'
spoil "final_logit_softcapping is not supported" gemma3 config.json 's/^{/{"final_logit_softcapping": 30, /'
spoil "sliding windows" llama config.json 's/^{/{"sliding_window": 64, /'
spoil "every sixth layer" gemma3 config.json 's/^{/{"sliding_window_pattern": 4, /'
spoil "sliding windows" mixtral config.json 's/"sliding_window": null/"sliding_window": 64/'
spoil "norm_topk_prob is not true" qwen3_moe config.json 's/"norm_topk_prob": true/"norm_topk_prob": false/'
spoil "decoder_sparse_step" qwen3_moe config.json 's/"decoder_sparse_step": 1/"decoder_sparse_step": 2/'
spoil "mlp_only_layers" qwen3_moe config.json 's/"mlp_only_layers": \[\]/"mlp_only_layers": [0]/'
spoil "num_experts_per_tok must be a number from 1 to 6" qwen3_moe config.json 's/"num_experts_per_tok": 3/"num_experts_per_tok": 7/'
spoil "mlp.gate.weight is 6 x 64, config.json wants 5 x 64" qwen3_moe config.json 's/"num_experts": 6/"num_experts": 5/'
spoil "experts.0.w1.weight is 128 x 64" mixtral config.json 's/"intermediate_size": 128/"intermediate_size": 96/'
spoil "rope_scaling of type 'yarn'" phi3 config.json 's/longrope/yarn/'
spoil "long_factor must be 6 numbers" phi3 config.json 's/"long_factor": \[1.5, /"long_factor": [/'
spoil "short_factor must be 6 numbers" phi3 config.json 's/"short_factor": \[1.0/"short_factor": [-1.0/'
spoil "partial_rotary_factor is 0.6" phi3 config.json 's/"partial_rotary_factor": 0.75/"partial_rotary_factor": 0.6/'
spoil "partial_rotary_factor is 0.5" llama config.json 's/^{/{"partial_rotary_factor": 0.5, /'
spoil "rope_scaling of type 'longrope'" llama config.json 's/^{/{"rope_scaling": {"type": "longrope"}, /'
for key in prenorm parallel_block use_rms_norm causal rotary_emb_interleaved; do
    spoil "$key is not supported" nomic_bert config.json "s/\"prenorm\": false/\"$key\": true/"
done
spoil "rotary_scaling_factor is not supported" nomic_bert config.json 's/"rotary_scaling_factor": null/"rotary_scaling_factor": 2/'
spoil "rotary_emb_scale_base is not supported" nomic_bert config.json 's/^{/{"rotary_emb_scale_base": 512, /'
spoil "moe_every_n_layers is not supported" nomic_bert config.json 's/^{/{"moe_every_n_layers": 2, /'
spoil "rotary_emb_fraction other than 1" nomic_bert config.json 's/"rotary_emb_fraction": 1.0/"rotary_emb_fraction": 0.5/'
spoil "activation 'gelu' is not swiglu" nomic_bert config.json 's/"activation_function": "swiglu", //'
spoil "norm1.bias is missing" nomic_bert model.safetensors 's/layers.0.norm1.bias/layers.0.norm1.bics/'
for key in layer_types rope_parameters rope_scaling; do
    spoil "$key is not supported" modernbert config.json "s/^{/{\"$key\": {}, /"
done
spoil "local_attention is no whole number" modernbert config.json 's/"local_attention": 16/"local_attention": 16.5/'
spoil "classif.bias has no place in a modern-bert model" modernbert model.safetensors 's/"decoder.bias"/"classif.bias"/'
spoil "rope_scaling of type 'yarn'" qwen2 config.json 's/^{/{"rope_scaling": {"type": "yarn", "factor": 4}, /'
spoil "has no place in a llama model" llama config.json 's/"num_hidden_layers": 2/"num_hidden_layers": 1/'
spoil "model.layers.2.input_layernorm.weight is missing" llama config.json 's/"num_hidden_layers": 2/"num_hidden_layers": 3/'
spoil "pre_tokenizer is none of" llama tokenizer.json 's/{1,3}/{1,4}/'
spoil "holds no BPE vocabulary" llama tokenizer.json 's/"type": "BPE"/"type": "Unigram"/'
spoil "holds no Unigram vocabulary" xlm-roberta tokenizer.json 's/"type": "Unigram"/"type": "BPE"/'
spoil "unk_id is no id" xlm-roberta tokenizer.json 's/"unk_id": 3/"unk_id": 300/'
spoil "piece 5 has no spelling or score" xlm-roberta tokenizer.json 's/"!", -0.625/"!", "x"/'
spoil "more pieces than config.json says" xlm-roberta config.json 's/"vocab_size": 40/"vocab_size": 20/'
spoil "merge 1 is no pair" llama tokenizer.json 's/"th e"/"the"/'
spoil "the id of 'th' is taken" llama tokenizer.json 's/"th": 256/"th": 255/'
spoil "none from 0 to 263" llama tokenizer.json 's/"th": 256/"th": 264/'
spoil "bos_token_id is none from" llama config.json 's/"bos_token_id": 261/"bos_token_id": 264/'
spoil "no JSON object" llama tokenizer.json 's/^{/[/'
cp -r "$dir/shards/llama" "$dir/away"
sed -i 's/model-00001-of/..\/model-00001-of/' "$dir/away/model.safetensors.index.json"
fails 1 "is not beside it" "$model" import "$dir/away" "$dir/o.gguf"
rm "$dir/shards/llama/model-00002-of-00003.safetensors"
fails 1 "00002-of-00003" "$model" import "$dir/shards/llama" "$dir/o.gguf"
cp -r "$dir/llama" "$dir/cut"
for bytes in 0 4 100 9000 400000; do
    head -c $bytes "$dir/llama/model.safetensors" >"$dir/cut/model.safetensors"
    fails 1 model.safetensors "$model" import "$dir/cut" "$dir/o.gguf"
done
[ ! -e "$dir/o.gguf" ]
ok $? "a failure leaves nothing behind"

# ---- stretched rotations ----
sed -i 's/^{/{"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 128}, /' \
    "$dir/llama/config.json"
"$model" import "$dir/llama" "$dir/long.gguf" && "$model" inspect "$dir/long.gguf" | grep -q '^"rope_freqs.weight" \[8\] F32'
ok $? "llama3: factors beside the weights"
sed -i 's/^{/{"rope_scaling": {"type": "linear", "factor": 4}, /' "$dir/qwen2/config.json"
"$model" import "$dir/qwen2" "$dir/long.gguf" && "$model" inspect "$dir/long.gguf" | grep -q '^"qwen2.rope.scaling.factor" = 4$'
ok $? "linear: a key"
sed -i 's/"sliding_window": null/"sliding_window": 48/' "$dir/phi3/config.json"
"$model" import "$dir/phi3" "$dir/long.gguf" && "$model" inspect "$dir/long.gguf" >"$dir/out"
grep -q '^"phi3.context_length" = 48$' "$dir/out" && grep -q '^"phi3.rope.scaling.original_context_length" = 32$' "$dir/out"
ok $? "phi3: its window bounds the context, and changes no factor"
echo "1..$n"
