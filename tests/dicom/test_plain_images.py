"""PNG, JPEG and TIFF files."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from blake3 import blake3
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from embedkit.dicom import Presentation, to_display


def save(picture: np.ndarray | Image.Image, kind: str, *, orientation: int = 0, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if orientation:
        exif = Image.Exif()
        exif[274] = orientation
        options["exif"] = exif
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_eight_bits_stay_as_they_are(tools, kind):
    picture = cv2.GaussianBlur(tools.frame(8), (0, 0), 3)
    result = tools.read(save(picture, kind, **({"quality": 100} if kind == "JPEG" else {})))
    assert np.abs(result.frames[0].astype(int) - picture).max() <= (2 if kind == "JPEG" else 0)
    facts = result.facts
    assert (facts.rows, facts.columns, facts.bits_stored, facts.frames, facts.modality) == (61, 84, 8, 1, "")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_windowed(tools, kind):
    picture = tools.frame(12)
    result = tools.read(save(picture, kind))
    np.testing.assert_array_equal(result.frames[0], to_display(picture, Presentation()))
    assert result.facts.bits_stored == 16


@pytest.mark.parametrize("bits", [8, 12])
def test_a_tiff_whose_zeros_are_white(tools, bits):
    picture = tools.frame(bits)
    content = save(picture, "TIFF")
    at = content.index(struct.pack("<HHL", 262, 3, 1))
    turned = content[: at + 8] + b"\0\0" + content[at + 10 :]
    shown = tools.read(turned).frames[0].astype(int)
    assert np.abs(shown - (255 - tools.read(content).frames[0].astype(int))).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_orientation(tools, kind):
    picture = cv2.GaussianBlur(tools.frame(8), (0, 0), 3)
    if kind == "TIFF":
        tags = ImageFileDirectory_v2()
        tags[274] = 6
        content = save(picture, kind, tiffinfo=tags)
    else:
        content = save(picture, kind, orientation=6, **({"quality": 100} if kind == "JPEG" else {}))
    upright = np.rot90(picture, -1)
    assert np.abs(tools.read(content).frames[0].astype(int) - upright).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_colours_and_transparency_become_grey(tools, mode):
    picture = tools.frame(8)
    assert (
        np.abs(tools.read(save(Image.fromarray(picture).convert(mode), "PNG")).frames[0].astype(int) - picture).max()
        <= 1
    )


def test_colours_are_weighed(tools):
    rgb = np.stack([tools.frame(8, seed=seed) for seed in range(3)], axis=-1)
    assert np.abs(tools.read(save(rgb, "PNG")).frames[0] - rgb @ [0.299, 0.587, 0.114]).max() <= 1


def test_the_pages_of_a_tiff_are_frames(tools):
    pages = [tools.frame(8, seed=seed) for seed in range(3)]
    content = save(pages[0], "TIFF", save_all=True, append_images=[Image.fromarray(page) for page in pages[1:]])
    np.testing.assert_array_equal(tools.read(content).frames, pages)
    assert tools.reason(content, max_frames=2) == "too-many-frames"
    assert tools.reason(content, max_pixel_bytes=61 * 84 * 8 * 2) == "too-many-pixels"


def test_the_uid_is_made_from_the_content(tools):
    content = save(tools.frame(8), "PNG")
    digest = blake3(content).digest()
    assert tools.read(content).facts.sop_instance_uid == f"2.25.{int.from_bytes(digest[:16], 'big')}"
    assert (
        tools.read(save(tools.frame(8, seed=1), "PNG")).facts.sop_instance_uid
        != tools.read(content).facts.sop_instance_uid
    )


def test_large_pictures_are_reduced(tools):
    content = save(tools.frame(8, shape=(1300, 900)), "PNG")
    assert tools.read(content).frames[0].shape == (650, 450)
    assert (tools.read(content).facts.rows, tools.read(content, target_side=None).frames[0].shape) == (
        1300,
        (1300, 900),
    )


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))

    header = struct.pack(">LLBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_bombs_are_refused_before_anything_is_decoded(tools):
    assert tools.reason(png(60000, 60000, bytes(100))) == "too-many-pixels"
    jpeg = bytearray(save(tools.frame(8), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    assert tools.reason(bytes(jpeg)) == "too-many-pixels"
    tiff = save(tools.frame(8), "TIFF")
    for tag in (256, 257):
        at = tiff.index(struct.pack("<H", tag), struct.unpack_from("<L", tiff, 4)[0])
        tiff = tiff[: at + 2] + struct.pack("<HLL", 4, 1, 10**8) + tiff[at + 12 :]
    assert tools.reason(tiff) == "too-many-pixels"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("length", [9, 30, 60])
def test_damaged_files(tools, kind, length, capfd):
    assert tools.reason(save(tools.frame(8), kind)[:length]) in {"decode-failed", "truncated"}


def test_floating_point_is_not_read(tools):
    assert tools.reason(save(tools.frame(8).astype(np.float32), "TIFF")) == "unsupported-pixels"
