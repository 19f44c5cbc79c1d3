#!/bin/sh
# Checks and measures the CUDA kernels on this machine's GPU, from a bundle that bundle.sh made: needs the driver
# (R580 or newer) and glibc 2.34; uses nvcc and compute-sanitizer where they are, and Python with torch to compare
# with. Neither Go nor a network is needed.
# Usage: run.sh [FOLDER]     The results go to FOLDER/results-CARD; exit status 1 if anything failed, 2 if there is
#                            no GPU. CUDA_VISIBLE_DEVICES picks one of several (0).
# LLAMA4_GPU_CHECK_DEVICE=simt runs the same on the emulated GPU, to try this script.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
device=${LLAMA4_GPU_CHECK_DEVICE:-cuda}
commit=$(cat "$here/commit")
export LLAMA4_LIB="$here/lib" LLAMA4_TEST_DEVICES="$device" LLAMA4_DEVICE="$device"
unset LLAMA4_BACKENDS LLAMA4_MODEL
# The numbers of nvidia-smi, for CUDA as well.
export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES="${CUDA_VISIBLE_DEVICES:-0}"
gpu=${CUDA_VISIBLE_DEVICES%%,*}
toolkit=${CUDA_HOME:-/usr/local/cuda}/bin

query() { nvidia-smi -i "$gpu" --query-gpu="$1" --format=csv,noheader 2>&1; }

card=$device
if [ "$device" = cuda ]; then
  if ! command -v nvidia-smi >/dev/null 2>&1; then
    echo "gpu-check: nothing was run: there is no nvidia-smi here, so no NVIDIA driver" >&2
    exit 2
  fi
  if ! card=$(query name) || [ -z "$card" ]; then
    echo "gpu-check: nothing was run: nvidia-smi finds no GPU $gpu: $(echo "$card" | head -n 1)" >&2
    exit 2
  fi
