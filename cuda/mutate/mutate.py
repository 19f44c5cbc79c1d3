#!/usr/bin/env python3
"""Whether the tests of the kernels notice what is taken out of them.

Every barrier, wait and boundary check of cuda/ is removed, one at a time, in a copy of the sources;
what of the emulated backend depends on it is compiled anew, and the tests of the operations
concerned run on it. A mutant that no test fails for has survived: either a test is missing, or
the mutant does the same as the kernel, for the reason that equivalent.txt then gives.

usage: mutate.py [--only REGEXP] [--list] [--fresh]
  --only REGEXP  only mutants that have it in what --list says, such as attention or tile.*sync_
  --list         say what would be changed, and change nothing
  --fresh        forget the results of earlier runs; without it a run takes up where one stopped
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mutations

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutate"
TREE = WORK / "tree"
RESULTS = WORK / "results.json"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")

# Not kernels: what PTX and the emulator are made of.
NOT_MUTATED = ("cuda/common/ptx.cuh", "cuda/common/types.cuh")

# The tests of an operation in bindings/optest, beside the cases of its name in those for all.
TESTS = {
    "attention": "TestAttention|TestBitsOfAttention|TestPaging|TestQKVEpilogueThenAttention",
    "embed": "TestEmbed",
    "grouped_matmul": "TestGroupedMatmul|TestBitsOfExpertRows",
    "layer_norm": "TestLayerNorm",
    "log_softmax": "TestLogSoftmax",
    "logits": "TestLogits",
    "matmul": "TestMatmul|TestBitsOfMatmulRows",
    "pixel_shuffle": "TestPixelShuffle",
    "qkv_epilogue": "TestQKVEpilogue",
    "quantize": "TestQuantize",
    "rms_norm": "TestRMSNorm",
    "router": "TestRouter|TestBitsOfRouterRows",
    "sample": "TestSample",
    "swiglu": "TestSwiGLU",
    "top_k": "TestTopK",
    "unfold": "TestUnfold",
}
# Sources of several operations.
SHARED = {"matmul": ["quantized_plan"], "grouped_matmul": ["quantized_plan"]}
FOR_ALL = "TestArguments/./^{0}$|TestUnaligned/./^{0}_|TestNoRows/./^{0}$|TestBitsOfRepetition|TestRandomContents"


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def must(command, **options):
    done = run(command, **options)
    if done.returncode:
        sys.exit(f"mutate: {shlex.join(map(str, command))}\n{done.stdout[-4000:]}")
    return done.stdout


def copy_sources():
    """A copy of the sources with the modification times of what has changed only."""
    wanted = set()
    for path in [ROOT / "CMakeLists.txt", *(ROOT / "csrc").rglob("*"), *(ROOT / "cuda").rglob("*")]:
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        to = TREE / path.relative_to(ROOT)
        wanted.add(to)
        if not to.exists() or to.read_bytes() != path.read_bytes():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
    for old in [*(TREE / "csrc").rglob("*"), *(TREE / "cuda").rglob("*")]:
        if old.is_file() and old not in wanted:
            old.unlink()


class Build:
    """The copy, its objects, and how each is compiled."""

    def __init__(self):
        copy_sources()
        self.folder = TREE / "build"
        must(["cmake", "-S", TREE, "-B", self.folder, "-DCMAKE_BUILD_TYPE=Release", "--log-level=WARNING",
              "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *(["-G", "Ninja"] if shutil.which("ninja") else [])])
        must(["cmake", "--build", self.folder, "--target", "llama4", "llama4_simt", "--parallel", jobs()])
        self.commands, self.objects = {}, []
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            output = re.search(r" -o (\S+)", entry["command"])[1]
            if "llama4_simt.dir" not in output and "simt_runtime.dir" not in output:
                continue
            source = str(Path(entry["file"]).relative_to(TREE))
            path = Path(entry["directory"]) / output
            self.objects.append((source, path))
            if source.endswith(".cu") and "llama4_simt.dir" in output:
                self.commands[source] = (entry["directory"], entry["command"], output)
        self.libraries = WORK / "lib"
        self.libraries.mkdir(exist_ok=True)
        for library in (self.folder / "lib").glob("libllama4.*"):
            shutil.copy(library, self.libraries)

    def includes(self, source, seen=None):
        """The files that a source includes, itself among them."""
        seen = set() if seen is None else seen
        if source in seen or not (TREE / source).is_file():
            return seen
        seen.add(source)
        for name in re.findall(r'^#include "([^"]+)"', (TREE / source).read_text(), re.M):
            for folder in (os.path.dirname(source), "cuda", "csrc"):
                self.includes(os.path.normpath(os.path.join(folder, name)), seen)
        return seen

    def operations(self, file):
        """By operation: the sources that a file is part of, those that compile soonest first."""
        found = {}
        for source in self.commands:
            if file not in self.includes(source):
                continue
            stem = Path(source).stem
            # An operation's own source, one that instantiates its kernels, one of its quantized weights.
            for op in TESTS:
                if re.fullmatch(rf"(quantized_)?{op}(_[a-z]?\d.*)?", stem) or stem in SHARED.get(op, ()):
                    found.setdefault(op, []).append(source)
        if "matmul" in found:  # the same kernels
            found.setdefault("logits", [])
        size = {source: path.stat().st_size for source, path in self.objects}
        return {op: sorted(found[op], key=size.get) for op in sorted(found, key=lambda o: len(found[o]))}

    def compile(self, source):
        directory, command, output = self.commands[source]
        to = WORK / "objects" / (source.replace("/", "_") + ".o")
        to.parent.mkdir(exist_ok=True)
        command = command.replace(f" -o {output}", f" -o {shlex.quote(str(to))} -O1 -w")
        return to if run(shlex.split(command), cwd=directory).returncode == 0 else None

    def link(self, changed):
        """Links with the objects of `changed` instead of their originals. They come first: of a
        function that several objects have, the linker takes the first."""
        rest = [path for source, path in self.objects if source not in changed]
        must(["c++", "-shared", "-o", self.libraries / "libllama4_simt.so", *changed.values(), *rest,
              f"-Wl,--version-script={TREE / 'cuda/backend.map'}", "-lpthread", "-ldl"])


class Tests:
    def __init__(self, build):
        self.build = build
        self.binary = WORK / "optest.test"
        must(["go", "test", "-c", "-o", self.binary, "./bindings/optest"], cwd=ROOT)
        self.limits = {}

    def fail(self, op):
        """How the tests of an operation end: None, "killed", or "killed (timeout)"."""
        environment = dict(os.environ, LLAMA4_LIB=str(self.build.libraries), LLAMA4_TEST_DEVICES="simt",
                           GOTRACEBACK="none")
        # Most mutants fail in the operation's own tests.
        for pattern in (TESTS[op], FOR_ALL.format(op)):
            try:
                done = run([self.binary, "-test.failfast", "-test.run", pattern], env=environment,
                           cwd=ROOT / "bindings" / "optest", timeout=self.limits.get(op, 600))
            except subprocess.TimeoutExpired:
                return "killed (timeout)"
            if done.returncode:
                return "killed"
        return None

    def baseline(self, op):
        if op in self.limits:
            return
        start = time.time()
        if self.fail(op):
            sys.exit(f"mutate: the tests of {op} fail without a mutation")
        self.limits[op] = 20 + 5 * (time.time() - start)


def jobs():
    return os.environ.get("JOBS") or str(os.cpu_count())


def examine(m, build, tests):
    """A source after another is compiled, and tested when it is part of what an operation runs."""
    path = TREE / m.file
    text = path.read_text()
    changed = {}
    try:
        path.write_text(text[: m.begin] + m.new + text[m.end :])
        for op, sources in build.operations(m.file).items():
            for source in sources:
                changed[source] = build.compile(source)
                if not changed[source]:
                    return "does not compile"
                build.link(changed)
                outcome = tests.fail(op)
                if outcome:
                    return f"{outcome}: {op}"
            if not sources:
                outcome = tests.fail(op)
                if outcome:
                    return f"{outcome}: {op}"
        return "survived"
    finally:
        path.write_text(text)


def read_equivalent(found):
    """Entries of equivalent.txt: file | line of the source | change | reason."""
    reasons = {}
    for n, line in enumerate(EQUIVALENT.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split(" | ")]
        if len(fields) != 4 or not fields[3]:
            sys.exit(f"mutate: {EQUIVALENT.name}:{n}: not file | line | change | reason")
        matching = [m for m in found if (m.file, m.text, m.change()) == tuple(fields[:3])]
        if not matching:
            sys.exit(f"mutate: {EQUIVALENT.name}:{n} matches nothing: {line}")
        for m in matching:
            reasons[m] = fields[3]
    return reasons


def find_all():
    found = []
    for path in sorted([*(ROOT / "cuda").glob("*.cuh"), *(ROOT / "cuda/common").glob("*.cuh")]):
        file = str(path.relative_to(ROOT))
        if file not in NOT_MUTATED:
            found += mutations.find(file, path.read_text())
    return found


def key(m):
    """A result holds while the file is the same."""
    return hashlib.sha256(f"{m.begin}:{m.end}:{m.new}:".encode() + (ROOT / m.file).read_bytes()).hexdigest()[:24]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("--fresh", action="store_true")
    options = arguments.parse_args()

    found = find_all()
    reasons = read_equivalent(found)
    chosen = [m for m in found if re.search(options.only, f"{m.name()}: {m.change()}")]
    if options.list:
        for m in chosen:
            print(f"{m.name()}: {m.change()}" + (f" (equivalent: {reasons[m]})" if m in reasons else ""))
        return 0

    WORK.mkdir(parents=True, exist_ok=True)
    lock = open(WORK / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("mutate: another run is at work in build/mutate")
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() and not options.fresh else {}
    keys = {m: key(m) for m in chosen}
    left = [m for m in chosen if keys[m] not in known]
    print(f"{len(chosen)} mutants, {len(left)} to examine", flush=True)
    if left:
        build = Build()
        tests = Tests(build)
        build.link({})
        for op in {op for m in left for op in build.operations(m.file)}:
            tests.baseline(op)
        for n, m in enumerate(left, 1):
            known[keys[m]] = examine(m, build, tests)
            RESULTS.write_text(json.dumps(known, indent=0))
            print(f"[{n}/{len(left)}] {m.name()}: {m.change()}: {known[keys[m]]}", flush=True)
    return report(chosen, {m: known[keys[m]] for m in chosen}, reasons)


def report(chosen, outcomes, reasons):
    wrong = 0
    print()
    for m in chosen:
        outcome = outcomes[m]
        if outcome == "survived" and m in reasons:
            outcome = f"equivalent: {reasons[m]}"
        elif outcome == "survived":
            outcome = "SURVIVED"
            wrong += 1
        elif m in reasons:
            outcome += ", but equivalent.txt has it"
            wrong += 1
        print(f"{outcome:<24} {m.name()}: {m.change()}")
    print()
    for kind in ("killed", "survived", "does not compile"):
        print(f"{sum(outcomes[m].startswith(kind) for m in chosen)} {kind}, ", end="")
    print(f"{sum(m in reasons for m in chosen)} of them known as equivalent; {wrong} to look at")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
