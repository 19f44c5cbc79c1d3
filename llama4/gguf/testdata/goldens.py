"""Writes the files of this folder: blocks of random bytes in every type that is read, what the
package gguf makes of them in fp32, and metadata of every type.

    pip install gguf==0.19.0
    python goldens.py
"""

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES

ROWS, COLUMNS = 3, 512
TYPES = [T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q4_K, T.Q5_K, T.Q6_K]
# Where a block holds numbers in fp16.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2],
          T.Q5_K: [0, 2], T.Q6_K: [208]}
rng = np.random.default_rng(4)


def random_blocks(t):
    values, size = GGML_QUANT_SIZES[t]
    blocks = rng.integers(0, 256, (ROWS * COLUMNS // values, size), dtype=np.uint8)
    if t in (T.F16, T.BF16):
        x = (rng.standard_normal(blocks.shape[0]) * 10.0 ** rng.integers(-6, 4, blocks.shape[0])).astype(np.float32)
        x[:4] = [0.0, -0.0, 1e-7, -65504.0]
        x = quants.quantize(x, t) if t == T.BF16 else x.astype(np.float16)
        return x.view(np.uint8).reshape(ROWS, -1)
    for at in HALVES[t]:  # any sign and size, subnormal ones too, but finite
        h = (rng.standard_normal(len(blocks)) * 10.0 ** rng.integers(-7, 3, len(blocks))).astype(np.float16)
        h[0] = -0.0
        blocks[:, at:at + 2] = h.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(ROWS, -1)


def metadata(w):
    for kind, value in [("uint8", 200), ("int8", -100), ("uint16", 60000), ("int16", -30000),
                        ("uint32", 4000000000), ("int32", -2000000000), ("uint64", 1 << 62),
                        ("int64", -(1 << 62)), ("float32", 0.5), ("float64", 0.1), ("bool", True)]:
        getattr(w, f"add_{kind}")(f"one.{kind}", value)
    w.add_string("one.string", "Grüße")
    w.add_array("list.string", ["a", "", "ß"])
    w.add_array("list.int32", [1, -2, 3])


w = GGUFWriter("types.gguf", "llama4")
w.add_custom_alignment(64)
metadata(w)
for t in TYPES:
    data = random_blocks(t)
    w.add_tensor(t.name, data, raw_dtype=t)
    w.add_tensor(t.name + ".f32", quants.dequantize(data, t).reshape(ROWS, COLUMNS))
w.add_tensor("stack", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
w.add_tensor("row", np.arange(5, dtype=np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

w = GGUFWriter("split.gguf", "llama4", split_max_tensors=2)
for i in range(5):
    w.add_tensor(f"t{i}", np.full((2, 32), i, dtype=np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
