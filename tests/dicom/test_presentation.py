"""What headers of the field ask for: window lists with gaps, padding, movies of X-rays, pixels that are not square."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGLosslessSV1

from embedkit.dicom import Presentation, to_display
from embedkit.dicom.grey import Window, find_padding
from embedkit.dicom.reduction import reduce_size

XA, XRF, ENHANCED_XA = (f"1.2.840.10008.5.1.4.1.1.12.{number}" for number in ("1", "2", "1.1"))
WIDE = {"WindowCenter": 2048, "WindowWidth": 4096}


def smooth(tools, shape: tuple[int, int] = (200, 160), low: int = 200, high: int = 3800) -> np.ndarray:
    """An exposed picture that uses neither end of its 12 bits."""
    grey = cv2.GaussianBlur(tools.frame(12, shape=shape), (0, 0), 2).astype(np.float64)
    return np.rint(low + (grey - grey.min()) / np.ptp(grey) * (high - low)).astype(np.uint16)


def with_windows(content: bytes, centers: str, widths: str) -> bytes:
    """With the two elements as they are, however damaged, behind all others (explicit VR)."""
    elements = b""
    for number, text in ((0x1050, centers), (0x1051, widths)):
        value = text.encode() + b" " * (len(text) % 2)
        elements += b"\x28\0" + number.to_bytes(2, "little") + b"DS" + len(value).to_bytes(2, "little") + value
    at = content.index(b"\xe0\x7f\x10\0")
    return content[:at] + elements + content[at:]


@pytest.mark.parametrize(
    ("centers", "widths"),
    [
        ("\\800", "\\1400"),
        ("\\800", "300\\1400"),
        ("none\\800", "500\\1400"),
        ("800\\nan", "1400\\300"),
        ("1e400\\800", "5\\1400"),
        ("1200\\800", "0\\1400"),
        ("1200\\800\\", "-5\\1400"),
        ("800", "1400\\300"),
        ("800\\900", "1400"),
        ("800\\900\\", "1400\\\\7"),
        (" \\ \\800", "1\\ \\1400"),
    ],
)
def test_one_bad_window_leaves_the_others(tools, centers, widths):
    frame = smooth(tools)
    shown = tools.read(with_windows(tools.dicom(frame, bits=12), centers, widths)).frames[0]
    good = tools.dataset(frame, 12, WindowCenter=800, WindowWidth=1400)
    expected = apply_voi_lut(frame, good) / 4095 * 255  # pydicom scales to the range of the stored bits
    assert np.abs(shown - expected).max() <= 1


@pytest.mark.parametrize(("centers", "widths"), [("", ""), ("800", ""), ("x\\y", "1\\2"), ("800\\", "\\400")])
def test_where_no_window_is_left_percentiles_are_taken(tools, centers, widths):
    frame = smooth(tools)
    shown = tools.read(with_windows(tools.dicom(frame, bits=12), centers, widths)).frames[0]
    np.testing.assert_array_equal(shown, to_display(frame, Presentation()))


def modality_lut() -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "US"
    item.add_new("LUTData", "OW", (np.arange(4096)[::-1] ** 2 // 4096).astype("<u2").tobytes())
    return item


@pytest.mark.parametrize(
    "lut", [{"ModalityLUTSequence": [modality_lut()]}, {"RescaleSlope": -2, "RescaleIntercept": 9}]
)
@pytest.mark.parametrize(
    ("sop_class", "modality", "applies"),
    [
        (XA, "XA", False),
        (XRF, "RF", False),
        (XRF, "", False),
        (ENHANCED_XA, "XA", False),
        (None, "RF", False),
        ("1.2.840.10008.5.1.4.1.1.1", "CR", True),
    ],
)
def test_the_modality_lut_of_a_movie_is_not_for_display(tools, sop_class, modality, applies, lut):
    frame = smooth(tools)
    window = {"WindowCenter": 1500, "WindowWidth": 2000}
    elements = {"SOPClassUID": sop_class, "Modality": modality, "PixelIntensityRelationship": "LOG", **window, **lut}
    modalities = frozenset({"XA", "RF", "CR", ""})
    shown = tools.read(tools.dicom(frame, bits=12, **elements), modalities=modalities).frames[0]
    values = apply_modality_lut(frame.astype(np.int64), tools.dataset(frame, 12, **lut)) if applies else frame
    expected = to_display(np.rint(values).astype(np.int32), Presentation(windows=(Window(1500, 2000),)))
    np.testing.assert_array_equal(shown, expected)
    if not applies:
        assert np.abs(shown - apply_voi_lut(frame, tools.dataset(frame, 12, **window)) / 4095 * 255).max() <= 1


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("value", [0, 2000, 4095])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLosslessSV1])
def test_specks_of_the_padding_value_do_not_blacken_their_blocks(tools, syntax, value, photometric):
    frame = smooth(tools, (600, 480))
    specks = frame.copy()
    specks[np.random.default_rng(0).random(frame.shape) < 0.01] = value
    elements = {"PhotometricInterpretation": photometric, **WIDE}
    (shown,) = tools.read(tools.dicom(specks, syntax, 12, PixelPaddingValue=value, **elements), target_side=100).frames
    (expected,) = tools.read(tools.dicom(frame, syntax, 12, **elements), target_side=100).frames
    assert shown.shape == (100, 80)
    assert np.abs(shown.astype(int) - expected).max() <= 4, "a mean without a few of its 36 values"


@pytest.mark.parametrize("target_side", [None, 100])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_anatomy_of_the_padding_value_is_shown(tools, photometric, target_side):
    """Saturated metal, where a vendor pads with the highest value: only what surrounds the picture is padding."""
    frame = smooth(tools, (600, 480), low=1000)
    frame[240:300, 180:300] = 3900
    padded = frame.copy()
    padded[:, :60] = 3900
    elements = {"PhotometricInterpretation": photometric, **WIDE}
    read = {"target_side": target_side}
    (shown,) = tools.read(tools.dicom(padded, bits=12, PixelPaddingValue=3900, **elements), **read).frames
    (expected,) = tools.read(tools.dicom(frame, bits=12, **elements), **read).frames
    step = 600 // shown.shape[0]
    assert (shown[:, : 60 // step] == 0).all()
    np.testing.assert_array_equal(shown[:, 60 // step :], expected[:, 60 // step :])


@pytest.mark.parametrize(
    ("dtype", "vr", "value", "pixel"),
    [
        (np.int16, "US", 2048, -2048),  # of 12 bits, with the sign in bit 11
        (np.int16, "US", 0xF800, -2048),
        (np.int16, "SS", -2048, -2048),
        (np.uint16, "SS", -1, 4095),
        (np.uint16, "US", 0xFFFF, 4095),
        (np.uint16, "US", 63536, 63536),  # in bits that are not stored
    ],
)
def test_padding_beyond_the_stored_range(tools, dtype, vr, value, pixel):
    frame = smooth(tools, low=300, high=1900).astype(dtype)
    padded = frame.copy()
    padded[:40] = np.array(pixel).astype(dtype)
    dataset = tools.dataset(padded, 12, PhotometricInterpretation="MONOCHROME1")
    dataset.add_new("PixelPaddingValue", vr, value)
    dataset.add_new("PixelData", "OW", padded.tobytes())
    (shown,) = tools.read(tools.write(dataset)).frames
    assert (shown[:40] == 0).all()
    expected = to_display(frame[40:], Presentation(inverted=True))
    np.testing.assert_array_equal(shown[40:], expected)


@pytest.mark.parametrize(("value", "limit"), [(-2000, None), (30000, None), (0, 4095), (0, 65535), (-2000, -1900)])
def test_padding_that_cannot_be_hides_nothing(tools, value, limit):
    frame = smooth(tools)
    dataset = tools.dataset(frame, 12)
    for keyword, number in (("PixelPaddingValue", value), ("PixelPaddingRangeLimit", limit)):
        if number is not None:
            dataset.add_new(keyword, "SS" if number < 0 else "US", number)
    dataset.add_new("PixelData", "OW", frame.tobytes())
    (shown,) = tools.read(tools.write(dataset)).frames
    expected = to_display(frame, Presentation())
    assert (shown != expected).mean() < 0.01


def test_means_leave_padding_out():
    values = np.arange(100, 164, dtype=np.uint16).reshape(8, 8)
    values[0, :3] = values[4:, 4:] = 7
    reduced = reduce_size(values, 2, (7, 7))
    block = values[:4, :4].ravel()
    assert reduced.tolist() == [
        [round(float(block[block != 7].mean())), round(float(values[:4, 4:].mean()))],
        [round(float(values[4:, :4].mean())), 7],
    ]


def test_padding_is_connected_to_a_side_or_far_from_all_else():
    stored = np.tile(np.arange(100, 200, dtype=np.uint16), (100, 1))
    stored[40:60, 40:60] = 90
    assert find_padding(stored, (90, 90)) is None
    stored[:40, 45] = 90
    assert find_padding(stored, (90, 90)).sum() == 440
    stored[stored == 90] = 500
    stored[80, 50] = 500
    assert find_padding(stored, (500, 600)).sum() == 441


SPACINGS = [
    ({"PixelSpacing": [0.3, 0.1]}, 3),
    ({"ImagerPixelSpacing": [0.1, 0.2]}, 0.5),
    ({"NominalScannedPixelSpacing": [0.2, 0.1]}, 2),
    ({"PixelAspectRatio": [3, 2]}, 1.5),
    ({"PixelAspectRatio": [3, 2], "PixelSpacing": [0.14, 0.14]}, 1),
    ({"PixelSpacing": [0.1401, 0.14]}, 1),
    ({"PixelSpacing": [0, 0.1], "PixelAspectRatio": [2, 1]}, 2),
    ({"PixelAspectRatio": [0, 0]}, 1),
]


@pytest.mark.parametrize(("elements", "aspect"), SPACINGS)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGBaseline8Bit])
def test_pixels_become_square(tools, syntax, elements, aspect):
    frame = cv2.GaussianBlur(tools.frame(8, shape=(240, 200)), (0, 0), 4)
    window = {"WindowCenter": 127.5, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}
    (plain,) = tools.read(tools.dicom(frame, syntax, **window), target_side=120).frames
    (shown,) = tools.read(tools.dicom(frame, syntax, **window, **elements), target_side=120).frames
    size = (100, round(120 * aspect)) if aspect >= 1 else (round(100 / aspect), 120)
    assert shown.shape == size[::-1]
    if aspect == 1:
        np.testing.assert_array_equal(shown, plain)
    theirs = np.asarray(Image.fromarray(plain).resize(size, Image.Resampling.BILINEAR))
    assert np.abs(shown.astype(int) - theirs).max() <= 2
