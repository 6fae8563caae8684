"""Every transfer syntax, depth and sign: bit for bit what was encoded, and what a second decoder gives."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels import pixel_array

pytestmark = pytest.mark.usefixtures("codecs")

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4."
SECOND = {"50": "pillow", "51": "pylibjpeg", "57": "pylibjpeg", "70": "pylibjpeg", "80": "pyjpegls", "81": "pyjpegls"}
LOSSLESS = (*NATIVE, RLE, *(JPEG + number for number in ("57", "70", "80", "90", "201", "202")))
DEPTHS = [(8, False), (8, True), (10, False), (12, False), (12, True), (15, False), (16, False), (16, True)]


def second_opinion(content: bytes, syntax: str) -> np.ndarray:
    plugin = SECOND.get(syntax.rpartition(".")[2], "pylibjpeg" if syntax.startswith(JPEG) else "")
    if syntax == RLE:
        plugin = "pydicom"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pixel_array(dcmread(io.BytesIO(content)), decoding_plugin=plugin)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize(("bits", "signed"), DEPTHS)
def test_lossless_syntaxes_are_read_bit_for_bit(tools, syntax, bits, signed):
    frame = tools.frame(bits, signed=signed)
    content = tools.dicom(frame, syntax, bits)
    (stored,) = tools.stored(content)
    np.testing.assert_array_equal(stored, frame)
    kept = (1 << bits) - 1 if syntax.endswith(".80") else -1  # pydicom leaves JPEG-LS without the sign
    np.testing.assert_array_equal(stored.astype(int) & kept, second_opinion(content, syntax).astype(int) & kept)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_jpeg_lossless_with_any_predictor(tools, predictor, bits):
    frame = tools.frame(bits)
    content = tools.dicom(frame, JPEG + "57", bits, encode_options={"predictor": predictor})
    (stored,) = tools.stored(content)
    np.testing.assert_array_equal(stored, frame)
    np.testing.assert_array_equal(stored, second_opinion(content, JPEG + "57"))


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_near_lossless_jpeg_ls_stays_within_its_error(tools, bits):
    frame = tools.frame(bits)
    content = tools.dicom(frame, JPEG + "81", bits, encode_options={"level": 3})
    (stored,) = tools.stored(content)
    assert 0 < np.abs(stored.astype(int) - frame).max() <= 3
    other = np.minimum(second_opinion(content, JPEG + "81"), (1 << bits) - 1)  # which leaves white that overshot
    np.testing.assert_array_equal(stored, other)


@pytest.mark.parametrize(("number", "bits"), [("50", 8), ("51", 12), ("91", 8), ("91", 12), ("91", 16), ("203", 16)])
def test_lossy_syntaxes_agree_with_a_second_decoder(tools, number, bits):
    frame = tools.frame(bits)
    options = {"50": {}, "51": {}, "91": {"level": 45, "reversible": False}, "203": {"reversible": False}}[number]
    content = tools.dicom(frame, JPEG + number, bits, encode_options=options)
    (stored,) = tools.stored(content)
    other = second_opinion(content, JPEG + number)
    assert np.abs(stored.astype(int) - other).max() <= 1 << max(0, bits - 12)  # inverse transforms may round apart
    assert np.abs(stored.astype(int) - frame).mean() < (1 << bits) / 50


@pytest.mark.parametrize("syntax", [*NATIVE, RLE])
def test_bits_above_the_stored_ones_are_ignored(tools, syntax):
    frame = tools.frame(12)
    overlaid = frame | (np.arange(frame.size).reshape(frame.shape) % 3 << 12).astype(np.uint16)
    (stored,) = tools.stored(tools.dicom(overlaid, syntax, 12))
    np.testing.assert_array_equal(stored, frame)


def test_high_bit_above_the_usual_place(tools):
    frame = tools.frame(12)
    (stored,) = tools.stored(tools.dicom(frame << 4 | 5, NATIVE[1], 12, HighBit=15))
    np.testing.assert_array_equal(stored, frame)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", NATIVE)
def test_32_bits(tools, syntax, signed):
    frame = tools.frame(20, signed=signed)
    (stored,) = tools.stored(tools.dicom(frame, syntax, 32))
    np.testing.assert_array_equal(stored, frame)


def test_the_codestream_counts_where_the_header_names_another_process(tools):
    frame = tools.frame(12)
    lossless = tools.encode(frame, JPEG + "70", 12)
    (stored,) = tools.stored(tools.dicom(frame, JPEG + "51", 12, encoded=[lossless]))
    np.testing.assert_array_equal(stored, frame)


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("number", ["90", "201"])
def test_reduced_wavelets_agree_with_the_whole_picture(tools, number, bits, signed):
    frame = tools.frame(bits, signed=signed, shape=(192, 256))
    (reduced,) = tools.stored(tools.dicom(frame, JPEG + number, bits), target_side=64)
    means = frame.astype(float).reshape(48, 4, 64, 4).mean((1, 3))
    assert reduced.shape == (48, 64)
    assert np.abs(reduced - means).mean() < (1 << bits) / 20  # a low-pass, up to half a pixel beside the mean
    assert reduced.min() >= frame.min()
    assert reduced.max() <= frame.max()


def test_a_codestream_with_few_levels_is_reduced_all_the_same(tools):
    frame = tools.frame(12, shape=(192, 256))
    content = tools.dicom(frame, JPEG + "90", 12, encode_options={"resolutions": 2})
    (reduced,) = tools.stored(content, target_side=32)
    means = frame.astype(float).reshape(24, 8, 32, 8).mean((1, 3))
    assert np.abs(reduced - means).max() < 40


@pytest.mark.parametrize("syntax", [NATIVE[1], RLE, JPEG + "50", JPEG + "70", JPEG + "80"])
@pytest.mark.parametrize(("rows", "columns"), [(130, 257), (64, 40), (700, 60)])
def test_reduction_leaves_the_target_side(tools, syntax, rows, columns):
    frame = tools.frame(8, shape=(rows, columns))
    (reduced,) = tools.stored(tools.dicom(frame, syntax), target_side=64)
    assert 64 <= max(reduced.shape) < 128
    assert reduced.shape[0] / reduced.shape[1] == pytest.approx(rows / columns, rel=0.2)


@pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmtk is not installed")
@pytest.mark.parametrize("process", ["+e1", "+el", "+ee", "+eb"])
def test_files_of_another_toolkit(tools, tmp_path: Path, process):
    frame = tools.frame(8 if process == "+eb" else 12)
    source, encoded = tmp_path / "a", tmp_path / "b"
    source.write_bytes(tools.dicom(frame, bits=8 if process == "+eb" else 12))
    subprocess.run(["dcmcjpeg", process, str(source), str(encoded)], check=True, capture_output=True)
    (stored,) = tools.stored(encoded.read_bytes())
    tolerance = 0 if process in {"+e1", "+el"} else 40
    assert np.abs(stored.astype(int) - frame).max() <= tolerance


def test_a_decoder_that_refuses_is_followed_by_another(tools, monkeypatch):
    frame = tools.frame(12)
    content = tools.dicom(frame, JPEG + "90", 12)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(imagecodecs, "jpeg2k_decode", refuse)
    (stored,) = tools.stored(content)
    np.testing.assert_array_equal(stored, frame)
