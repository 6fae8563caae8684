"""From no labels to labels: select, label, cluster, label-clusters, as users type them."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import pydicom
import pytest

from embedkit.demo import write_demo_dump
from embedkit.indexes import Index
from embedkit.review import Decisions

from .test_commands import CANARY, run

pytestmark = pytest.mark.slow

Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    return list(csv.DictReader(path.read_text().splitlines()))


def write(path: Path, rows: Rows) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@dataclass(frozen=True)
class Site:
    """A dump, its index, and what its images truly show, by image id."""

    dump: Path
    index: Path
    truth: dict[str, str]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A dump whose headers say nothing of regions, but for the first three images."""
    folder = tmp_path_factory.mktemp("site")
    images = write_demo_dump(folder, images=42, seed=6)
    for number, image in enumerate(images):
        header = pydicom.dcmread(folder / "dump" / image.path)
        header.PatientName = "CANARY^JANE"
        for keyword in ("BodyPartExamined", "AnatomicRegionSequence", "SeriesDescription", "StudyDescription"):
            if number >= 3 and keyword in header:
                del header[keyword]
        header.save_as(folder / "dump" / image.path)
    run("embed", folder / "dump", "--index", folder / "index")
    return Site(folder / "dump", folder / "index", {image.sop_instance_uid: image.true_region for image in images})


@pytest.fixture
def site(embedded: Site, tmp_path: Path) -> Site:
    """A copy that may be changed."""
    return Site(embedded.dump, shutil.copytree(embedded.index, tmp_path / "index"), embedded.truth)


def sources(index: Path) -> Counter[str]:
    """How many images have a label from each source, as `info` tells."""
    spellings = json.loads(run("info", "--json", "--index", index).stdout)["spellings"]
    return sum((Counter({row["source"]: row["images"]}) for row in spellings if row["region"]), Counter())


def test_chosen_images_are_labelled(site: Site, tmp_path: Path) -> None:
    before = sources(site.index)
    assert before.total() <= 3
    out = tmp_path / "selected"
    done = json.loads(run("select", "--budget", 20, "--out", out, "--index", site.index, "--json").stdout)
    rows = read(out / "selected.csv")
    assert [row["image_id"] for row in rows] == done["selected"]
    assert len({row["image_id"] for row in rows}) == len(rows) == 20
    assert list(rows[0]) == ["number", "sheet", "image_id", "region"]
    assert cv2.imread(str(out / rows[0]["sheet"])) is not None
    assert "not there yet" in run("select", "--out", out, "--index", site.index, code=2).stderr
    assert "no row has a name" in run("label", out / "selected.csv", "--index", site.index, code=2).stderr
    for row in rows:
        truth = site.truth[row["image_id"]]
        row["region"] = "" if truth == "other" else truth
    named = [row for row in rows if row["region"]]
    filled = write(tmp_path / "filled.csv", rows)
    counts = json.loads(run("label", filled, "--index", site.index, "--json").stdout)
    assert counts == {"added": len(named), "replaced": 0, "kept": 0, "unknown": 0}
    assert sources(site.index) == before + Counter(annotator=len(named))
    again = read_selected(site, tmp_path / "again")
    assert not {row["image_id"] for row in named} & {row["image_id"] for row in again}


def read_selected(site: Site, out: Path) -> Rows:
    """What `select` chooses now."""
    run("select", "--budget", 10, "--out", out, "--index", site.index)
    return read(out / "selected.csv")


def test_the_table_is_also_one_for_embed(site: Site, tmp_path: Path) -> None:
    rows = read_selected(site, tmp_path / "selected")
    known = [row["image_id"] for row in rows if site.truth[row["image_id"]] != "other"]
    for row in rows:
        row["region"] = site.truth[row["image_id"]] if row["image_id"] in known else ""
    table = write(tmp_path / "filled.csv", rows)
    run("embed", site.dump, "--labels", table, "--index", site.index)
    assert sources(site.index)["csv"] == len(known)


