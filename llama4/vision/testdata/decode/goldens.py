"""Writes the pictures of this folder and pictures.json, what the reference reads from each.

    python goldens.py          # in an environment with Pillow 13.0 and numpy

The reference is transformers' load_image, Pillow's open, exif_transpose and convert("RGB"),
but for pictures with transparency: those are pasted onto white, as Meta's llama-models does.
pictures.json has each file's size and the SHA-256 of its RGB bytes. Every file is made from
one seed, so that a second run writes the same bytes.
"""

import hashlib
import io
import json
import pathlib
import re
import struct
import zlib

import numpy
from PIL import Image, ImageOps

from jpegs import coded_jpeg, segment


def reference(data):
    """The picture that the model is shown."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.split()[3])
    return white


def scene(rng, width, height, bands=3):
    """Smooth colours, edges and some noise: what codecs round in many ways."""
    y, x = numpy.mgrid[0:height, 0:width]
    out = numpy.zeros((height, width, bands))
    for band in range(bands):
        fx, fy, phase = rng.uniform(0.02, 0.4, 2).tolist() + [rng.uniform(0, 6)]
        out[..., band] = 128 + 110 * numpy.sin(fx * x + fy * y + phase)
    for _ in range(4):
        x0, y0 = rng.integers(0, width), rng.integers(0, height)
        out[y0 : y0 + height // 3 + 1, x0 : x0 + width // 3 + 1] = rng.integers(0, 256, bands)
    out += rng.normal(0, rng.choice([0, 3, 25]), out.shape)
    out = numpy.clip(out, 0, 255).astype(numpy.uint8)
    return out[..., 0] if bands == 1 else out


def save(array, format, mode=None, **options):
    buffer = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    if mode and image.mode != mode:  # the same bytes under another name
        image = Image.frombytes(mode, image.size, image.tobytes())
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif(orientation, kind=3, count=1, big=True, tag=0x112):
    """A TIFF structure with an entry before the orientation."""
    e = ">" if big else "<"
    value = struct.pack(e + {1: "Bxxx", 3: "Hxx", 4: "I", 8: "hxx", 9: "i"}[kind], orientation)
    head = (b"MM" if big else b"II") + struct.pack(e + "HI", 42, 8)
    make = struct.pack(e + "HHI", 0x10F, 2, 4) + b"Ab1\0"
    entry = struct.pack(e + "HHI", tag, kind, count) + value
    return head + struct.pack(e + "H", 2) + make + entry + struct.pack(e + "I", 0)


def xmp(orientation):
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="%d"/>'
        b"</rdf:RDF></x:xmpmeta>" % orientation
    )


def adobe(data, transform):
    """The JPEG with another transform in its Adobe segment."""
    at = data.index(b"Adobe")
    return data[: at + 11] + bytes([transform]) + data[at + 12 :]


def without_segment(data, prefix):
    """The JPEG without the segment whose payload starts so."""
    at = data.index(prefix) - 4
    length = struct.unpack(">H", data[at + 2 : at + 4])[0]
    return data[:at] + data[at + 2 + length :]


def first_scans(data, n):
    """The progressive JPEG that ends after n scans: libjpeg smooths what they leave out."""
    starts = [match.start() for match in re.finditer(b"\xff\xda", data)]
    return data[: starts[n]] + b"\xff\xd9"


def without_colour_dc(gray):
    """A progressive JPEG of 16x16 with the DC of Y, and of Cb and Cr AC only, all zero."""
    first = first_scans(gray, 1)[:-2]
    at = first.index(b"\xff\xc2")
    frame = segment(0xC2, first[at + 4 : at + 9] + b"\3\1\x11\0\2\x11\0\3\x11\0")
    out = first[:at] + frame + first[at + 13 :]
    out += segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")  # one code: the block has no more
    for name in (2, 3):
        out += segment(0xDA, bytes([1, name, 0, 1, 63, 0])) + b"\x0f"  # four of them
    return out + b"\xff\xd9"


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def passes(rows, width, height):
    """The seven passes of an interlaced PNG: rows[y][x] is a pixel's list of samples."""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        for y in range(y0, height, dy):
            if x0 < width:
                yield [rows[y][x] for x in range(x0, width, dx)]


