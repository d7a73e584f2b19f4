#!/usr/bin/env bash
# build.sh [DIR]
# Builds llama.cpp, pinned and SHA-256-checked, for comparison: a Python environment in DIR
# (build/peers) with llama-cpp-python and ONNX Runtime. Takes several minutes; nothing of askd
# needs it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${1:-$root/build/peers}
file=llama_cpp_python-0.3.16.tar.gz
sha=34ed0f9bd9431af045bb63d9324ae620ad0536653740e9bb163a2e1fcb973be6
python3 -m venv "$dir"
pip=$dir/bin/pip
"$pip" install -q numpy==2.4.6 gguf==0.19.0 scikit-build-core==0.11.6 onnx==1.17.0 onnxruntime==1.20.1
if [ ! -f "$dir/$file" ]; then
    "$pip" download -q --no-deps --no-binary :all: -d "$dir" llama-cpp-python==0.3.16
fi
echo "$sha  $dir/$file" | sha256sum -c --quiet || {
    echo "build.sh: $dir/$file is not the pinned one" >&2
    exit 1
}
CMAKE_ARGS="-DGGML_NATIVE=ON" "$pip" install -q --no-cache-dir "$dir/$file"
"$dir/bin/python" -c 'import llama_cpp; print("llama-cpp-python", llama_cpp.__version__)'
# For `askd-model bench --compare`.
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$(cd "$dir" && pwd)/bin/python" "$root/bench/llama" >"$dir/bin/llama-rounds"
chmod +x "$dir/bin/llama-rounds"
