#!/usr/bin/env python3
"""Writes the C source of libcuda.a: one trampoline for each function of the CUDA
driver that gorgonia.org/cu calls.

  generate.py OUTPUT SOURCES -- COMPILER FLAGS...

OUTPUT is the file to write and SOURCES the source files of cu. The compiler's
preprocessor says which function a name of cu's stands for (cuMemAlloc is
cuMemAlloc_v2) and what its parameters are, so any cuda.h that the compiler finds
will do."""
import pathlib
import re
import subprocess
import sys

MARK = "LLAMA4_NAME"


def preprocess(names, compiler):
    """Returns cuda.h without macros, and the functions behind names."""
    text = "#include <cuda.h>\n" + "".join(f"{MARK} {n}\n" for n in names)
    out = subprocess.run(compiler + ["-E", "-P", "-x", "c", "-"], input=text, text=True,
                         check=True, stdout=subprocess.PIPE).stdout
    header, *rest = re.split(rf"{MARK}\s+(\w+)", out)
    return header, rest[::2]


def prototypes(header):
    """Maps the functions of the header to the text of their parameters."""
    found = re.findall(r"\bCUresult\s+(cu[A-Z]\w*)\s*\(([^()]*)\)\s*;", header)
    return {name: " ".join(parameters.split()) for name, parameters in found}


def trampoline(name, parameters):
    """Returns the C function that hands a call on."""
    arguments = []
    if parameters not in ("", "void"):
        for p in parameters.split(","):
            arguments.append(re.search(r"(\w+)\s*(\[\w*\])?\s*$", p).group(1))
    return f"""
CUresult {name}({parameters}) {{
  static void *entry;
  CUresult failed = find("{name}", &entry);
  if (failed != CUDA_SUCCESS) return failed;
  return ((__typeof__(&{name}))entry)({", ".join(arguments)});
}}
"""


def main():
    split = sys.argv.index("--")
    output, *sources = sys.argv[1:split]
    compiler = sys.argv[split + 1:]
    names = set()
    for source in sources:
        text = pathlib.Path(source).read_text(encoding="utf-8")
        names.update(re.findall(r"\bcu[A-Z]\w*", text))
    header, functions = preprocess(sorted(names), compiler)
    known = prototypes(header)
    wanted = sorted({f for f in functions if f in known} - {"cuInit"})
    core = pathlib.Path(__file__).with_name("core.c").read_text(encoding="utf-8")
    body = "".join(trampoline(f, known[f]) for f in wanted)
    pathlib.Path(output).write_text(core + body, encoding="utf-8")
    print(f"{len(wanted)} trampolines", file=sys.stderr)


if __name__ == "__main__":
    main()
