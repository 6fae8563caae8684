"""Frames for the viewer: every level, and the same picture as `to_display` makes in the window to begin with."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from embedkit.dicom import FileContent, Presentation, Radiograph, ReadingOptions, read_radiograph, to_display
from embedkit.dicom.grey import LookUpTable, Window
from embedkit.dicom.radiograph import MOST_LEVELS, to_levels
from embedkit.errors import RejectedFile

RNG = np.random.default_rng(0)
STORED = RNG.integers(200, 3600, (40, 50)).astype(np.uint16)


def shade(radiograph: Radiograph) -> np.ndarray:
    """What the viewer draws: grey by the line from low to high, or by the curve; padding is black."""
    levels = radiograph.levels.astype(np.float64)
    if radiograph.curve is not None:
        return radiograph.curve[radiograph.levels]
    grey = np.rint(255 * np.clip((levels - radiograph.low) / (radiograph.high - radiograph.low), 0, 1))
    return np.where(levels == 0, 0, grey).astype(np.uint8)


SIGMOID = Window(1800, 900, "SIGMOID")
PRESENTATIONS = {
    "percentiles": Presentation(),
    "linear window": Presentation(windows=(Window(1800, 1200),)),
    "exact window": Presentation(windows=(Window(1800, 1200, "LINEAR_EXACT"),)),
    "rescaled": Presentation(slope=0.5, intercept=-1024, windows=(Window(0, 600),)),
    "falling slope": Presentation(slope=-2.0, intercept=100, windows=(Window(-3000, 2000),)),
    "inverted": Presentation(windows=(Window(1800, 1200),), inverted=True),
    "padding": Presentation(padding=(200, 900)),
    "padding inverted": Presentation(padding=(3000, 3600), inverted=True),
    "sigmoid": Presentation(windows=(SIGMOID,)),
    "sigmoid inverted": Presentation(windows=(SIGMOID,), inverted=True),
    "voi lut": Presentation(voi_luts=(LookUpTable(500, np.sqrt(np.arange(2500)) * 5.1),)),
    "modality lut": Presentation(modality_lut=LookUpTable(0, np.arange(4096)[::-1] ** 1.1)),
}


@pytest.mark.parametrize("name", PRESENTATIONS)
def test_it_begins_as_the_picture_that_the_index_was_made_of(name: str) -> None:
    for stored in (STORED, STORED.astype(np.int32), np.full((3, 3), 1000, np.uint16)):
        presentation = PRESENTATIONS[name]
        difference = shade(to_levels(stored, presentation)).astype(int) - to_display(stored, presentation)
        assert np.abs(difference).max() <= 1, "half a grey is rounded either way"


@pytest.mark.parametrize("inverted", [False, True])
def test_every_grey_level_is_kept_and_brighter_is_higher(inverted: bool) -> None:
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    levels = to_levels(stored, Presentation(inverted=inverted)).levels
    assert len(np.unique(levels)) == 4096
    assert (np.diff(levels.ravel().astype(int)) == (-1 if inverted else 1)).all()


@given(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"]), st.integers(0, 2**32 - 1), st.booleans())
def test_any_integers_become_levels(dtype: str, seed: int, inverted: bool) -> None:
    limits = np.iinfo(dtype)
    low, high = np.sort(np.random.default_rng(seed).integers(limits.min, limits.max, 2, endpoint=True))
    stored = np.random.default_rng(seed).integers(low, high, (5, 7), dtype, endpoint=True)
    made = to_levels(stored, Presentation(inverted=inverted))
    assert made.levels.min() >= 1
    assert made.levels.max() <= MOST_LEVELS
    order = np.argsort(stored, axis=None)
    rising = np.diff(made.levels.ravel()[order].astype(int))
    assert ((rising <= 0) if inverted else (rising >= 0)).all()
    assert made.low < made.high


def test_padding_alone_is_black() -> None:
    made = to_levels(np.full((4, 4), 7, np.uint16), Presentation(padding=(7, 7)))
    assert not made.levels.any()


def read(data: bytes, frame: int = 1) -> Radiograph:
    return read_radiograph(FileContent(data, blake3(data).hexdigest()), frame, ReadingOptions(target_side=None))


def test_a_file_is_read_at_full_size_frame_by_frame(tools) -> None:
    frames = [tools.frame(12, seed=seed) for seed in range(3)]
    data = tools.dicom(frames, bits=12, PixelSpacing=[0.2, 0.1])
    second = read(data, 2)
    assert second.aspect == 2
    assert (second.levels == frames[1] + 1).all()
    with pytest.raises(RejectedFile, match="shorter"):
        read(data, 4)


def test_a_plain_picture_is_shown_as_it_is() -> None:
    grey = RNG.integers(0, 255, (30, 20), np.uint8)
    assert (shade(read(cv2.imencode(".png", grey)[1].tobytes())) == grey).all()
