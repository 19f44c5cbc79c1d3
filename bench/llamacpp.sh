#!/usr/bin/env bash
# Builds llama.cpp for this CPU from the source package of llama-cpp-python, about 8 minutes on 2 cores.
# Usage: bench/llamacpp.sh DIR   Then: DIR/llama.cpp/build/bin/llama-bench and DIR/llama.cpp/convert_hf_to_gguf.py
set -euo pipefail
dir=${1:?usage: bench/llamacpp.sh DIR}
mkdir -p "$dir"
cd "$dir"
if [ ! -d llama.cpp ]; then
  python3 -m pip download -q --no-deps --no-binary :all: -d source "llama-cpp-python==0.3.36"
  tar xzf source/*.tar.gz
  mv llama_cpp_python-*/vendor/llama.cpp llama.cpp
fi
cmake -S llama.cpp -B llama.cpp/build -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF
cmake --build llama.cpp/build --parallel --target llama-bench llama-quantize
