"""RLE: each frame as a decoder reads it that takes one byte at a time, and damaged ones refused, never made up."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.dicom.codecs.rle import decode_rle
from embedkit.dicom.layout import PixelLayout
from embedkit.errors import RejectedFile


def encode_rle(frame: np.ndarray) -> bytes:
    """A segment for each byte of each sample, the most significant one first, of even length (PS3.5 G.2, G.3.1)."""
    planes = np.moveaxis(frame.reshape(*frame.shape[:2], -1).astype(frame.dtype.newbyteorder(">")), 2, 0)
    segments = [
        bytes(imagecodecs.packbits_encode(np.ascontiguousarray(plane).view(np.uint8)[byte :: frame.itemsize].tobytes()))
        for plane in (plane.reshape(-1) for plane in planes)
        for byte in range(frame.itemsize)
    ]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    offsets = np.cumsum([64, *map(len, segments)])[: len(segments)]
    header = np.zeros(16, "<u4")
    header[0], header[1 : 1 + len(offsets)] = len(segments), offsets
    return header.tobytes() + b"".join(segments)


def layout_of(rows: int, columns: int, samples: int, bits: int) -> PixelLayout:
    photometric = "RGB" if samples == 3 else "MONOCHROME2"
    return PixelLayout(
        rows, columns, samples, 1, bits, bits, bits - 1, signed=False, photometric=photometric, planar=False
    )


def naive_segment(segment: bytes) -> bytes:
    """PS3.5 G.3.2, and nothing after the end of the segment is made up."""
    decoded, place = bytearray(), 0
    while place < len(segment):
        length = segment[place]
        if length < 128:
            decoded += segment[place + 1 : place + 2 + length]
            place += 2 + length
        elif length > 128:
            decoded += segment[place + 1 : place + 2] * (257 - length)
            place += 2
        else:
            place += 1
    return bytes(decoded)


def naive(frame: bytes, layout: PixelLayout) -> np.ndarray:
    count, *offsets = struct.unpack_from("<16L", frame)
    bounds = [*offsets[:count], len(frame)]
    pixels = layout.rows * layout.columns
    planes = [naive_segment(frame[bounds[n] : bounds[n + 1]])[:pixels] for n in range(count)]
    assert all(len(plane) == pixels for plane in planes)
    size = layout.bits_allocated // 8
    samples = [
        sum(np.frombuffer(planes[n + byte], np.uint8).astype(int) << 8 * (size - 1 - byte) for byte in range(size))
        for n in range(0, count, size)
    ]
    stacked = np.stack(samples, axis=-1).reshape(layout.rows, layout.columns, layout.samples)
    return stacked[:, :, 0] if layout.samples == 1 else stacked


@pytest.mark.parametrize(("samples", "bits"), [(1, 8), (1, 16), (1, 32), (3, 8), (3, 16)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (37, 53)])
def test_as_the_naive_decoder(samples, bits, shape):
    random = np.random.default_rng(samples + bits)
    frame = random.integers(0, 1 << bits, (*shape, samples), np.uint32).astype(f"<u{bits // 8}")
    frame[: shape[0] // 2] >>= bits // 2  # so that there are runs
    frame = frame[:, :, 0] if samples == 1 else frame
    encoded, layout = encode_rle(frame), layout_of(*shape, samples, bits)
    decoded = decode_rle(encoded, layout)
    assert decoded.dtype == frame.dtype
    np.testing.assert_array_equal(decoded, frame)
    np.testing.assert_array_equal(decoded, naive(encoded, layout))


@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=3))
def test_what_is_damaged_is_refused_or_read_as_it_stands(cut, flips):
    frame = np.random.default_rng(0).integers(0, 5000, (12, 40), np.uint16)
    frame[3:8] = 77
    layout, encoded = layout_of(12, 40, 1, 16), bytearray(encode_rle(frame))
    for place, change in flips:
        encoded[place % len(encoded)] ^= change
    damaged = bytes(encoded[: len(encoded) - cut])
    try:
        decoded = decode_rle(damaged, layout)
    except (RejectedFile, ValueError, RuntimeError, struct.error):
        return
    np.testing.assert_array_equal(decoded, naive(damaged, layout))


@pytest.mark.parametrize("change", [{0: 3}, {0: 1}, {1: 60}, {2: 1 << 20}, {1: 90, 2: 80}])
def test_segments_that_the_header_places_wrong_are_refused(change):
    encoded = bytearray(encode_rle(np.arange(400, dtype=np.uint16).reshape(20, 20)))
    for field, value in change.items():
        struct.pack_into("<L", encoded, 4 * field, value)
    with pytest.raises(ValueError, match="segments"):
        decode_rle(bytes(encoded), layout_of(20, 20, 1, 16))


def test_a_segment_that_ends_early_is_refused():
    encoded = bytearray(encode_rle(np.zeros((20, 20), np.uint16)))
    short = struct.pack("<16L", 2, 64, 66, *[0] * 13) + bytes([200, 0]) + bytes(encoded[66:])
    with pytest.raises(ValueError, match="short"):
        decode_rle(short, layout_of(20, 20, 1, 16))
