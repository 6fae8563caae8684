"""Random views of pictures, for a whole batch at once and on the training device.

Crop, rotation, translation, scale and shear are one affine map, so that each view is resampled once instead of four
times. Gauges, the metal spheres and discs of surgical planning, are laid in at the resolution of the view. The ranges
are those of the paper (supplementary table 1); Gaussian blur is left out because it removes the fine texture of bone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from embedkit.pretraining.gauges import Gauges, insert_gauges

Range = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """Ranges that views are drawn from, uniformly; crop aspect is log-uniform."""

    brightness: Range = (0.5, 1.5)
    contrast: Range = (0.25, 1.75)
    rotation_degrees: Range = (-15.0, 15.0)
    translation: Range = (-0.1, 0.1)
    scale: Range = (0.8, 1.5)
    shear_degrees: Range = (-30.0, 30.0)
    crop_area: Range = (0.08, 1.0)
    crop_aspect: Range = (3 / 4, 4 / 3)
    gauges: tuple[int, int] = (0, 2)
    """The fewest and the most gauges in a picture."""
    gauge_scale: Range = (0.8, 1.2)
    gauge_opacity: Range = (0.75, 1.0)
    any_orientation: bool = False
    """Also mirror and turn by quarters: plates are exposed and scanned in any orientation. Not in the paper."""


PRETRAINING = Augmentation()
HEAD_TRAINING = Augmentation(
    brightness=(0.9, 1.1),
    contrast=(0.8, 1.2),
    rotation_degrees=(-5.0, 5.0),
    translation=(-0.02, 0.02),
    scale=(0.95, 1.1),
    shear_degrees=(-10.0, 10.0),
    crop_area=(0.95, 1.0),
    crop_aspect=(0.9, 1.1),
)


@dataclass(frozen=True)
class DrawnViews:
    """What was drawn for V views: everything that is random about them."""

    maps: Tensor
    """(V, 2, 3), from a view's coordinates to the picture's, both in [-1, 1]."""
    brightness: Tensor
    """(V,)."""
    contrast: Tensor
    """(V,)."""
    gauges: Tensor
    """(V, G, 5): which one (-1 for none), its centre x and y in [-1, 1] of the picture, scale, and opacity."""

    def __getitem__(self, chosen: Tensor) -> DrawnViews:
        """Some of the views, by number."""
        return DrawnViews(*(getattr(self, field.name)[chosen] for field in fields(self)))


def random_views(
    pictures: Tensor, size: int, ranges: Augmentation, generator: torch.Generator, gauges: Gauges | None = None
) -> Tensor:
    """One random view of each picture.

    `pictures`: float (B, 1, H, W) in [0, 1]; returns float (B, 1, size, size) in [0, 1]. Without `gauges`, none are
    laid in.
    """
    drawn = draw_views(len(pictures), ranges, generator, len(gauges) if gauges else 0)
    return render_views(pictures, size, drawn, gauges)


def draw_views(n: int, ranges: Augmentation, generator: torch.Generator, gauges: int) -> DrawnViews:
    """Draw `n` views from the `ranges`, with `gauges` templates to choose from.

    Numbers are drawn on the CPU, so that a seed gives the same views on every device and for any number of processes.
    """
    return DrawnViews(
        _affine_maps(n, ranges, generator),
        _uniform(n, ranges.brightness, generator),
        _uniform(n, ranges.contrast, generator),
        _draw_gauges(n, ranges, generator, gauges),
    )


def render_views(pictures: Tensor, size: int, drawn: DrawnViews, gauges: Gauges | None = None) -> Tensor:
    """Render the drawn view of each picture, on the device of the pictures; shapes as in `random_views`."""
    views = _resample(pictures, drawn.maps, size)
    if gauges:
        views = insert_gauges(views, drawn.maps, drawn.gauges, gauges)
    return _jitter(views, drawn)


def _uniform(n: int, bounds: Range, generator: torch.Generator) -> Tensor:
    low, high = bounds
    return torch.rand(n, generator=generator) * (high - low) + low


def _affine_maps(n: int, ranges: Augmentation, generator: torch.Generator) -> Tensor:
    """Maps (n, 2, 3) from a view's coordinates to the picture's, both in [-1, 1]: affine after crop."""
    crop = _crop_maps(n, ranges, generator)
    angle = torch.deg2rad(_uniform(n, ranges.rotation_degrees, generator))
    shear = torch.tan(torch.deg2rad(_uniform(n, ranges.shear_degrees, generator)))
    zoom = _uniform(n, ranges.scale, generator)
    shift = torch.stack([2 * _uniform(n, ranges.translation, generator) for _ in range(2)], dim=1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotation = torch.stack([cos, -sin, sin, cos], dim=1).view(n, 2, 2)
    shearing = torch.eye(2).repeat(n, 1, 1)
    shearing[:, 0, 1] = shear
    linear = rotation @ shearing / zoom.view(n, 1, 1)  # a zoom into the picture shrinks what a view covers
    if ranges.any_orientation:
        linear = linear @ _orientations(n, generator)
    return torch.cat([linear @ crop[:, :, :2], linear @ crop[:, :, 2:] + shift.unsqueeze(2)], dim=2)


def _draw_gauges(n: int, ranges: Augmentation, generator: torch.Generator, templates: int) -> Tensor:
    """Gauges as in `DrawnViews`; each number from the fewest to the most is as likely."""
    fewest, most = ranges.gauges
    if templates == 0 or most == 0:
        return torch.zeros(n, 0, 5)
    which = torch.randint(0, templates, (n, most), generator=generator)
    there = torch.arange(most) < torch.randint(fewest, most + 1, (n, 1), generator=generator)
    centre = torch.rand(n, most, 2, generator=generator) * 2 - 1
    scale, opacity = (
        _uniform(n * most, bounds, generator).view(n, most, 1) for bounds in (ranges.gauge_scale, ranges.gauge_opacity)
    )
    return torch.cat([torch.where(there, which, -1).unsqueeze(2), centre, scale, opacity], dim=2)


def _orientations(n: int, generator: torch.Generator) -> Tensor:
    """Random members (n, 2, 2) of the eight symmetries of the square."""
    signs = torch.randint(0, 2, (n, 2), generator=generator).float() * 2 - 1
    turned = torch.randint(0, 2, (n,), generator=generator).bool()
    maps = torch.diag_embed(signs)
    maps[turned] = maps[turned].flip(2)
    return maps


def _crop_maps(n: int, ranges: Augmentation, generator: torch.Generator) -> Tensor:
    """Random resized crops as maps (n, 2, 3) from the crop's [-1, 1] to the whole picture's."""
    area = _uniform(n, ranges.crop_area, generator)
    aspect = torch.exp(_uniform(n, (math.log(ranges.crop_aspect[0]), math.log(ranges.crop_aspect[1])), generator))
    width = torch.sqrt(area * aspect).clamp(max=1.0)
    height = torch.sqrt(area / aspect).clamp(max=1.0)
    centre_x = (torch.rand(n, generator=generator) * 2 - 1) * (1 - width)
    centre_y = (torch.rand(n, generator=generator) * 2 - 1) * (1 - height)
    maps = torch.zeros(n, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = width, height
    maps[:, 0, 2], maps[:, 1, 2] = centre_x, centre_y
    return maps


def _resample(pictures: Tensor, maps: Tensor, size: int) -> Tensor:
    """Bilinear, from the picture or, where a view would skip source pixels, from its half-size mean."""
    grid = _grid(maps.to(pictures.device), size)
    step = torch.linalg.det(maps[:, :, :2]).abs().sqrt() * pictures.shape[-1] / size  # source pixels per view pixel
    coarse = step > 1.5
    views = pictures.new_empty(len(maps), 1, size, size)
    for chosen, factor in ((~coarse, 1), (coarse, 2)):
        where = chosen.nonzero().squeeze(1).to(pictures.device)
        source = pictures[where]
        if factor > 1:
            source = functional.avg_pool2d(source, factor)
        views[where] = functional.grid_sample(source, grid[where], align_corners=False)
    return views


def _grid(maps: Tensor, size: int) -> Tensor:
    """Where each pixel of a view lies in the picture, (V, S, S, 2): `affine_grid` without its product of matrices."""
    line = (2 * torch.arange(size, device=maps.device) + 1) / size - 1
    across, down, shift = maps[:, None, None].unbind(dim=4)  # (V, 1, 1, 2) each
    return across * line.view(1, 1, -1, 1) + (down * line.view(1, -1, 1, 1) + shift)


def _jitter(views: Tensor, drawn: DrawnViews) -> Tensor:
    """Brightness multiplies; contrast stretches around the view's own mean, as torchvision's ColorJitter does."""
    brightness, contrast = (value.view(-1, 1, 1, 1).to(views.device) for value in (drawn.brightness, drawn.contrast))
    views = (views * brightness).clamp(0, 1)
    mean = views.mean(dim=(2, 3), keepdim=True)
    return ((views - mean) * contrast + mean).clamp(0, 1)
