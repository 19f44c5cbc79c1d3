"""Writes the files that the tests of package safetensors read, with the reference implementation (safetensors 0.8).
Usage, in this folder: ~/.cache/llama4-oracle/bin/python write.py
  all.safetensors        a tensor of each element type, a scalar, an empty one and a name that JSON escapes; with metadata
  all.json               for each tensor: dtype, shape, the bits of its float32 values (NaN as null)
  sharded/               three tensors in two shards with an index, as transformers writes them
  odd.safetensors        a file as old writers made them: the float32 tensor starts at an odd byte"""
import json, os, struct
import torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
f16 = [0, 0x8000, 1, 0x3ff, 0x400, 0x3c00, 0xbc00, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x3555, 0x8001]
bf16 = [0, 0x8000, 1, 0x7f, 0x80, 0x3f80, 0xbf80, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0, 0x3eab, 0x4049]
f32 = [0.0, -0.0, 1.0, -1.5, 3.4028234663852886e38, 1e-45, float("inf"), float("-inf"), float("nan"), 0.1]
bits = lambda v, dtype: torch.tensor([x - 65536 if x > 32767 else x for x in v], dtype=torch.int16).view(dtype)
codes = torch.arange(256).to(torch.uint8)
tensors = {
    "bool": torch.tensor([[True, False], [False, True]]),
    "u8": torch.tensor([0, 1, 127, 128, 255], dtype=torch.uint8),
    "i8": torch.tensor([0, 1, 127, -128, -1], dtype=torch.int8),
    "e5m2": codes.clone().view(torch.float8_e5m2).reshape(16, 16),
    "e4m3": codes.view(torch.float8_e4m3fn).reshape(2, 128),
    "i16": torch.tensor([0, 32767, -32768, -1], dtype=torch.int16),
    "u16": torch.tensor([0, 32767, 65535], dtype=torch.int32).to(torch.uint16),
    "f16": bits(f16, torch.float16),
    "bf16": bits(bf16, torch.bfloat16).reshape(2, 7),
    "i32": torch.tensor([0, 2147483647, -2147483648, 16777217], dtype=torch.int32),
    "u32": torch.tensor([0, 4294967295, 16777217], dtype=torch.int64).to(torch.uint32),
    "f32": torch.tensor(f32),
    "f64": torch.tensor([0.0, 0.1, -1e300, 1e-300, 16777217.0, float("nan")], dtype=torch.float64),
    "i64": torch.tensor([0, 9223372036854775807, -9223372036854775808, 16777217], dtype=torch.int64),
    "u64": torch.tensor([0, 9223372036854775807, 16777217], dtype=torch.int64).to(torch.uint64),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(3, 0, 2),
    'odd "name" é <&>\n': torch.tensor([1.0]),
}
save_file(tensors, os.path.join(here, "all.safetensors"), metadata={"format": "pt <é>"})
want = {}
for name, t in tensors.items():
    v = t.float().flatten()
    want[name] = {"dtype": str(t.dtype), "shape": list(t.shape),
                  "bits": [None if x != x else int(b) & 0xFFFFFFFF for x, b in zip(v.tolist(), v.view(torch.int32).tolist())]}
with open(os.path.join(here, "all.json"), "w") as f: json.dump(want, f, separators=(",", ":"))

d = os.path.join(here, "sharded"); os.makedirs(d, exist_ok=True)
shards = {"model-00001-of-00002.safetensors": {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b": torch.tensor([1, 2])},
          "model-00002-of-00002.safetensors": {"c": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16)}}
for name, ts in shards.items(): save_file(ts, os.path.join(d, name), metadata={"format": "pt"})
index = {"metadata": {"total_size": 44}, "weight_map": {t: name for name, ts in shards.items() for t in ts}}
with open(os.path.join(d, "model.safetensors.index.json"), "w") as f: json.dump(index, f, indent=2)

head = b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}'
head += b" " * (len(head) % 2)  # so y starts at an odd byte of the file
with open(os.path.join(here, "odd.safetensors"), "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head + b"\x07" + struct.pack("<2f", 1.25, -3.0))
