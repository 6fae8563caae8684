"""Labels from outside the files, laid over those of the headers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from embedkit.dicom.facts import hash_patient
from embedkit.errors import IndexFolderError, UsageError
from embedkit.indexes import (
    ANNOTATOR,
    CLUSTER,
    AddedLabels,
    Index,
    LabelReport,
    add_labels,
    label_images,
    labels_from_folders,
    verify,
)
from embedkit.indexes.labelling import LabelChange
from embedkit.indexes.overlay import lay_over, make_overlay
from embedkit.labels.header import Label
from embedkit.labels.matching import UnmatchedRow
from embedkit.labels.table import LabelTable, labels_from_csv
from embedkit.labels.vocabulary import Vocabulary

from .conftest import Embed, write_dump, write_picture

VOCABULARY = Vocabulary.load()


def label_by_path(image_id: str, path: Path) -> Label | None:
    """Call every picture of folder study1 a knee."""
    return Label("knee", "Knie", "csv") if path.parent.name == "study1" else None


def regions(index: Path) -> dict[str, str]:
    images = Index.open(index).images
    return {
        Path(path).name: region
        for path, region in zip(images["path"].to_pylist(), images["region"].to_pylist(), strict=True)
    }


@pytest.mark.slow
def test_labels_are_laid_over_and_kept_by_later_runs(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 5)
    run(labels=label_by_path)
    index = Index.open(tmp_path / "index")
    row = index.images.to_pylist()[index.images["path"].to_pylist().index(str(dump / "study1/001.png"))]
    assert (row["region"], row["given"], row["region_source"]) == ("knee", "Knie", "csv")
    assert regions(tmp_path / "index") == {
        "000.png": "",
        "001.png": "knee",
        "002.png": "",
        "003.png": "",
        "004.png": "knee",
    }
    write_picture(dump / "study1/later.png", 90)
    run()
    kept = regions(tmp_path / "index")
    assert (kept["001.png"], kept["later.png"]) == ("knee", "")
    report = run(labels=lambda image_id, path: None)
    assert report.labels == LabelReport()
    assert regions(tmp_path / "index") == kept
    assert run(replace_labels=True).labels == LabelReport(removed=2)
    assert set(regions(tmp_path / "index").values()) == {""}


def test_labels_of_other_sources_are_kept(tmp_path: Path, run: Embed) -> None:
    one, other = write_dump(tmp_path / "dump", 3), write_dump(tmp_path / "dump2", 3, first_seed=50)
    run([one], labels=label_by_path)
    run([other], labels=lambda image_id, path: Label("foot", "Fuss", "csv"))
    images = Index.open(tmp_path / "index").images
    assert images["region"].to_pylist() == ["", "knee", "", "foot", "foot", "foot"]


def test_labels_come_from_a_table_or_from_folders(tmp_path: Path, run: Embed) -> None:
    write_picture(tmp_path / "dump/left/KNEE/a.png", 1)
    write_picture(tmp_path / "dump/b.png", 2)
    vocabulary = Vocabulary.load(None)
    run(labels=labels_from_folders([tmp_path / "dump"], vocabulary))
    assert regions(tmp_path / "index") == {"b.png": "", "a.png": "knee"}
    run(
        [tmp_path / "dump/left/KNEE/a.png"], labels=labels_from_folders([tmp_path / "dump/left/KNEE/a.png"], vocabulary)
    )
    assert regions(tmp_path / "index") == {"b.png": "", "a.png": "knee"}
    table = tmp_path / "labels.csv"
    image_id = Index.open(tmp_path / "index").images["image_id"][0].as_py()
    table.write_text(f"image_id,region\n{image_id},shoulder\n")
    run(labels=labels_from_csv(table, vocabulary))
    assert regions(tmp_path / "index") == {"b.png": "shoulder", "a.png": "knee"}
    run(labels=labels_from_csv(table, vocabulary), replace_labels=True)
    assert regions(tmp_path / "index") == {"b.png": "shoulder", "a.png": ""}


def test_a_table_may_say_which_patient_an_image_shows_and_only_a_keyed_hash_is_kept(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 4)
    table = tmp_path / "labels.csv"
    rows = ["000.png,knee,CANARY^JANE", "001.png,hand,CANARY^JANE", "002.png,hand,P2", "003.png,hand,"]
    table.write_text("\n".join(["path,region,patient_id", *rows]))
    run(labels=labels_from_csv(table, Vocabulary.load(None)))
    patients = dict(
        zip(
            [Path(path).name for path in Index.open(tmp_path / "index").images["path"].to_pylist()],
            Index.open(tmp_path / "index").images["patient"].to_pylist(),
            strict=True,
        )
    )
    key = (tmp_path / "index" / "patient-key").read_bytes()
    assert patients["000.png"] == patients["001.png"] == hash_patient("", "CANARY^JANE", key)
    assert len({patients["000.png"], patients["002.png"], patients["003.png"]}) == 3
    assert patients["003.png"] == ""
    assert not any(b"CANARY" in file.read_bytes() for file in (tmp_path / "index").rglob("*") if file.is_file())
    table.write_text("path,region,patient\n000.png,knee,P1\n000.png,knee,P2\n")
    with pytest.raises(UsageError, match="row 3 contradicts"):
        labels_from_csv(table, Vocabulary.load(None))


def test_without_a_patient_in_the_table_that_of_the_header_stays() -> None:
    schema = pa.schema([(name, pa.string()) for name in ("image_id", "region", "given", "region_source", "patient")])
    images = pa.table([["1", "2"], ["", ""], ["", ""], ["", ""], ["aa", "bb"]], schema=schema)
    labels = {"1": Label("knee", "knee", "csv", "P1"), "2": Label("hand", "hand", "csv")}
    overlay = make_overlay(labels, b"key")
    assert lay_over(images, overlay)["patient"].to_pylist() == [
        hash_patient("", "P1", b"key"),
        "bb",
    ]


def ids_and_sources(index: Path) -> dict[str, tuple[str, str, str]]:
    """By file name: the image id, the region and where it comes from."""
    rows = Index.open(index).images.select(["path", "image_id", "region", "region_source"]).to_pylist()
    return {Path(row["path"]).name: (row["image_id"], row["region"], row["region_source"]) for row in rows}


def test_added_labels_leave_those_that_are_there(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 5)
    run(labels=label_by_path)  # 001 and 004 are knees
    index = tmp_path / "index"
    ids = {name: found[0] for name, found in ids_and_sources(index).items()}
    spread = {image_id: Label("hand", "Hand", CLUSTER) for image_id in ids.values()}
    done = add_labels(index, spread | {"1.2.3": Label("hand", "Hand", CLUSTER)}, keep={ids["000.png"]})
    assert done == AddedLabels(added=2, replaced=0, kept=3, unknown=1)
    assert {name: found[1:] for name, found in ids_and_sources(index).items()} == {
        "000.png": ("", ""),
        "001.png": ("knee", "csv"),
        "002.png": ("hand", CLUSTER),
        "003.png": ("hand", CLUSTER),
        "004.png": ("knee", "csv"),
    }
    chosen = {ids[name]: Label("foot", "Fuss", ANNOTATOR) for name in ("001.png", "002.png")}
    assert add_labels(index, chosen) == AddedLabels(added=1, replaced=0, kept=1, unknown=0)
    assert add_labels(index, spread) == AddedLabels(added=2, replaced=0, kept=3, unknown=0)
    assert ids_and_sources(index)["002.png"][1:] == ("foot", ANNOTATOR), "a person's word stays"
    assert add_labels(index, chosen, replace_labels=True) == AddedLabels(added=0, replaced=2, kept=0, unknown=0)
    assert ids_and_sources(index)["001.png"][1:] == ("foot", ANNOTATOR)


def test_labels_made_with_the_program_outlive_a_table_that_does_not_name_them(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 4)
    run()
    index = tmp_path / "index"
    ids = {name: found[0] for name, found in ids_and_sources(index).items()}
    add_labels(
        index, {ids["001.png"]: Label("hand", "Hand", CLUSTER), ids["002.png"]: Label("hand", "Hand", ANNOTATOR)}
    )
    run(labels=label_by_path)
    assert {name: found[1:] for name, found in ids_and_sources(index).items()} == {
        "000.png": ("", ""),
        "001.png": ("knee", "csv"),
        "002.png": ("hand", ANNOTATOR),
        "003.png": ("", ""),
    }


def test_an_added_label_leaves_the_patient_that_a_table_named(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 2)
    run(labels=lambda image_id, path: Label("knee", "Knie", "csv", "P1"))
    images = Index.open(tmp_path / "index").images
    add_labels(
        tmp_path / "index", {images["image_id"][0].as_py(): Label("hand", "Hand", ANNOTATOR)}, replace_labels=True
    )
    assert Index.open(tmp_path / "index").images["patient"].to_pylist() == images["patient"].to_pylist()
    assert sorted(Index.open(tmp_path / "index").images["region"].to_pylist()) == ["hand", "knee"]


def test_labels_are_not_added_where_there_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexFolderError):
        add_labels(tmp_path / "none", {"1": Label("hand", "Hand", ANNOTATOR)})
    assert not (tmp_path / "none").exists()


def table(folder: Path, *rows: str, columns: str = "path,region") -> LabelTable:
    (folder / "labels.csv").write_text("\n".join([columns, *rows]))
    return labels_from_csv(folder / "labels.csv", VOCABULARY)


def test_a_table_adds_to_the_labels_that_are_there_and_says_what_became_of_it(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 5)
    run(labels=table(tmp_path, "000.png,knee", "001.png,hand", "002.png,hand"))
    more = table(tmp_path, "002.png,knee", "003.png,kneee", "004.png,nan", "gone.png,hip", "notes.txt,hip")
    report = label_images(tmp_path / "index", more, VOCABULARY)
    assert regions(tmp_path / "index") == {
        "000.png": "knee",
        "001.png": "hand",
        "002.png": "knee",
        "003.png": "kneee",
        "004.png": "",
    }
    assert report == LabelReport(
        rows=4,
        matched=2,
        missing=1,
        unmatched=(UnmatchedRow(5, "gone.png", "not-in-the-index"), UnmatchedRow(6, "notes.txt", "rejected-file")),
        images=2,
        added=1,
        changed=(LabelChange("hand", "knee", 1),),
        new_regions={"kneee": 1},
    )


def test_labelling_needs_no_original_and_is_what_embed_does(tmp_path: Path, run: Embed) -> None:
    dump = write_dump(tmp_path / "dump", 5)
    run()
    shutil.copytree(tmp_path / "index", tmp_path / "other")
    rows = table(tmp_path, "C:\\x\\study0\\000.png,knee", "C:\\x\\study1\\001.png,hand")
    by_embed = run(labels=rows).labels
    shutil.rmtree(dump)
    assert label_images(tmp_path / "other", rows, VOCABULARY) == by_embed
    assert Index.open(tmp_path / "other").images.equals(Index.open(tmp_path / "index").images)
    assert verify(tmp_path / "other") == []


@pytest.mark.parametrize("replace_labels", [False, True])
def test_a_table_that_names_no_image_changes_nothing(tmp_path: Path, run: Embed, replace_labels: bool) -> None:
    write_dump(tmp_path / "dump", 3)
    run(labels=table(tmp_path, "000.png,knee", columns="path,region"))
    before = sorted((tmp_path / "index").rglob("*"))
    for rows in (table(tmp_path), table(tmp_path, "x.png,hip"), table(tmp_path, "000.png,")):
        report = label_images(tmp_path / "index", rows, VOCABULARY, replace_labels=replace_labels)
        assert (report.images, report.removed) == (0, 0)
        assert run(labels=rows, replace_labels=replace_labels).labels == report
    assert sorted((tmp_path / "index").rglob("*")) == before
    assert regions(tmp_path / "index")["000.png"] == "knee"


def test_labels_are_replaced_or_dropped_only_when_that_is_said(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 4)
    run(labels=table(tmp_path, "000.png,knee", "001.png,hand", "002.png,hand"))
    ids = {name: found[0] for name, found in ids_and_sources(tmp_path / "index").items()}
    add_labels(tmp_path / "index", {ids["003.png"]: Label("foot", "Fuss", ANNOTATOR)})
    report = label_images(tmp_path / "index", table(tmp_path, "000.png,wrist"), VOCABULARY, replace_labels=True)
    assert (report.images, report.removed) == (1, 2)
    assert regions(tmp_path / "index") == {"000.png": "wrist", "001.png": "", "002.png": "", "003.png": "foot"}
    assert label_images(tmp_path / "index", None, VOCABULARY, replace_labels=True).removed == 1
    assert regions(tmp_path / "index") == {"000.png": "", "001.png": "", "002.png": "", "003.png": "foot"}


def test_the_same_table_again_commits_nothing(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 3)
    rows = table(tmp_path, "000.png,knee,P1", columns="path,region,patient")
    run(labels=rows)
    manifests = sorted((tmp_path / "index").glob("manifest-*.json"))
    assert run(labels=rows).labels.changed == ()
    label_images(tmp_path / "index", rows, VOCABULARY)
    assert sorted((tmp_path / "index").glob("manifest-*.json")) == manifests


def test_labels_for_a_dump_without_an_image_are_unmatched(tmp_path: Path, run: Embed) -> None:
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "notes.txt").write_text("no picture")
    report = run(labels=table(tmp_path, "notes.txt,knee"))
    assert (report.images, report.labels.images) == (0, 0)
    assert run(labels=label_by_path).labels == LabelReport()
