"""Photometric Interpretation and Samples per Pixel as the field writes them: the pixels decide."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless

from embedkit.dicom.silence import silence

pytestmark = pytest.mark.usefixtures("codecs")

NOTE = ("photometric-differs",)
SYNTAXES = (ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLosslessSV1, JPEGBaseline8Bit)
SLIPS = [
    "MONOCHROME",
    "GRAYSCALE",
    "greyscale",
    "monochrome2",
    "Monochrome_2",
    "MONOCHROME 2",
    "RGB",
    "ybr_full",
    "X",
    "",
]


def write(tools, *frames: object, **elements: object) -> bytes:
    with silence():  # pydicom warns of names like these
        return tools.dicom(*frames, **elements)


def smooth(tools, seed: int = 0) -> np.ndarray:
    return cv2.GaussianBlur(tools.frame(8, seed=seed), (0, 0), 3)


def colours(tools) -> np.ndarray:
    return np.stack([smooth(tools, seed)[:, ::step] for seed, step in enumerate((1, -1, 1))], axis=-1)


WIDE = {"WindowCenter": 127.5, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}
"""A window over all 8 bits: what is shown is what is stored."""


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("slip", [*SLIPS, None])
def test_one_sample_is_grey_whatever_it_is_called(tools, slip, syntax):
    frame = smooth(tools)
    encoded = write(tools, frame, syntax, PhotometricInterpretation=slip, **WIDE)
    result = tools.read(encoded)
    assert result.notes == NOTE
    assert result.facts.photometric == "MONOCHROME2"
    right = tools.read(write(tools, frame, syntax, **WIDE))
    assert right.notes == ()
    np.testing.assert_array_equal(result.frames[0], right.frames[0])


@pytest.mark.parametrize("slip", ["monochrome1", "MONOCHROME_1", "Mono1"])
def test_the_polarity_of_a_slip_is_kept(tools, slip):
    result = tools.read(write(tools, smooth(tools), PhotometricInterpretation=slip))
    right = tools.read(write(tools, smooth(tools), PhotometricInterpretation="MONOCHROME1"))
    assert (result.notes, right.notes, result.facts.photometric) == (NOTE, (), "MONOCHROME1")
    np.testing.assert_array_equal(result.frames[0], right.frames[0])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("slip", ["MONOCHROME2", "MONOCHROME1", "PALETTE COLOR", "rgb", "X", "", None])
def test_three_samples_are_colours_whatever_they_are_called(tools, slip, syntax):
    rgb = colours(tools)
    result = tools.read(write(tools, rgb, syntax, PhotometricInterpretation=slip, WindowCenter=9, WindowWidth=5))
    assert (result.notes, result.facts.photometric) == (NOTE, "RGB")
    assert np.abs(result.frames[0] - rgb @ [0.299, 0.587, 0.114]).max() <= 1.5


@pytest.mark.parametrize("samples", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB", ""])
def test_the_number_of_samples_is_that_of_the_pixels(tools, photometric, samples):
    grey, rgb = smooth(tools), colours(tools)
    consistent = {("MONOCHROME2", 1), ("RGB", 3)}
    for pixels, bits, right in ((grey, 1, ("MONOCHROME2", 1)), (rgb, 3, ("RGB", 3))):
        if (photometric, samples or 1) in consistent - {right}:
            continue  # all of it is wrong: then it is a matter of the number of frames
        content = write(tools, pixels, PhotometricInterpretation=photometric, SamplesPerPixel=samples, **WIDE)
        result = tools.read(content)
        assert result.facts.photometric == right[0]
        assert result.notes == (() if (photometric, samples or 1) == right else NOTE)
        expected = pixels if bits == 1 else pixels @ [0.299, 0.587, 0.114]
        assert np.abs(result.frames[0] - expected).max() <= 1.5


@pytest.mark.parametrize("name", ["YBR_PARTIAL_422", "ybr_full_422", "YBR_FULL", "YBR_FULL_420", "YCbCr"])
def test_uncompressed_ybr_shares_its_chroma_if_there_is_half_of_it(tools, name):
    ybr = colours(tools)
    halves = ybr.reshape(61, 42, 2, 3)
    packed = np.stack([halves[:, :, 0, 0], halves[:, :, 1, 0], halves[:, :, 0, 1], halves[:, :, 0, 2]], axis=-1)
    for pixel_data in (packed.tobytes(), ybr.tobytes()):
        result = tools.read(write(tools, ybr, pixel_data=pixel_data, PhotometricInterpretation=name))
        right = name == "YBR_FULL" and len(pixel_data) == ybr.nbytes
        assert result.notes == (() if right else NOTE)
        assert np.abs(result.frames[0].astype(int) - ybr[:, :, 0]).max() <= 1


@pytest.mark.parametrize("name", ["MONOCHROME2", "YBR_PARTIAL_422", "ybr", ""])
def test_a_jpeg_of_three_components_says_itself_what_they_are(tools, name):
    rgb = cv2.GaussianBlur(colours(tools), (0, 0), 3)
    encoded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    content = write(tools, rgb, JPEGBaseline8Bit, encoded=[encoded], PhotometricInterpretation=name)
    result = tools.read(content)
    assert result.notes == NOTE
    assert np.abs(result.frames[0] - rgb @ [0.299, 0.587, 0.114]).max() <= 4


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_damaged_pixels_say_nothing(tools, syntax):
    data = b"\1\2\3\4" if syntax == ExplicitVRLittleEndian else encapsulate([b"\1\2\3"])
    content = write(tools, smooth(tools), syntax, pixel_data=data, PhotometricInterpretation="RGB")
    assert tools.reason(content) in {"truncated", "decode-failed", "unsupported-pixels"}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_header_that_only_agrees_with_itself(tools, syntax):
    """Named RGB with three samples, where there is one: grey, in the window of the header."""
    frame = smooth(tools)
    elements = {"WindowCenter": 100, "WindowWidth": 120}
    claims = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}
    result = tools.read(write(tools, frame, syntax, **claims, **elements))
    assert result.notes == NOTE
    right = tools.read(write(tools, frame, syntax, **elements))
    np.testing.assert_array_equal(result.frames[0], right.frames[0])


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_colours_under_a_header_of_grey(tools, syntax):
    rgb = colours(tools)
    claims = {"PhotometricInterpretation": "MONOCHROME1", "SamplesPerPixel": 1}
    result = tools.read(write(tools, rgb, syntax, **claims))
    assert (result.notes, result.facts.photometric) == (NOTE, "RGB")
    assert np.abs(result.frames[0] - rgb @ [0.299, 0.587, 0.114]).max() <= 1.5
