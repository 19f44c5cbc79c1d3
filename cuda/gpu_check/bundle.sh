#!/usr/bin/env bash
# Makes one file that checks and measures the CUDA kernels on a machine with a GPU, without Go and without a network:
# the libraries of LIBDIR, the test programs, their data and run.sh, after a few lines of sh that unpack and run them.
# Usage: cuda/gpu_check/bundle.sh LIBDIR OUT   Then, there: sh OUT [FOLDER]
# LLAMA4_GPU_CHECK_DEVICE=simt takes a LIBDIR without libllama4_cuda.so, to try it on the emulated GPU.
set -euo pipefail

if [ $# -ne 2 ]; then
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
libraries=$(cd "$1" && pwd)
mkdir -p "$(dirname "$2")"
out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
device=${LLAMA4_GPU_CHECK_DEVICE:-cuda}
for library in libllama4.so "libllama4_$device.so"; do
  if [ ! -f "$libraries/$library" ]; then
    echo "bundle.sh: there is no $library in $libraries: build it with cmake -DLL4_CUDA=ON" >&2
    exit 1
  fi
done
cd "$root"
bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT

mkdir -p "$bundle"/{bin,lib,optest,llama4/demo,cuinterop,bench}
cp -a "$libraries"/libllama4*.so* "$bundle/lib"
cp -r llama4/testdata "$bundle/llama4"
cp -r llama4/demo/model "$bundle/llama4/demo"
cp bench/peers.py "$bundle/bench"
cp cuda/gpu_check/run.sh "$bundle"
commit=$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
echo "$commit" >"$bundle/commit"

export CGO_CFLAGS="${CGO_CFLAGS:--O2 -g} -Wno-deprecated-declarations"
go test -c -trimpath -o "$bundle/bin/" ./bindings/optest ./llama4 ./bench
if [ "$device" = cuda ]; then
  flags=$(bindings/cuinterop/setup.sh build/cuinterop)
  (eval "$flags" && go test -c -trimpath -tags cuda -o "$bundle/bin/" ./bindings/cuinterop)
fi

tar czf "$bundle.tar.gz" -C "$bundle" .
trap 'rm -rf "$bundle" "$bundle.tar.gz"' EXIT
lines=10
name=$(basename "$out")
{
  cat <<STUB
#!/bin/sh
# gpu-check of llama4go, commit $commit. Usage: sh $name [FOLDER for results]
# It unpacks itself into TMPDIR (/tmp), which must allow programs to run.
set -u
dir=\$(mktemp -d) || exit 1
trap 'rm -rf "\$dir"' EXIT
trap 'exit 1' HUP INT TERM
tail -n +$lines "\$0" | tar xzf - -C "\$dir" || exit 1
sh "\$dir/run.sh" "\${1:-.}"; exit
STUB
  cat "$bundle.tar.gz"
} >"$out"
chmod 755 "$out"
echo "$out: $(du -h "$out" | cut -f 1), for device $device; run it on a machine with a GPU: sh $name"