fi
slug=$(echo "$card" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9\n' '-' | sed 's/^-//; s/-$//')
results=${1:-.}/results-$slug
mkdir -p "$results/logs" || exit 1
results=$(CDPATH='' cd -- "$results" && pwd)
rm -f "$results"/logs/* "$results"/bench.json "$results"/bench.txt
report=$results/report.txt
: >"$report"

say() { printf '%s\n' "$*" | tee -a "$report"; }

# tool NAME: where a program of the toolkit is, nothing if it is not.
tool() {
  command -v "$1" && return
  if [ -x "$toolkit/$1" ]; then echo "$toolkit/$1"; fi
}

header() {
  nvcc=$(tool nvcc)
  say "gpu-check of llama4go, commit $commit, $(date -u '+%Y-%m-%d %H:%M UTC'), $(uname -srm)"
  if command -v nvidia-smi >/dev/null 2>&1; then
    for field in name driver_version memory.total memory.used pstate clocks.sm clocks.max.sm clocks.mem \
      power.draw power.limit temperature.gpu ecc.mode.current mig.mode.current; do
      say "$(printf '%-18s %s' "$field" "$(query "$field" | head -n 1)")"
    done
    say "$(printf '%-18s %s' "driver's CUDA" "$(nvidia-smi | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p' | head -n 1)")"
  fi
  version='not here'
  [ -z "$nvcc" ] || version=$("$nvcc" --version 2>&1 | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  say "$(printf '%-18s %s' nvcc "$version")"
  if [ "$device" != cuda ]; then say "device $device: no GPU is used, and no time means anything"; fi
  say ""
}

summary=''
failed=0

# verdict WORD NAME REASON: what became of a step.
verdict() {
  line=$(printf '%-8s %-22s %s' "$1" "$2" "$3")
  summary="$summary$line
"
  say "$line"
  [ "$1" != FAILED ] || failed=1
}

# step NAME COMMAND...: runs it with its output in a log, which must hold a line for each word of $must.
step() {
  name=$1
  shift
  log=$results/logs/$name.txt
  echo "$name ..."
  began=$(date +%s)
  "$@" >"$log" 2>&1
  code=$?
  took=$(($(date +%s) - began))
  passes=$(grep -c '^ *--- PASS' "$log")
  skips=$(grep -c '^ *--- SKIP' "$log")
  counted="$passes tests, $skips skipped, $took s"
  if [ "$code" -eq 0 ]; then
    for word in $must; do
      if ! grep -q "^ *--- PASS: $word" "$log"; then
        verdict FAILED "$name" "$word did not run: logs/$name.txt"
        return
      fi
    done
    verdict passed "$name" "$counted"
    return
  fi
  verdict FAILED "$name" "exit status $code, $counted: logs/$name.txt"
  {
    # A line of testify's says what went wrong after one that says that something did.
    grep -A 1 -E -- '--- FAIL|Error:|error:|panic:|^=========' "$log" | grep -v -e '^--$' -e 'Received unexpected' |
      awk '!seen[$0]++' | head -n 20
    echo "... and at its end:"
    tail -n 5 "$log"
  } | sed 's/^/    /' | tee -a "$report"
}

# The tests of the package NAME, in its folder.
tests() (
  package=$1
  shift
  cd "$here/$package" && "$here/bin/$package.test" -test.v -test.count 1 "$@"
)

# sanitized TOOL: the short kernel tests under one tool of compute-sanitizer.
sanitized() (
  cd "$here/optest" && "$sanitizer" --tool "$1" --error-exitcode 86 "$here/bin/optest.test" \
    -test.v -test.count 1 -test.short -test.timeout 4h
)

measure() (
  cd "$here/bench" && "$here/bin/bench.test" -test.run '^$' -test.bench Kernels -test.benchtime 30x -test.timeout 4h \
    -report "$results" -commit "$commit"
)

compare() (
  cd "$here/bench" && python3 peers.py "$results/bench.json" &&
    "$here/bin/bench.test" -table "$results/bench.json" >"$results/bench.txt"
)

header
must='TestMatmul TestAttention'
step kernels tests optest -test.timeout 1h
must="TestAutoMode/$device TestGraphSteps/$device"
# The tests that take the device by its name, and the CPU's own goldens on this machine: "auto" of the others means
# the GPU here, and the CPU where their answers come from.
step model tests llama4 -test.timeout 1h -test.run \
  '^Test(AutoMode|TapsAuto|Graph.*|DeviceSamplesLikeHost|ComputeF32IsTheCPUs|ScoreGoldens|GreedyGoldens|Taps|DemoGoldens)$'
must=''
sanitizer=$(tool compute-sanitizer)
for check in memcheck racecheck synccheck initcheck; do
  if [ "$device" != cuda ]; then
    verdict skipped "$check" "the device is $device"
  elif [ -z "$sanitizer" ]; then
    verdict skipped "$check" "there is no compute-sanitizer on PATH or in $toolkit"
  else
    step "$check" sanitized "$check"
  fi
done
if [ "$device" = cuda ]; then
  must='TestSharedStreamOnGPU TestExampleOnGPU'
  step cuinterop tests cuinterop -test.run OnGPU -test.timeout 10m
  must=''
else
  verdict skipped cuinterop "the device is $device"
fi
step bench measure
if [ ! -f "$results/bench.json" ]; then
  verdict skipped peers "there is no bench.json to add to"
elif [ "$device" != cuda ]; then
  verdict skipped peers "the device is $device"
elif ! command -v python3 >/dev/null 2>&1; then
  verdict skipped peers "there is no python3"
elif ! python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' >/dev/null 2>&1; then
  verdict skipped peers "python3 has no torch that sees a GPU"
else
  step peers compare
fi

if [ -f "$results/bench.txt" ]; then
  say ""
  cat "$results/bench.txt" >>"$report"
fi
say ""
say "Summary"
say "$summary"
if [ "$failed" -ne 0 ]; then
  say "gpu-check FAILED; everything is in $results"
  exit 1
fi
say "gpu-check passed; everything is in $results"
