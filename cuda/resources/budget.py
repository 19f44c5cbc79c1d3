"""The budget: what every kernel may use, a readable text file."""

import math
import pathlib
from typing import Dict, List, NamedTuple, Optional

from machine import Error, capability


class Figures(NamedTuple):
    """Of one kernel on one architecture. As limits: the first two at most, the others at least."""

    registers: int
    static: int
    share: Optional[float]  # of the main loop's instructions that are the tensor core's
    tensor: Optional[float]  # how busy the tensor core can be
    dram: Optional[float]  # how busy device memory can be


class Kernel(NamedTuple):
    dynamic: Optional[int]  # bytes of shared memory that the launch asks for
    limits: Dict[str, Figures]  # by architecture


def read(path: pathlib.Path) -> Dict[str, Kernel]:
    kernels: Dict[str, Kernel] = {}
    kernel = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split("#", 1)[0].split()
        try:
            if not words:
                continue
            if not line[0].isspace():
                name, label, dynamic = words
                if label != "dynamic":
                    raise ValueError
                kernel = Kernel(None if dynamic == "?" else int(dynamic), {})
                kernels[name] = kernel
                continue
            if kernel is None or words[1::2] != list(Figures._fields):
                raise ValueError
            least = [None if word == "-" else float(word) for word in words[6::2]]
            kernel.limits[words[0]] = Figures(int(words[2]), int(words[4]), *least)
        except ValueError as error:
            raise Error(f"{path.name}:{number}: not a line of a budget: {line.strip()}") from error
    return kernels


def write(path: pathlib.Path, kernels: Dict[str, Kernel]) -> None:
    lines: List[str] = [
        "# What check.py holds the kernels to, by kernel and architecture. registers, static (bytes of",
        "# shared memory): at most. share (tensor-core instructions of the main loop), tensor, dram (how",
        "# busy the tensor core and device memory can be): at least. Spills and local memory: none.",
        "# dynamic: the bytes of shared memory that the launch asks for, at most: written by hand, all",
        "# else by check.py --update.",
    ]
    for name in sorted(kernels):
        kernel = kernels[name]
        lines += ["", f"{name}  dynamic {'?' if kernel.dynamic is None else kernel.dynamic}"]
        for arch in sorted(kernel.limits, key=capability):
            parts = [
                f"{field} {_text(value)}"
                for field, value in zip(Figures._fields, kernel.limits[arch])
            ]
            lines.append(f"  {arch:<8} " + "  ".join(parts))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(value) -> str:
    if value is None:
        return "   -"
    return f"{value:4d}" if isinstance(value, int) else f"{value:.2f}"


def limits_for(figures: Figures) -> Figures:
    """A budget for what was found: registers up to the eight that are given out at once, the
    shares less a twentieth, so that another compiler of the same version range passes."""

    def less(x: Optional[float]) -> Optional[float]:
        return None if x is None else math.floor(x * 95) / 100

    return Figures(
        -(-figures.registers // 8) * 8,
        figures.static,
        less(figures.share),
        less(figures.tensor),
        less(figures.dram),
    )


def compare(name: str, arch: str, found: Figures, limit: Figures) -> List[str]:
    what = {
        "registers": "registers a thread",
        "static": "bytes of static shared memory",
        "share": "of the main loop's instructions are the tensor core's",
        "tensor": "is how busy the tensor core can be",
        "dram": "is how busy device memory can be",
    }
    problems = []
    for field in Figures._fields:
        have, want = getattr(found, field), getattr(limit, field)
        if want is None:
            continue
        where = f"{name} on {arch}:"
        if have is None:
            problems.append(
                f"{where} nothing {what[field]}, the budget says {_text(want).strip()} at least"
            )
        elif field in ("registers", "static"):
            if have > want:
                problems.append(f"{where} {have} {what[field]}, the budget says {want} at most")
        elif have < want:
            problems.append(
                f"{where} {have:.3f} {what[field]}, the budget says {want:.2f} at least"
            )
    return problems
