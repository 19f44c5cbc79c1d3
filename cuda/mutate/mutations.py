"""What can be taken out of a kernel: barriers, waits and boundary checks, found in its text.

The sources are laid out by clang-format, which this relies on: a comparison has spaces around it, a
template argument has none.
"""

import re
from dataclasses import dataclass

# Leaves with nothing. A return of something else is the other way to do the same.
EXIT = re.compile(r"\s*\{?\s*(return( -1| 0| false| nullptr| \{\})?|continue|break);")
SYNC = re.compile(
    r"\b(?P<name>sync_threads|sync_warp|copy_async_commit|copy_async_wait)"
    r"(?:<(?P<pending>[^;()]*)>)?\([^;]*?\);"
)
COMPARISON = re.compile(r" (<=|>=|<|>) ")
MIN = re.compile(r"\b(?:std::)?(?:min|least|fminf)\(")
NAME = re.compile(r"!?[A-Za-z_][\w.]*(?:->\w+)*")
NOTHING = re.compile(r"(?:0u?|0\.0f|-1|nullptr|-INFINITY|bf16\{0\}|0x0p0)$")


@dataclass(frozen=True)
class Mutation:
    file: str
    line: int  # from 1
    begin: int  # what [begin, end) of the text is replaced by `new`
    end: int
    old: str
    new: str
    text: str  # the line, stripped
    place: int  # which column of it, to tell two of a line apart

    def name(self):
        return f"{self.file}:{self.line}"

    def change(self):
        return f"`{self.old}` -> `{self.new}`"


def blank(text):
    """The text with comments, strings and preprocessor lines as spaces."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'|^#[^\n]*', re.S | re.M
    )
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def closing(text, at):
    """The index of the bracket that closes the one at `at`."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    depth = 0
    for i in range(at, len(text)):
        if text[i] in pairs:
            depth += 1
        elif text[i] in pairs.values():
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def device_bodies(text):
    """[begin, end) of the bodies of functions that run on the device."""
    end = 0
    for m in re.finditer(r"__(?:device|global)__", text):
        if m.start() < end:
            continue
        # The body is the first brace outside of parentheses; a declaration has none.
        i = m.end()
        while i < len(text) and text[i] not in "{;":
            i = closing(text, i) + 1 if text[i] == "(" else i + 1
        if i < len(text) and text[i] == "{":
            end = closing(text, i)
            yield i, end


def spans(text, head, begin, end):
    """[begin, end) of what stands in the parentheses after a keyword."""
    for m in re.finditer(head + r" \(", text[begin:end]):
        at = begin + m.end() - 1
        yield at + 1, closing(text, at)


def operand_left(text, at, condition=False):
    """Where the operand of a comparison before `at` begins, or the condition of a ? there."""
    depth = 0
    i = at
    while i > 0:
        c = text[i - 1]
        if c in ")]}":
            depth += 1
        elif c in "([{":
            if depth == 0:
                return i
            depth -= 1
        elif depth == 0:
            if c in ",;?" or (not condition and (c == "!" or text[i - 2 : i] in ("&&", "||"))):
                return i
            if c == ":" and text[i - 2] != ":" and text[i] != ":":
                return i
            if c == "=" and text[i] == " " and not (condition and text[i - 2] in "=!<>"):
                return i
            if not condition and c in "&|^" and text[i - 2] == " " and text[i] == " ":
                return i
            if text[max(0, i - 6) : i] == "return":
                return i
        i -= 1
    return 0


def operand_right(text, at):
    depth = 0
    for i in range(at, len(text)):
        c = text[i]
        if c in "([{":
            depth += 1
        elif c in ")]}":
            if depth == 0:
                return i
            depth -= 1
        elif depth == 0:
            if c in ",;?" or text[i : i + 2] in ("&&", "||", "==", "!="):
                return i
            if c == ":" and text[i + 1] != ":" and text[i - 1] != ":":
                return i
            if c in "&|^" and text[i - 1] == " " and text[i + 1] == " ":
                return i
    return len(text)


def trim(text, begin, end):
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end


