"""Writes goldens.json.gz: canvases, resized sizes, tiles and normalised values of the reference's image processor.

Run from the repository root with the reference environment (transformers 4.57), on x86-64 with AVX2; it takes minutes:
    python llama4/vision/testdata/tiles/goldens.py

"fits": by settings, [width, height, rows, columns, new width, new height] of some sizes, and "all": a sha256 for every 100
heights of these numbers but the first two, as little-endian uint16, of every size up to 1400 x 1400, height by height.
"pictures": settings, what picture() below is called with, rows and columns, and the sha256 of all tiles as bytes, that is
without rescaling and normalising. "normalized": the bits of the bfloat16 that each byte becomes, by channel.

transformers 4.57 has resize_to_max_canvas, but fails when it is set: a variable is missing. What it was ported from,
Meta's llama_models (llama4/preprocess.py), then resizes to the whole canvas with Python's integers, so this does too.
"""
import array
import gzip
import hashlib
import json
import multiprocessing
import pathlib
import random

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import SizeDict
from transformers.models.llama4.image_processing_llama4_fast import (
    Llama4ImageProcessorFast,
    find_supported_resolutions,
    get_best_fit,
    get_max_res_without_distortion,
)

HERE = pathlib.Path(__file__).parent
SIDE, BLOCK = 1400, 100
SETTINGS = [  # size, max_patches, resize_to_max_canvas, side of the largest picture that is checked
    (336, 16, False, SIDE),
    (112, 4, False, SIDE),
    (336, 16, True, SIDE // 2),
]
NORMALIZED = [  # rescale_factor, image_mean, image_std
    (1 / 255, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
    (1 / 255, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
    (1 / 256, [-0.3, 0.0, 100.5], [1e-3, 2.0, 777.7]),
    (1.0, [127.5, 128.0, 0.1], [63.5, 0.01, 1e5]),
]


def canvases(size, max_patches):
    return torch.tensor(find_supported_resolutions(max_patches, SizeDict(height=size, width=size)))


def fit(width, height, size, resolutions, largest):
    """The lines of Llama4ImageProcessorFast._preprocess that choose canvas and size."""
    target = get_best_fit((height, width), resolutions, resize_to_max_canvas=largest)
    if largest:
        limit = target.tolist()
    else:
        limit = (min(max(height, size), target[0]), min(max(width, size), target[1]))
    new = get_max_res_without_distortion((height, width), limit)
    return int(target[0]) // size, int(target[1]) // size, max(int(new[1]), 1), max(int(new[0]), 1)


class Recorder(Llama4ImageProcessorFast):
    """A processor that keeps the first size that it resizes to."""

    def resize(self, image, size, **kwargs):
        if self.first is None:
            self.first = (size.width, size.height)
        return super().resize(image, size, **kwargs)


def some_sizes(r, size, patches):
    yield from [(1, 1), (size, size), (size + 1, size), (size, size + 1), (size - 1, size), (1, 30000), (30000, 1), (7, 9001),
                (65535, 1), (1, 65535), (65535, 333), (333, 65535), (size * patches, size), (size, size * patches),
                (size * patches + 1, size), (4000, 3000), (3000, 4000), (1920, 1080), (1080, 1920), (1000, 750)]
    for _ in range(180):
        most = r.choice([100, 1000, 3000])
        yield r.randint(1, most), r.randint(1, most)


def fits(index):
    size, patches, largest, _ = SETTINGS[index]
    resolutions, out = canvases(size, patches), []
    for width, height in some_sizes(random.Random(index), size, patches):
        got = fit(width, height, size, resolutions, largest)
        if not largest and width * height < 1 << 23:  # the processor itself says the same
            p = Recorder(size={"height": size, "width": size}, max_patches=patches)
            p.first = None
            picture = torch.zeros(3, height, width, dtype=torch.uint8)
            ratio = p([picture], return_tensors="pt", input_data_format="channels_first")["aspect_ratios"][0]
            assert got == (*ratio.tolist(), *map(int, p.first)), (width, height, got, ratio, p.first)
        out.append([width, height, *got])
    return out


def block(job):
    index, first = job
    torch.set_num_threads(1)
    size, patches, largest, side = SETTINGS[index]
    resolutions, numbers = canvases(size, patches), array.array("H")
    for height in range(first, first + BLOCK):
        for width in range(1, side + 1):
            numbers.extend(fit(width, height, size, resolutions, largest))
    return hashlib.sha256(numbers.tobytes()).hexdigest()


def picture(width, height, seed, kind):
    """Pseudo-random bytes (splitmix64): as they are (0), as 0 and 255 (1), or 252 to 255 (2)."""
    n = 3 * width * height
    x = np.arange((n + 7) // 8, dtype=np.uint64) + np.uint64(seed * 1000003 + 1)
    x *= np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    b = (x ^ (x >> np.uint64(31))).astype("<u8").view(np.uint8)[:n]
    if kind == 1:
        b = np.where(b >= 128, 255, 0).astype(np.uint8)
    elif kind == 2:
        b = 252 + (b >> 6)
    return b.reshape(height, width, 3)


def some_pictures(r):
    """Size, max_patches, width and height. A tile of 1 pixel is left out: torch fails when a result has one pixel."""
    for width, height in [(1, 1), (1, 2000), (2000, 1), (3, 5000), (5000, 3), (336, 336), (337, 336), (336, 337), (335, 336),
                          (335, 1), (672, 672), (1000, 750), (1344, 1344), (1500, 1100), (336, 5376), (5377, 336), (6000, 300),
                          (640, 480), (100, 100), (2, 65535), (65535, 2)]:
        yield 336, 16, width, height
    for _ in range(180):
        size, patches = r.choice([(112, 4), (112, 16), (56, 16), (28, 30), (14, 4), (7, 64), (5, 9)])
        most = r.choice([10, 40, 100, 300, 300, 500])
        width, height = r.randint(1, most), r.randint(1, most)
        match r.randrange(6):
            case 0:
                width, height = r.randint(1, 3), r.randint(1, 2000)
            case 1:
                width, height = r.randint(1, 2000), r.randint(1, 3)
            case 2:  # next to whole tiles
                width, height = (max(size * r.randint(1, 4) + r.randint(-2, 2), 1) for _ in range(2))
        yield size, patches, width, height


def tiles(seed, kind, size, patches, width, height):
    p = Llama4ImageProcessorFast(size={"height": size, "width": size}, max_patches=patches, do_rescale=False, do_normalize=False)
    out = p(Image.fromarray(picture(width, height, seed, kind)), return_tensors="pt")
    pixels = out["pixel_values"]
    assert pixels.dtype == torch.uint8
    return {"size": size, "max_patches": patches, "width": width, "height": height, "seed": seed, "kind": kind,
            "rows": int(out["aspect_ratios"][0][0]), "columns": int(out["aspect_ratios"][0][1]),
            "sha256": hashlib.sha256(pixels.contiguous().numpy().tobytes()).hexdigest()}


def normalized(rescale, mean, std):
    p = Llama4ImageProcessorFast(image_mean=mean, image_std=std, rescale_factor=rescale)
    every = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    out = p.rescale_and_normalize(every[None], True, rescale, True, tuple(mean), tuple(std))[0, :, 0]
    assert out.dtype == torch.bfloat16
    return {"rescale": rescale, "mean": mean, "std": std, "bits": (out.view(torch.int16).int() & 0xFFFF).tolist()}


def main():
    assert torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    r = random.Random(0)
    out = {"pictures": [tiles(i, r.randrange(3), *spec) for i, spec in enumerate(some_pictures(r))],
           "normalized": [normalized(*n) for n in NORMALIZED], "fits": []}
    jobs = [(i, first) for i, s in enumerate(SETTINGS) for first in range(1, s[3] + 1, BLOCK)]
    with multiprocessing.get_context("spawn").Pool() as pool:
        sums = dict(zip(jobs, pool.map(block, jobs, chunksize=1)))
    for i, (size, patches, largest, side) in enumerate(SETTINGS):
        out["fits"].append({"size": size, "max_patches": patches, "resize_to_max_canvas": largest, "some": fits(i),
                            "side": side, "block": BLOCK, "all": [sums[job] for job in jobs if job[0] == i]})
    with open(HERE / "goldens.json.gz", "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        z.write(json.dumps(out, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
