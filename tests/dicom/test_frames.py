"""Several frames, fragments, colours, palettes, and headers that count wrong."""

from __future__ import annotations

import struct

import cv2
import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from embedkit.dicom.reduction import reduce_size
from embedkit.errors import RejectedFile

pytestmark = pytest.mark.usefixtures("codecs")

BASELINE, LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
SYNTAXES = (ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, LOSSLESS, JPEGLSLossless, JPEG2000Lossless)


@pytest.fixture
def movie(tools):
    return [tools.frame(12, seed=seed) for seed in range(3)]


def items(*values: bytes) -> bytes:
    """Encapsulate by hand: an item each, then the delimiter."""
    return b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value for value in values) + struct.pack(
        "<HHL", 0xFFFE, 0xE0DD, 0
    )


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_each_frame_is_an_image(tools, movie, syntax):
    np.testing.assert_array_equal(tools.stored(tools.dicom(movie, syntax, 12)), movie)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("claimed", [1, 2, 7])
def test_a_wrong_number_of_frames_is_put_right(tools, movie, syntax, claimed):
    np.testing.assert_array_equal(tools.stored(tools.dicom(movie, syntax, 12, NumberOfFrames=claimed)), movie)


@pytest.mark.parametrize("offset_table", [True, False])
@pytest.mark.parametrize("syntax", [LOSSLESS, JPEGLSLossless, JPEG2000Lossless])
def test_frames_in_fragments(tools, movie, syntax, offset_table):
    encoded = [tools.encode(frame, syntax, 12) for frame in movie]
    pixel_data = encapsulate(encoded, fragments_per_frame=3, has_bot=offset_table)
    np.testing.assert_array_equal(tools.stored(tools.dicom(movie, syntax, 12, pixel_data=pixel_data)), movie)


def test_extended_offset_table(tools, movie):
    pixel_data, offsets, lengths = encapsulate_extended([tools.encode(frame, LOSSLESS, 12) for frame in movie])
    content = tools.dicom(
        movie, LOSSLESS, 12, pixel_data=pixel_data, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths
    )
    np.testing.assert_array_equal(tools.stored(content), movie)


def test_an_offset_table_that_lies_does_no_harm(tools, movie):
    encoded = [tools.encode(frame, LOSSLESS, 12) for frame in movie]
    lie = struct.pack("<3L", 0, 4_000_000_000, 17)
    content = tools.dicom(movie, LOSSLESS, 12, pixel_data=items(lie, *encoded))
    np.testing.assert_array_equal(tools.stored(content), movie)


def test_pixel_data_without_delimiter(tools, movie):
    encoded = [tools.encode(frame, LOSSLESS, 12) for frame in movie]
    content = tools.dicom(movie, LOSSLESS, 12, pixel_data=items(b"", *encoded))
    np.testing.assert_array_equal(tools.stored(content[:-8]), movie)


