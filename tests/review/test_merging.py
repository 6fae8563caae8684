"""Decisions of several indexes made into those of one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from embedkit.review import Decisions, merge_decisions


@pytest.fixture
def indexes(tmp_path: Path) -> list[Path]:
    for name in ("one", "two", "merged"):
        (tmp_path / name).mkdir()
    return [tmp_path / "one", tmp_path / "two"]


def test_decisions_stand_in_the_order_made_and_what_was_taken_back_stays_so(indexes: list[Path]) -> None:
    out = indexes[0].with_name("merged")
    with Decisions.open(indexes[0]) as one, Decisions.open(indexes[1]) as two:
        first = one.record("1.2", "anna", "keep", prior="knee")
        two.record("3.4", "ben", "relabel", region="foot", prior="knee", note="a\nb")
        slip = one.record("1.2", "anna", "unusable", prior="knee")
        two.record("1.2", "ben", "out-of-domain", prior="knee")
        one.undo(slip.number, "anna")
    assert merge_decisions(indexes, out) == 5
    with Decisions.open(out, read_only=True) as merged:
        merged.check()
        said = [(one.image_id, one.reviewer, one.verdict, one.region, one.note) for one in merged.latest()]
        assert sorted(said) == [
            ("1.2", "anna", "keep", "", ""),
            ("1.2", "ben", "out-of-domain", "", ""),
            ("3.4", "ben", "relabel", "foot", "a\nb"),
        ]
        times = [one.time for one in merged.history()]
        assert times == sorted(times)
        assert times[0] == first.time


def test_what_stands_in_an_index_and_its_copy_counts_once(indexes: list[Path]) -> None:
    out = indexes[0].with_name("merged")
    with Decisions.open(indexes[0]) as one:
        one.record("1.2", "anna", "keep", prior="knee")
    shutil.copytree(indexes[0], indexes[1], dirs_exist_ok=True)
    with Decisions.open(indexes[1]) as two:
        two.record("1.3", "anna", "keep", prior="hand")
    assert merge_decisions(indexes, out) == 2


def test_without_decisions_no_database_is_made(indexes: list[Path]) -> None:
    out = indexes[0].with_name("merged")
    assert merge_decisions(indexes, out) == 0
    assert list(out.iterdir()) == []
