"""Pixels that contradict their transfer syntax: the bytes of every syntax under the name of every other one."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

pytestmark = pytest.mark.usefixtures("codecs")

IMPLICIT, LITTLE, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4."
NATIVE = (IMPLICIT, LITTLE, BIG)
COMPRESSED = (RLELossless, *(JPEG + number for number in ("57", "70", "80", "90", "201")))
DECLARED = (*NATIVE, RLELossless, *(JPEG + number for number in ("50", "51", "70", "81", "90", "203")))
CODINGS = {"57": "jpeg-lossless", "70": "jpeg-lossless", "80": "jpeg-ls", "81": "jpeg-ls", "90": "jpeg-2000"}
CODINGS |= {"50": "jpeg", "51": "jpeg", "201": "htj2k", "203": "htj2k"}


def kind_of(syntax: str) -> str:
    return "native" if syntax in NATIVE else CODINGS.get(syntax.rpartition(".")[2], "rle")


def pack(tools, frames, syntax, packing: str) -> bytes:
    encoded = [tools.encode(frame, syntax, 12) for frame in frames]
    encoded = [frame + b"\0" * (len(frame) % 2) for frame in encoded]
    if packing == "no items":
        return b"".join(encoded)
    if packing == "no table":
        return encapsulate(encoded, has_bot=False)[8:]
    return encapsulate(encoded, fragments_per_frame=3 if packing == "fragments" else 1, has_bot=packing == "table")


def write(tools, frames, declared: str, pixel_data: bytes, *, defined: bool = False, **attributes) -> bytes:
    """A file whose last element is written by hand, so that nothing ties it to the transfer syntax."""
    if len(frames) > 1:
        attributes = {"NumberOfFrames": len(frames), **attributes}
    head = tools.write(tools.dataset(frames[0], 12, **attributes), declared)
    length = len(pixel_data) if defined else 0xFFFFFFFF
    if declared == IMPLICIT:
        return head + struct.pack("<HHL", 0x7FE0, 0x10, length) + pixel_data
    order = ">" if declared == BIG else "<"
    return head + struct.pack(order + "HH2sHL", 0x7FE0, 0x10, b"OW" if defined else b"OB", 0, length) + pixel_data


def check(tools, content: bytes, frames, *, noted: bool) -> None:
    result = tools.read(content, target_side=None)
    assert ("encoding-differs" in result.notes) == noted
    assert set(result.notes) <= {"encoding-differs"}
    np.testing.assert_array_equal(tools.stored(content), frames)


@pytest.mark.parametrize("packing", ["table", "fragments", "no table", "no items"])
@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("count", [1, 3])
def test_every_codestream_under_every_name(tools, syntax, packing, count):
    if packing == "no items" and syntax == RLELossless and count > 1:
        pytest.skip("nothing says where an RLE frame ends")
    frames = [tools.frame(12, seed=seed) for seed in range(count)]
    pixel_data = pack(tools, frames, syntax, packing)
    for declared in DECLARED:
        noted = kind_of(syntax) != kind_of(declared) or packing.startswith("no ")
        for defined in (False, True):
            check(tools, write(tools, frames, declared, pixel_data, defined=defined), frames, noted=noted)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("declared", DECLARED[3:])
@pytest.mark.parametrize("packing", ["none", "none, odd", "item", "items"])
def test_native_pixels_under_every_compressed_name(tools, declared, count, packing):
    frames = [tools.frame(12, seed=seed) for seed in range(count)]
    values = [frame.tobytes() for frame in frames]
    pixel_data = b"".join(values)
    if packing.startswith("item"):
        pixel_data = encapsulate([pixel_data] if packing == "item" else values)
    pixel_data += b"\0" * (packing == "none, odd")
    check(tools, write(tools, frames, declared, pixel_data, defined=packing.startswith("none")), frames, noted=True)


@pytest.mark.parametrize("declared", NATIVE)
@pytest.mark.parametrize("shape", [(16, 16), (61, 84)])
def test_a_codestream_longer_than_its_pixels(tools, declared, shape):
    noise = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    pixel_data = pack(tools, [noise], JPEG + "70", "table") + bytes(2 * noise.nbytes)
    check(tools, write(tools, [noise], declared, pixel_data), [noise], noted=True)


@pytest.mark.parametrize(
    "start", [b"\xfe\xff\0\xe0\4\0\0\0", b"\xff\xd8\xff\xe0\0\x10", b"\xff\x4f\xff\x51\0\x29", b""]
)
def test_native_pixels_that_begin_like_something_else(tools, start):
    frame = tools.frame(12)
    frame.reshape(-1).view(np.uint8)[: len(start)] = np.frombuffer(start, np.uint8)
    content = write(tools, [frame], LITTLE, frame.tobytes(), defined=True, BitsStored=16, HighBit=15)
    check(tools, content, [frame], noted=False)


def test_a_codestream_behind_something_else(tools):
    frame = tools.frame(12)
    for number in ("70", "90"):
        pixel_data = b"some vendor's header" + tools.encode(frame, JPEG + number, 12)
        check(tools, write(tools, [frame], LITTLE, pixel_data, defined=True), [frame], noted=True)


@pytest.mark.parametrize("table", [b"\0" * 4, b"\xff" * 4, struct.pack("<3L", 0, 17, 4_000_000_000), b"\1\2\3\4"])
def test_an_offset_table_that_lies(tools, table):
    frames = [tools.frame(12, seed=seed) for seed in range(3)]
    for syntax in COMPRESSED:
        pixel_data = pack(tools, frames, syntax, "fragments")
        pixel_data = pixel_data[:4] + struct.pack("<L", len(table)) + table + pixel_data[8:]
        check(tools, write(tools, frames, syntax, pixel_data), frames, noted=False)


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_without_file_meta(tools, syntax):
    frame = tools.frame(12)
    content = write(tools, [frame], LITTLE, pack(tools, [frame], syntax, "table"))
    bare = content[144 + struct.unpack_from("<L", content, 140)[0] :]
    result = tools.read(bare, target_side=None)
    assert result.notes == ("no-preamble", "encoding-differs")
    np.testing.assert_array_equal(result.frames[0], tools.read(tools.dicom(frame, bits=12), target_side=None).frames[0])


@pytest.mark.parametrize(
    ("pixel_data", "reason"),
    [
        (b"", "truncated"),
        (encapsulate([b"\0\0"])[:8], "truncated"),
        (encapsulate([b"no codestream at all" * 20]), "decode-failed"),
        (b"no codestream at all" * 20, "decode-failed"),
    ],
)
@pytest.mark.parametrize("declared", DECLARED[3:])
def test_bytes_that_are_nothing(tools, declared, pixel_data, reason):
    assert tools.reason(write(tools, [tools.frame(12)], declared, pixel_data)) == reason


@pytest.mark.parametrize("number", ["70", "80", "90", "201"])
@pytest.mark.parametrize("swapped", [True, False])
def test_the_size_of_a_codestream_wins(tools, number, swapped):
    frame = tools.frame(12, shape=(150, 100))
    rows, columns = (100, 150) if swapped else (200, 50)
    content = tools.dicom(frame, JPEG + number, 12, Rows=rows, Columns=columns)
    result = tools.read(content, target_side=None)
    assert result.notes == ("codestream-differs",)
    assert (result.facts.rows, result.facts.columns) == frame.shape
    np.testing.assert_array_equal(tools.stored(content)[0], frame)
    assert tools.read(content, target_side=64).frames[0].shape == (75, 50)
    assert tools.reason(content, max_pixel_bytes=frame.nbytes - 1) == "too-many-pixels"


def test_the_depth_of_a_codestream_wins(tools):
    frame = tools.frame(12)
    for number in ("70", "80", "90", "201"):
        content = tools.dicom(frame, JPEG + number, 12, BitsAllocated=8, BitsStored=8, HighBit=7)
        assert tools.read(content).notes == ("codestream-differs",)
        np.testing.assert_array_equal(tools.stored(content)[0], frame)


@pytest.mark.parametrize("count", [1, 3])
def test_odd_frames_of_bytes_in_big_endian_words(tools, count):
    frames = [tools.frame(8, shape=(61, 83), seed=seed) for seed in range(count)]
    pixels = b"".join(frame.tobytes() for frame in frames)
    pixels += b"\0" * (len(pixels) % 2)
    swapped = np.frombuffer(pixels, np.uint16).byteswap().tobytes()
    attributes = {"BitsStored": 8, "HighBit": 7}
    check(tools, write(tools, frames, BIG, swapped, defined=True, **attributes), frames, noted=False)


@pytest.mark.parametrize("syntax", [LITTLE, BIG, RLELossless, JPEG + "50", JPEG + "70", JPEG + "80", JPEG + "90"])
def test_the_last_padding_byte_is_missing(tools, syntax):
    frame = tools.frame(8, shape=(61, 83))
    whole = tools.dicom(frame, syntax, 8)
    (expected,) = tools.stored(whole)
    if syntax not in NATIVE:
        encoded = tools.encode(frame, syntax, 8)
        encoded += b"\0" * (1 - len(encoded) % 2)  # so that another is needed
        whole = tools.dicom(frame, syntax, 8, pixel_data=encapsulate([encoded])).removesuffix(
            b"\xfe\xff\xdd\xe0\0\0\0\0"
        )
    assert whole.endswith(b"\0")
    np.testing.assert_array_equal(tools.stored(whole[:-1])[0], expected)
    assert tools.read(whole[:-1]).notes == ()


@pytest.mark.parametrize("packing", ["deflate", "zlib"])
@pytest.mark.parametrize("syntax", [LITTLE, JPEG + "90"])
def test_deflated_in_a_wrapper_or_with_other_pixels(tools, packing, syntax):
    frame = tools.frame(12)
    content = write(tools, [frame], LITTLE, frame.tobytes(), defined=True)
    if syntax != LITTLE:
        content = write(tools, [frame], LITTLE, pack(tools, [frame], syntax, "table"))
    start = 144 + struct.unpack_from("<L", content, 140)[0]
    meta = tools.write(tools.dataset(frame, 12), DEFLATED)
    meta = meta[: 144 + struct.unpack_from("<L", meta, 140)[0]]
    deflater = zlib.compressobj(wbits=15 if packing == "zlib" else -15)
    deflated = deflater.compress(content[start:]) + deflater.flush()
    check(tools, meta + deflated + b"\0" * (len(deflated) % 2), [frame], noted=syntax != LITTLE)
    assert tools.reason(meta + deflated[: len(deflated) // 2]) == "header-unreadable"
    assert tools.reason(meta + deflated[:-8]) == "header-unreadable"
