#!/bin/sh
# Prints the root folder of a CUDA toolkit that compiles the kernels (13.0 or newer):
#
#   root=$(cuda/toolkit.sh build/cuda-toolkit)
#   "$root/bin/nvcc" --version
#
# One that is installed is taken: NVCC names its nvcc, or else it is in $CUDA_HOME/bin, on PATH, or in
# /usr/local/cuda/bin. Where there is none, the parts that are needed, of pinned versions, are fetched
# from PyPI into OUTDIR (105 MB over the network, 280 MB on disk; no driver, no GPU, no root), once:
# NVIDIA's licence, in OUTDIR/nvidia_*.dist-info, is theirs. Needs python3 with pip to fetch.
set -eu

if [ $# -ne 1 ]; then
  echo "usage: toolkit.sh OUTDIR" >&2
  exit 2
fi
wanted=13.0
# cuobjdump and nvdisasm are not published for 13.0; newer ones read its output.
packages='nvidia-cuda-nvcc==13.0.88
nvidia-cuda-crt==13.0.88
nvidia-nvvm==13.0.88
nvidia-cuda-runtime==13.0.96
nvidia-cuda-cccl==13.0.85
nvidia-cuda-cuobjdump==13.2.86
nvidia-cuda-nvdisasm==13.2.86'

fail() {
  echo "toolkit.sh: $*" >&2
  exit 1
}

# "13.0" of the nvcc $1; nothing when it does not run.
version_of() {
  "$1" --version 2>/dev/null | sed -n 's/^.*release \([0-9]*\.[0-9]*\).*$/\1/p'
}

new_enough() {
  awk -v have="$1" -v want="$wanted" 'BEGIN {
    split(have, h, "."); split(want, w, ".")
    exit !(h[1] + 0 > w[1] + 0 || (h[1] + 0 == w[1] + 0 && h[2] + 0 >= w[2] + 0))
  }'
}

# The root of nvcc $1, which may be a link or a wrapper's script: nvcc itself knows where it is.
root_of() {
  nvcc=$(readlink -f "$(command -v "$1")")
  top=$("$nvcc" --dryrun -x cu -c /dev/null -o /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')
  [ -n "$top" ] || fail "$nvcc does not say where its toolkit is (--dryrun prints no TOP)"
  CDPATH='' cd -- "$top" && pwd
}

if [ -n "${NVCC:-}" ]; then
  version=$(version_of "$NVCC")
  [ -n "$version" ] || fail "NVCC: $NVCC does not run"
  new_enough "$version" || fail "NVCC: $NVCC is version $version, and $wanted or newer is needed"
  root_of "$NVCC"
  exit
fi
for nvcc in "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
  [ -x "$nvcc" ] || continue
  version=$(version_of "$nvcc")
  if [ -n "$version" ] && new_enough "$version"; then
    root_of "$nvcc"
    exit
  fi
  echo "toolkit.sh: $nvcc is passed over: version ${version:-unknown}, and $wanted or newer is needed" >&2
done

mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)
root=$out/nvidia/cu13
if [ "$(cat "$out/packages" 2>/dev/null)" = "$packages" ]; then
  echo "$root"
  exit
fi

# Unpacked beside, then moved: a run that is interrupted leaves nothing that looks finished.
new=$(mktemp -d "$out/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
# shellcheck disable=SC2086 # one word a package
PIP_RETRIES=${PIP_RETRIES:-2} python3 -m pip download --quiet --disable-pip-version-check --no-deps \
  --only-binary=:all: --dest "$new/wheels" $packages >"$new/log" 2>&1 ||
  fail "the CUDA toolkit cannot be fetched from PyPI (no network?): $(grep -v '^ *$' "$new/log" | tail -n 1)"
python3 - "$new" <<'PYTHON'
import pathlib
import sys
import zipfile

new = pathlib.Path(sys.argv[1])
for wheel in sorted((new / "wheels").glob("*.whl")):
    with zipfile.ZipFile(wheel) as z:
        for info in z.infolist():
            path = z.extract(info, new / "unpacked")
            if info.external_attr >> 16 & 0o111:
                pathlib.Path(path).chmod(0o755)
PYTHON
for file in bin/nvcc bin/ptxas bin/cuobjdump bin/nvdisasm nvvm/bin/cicc lib/libcudart_static.a; do
  [ -e "$new/unpacked/nvidia/cu13/$file" ] || fail "the packages from PyPI lack $file"
done
rm -rf "$out/packages" "$out/nvidia" "$out"/nvidia_*.dist-info
mv "$new/unpacked"/* "$out"
echo "$packages" >"$new/packages"
mv "$new/packages" "$out/packages"
echo "$root"
