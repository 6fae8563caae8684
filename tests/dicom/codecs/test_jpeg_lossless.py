"""The compiled decoder of JPEG Lossless: what it takes is what libjpeg and a second decoder read, and nothing else."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import generate_frames

from embedkit.dicom.codecs import jpeg_lossless_kernel
from embedkit.dicom.codecs.codestreams import read_codestream
from embedkit.dicom.codecs.jpeg_lossless import decode_scan, read_scan
from embedkit.dicom.codecs.jpeg_lossless_kernel import STRETCH

from .coded_pictures import damage, draw_pictures, with_segment

END = b"\xff\xd9"


def draw_long(bits: int) -> dict[str, np.ndarray]:
    """Pictures whose streams are long enough for several stretches to be decoded at once."""
    random, white = np.random.default_rng(bits), (1 << bits) - 1
    noise = random.integers(0, white, (700, 500), endpoint=True)
    collimated = noise.copy()
    collimated[:, 300:] = 0
    collimated[400:600] = white
    extremes = random.integers(0, 2, (700, 1000)) * white
    made = {"noise": noise, "collimated": collimated, "extremes": extremes}
    return {name: picture.astype(np.uint8 if bits <= 8 else np.uint16) for name, picture in made.items()}


def encode(picture: np.ndarray, bits: int, predictor: int = 1) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(picture, lossless=True, predictor=predictor, bitspersample=bits))


def decode(encoded: bytes) -> np.ndarray | None:
    scan = read_scan(encoded, read_codestream(encoded))
    return decode_scan(jpeg_lossless_kernel, encoded, scan) if scan else None


def assert_as_libjpeg(encoded: bytes, picture: np.ndarray, name: object = "") -> None:
    decoded = decode(encoded)
    assert decoded is not None, name
    assert decoded.dtype == imagecodecs.jpeg8_decode(encoded).dtype
    np.testing.assert_array_equal(decoded, imagecodecs.jpeg8_decode(encoded), str(name))
    np.testing.assert_array_equal(decoded, picture, str(name))


@pytest.mark.parametrize("bits", range(2, 17))
def test_bit_for_bit_as_libjpeg_and_a_second_decoder(bits):
    pylibjpeg = pytest.importorskip("libjpeg")
    for name, picture in draw_pictures(bits).items():
        for predictor in range(1, 8):
            encoded = encode(picture, bits, predictor)
            assert read_codestream(encoded).bits == bits
            assert_as_libjpeg(encoded, picture, (name, predictor))
            np.testing.assert_array_equal(pylibjpeg.decode(encoded).reshape(picture.shape), picture, name)


@pytest.mark.parametrize("bits", range(2, 17))
def test_long_streams(bits):
    for name, picture in draw_long(bits).items():
        for predictor in (1, 4):
            assert_as_libjpeg(encode(picture, bits, predictor), picture, (name, predictor))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 64), (64, 3)])
@pytest.mark.parametrize("bits", [8, 16])
def test_small_shapes(shape, bits):
    kind = np.uint8 if bits == 8 else np.uint16
    picture = np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    assert_as_libjpeg(encode(picture, bits), picture)


@pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmtk is not installed")
@pytest.mark.parametrize("options", [["+e1"], *(["+el", "+sv", str(value)] for value in range(1, 8))])
def test_files_of_another_toolkit(tools, tmp_path: Path, options):
    for bits in (8, 12, 16):
        frame, source, written = tools.frame(bits, shape=(300, 401)), tmp_path / "a", tmp_path / "b"
        source.write_bytes(tools.dicom(frame, bits=bits))
        subprocess.run(["dcmcjpeg", *options, str(source), str(written)], check=True, capture_output=True)
        assert_as_libjpeg(bytes(next(generate_frames(dcmread(written).PixelData, number_of_frames=1))), frame)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(["noise", "grainy", "steps", "specks", "long"]),
    bits=st.sampled_from([2, 7, 8, 12, 16]),
    predictor=st.integers(1, 7),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_of_a_damaged_stream_it_reads_what_libjpeg_reads_or_nothing(name, bits, predictor, flips, cut):
    picture = draw_long(bits)["collimated"] if name == "long" else draw_pictures(bits)[name]
    changed = damage(encode(picture, bits, predictor), flips, cut)
    if not changed:
        return
    damaged, _ = changed
    decoded = decode(damaged)
    if decoded is not None:
        np.testing.assert_array_equal(decoded, imagecodecs.jpeg8_decode(damaged))


def write(bits: int, shape: tuple[int, int], counts: list[int], sizes: bytes, scan: bytes) -> bytes:
    """A codestream of any table, and of any bytes with the stuffing that they have."""
    frame = struct.pack(">HHBHHBBBB", 0xFFC3, 11, bits, *shape, 1, 1, 0x11, 0)
    table = struct.pack(">HHB16B", 0xFFC4, 19 + len(sizes), 0, *counts, *[0] * (16 - len(counts))) + sizes
    return b"\xff\xd8" + frame + table + struct.pack(">HHBBBBBB", 0xFFDA, 8, 1, 1, 0, 1, 0, 0) + scan + END


def pack(bits: str) -> bytes:
    """Bits to bytes, filled up with ones (B.1.1.5) and stuffed (F.1.2.3)."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def add_up(differences: np.ndarray) -> np.ndarray:
    """Pixels of 16 bits, by the first predictor."""
    first_column = np.cumsum(differences[:, :1], axis=0) + 32768
    return (np.cumsum(np.hstack([first_column, differences[:, 1:]]), axis=1) & 0xFFFF).astype(np.uint16)


