"""Random views: one fused resampling must do what crop and affine do one after another."""

from __future__ import annotations

import torch

from embedkit.pretraining.augmentation import HEAD_TRAINING, PRETRAINING, Augmentation, _grid, random_views

STILL = Augmentation(
    brightness=(1.0, 1.0),
    contrast=(1.0, 1.0),
    rotation_degrees=(0.0, 0.0),
    translation=(0.0, 0.0),
    scale=(1.0, 1.0),
    shear_degrees=(0.0, 0.0),
    crop_area=(1.0, 1.0),
    crop_aspect=(1.0, 1.0),
)


def _pictures(n: int = 4, side: int = 64) -> torch.Tensor:
    """Smooth pictures, so that resampling errors stay small."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(n, 1, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False).clamp(0, 1)


def test_ranges_of_nothing_give_the_picture_itself() -> None:
    pictures = _pictures()
    views = random_views(pictures, 64, STILL, torch.Generator().manual_seed(0))
    assert torch.allclose(views, pictures, atol=1e-5)


def test_a_seed_gives_the_same_views_and_another_seed_others() -> None:
    pictures = _pictures()
    first, again, other = (
        random_views(pictures, 48, PRETRAINING, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.05)


def test_views_stay_in_range_and_shape() -> None:
    for ranges in (PRETRAINING, HEAD_TRAINING):
        views = random_views(_pictures(16), 40, ranges, torch.Generator().manual_seed(0))
        assert views.shape == (16, 1, 40, 40)
        assert float(views.min()) >= 0
        assert float(views.max()) <= 1


def test_a_crop_shows_a_part_of_the_picture_magnified() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    quarter = Augmentation(**{**STILL.__dict__, "crop_area": (0.25, 0.25)})
    view = random_views(ramp, 64, quarter, torch.Generator().manual_seed(5))
    shown = float(view[..., -1].mean() - view[..., 0].mean())
    assert abs(shown - 0.5) < 0.02, "a quarter of the area is half of the side"


def test_any_orientation_reaches_all_eight_and_only_those() -> None:
    picture = _pictures(1, 32)
    expected = [turn for k in range(4) for turn in (picture.rot90(k, (2, 3)), picture.rot90(k, (2, 3)).flip(3))]
    ranges = Augmentation(**{**STILL.__dict__, "any_orientation": True})
    views = random_views(picture.expand(64, 1, 32, 32), 32, ranges, torch.Generator().manual_seed(0))
    seen = set()
    for view in views:
        distances = [float((view - one[0]).abs().max()) for one in expected]
        assert min(distances) < 1e-4
        seen.add(distances.index(min(distances)))
    assert seen == set(range(8))


def test_downsampling_averages_instead_of_skipping() -> None:
    checkerboard = (torch.arange(64).view(1, -1) + torch.arange(64).view(-1, 1)).remainder(2).float()
    view = random_views(checkerboard.expand(1, 1, 64, 64), 32, STILL, torch.Generator().manual_seed(0))
    assert torch.allclose(view, torch.full_like(view, 0.5), atol=0.01)


def test_the_grid_of_a_map_is_that_of_torch() -> None:
    maps = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.affine_grid(maps, [5, 1, 24, 24], align_corners=False)
    assert torch.allclose(_grid(maps, 24), expected, atol=1e-5)
