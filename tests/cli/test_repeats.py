"""Repeats of known radiographs through the whole program: embed, find-label-issues, the groups in its table."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import pytest

from ..repeats import KINDS, ORIGINALS, Plate, read_plates
from .test_commands import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plates(real_data: Path) -> list[Plate]:
    return read_plates(real_data)


@pytest.fixture(scope="module")
def groups(plates: list[Plate], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By file name the group of duplicates that find-label-issues lists it in."""
    folder = tmp_path_factory.mktemp("repeats")
    (folder / "dump").mkdir()
    labels = [("path", "region")]
    for plate in plates:
        made = {plate.name: plate.grey} | ({f"copy of {plate.name}": plate.copy} if plate.kind else {})
        for name, grey in made.items():
            cv2.imwrite(str(folder / "dump" / f"{name}.png"), grey)
            labels.append((f"{name}.png", plate.region))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(labels)
    run("embed", folder / "dump", "--labels", folder / "labels.csv", "--index", folder / "index")
    run("find-label-issues", "--index", folder / "index", "--out", folder / "issues.csv")
    with (folder / "issues.csv").open(newline="") as file:
        return {
            Path(row["path"]).stem: row["duplicate_group"] for row in csv.DictReader(file) if row["duplicate_group"]
        }


@pytest.mark.parametrize("kind", KINDS)
def test_eleven_of_twelve_repeats_stand_in_the_group_of_their_original(
    kind: str, plates: list[Plate], groups: dict[str, str]
) -> None:
    names = [plate.name for plate in plates if plate.kind == kind]
    found = [name for name in names if name in groups and groups[name] == groups.get(f"copy of {name}")]
    assert len(names) == ORIGINALS
    assert len(found) >= 11


def test_no_group_holds_two_exposures(plates: list[Plate], groups: dict[str, str]) -> None:
    held: dict[str, set[str]] = {}
    for plate in plates:
        for name in (plate.name, f"copy of {plate.name}"):
            held.setdefault(groups.get(name, ""), set()).add(plate.exposure)
    assert [group for group, exposures in held.items() if group and len(exposures) > 1] == []
