"""A stream cut short, in every syntax: rejected, or its rows read with a note; a missing end marker is no cut."""

from __future__ import annotations

import io
import re

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from embedkit.dicom.codecs import jpeg_lossless, jpeg_ls
from embedkit.dicom.codecs.compiled import WORTH_LOADING, CompiledDecoder
from embedkit.errors import RejectedFile

pytestmark = pytest.mark.usefixtures("codecs")

LITTLE, BIG, RLE, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4."
SHAPE = (200, 260)
STREAMS = ("50", "51", "57", "70", "colour 57", "80", "81", "colour 80")
STREAMS = (*STREAMS, "90", "91", "90 tiles", "91 layers", "90 unbounded", "201", "RLE")
OPTIONS = {"70": {"predictor": 6}, "81": {"level": 2}, "91": {"level": 60, "reversible": False}}
PILLOW = {"90 tiles": {"tile_size": (64, 64)}, "91 layers": {"quality_layers": [40, 20, 4]}}


def syntax_of(name: str) -> str:
    return RLE if name == "RLE" else JPEG + re.findall("[0-9]+", name)[0]


def make(tools, name: str) -> tuple[np.ndarray, bytes]:
    """The picture, and its codestream."""
    syntax, bits = syntax_of(name), 8 if name == "50" or "colour" in name else 12
    frame = tools.frame(bits, shape=SHAPE)
    if "colour" in name:
        frame = np.stack([tools.frame(8, shape=SHAPE, seed=seed) for seed in range(3)], axis=-1)
    if name == "colour 57":
        return frame, imagecodecs.jpeg8_encode(frame, lossless=True, colorspace="RGB", outcolorspace="RGB")
    if name in PILLOW:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG2000", no_jp2=True, **PILLOW[name])
        return frame, buffer.getvalue()
    encoded = tools.encode(frame, syntax, bits, **OPTIONS.get(name, {}))
    return frame, unbounded(encoded) if name == "90 unbounded" else encoded


def unbounded(encoded: bytes) -> bytes:
    """Psot = 0: the last tile-part goes on to the end."""
    start = encoded.index(b"\xff\x90\0\x0a")
    return encoded[: start + 6] + bytes(4) + encoded[start + 10 :]


def write(tools, name: str, frame: np.ndarray, encoded: bytes) -> bytes:
    bits = 8 if frame.itemsize == 1 else 12
    return tools.dicom(frame, syntax_of(name), bits, pixel_data=encapsulate([encoded + b"\0" * (len(encoded) % 2)]))


def cut(encoded: bytes, share: float, tail: str) -> bytes:
    kept = encoded[: int(share * len(encoded))]
    tails = {"cut": b"", "ended": b"\xff\xd9", "zeros": bytes(3000), "hole": bytes(len(encoded) - len(kept))}
    return kept + tails[tail]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", ["57", "70", "80"])
def test_by_either_decoder(tools, monkeypatch, name, compiled, codecs):
    decoder = (jpeg_ls if name == "80" else jpeg_lossless).DECODER
    monkeypatch.setattr(decoder, "tried", False)
    monkeypatch.setattr(decoder, "kernel", None)
    monkeypatch.setattr(decoder, "pixels", WORTH_LOADING if compiled else -WORTH_LOADING)
    monkeypatch.setattr(CompiledDecoder, "numba_is_there", False)
    frame, encoded = make(tools, name)
    np.testing.assert_array_equal(tools.stored(write(tools, name, frame, encoded))[0], frame)
    assert (decoder.kernel is not None) == (compiled and codecs == "fast")
    test_nothing_is_made_up(tools, name, None, "cut")
    test_without_an_end_marker(tools, name, "none")


@pytest.mark.parametrize("side", [None, 64])
@pytest.mark.parametrize("tail", ["cut", "ended", "zeros", "hole"])
@pytest.mark.parametrize("name", STREAMS)
def test_nothing_is_made_up(tools, name, side, tail):
    frame, encoded = make(tools, name)
    (whole,) = tools.stored(write(tools, name, frame, encoded), side)
    is_told = tail == "cut" and side is None and name not in {"50", "51"}  # a few coefficients of those are nothing
    for share in (0.999 if is_told else 0.97, 0.8, 0.6, 0.3, 0.05):
        content = write(tools, name, frame, cut(encoded, share, tail))
        try:
            result = tools.read(content, target_side=side)
        except RejectedFile as rejection:
            assert rejection.reason in {"truncated", "decode-failed"}  # noqa: PT017
            continue
        assert result.notes == ("cut-short",)
        (rows,) = tools.stored(content, side)
        assert len(whole) // 2 <= len(rows) < len(whole)
        assert abs(len(rows) / len(whole) - share) < 0.1
        assert np.abs(rows.astype(int) - whole[: len(rows)]).max() <= 1


@pytest.mark.parametrize("ending", ["none", "half", "padded"])
@pytest.mark.parametrize("name", [name for name in STREAMS if name != "RLE"])
def test_without_an_end_marker(tools, name, ending):
    frame, encoded = make(tools, name)
    (whole,) = tools.stored(write(tools, name, frame, encoded))
    assert encoded.endswith(b"\xff\xd9")
    content = write(tools, name, frame, encoded[:-2] + {"none": b"", "half": b"\xff", "padded": b"\0\0"}[ending])
    np.testing.assert_array_equal(tools.stored(content)[0], whole)
    assert "cut-short" not in tools.read(content).notes


@pytest.mark.parametrize("name", STREAMS)
def test_a_file_that_ends_in_its_stream(tools, name):
    frame, encoded = make(tools, name)
    content = write(tools, name, frame, encoded)
    for share in (0.9, 0.5, 0.2):
        try:
            result = tools.read(content[: int(share * len(content))])
        except RejectedFile as rejection:
            assert rejection.reason == "truncated"  # noqa: PT017
        else:
            assert "cut-short" in result.notes
            assert result.frames[0].shape[0] < SHAPE[0]


@pytest.mark.parametrize("syntax", [LITTLE, BIG])
def test_native_pixels_that_end_early(tools, syntax):
    content = tools.dicom(tools.frame(12, shape=SHAPE), syntax, 12)
    for missing in (2, 500, 90_000):
        assert tools.reason(content[:-missing]) == "truncated"
