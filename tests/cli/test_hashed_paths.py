"""A dump whose folders and files are called after a patient, through every command: the name is found nowhere."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from embedkit.demo import write_demo_dump
from embedkit.indexes import Index
from embedkit.indexes.paths import text_path
from embedkit.indexes.stored_paths import HashedPaths
from embedkit.review import Decisions
from embedkit.review.originals import Originals
from embedkit.sources import find_files

from .test_commands import run

NAME = "CANARY^JANE"
IMAGES = 40


def _name_after_a_patient(dump: Path) -> Path:
    """Put the patient into the name of every folder and file, some of them in bytes that are not UTF-8."""
    for number, path in enumerate(sorted(dump.rglob("*"), reverse=True)):
        odd = os.fsdecode(b"\xe9") if number % 3 == 0 else ""
        path.rename(path.with_name(f"{NAME}{odd} {path.name}"))
    (dump / f"{NAME} link.dcm").symlink_to("/nowhere")
    (dump / f"{NAME}.txt").write_text("no image")
    return dump.rename(dump.with_name(NAME))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A dump, its index, and what the commands said so far."""
    folder = tmp_path_factory.mktemp("hashed")
    write_demo_dump(folder, images=IMAGES, seed=36)
    dump = _name_after_a_patient(folder / "dump")
    done = run("embed", dump, "--hash-paths", "--index", folder / "index")
    assert f"{IMAGES} images" in done.stdout
    return dump, folder / "index", [done.stdout, done.stderr]


def _relabel(index: Index, images: int) -> None:
    """Decide on the first images."""
    with Decisions.open(index.path) as decisions:
        for image in index.images.select(["image_id", "region"]).slice(0, images).to_pylist():
            other = "skull" if image["region"] != "skull" else "knee"
            decisions.record(image["image_id"], "anna", "relabel", region=other, prior=image["region"])