@pytest.mark.parametrize("syntax", [*SYNTAXES, BASELINE])
def test_pixel_data_cut_short(tools, movie, syntax):
    content = tools.dicom([frame.astype(np.uint8) for frame in movie], syntax)
    with pytest.raises(RejectedFile) as rejection:
        tools.stored(content[: len(content) * 2 // 3])
    assert rejection.value.reason == "truncated"


def colour_frame(tools, bits: int = 8):
    return np.stack([tools.frame(bits, seed=seed) for seed in range(3)], axis=-1)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_uncompressed_rgb_becomes_its_luminance(tools, planar, bits):
    rgb = colour_frame(tools, bits)
    pixel_data = (rgb.transpose(2, 0, 1) if planar else rgb).tobytes()
    (grey,) = tools.stored(tools.dicom(rgb, pixel_data=pixel_data, PlanarConfiguration=planar))
    expected = rgb @ [0.299, 0.587, 0.114]
    assert np.abs(grey - expected).max() <= 1


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_rgb_becomes_its_luminance(tools, syntax):
    rgb = colour_frame(tools)
    name = "YBR_RCT" if syntax == JPEG2000Lossless else "RGB"
    (grey,) = tools.stored(tools.dicom(rgb, syntax, PhotometricInterpretation=name))
    assert np.abs(grey - rgb @ [0.299, 0.587, 0.114]).max() <= 1


def encode_planes(rgb: np.ndarray) -> bytes:
    """JPEG-LS with a scan for each colour (ILV = 0), put together from three greys (ISO 14495-1 C.2)."""
    greys = [bytes(imagecodecs.jpegls_encode(np.ascontiguousarray(rgb[..., colour]))) for colour in range(3)]
    scans = [grey[grey.index(b"\xff\xda") + 10 : -2] for grey in greys]
    frame = struct.pack(">BHHB", 8, *rgb.shape[:2], 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    encoded = b"\xff\xd8\xff\xf7" + struct.pack(">H", 2 + len(frame)) + frame
    for number, scan in enumerate(scans, 1):
        encoded += b"\xff\xda\0\x08\1" + bytes([number, 0, 0, 0, 0]) + scan
    return encoded + b"\xff\xd9"


@pytest.mark.parametrize("planes", [True, False])
@pytest.mark.parametrize("shape", [(3, 3), (3, 8), (8, 3), (61, 84)])
def test_jpeg_ls_colours_in_planes_or_pixel_by_pixel(tools, shape, planes):
    rgb = np.random.default_rng(0).integers(0, 64, (*shape, 3)).astype(np.uint8)
    encoded = encode_planes(rgb) if planes else imagecodecs.jpegls_encode(rgb)
    (grey,) = tools.stored(tools.dicom(rgb, JPEGLSLossless, encoded=[encoded]))
    assert np.abs(grey - rgb @ [0.299, 0.587, 0.114]).max() <= 1


@pytest.mark.parametrize("names_colours", [True, False])
def test_baseline_jpeg_of_rgb_components(tools, names_colours):
    smooth = cv2.GaussianBlur(colour_frame(tools), (0, 0), 3)
    colourspace = "YCBCR" if names_colours else "RGB"
    encoded = imagecodecs.jpeg8_encode(smooth, level=98, colorspace="RGB", outcolorspace=colourspace, subsampling="444")
    if not names_colours:  # without the Adobe segment, and numbered like YCbCr, only the header tells
        start = encoded.index(b"\xff\xee")
        encoded = encoded[:start] + encoded[start + 2 + int.from_bytes(encoded[start + 2 : start + 4]) :]
        encoded = encoded.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0")
        encoded = encoded.replace(b"R\0G\0B\0", b"\1\0\2\0\3\0")
    (grey,) = tools.stored(tools.dicom(smooth, BASELINE, encoded=[encoded]))
    assert np.abs(grey - smooth @ [0.299, 0.587, 0.114]).max() <= 4


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_ybr_full_gives_its_first_sample(tools, syntax):
    ybr = colour_frame(tools)
    (grey,) = tools.stored(tools.dicom(ybr, syntax, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_array_equal(grey, ybr[:, :, 0])


def test_ybr_full_422_gives_its_luminance(tools):
    ybr = colour_frame(tools)
    halves = ybr.reshape(61, 42, 2, 3)
    packed = np.stack([halves[:, :, 0, 0], halves[:, :, 1, 0], halves[:, :, 0, 1], halves[:, :, 0, 2]], axis=-1)
    pixel_data = packed.tobytes()
    (grey,) = tools.stored(tools.dicom(ybr, pixel_data=pixel_data, PhotometricInterpretation="YBR_FULL_422"))
    np.testing.assert_array_equal(grey, ybr[:, :, 0])


def test_ybr_full_422_has_an_even_number_of_columns(tools):
    content = tools.dicom(colour_frame(tools), PhotometricInterpretation="YBR_FULL_422", Columns=83)
    with pytest.raises(RejectedFile) as rejection:
        tools.stored(content)
    assert rejection.value.reason == "unsupported-pixels"


def test_big_endian_bytes_in_words(tools):
    frame = tools.frame(8)
    swapped = np.frombuffer(frame.tobytes(), np.uint16).byteswap().tobytes()
    content = tools.dicom(frame, ExplicitVRBigEndian, pixel_data=swapped)
    content = content.replace(b"\x7f\xe0\x00\x10OB", b"\x7f\xe0\x00\x10OW")
    np.testing.assert_array_equal(tools.stored(content)[0], frame)


def palette(tools, entries: int, *, first: int = 0, bits: int = 16):
    table = np.random.default_rng(1).integers(0, 1 << bits, (3, entries)).astype(np.uint16)
    elements = {}
    for colour, values in zip(("Red", "Green", "Blue"), table, strict=True):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [entries, first, bits]
        elements[f"{colour}PaletteColorLookupTableData"] = values.astype("<u2").tobytes()
    return table, {**elements, "PhotometricInterpretation": "PALETTE COLOR"}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, LOSSLESS])
def test_palette_colours_become_luminance(tools, syntax):
    frame = tools.frame(8)
    table, elements = palette(tools, 256)
    (grey,) = tools.stored(tools.dicom(frame, syntax, **elements))
    assert np.abs(grey - (table[:, frame].transpose(1, 2, 0) >> 8) @ [0.299, 0.587, 0.114]).max() <= 1


def test_palette_indices_are_never_averaged(tools):
    frame = tools.frame(8, shape=(120, 160))
    table, elements = palette(tools, 256)
    (reduced,) = tools.stored(tools.dicom(frame, JPEG2000Lossless, **elements), target_side=40)
    grey = (table[:, frame].transpose(1, 2, 0) >> 8) @ [0.299, 0.587, 0.114]
    assert np.abs(reduced - grey.reshape(30, 4, 40, 4).mean((1, 3))).max() <= 1


def test_a_palette_image_without_table_is_rejected(tools):
    with pytest.raises(RejectedFile, match="header") as rejection:
        tools.stored(tools.dicom(tools.frame(8), PhotometricInterpretation="PALETTE COLOR"))
    assert rejection.value.reason == "header-incomplete"


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_reduction_is_the_area_mean(dtype):
    info = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(info.min // 2, info.max // 2, (90, 131)).astype(dtype)
    expected = values[:88, :128].astype(float).reshape(22, 4, 32, 4).mean((1, 3))
    reduced = reduce_size(values, 32)
    assert reduced.dtype == dtype
    assert np.abs(reduced - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("step", [3, 4, 5, 6, 11])
@pytest.mark.parametrize("most", [7, 4095, 65535])
def test_reduction_gives_what_opencv_gives(dtype, step, most):
    info, side = np.iinfo(dtype), 130
    random = np.random.default_rng(step)
    values = random.integers(max(info.min, -most), min(info.max, most), (side * step + 1, 9 * step + 2)).astype(dtype)
    expected = cv2.resize(values[: side * step, : 9 * step], (9, side), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(reduce_size(values, side), expected)


@pytest.mark.parametrize("padding", [(65535, 65535), (-2000, -2000), (-2000, 0)])
def test_padding_beyond_the_type_of_the_pixels(padding):
    values = np.full((64, 64), 100, np.uint8)
    values[0, 0] = 0
    reduced = reduce_size(values, 16, padding)
    assert reduced[1:].min() == reduced.max() == 100
    assert reduced[0, 0] == (100 if padding[1] == 0 else 94)


def test_no_mean_mixes_padding_with_the_picture():
    values = np.full((64, 64), 1000, np.int16)
    values[:, 30:] = -2000
    reduced = reduce_size(values, 16, (-2000, -2000))
    assert set(np.unique(reduced)) == {-2000, 1000}
    assert (reduced[0] == 1000).sum() == 7
