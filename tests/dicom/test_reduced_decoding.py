"""Decoding at a part of the size, on real radiographs: the picture and its vector are those of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.encoder import Encoder, load_encoder
from embedkit.image import clean

pytestmark = pytest.mark.usefixtures("codecs")

JPEG = "1.2.840.10008.1.2.4."
WINDOW = {"WindowCenter": 1800, "WindowWidth": 3000}
INVERTED = {"PhotometricInterpretation": "MONOCHROME1"}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(precision="fp32")


@pytest.fixture(scope="module", params=[0, 7])
def film(real_data: Path, request: pytest.FixtureRequest) -> NDArray[np.uint16]:
    """A radiograph of 12 bits, 1440 px long, with a sensor's noise."""
    file = sorted((real_data / "fracatlas_fullres").glob("*.jpg"))[request.param]
    grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    grey = cv2.resize(grey, (1152, 1440) if grey.shape[0] > grey.shape[1] else (1440, 1152))
    noise = np.random.default_rng(0).normal(0, 6, grey.shape)
    return np.clip(grey * 16.0 + noise, 0, 4095).astype(np.uint16)


@pytest.mark.parametrize(
    ("number", "attributes"),
    [("50", {}), ("70", {}), ("90", {}), ("90", WINDOW), ("90", INVERTED), ("201", {}), ("201", WINDOW)],
)
def test_a_reduced_radiograph_is_the_whole_one(
    tools: Any, film: NDArray[np.uint16], encoder: Encoder, number: str, attributes: dict[str, Any]
) -> None:
    bits = 8 if number == "50" else 12
    frame = (film >> 4).astype(np.uint8) if bits == 8 else film
    frame = 4095 - frame if attributes is INVERTED else frame
    content = tools.dicom(frame, JPEG + number, bits, **attributes)
    (reduced,), (whole,) = (tools.read(content, target_side=side).frames for side in (512, None))
    assert max(reduced.shape) < 1024 <= max(whole.shape)
    pictures = np.stack([clean(reduced), clean(whole)])
    assert np.corrcoef(pictures[0].ravel(), pictures[1].ravel())[0, 1] > 0.999
    one, other = encoder.encode(pictures)
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.995
