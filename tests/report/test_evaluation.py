"""Tables and figures of an evaluation, as files."""

import csv
import json
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest

from embedkit.errors import IndexFolderError
from embedkit.evaluation import EvaluationSettings, evaluate
from embedkit.report import write_evaluation

REGIONS = ("hand", "=foot|toe", "pelvis/hip")


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    codes = np.arange(240) % 3
    spaces = {
        name: (rng.normal(size=(3, 12))[codes] + rng.normal(0, 0.8, (240, 12)) + 1).astype(np.float32)
        for name in ("simclr", "byol")
    }
    settings = EvaluationSettings(folds=3, fractions=(0.03, 1.0), repeats=3)
    return evaluate(np.array(REGIONS)[codes], spaces, np.arange(240) // 2 * 3 + codes, settings=settings)


@pytest.fixture(scope="module")
def folder(found, tmp_path_factory):
    place = tmp_path_factory.mktemp("out") / "evaluation"
    write_evaluation(place, found)
    return place


def test_every_table_and_figure_is_there(folder):
    tables = {f"{name}.csv" for name in ("accuracy", "confusion", "calibration", "thresholds", "label-fractions")}
    names = ("accuracy", "reliability", "confusion", "label-fractions")
    figures = {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == tables | figures | {"evaluation.md", "summary.json"}
    for path in folder.glob("*.png"):
        assert min(cv2.imread(str(path)).shape[:2]) > 400
    for path in folder.glob("*.svg"):
        ET.parse(path)


def test_the_numbers_are_those_of_the_evaluation(folder, found):
    with (folder / "accuracy.csv").open(newline="") as file:
        rows = {(row["method"], row["region"]): row for row in csv.DictReader(file)}
    for score in found.scores:
        for region, one in zip(("ALL", *found.regions), (score.overall, *score.regions), strict=True):
            row = rows[score.method, f"'{region}" if region.startswith("=") else region]
            cells = [float(row[name]) for name in ("accuracy", "low", "high")]
            assert cells == pytest.approx([one.value, one.low, one.high])
    headings = (folder / "confusion.csv").read_text().splitlines()[0].split(",")
    assert f"'{REGIONS[1]}" in headings, "a region that a spreadsheet would run"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["accuracy"]["ensemble"]["overall"]["value"] == found.scores[-1].overall.value
    assert summary["label_fractions"][0]["method"] == "simclr linear"


def test_the_page_has_every_number_with_its_interval_and_no_broken_row(folder, found):
    text = (folder / "evaluation.md").read_text()
    best = found.scores[-1].overall
    assert f"{100 * best.value:.1f} ({100 * best.low:.1f} to {100 * best.high:.1f})" in text
    for block in text.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_figures_name_their_lines_and_are_the_same_every_time(folder, found, tmp_path):
    text = (folder / "label-fractions.svg").read_text()
    for name in ("simclr linear", "byol linear", "ensemble"):
        assert name in text
    write_evaluation(tmp_path / "again", found)
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_folder_that_cannot_be_made_is_one_clear_error(found, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFolderError):
        write_evaluation(tmp_path / "file" / "out", found)


def test_an_archive_so_small_that_no_bin_of_confidence_counts_has_its_figures(tmp_path):
    rng = np.random.default_rng(0)
    codes = np.arange(36) % 3
    vectors = (rng.normal(size=(3, 12))[codes] + rng.normal(0, 2, (36, 12))).astype(np.float32)
    settings = EvaluationSettings(fractions=(), repeats=0)
    evaluation = evaluate(np.array(REGIONS)[codes], {"simclr": vectors}, np.arange(36), settings=settings)
    assert all(one.accuracy.images < 10 for found in evaluation.calibration for one in found.bins_after)
    write_evaluation(tmp_path / "evaluation", evaluation)
    assert (tmp_path / "evaluation" / "reliability.svg").stat().st_size
