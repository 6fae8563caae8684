"""Repeats of known radiographs through the whole program: embed, find-label-issues, the groups in its table.

Copies of all kinds stand in one small archive, so that one may link another to its original. Alone, fewer are found
under hard windows and inverted, and fewer still in archives of more than 5,000 images (docs/label-quality.md).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from .test_commands import run

Grey = NDArray[np.uint8]
ORIGINALS, ARCHIVE = 12, 162


def window(low: float, high: float) -> Callable[[Grey], Grey]:
    return lambda grey: np.clip((grey.astype(np.float32) - low) * 255 / (high - low), 0, 255).astype(np.uint8)


def crop(grey: Grey) -> Grey:
    rows, columns = (round(0.01 * side) for side in grey.shape)
    return np.ascontiguousarray(grey[rows:-rows, columns:-columns])


KINDS: dict[str, Callable[[Grey], Grey]] = {
    "half of the greys": window(64, 192),
    "a quarter black": lambda grey: window(*np.percentile(grey, [25, 85]))(grey),
    "milder window": window(20, 235),
    "gamma": lambda grey: (255 * (grey / 255) ** 0.5).astype(np.uint8),
    "CLAHE": lambda grey: cv2.createCLAHE(3, (8, 8)).apply(grey),
    "crop": crop,
    "quarter turn": lambda grey: np.ascontiguousarray(np.rot90(grey)),
    "inverted": lambda grey: 255 - grey,
}


@pytest.fixture(scope="module")
def listed(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    """By file name the group of duplicates that find-label-issues lists it in, and the known group of its exposure."""
    folder = tmp_path_factory.mktemp("repeats")
    (folder / "dump").mkdir()
    with (real_data / "fracatlas.csv").open() as file:
        rows = list(csv.DictReader(file))[::20][:ARCHIVE]
    known, labels = dict[str, str](), [("path", "region")]
    for number, row in enumerate(rows):
        grey = np.asarray(cv2.imread(str(real_data / "fracatlas" / row["image_id"]), cv2.IMREAD_GRAYSCALE), np.uint8)
        made = {"original": grey}
        if number < ORIGINALS:
            made |= {kind: change(grey) for kind, change in KINDS.items()}
        for kind, picture in made.items():
            name = f"{number:03d} {kind}.png"
            cv2.imwrite(str(folder / "dump" / name), picture)
            known[name] = row["leakage_group"]
            labels.append((name, row["region"]))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(labels)
    run("embed", folder / "dump", "--labels", folder / "labels.csv", "--index", folder / "index")
    run("find-label-issues", "--index", folder / "index", "--out", folder / "issues.csv")
    with (folder / "issues.csv").open(newline="") as file:
        found = {
            Path(row["path"]).name: row["duplicate_group"] for row in csv.DictReader(file) if row["duplicate_group"]
        }
    return found, known


@pytest.mark.parametrize("kind", KINDS)
def test_eleven_of_twelve_repeats_stand_in_the_group_of_their_original_and_its_other_copies(
    kind: str, listed: tuple[dict[str, str], dict[str, str]]
) -> None:
    groups = listed[0]
    pairs = [(groups.get(f"{number:03d} original.png"), f"{number:03d} {kind}.png") for number in range(ORIGINALS)]
    assert sum(group is not None and group == groups.get(name) for group, name in pairs) >= 11


def test_no_group_holds_two_exposures(listed: tuple[dict[str, str], dict[str, str]]) -> None:
    groups, known = listed
    held: dict[str, set[str]] = {}
    for name, group in groups.items():
        held.setdefault(group, set()).add(known[name])
    assert all(len(exposures) == 1 for exposures in held.values())
