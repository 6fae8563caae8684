"""Files whose names are not UTF-8, or look as if they were escaped, through the commands that open them again."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from embedkit.demo import write_demo_dump
from embedkit.indexes import Index
from embedkit.indexes.paths import path_text, text_path
from embedkit.review import Decisions
from embedkit.review.originals import Originals

from .test_commands import run

pytestmark = pytest.mark.slow


def _rename(dump: Path) -> Path:
    """Give the dump and its files odd names, two files at a time such as were once one."""
    for number, path in enumerate(sorted(path for path in dump.rglob("*") if path.is_file())):
        name = b"%d\xe9" % (number // 2) if number % 2 else rb"%d\xe9" % (number // 2)
        path.rename(path.with_name(os.fsdecode(name)))
    return dump.rename(dump.with_name(os.fsdecode(b"dump\xff")))


def test_every_command_opens_files_of_odd_names(tmp_path: Path) -> None:
    write_demo_dump(tmp_path, images=30, seed=33)
    dump, index = _rename(tmp_path / "dump"), tmp_path / "index"
    told = json.loads(run("embed", dump, "--index", index, "--json").stdout)
    assert told["images"] + sum(told["rejected"].values()) == told["files"] == 32
    opened = Index.open(index)
    texts = opened.images["path"].to_pylist()
    assert len({*texts}) == told["images"]

    with Originals(opened, workers=1) as originals:
        assert [originals.read(row)[1] for row in range(4)] == [""] * 4
    regions = opened.images["region"].to_pylist()
    with Decisions.open(index) as decisions:
        for row, image_id in enumerate(opened.images["image_id"].to_pylist()):
            other = "skull" if regions[row] != "skull" else "knee"
            decisions.record(image_id, "anna", "relabel", region=other, prior=regions[row])
    asked = ("--dicom", tmp_path / "copies", "--sr", tmp_path / "sr", "--out", tmp_path / "d.csv", "--index", index)
    told = json.loads(run("export", *asked, "--json").stdout)
    assert (told["left_out"], told["originals_gone"]) == ([], 0)
    assert told["written"][1]["count"] == len(opened)
    with (tmp_path / "d.csv").open(newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == {*texts}

    for row in (0, 1):
        asked = ("similar", text_path(texts[row]), "-k", "1", "--index", index, "--json")
        assert json.loads(run(*asked).stdout)["similar"][0]["path"] != texts[row]
    told = json.loads(run("classify", dump, "--index", index, "--json", code=1).stdout)
    assert {image["path"] for image in told["images"]} >= {*texts}
    assert len({file["path"] for file in told["rejected"]}) == len(told["rejected"]) > 0

    moved = dump.rename(tmp_path / os.fsdecode(rb"moved\xff"))
    run("export", "--dicom", tmp_path / "more", "--root", moved, "--index", index)
    assert len([*(tmp_path / "more").glob("*.dcm")]) == len(opened)
    run("embed", moved, "--index", index)
    (tmp_path / "labels.csv").write_text(f"path,region\n/theirs{texts[0].removeprefix(path_text(dump))},elbow\n")
    asked = ("--labels", tmp_path / "labels.csv", "--map-path", f"/theirs={moved}", "--index", index, "--json")
    assert json.loads(run("embed", moved, *asked).stdout)["labels"]["images"] == 1
