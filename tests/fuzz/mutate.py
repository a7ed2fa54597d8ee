"""Damage to any bytes, and the values that readers stumble over."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

INTEGERS = (
    0, 1, -1, 2, 3, 7, 16, 127, 128, 255, 256, 4095, 30000, 32767, -32768, 60000, 65535, 65536,
    2**24, 2**31 - 1, -(2**31), 2**32 - 1, 2**32, 2**63 - 1, -(2**63), 2**64 - 1,
)  # fmt: skip
FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, 1e-10, 1e-30, 5e-324, 25.4, 1e3, 1e6, 1e10, 1e30, -1e30,
    1e38, 1e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
NUMBER_WORDS = (
    "", " ", "0", "-0", "1", "-1", "2", "3", "16", "48", "0.5", "1e-3", "1e-30", "1e30", "-1e30",
    "1e400", "-1e400", "nan", "NaN", "inf", "-inf", "Infinity", "1,5", "1.", ".5", "+1", "0x10",
    "1_0", "½", "٣", "--1", "1 2", "1e", "e1", "abc", "65535", "65536", "2147483647",
    "-2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "9" * 40, "1" + "0" * 400, "0." + "0" * 300 + "1",
)  # fmt: skip
WORDS = (
    "", " ", "\0", "a\0b", "\n", "line\nline", "\x1b[31mred\x1b[0m", "Two words, two parts",
    "'quoted' \"twice\"", "%s%n%d", "{0}{x}", "$(id)", "..", "/", "\\", "a" * 64, "a" * 300,
    "a" * 70000, "ä", "日本語", "\u202eright to left", "CHEST", "-", "None", "[bold]", "<b>",
)  # fmt: skip


def pick_number_word(rng: Random) -> str:
    if rng.random() < 0.6:
        return rng.choice(NUMBER_WORDS)
    return repr(rng.choice((rng.uniform(-100, 100), rng.randrange(-70000, 70000))))


def pick_word(rng: Random) -> bytes:
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(1, 40))
    word = pick_number_word(rng) if rng.random() < 0.3 else rng.choice(WORDS)
    return word.encode()


def packed_integer(rng: Random, size: int, big: bool = False) -> bytes:
    value = rng.choice(INTEGERS) if rng.random() < 0.7 else rng.randrange(0, 300)
    return (value % (1 << (8 * size))).to_bytes(size, "big" if big else "little")


def packed_float(rng: Random, size: int, big: bool = False) -> bytes:
    value = rng.choice(FLOATS) if rng.random() < 0.8 else rng.uniform(-1000, 1000)
    order = ">" if big else "<"
    if size == 8:
        return struct.pack(f"{order}d", value)
    try:
        return struct.pack(f"{order}f", value)
    except OverflowError:
        return struct.pack(f"{order}f", float("inf"))


def _flip(rng: Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(rng: Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _integer(rng: Random, data: bytearray) -> None:
    value = packed_integer(rng, rng.choice((2, 4, 8)), rng.random() < 0.5)
    at = rng.randrange(len(data))
    data[at : at + len(value)] = value


def _stretch(rng: Random, data: bytearray) -> tuple[int, int]:
    begin = rng.randrange(len(data))
    return begin, begin + rng.choice((1, 2, 4, 16, 64, 400))


def _delete(rng: Random, data: bytearray) -> None:
    begin, end = _stretch(rng, data)
    del data[begin:end]


def _duplicate(rng: Random, data: bytearray) -> None:
    begin, end = _stretch(rng, data)
    at = rng.randrange(len(data))
    data[at:at] = data[begin:end] * rng.choice((1, 1, 2, 50))


def _fill(rng: Random, data: bytearray) -> None:
    begin, end = _stretch(rng, data)
    data[begin:end] = bytes([rng.choice((0, 0xFF, 0x20))]) * len(data[begin:end])


def _insert(rng: Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100)))


def _append(rng: Random, data: bytearray) -> None:
    data += rng.choice((b"\0", b"\0" * 700, rng.randbytes(50)))


def _truncate(rng: Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


_WAYS: tuple[Callable[[Random, bytearray], None], ...] = (
    _flip, _flip, _byte, _byte, _integer, _integer, _delete, _duplicate, _fill, _insert, _append,
    _truncate,
)  # fmt: skip


def damaged(rng: Random, data: bytes) -> bytes:
    """One to three places of `data` changed, lost, doubled or put in between."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not changed:
            break
        rng.choice(_WAYS)(rng, changed)
    return bytes(changed)


def damaged_front(rng: Random, data: bytes, front: int) -> bytes:
    """Damage in the first bytes alone, where headers are."""
    return damaged(rng, data[:front]) + data[front:]