@settings(max_examples=400, deadline=None)
@given(
    bits=st.integers(2, 16),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    lengths=st.lists(st.integers(1, 16), min_size=1, max_size=17).map(sorted),
    scan=st.builds(
        lambda some, times: some.replace(b"\xff", b"") * times, st.binary(max_size=600), st.integers(1, 400)
    ),
)
def test_any_bytes_stay_within_their_frame(bits, shape, lengths, scan):
    counts = [lengths.count(length) for length in range(1, 17)]
    decoded = decode(write(bits, shape, counts, bytes(range(len(lengths))), scan))
    assert decoded is None or decoded.shape == shape


@pytest.mark.parametrize("codes", [1, 2, 30])
def test_guesses_that_are_out_of_step(codes):
    """Codes of eleven bits, few of all: a guess meets bits that are no code, or falls never into step."""
    shape, random = (300, 300), np.random.default_rng(codes)
    written = random.integers(0, codes, shape[0] * shape[1])
    scan = "".join(f"{code:011b}" for code in written)
    sizes = bytes(code and 16 for code in range(codes))  # the differences 0 and 32768
    encoded = write(16, shape, [0] * 10 + [codes], sizes, pack(scan))
    assert_as_libjpeg(encoded, add_up(np.where(written == 0, 0, 32768).reshape(shape)))
    for place in range(44, len(scan) - 121, 11 * 4999):  # no code for eleven bits, and as many codes fewer
        broken = pack(scan[:place] + 11 * "1" + scan[place + 121 :])
        assert decode(write(16, shape, [0] * 10 + [codes], sizes, broken)) is None
    assert decode(write(16, (100, 100), [0] * 10 + [codes], sizes, pack(scan))) is None  # too many


