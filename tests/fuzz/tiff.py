"""TIFF: directory entries by tag."""

from __future__ import annotations

import struct
from random import Random

from tests.fuzz.mutate import INTEGERS, damaged

# Size, bits, compression, photometric, strips, samples, rows a strip, tiles, predictor, format...
_TAGS = (
    254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 320, 322,
    323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 530, 532, 34665, 42113, 65000,
)  # fmt: skip
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32766, 32773, 32809, 32946, 34661, 34676, 34712, 34925)
_TYPES = (0, 1, 2, 3, 4, 5, 6, 9, 11, 12, 13, 16, 17, 18, 65535)


def mutate_tiff(rng: Random, data: bytes) -> bytes:
    """A damaged little-endian TIFF of one page."""
    changed = bytearray(data)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    way = rng.random()
    if way < 0.25:
        return damaged(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        entry = at + 2 + 12 * rng.randrange(count)
        way = rng.random()
        tag = struct.unpack_from("<H", data, entry)[0]
        if way < 0.15:
            struct.pack_into("<H", changed, entry, rng.choice(_TAGS))
        elif way < 0.3:
            struct.pack_into("<H", changed, entry + 2, rng.choice(_TYPES))
        elif way < 0.45:
            struct.pack_into("<I", changed, entry + 4, rng.choice(INTEGERS) % 2**32)
        elif way < 0.55:
            struct.pack_into("<H", changed, at, rng.choice(INTEGERS) % 2**16)
        elif way < 0.62:
            following = rng.choice((at, 0, 4, 8, len(data), 2**32 - 1))  # the next page
            struct.pack_into("<I", changed, at + 2 + 12 * count, following)
        else:
            values = _COMPRESSIONS if tag == 259 else INTEGERS
            struct.pack_into("<I", changed, entry + 8, rng.choice(values) % 2**32)
    return bytes(changed)
