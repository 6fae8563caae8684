"""Gauges: the metal spheres and discs of known size laid beside the hip for surgical planning.

A gauge must not become the reason for a prediction, so pretraining lays some into any picture (paper, section 3.2).
They are drawn here, or cut out of an archive's own pictures (`embedkit gauges`) and read from a folder of PNG files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from embedkit.errors import UsageError
from embedkit.image import PICTURE_SIDE
from embedkit.image.gauges import read_gauge

_SIDE = 48
"""Of a template, in pixels: a view magnifies a gauge to about this size at most."""


@dataclass(frozen=True)
class Gauges:
    """Templates of gauges."""

    templates: Tensor
    """float (T, 2, 48, 48) in [0, 1]: grey level times coverage, and coverage."""
    sizes: Tensor
    """float (T,): the side of a template as a share of the picture's."""

    def __len__(self) -> int:
        return len(self.templates)

    def to(self, device: torch.device) -> Gauges:
        """The same with its templates on a device; the sizes stay on the CPU, where views are drawn."""
        return Gauges(self.templates.to(device), self.sizes)

    @property
    def sha256(self) -> str:
        """Of the templates and their sizes."""
        both = (tensor.cpu().contiguous().numpy().tobytes() for tensor in (self.templates, self.sizes))
        return hashlib.sha256(b"".join(both)).hexdigest()


def draw_gauges() -> Gauges:
    """Six gauges as steel casts them: three spheres and three discs, 7 to 12% of the picture's side across.

    By the law of Beer and Lambert a gauge of thickness L lets the share exp(-mu L) of the rays pass. On a displayed
    grey level, which is 1 less the share that arrives, that is the same as covering it with white, coverage
    1 - exp(-mu L): a disc covers evenly, a sphere by the chord 2 sqrt(R^2 - r^2) that a ray travels in it.
    """
    axis = (torch.arange(_SIDE) + 0.5) / _SIDE * 2 - 1
    radius = torch.hypot(axis.view(-1, 1), axis.view(1, -1)) * 1.1  # the rim keeps a margin for smooth edges
    chord = torch.sqrt((1 - radius**2).clamp(min=0))  # of the diameter
    edge = ((1 - radius) * _SIDE / 2.2 + 0.5).clamp(0, 1)  # a pixel wide
    coverage = [1 - torch.exp(-attenuation * chord) for attenuation in (2.0, 3.5, 6.0)]
    coverage += [edge * (1 - torch.exp(torch.tensor(-attenuation))) for attenuation in (0.8, 1.6, 4.0)]
    templates = torch.stack([torch.stack([cover, cover]) for cover in coverage])
    return Gauges(templates, 1.1 * torch.tensor([0.07, 0.09, 0.12, 0.07, 0.09, 0.12]))


def read_gauges(folder: Path) -> Gauges:
    """Read the gauges that `embedkit gauges` kept in a folder: PNG files of grey and opacity, as large as in a picture.

    Raises UsageError where there is none, or a file is no such picture.
    """
    files = sorted(folder.glob("*.png"))
    if not files:
        raise UsageError("no-gauges", f"{folder}: no .png file there; `embedkit gauges --keep` writes them")
    templates, sizes = [], []
    for file in files:
        gauge = torch.from_numpy(read_gauge(file).astype(np.float32) / 255)  # (S, S, 2)
        grey, cover = gauge.unbind(2)
        template = torch.stack([grey * cover, cover]).unsqueeze(0)
        templates.append(functional.interpolate(template, size=(_SIDE, _SIDE), mode="bilinear", antialias=True))
        sizes.append(len(gauge) / PICTURE_SIDE)
    return Gauges(torch.cat(templates), torch.tensor(sizes))


def insert_gauges(views: Tensor, maps: Tensor, drawn: Tensor, gauges: Gauges) -> Tensor:
    """Lay gauges into views, float (V, 1, S, S), by the maps and the numbers of `DrawnViews`.

    A gauge lies in the picture; the view of it is resampled straight from the template, in the view's resolution.
    """
    views = views.clone()
    for slot in drawn.unbind(1):
        there = (slot[:, 0] >= 0).nonzero().squeeze(1)
        if len(there) == 0:
            continue
        which, centre, scale, opacity = torch.split(slot[there], [1, 2, 1, 1], dim=1)
        number = which.squeeze(1).long()
        to_template = maps[there].clone()
        to_template[:, :, 2] -= centre
        to_template /= (scale * gauges.sizes[number].unsqueeze(1)).unsqueeze(2)
        grid = functional.affine_grid(to_template, [len(there), 2, *views.shape[2:]], align_corners=False)
        seen = functional.grid_sample(
            gauges.templates[number.to(views.device)], grid.to(views.device), align_corners=False
        )
        light, cover = (seen * opacity.view(-1, 1, 1, 1).to(views.device)).chunk(2, dim=1)
        there = there.to(views.device)
        views[there] = views[there] * (1 - cover) + light
    return views
