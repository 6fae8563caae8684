"""Copies of real radiographs after what a viewer, a gateway or a person does to them, each kind of its own originals.

No original has two copies: copies of one original would lead to each other.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
ORIGINALS = 12
"""Of each kind."""


def window(low: float, high: float) -> Callable[[Grey], Grey]:
    return lambda grey: np.clip((grey.astype(np.float32) - low) * 255 / (high - low), 0, 255).astype(np.uint8)


def crop(grey: Grey) -> Grey:
    rows, columns = (round(0.01 * side) for side in grey.shape)
    return np.ascontiguousarray(grey[rows:-rows, columns:-columns])


KINDS: dict[str, Callable[[Grey], Grey]] = {
    "a quarter black": lambda grey: window(*np.percentile(grey, [25, 85]))(grey),
    "half of the grey scale": window(64, 192),
    "inverted": lambda grey: 255 - grey,
    "milder window": window(20, 235),
    "gamma 0.5": lambda grey: (255 * (grey / 255) ** 0.5).astype(np.uint8),
    "gamma 2": lambda grey: (255 * (grey / 255) ** 2).astype(np.uint8),
    "CLAHE": lambda grey: cv2.createCLAHE(3, (8, 8)).apply(grey),
    "crop": crop,
    "quarter turn": lambda grey: np.ascontiguousarray(np.rot90(grey)),
    "mirrored": lambda grey: np.ascontiguousarray(grey[:, ::-1]),
}


@dataclass(frozen=True)
class Plate:
    """A radiograph of FracAtlas, with its copy where it has one; images of one `exposure` may repeat each other."""

    name: str
    region: str
    exposure: str
    grey: Grey
    kind: str = ""

    @property
    def copy(self) -> Grey:
        return KINDS[self.kind](self.grey)


def read_plates(real_data: Path, step: int = 20) -> list[Plate]:
    """Every so manieth plate of FracAtlas; every 20th one has a copy, the first ones of the first kind."""
    with (real_data / "fracatlas.csv").open() as file:
        rows = list(csv.DictReader(file))
    kinds = dict(zip(range(0, len(rows), 20), (kind for kind in KINDS for _ in range(ORIGINALS)), strict=False))
    return [
        Plate(
            Path(row["image_id"]).stem,
            row["region"],
            row["leakage_group"],
            np.asarray(cv2.imread(str(real_data / "fracatlas" / row["image_id"]), cv2.IMREAD_GRAYSCALE), np.uint8),
            kinds.get(number, ""),
        )
        for number, row in enumerate(rows)
        if number % step == 0
    ]
