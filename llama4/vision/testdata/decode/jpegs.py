"""Codes random coefficients as a JPEG with any sampling factors and order of scans: Pillow's
encoder offers three of them. Only the decoder's arithmetic matters here, not what is seen."""

import struct

# One code for all 256 symbols but 255: 16 bits cover them, short codes go to small symbols.
COUNTS = [0, 1, 1, 1, 2, 2, 4, 4, 8, 16, 32, 64, 60, 30, 20, 10]


def codes():
    """symbol -> (code, length) of the canonical code above."""
    out, code, symbol = {}, 0, 0
    for length, count in enumerate(COUNTS, 1):
        for _ in range(count):
            out[symbol] = (code, length)
            code, symbol = code + 1, symbol + 1
        code <<= 1
    return out


CODES = codes()


class Bits:
    def __init__(self):
        self.bits = []

    def put(self, value, size):
        if size:
            self.bits.append(format(value, f"0{size}b"))

    def symbol(self, symbol):
        self.put(*CODES[symbol])

    def value(self, value):
        size = abs(value).bit_length()
        self.put(value if value >= 0 else value + (1 << size) - 1, size)

    def bytes(self):
        bits = "".join(self.bits)
        bits += "1" * (-len(bits) % 8)
        raw = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        return raw.replace(b"\xff", b"\xff\0")


def put_block(bits, block, predicted):
    """block: 64 values in zigzag order."""
    size = abs(block[0] - predicted).bit_length()
    bits.symbol(size)
    bits.value(block[0] - predicted)
    run = 0
    for value in block[1:]:
        if value == 0:
            run += 1
            continue
        while run > 15:
            bits.symbol(0xF0)
            run -= 16
        bits.symbol(run << 4 | abs(value).bit_length())
        bits.value(value)
        run = 0
    if run:
        bits.symbol(0)


def random_block(rng, dc):
    block = [0] * 64
    block[0] = dc
    for _ in range(rng.integers(0, 12)):
        at = min(63, 1 + int(rng.exponential(8)))
        block[at] = int(rng.normal(0, 60 / (1 + at)))
    return block


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def ceil(a, b):
    return -(-a // b)


def coded_jpeg(rng, width, height, sampling, kind="", ids=None):
    """kind: "" one scan; "separate" one a component; "pairs"; "extended"; "restart"; "wide-tables"."""
    ids = ids or bytes(range(1, len(sampling) + 1))
    high, wide = max(v for _, v in sampling), max(h for h, _ in sampling)
    mcus = ceil(width, 8 * wide), ceil(height, 8 * high)
    planes = []
    for h, v in sampling:
        dc = rng.normal(0, 40, (mcus[1] * v, mcus[0] * h)).astype(int)
        planes.append([[random_block(rng, int(value)) for value in row] for row in dc])
    out = b"\xff\xd8"
    table = [int(t) for t in rng.integers(1, 24, 64)]
    if kind == "wide-tables":
        out += segment(0xDB, b"\x10" + struct.pack(">64H", *table))
    else:
        out += segment(0xDB, b"\0" + bytes(table))
    frame = struct.pack(">BHHB", 8, height, width, len(sampling))
    for name, (h, v) in zip(ids, sampling):
        frame += bytes([name, h << 4 | v, 0])
    out += segment(0xC1 if kind == "extended" else 0xC0, frame)
    huffman = bytes(COUNTS) + bytes(range(sum(COUNTS)))
    number = 3 if kind == "extended" else 0
    dc_counts = bytes([0, 1, 1, 1, 2, 2, 4, 4, 1] + [0] * 7)  # the first 16 symbols, the same codes
    out += segment(0xC4, bytes([number]) + dc_counts + bytes(range(16)) + bytes([0x10 | number]) + huffman)
    restart = 3 if kind == "restart" else 0
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))
    order = list(range(len(sampling)))
    scans = {"separate": [[i] for i in order[::-1]], "pairs": [order[1:], order[:1]]}.get(kind, [order])
    for scan in scans:
        head = bytes([len(scan)]) + b"".join(bytes([ids[i], number * 17]) for i in scan)
        out += segment(0xDA, head + b"\0\x3f\0")
        out += scan_data(planes, sampling, scan, (width, height), (wide, high), mcus, restart)
    return out + b"\xff\xd9"


def scan_data(planes, sampling, scan, size, top, mcus, restart):
    units = []
    if len(scan) == 1:
        i = scan[0]
        h, v = sampling[i]
        across, down = ceil(ceil(size[0] * h, top[0]), 8), ceil(ceil(size[1] * v, top[1]), 8)
        units = [[(i, y, x)] for y in range(down) for x in range(across)]
    else:
        for my in range(mcus[1]):
            for mx in range(mcus[0]):
                units.append([(i, my * sampling[i][1] + y, mx * sampling[i][0] + x) for i in scan for y in range(sampling[i][1]) for x in range(sampling[i][0])])
    out, bits, predicted = b"", Bits(), {}
    for n, unit in enumerate(units):
        if restart and n and n % restart == 0:
            out += bits.bytes() + bytes([0xFF, 0xD0 + (n // restart - 1) % 8])
            bits, predicted = Bits(), {}
        for i, y, x in unit:
            put_block(bits, planes[i][y][x], predicted.get(i, 0))
            predicted[i] = planes[i][y][x][0]
    return out + bits.bytes()
