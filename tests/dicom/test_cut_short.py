"""Files whose last rows are missing: those that are there are read as if the picture had no others."""

from __future__ import annotations

import io
import struct

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageFile

from embedkit.dicom import Presentation, to_display
from embedkit.image import clean, trim_frame

BASELINE, EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
FULL = (400, 320)
JPEGS = {
    "grey": ("L", {}),
    "optimised": ("L", {"optimize": True}),
    "colour 4:4:4": ("RGB", {"subsampling": 0}),
    "colour 4:2:0": ("RGB", {"subsampling": 2}),
    "restarts": ("L", {"restart_marker_rows": 4}),
}
TAILS = {"cut": b"", "ended": b"\xff\xd9", "zeros": b"\0" * 3000, "half a marker": b"\xff"}


def save(picture: np.ndarray, kind: str, mode: str = "", **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def decode_with_pillow(content: bytes) -> np.ndarray:
    """All rows, the missing ones filled in."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        return np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_without_its_last_rows(tools, name, tail):
    mode, options = JPEGS[name]
    whole = save(tools.frame(8, shape=FULL), "JPEG", mode, quality=90, **options)
    result = tools.read(cut(whole, 0.9) + TAILS[tail])
    (shown,) = result.frames
    assert result.notes == ("cut-short",)
    rows = shown.shape[0]
    assert 0.8 * FULL[0] < rows < 0.93 * FULL[0]
    assert (result.facts.rows, result.facts.columns) == shown.shape
    assert np.abs(shown.astype(int) - decode_with_pillow(whole)[:rows]).max() <= 1
    assert (decode_with_pillow(cut(whole, 0.9))[rows + 16 :] == 128).all(), "all that is there was read"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_too_little_is_left(tools, kind):
    assert tools.reason(cut(save(tools.frame(8, shape=FULL), kind), 0.4)) == "truncated"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_of_the_whole(tools, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    whole = save(cv2.GaussianBlur(tools.frame(8, shape=FULL), (0, 0), 3), "JPEG", quality=95, exif=exif)
    upright = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(tools.read(whole).frames[0], upright)
    (shown,) = tools.read(cut(whole, 0.9)).frames
    rows, columns = shown.shape
    top = upright.shape[0] - rows if orientation in {3, 4} else 0
    left = upright.shape[1] - columns if orientation in {6, 7} else 0
    assert (rows < 400) if orientation < 5 else (columns < 400)
    np.testing.assert_array_equal(shown, upright[top : top + rows, left : left + columns])


@pytest.mark.parametrize("height", [400, 393])
def test_a_picture_that_ends_in_mid_grey_is_whole(tools, height):
    picture = tools.frame(8, shape=(height, 320))
    picture[-40:] = 128
    for options in ({}, {"progressive": True}):
        result = tools.read(save(picture, "JPEG", quality=95, **options))
        assert (result.notes, result.frames[0].shape) == ((), (height, 320))
    assert tools.read(save(np.full(FULL, 128, np.uint8), "JPEG")).notes == ()


def test_a_jpeg_without_end_marker_or_behind_which_more_comes(tools):
    whole = save(tools.frame(8, shape=FULL), "JPEG", quality=90)
    for content in (whole[:-2], whole + b"appended", whole + b"\0" * 50):
        np.testing.assert_array_equal(tools.read(content).frames[0], tools.read(whole).frames[0])
    assert tools.read(whole + b"appended").notes == ()


def test_a_progressive_jpeg_without_its_last_scans_has_all_rows(tools):
    whole = save(tools.frame(8, shape=FULL), "JPEG", quality=90, progressive=True)
    result = tools.read(cut(whole, 0.7))
    assert (result.notes, result.frames[0].shape) == (("cut-short",), FULL)
    assert np.abs(result.frames[0].astype(int) - tools.read(whole).frames[0]).mean() < 8


@pytest.mark.parametrize("bits", [8, 12])
def test_a_png_without_its_last_rows(tools, bits):
    picture = tools.frame(bits, shape=FULL)
    for tail in (b"", bytes(2000)):
        result = tools.read(cut(save(picture, "PNG"), 0.9) + tail)
        rows = result.frames[0].shape[0]
        assert 0.85 * FULL[0] < rows < 0.95 * FULL[0]
        expected = picture if bits == 8 else to_display(picture[:rows], Presentation())
        np.testing.assert_array_equal(result.frames[0], expected[:rows])
        assert result.notes == ("cut-short",)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "LA"])
def test_a_png_of_any_kind_without_its_last_rows(tools, mode):
    whole = save(cv2.GaussianBlur(tools.frame(8, shape=FULL), (0, 0), 2), "PNG", mode)
    (shown,) = tools.read(cut(whole, 0.8)).frames
    assert 0.7 * FULL[0] < shown.shape[0] < FULL[0]
    np.testing.assert_array_equal(shown, tools.read(whole).frames[0][: shown.shape[0]])


@pytest.mark.parametrize("bits", [8, 12])
def test_a_tiff_without_its_last_rows(tools, bits):
    picture = tools.frame(bits, shape=FULL)
    result = tools.read(cut(save(picture, "TIFF"), 0.9))
    rows = result.frames[0].shape[0]
    assert 0.89 * FULL[0] < rows <= 0.9 * FULL[0]
    expected = picture if bits == 8 else to_display(picture[:rows], Presentation())
    np.testing.assert_array_equal(result.frames[0], expected[:rows])
    assert result.notes == ("cut-short",)


def test_a_tiff_without_its_last_strips(tools):
    """Compressed strips behind their directory, as scanners write them."""
    picture = tools.frame(8, shape=FULL)
    strips = [imagecodecs.packbits_encode(picture[row : row + 50].tobytes()) for row in range(0, 400, 50)]
    entries = [(256, 4, 320), (257, 4, 400), (258, 3, 8), (259, 3, 32773), (262, 3, 1), (277, 3, 1), (278, 4, 50)]
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    places = np.cumsum([start + 64, *map(len, strips)])[:-1]
    directory = b"".join(struct.pack("<HHLL", tag, kind, 1, value) for tag, kind, value in entries)
    lists = (start, 273, 8), (start + 32, 279, 8)
    directory = b"".join(
        sorted(
            [directory[n : n + 12] for n in range(0, len(directory), 12)]
            + [struct.pack("<HHLL", tag, 4, count, place) for place, tag, count in lists],
            key=lambda e: e[:2][::-1],
        )
    )
    whole = b"II*\0" + struct.pack("<LH", 8, len(entries) + 2) + directory + bytes(4)
    whole += struct.pack("<8L", *places) + struct.pack("<8L", *map(len, strips)) + b"".join(strips)
    np.testing.assert_array_equal(tools.read(whole).frames[0], picture)
    result = tools.read(cut(whole, 0.9))
    assert result.notes == ("cut-short",)
    np.testing.assert_array_equal(result.frames[0], picture[:350])


@pytest.mark.usefixtures("codecs")
@pytest.mark.parametrize("target_side", [None, 160])
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_dicom_jpeg_without_its_last_rows(tools, photometric, tail, target_side):
    frame = cv2.GaussianBlur(tools.frame(8, shape=FULL), (0, 0), 3)
    window = {"WindowCenter": 128, "WindowWidth": 256, "PhotometricInterpretation": photometric}
    encoded = tools.encode(frame, BASELINE, 8)
    whole = tools.read(tools.dicom(frame, BASELINE, encoded=[encoded], **window), target_side=target_side)
    pieces = [cut(encoded, 0.9) + TAILS[tail]]
    result = tools.read(tools.dicom(frame, BASELINE, encoded=pieces, **window), target_side=target_side)
    assert result.notes == ("cut-short",)
    rows = result.frames[0].shape[0]
    assert 0.8 < rows / whole.frames[0].shape[0] < 0.95
    np.testing.assert_array_equal(result.frames[0], whole.frames[0][:rows])
    assert tools.reason(tools.dicom(frame, BASELINE, encoded=[cut(encoded, 0.4) + TAILS[tail]])) == "truncated"


@pytest.mark.usefixtures("codecs")
def test_a_dicom_jpeg_of_twelve_bits_without_its_last_rows(tools):
    frame = tools.frame(12, shape=FULL)
    encoded = tools.encode(frame, EXTENDED, 12)
    whole = tools.stored(tools.dicom(frame, EXTENDED, 12, encoded=[encoded]))[0]
    content = tools.dicom(frame, EXTENDED, 12, encoded=[cut(encoded, 0.9)])
    (stored,) = tools.stored(content)
    assert tools.read(content).notes == ("cut-short",)
    assert 0.8 * 400 < len(stored) < 0.95 * 400
    np.testing.assert_array_equal(stored, whole[: len(stored)])


def test_neither_window_nor_border_notice_what_is_missing(tools):
    """A film with a bright frame on three sides, whose last rows did not arrive."""
    film = np.full(FULL, 250, np.uint8)
    film[20:, 20:-20] = cv2.GaussianBlur(tools.frame(8, shape=FULL), (0, 0), 3)[20:, 20:-20] // 2 + 10
    (shown,) = tools.read(cut(save(film, "JPEG", quality=95), 0.8)).frames
    (whole,) = tools.read(save(film, "JPEG", quality=95)).frames
    np.testing.assert_array_equal(trim_frame(shown), trim_frame(whole[: len(shown)]))
    assert trim_frame(shown).shape[1] == trim_frame(whole).shape[1] < 290
    np.testing.assert_array_equal(clean(shown), clean(whole[: len(shown)]))
