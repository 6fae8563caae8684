"""Gauges: those drawn obey the law of attenuation, those laid in lie where they should, those found are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.errors import UsageError
from embedkit.image.gauges import cut_gauge, encode_gauge, find_gauges
from embedkit.pretraining import PRETRAINING, draw_gauges, read_gauges
from embedkit.pretraining.augmentation import draw_views, random_views
from embedkit.pretraining.gauges import insert_gauges

WHOLE = torch.eye(2, 3).unsqueeze(0)


def _lay(picture: torch.Tensor, *gauge: float) -> np.ndarray:
    """A picture with one gauge: which, its centre x and y in [-1, 1], and, where they are not 1, scale and opacity."""
    drawn = torch.tensor([[[*gauge, 1.0, 1.0][:5]]])
    return insert_gauges(picture.expand(1, 1, 256, 256), WHOLE, drawn, draw_gauges())[0, 0].numpy()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_sphere_attenuates_by_the_chord_that_a_ray_travels(which: int) -> None:
    attenuation, radius = (2.0, 3.5, 6.0)[which], (0.07, 0.09, 0.12)[which] * 128
    ground = 0.2
    shown = _lay(torch.tensor(ground), which, 0.0, 0.0)
    for distance in (0.5, 2.5, 5.5):
        chord = np.sqrt(1 - ((distance**2 + 0.25) / radius**2))
        passed = (1 - ground) * np.exp(-attenuation * chord)
        assert shown[128, 128 + int(distance)] == pytest.approx(1 - passed, abs=0.02)


@pytest.mark.parametrize("which", [3, 4, 5])
def test_a_disc_attenuates_evenly(which: int) -> None:
    shown = _lay(torch.tensor(0.2), which, 0.0, 0.0)[124:133, 124:133]
    assert np.ptp(shown) < 1e-4
    assert shown.mean() == pytest.approx(1 - 0.8 * np.exp(-(0.8, 1.6, 4.0)[which - 3]), abs=1e-4)


@given(st.integers(0, 5), st.floats(-0.8, 0.8), st.floats(-0.8, 0.8), st.floats(0.8, 1.2), st.floats(0.75, 1.0))
@settings(max_examples=30, deadline=None)
def test_a_gauge_lies_at_its_centre_and_nowhere_else(
    which: int, x: float, y: float, scale: float, opacity: float
) -> None:
    change = _lay(torch.tensor(0.1), which, x, y, scale, opacity) - 0.1
    rows, columns = np.mgrid[:256, :256]
    centre = (change * columns).sum() / change.sum(), (change * rows).sum() / change.sum()
    assert centre == pytest.approx(((x + 1) * 128 - 0.5, (y + 1) * 128 - 0.5), abs=0.3)
    radius = (0.07, 0.09, 0.12, 0.07, 0.09, 0.12)[which] * 128 * scale
    assert change[np.hypot(columns - centre[0], rows - centre[1]) > radius + 3].max() == 0
    assert change.min() >= 0
    assert change.max() <= opacity * 0.9 + 1e-5


def test_a_gauge_moves_with_the_picture_that_it_lies_in() -> None:
    """Rendering the view of a picture with a gauge, or laying the gauge into the view, comes to the same."""
    picture = torch.full((1, 1, 256, 256), 0.3)
    generator = torch.Generator().manual_seed(4)
    drawn = draw_views(1, replace(PRETRAINING, gauges=(0, 0), crop_area=(0.5, 0.9)), generator, 6)
    one = torch.tensor([[[5, 0.1, -0.1, 1.0, 1.0]]])
    laid = torch.from_numpy(_lay(picture, 5, 0.1, -0.1))[None, None]
    grid = torch.nn.functional.affine_grid(drawn.maps, [1, 1, 128, 128], align_corners=False)
    expected = torch.nn.functional.grid_sample(laid, grid, align_corners=False)
    plain = torch.nn.functional.grid_sample(picture, grid, align_corners=False)
    assert (expected - plain).abs().max() > 0.3, "the gauge is in the view"
    shown = insert_gauges(plain, drawn.maps, one, draw_gauges())
    assert (shown - expected).abs().mean() < 2e-3


def test_zero_to_two_gauges_are_drawn_each_as_often() -> None:
    drawn = draw_views(3000, PRETRAINING, torch.Generator().manual_seed(0), 6).gauges
    counts = torch.bincount((drawn[:, :, 0] >= 0).sum(dim=1), minlength=3)
    assert counts.tolist() == pytest.approx([1000, 1000, 1000], abs=100)
    there = drawn[drawn[:, :, 0] >= 0]
    for column, (low, high) in {3: (0.8, 1.2), 4: (0.75, 1.0)}.items():
        assert low <= float(there[:, column].min()) < low + 0.02
        assert high - 0.02 < float(there[:, column].max()) <= high
    assert set(there[:, 0].int().tolist()) == set(range(6))


def test_views_with_gauges_differ_only_where_those_lie() -> None:
    picture = torch.rand(8, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with_gauges, without = (
        random_views(picture, 48, replace(PRETRAINING, contrast=(1, 1)), torch.Generator().manual_seed(2), gauges)
        for gauges in (draw_gauges(), None)
    )
    share = (with_gauges != without).float().mean(dim=(1, 2, 3))
    assert 0 < float(share.mean()) < 0.2
    assert float(share.min()) == 0


@pytest.mark.parametrize("which", range(6))
def test_a_gauge_is_found_cut_out_and_read_again(which: int, tmp_path: Path) -> None:
    picture = (255 * _lay(torch.tensor(0.25), which, 0.3, -0.2)).astype(np.uint8)
    (found,) = find_gauges(picture)
    radius = (0.07, 0.09, 0.12)[which % 3] * 128
    assert (found.x, found.y) == pytest.approx((165.9, 101.9), abs=1.5)
    assert found.radius == pytest.approx(radius, abs=2)
    (tmp_path / "gauge-001.png").write_bytes(encode_gauge(cut_gauge(picture, found)))
    gauges = read_gauges(tmp_path)
    assert float(gauges.sizes[0]) * 128 == pytest.approx(radius, abs=2.5)
    grey, cover = gauges.templates[0]
    assert float(cover[24, 24]) == 1
    assert float(cover[0, 0]) == float(grey[0, 0]) == 0, "nothing beyond the rim is kept"
    assert float(grey[24, 24]) == pytest.approx(picture[102, 166] / 255, abs=0.03)


def test_no_gauge_is_found_where_there_is_none() -> None:
    blank = np.zeros((256, 256), np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    square = blank.copy()
    square[100:130, 100:130] = 240
    dark = (255 * (1 - _lay(torch.tensor(0.1), 5, 0.0, 0.0))).astype(np.uint8)
    for picture in (blank, noise, square, dark):
        assert find_gauges(picture) == []


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_gauge_says_so(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UsageError, match="embedkit gauges"):
        read_gauges(tmp_path)
    (tmp_path / "gauge.png").write_bytes(content)
    with pytest.raises(UsageError, match="no gauge"):
        read_gauges(tmp_path)