def png(rng, width, height, depth, kind, interlaced=False, plte=b"", trns=None, extra=b"", tail=b""):
    """A PNG of any depth and colour kind with random samples, for Pillow writes few of them."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    top = min(1 << depth, len(plte) // 3) if kind == 3 else 1 << depth
    rows = rng.integers(0, top, (height, width, samples)).tolist()
    if kind in (0, 2) and trns is not None:  # some pixels have the transparent colour
        rows[0][: width // 2] = [list(struct.unpack(f">{samples}H", trns))] * (width // 2)
    raw = bytearray()
    for row in passes(rows, width, height) if interlaced else rows:
        bits = "".join(format(sample, f"0{depth}b") for pixel in row for sample in pixel)
        bits += "0" * (-len(bits) % 8)
        raw += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))
    out += extra
    if plte:
        out += chunk(b"PLTE", plte)
    if trns is not None:
        out += chunk(b"tRNS", trns)
    return out + chunk(b"IDAT", zlib.compress(bytes(raw), 9)) + tail + chunk(b"IEND", b"")


def jpegs(rng):
    yield "jpeg-1x1.jpg", save(scene(rng, 1, 1), "JPEG")
    for i, name in enumerate(["444", "422", "420"]):
        yield f"jpeg-{name}.jpg", save(scene(rng, 17, 9), "JPEG", quality=90, subsampling=i)
        yield f"jpeg-{name}-progressive.jpg", save(scene(rng, 83, 61), "JPEG", quality=85, subsampling=i, progressive=True)
        for width, height in [(1, 9), (9, 1), (2, 40), (3, 3), (4, 5), (5, 4)]:
            yield f"jpeg-{name}-{width}x{height}.jpg", save(scene(rng, width, height), "JPEG", quality=95, subsampling=i)
    yield "jpeg-photo.jpg", save(scene(rng, 200, 131), "JPEG", quality=70)
    yield "jpeg-quality100.jpg", save(rng.integers(0, 2, (33, 35, 3)).astype(numpy.uint8) * 255, "JPEG", quality=100)
    yield "jpeg-quality1.jpg", save(scene(rng, 64, 40), "JPEG", quality=1)
    yield "jpeg-gray.jpg", save(scene(rng, 31, 18, 1), "JPEG")
    yield "jpeg-gray-progressive.jpg", save(scene(rng, 50, 33, 1), "JPEG", progressive=True)
    yield "jpeg-rgb.jpg", save(scene(rng, 31, 18), "JPEG", keep_rgb=True)
    yield "jpeg-restart.jpg", save(scene(rng, 70, 41), "JPEG", restart_marker_blocks=2)
    yield "jpeg-restart-rows.jpg", save(scene(rng, 70, 200), "JPEG", restart_marker_rows=1, progressive=True)
    cmyk = save(scene(rng, 37, 21, 4), "JPEG", mode="CMYK")
    yield "jpeg-cmyk.jpg", cmyk
    yield "jpeg-ycck.jpg", adobe(cmyk, 2)
    yield "jpeg-cmyk-bare.jpg", without_segment(cmyk, b"Adobe")
    yield "jpeg-adobe-rgb.jpg", adobe(save(scene(rng, 20, 20), "JPEG", keep_rgb=True), 0)
    yield "jpeg-adobe-ycc.jpg", adobe(save(scene(rng, 20, 20), "JPEG", keep_rgb=True), 1)
    for orientation in range(10):
        yield f"jpeg-orientation{orientation}.jpg", save(scene(rng, 21, 13), "JPEG", exif=b"Exif\0\0" + exif(orientation, big=orientation % 2 == 0))
    for kind in (1, 4, 8, 9):
        yield f"jpeg-orientation-type{kind}.jpg", save(scene(rng, 12, 7), "JPEG", exif=b"Exif\0\0" + exif(6, kind))
    yield "jpeg-orientation-two.jpg", save(scene(rng, 12, 7), "JPEG", exif=b"Exif\0\0" + exif(6, 3, 2))
    yield "jpeg-xmp.jpg", save(scene(rng, 12, 7), "JPEG", xmp=xmp(8))
    yield "jpeg-xmp-exif.jpg", save(scene(rng, 12, 7), "JPEG", xmp=xmp(8), exif=b"Exif\0\0" + exif(3))
    yield "jpeg-xmp-other-exif.jpg", save(scene(rng, 12, 7), "JPEG", xmp=xmp(8), exif=b"Exif\0\0" + exif(3, tag=0x113))
    samplings = [
        [(2, 2), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 1)], [(4, 1), (1, 1), (1, 1)], [(4, 2), (1, 1), (1, 1)],
        [(2, 2), (2, 1), (1, 2)], [(1, 1), (2, 1), (1, 2)], [(3, 1), (1, 1), (1, 1)], [(1, 3), (1, 1), (1, 1)],
        [(2, 1), (2, 1), (2, 1)], [(1, 4), (1, 2), (1, 1)], [(4, 1), (2, 1), (1, 1)], [(2, 2), (1, 1), (1, 1), (2, 2)],
        [(2, 2)], [(1, 1), (1, 1), (1, 1), (1, 1)],
    ]  # fmt: skip
    for sampling in samplings:
        name = "-".join(f"{h}{v}" for h, v in sampling)
        yield f"jpeg-sampling-{name}.jpg", coded_jpeg(rng, 45, 37, sampling)
    for kind in ("separate", "pairs", "extended", "restart", "wide-tables"):
        yield f"jpeg-scans-{kind}.jpg", coded_jpeg(rng, 45, 37, samplings[0], kind=kind)
    yield "jpeg-ids-rgb.jpg", coded_jpeg(rng, 16, 16, samplings[13][:3], ids=b"RGB")
    yield "jpeg-ids-odd.jpg", coded_jpeg(rng, 16, 16, samplings[13][:3], ids=b"\x05\x09\x07")
    for n in (1, 2, 3, 5, 8):
        yield f"jpeg-first-scans{n}.jpg", first_scans(save(scene(rng, 93, 69), "JPEG", quality=80, progressive=True), n)
    for n in (1, 4):  # twice the rows of blocks that a gray picture needs, and too few of them
        gray = save(scene(rng, 33, 19, 1), "JPEG", quality=90, subsampling=2, progressive=True)
        yield f"jpeg-first-scans{n}-gray.jpg", first_scans(gray, n)
    # What is not smoothed: a step of nothing for a coefficient that would be, and DCs missing.
    table = gray.index(b"\xff\xdb") + 5
    yield "jpeg-first-scans-no-step.jpg", first_scans(gray[: table + 3] + b"\0" + gray[table + 4 :], 1)
    yield "jpeg-first-scans-no-dc.jpg", without_colour_dc(save(scene(rng, 16, 16, 1), "JPEG", progressive=True))


def pngs(rng):
    palette = rng.integers(0, 256, 256 * 3).astype(numpy.uint8).tobytes()
    kinds = [(d, 0) for d in (1, 2, 4, 8, 16)] + [(d, 3) for d in (1, 2, 4, 8)] + [(d, k) for k in (2, 4, 6) for d in (8, 16)]
    for depth, kind in kinds:
        plte = palette[: 3 << depth] if kind == 3 else b""
        for interlaced in (False, True):
            name = f"png-{depth}-kind{kind}" + ("-interlaced" if interlaced else "")
            yield name + ".png", png(rng, 13, 11, depth, kind, interlaced, plte)
        if kind in (0, 2):
            # Pillow compares 0 rightly at every depth, and 16 bits of colour if both bytes are equal.
            one = struct.pack(">H", {8: 77, 16: 0x4D4D}.get(depth, 0)) * (1 if kind == 0 else 3)
            yield f"png-{depth}-kind{kind}-trns.png", png(rng, 13, 11, depth, kind, trns=one)
        if kind == 3:
            yield f"png-{depth}-palette-trns.png", png(rng, 13, 11, depth, kind, plte=plte, trns=b"\x00\x80\xff"[: 1 << depth])
            yield f"png-{depth}-palette-one.png", png(rng, 13, 11, depth, kind, plte=plte, trns=b"\xff\x00")
    yield "png-1x1.png", png(rng, 1, 1, 8, 6)
    yield "png-wide.png", png(rng, 300, 1, 8, 2)
    yield "png-high-interlaced.png", png(rng, 1, 60, 8, 2, True)
    yield "png-filters.png", save(scene(rng, 90, 70), "PNG")
    yield "png-alpha.png", save(scene(rng, 64, 64, 4), "PNG")
    for orientation in (1, 3, 6, 7):
        yield f"png-exif{orientation}.png", png(rng, 9, 5, 8, 2, extra=chunk(b"eXIf", exif(orientation)))
    yield "png-exif-late.png", png(rng, 9, 5, 8, 2, tail=chunk(b"eXIf", exif(6)))
    packet = b"XML:com.adobe.xmp\0%c\0\0\0"
    yield "png-xmp.png", png(rng, 9, 5, 8, 2, extra=chunk(b"iTXt", packet % 0 + xmp(5)))
    yield "png-xmp-deflated.png", png(rng, 9, 5, 8, 2, extra=chunk(b"iTXt", packet % 1 + zlib.compress(xmp(6))))
    profile = b"\nexif\n%8d\n%s\n" % (len(exif(8)) + 6, (b"Exif\0\0" + exif(8)).hex().encode())
    yield "png-profile.png", png(rng, 9, 5, 8, 2, extra=chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)))
    yield "png-profile-plain.png", png(rng, 9, 5, 8, 2, extra=chunk(b"tEXt", b"Raw profile type exif\0" + profile))


def webps(rng):
    for width, height in [(1, 1), (1, 9), (9, 1), (2, 2), (16, 16), (17, 33), (60, 45)]:
        yield f"webp-lossy-{width}x{height}.webp", save(scene(rng, width, height), "WEBP", quality=80)
        yield f"webp-lossless-{width}x{height}.webp", save(scene(rng, width, height), "WEBP", lossless=True)
    for quality in (0, 40, 100):
        yield f"webp-quality{quality}.webp", save(scene(rng, 40, 31), "WEBP", quality=quality)
    for quality in (30, 100):
        yield f"webp-alpha{quality}.webp", save(scene(rng, 41, 30, 4), "WEBP", quality=80, alpha_quality=quality)
    yield "webp-alpha-lossless.webp", save(scene(rng, 41, 30, 4), "WEBP", lossless=True)
    yield "webp-gray.webp", save(scene(rng, 20, 21, 1), "WEBP", lossless=True)
    yield "webp-exif.webp", save(scene(rng, 20, 11), "WEBP", exif=exif(6))
    yield "webp-xmp.webp", save(scene(rng, 20, 11), "WEBP", xmp=xmp(3))
    frames = [Image.fromarray(scene(rng, 24, 20, 4)) for _ in range(3)]
    yield "webp-animated.webp", save(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    frames = [Image.fromarray(scene(rng, 24, 20)) for _ in range(2)]
    yield "webp-animated-lossy.webp", save(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=60)


def gif(rng, screen, frame, at, colours=16, transparent=None, interlaced=False, local=False, tables=True):
    """A GIF whose frame may be smaller than the screen."""
    index = rng.integers(0, colours, (frame[1], frame[0])).astype(numpy.uint8)
    image = Image.fromarray(index, "P")
    image.putpalette(rng.integers(0, 256, 3 * colours).astype(numpy.uint8).tobytes())
    options = {} if transparent is None else {"transparency": transparent}
    data = save(image, "GIF", optimize=False, interlace=interlaced, **options)
    flags, bits = data[10], (data[10] & 7) + 1
    table, rest = data[13 : 13 + (3 << bits)], data[13 + (3 << bits) :]
    mark = rest.index(b"\x2c")
    box = struct.pack("<HHHH", *at, *frame)
    descriptor = rest[mark + 9] & 0x40
    if local:
        head, own = bytes([flags & 0x7F, 0, 0]), bytes([descriptor | 0x80 | (bits - 1)]) + table
    else:
        head, own = bytes([flags, 3, 0]) + table, bytes([descriptor])
    return b"GIF89a" + struct.pack("<HH", *screen) + head + rest[: mark + 1] + box + own + rest[mark + 10 :]


def gifs(rng):
    yield "gif-plain.gif", gif(rng, (30, 20), (30, 20), (0, 0))
    yield "gif-1x1.gif", gif(rng, (1, 1), (1, 1), (0, 0))
    yield "gif-interlaced.gif", gif(rng, (19, 23), (19, 23), (0, 0), interlaced=True)
    yield "gif-transparent.gif", gif(rng, (30, 20), (30, 20), (0, 0), transparent=5)
    yield "gif-offset.gif", gif(rng, (30, 20), (9, 8), (11, 7))
    yield "gif-offset-transparent.gif", gif(rng, (30, 20), (9, 8), (11, 7), transparent=2)
    yield "gif-local.gif", gif(rng, (30, 20), (25, 15), (1, 2), colours=256, local=True)
    yield "gif-gray.gif", save(scene(rng, 20, 10, 1), "GIF")
    frames = [Image.fromarray(scene(rng, 24, 20)).quantize(32) for _ in range(3)]
    yield "gif-animated.gif", save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "gif-past-screen.gif", gif(rng, (30, 20), (25, 15), (11, 7))
    yield "gif-past-screen-transparent.gif", gif(rng, (0, 20), (25, 15), (3, 2), transparent=2, local=True)


def main():
    here = pathlib.Path(__file__).parent
    expected = {}
    for maker in (jpegs, pngs, webps, gifs):
        for name, data in maker(numpy.random.default_rng(4)):
            image = reference(data)
            (here / name).write_bytes(data)
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            expected[name] = {"width": image.width, "height": image.height, "sha256": digest}
    (here / "pictures.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
