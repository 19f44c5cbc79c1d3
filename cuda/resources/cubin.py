"""What the toolkit's tools say about a library's kernels."""

import os
import pathlib
import re
import subprocess
from typing import Dict, Iterable, Iterator, List, Tuple

import sass
from machine import Error, capability

Key = Tuple[str, str]  # architecture, mangled name

_ARCH = re.compile(r"^arch = (sm_\w+)")
_USAGE_FUNCTION = re.compile(r"^\s*Function (\S+):$")
_USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
_INFO = re.compile(r"^\.nv\.info\.(\S+)")
_VALUE = re.compile(r"^\s*Value:\s*0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+)")


class Tools:
    def __init__(self, library: pathlib.Path, toolkit: pathlib.Path):
        self.library = library
        self.bin = toolkit / "bin"
        for tool in ("cuobjdump", "nvdisasm"):
            if not (self.bin / tool).exists():
                raise Error(f"there is no {tool} in {self.bin}")
        if not library.exists():
            raise Error(f"there is no {library}")

    def _cuobjdump(self, *options: str) -> Iterator[str]:
        # cuobjdump looks for nvdisasm on PATH.
        path = f"{self.bin}{os.pathsep}{os.environ.get('PATH', '')}"
        with subprocess.Popen(
            [str(self.bin / "cuobjdump"), *options, str(self.library)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env={**os.environ, "PATH": path},
        ) as process:
            assert process.stdout
            yield from process.stdout
        if process.returncode:
            raise Error(f"cuobjdump {' '.join(options)} {self.library} failed")

    def usage(self) -> Dict[Key, Dict[str, int]]:
        return parse_usage(self._cuobjdump("-res-usage"))

    def threads(self) -> Dict[Key, int]:
        return parse_threads(self._cuobjdump("-elf"))

    def code(self, arch: str) -> Iterator[Tuple[str, List[sass.Instruction]]]:
        for _, name, code in sass.parse(self._cuobjdump("-arch", arch, "-sass")):
            yield name, code


def parse_usage(lines: Iterable[str]) -> Dict[Key, Dict[str, int]]:
    found: Dict[Key, Dict[str, int]] = {}
    arch = function = ""
    for line in lines:
        other, begin, usage = _ARCH.match(line), _USAGE_FUNCTION.match(line), _USAGE.search(line)
        if other:
            arch = other.group(1)
        elif begin:
            function = begin.group(1)
        elif usage and function:
            registers, stack, shared, local = map(int, usage.groups())
            # From 9.0 on the figure contains what the system keeps for itself of every block.
            reserved = 1024 if capability(arch) >= 90 else 0
            found[arch, function] = {
                "registers": registers,
                "static": max(0, shared - reserved),
                "stack": stack + local,
            }
            function = ""
    return found


def parse_threads(lines: Iterable[str]) -> Dict[Key, int]:
    """The block sizes that __launch_bounds__ allows."""
    found: Dict[Key, int] = {}
    arch = function = ""
    bounds = False
    for line in lines:
        if line.startswith("arch = "):
            other = _ARCH.match(line)
            arch, function = (other.group(1) if other else ""), ""
        elif line.startswith("."):
            info = _INFO.match(line)
            function = info.group(1) if info else ""
        elif function and "Attribute:" in line:
            bounds = "EIATTR_MAX_THREADS" in line or "EIATTR_REQNTID" in line
        elif bounds and function:
            value = _VALUE.match(line)
            if value:
                x, y, z = (int(one, 16) for one in value.groups())
                found[arch, function] = x * y * z
    return found


def demangle(names: Iterable[str]) -> Dict[str, str]:
    """Mangled names to short ones: without namespaces, parameters and spaces."""
    names = sorted(set(names))
    try:
        text = subprocess.run(
            ["c++filt"], input="\n".join(names), stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Error(f"c++filt (package binutils) does not run: {error}") from error
    return {name: shorten(long) for name, long in zip(names, text.splitlines())}


def shorten(name: str) -> str:
    name = name.replace("(anonymous namespace)::", "").replace("ll4::cuda::", "")
    name = re.sub(r"\((?:unsigned )?(?:int|bool|long|short|char)\)", "", name)
    depth = 0
    for i, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth == 0:
            name = name[:i]
            break
    name = re.sub(r"^void ", "", name)
    return name.replace(" ", "")
