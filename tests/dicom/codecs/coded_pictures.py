"""Pictures that are hard to code, and codestreams that say more than they need to."""

from __future__ import annotations

import struct

import numpy as np

from embedkit.dicom.codecs.codestreams import Codestream, read_codestream


def draw_pictures(bits: int) -> dict[str, np.ndarray]:
    """Pictures that are noisy, smooth, flat and steep, of odd sizes."""
    random, white = np.random.default_rng(bits), (1 << bits) - 1
    ramp = np.linspace(0, white, 57)[None, :] * np.ones((41, 1))
    made = {
        "noise": random.integers(0, white, (31, 43), endpoint=True),
        "ramp": ramp,
        "grainy": np.clip(ramp + random.normal(0, white / 60 + 0.3, ramp.shape), 0, white),
        "steps": np.repeat(np.repeat(random.integers(0, white, (6, 5), endpoint=True), 9, 0), 23, 1),
        "specks": np.where(random.random((60, 500)) < 0.01, white, 0),
        "flat": np.full((20, 300), white // 2),
        "row": random.integers(0, white, (1, 70), endpoint=True),
        "column": random.integers(0, white, (70, 1), endpoint=True),
    }
    for picture in made.values():
        picture[0, 0] = white  # some encoders take as many bits as the highest value needs
    return {name: picture.astype(np.uint8 if bits <= 8 else np.uint16) for name, picture in made.items()}


def with_segment(encoded: bytes, marker: int, body: bytes) -> bytes:
    """The codestream with one more segment behind its first marker."""
    return encoded[:2] + struct.pack(">HH", marker, len(body) + 2) + body + encoded[2:]


def damage(encoded: bytes, flips: list[tuple[float, int]], cut: float) -> tuple[bytes, Codestream] | None:
    """The codestream changed at some places and cut off, and what it says; None where that is nothing to decode."""
    changed = bytearray(encoded)
    for place, change in flips:
        changed[int(place * len(changed))] ^= change
    damaged = bytes(changed[: int(cut * len(changed))]) + b"\xff\xd9"
    try:
        stream = read_codestream(damaged)
    except Exception:
        return None
    if stream.rows * stream.columns > 1 << 20 or not 2 <= stream.bits <= 16 or stream.samples != 1:
        return None
    return damaged, stream
