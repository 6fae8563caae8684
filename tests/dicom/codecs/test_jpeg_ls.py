"""The compiled JPEG-LS decoder: what it takes is what CharLS and a second decoder read, and it takes nothing else."""

from __future__ import annotations

import struct

import imagecodecs
import jpeg_ls
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.dicom.codecs import jpeg_ls_kernel
from embedkit.dicom.codecs.codestreams import read_codestream
from embedkit.dicom.codecs.jpeg_ls import decode_scan, default_thresholds, read_scan

from .coded_pictures import damage, draw_pictures, with_segment


def encode(picture: np.ndarray, error: int = 0) -> bytes:
    return bytes(jpeg_ls.encode_array(picture, lossy_error=error))


def decode(encoded: bytes) -> np.ndarray | None:
    scan = read_scan(encoded, read_codestream(encoded))
    return decode_scan(jpeg_ls_kernel, encoded, scan) if scan else None


@pytest.mark.parametrize("bits", range(2, 17))
def test_bit_for_bit_as_charls_and_a_second_decoder(bits):
    pylibjpeg = pytest.importorskip("libjpeg")
    for name, picture in draw_pictures(bits).items():
        encoded = encode(picture)
        assert read_codestream(encoded).bits == bits
        decoded = decode(encoded)
        assert decoded is not None, name
        assert decoded.dtype == imagecodecs.jpegls_decode(encoded).dtype
        np.testing.assert_array_equal(decoded, picture, name)
        np.testing.assert_array_equal(pylibjpeg.decode(encoded).reshape(picture.shape), picture, name)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 64), (64, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_small_shapes(shape, kind):
    picture = np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    np.testing.assert_array_equal(decode(bytes(imagecodecs.jpegls_encode(picture))), picture)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(["noise", "grainy", "steps", "specks"]),
    bits=st.sampled_from([2, 7, 8, 12, 16]),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_of_a_damaged_stream_it_reads_what_charls_reads_or_nothing(name, bits, flips, cut):
    changed = damage(encode(draw_pictures(bits)[name]), flips, cut)
    if not changed:
        return
    damaged, stream = changed
    scan = read_scan(damaged, stream)
    decoded = decode_scan(jpeg_ls_kernel, damaged, scan) if scan else None
    if decoded is not None:
        np.testing.assert_array_equal(decoded, imagecodecs.jpegls_decode(damaged))


@settings(max_examples=300, deadline=None)
@given(
    bits=st.integers(2, 16),
    columns=st.integers(1, 40),
    rows=st.integers(1, 40),
    scan=st.binary(max_size=600),
    ones=st.booleans(),
)
def test_any_bytes_stay_within_their_frame(bits, columns, rows, scan, ones):
    header = b"\xff\xd8\xff\xf7" + struct.pack(">HBHHBBBB", 11, bits, rows, columns, 1, 1, 0x11, 0)
    header += b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 0, 0)
    filled = scan.replace(b"\xff", b"\xfe") * 4 if ones else bytes(200) + scan
    decoded = decode(header + filled + b"\xff\xd9")
    assert decoded is None or (decoded.shape == (rows, columns) and int(decoded.max()) < 1 << bits)


def test_what_is_out_of_the_ordinary_is_left_to_charls():
    picture = draw_pictures(12)["grainy"]
    plain = encode(picture)
    assert decode(encode(picture, error=2)) is None
    assert decode(with_segment(plain, 0xFFDD, b"\0\x08")) is None  # restarts
    assert decode(plain.replace(b"\xff\xd9", b"\xff\xd0\0\0\xff\xd9")) is None
    assert decode(plain[: len(plain) // 2]) is None
    assert decode(plain[: len(plain) // 2] + b"\xff\xd9") is None
    assert decode(plain[:-2] + bytes(8) + b"\xff\xd9") is None
    for presets in ((2047, 0, 0, 0, 0), (0, 3, 2, 1, 0), (0, 0, 0, 0, 63), (0, 9, 9, 5000, 0)):
        assert decode(with_segment(plain, 0xFFF8, b"\1" + struct.pack(">5H", *presets))) is None, presets
    assert decode(with_segment(plain, 0xFFF8, b"\2" + bytes(10))) is None  # a mapping table
    colours = bytes(imagecodecs.jpegls_encode(np.zeros((9, 9, 3), np.uint8)))
    assert read_scan(colours, read_codestream(colours)) is None


def test_presets_comments_and_applications_are_read():
    picture = draw_pictures(12)["grainy"]
    plain = encode(picture)
    usual = with_segment(plain, 0xFFF8, b"\1" + struct.pack(">5H", 4095, 18, 67, 276, 64))
    noted = with_segment(with_segment(usual, 0xFFFE, b"note"), 0xFFE8, b"mrfx\0")
    filled = noted[:2] + b"\xff" + noted[2:]
    for encoded in (usual, noted, filled):
        np.testing.assert_array_equal(decode(encoded), picture)
    other = with_segment(plain, 0xFFF8, b"\1" + struct.pack(">5H", 4095, 20, 60, 300, 64))
    scan = read_scan(other, read_codestream(other))
    assert scan is not None
    assert scan.thresholds == (20, 60, 300)


@pytest.mark.parametrize(
    ("white", "thresholds"), [(255, (3, 7, 21)), (4095, (18, 67, 276)), (65535, (18, 67, 276)), (3, (2, 3, 3))]
)
def test_default_thresholds(white, thresholds):
    assert default_thresholds(white) == thresholds


def test_a_subsampled_component_is_left_to_charls():
    encoded = bytearray(encode(draw_pictures(12)["noise"]))
    encoded[encoded.index(b"\xff\xf7") + 11] = 0x21
    assert read_scan(bytes(encoded), read_codestream(bytes(encoded))) is None
