# SPDX-License-Identifier: MIT
"""reader.npz -> a GGUF adapter that the engine loads.

    export.py reader.npz BASE OUT.gguf

Names are those of llama.cpp's adapters (blk.N.PART.weight.lora_a [rank, in], .lora_b [out, rank]),
and reader.weight, reader.bias for the head. BASE, the fingerprint of the embedder (`askd-model inspect`), says for which weights it
was made.
"""

import sys

import gguf
import numpy as np

import model


def main():
    source, base, out = sys.argv[1:]
    z = np.load(source)
    w = gguf.GGUFWriter(out, "bert")
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", float(z["alpha"]))
    w.add_name("askd reader")
    w.add_license("MIT")
    w.add_string("askd.reader.base", base)
    for i in range(model.LAYERS):
        for part in model.PARTS:
            for half in "ab":
                x = z["layers.%d.parts.%s.%s" % (i, part, half)]
                w.add_tensor("blk.%d.%s.weight.lora_%s" % (i, part, half), x.astype(np.float16))
    w.add_tensor("reader.weight", z["head.weight"].astype(np.float32))
    w.add_tensor("reader.bias", z["head.bias"].astype(np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
