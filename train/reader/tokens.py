# SPDX-License-Identifier: MIT
"""The embedder's tokenizer, from its GGUF file, with character offsets."""

import numpy as np
from gguf import GGUFReader
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

BOS, PAD, EOS = 0, 1, 2


def tokenizer(path):
    fields = GGUFReader(path).fields
    pieces = fields["tokenizer.ggml.tokens"].contents()
    scores = fields["tokenizer.ggml.scores"].contents()
    unk = int(fields["tokenizer.ggml.unknown_token_id"].contents())
    t = Tokenizer(models.Unigram(list(zip(pieces, (float(s) for s in scores))), unk_id=unk))
    t.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    return t


def encode_all(t, texts):
    """[(ids, offsets)] of texts; offsets in characters, white space before a word left out."""
    out = []
    for text, e in zip(texts, t.encode_batch(texts, add_special_tokens=False)):
        offsets = []
        for s, stop in e.offsets:
            while s < stop and text[s].isspace():
                s += 1
            offsets.append((s, stop))
        out.append((np.array(e.ids, np.int32), offsets))
    return out
