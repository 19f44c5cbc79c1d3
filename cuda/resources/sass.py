"""Reads machine code as `cuobjdump -sass` prints it: instructions, loops, and paths through a loop."""

import re
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple


class Instruction(NamedTuple):
    address: int
    predicate: str  # "@P0", "@!UP1" or ""
    opcode: str  # "HMMA.16816.F32.BF16"
    operands: str

    @property
    def name(self) -> str:
        return self.opcode.split(".", 1)[0]


_ARCH = re.compile(r"^arch = (sm_\w+)")
_FUNCTION = re.compile(r"^\s*Function : (\S+)")
_INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:(@!?U?P\w+)\s+)?([A-Z][\w.]*)\s*([^;]*);")
_TARGET = re.compile(r"\b0x([0-9a-f]+)\s*$")


def parse(lines: Iterable[str]) -> Iterator[Tuple[str, str, List[Instruction]]]:
    """Yields architecture, mangled name and instructions of every function."""
    arch = function = ""
    code: List[Instruction] = []
    for line in lines:
        found = _INSTRUCTION.match(line)
        if found:
            address, predicate, opcode, operands = found.groups()
            code.append(Instruction(int(address, 16), predicate or "", opcode, operands.strip()))
            continue
        begin, other = _FUNCTION.match(line), _ARCH.match(line)
        if (begin or other) and function:
            yield arch, function, _without_padding(code)
            function = ""
        if begin:
            function, code = begin.group(1), []
        elif other:
            arch = other.group(1)
    if function:
        yield arch, function, _without_padding(code)


def _without_padding(code: List[Instruction]) -> List[Instruction]:
    """Without the NOPs, and the endless loop before them, that fill up a function."""
    end = len(code)
    while end and code[end - 1].opcode == "NOP":
        end -= 1
    if end and code[end - 1].name == "BRA" and _target(code[end - 1]) == code[end - 1].address:
        end -= 1
    return code[:end]


def _target(instruction: Instruction) -> Optional[int]:
    found = _TARGET.search(instruction.operands)
    return int(found.group(1), 16) if found else None


def _is_jump(instruction: Instruction) -> bool:
    # BRA.DIV is taken by warps whose lanes have parted before a collective: never, in a loop that
    # is worth counting.
    return instruction.name in ("BRA", "JMP") and ".DIV" not in instruction.opcode


def _falls_through(instruction: Instruction) -> bool:
    if instruction.predicate not in ("", "@PT", "@UPT"):
        return True
    if instruction.name in ("EXIT", "RET", "BRX", "JMX", "KILL"):
        return False
    if _is_jump(instruction):
        # "BRA P1, 0x40" and "BRA.U !UP0, 0x40": a condition among the operands.
        return "," in instruction.operands
    return True


class Graph:
    """A function's basic blocks, by number in the order of their addresses."""

    def __init__(self, code: List[Instruction]):
        self.blocks = self._split(code)
        first = {block[0].address: i for i, block in enumerate(self.blocks)}
        self.next: List[List[int]] = []
        for i, block in enumerate(self.blocks):
            last, after = block[-1], []
            if _falls_through(last) and i + 1 < len(self.blocks):
                after.append(i + 1)
            target = _target(last) if _is_jump(last) else None
            if target in first:
                after.append(first[target])
            self.next.append(after)
        self.loops = self._find_loops()

    @staticmethod
    def _split(code: List[Instruction]) -> List[List[Instruction]]:
        starts = {_target(i) for i in code if _is_jump(i)}
        blocks: List[List[Instruction]] = []
        fresh = True
        for instruction in code:
            if fresh or instruction.address in starts:
                blocks.append([])
            blocks[-1].append(instruction)
            fresh = _is_jump(instruction) or not _falls_through(instruction)
        return blocks

    def _dominators(self) -> Dict[int, int]:
        """Of every block that is reached its immediate dominator (Cooper, Harvey and Kennedy)."""
        order = _postorder(0, self.next)
        rank = {block: n for n, block in enumerate(order)}
        before: Dict[int, List[int]] = {block: [] for block in order}
        for block in order:
            for after in self.next[block]:
                before[after].append(block)
        nearest = {0: 0}
        changed = bool(order)
        while changed:
            changed = False
            for block in reversed(order):
                if block == 0:
                    continue
                found = None
                for one in before[block]:
                    if one in nearest:
                        found = one if found is None else _meet(found, one, nearest, rank)
                if found is not None and nearest.get(block) != found:
                    nearest[block] = found
                    changed = True
        return nearest

    def _find_loops(self) -> Dict[int, Set[int]]:
        """Natural loops: the first block of each, and all of its blocks."""
        if not self.blocks:
            return {}
        nearest = self._dominators()
        before: Dict[int, List[int]] = {block: [] for block in nearest}
        for block in nearest:
            for after in self.next[block]:
                before[after].append(block)
        loops: Dict[int, Set[int]] = {}
        for block in nearest:
            for head in self.next[block]:
                if _dominates(head, block, nearest):
                    body = loops.setdefault(head, {head})
                    todo = [block]
                    while todo:
                        one = todo.pop()
                        if one not in body:
                            body.add(one)
                            todo.extend(before[one])
        return loops

    def path(self, head: int, body: Set[int], weigh) -> List[Instruction]:
        """The path through a loop, or through the function, of the largest sum of weigh(block);
        inner loops run once."""
        after = {block: [n for n in self.next[block] if n in body] for block in body}
        best: Dict[int, Tuple[tuple, Optional[int]]] = {}
        done: Set[int] = set()
        for block in _postorder(head, after):
            ahead = [(best[n][0], n) for n in after[block] if n in done]
            weight, then = max(ahead) if ahead else (None, None)
            own = weigh(self.blocks[block])
            best[block] = (own if weight is None else tuple(map(sum, zip(own, weight))), then)
            done.add(block)
        found: List[Instruction] = []
        at: Optional[int] = head
        while at is not None:
            found.extend(self.blocks[at])
            at = best[at][1]
        return found


def _postorder(start: int, after) -> List[int]:
    order: List[int] = []
    seen = {start}
    stack = [(start, iter(after[start]))]
    while stack:
        block, ahead = stack[-1]
        for one in ahead:
            if one not in seen:
                seen.add(one)
                stack.append((one, iter(after[one])))
                break
        else:
            order.append(block)
            stack.pop()
    return order


def _meet(a: int, b: int, nearest: Dict[int, int], rank: Dict[int, int]) -> int:
    while a != b:
        while rank[a] < rank[b]:
            a = nearest[a]
        while rank[b] < rank[a]:
            b = nearest[b]
    return a


def _dominates(head: int, block: int, nearest: Dict[int, int]) -> bool:
    while block != head and block != 0:
        block = nearest[block]
    return block == head