def _texts(folder: Path) -> list[str]:
    """Everything in the files of a folder, and their names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    tables = [str(pq.read_table(path).to_pylist()) for path in files if path.suffix == ".parquet"]
    return [*tables, *(path.read_bytes().decode("latin-1") for path in files), *map(str, files)]


def test_no_command_tells_a_name_of_a_file(site: tuple[Path, Path, list[str]], tmp_path: Path) -> None:
    dump, index, told = site
    opened = Index.open(index)
    assert isinstance(opened.paths, HashedPaths)
    files = [found.path for found in find_files([dump])]
    images = [path for path in files if opened.find(path) is not None]
    _relabel(opened, 8)

    def tell(*arguments: str | Path, code: int = 0) -> str:
        done = run(*arguments, "--index", index, code=code)
        told.extend((done.stdout, done.stderr))
        return done.stdout

    report = json.loads(tell("embed", dump, "--json"))
    assert (report["unchanged"], report["new"], report["moved"]) == (report["files"], 0, {})
    tell("info", "--rejected")
    tell("info", "--json")
    issues = [word for suffix in ("csv", "parquet", "html") for word in ("--out", tmp_path / f"issues.{suffix}")]
    tell("find-label-issues", "--all", *issues)
    near = tell("similar", images[0], "-k", "3", "--sheet", tmp_path / "sheet.png", "--json")
    assert tell("similar", json.loads(near)["query"], "-k", "3", "--json") == near
    stray = shutil.copy(images[0], tmp_path / "stray.dcm")
    assert json.loads(tell("similar", stray, "-k", "1", "--json"))["query"] != str(stray)
    tell("explain", images[0], "--out", tmp_path / "why.png", "--json")
    tell("classify", dump, "--out", tmp_path / "files.csv", code=1)
    tell("cluster", "--clusters", "3", "--out", tmp_path / "clusters")
    tell("report", "--out", tmp_path / "report.html")
    tell("verify")
    (tmp_path / "labels.csv").write_text(
        f"path,region\n{NAME}/none.dcm,knee\n{opened.images['path'][0].as_py()},knee\n"
    )
    told_of_labels = json.loads(tell("label", tmp_path / "labels.csv", "--json"))
    assert (told_of_labels["matched"], len(told_of_labels["unmatched"])) == (1, 1)
    tell("embed", dump, "--labels", tmp_path / "labels.csv")
    assert "row 2: ~" in told[-1]
    tell("embed", dump, "--labels-from-folders", code=2)  # no folder is called like a region
    assert "--vocabulary" in told[-1]
    (tmp_path / "labels.csv").unlink()

    folders = ("--dicom", tmp_path / "copies", "--sr", tmp_path / "sr", "--label-studio", tmp_path / "studio")
    tables = ("--out", tmp_path / "d.csv", "--out", tmp_path / "d.parquet", "--cohort", tmp_path / "cohort.csv")
    written = json.loads(tell("export", *folders, "--fiftyone", tmp_path / "fiftyone", *tables, "--json"))
    assert written["originals_gone"] == 0
    assert all(one["count"] for one in written["written"])
    with (tmp_path / "d.csv").open(newline="") as file:
        assert all(row["path"].startswith("/~") for row in csv.DictReader(file))
    assert [text for text in told + _texts(index) + _texts(tmp_path) if "CANARY" in text or "JANE" in text] == []


def test_the_originals_are_found_where_they_are(tmp_path: Path) -> None:
    dump, index = tmp_path / NAME, tmp_path / "index"
    write_demo_dump(tmp_path, images=4, seed=38)
    _name_after_a_patient(tmp_path / "dump")
    run("embed", dump, "--hash-paths", "--index", index)
    opened = Index.open(index)
    with Originals(opened, workers=1) as originals:
        assert [originals.read(row)[1] for row in range(3)] == [""] * 3
    rejected = {row["reason"]: row["path"] for row in opened.rejected_files.to_pylist()}
    texts = [opened.images["path"][0].as_py(), rejected["not-an-image"]]
    for query in (*texts, opened.images["image_id"][0].as_py()):
        shown = json.loads(run("info", "--original", query, "--index", index, "--json").stdout)
        assert shown["query"] == query
        assert shown["original"] in run("info", "--original", query, "--index", index).stdout
        assert "CANARY^JANE" in shown["original"]
    _relabel(opened, 1)
    among = text_path(shown["original"]).parent / "copies"
    inside = run("export", "--dicom", among, "--index", index, code=2).stderr
    assert "it lies among the original files" in inside
    moved = dump.rename(tmp_path / "moved")
    assert "embed the new place" in run("info", "--original", texts[0], "--index", index, code=2).stderr
    with Originals(opened, moved, workers=1) as originals:
        assert originals.read(0)[1] == ""
    left_out = json.loads(run("export", "--dicom", tmp_path / "none", "--index", index, "--json").stdout)["left_out"]
    assert [one["reason"] for one in left_out] == ["original-gone"]
    run("export", "--dicom", tmp_path / "copies", "--root", moved, "--index", index)
    assert len([*(tmp_path / "copies").glob("*.dcm")]) == 1
    report = json.loads(run("embed", moved, "--index", index, "--json").stdout)
    assert (report["new"], len(report["moved"])) == (1, report["files"] - 1)  # a link has no content to know it by
    assert "CANARY" not in json.dumps(report)


def test_plain_paths_cannot_be_hashed_later(tmp_path: Path) -> None:
    write_demo_dump(tmp_path, images=2, seed=37)
    run("embed", tmp_path / "dump", "--index", tmp_path / "index")
    error = run("embed", tmp_path / "dump", "--hash-paths", "--index", tmp_path / "index", code=2).stderr
    assert "made without --hash-paths" in error
    assert "embed into a new folder" in error
    path = Index.open(tmp_path / "index").images["path"][0].as_py()
    assert run("info", "--original", path, "--index", tmp_path / "index").stdout.split() == [path]
