"""The grey scale transformations of PS3.3 C.11, against pydicom's, and with the headers that the field produces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from embedkit.dicom import Presentation, grey, to_display
from embedkit.dicom.grey import LookUpTable, Window, apply_modality, percentile_window
from embedkit.dicom.header import Header
from embedkit.dicom.image_pixel import read_layout
from embedkit.dicom.presentation import read_presentation

LITTLE = "1.2.840.10008.1.2.1"
DEPTHS = [(8, False), (8, True), (10, False), (12, False), (12, True), (16, False), (16, True)]


def presentation_of(dataset: Dataset) -> Presentation:
    header = Header(dataset, LITTLE, None, cut_short=False)
    return read_presentation(header, read_layout(header, max_pixel_bytes=1 << 30, max_frames=1))


def lut_item(entries: np.ndarray, first: int, bits: int, *, signed: bool = False) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return item


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("bits", "signed"), DEPTHS)
def test_windows_agree_with_pydicom(tools, bits, signed, function):
    frame = tools.frame(bits, signed=signed)
    low = int(frame.min())
    center, width = low + (1 << bits) * 0.4, (1 << bits) * 0.5
    rescale = {"RescaleSlope": "0.5", "RescaleIntercept": "-7"}
    dataset = tools.dataset(
        frame, bits, **rescale, WindowCenter=center / 2, WindowWidth=width / 2, VOILUTFunction=function
    )
    shown = to_display(frame, presentation_of(dataset))
    theirs = apply_voi_lut(apply_modality_lut(frame, dataset), dataset).astype(float)
    # pydicom scales to the range of the modality values; ours is 0..255
    floor = low * 0.5 - 7
    expected = 255 * (theirs - floor) / (((1 << bits) - 1) * 0.5)
    assert np.abs(shown - expected).max() <= 1


@pytest.mark.parametrize("entry_bits", [10, 12, 16])
@pytest.mark.parametrize(("bits", "signed"), DEPTHS)
def test_voi_luts_agree_with_pydicom(tools, bits, signed, entry_bits):
    frame = tools.frame(bits, signed=signed)
    entries = np.sort(np.random.default_rng(0).integers(0, 1 << entry_bits, (1 << bits) - 20))
    entries[-1] = (1 << entry_bits) - 1
    first = int(frame.min()) + 10
    dataset = tools.dataset(frame, bits, VOILUTSequence=[lut_item(entries, first, entry_bits, signed=first < 0)])
    shown = to_display(frame, presentation_of(dataset))
    expected = apply_voi_lut(frame.astype(int), dataset) / ((1 << entry_bits) - 1) * 255
    assert np.abs(shown - expected).max() <= 0.5


@pytest.mark.parametrize(("bits", "signed"), DEPTHS)
def test_modality_luts_agree_with_pydicom(tools, bits, signed):
    frame = tools.frame(bits, signed=signed)
    entries, first = np.random.default_rng(0).integers(0, 1 << 12, 300), int(frame.min()) + 5
    dataset = tools.dataset(frame, bits, ModalityLUTSequence=[lut_item(entries, first, 16, signed=first < 0)])
    ours = apply_modality(frame.astype(float), presentation_of(dataset))
    np.testing.assert_array_equal(ours, apply_modality_lut(frame.astype(int), dataset))  # int8 overflows in pydicom


@given(
    values=st.lists(st.integers(-70000, 70000), min_size=1, max_size=30),
    center=st.floats(-70000, 70000),
    width=st.floats(1, 140000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_a_window_is_monotone_within_bounds_and_as_the_standard_says(values, center, width, function):
    shown = Window(center, width, function)(np.sort(np.array(values, float)))
    assert (np.diff(shown) >= 0).all()
    assert shown.min() >= 0
    assert shown.max() <= 1
    for value, result in zip(sorted(values), shown, strict=True):
        assert result == pytest.approx(naive_window(value, center, width, function), abs=1e-9)


def naive_window(x: float, c: float, w: float, function: str) -> float:
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2, word for word, for an output of 0 to 1."""
    if function == "SIGMOID":
        exponent = -4 * (x - c) / w
        return 0.0 if exponent > 700 else 1 / (1 + np.exp(exponent))
    if function == "LINEAR_EXACT":
        return 0.0 if x <= c - w / 2 else 1.0 if x > c + w / 2 else (x - c) / w + 0.5
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    return 1.0 if x > c - 0.5 + (w - 1) / 2 else (x - (c - 0.5)) / (w - 1) + 0.5


