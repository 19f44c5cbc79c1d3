"""What an SM can do a clock: the cycles that instructions take, the bound they set, and occupancy."""

import pathlib
import re
from typing import Dict, Iterable, List, NamedTuple, Set, Tuple

from sass import Instruction

LIMITS = ("warps", "blocks", "registers", "shared", "shared_block")
THREADS = ("issue", "fma", "imad", "alu", "mufu", "fp64", "lsu")
BYTES = ("l1", "dram")
TENSOR = ("hmma", "imma", "qmma", "omma", "hgmma", "qgmma", "igmma")
SUB_CORES = 4


class Error(Exception):
    """What the user is told."""


def capability(arch: str) -> int:
    """90 of sm_90a."""
    return int(re.sub(r"\D", "", arch))


class Rates:
    """rates.txt, for one compute capability after the other."""

    def __init__(self, path: pathlib.Path):
        self.columns: List[str] = []
        self.values: Dict[str, List[float]] = {}
        self.units: Dict[str, Set[str]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("# name "):
                self.columns = line.split()[2:]
            words = line.split("#", 1)[0].split()
            if words[:1] == ["unit"]:
                for name in words[2:]:
                    self.units.setdefault(name, set()).add(words[1])
            elif words:
                self.values[words[0]] = [float(word) for word in words[1:]]
        for name in LIMITS + THREADS + BYTES + TENSOR:
            if len(self.values.get(name, [])) != len(self.columns):
                raise Error(f"{path.name}: '{name}' must have {len(self.columns)} numbers")

    def of(self, arch: str) -> Dict[str, float]:
        """By name, for an architecture such as sm_90a."""
        name = str(capability(arch))
        if name not in self.columns:
            raise Error(f"rates.txt has no column for {arch}")
        column = self.columns.index(name)
        return {name: values[column] for name, values in self.values.items()}


_SHAPE = re.compile(r"\.(\d+)x(\d+)x(\d+)")
# Of mma.sync the digits run together: M is 8 or 16, N is 8.
_SYNC_SHAPE = re.compile(r"\.(8|16)(8)(\d+)(?:\.|$)")


def is_tensor(instruction: Instruction) -> bool:
    return instruction.name.endswith("MMA")


def tensor_work(instruction: Instruction) -> Tuple[str, float]:
    """The unit, and the multiply-adds that one warp's sub-core does."""
    unit = instruction.name.lower()
    wide, sync = _SHAPE.search(instruction.opcode), _SYNC_SHAPE.search(instruction.opcode)
    shape = wide or sync
    if unit not in TENSOR or not shape:
        raise Error(f"{instruction.opcode}: an instruction that rates.txt has no rate for")
    m, n, k = map(int, shape.groups())
    # A warp group's instruction is shared by the four warps that issue it.
    return unit, m * n * k / (SUB_CORES if wide else 1)


_WIDTH = re.compile(r"\.(?:[US])?(8|16|32|64|128|256)(?:\.|$)")
_MATRICES = re.compile(r"\.(\d)$")


def warp_bytes(instruction: Instruction) -> int:
    if instruction.name in ("LDSM", "STSM"):
        found = _MATRICES.search(instruction.opcode)
        return 128 * (int(found.group(1)) if found else 1)
    found = _WIDTH.search(instruction.opcode)
    return 32 * (int(found.group(1)) if found else 32) // 8


def cycles(code: Iterable[Instruction], rates: Rates, arch: str) -> Dict[str, float]:
    """Cycles of an SM sub-core in which each unit is busy when a warp runs `code` once and the
    other sub-cores do the same."""
    rate = rates.of(arch)
    busy = {name: 0.0 for name in ("tensor",) + THREADS + BYTES}
    for instruction in code:
        busy["issue"] += 32 / (rate["issue"] / SUB_CORES)
        if is_tensor(instruction):
            unit, work = tensor_work(instruction)
            if not rate[unit]:
                raise Error(f"{instruction.opcode} on {arch}: rates.txt says 0 for '{unit}'")
            busy["tensor"] += work / (rate[unit] / SUB_CORES)
        for unit in rates.units.get(instruction.name, ()):
            amount = warp_bytes(instruction) if unit in BYTES else 32
            busy[unit] += amount / (rate[unit] / SUB_CORES)
    return busy


def bound(busy: Dict[str, float], wanted: str) -> Tuple[float, str]:
    """Of a loop's cycles by unit: how busy `wanted` ("tensor" or "dram") can be at most, and the
    unit that limits it. 1.0: it is the limit itself."""
    others = {name: t for name, t in busy.items() if name not in ("tensor", "dram")}
    others[wanted] = busy[wanted]
    limit = max(others, key=lambda name: (others[name], name == wanted))
    return busy[wanted] / others[limit] if others[limit] else 0.0, limit


class Occupancy(NamedTuple):
    blocks: int
    warps: int
    limit: str


def occupancy(rate: Dict[str, float], threads: int, registers: int, shared: int) -> Occupancy:
    """Blocks that fit on an SM; 0 when the block asks for more shared memory than it may."""
    warps = -(-threads // 32)
    # Warps are dealt out to the sub-cores, each of which has a quarter of the registers.
    of_warp = -(-registers * 32 // 256) * 256
    in_registers = int(rate["registers"] / SUB_CORES // of_warp) * SUB_CORES if registers else 10**9
    fits = {
        "warps": int(rate["warps"] // warps),
        "blocks": int(rate["blocks"]),
        "registers": in_registers // warps,
        "shared memory": int(rate["shared"] // (-(-shared // 128) * 128 + 1024)),
    }
    if shared > rate["shared_block"]:
        return Occupancy(0, 0, "shared memory")
    limit = min(fits, key=lambda name: fits[name])
    return Occupancy(fits[limit], fits[limit] * warps, limit)