class Finder:
    def __init__(self, file, text):
        self.file = file
        self.text = text
        self.code = blank(text)
        self.found = {}

    def add(self, begin, end, new):
        begin, end = trim(self.text, begin, end)
        old = " ".join(self.text[begin:end].split())
        if old == new or (begin, end, new) in self.found:
            return
        start = self.text.rfind("\n", 0, begin) + 1
        stop = self.text.find("\n", begin)
        self.found[begin, end, new] = Mutation(
            self.file,
            self.text.count("\n", 0, begin) + 1,
            begin,
            end,
            old,
            new,
            self.text[start:stop].strip(),
            begin - start,
        )

    def all(self):
        for begin, end in device_bodies(self.code):
            self.syncs(begin, end)
            self.checks(begin, end)
        return sorted(self.found.values(), key=lambda m: (m.begin, m.end, m.new))

    def syncs(self, begin, end):
        for m in SYNC.finditer(self.code, begin, end):
            self.add(m.start(), m.end(), ";")
            if m["name"] == "copy_async_wait":
                self.add(*m.span("pending"), f"({m['pending']}) + 1")

    def checks(self, begin, end):
        code = self.code
        loops = [s for head in (r"\bfor", r"\bwhile") for s in spans(code, head, begin, end)]
        exits = []
        for first, last in spans(code, r"\bif", begin, end):
            if EXIT.match(code, last + 1):
                exits.append((first, last))
            elif NAME.fullmatch(code[first:last]):
                self.add(first, last, "false" if code[first] == "!" else "true")
        for first, last in exits:
            if not COMPARISON.search(code, first, last) or re.search(r"&&|\|\|", code[first:last]):
                self.add(first, last, f"({' '.join(self.text[first:last].split())}) && false")
        for m in COMPARISON.finditer(code, begin, end):
            if any(first <= m.start() < last for first, last in loops):
                continue
            left = trim(code, operand_left(code, m.start()), m.start())[0]
            right = trim(code, m.end(), operand_right(code, m.end()))[1]
            statement = max(code.rfind(c, 0, left) for c in ";{}") + 1
            if re.match(r"\s*(static )?(constexpr|static_assert)", code[statement:left]):
                continue
            self.comparison(m[1], left, m.start(), m.end(), right)
        for m in MIN.finditer(code, begin, end):
            last = closing(code, m.end() - 1)
            cut = operand_right(code, m.end())
            self.add(m.start(), last + 1, f"({self.text[m.end():cut]})")
            self.add(m.start(), last + 1, f"({self.text[cut + 1:last].strip()})")
        for m in re.finditer(r" \? ", code[begin:end]):
            self.choice(begin + m.start())

    def comparison(self, op, left, op_begin, op_end, right):
        code = self.code
        first, second = code[left:op_begin].strip(), code[op_end:right].strip()
        # What the comparison gives when all is well: one of several that must hold, one of several
        # that must not, or by its direction.
        before, after = code[:left].rstrip()[-2:], code[right:].lstrip()[:2]
        if "||" in (before, after):
            holds = False
        elif "&&" in (before, after):
            holds = True
        elif second in ("0", "0u"):
            holds = op in (">", ">=")
        else:
            holds = op in ("<", "<=")
        if before == "!(":
            holds = not holds
        self.add(left, right, "true" if holds else "false")
        # a < b ? a : b bounds from both sides.
        m = re.match(r"\s*\?\s*(.*?)\s*:\s*(.*)", code[right:], re.S)
        if m and {m[1], m[2][: len(second)], m[2][: len(first)]} & {first, second}:
            self.add(left, right, "false" if holds else "true")

    def choice(self, at):
        """cond ? value : nothing, without a comparison in cond, is taken to be wanted."""
        code = self.code
        left = operand_left(code, at, condition=True)
        if COMPARISON.search(code, left, at) or "constexpr" in code[code.rfind("\n", 0, left) : left]:
            return
        middle = operand_right(code, at + 3)
        last = operand_right(code, middle + 1)
        if NOTHING.match(code[middle + 1 : last].strip()):
            self.add(left, at, "true")
        elif NOTHING.match(code[at + 3 : middle].strip()):
            self.add(left, at, "false")


def find(file, text):
    return Finder(file, text).all()
