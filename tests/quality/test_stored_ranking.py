"""A ranking is kept beside its index, and read as long as all that it depends on is the same."""

from __future__ import annotations

import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embedkit.export.predictions import read_predictions
from embedkit.indexes import EmbedSettings, Index, add_labels, embed, remove, repair, verify
from embedkit.indexes.sealed_files import KEPT, list_rankings
from embedkit.labels import Label
from embedkit.quality import IssueTable, find_label_issues, issues
from embedkit.review import Decisions, find_open_issues, rank_suspects
from embedkit.workers import SerialExecutor

from ..cli.test_commands import run
from ..dicom.conftest import make_dicom
from ..indexes.conftest import TinyEncoder, write_picture


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 40 images of two regions, each of which looks its own way; one label is wrong and one missing."""
    folder = tmp_path_factory.mktemp("ranked")
    (folder / "dump").mkdir()
    for number in range(40):
        look = np.random.default_rng(number % 2).integers(0, 200, (64, 64))
        noise = np.random.default_rng(100 + number).integers(0, 50, (64, 64))
        said = "" if number == 7 else ("HAND", "KNEE")[(number + (number == 12)) % 2]
        uids = {"SOPInstanceUID": f"1.2.{number + 1}", "PatientID": f"P{number}"}
        content = make_dicom((look + noise).astype(np.uint8), BodyPartExamined=said, **uids)
        (folder / "dump" / f"{number:02d}.dcm").write_bytes(content)
    settings = EmbedSettings(workers=1)
    embed([folder / "dump"], folder / "index", encoders=[TinyEncoder()], settings=settings, executor=SerialExecutor())
    return folder / "index"


@pytest.fixture
def index(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often something was ranked."""
    times: list[int] = []
    rank = issues._rank
    monkeypatch.setattr(issues, "_rank", lambda *arguments: times.append(1) or rank(*arguments))
    return times


def same(one: IssueTable, two: IssueTable) -> bool:
    return replace(one, made="", table=0) == replace(two, made="", table=0) and one.table.equals(two.table)  # type: ignore[arg-type]


def test_what_is_read_is_what_was_made(index: Path, ranked: list[int]) -> None:
    opened = Index.open(index)
    fresh = {every: find_label_issues(opened, all_images=every) for every in (True, False)}
    assert (len(ranked), fresh[True].made) == (1, "")
    again = {every: find_label_issues(Index.open(index), all_images=every) for every in (True, False)}
    assert len(ranked) == 1
    assert again[True].made.endswith("+00:00")
    assert all(same(fresh[every], again[every]) for every in (True, False))
    shutil.rmtree(index / "rankings")
    assert same(find_label_issues(opened, all_images=True), fresh[True])
    assert len(ranked) == 2
    assert {place.name for place in index.iterdir() if "ranking" in place.name} == {"rankings"}
    assert stat.S_IMODE((index / "rankings").stat().st_mode) == 0o700
    assert stat.S_IMODE(list_rankings(index)[0].stat().st_mode) == 0o600
    assert verify(index) == []


def test_only_issues_are_listed_where_not_all_images_are_asked_for(index: Path) -> None:
    every, some = (find_label_issues(Index.open(index), all_images=all_images) for all_images in (True, False))
    kept = [
        place for place, issue in enumerate(every.table["issue"].to_pylist()) if issue not in ("none", "not-checked")
    ]
    assert some.rows == tuple(every.rows[place] for place in kept)
    assert some.table["rank"].to_pylist() == list(range(1, len(kept) + 1))
    assert some.table["score"].to_pylist() == [every.table["score"][place].as_py() for place in kept]


def test_all_that_needs_a_ranking_reads_the_same_one(index: Path, ranked: list[int]) -> None:
    opened = Index.open(index)
    found = find_label_issues(opened)
    assert "mislabelled" in found.table["issue"].to_pylist()
    assert rank_suspects(index)
    assert same(find_open_issues(opened, []), found)
    assert len(read_predictions(find_open_issues(opened, [], all_images=True))) == 40
    assert len(ranked) == 1


@pytest.mark.parametrize("change", ["label", "image", "decision", "seed", "shown"])
def test_whatever_changes_makes_another_ranking(index: Path, ranked: list[int], change: str) -> None:
    opened = Index.open(index)
    find_label_issues(opened)
    ids = opened.images["image_id"].to_pylist()
    if change == "label":
        add_labels(index, {ids[3]: Label("hand", "hand", "annotator")}, replace_labels=True)
    elif change == "image":
        write_picture(index.parent / "more" / "new.png", 99)
        embed([index.parent / "more"], index, encoders=[TinyEncoder()], executor=SerialExecutor())
    opened = Index.open(index)
    if change == "shown":
        opened = opened.with_regions(opened.images["region"].take(np.arange(40)[::-1]).combine_chunks())
    with Decisions.open(index) as decisions:
        if change == "decision":
            decisions.record(ids[4], "anna", "keep", prior="hand")
        find_open_issues(opened, decisions.latest(), seed=int(change == "seed"))
    assert len(ranked) == 2


def test_a_flipped_byte_is_ranked_again_and_found(index: Path, ranked: list[int]) -> None:
    truth = find_label_issues(Index.open(index))
    (path,) = list_rankings(index)
    good = path.read_bytes()
    for place in (0, 70, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        assert any("rankings/" in problem for problem in verify(index))
        assert same(find_label_issues(Index.open(index)), truth)
        assert verify(index) == []
    assert len(ranked) == 5
    path.write_bytes(good[:-9])
    assert any("ranking" in line for line in repair(index))
    assert verify(index) == []


def test_few_are_kept_and_none_of_what_was_removed(index: Path) -> None:
    opened = Index.open(index)
    for seed in range(KEPT + 2):
        find_label_issues(opened, seed=seed)
    assert len(list_rankings(index)) == KEPT
    remove(index, [opened.images["image_id"][0].as_py()])
    assert list_rankings(index) == []


def test_the_command_says_when_it_was_made_and_gives_the_same(index: Path, tmp_path: Path) -> None:
    names = [tmp_path / f"{name}.csv" for name in ("one", "two")]
    first = run("find-label-issues", "--index", index, "--out", names[0])
    second = run("find-label-issues", "--index", index, "--out", names[1], "--out", tmp_path / "two.html")
    assert "nothing was ranked again" not in first.stderr
    assert "nothing was ranked again" in second.stderr
    assert names[0].read_bytes() == names[1].read_bytes()
    document = json.loads(run("find-label-issues", "--index", index, "--json", "-q").stdout)
    assert document["ranked"]
    reasons = {issue["reason"] for issue in document["issues"]}
    page = (tmp_path / "two.html").read_text()
    assert reasons
    assert all(reason in page for reason in reasons if "'" not in reason and "&" not in reason)
    assert all(f",{reason}\n" in names[0].read_text().replace('"', "").replace("\r", "") for reason in reasons)
