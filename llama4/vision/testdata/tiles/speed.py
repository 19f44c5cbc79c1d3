"""Times the reference image processor on the pictures of BenchmarkTiles.

Run with the reference environment (transformers 4.57):
    python llama4/vision/testdata/tiles/speed.py [threads]

A picture goes in as PIL has it and comes out as tiles of bytes; rescaling and normalising, which the Go package leaves
to a table, are timed apart. Prints the median and the range of 15 runs of wall time, and the median time of the
processor, which a busy machine does not change much.
"""
import statistics
import sys
import time

import numpy as np
import torch
from PIL import Image
from transformers.models.llama4.image_processing_llama4_fast import Llama4ImageProcessorFast

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
rng = np.random.default_rng(0)
for normalized in (False, True):
    processor = Llama4ImageProcessorFast(do_rescale=normalized, do_normalize=normalized)
    for width, height in ((1000, 750), (4000, 3000), (300, 200)):
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        wall, cpu = [], []
        for _ in range(18):
            start, start_cpu = time.perf_counter(), time.process_time()
            processor(picture, return_tensors="pt")
            wall.append(1e3 * (time.perf_counter() - start))
            cpu.append(1e3 * (time.process_time() - start_cpu))
        wall, cpu = sorted(wall[3:]), sorted(cpu[3:])
        print(f"{width}x{height}, {'bfloat16' if normalized else 'bytes'}: {statistics.median(wall):.2f} ms "
              f"({wall[0]:.2f} to {wall[-1]:.2f}), {1e3 / statistics.median(wall):.1f} images/s, "
              f"processor time {statistics.median(cpu):.2f} ms")
