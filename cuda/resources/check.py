#!/usr/bin/env python3
"""Holds the machine code of libllama4_cuda's kernels to cuda/resources/budget.txt.

    cuda/resources/check.py LIBRARY --toolkit "$(cuda/toolkit.sh build/cuda-toolkit)"

README.md, beside this file, says what the figures mean.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import sys
from typing import Dict, List, NamedTuple, Optional, Tuple

import budget
import cubin
import machine
import sass

HERE = pathlib.Path(__file__).resolve().parent


class Loop(NamedTuple):
    """A kernel's main loop: the longest path through it, and the shortest that does as much."""

    code: List[sass.Instruction]
    shortest: List[sass.Instruction]
    is_loop: bool


class Report(NamedTuple):
    name: str
    arch: str
    threads: Optional[int]
    dynamic: Optional[int]
    stack: int
    spills: int
    tensor_instructions: int
    length: int  # of the main loop, in instructions
    is_loop: bool
    busy: Dict[str, float]
    figures: budget.Figures
    best: Optional[float]  # tensor, of the shortest path
    limit: str
    occupancy: Optional[machine.Occupancy]


def main_loop(code: List[sass.Instruction], rates: machine.Rates) -> Loop:
    """The innermost loop with the most tensor-core instructions; without any, the innermost loop
    that moves the most bytes; without a loop, all of the code."""
    graph = sass.Graph(code)

    def work(block: List[sass.Instruction]) -> Tuple[int, int]:
        tensor = sum(map(machine.is_tensor, block))
        moved = sum(machine.warp_bytes(i) for i in block if "dram" in rates.units.get(i.name, ()))
        return tensor, moved

    totals = {
        head: tuple(map(sum, zip(*(work(graph.blocks[b]) for b in body))))
        for head, body in graph.loops.items()
    }
    any_tensor = any(tensor for tensor, _ in totals.values())
    candidates = []
    for head, body in graph.loops.items():
        inner = [h for h in graph.loops if h != head and h in body]
        if any(totals[h][0] if any_tensor else totals[h][1] for h in inner):
            continue
        length = sum(len(graph.blocks[b]) for b in body)
        tensor, moved = totals[head]
        # Of loops with as many tensor instructions the shorter one is the steady state.
        candidates.append(((tensor, -length) if any_tensor else (moved, length), head))
    if candidates:
        head = max(candidates)[1]
        body = graph.loops[head]
    else:
        head, body = 0, set(range(len(graph.blocks)))
    longest = graph.path(head, body, lambda block: (work(block)[0], len(block)))
    shortest = graph.path(head, body, lambda block: (work(block)[0], -len(block)))
    return Loop(longest, shortest, bool(candidates))


def report(
    key: cubin.Key,
    name: str,
    code: List[sass.Instruction],
    usage: Dict[str, int],
    threads: Optional[int],
    dynamic: Optional[int],
    rates: machine.Rates,
) -> Report:
    arch = key[0]
    loop = main_loop(code, rates)
    busy = machine.cycles(loop.code, rates, arch)
    tensor = sum(map(machine.is_tensor, loop.code))
    tensor_bound, tensor_limit = machine.bound(busy, "tensor")
    dram_bound, dram_limit = machine.bound(busy, "dram")
    best, _ = machine.bound(machine.cycles(loop.shortest, rates, arch), "tensor")
    fits = None
    if threads and dynamic is not None:
        fits = machine.occupancy(
            rates.of(arch), threads, usage["registers"], usage["static"] + dynamic
        )
    return Report(
        name=name,
        arch=arch,
        threads=threads,
        dynamic=dynamic,
        stack=usage["stack"],
        spills=sum(i.name in ("LDL", "STL") for i in code),
        tensor_instructions=sum(map(machine.is_tensor, code)),
        length=len(loop.code),
        is_loop=loop.is_loop,
        busy=busy,
        figures=budget.Figures(
            usage["registers"],
            usage["static"],
            tensor / len(loop.code) if tensor else None,
            tensor_bound if tensor else None,
            dram_bound if busy["dram"] else None,
        ),
        best=best if tensor else None,
        limit=tensor_limit if tensor else dram_limit,
        occupancy=fits,
    )


def reports(
    tools: cubin.Tools, rates: machine.Rates, limits: Dict[str, budget.Kernel]
) -> List[Report]:
    usage, threads = tools.usage(), tools.threads()
    names = cubin.demangle(name for _, name in usage)

    def of(arch: str) -> List[Report]:
        found = []
        for mangled, code in tools.code(arch):
            key, name = (arch, mangled), names[mangled]
            dynamic = limits[name].dynamic if name in limits else None
            found.append(report(key, name, code, usage[key], threads.get(key), dynamic, rates))
        return found

    # Nearly all of the time is nvdisasm's.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [one for part in pool.map(of, sorted({arch for arch, _ in usage})) for one in part]
    found.sort(key=lambda r: (r.name, machine.capability(r.arch)))
    for one, other in zip(found, found[1:]):
        if (one.name, one.arch) == (other.name, other.arch):
            raise machine.Error(f"{one.name} is there twice on {one.arch}: names must differ")
    return found