@pytest.mark.parametrize(
    "windows",
    [
        {"WindowCenter": 2048, "WindowWidth": 0},
        {"WindowCenter": 2048, "WindowWidth": -300},
        {"WindowCenter": 2048, "WindowWidth": "0.5"},
        {"WindowCenter": 30000, "WindowWidth": 400},
        {"WindowCenter": -5000, "WindowWidth": 400},
        {"WindowCenter": 32768, "WindowWidth": 65536 * 8},
        {"WindowCenter": 2048, "WindowWidth": 1},
        {"WindowCenter": 2048},
        {"WindowWidth": 4096},
        {},
    ],
)
def test_unusable_windows_give_way_to_percentiles(tools, windows):
    frame = tools.frame(12, shape=(200, 200))
    shown = to_display(frame, presentation_of(tools.dataset(frame, 12, **windows)))
    low, high = np.percentile(frame, [0.5, 99.5], method="inverted_cdf")
    np.testing.assert_array_equal(shown, np.rint(np.clip((frame.astype(float) - low) / (high - low), 0, 1) * 255))


def test_the_first_usable_of_several_windows_is_taken(tools):
    frame = tools.frame(12)
    several = presentation_of(tools.dataset(frame, 12, WindowCenter=[9000, 2000, 1500], WindowWidth=[10, 2500, 1000]))
    second = Presentation(windows=(Window(2000, 2500),))
    np.testing.assert_array_equal(to_display(frame, several), to_display(frame, second))


def test_an_unusable_voi_lut_gives_way_to_the_window(tools):
    frame = tools.frame(12)
    dataset = tools.dataset(
        frame, 12, VOILUTSequence=[lut_item(np.full(16, 77), 0, 8)], WindowCenter=2000, WindowWidth=2500
    )
    expected = to_display(frame, Presentation(windows=(Window(2000, 2500),)))
    np.testing.assert_array_equal(to_display(frame, presentation_of(dataset)), expected)


def test_a_lut_that_claims_more_bits_than_it_uses_still_reaches_white(tools):
    frame = tools.frame(12)
    dataset = tools.dataset(frame, 12, VOILUTSequence=[lut_item(np.arange(4096), 0, 16)])
    assert to_display(frame, presentation_of(dataset)).max() == 255


@pytest.mark.parametrize("item", [Dataset(), lut_item(np.arange(3), 0, 16)])
def test_damaged_luts_are_taken_as_absent(tools, item):
    frame = tools.frame(12)
    if "LUTData" in item:
        item.LUTDescriptor = [4096, 0, 16]
    dataset = tools.dataset(frame, 12, VOILUTSequence=[item], ModalityLUTSequence=[item])
    np.testing.assert_array_equal(to_display(frame, presentation_of(dataset)), to_display(frame, Presentation()))