def test_clusters_are_named_in_one_go(site: Site, tmp_path: Path) -> None:
    before, out = sources(site.index), tmp_path / "clusters"
    run("cluster", "--clusters", 8, "--out", out, "--index", site.index)
    rows, members = read(out / "names.csv"), read(out / "members.csv")
    assert sum(int(row["images"]) for row in rows) == len(members) == len(Index.open(site.index))
    assert all(cv2.imread(str(out / row["sheet"])) is not None for row in rows)
    of = {row["cluster"]: [m["image_id"] for m in members if m["cluster"] == row["cluster"]] for row in rows}
    for row in rows[:-1]:
        commonest = Counter(site.truth[image_id] for image_id in of[row["cluster"]]).most_common(1)[0][0]
        row["region"] = "hand" if commonest == "other" else commonest
    decided = of["1"][0]
    with Decisions.open(site.index) as decisions:
        decisions.record(decided, "anna", "out-of-domain")
    write(out / "names.csv", rows)
    done = run("label-clusters", out / "names.csv", "--index", site.index, "--json")
    counts = json.loads(done.stdout)
    held = sum(len(images) for images in of.values()) - len(of[rows[-1]["cluster"]])
    assert counts["added"] + counts["kept"] == held
    assert counts["kept"] >= 1, "what a reviewer decided on stays"
    after = sources(site.index)
    assert after == before + Counter(cluster=counts["added"])
    regions = dict(zip(*(Index.open(site.index).images[c].to_pylist() for c in ("image_id", "region")), strict=True))
    assert not regions[decided] or decided in list(site.truth)[:3]
    assert json.loads(run("find-label-issues", "--index", site.index, "--json").stdout)["images"] == len(members)
    run("label-clusters", out / "names.csv", "--replace", "--index", site.index)
    assert sources(site.index)["cluster"] == held


def test_wrong_names_change_nothing(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "clusters"
    run("cluster", "--clusters", 4, "--out", out, "--index", site.index)
    rows, before = read(out / "names.csv"), sources(site.index)
    rows[0]["region"], rows[1]["region"] = "knee", "sholder"
    write(out / "names.csv", rows)
    message = run("label-clusters", out / "names.csv", "--index", site.index, code=2).stderr
    assert 'row 3 names no region: the nearest spelling is "shoulder"' in message
    rows[1]["region"] = ""
    elsewhere = write(tmp_path / "names.csv", rows)
    assert "members.csv" in run("label-clusters", elsewhere, "--index", site.index, code=2).stderr
    write(tmp_path / "members.csv", [{"image_id": "1.2", "cluster": "77"}])
    assert "another run" in run("label-clusters", elsewhere, "--index", site.index, code=2).stderr
    assert sources(site.index) == before


def test_nothing_about_a_patient_is_written(site: Site, tmp_path: Path) -> None:
    patients = {patient for patient in Index.open(site.index).images["patient"].to_pylist() if patient}
    said = [run("select", "--out", tmp_path / "s", "--index", site.index)]
    said += [run("cluster", "--clusters", 5, "--out", tmp_path / "c", "--index", site.index)]
    files = [path for folder in ("s", "c") for path in (tmp_path / folder).iterdir()]
    texts = [path.read_bytes() for path in files] + [(done.stdout + done.stderr).encode() for done in said]
    for text in texts:
        assert CANARY not in text
        assert not any(patient.encode() in text for patient in patients)
        assert b"/dump/" not in text


def test_an_absent_index_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", [{"image_id": "1", "cluster": "1", "region": "knee"}])
    for command in (("select",), ("cluster",), ("label", table), ("label-clusters", table)):
        assert "there is no index here" in run(*command, "--index", tmp_path / "none", code=2, cwd=tmp_path).stderr
    assert not (tmp_path / "none").exists()