HEADER = (
    f"  {'arch':<8}{'regs':>5}{'static':>7}{'local':>6}{'spill':>6}{'blocks':>7}{'warps':>6}  {'by':<14}"
    f"{'mma':>5}{'loop':>6}{'share':>7}{'tensor':>12}{'dram':>6}  limit"
)


def print_table(found: List[Report], with_cycles: bool) -> None:
    def number(x: Optional[float]) -> str:
        return "-" if x is None else f"{x:.2f}"

    name = ""
    for r in found:
        if r.name != name:
            name = r.name
            dynamic = "unknown" if r.dynamic is None else r.dynamic
            print(f"\n{name}: {r.threads or '?'} threads, {dynamic} bytes of dynamic shared memory")
            print(HEADER)
        blocks, warps, by = r.occupancy or ("?", "?", "?")
        f = r.figures
        tensor = "-" if f.tensor is None else f"{f.tensor:.2f}..{r.best:.2f}"
        print(
            f"  {r.arch:<8}{f.registers:>5}{f.static:>7}{r.stack:>6}{r.spills:>6}{blocks:>7}{warps:>6}  {by:<14}"
            f"{r.tensor_instructions:>5}{r.length:>6}{number(f.share):>7}{tensor:>12}{number(f.dram):>6}"
            f"  {r.limit}{'' if r.is_loop else ' (no loop)'}"
        )
        if with_cycles:
            units = (
                f"{unit} {t:.0f}" for unit, t in sorted(r.busy.items(), key=lambda x: -x[1]) if t
            )
            print("          cycles: " + ", ".join(units))


def problems_of(found: List[Report], limits: Dict[str, budget.Kernel]) -> List[str]:
    problems = []
    for r in found:
        where = f"{r.name} on {r.arch}:"
        if r.threads is None:
            problems.append(
                f"{where} no __launch_bounds__, so the compiler plans for any block size"
            )
        if r.stack:
            problems.append(f"{where} {r.stack} bytes of local memory, and there must be none")
        if r.spills:
            problems.append(
                f"{where} {r.spills} loads and stores of spilled registers, and there must be none"
            )
        kernel = limits.get(r.name)
        if kernel is None or r.arch not in kernel.limits:
            problems.append(f"{where} not in the budget: check.py --update adds it")
            continue
        if kernel.dynamic is None:
            problems.append(
                f"{where} write into the budget how much dynamic shared memory its launch asks for"
            )
        problems += budget.compare(r.name, r.arch, r.figures, kernel.limits[r.arch])
    archs = {r.arch for r in found}
    there = {(r.name, r.arch) for r in found}
    for name, kernel in limits.items():
        for arch in sorted(archs & set(kernel.limits)):
            if (name, arch) not in there:
                problems.append(
                    f"{name} on {arch}: in the budget, not in the library: check.py --update drops it"
                )
    return problems


def updated(found: List[Report], limits: Dict[str, budget.Kernel]) -> Dict[str, budget.Kernel]:
    """The budget for what was found. Lines of architectures that were not compiled stay."""
    archs = {r.arch for r in found}
    kernels: Dict[str, budget.Kernel] = {}
    for r in found:
        if r.name not in kernels:
            old = limits.get(r.name, budget.Kernel(None, {}))
            kept = {arch: one for arch, one in old.limits.items() if arch not in archs}
            kernels[r.name] = budget.Kernel(old.dynamic, kept)
        kernels[r.name].limits[r.arch] = budget.limits_for(r.figures)
    return kernels


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "library", type=pathlib.Path, help="libllama4_cuda.so, or an object file of nvcc"
    )
    parser.add_argument(
        "--toolkit", type=pathlib.Path, required=True, help="root of the CUDA toolkit"
    )
    parser.add_argument("--budget", type=pathlib.Path, default=HERE / "budget.txt")
    parser.add_argument(
        "--update", action="store_true", help="rewrite the budget to what was found"
    )
    parser.add_argument("--only", default="", metavar="REGEX", help="print these kernels alone")
    parser.add_argument(
        "--cycles", action="store_true", help="print the main loop's cycles by unit"
    )
    parser.add_argument("--quiet", action="store_true", help="print no table")
    options = parser.parse_args()

    rates = machine.Rates(HERE / "rates.txt")
    limits = budget.read(options.budget) if options.budget.exists() else {}
    found = reports(cubin.Tools(options.library, options.toolkit), rates, limits)
    if not found:
        raise machine.Error(f"{options.library} has no kernels")
    if options.update:
        limits = updated(found, limits)
        budget.write(options.budget, limits)
    if not options.quiet:
        print_table([r for r in found if re.search(options.only, r.name)], options.cycles)
    problems = problems_of(found, limits)
    for problem in problems:
        print(f"check.py: {problem}", file=sys.stderr)
    kernels = len({r.name for r in found})
    print(
        f"{kernels} kernels on {len({r.arch for r in found})} architectures: {len(problems)} problems"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `check.py ... | head` is no error
    try:
        sys.exit(main())
    except machine.Error as error:
        sys.exit(f"check.py: {error}")
