"""Label tables of a site, as users type the commands."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from embedkit.demo import write_demo_dump
from embedkit.indexes import Index
from embedkit.review import Decisions

from .test_commands import run

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Site:
    """A dump and its index."""

    dump: Path
    index: Path


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    write_demo_dump(folder, images=16, seed=31)
    run("embed", folder / "dump", "--index", folder / "index")
    return Site(folder / "dump", folder / "index")


@pytest.fixture
def site(embedded: Site, tmp_path: Path) -> Site:
    """A copy of the index that may be changed, and the dump, which may not."""
    return Site(embedded.dump, shutil.copytree(embedded.index, tmp_path / "index"))


def write(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]))
    return path


def regions(index: Path) -> dict[str, str]:
    images = Index.open(index).images
    return dict(zip(images["image_id"].to_pylist(), images["region"].to_pylist(), strict=True))


def decided(table: Path) -> list[dict[str, str]]:
    """The rows of an export, but for the time at which they were recorded."""
    return [row | {"time": ""} for row in csv.DictReader(table.read_text().splitlines())]


def test_decisions_survive_their_round_trip(site: Site, tmp_path: Path) -> None:
    before = regions(site.index)
    kept, changed, outside, unusable, *_ = (image_id for image_id, region in before.items() if region)
    fresh = shutil.copytree(site.index, tmp_path / "fresh")
    with Decisions.open(site.index) as decisions:
        decisions.record(kept, "anna", "keep", prior=before[kept])
        decisions.record(changed, "anna", "relabel", region="skull", prior=before[changed])
        decisions.record(outside, "anna", "out-of-domain", prior=before[outside])
        decisions.record(outside, "ben", "out-of-domain", prior=before[outside], note="a cat")
        decisions.record(unusable, "ben", "unusable", prior=before[unusable])
    run("export", "--out", tmp_path / "d.csv", "--index", site.index)
    for index in (site.index, fresh):
        told = json.loads(run("embed", site.dump, "--labels", tmp_path / "d.csv", "--index", index, "--json").stdout)
        assert (told["labels"]["images"], told["labels"]["unmatched"]) == (2, [])
        assert told["labels"]["changed"] == [{"before": before[changed], "after": "skull", "images": 1}]
        assert told["labels"]["readings"] == {"added": 5, "standing": 0, "unknown": 0} | (
            {"added": 0, "standing": 5} if index == site.index else {}
        )
        assert regions(index) == before | {changed: "skull"}
        run("export", "--out", tmp_path / "again.csv", "--overwrite", "--index", index)
        assert decided(tmp_path / "again.csv") == decided(tmp_path / "d.csv")


def test_what_a_table_did_is_told(site: Site, tmp_path: Path) -> None:
    path = Path(Index.open(site.index).images["path"][0].as_py())
    rows = [
        f"C:\\dump\\{path.relative_to(site.dump)},sholder,P1".replace("/", "\\"),
        "C:\\dump\\PAT9\\none.dcm,hand,P2",
    ]
    table = write(tmp_path / "t.csv", "File Name;Label;Patient", *(row.replace(",", ";") for row in rows))
    done = run("label", table, "--index", site.index)
    for told in ("labels: 1 of 2 name 1 images", "sholder", "shoulder"):
        assert told in done.stdout
    assert "row 3: C:\\dump\\PAT9\\none.dcm: no image of the index" in done.stderr
    assert "P1" not in done.stdout + done.stderr
    told = json.loads(run("label", table, "--index", site.index, "--json", "--quiet").stdout)
    assert told["unmatched"] == [{"row": 3, "name": "C:\\dump\\PAT9\\none.dcm", "why": "not-in-the-index"}]
    assert "1 labels of earlier tables" in run("label", "--drop-labels", "--index", site.index).stdout


def test_a_table_that_names_no_image_is_an_error_and_changes_nothing(site: Site, tmp_path: Path) -> None:
    before = sorted(site.index.rglob("*"))
    for rows in ([], ["PAT9/none.dcm,hand"]):
        table = write(tmp_path / "t.csv", "path,region", *rows)
        for command in (("label", table), ("embed", site.dump, "--labels", table)):
            done = run(*command, "--index", site.index, code=2)
            assert "no label was changed" in done.stderr
    assert sorted(site.index.rglob("*")) == before


def test_labels_without_a_source_that_is_there_change_nothing(site: Site, tmp_path: Path) -> None:
    before = sorted(site.index.rglob("*"))
    table = write(tmp_path / "t.csv", "path,region", "x.dcm,hand")
    assert "gone" in run("embed", tmp_path / "gone", "--labels", table, "--index", site.index, code=2).stderr
    assert sorted(site.index.rglob("*")) == before


def test_options_that_do_not_go_together(site: Site, tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "path,region", "x.dcm,hand")
    selected = write(tmp_path / "s.csv", "number,sheet,image_id,region", "1,s.png,1.2,hand")
    for wrong in (
        ("label",),
        ("label", table, "--drop-labels"),
        ("label", table, "--replace"),
        ("label", table, "--map-path", "C:"),
        ("label", selected, "--replace-labels"),
        ("embed", site.dump, "--labels", table, "--drop-labels"),
        ("embed", site.dump, "--replace-labels"),
    ):
        assert run(*wrong, "--index", site.index, code=2).stderr.startswith("embedkit: ")
