#!/bin/sh
# Prepares what package cuinterop is compiled and linked with where neither a CUDA
# toolkit nor a driver is installed, and prints the two variables to export:
#
#   eval "$(bindings/cuinterop/setup.sh build/cuinterop)"
#   go test -tags cuda ./bindings/cuinterop
#
# Into OUTDIR go include/cuda.h, from the package nvidia-cuda-runtime of PyPI
# (2 MB, fetched once; CUDA_INCLUDE names a folder to take cuda.h from instead), and
# lib/libcuda.a, trampolines to the driver's library, which the program opens when
# it starts. Run it in the module whose gorgonia.org/cu will be linked. Needs go,
# python3 (with pip to fetch) and a C compiler. The go command does not see these
# files change: test with -count=1.
set -eu

if [ $# -ne 1 ]; then
  echo "usage: setup.sh OUTDIR" >&2
  exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)
version=13.0.96
cc=${CC:-cc}

include=$out/include
if [ -n "${CUDA_INCLUDE:-}" ]; then
  if [ ! -f "$CUDA_INCLUDE/cuda.h" ]; then
    echo "setup.sh: CUDA_INCLUDE: there is no cuda.h in $CUDA_INCLUDE" >&2
    exit 1
  fi
  include=$(CDPATH='' cd -- "$CUDA_INCLUDE" && pwd)
elif [ ! -f "$out/include/cuda.h" ] || [ "$(cat "$out/include/version" 2>/dev/null)" != "$version" ]; then
  wheels=$(mktemp -d)
  trap 'rm -rf "$wheels"' EXIT
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$wheels" "nvidia-cuda-runtime==$version" >&2
  mkdir -p "$out/include"
  python3 - "$wheels"/*.whl "$out/include/cuda.h" <<'PYTHON'
import pathlib
import sys
import zipfile

wheel, header = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    name = next(n for n in z.namelist() if n.endswith("/include/cuda.h"))
    pathlib.Path(header).write_bytes(z.read(name))
PYTHON
  echo "$version" >"$out/include/version"
fi

case "$here$out$include" in
*[[:space:]]*)
  echo "setup.sh: cgo cannot take flags with spaces: choose folders without: $here, $out, $include" >&2
  exit 1
  ;;
esac

includes="-I$here/compat13 -I$include"
mkdir -p "$out/lib"
# The files of cu that this platform builds, one a line.
go list -f '{{range .CgoFiles}}{{$.Dir}}/{{.}}
{{end}}{{range .CFiles}}{{$.Dir}}/{{.}}
{{end}}' gorgonia.org/cu >"$out/lib/sources"
# Hidden: the driver's own library must not find its functions here.
# shellcheck disable=SC2046,SC2086
python3 "$here/trampolines/generate.py" "$out/lib/libcuda.c" $(cat "$out/lib/sources") -- $cc $includes >&2
# shellcheck disable=SC2086
$cc -c -O2 -fPIC -fvisibility=hidden -Wall -Wno-deprecated-declarations $includes -o "$out/lib/libcuda.o" "$out/lib/libcuda.c"
rm -f "$out/lib/libcuda.a"
${AR:-ar} rcs "$out/lib/libcuda.a" "$out/lib/libcuda.o"

echo "export CGO_CFLAGS=\"-g -O2 $includes\""
echo "export CGO_LDFLAGS=\"-L$out/lib -ldl\""
