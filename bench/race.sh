#!/usr/bin/env bash
# Races llama4 against llama.cpp on one checkpoint: by turns, so that both see the same machine, and prints
# the median and the range of the turns in tokens per second.
# Usage: bench/race.sh MODEL_DIR LLAMA_BENCH MODEL_GGUF [TURNS] [PROMPT] [GENERATE]
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
fi
model=$1 llama_bench=$2 gguf=$3 turns=${4:-7} prompt=${5:-512} generate=${6:-64}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

for turn in $(seq "$turns"); do
  echo "turn $turn of $turns" >&2
  "$here/bin/llama4" bench -m "$model" -p "$prompt" -n "$generate" -r 1 --json >>"$results/llama4"
  "$llama_bench" -m "$gguf" -p "$prompt" -n "$generate" -r 1 -t "$(nproc)" -o jsonl 2>/dev/null >>"$results/llama.cpp"
done
python3 - "$results" "$prompt" "$generate" <<'PYTHON'
import json, statistics, sys
folder, prompt, generate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ours, decoder, text = [], json.JSONDecoder(), open(f"{folder}/llama4").read().strip()
while text:
    value, end = decoder.raw_decode(text)
    ours.append(value)
    text = text[end:].strip()
theirs = [json.loads(line) for line in open(f"{folder}/llama.cpp")]
rows = [
    (f"prompt of {prompt}", [r["prompt"]["tok_s"]["median"] for r in ours], [r["avg_ts"] for r in theirs if r["n_prompt"]]),
    (f"generation of {generate}", [r["generate"]["tok_s"]["median"] for r in ours], [r["avg_ts"] for r in theirs if r["n_gen"]]),
]
show = lambda v: f"{statistics.median(v):.1f} ({min(v):.1f} to {max(v):.1f})"
print("| tokens per second, median (range) | llama4 | llama.cpp | ratio |\n|---|---|---|---|")
for name, a, b in rows:
    print(f"| {name} | {show(a)} | {show(b)} | {statistics.median(a) / statistics.median(b):.2f} |")
load, rss = [r["load_s"] for r in ours], [r["peak_rss_bytes"] for r in ours]
print(f"\nllama4: load {statistics.median(load):.2f} s ({min(load):.2f} to {max(load):.2f}), peak RSS {max(rss) / 2**30:.2f} GiB")
PYTHON
