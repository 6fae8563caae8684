"""Files that nobody vouches for: bombs, damage, nesting, and headers that would talk."""

from __future__ import annotations

import dataclasses
import functools
import logging
import random
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.dicom import FileContent, ReadingOptions, read_content
from embedkit.errors import RejectedFile
from embedkit.reasons import REASONS
from embedkit.workers import WorkerPool

decoded = pytest.mark.usefixtures("codecs")

DEFLATED, LITTLE, IMPLICIT = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
RLE, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
CT = "1.2.840.10008.5.1.4.1.1.2"
REPOSITORY = Path(__file__).parents[2]


@decoded
@pytest.mark.parametrize("syntax", [LITTLE, RLE, "1.2.840.10008.1.2.4.90"])
def test_dimension_bombs_are_refused_before_anything_is_allocated(tools, syntax):
    frame = tools.frame(12)
    assert tools.reason(tools.dicom(frame, syntax, 12, Rows=60000, Columns=60000)) == "too-many-pixels"
    assert tools.reason(tools.dicom(frame, syntax, 12, NumberOfFrames=2**31 - 1)) == "too-many-frames"
    assert tools.reason(tools.dicom(frame, syntax, 12, NumberOfFrames=200), max_pixel_bytes=2**20) == "too-many-pixels"


def test_seventy_bytes_of_rle_that_claim_many_pixels(tools):
    frame = tools.frame(12)
    bomb = tools.dicom(frame, RLE, 12, encoded=[struct.pack("<16L", 2, 64, 67, *[0] * 13) + b"\x81\0\x81\0\x81\0"])
    assert tools.reason(bomb) == "truncated"


@decoded
def test_a_codestream_larger_than_the_limit_is_not_decoded(tools):
    frame, large = tools.frame(12), tools.frame(12, shape=(900, 900))
    for syntax in ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"):
        content = tools.dicom(frame, syntax, 12, encoded=[tools.encode(large, syntax, 12)])
        assert tools.reason(content, max_pixel_bytes=large.nbytes - 1) == "too-many-pixels"
        assert tools.read(content, max_pixel_bytes=large.nbytes).facts.rows == 900


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(body), kind) + body


@decoded
@pytest.mark.parametrize("extended", [True, False])
def test_a_jp2_file_with_a_decoy_before_its_codestream(tools, extended):
    small, large = (tools.encode(tools.frame(12, shape=shape), JPEG_2000, 12) for shape in ((61, 84), (900, 900)))
    start = b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"uuid", bytes(16) + small)
    code = struct.pack(">L4sQ", 1, b"jp2c", 16 + len(large)) + large if extended else box(b"jp2c", large)
    content = tools.dicom(tools.frame(12), JPEG_2000, 12, encoded=[start + code])
    assert tools.reason(content, max_pixel_bytes=2 * 900 * 900 - 1) == "too-many-pixels"
    assert tools.read(content).notes == ("codestream-differs",)
    honest = tools.dicom(tools.frame(12), JPEG_2000, 12, encoded=[start + box(b"jp2c", small)])
    np.testing.assert_array_equal(tools.stored(honest)[0], tools.frame(12))
    without = tools.dicom(tools.frame(12), JPEG_2000, 12, encoded=[start])
    assert tools.reason(without) == "decode-failed"


@decoded
@pytest.mark.parametrize("number", ["50", "70", "80"])
@pytest.mark.parametrize(
    "decoy",
    [b"\xff\x01", b"\xff\xd0", b"\xff\x00", b"\xff\xd8", b"\xff\xe1\0\0", b"\xff\xe1\0\1", b"\xff\xc9"],
    ids=bytes.hex,
)
def test_two_headers_of_which_decoders_might_take_either(tools, number, decoy):
    """Behind markers without a length, the large header comes first for libjpeg, and a reader of lengths skips it."""
    syntax, bits = "1.2.840.10008.1.2.4." + number, 8
    small, large = (tools.encode(tools.frame(bits, shape=shape), syntax, bits) for shape in ((61, 84), (900, 900)))
    encoded = small[:2] + decoy + large[2:300] + small[2:]
    assert tools.reason(tools.dicom(tools.frame(bits), syntax, bits, encoded=[encoded])) == "decode-failed"


