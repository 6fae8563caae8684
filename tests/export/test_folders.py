"""Folders of exports: whole or not at all, one writer, nothing of others replaced, nothing left of a killed one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from embedkit.errors import UsageError
from embedkit.export.folders import check_output, remove_leftovers, whole_folder

WRITE = """
import sys, time; from pathlib import Path; from embedkit.export.folders import whole_folder
with whole_folder(Path(sys.argv[1])) as place:
    (place / "copy.dcm").write_text("a patient's"); print("there", flush=True); time.sleep(60)
"""


def write(folder: Path, content: str, *, overwrite: bool = False) -> None:
    with whole_folder(folder, overwrite=overwrite) as place:
        (place / "copy.dcm").write_text(content)


@pytest.fixture
def busy(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that is writing `tmp_path / "out"`, until it is killed."""
    words = [sys.executable, "-P", "-c", WRITE, str(tmp_path / "out")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


def test_two_processes_never_write_one_folder(busy: subprocess.Popen[str], tmp_path: Path) -> None:
    for attempt in (lambda: write(tmp_path / "out", "b"), lambda: remove_leftovers(tmp_path / "out")):
        with pytest.raises(UsageError, match="another process"):
            attempt()
    assert (tmp_path / ".out.tmp" / "copy.dcm").read_text() == "a patient's", "what the other one wrote is untouched"
    busy.kill()
    busy.communicate()


def test_what_a_killed_process_left_is_removed_and_said(busy: subprocess.Popen[str], tmp_path: Path) -> None:
    busy.kill()
    busy.communicate()
    assert remove_leftovers(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert not remove_leftovers(tmp_path / "out")
    write(tmp_path / "out", "b")
    assert (tmp_path / "out" / "copy.dcm").read_text() == "b"
    assert len(list(tmp_path.iterdir())) == 1


def test_only_what_an_export_wrote_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "out", "a")
    with pytest.raises(UsageError, match="there already"):
        write(tmp_path / "out", "b")
    assert (tmp_path / "out" / "copy.dcm").read_text() == "a"
    write(tmp_path / "out", "b", overwrite=True)
    assert (tmp_path / "out" / "copy.dcm").read_text() == "b"
    (tmp_path / "originals").mkdir()
    (tmp_path / "originals" / "copy.dcm").write_text("an original")
    with pytest.raises(UsageError, match="no export wrote"):
        write(tmp_path / "originals", "b", overwrite=True)
    assert (tmp_path / "originals" / "copy.dcm").read_text() == "an original"


def test_an_export_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    write(tmp_path / "out", "a")

    def fail() -> None:
        with whole_folder(tmp_path / "out", overwrite=True) as place:
            (place / "copy.dcm").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "out" / "copy.dcm").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("stands", [True, False])
def test_a_kill_between_the_renames_loses_neither(stands: bool, tmp_path: Path) -> None:
    """As `_put_in_place` leaves it: the earlier folder aside, the new one in its place, or not yet."""
    write(tmp_path / "out", "a")
    (tmp_path / "out").rename(tmp_path / ".out.replaced.tmp")
    if stands:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "copy.dcm").write_text("b")
    remove_leftovers(tmp_path / "out")
    assert (tmp_path / "out" / "copy.dcm").read_text() == ("b" if stands else "a")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    check_output(path, overwrite=False)
    path.write_text("edited by hand")
    check_output(path, overwrite=True)
    with pytest.raises(UsageError, match="there already"):
        check_output(path, overwrite=False)
