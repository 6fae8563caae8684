"""Decisions go out as a table and come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedkit.errors import UsageError
from embedkit.review import Decisions
from embedkit.review.readings import AddedReadings, add_readings, read_readings

HEADER = "image_id,path,prior_region,verdict,region,reviewers,readings,time,notes\n"


def write(folder: Path, *rows: str) -> Path:
    path = folder / "decisions.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def test_every_reading_comes_back_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "1.1,,knee,keep,knee,anna,knee,,",
        "1.2,,knee,disputed,,anna; ben,foot; knee,,why",
        "1.3,,,out-of-domain,,anna; ben,out-of-domain; out-of-domain,,",
        "1.4,,hand,unusable,,ben,unusable,,",
        "9.9,,hand,unusable,,ben,unusable,,",
    )
    readings = read_readings(path)
    with Decisions.open(tmp_path) as decisions:
        decisions.record("1.4", "ben", "relabel", region="foot", prior="hand")
        ids = {"1.1", "1.2", "1.3", "1.4"}
        assert add_readings(decisions, readings, ids) == AddedReadings(added=5, standing=1, unknown=1)
        assert add_readings(decisions, readings, ids) == AddedReadings(added=0, standing=6, unknown=1)
        found = {(one.image_id, one.reviewer): (one.verdict, one.region, one.note) for one in decisions.latest()}
    assert found == {
        ("1.1", "anna"): ("keep", "", ""),
        ("1.2", "anna"): ("relabel", "foot", "why"),
        ("1.2", "ben"): ("keep", "", ""),
        ("1.3", "anna"): ("out-of-domain", "", ""),
        ("1.3", "ben"): ("out-of-domain", "", ""),
        ("1.4", "ben"): ("relabel", "foot", ""),
    }


@pytest.mark.parametrize(
    "row", ["1.1,,knee,keep,knee,anna; ben,knee,,", "1.1,,knee,keep,knee,,knee,,", "1.1,,knee,keep"]
)
def test_a_row_that_does_not_tell_who_said_what_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(UsageError, match="row 2 does not tell") as caught:
        read_readings(write(tmp_path, row))
    assert "anna" not in str(caught.value)


def test_another_label_table_has_no_readings(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("image_id,region\n1.1,knee\n")
    assert read_readings(path) == []