@pytest.mark.parametrize("filler", ["0", "1"])
@pytest.mark.parametrize("less", range(11))
def test_a_flat_area_before_another(less, filler):
    """Codes of one bit, then of eleven: a guess is far ahead, and ends where there is no code, or no picture."""
    random = np.random.default_rng(less)
    for length in (5 * STRETCH - less, 20 * STRETCH - less):
        flat, columns = STRETCH + (length - STRETCH) % 11, 9
        flat += 11 * (-(flat + (length - flat) // 11) % columns)  # each time ten pixels more
        steep = random.integers(0, 30, (length - flat) // 11)
        scan = "0" * flat + "".join(f"1{code:010b}" for code in steep)
        scan += filler * (-len(scan) % 8)
        shape = (flat + steep.size) // columns, columns
        encoded = write(16, shape, [1] + [0] * 9 + [30], b"\0" + bytes(30 * [16]), pack(scan))
        assert_as_libjpeg(encoded, add_up(np.repeat([0, 32768], [flat, steep.size]).reshape(shape)))


def test_codes_of_sixteen_bits_and_differences_of_fifteen():
    """Longer ones there are none: 31 bits for a pixel."""
    random, shape = np.random.default_rng(0), (400, 300)
    differences = random.integers(-32767, -16383, shape[0] * shape[1])
    scan = "".join(f"{0x8000:016b}{difference + 32767:015b}" for difference in differences)
    encoded = write(16, shape, [1] + [0] * 14 + [1], b"\0\x0f", pack(scan))
    decoded = decode(encoded)
    assert decoded is not None
    np.testing.assert_array_equal(decoded, imagecodecs.jpeg8_decode(encoded))
    assert decoded[0, 1] == (int(decoded[0, 0]) + int(differences[1])) & 0xFFFF


def test_what_is_out_of_the_ordinary_is_left_to_libjpeg():
    plain = encode(draw_pictures(12)["grainy"], 12)
    scan = plain.index(b"\xff\xda")
    assert decode(with_segment(plain, 0xFFDD, b"\0\x08")) is None  # restarts
    assert decode(plain.replace(END, b"\xff\xd0\0\0" + END)) is None
    assert decode(plain[: len(plain) // 2]) is None
    assert decode(plain[: len(plain) // 2] + END) is None
    assert decode(plain[:-2] + bytes(8) + END) is None
    assert decode(plain[: scan + 9] + b"\1" + plain[scan + 10 :]) is None  # a point transform
    assert decode(plain[: scan + 7] + b"\0" + plain[scan + 8 :]) is None  # no predictor
    assert decode(plain[: scan + 6] + b"\x10" + plain[scan + 7 :]) is None  # a table that is not there
    assert decode(plain[: scan + 5] + b"\7" + plain[scan + 6 :]) is None  # another component
    assert decode(plain[:scan] + b"\xff\xda\0\2" + plain[scan + 4 :]) is None  # a header without content
    assert decode(plain[:scan] + b"\xff\xfe\0\0" + plain[scan:]) is None  # a comment without its length
    lines = plain.index(b"\xff\xc3") + 5
    unknown = plain[:lines] + b"\0\0" + plain[lines + 2 : -2] + b"\xff\xdc\0\4\0\x29" + END
    assert decode(unknown) is None  # the number of lines behind the scan
    colours = bytes(imagecodecs.jpeg8_encode(np.zeros((9, 9, 3), np.uint8), lossless=True))
    assert read_scan(colours, read_codestream(colours)) is None


@pytest.mark.parametrize(
    "table",
    [
        b"\0\2" + bytes(15) + b"\0\1",  # a code that is all ones
        b"\0\1" + bytes(15) + b"\x11",  # a difference of 17 bits
        b"\0\1" + bytes(15),  # fewer than are announced
        b"\0\1" + bytes(3),
        b"\0\0\0\0\xff" + bytes(12) + bytes(255),
    ],
)
def test_tables_that_are_none(table):
    assert decode(with_segment(encode(draw_pictures(12)["grainy"], 12), 0xFFC4, table)) is None


def test_comments_applications_fill_bytes_and_several_tables_are_read():
    picture = draw_pictures(12)["grainy"]
    plain = encode(picture, 12)
    other = b"\0\1" + bytes(15) + b"\3"  # replaced by the one that follows
    unused = b"\1\0\1" + bytes(14) + b"\0" + b"\x10\1" + bytes(15) + b"\1"
    noted = with_segment(with_segment(plain, 0xFFFE, b"note"), 0xFFE8, b"maker\0")
    filled = noted[:2] + b"\xff" + noted[2:]
    for encoded in (plain, noted, filled, plain[:-2] + b"\xff\xff" + END, with_segment(plain, 0xFFC4, other + unused)):
        assert_as_libjpeg(encoded, picture)
