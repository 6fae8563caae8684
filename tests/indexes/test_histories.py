"""However an index came about, it is the index of the files that there are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.indexes import EmbedReport, EmbedSettings, Index, compact, embed, verify
from embedkit.indexes.compaction import choose_rows
from embedkit.indexes.rows import resolve
from embedkit.indexes.shards import FACTS_SCHEMA
from embedkit.workers import SerialExecutor

from .conftest import TinyEncoder, write_picture

NAMES = ["a/1.png", "a/2.png", "b/1.png", "b/2", "c.png"]
CHANGE = st.tuples(st.sampled_from(NAMES), st.sampled_from([None, 0, 1, 2, 3, "text"]))


def apply(dump: Path, changes: Iterable[tuple[str, int | str | None]], clock: int) -> None:
    """Write picture of a seed, a text, or nothing, to each file; every change has a time of its own."""
    for number, (name, content) in enumerate(changes):
        path = dump / name
        if content is None:
            path.unlink(missing_ok=True)
            continue
        if isinstance(content, int):
            write_picture(path, content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        os.utime(path, ns=(0, (clock + number + 1) * 10**9))


def content(index: Path) -> tuple[object, ...]:
    opened = Index.open(index)
    pictures = opened.pictures(range(len(opened))).tobytes()
    near = opened.nearest(opened.vectors(), 3)[0].round(4).tobytes() if len(opened) else b""
    return opened.images.to_pydict(), opened.rejected.to_pydict(), opened.vectors().tobytes(), pictures, near


@pytest.mark.slow
@given(st.lists(st.lists(CHANGE, max_size=4), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_sequence_of_changes_ends_with_a_fresh_index(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[tuple[str, int | str | None]]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    options = EmbedSettings(workers=1, shard_files=2, forget_vanished=True, forget_most=True)
    (folder / "dump").mkdir()

    def update(index: str) -> EmbedReport:
        how = {"encoders": [TinyEncoder()], "settings": options, "executor": SerialExecutor()}
        return embed([folder / "dump"], folder / index, **how)  # type: ignore[arg-type]

    for clock, changes in enumerate(history):
        apply(folder / "dump", changes, 100 * clock)
        report = update("grown")
    fresh = update("fresh")
    assert content(folder / "grown") == content(folder / "fresh")
    opened = Index.open(folder / "fresh")
    assert compact(folder / "grown").rows_after == len(opened) + len(opened.rejected)
    assert content(folder / "grown") == content(folder / "fresh")
    assert verify(folder / "grown", deep=True) == []
    update("grown")
    assert (report.files, report.images, report.rejected) == (fresh.files, fresh.images, fresh.rejected)
    assert verify(folder / "grown") == []


STORED = st.lists(
    st.tuples(
        st.sampled_from("pqrs"),  # path
        st.sampled_from("UV"),  # SOP Instance UID
        st.sampled_from("xyz"),  # content
        st.sampled_from(["", "", "", "truncated", "vanished"]),
        st.booleans(),  # bad vector
    ),
    max_size=14,
)


def naive_rows(stored: list[tuple[str, str, str, str, bool]]) -> dict[str, tuple[int, str]]:
    """The row that counts and its reason, by path."""
    newest = {path: row for row, (path, *_) in enumerate(stored)}
    live = {path: row for path, row in newest.items() if stored[row][3] != "vanished"}
    result: dict[str, tuple[int, str]] = {}
    for path, row in live.items():
        _, uid, content, reason, bad = stored[row]
        if reason or bad:
            result[path] = (row, reason or "bad-vector")
            continue
        rivals = [p for p, r in live.items() if stored[r][1] == uid and not stored[r][3] and not stored[r][4]]
        contents = {stored[live[p]][2] for p in rivals}
        came = [c for _, u, c, why, wrong in stored if u == uid and c in contents and not why and not wrong]
        keeper = min(p for p in rivals if stored[live[p]][2] == came[0])
        same = "duplicate-instance" if content == came[0] else "conflicting-instance"
        result[path] = (row, "" if path == keeper else same)
    return result


def resolve_rows(stored: list[tuple[str, str, str, str, bool]]) -> list[tuple[str, int, str]]:
    """Path, row and reason of the rows that count."""
    names = ("path", "frame", "sop_instance_uid", "content_blake3", "reason")
    values = {name: [row[at] for row in stored] for name, at in zip(names, (0, 0, 1, 2, 3), strict=True)}
    values["frame"] = [1] * len(stored)
    schema = pa.schema([FACTS_SCHEMA.field(name) for name in names])
    bad = np.array([row[4] for row in stored], bool)
    ids, reasons = resolve(pa.table(values, schema=schema), np.arange(len(stored)), bad)
    return [(stored[row][0], int(row), reason) for row, reason in zip(ids, reasons, strict=True)]


@given(STORED)
def test_the_rows_that_count_are_those_of_the_plain_rules(stored: list[tuple[str, str, str, str, bool]]) -> None:
    expected = naive_rows(stored)
    assert resolve_rows(stored) == [(path, *expected[path]) for path in sorted(expected)]


def outcome(stored: list[tuple[str, str, str, str, bool]]) -> list[tuple[object, ...]]:
    """Path, what is stored, and reason of the rows that count."""
    return [(path, stored[row], reason) for path, row, reason in resolve_rows(stored)]


@given(STORED, STORED)
def test_rows_that_no_longer_count_can_go(
    stored: list[tuple[str, str, str, str, bool]], later: list[tuple[str, str, str, str, bool]]
) -> None:
    """What counts stays the same, now and whatever comes later, but for content that is gone and comes back."""
    names = ("path", "sop_instance_uid", "content_blake3", "reason")
    rows = pa.table({name: pa.array([row[at] for row in stored], pa.string()) for at, name in enumerate(names)})
    live = np.zeros(len(stored), bool)
    live[[row for _, row, _ in resolve_rows(stored)]] = True
    kept, bare = choose_rows(rows, live, np.zeros(len(stored), bool))
    assert not (bare & live).any()
    left = [row for row, keep in zip(stored, kept, strict=True) if keep]
    forgotten = {row[1:3] for row in stored} - {row[1:3] for row in left}
    for more in ([], [row for row in later if row[1:3] not in forgotten]):
        assert outcome(left + more) == outcome(stored + more)


def test_of_conflicting_files_the_first_to_come_is_kept_though_it_is_read_again() -> None:
    stored = [("q", "U", "first", "", False), ("p", "U", "other", "", False), ("q", "U", "first", "", False)]
    assert resolve_rows(stored) == [("p", 1, "conflicting-instance"), ("q", 2, "")]
