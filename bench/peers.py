#!/usr/bin/env python3
"""Adds the times of PyTorch (cuBLAS, scaled_dot_product_attention) and of flash_attn, where they are installed, to a
bench.json: the same shapes in bf16, the same copy before each sample, CUDA events, the median of as many samples.
Usage: peers.py BENCH_JSON        the file is written anew; then: bench.test -table BENCH_JSON
       peers.py --fake BENCH_JSON   invented times, to test this script without a GPU"""
import json
import statistics
import sys

WARM_UPS, SAMPLES = 5, 30


def matmul_shape(result):
    """(m, n, k) of a dense matmul, None for anything else."""
    s = result["shape"]
    if result["operation"] == "Matmul":
        return s["m"], s["n"], s["k"]
    if result["operation"] == "Logits":
        return s["rows"], s["n"], s["k"]
    return None


def attention_shape(result):
    """(batch, queries, keys, heads, kv_heads, dim, causal), None for anything else: what these libraries mask as we do
    are a whole prompt and single queries, and a chunk only where it is the last keys of a single query."""
    if result["operation"] != "Attention":
        return None
    s = result["shape"]
    new, context, chunk = s["new"], s["context"], s.get("chunk", 0)
    if new == 1:
        keys = (context - 1) % chunk + 1 if chunk else context
    elif new == context and (not chunk or context <= chunk):
        keys = context
    else:
        return None
    return s["sequences"], new, keys, s["heads"], s["kv_heads"], s["dim"], new > 1


def spread(us):
    """The times in microseconds as bench.json has them."""
    us = sorted(us)

    def at(share):
        place = share * (len(us) - 1)
        low = int(place)
        high = min(low + 1, len(us) - 1)
        return us[low] + (place - low) * (us[high] - us[low])

    return {"samples": len(us), "min": us[0], "q1": at(0.25), "median": statistics.median(us), "q3": at(0.75), "max": us[-1]}


class Fake:
    """Stands for the libraries in a test."""

    @staticmethod
    def matmul(*shape):
        yield "fake matmul " + " ".join(map(str, shape)), [4, 1, 2]

    @staticmethod
    def attention(*shape):
        yield "fake attention " + " ".join(map(str, shape)), [4, 1, 2]


class Torch:
    """Calls the libraries; flush is how many bytes are read and written before each sample."""

    def __init__(self, torch, flush):
        self.torch = torch
        words = max(flush, 2) // 2 // 4
        self.source = torch.zeros(words, dtype=torch.int32, device="cuda")
        self.target = torch.zeros_like(self.source)
        try:
            import flash_attn
        except ImportError:
            flash_attn = None
        self.flash = flash_attn

    def time(self, call):
        cuda, us = self.torch.cuda, []
        for i in range(WARM_UPS + SAMPLES):
            start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
            self.target.copy_(self.source)
            start.record()
            call()
            end.record()
            end.synchronize()
            if i >= WARM_UPS:
                us.append(start.elapsed_time(end) * 1e3)
        return us

    def random(self, *shape):
        return self.torch.randn(*shape, dtype=self.torch.bfloat16, device="cuda")

    def matmul(self, m, n, k):
        x, w = self.random(m, k), self.random(n, k) * k**-0.5
        out = self.torch.empty(m, n, dtype=x.dtype, device="cuda")
        yield f"torch {self.torch.__version__} matmul (cuBLAS)", self.time(lambda: self.torch.matmul(x, w.t(), out=out))

    def attention(self, batch, queries, keys, heads, kv_heads, dim, causal):
        q, k, v = (self.random(batch, h, n, dim) for h, n in ((heads, queries), (kv_heads, keys), (kv_heads, keys)))
        sdpa = self.torch.nn.functional.scaled_dot_product_attention
        yield f"torch {self.torch.__version__} SDPA", self.time(lambda: sdpa(q, k, v, is_causal=causal, enable_gqa=True))
        if self.flash:
            q, k, v = (t.transpose(1, 2).contiguous() for t in (q, k, v))
            call = lambda: self.flash.flash_attn_func(q, k, v, causal=causal)
            yield f"flash_attn {self.flash.__version__}", self.time(call)


def measure(libraries, result):
    """The peers of a result: what failed is said and left out."""
    peers = []
    for kind, shape in (("matmul", matmul_shape(result)), ("attention", attention_shape(result))):
        if shape is None:
            continue
        try:
            for library, us in getattr(libraries, kind)(*shape):
                times = spread(us)
                median = times["median"]
                peers.append({"library": library, "us": times, "tflop_s": result.get("flops", 0) / median / 1e6,
                              "gb_s": result["bytes"] / median / 1e3})
        except (RuntimeError, TypeError) as error:  # out of memory, or what a library does not take
            print(f"peers.py: {result['name']}: {str(error).splitlines()[0]}")
    return peers


def main():
    *flags, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    libraries = Fake
    if flags != ["--fake"]:
        try:
            import torch
        except ImportError:
            torch = None
        if torch is None or not torch.cuda.is_available():
            print("peers.py: no torch with CUDA here: nothing to compare with")
            return
        libraries = Torch(torch, report["flush"])
    for result in report["results"]:
        if "us" not in result:
            continue
        peers = measure(libraries, result)
        if peers:
            result["peers"] = peers
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