@pytest.mark.parametrize(
    ("photometric", "shape"), [("MONOCHROME1", None), ("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "INVERSE")]
)
def test_low_values_are_bright_where_the_header_says_so(tools, photometric, shape):
    frame = tools.frame(12)
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    shapes = {"PresentationLUTShape": shape} if shape else {}
    plain = to_display(frame, presentation_of(tools.dataset(frame, 12, **window)))
    turned = presentation_of(tools.dataset(frame, 12, PhotometricInterpretation=photometric, **shapes, **window))
    assert np.abs(to_display(frame, turned).astype(int) - (255 - plain.astype(int))).max() <= 1


@pytest.mark.parametrize("inverted", [False, True])
def test_padding_is_black_and_out_of_the_statistics(tools, inverted):
    frame = np.maximum(tools.frame(12, signed=True, shape=(100, 100)), -2000)
    padded = frame.copy()
    padded[:, :60] = -2048
    padded[50:, :60] = -2040
    photometric = "MONOCHROME1" if inverted else "MONOCHROME2"
    elements = {"PhotometricInterpretation": photometric, "PixelPaddingRangeLimit": -2030}
    dataset = tools.dataset(padded, 12, **elements)
    dataset.add_new("PixelPaddingValue", "SS", -2048)
    shown = to_display(padded, presentation_of(dataset))
    picture = frame[:, 60:]
    expected = to_display(picture, Presentation(inverted=inverted, padding=(-2048, -2030)))
    assert (shown[:, :60] == 0).all()
    np.testing.assert_array_equal(shown[:, 60:], expected)


def test_padding_of_signed_pixels_written_as_unsigned(tools):
    dataset = tools.dataset(tools.frame(16, signed=True), 16)
    dataset.add_new("PixelPaddingValue", "US", 0x8000)
    assert presentation_of(dataset).padding == (-32768, -32768)


@pytest.mark.parametrize("value", [0, 5, 4095])
@pytest.mark.parametrize("padding", [None, (0, 0), (0, 4095)])
@pytest.mark.parametrize("windows", [(), (Window(2048, 4096),)])
def test_constant_pictures(value, padding, windows):
    shown = to_display(np.full((4, 5), value, np.uint16), Presentation(padding=padding, windows=windows))
    hidden = padding is not None and padding[0] <= value <= padding[1]
    expected = 0 if hidden or not windows else np.rint(np.clip(value / 4095, 0, 1) * 255)
    assert (shown == expected).all()


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=50))
def test_any_integers_can_be_shown(values):
    stored = np.array(values, np.int32)[np.newaxis]
    shown = to_display(stored, Presentation())
    assert shown.shape == stored.shape
    assert (np.diff(shown[0, np.argsort(stored[0], kind="stable")].astype(int)) >= 0).all()


@given(st.lists(st.integers(0, 500), min_size=1, max_size=200), st.integers(-3, 3).filter(bool))
def test_percentile_window_is_that_of_the_pixels(values, slope):
    levels, counts = np.unique(values, return_counts=True)
    window = percentile_window(levels * float(slope), counts)
    pixels = np.array(values) * float(slope)
    low, high = np.percentile(pixels, [0.5, 99.5], method="inverted_cdf")
    if low == high:
        low, high = pixels.min(), pixels.max()
    assert window.center - window.width / 2 == pytest.approx(low)
    assert window.center + window.width / 2 == pytest.approx(high)


def test_a_negative_slope_turns_the_picture_around(tools):
    frame = tools.frame(12)
    upright = to_display(frame, Presentation(windows=(Window(2048, 4096, "LINEAR_EXACT"),)))
    turned = to_display(frame, Presentation(slope=-1, windows=(Window(-2048, 4096, "LINEAR_EXACT"),)))
    assert np.abs(turned.astype(int) - (255 - upright.astype(int))).max() <= 1


@pytest.mark.parametrize("rescale", [{"RescaleSlope": 0}, {"RescaleSlope": "1e400"}, {"RescaleIntercept": "1e400"}])
def test_a_useless_rescale_is_taken_as_absent(tools, rescale):
    frame = tools.frame(12)
    np.testing.assert_array_equal(
        to_display(frame, presentation_of(tools.dataset(frame, 12, **rescale))), to_display(frame, Presentation())
    )


def test_luts_of_one_byte_an_entry(tools):
    item = Dataset()
    item.LUTDescriptor = [6, 0, 8]
    item.add_new("LUTData", "OW", bytes([0, 50, 100, 150, 200, 255]))
    presentation = presentation_of(tools.dataset(tools.frame(8), 8, VOILUTSequence=[item]))
    assert presentation.voi_luts[0].entries.tolist() == [0, 50, 100, 150, 200, 255]


def test_look_up_table_holds_its_ends():
    table = LookUpTable(-2, np.array([10.0, 20.0, 30.0]))
    assert table(np.array([-99, -2, -1.5, -1, 0, 1e9])).tolist() == [10, 10, 10, 20, 30, 30]


@pytest.mark.parametrize("levels", [1, 300, 1 << 16])
def test_either_library_looks_up_the_same(monkeypatch: pytest.MonkeyPatch, levels: int) -> None:
    stored = np.random.default_rng(0).integers(0, levels, (40, 31), np.uint16)
    shown = []
    for wide in (True, False):
        monkeypatch.setattr(grey, "_WIDE_TABLES", wide and grey._WIDE_TABLES)
        shown.append(to_display(stored, Presentation(padding=(5, 9))))
    np.testing.assert_array_equal(shown[0], shown[1])
    assert shown[0].dtype == np.uint8