@decoded
def test_more_frames_than_the_limit(tools):
    frames = [tools.frame(8, seed=seed) for seed in range(5)]
    assert tools.reason(tools.dicom(frames, NumberOfFrames=1), max_frames=4) == "too-many-frames"
    assert len(tools.read(tools.dicom(frames), max_frames=5).frames) == 5
    hidden = tools.dicom(frames, RLE, NumberOfFrames=1)
    assert tools.reason(hidden, max_pixel_bytes=4 * frames[0].nbytes) == "too-many-frames"


def deflate(dataset: bytes, meta: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return meta + deflater.compress(dataset) + deflater.flush()


@pytest.fixture
def deflated_meta(tools) -> bytes:
    content = tools.dicom(tools.frame(8), DEFLATED)
    return content[: 144 + struct.unpack_from("<L", content, 140)[0]]


def test_what_inflates_beyond_the_limit_is_refused(tools, deflated_meta):
    bomb = deflate(struct.pack("<HH2sHL", 9, 0x1010, b"OB", 0, 1 << 28) + bytes(1 << 25), deflated_meta)
    assert len(bomb) < 50_000
    assert tools.reason(bomb, max_pixel_bytes=1 << 24) == "header-too-large"


@pytest.mark.slow
def test_a_header_of_very_many_elements_is_refused(tools, deflated_meta):
    elements = b"".join(struct.pack("<HH2sH", 9, 0x1000 + i % 0xEFFF, b"LO", 0) for i in range(50_000)) * 3
    assert tools.reason(deflate(elements, deflated_meta)) == "header-too-large"


def test_a_damaged_deflate_stream(tools, deflated_meta):
    assert tools.reason(deflated_meta + b"\xff" * 500) == "header-unreadable"


@pytest.mark.parametrize("explicit_length", [True, False])
def test_sequences_nested_beyond_measure(tools, good, explicit_length):
    nested = b""
    for _ in range(3000):
        if explicit_length:
            item = struct.pack("<HHL", 0xFFFE, 0xE000, len(nested)) + nested
            nested = struct.pack("<HH2sHL", 8, 0x2218, b"SQ", 0, len(item)) + item
        else:
            nested = (
                struct.pack("<HH2sHL", 8, 0x2218, b"SQ", 0, 0xFFFFFFFF)
                + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
                + nested
            )
    at = good.index(b"\x10\x00\x10\x00PN")
    content = good[:at] + nested + good[at:]
    if explicit_length:
        assert tools.read(content).facts.modality == "DX"  # nothing asks for what is in it
    else:
        assert tools.reason(content) == "header-unreadable"


@pytest.mark.parametrize(
    "elements",
    [
        {"BitsAllocated": 1, "BitsStored": 1},
        {"BitsAllocated": 12},
        {"BitsAllocated": 64},
    ],
)
def test_pixels_that_are_not_read(tools, elements):
    assert tools.reason(tools.dicom(tools.frame(8), **elements)) == "unsupported-pixels"


@pytest.mark.parametrize(("name", "samples"), [("CMYK", 4), ("ARGB", 4), ("RGB", 4), ("MONOCHROME2", 4), ("HSV", 3)])
def test_colours_that_are_not_read(tools, name, samples):
    frame = np.repeat(tools.frame(8)[..., np.newaxis], samples, axis=2)
    assert tools.reason(tools.dicom(frame, PhotometricInterpretation=name)) == "unsupported-pixels"


def test_float_pixels_are_not_read(tools, good):
    assert tools.reason(good.replace(b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x08\x00OF")) == "unsupported-pixels"


@decoded
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.94", "1.2.840.113619.5.2", "1.2.3"])
def test_transfer_syntaxes_that_are_not_read(tools, syntax):
    content = tools.dicom(tools.frame(8), syntax, encoded=[b"\0\0\1\xb3" * 20])
    assert tools.reason(content) == "unsupported-transfer-syntax"


DAMAGES = [
    (number, damage)
    for number in ("50", "51", "57", "70", "80", "90", "201")
    for damage in ("start", "middle", "noise")
]


@decoded
def test_damaged_codestreams_cost_nothing_but_themselves(tools):
    """In a worker, as always: some decoders abort their process over such a stream."""
    contents = [damaged(tools, number, damage) for number, damage in DAMAGES]
    with WorkerPool(functools.partial(read_content, options=ReadingOptions()), workers=1, timeout_s=30) as pool:
        outcomes = [outcome for _, outcome in pool.map(contents)]
    assert len(outcomes) == len(DAMAGES)
    for outcome in outcomes:
        if isinstance(outcome, RejectedFile):
            assert outcome.reason in {"decode-failed", "truncated", "decoder-crashed"}
        else:
            assert outcome.frames[0].shape == (61, 84)
    assert sum(isinstance(outcome, RejectedFile) for outcome in outcomes) >= len(DAMAGES) // 3


def damaged(tools, number: str, damage: str) -> FileContent:
    bits = 8 if number == "50" else 12
    syntax = "1.2.840.10008.1.2.4." + number
    encoded = bytearray(tools.encode(tools.frame(bits), syntax, bits))
    middle = len(encoded) // 2
    if damage == "start":
        encoded[:40] = bytes(40)
    elif damage == "middle":
        del encoded[middle:]
    else:
        encoded[middle : middle + 200] = random.Random(0).randbytes(200)
    return FileContent(tools.dicom(tools.frame(bits), syntax, bits, encoded=[bytes(encoded)]), "")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_header_bytes_never_raise_anything_else(tools, good, data):
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(128, 900))] = data.draw(st.integers(0, 255))
    try:
        result = tools.read(bytes(damaged), max_pixel_bytes=1 << 22)
    except RejectedFile as rejection:
        assert rejection.reason in REASONS  # noqa: PT017
    else:
        assert all(frame.dtype == np.uint8 for frame in result.frames)


def odd_values(tools) -> bytes:
    """A file whose header makes pydicom warn, with the patient's name in what it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = tools.dataset(tools.frame(12), 12, SpecificCharacterSet="CANARY^JANE", PatientAge="CANARY^JANE")
        dataset.add_new("StationName", "LO", b"\xff\xfeCANARY-STATION\x1b[31m\x07\xe2\x80\xae" + b"x" * 500)
        dataset.add_new("WindowCenter", "DS", "40")
        dataset.add_new("PixelData", "OW", tools.frame(12).tobytes())
        content = tools.write(dataset)
    return content.replace(b"DS\x02\x0040", b"DS\x02\x00x!")


def test_nothing_of_the_header_is_logged_or_warned_of(tools, caplog, capfd):
    content = odd_values(tools)
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        result = tools.read(content)
    assert caught == []
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert "CANARY^JANE" not in repr(dataclasses.asdict(result.facts))


def test_pydicoms_settings_are_as_before(tools, good):
    from pydicom import config

    before = config.settings.reading_validation_mode, logging.getLogger("pydicom").disabled, list(warnings.filters)
    tools.read(good)
    tools.reason(good[:400])
    assert before == (
        config.settings.reading_validation_mode,
        logging.getLogger("pydicom").disabled,
        list(warnings.filters),
    )


def test_rejections_name_no_value_of_the_header(tools, good):
    for content in (good[:500], good[:-100], tools.dicom(tools.frame(8), Modality="CANARY")):
        with pytest.raises(RejectedFile) as rejection:
            tools.read(content)
        assert "CANARY" not in f"{rejection.value} {rejection.value!r}"
