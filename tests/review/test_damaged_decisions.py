"""Decisions that are altered, removed or swapped are found, and stand in the backup as they were recorded."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from embedkit.errors import IndexFolderError
from embedkit.review import Decision, Decisions

from ..conftest import Mount
from .first_version import write_first_version

BACKUP = "decisions-backup.sqlite"


def record(folder: Path, count: int, first: int = 0) -> list[Decision]:
    with Decisions.open(folder) as decisions:
        for number in range(first, first + count):
            decisions.record(f"1.2.3.{number}", "anna", "relabel", region="hand", prior="knee", note="änderung")
        return decisions.history()


def read(folder: Path) -> list[Decision]:
    with Decisions.open(folder, read_only=True) as decisions:
        return decisions.history()


def check(folder: Path) -> None:
    with Decisions.open(folder, read_only=True) as decisions:
        decisions.check()


def refused(use: Callable[[Path], object], folder: Path) -> IndexFolderError:
    with pytest.raises(IndexFolderError) as caught:
        use(folder)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def change(folder: Path, *statements: str) -> None:
    """Change rows as nobody can who goes by the rules, and leave the file whole for SQLite."""
    with closing(sqlite3.connect(folder / "decisions.sqlite", isolation_level=None)) as other:
        triggers = other.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            other.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            other.execute(statement)
        for _, sql in triggers:
            other.execute(sql)


@pytest.mark.slow
@pytest.mark.parametrize("bit", [0x01, 0x10, 0xFF])
def test_no_flipped_byte_changes_a_decision_without_a_word(tmp_path: Path, bit: int) -> None:
    truth = record(tmp_path, 120)
    (tmp_path / BACKUP).unlink()
    path, outcomes, wrong = tmp_path / "decisions.sqlite", Counter[str](), []
    content = path.read_bytes()
    for place in range(0, len(content), 50):
        flipped = bytearray(content)
        flipped[place] ^= bit
        path.write_bytes(flipped)
        for use in (read, check):
            try:
                found = use(tmp_path)
            except IndexFolderError:
                outcomes["told"] += 1
            else:
                outcomes["same"] += 1
                wrong += [place] if found not in (None, truth) else []
    assert wrong == []
    assert min(outcomes["told"], outcomes["same"]) > 200


def test_a_writer_goes_on_behind_no_damage(tmp_path: Path) -> None:
    truth = record(tmp_path, 60)
    path = tmp_path / "decisions.sqlite"
    content, backup, refusals = path.read_bytes(), (tmp_path / BACKUP).read_bytes(), 0
    for place in range(7, len(content), 500):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        try:
            assert record(tmp_path, 0) == truth, place
        except IndexFolderError:
            refusals += 1
            assert path.read_bytes() == flipped, "it stays as it was found"
        assert (tmp_path / BACKUP).read_bytes() == backup
    assert refusals > 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["UPDATE decisions SET region = 'ha.d' WHERE number = 7"], "decision 7 "),
        (["UPDATE decisions SET reviewer = 'ann' WHERE number = 1"], "decision 1 "),
        (["UPDATE decisions SET verdict = 'skip', region = '' WHERE number = 20"], "decision 20 "),
        (["DELETE FROM decisions WHERE number = 7"], "decision 8 "),
        (["DELETE FROM decisions WHERE number = 1"], "decision 2 "),
        (["DELETE FROM decisions WHERE number > 18"], "after decision 18 "),
        (["DELETE FROM decisions"], "after decision 0 "),
        (["UPDATE decisions SET number = 99 WHERE number = 7"], "decision 8 "),
        (
            [f"UPDATE decisions SET number = {to} WHERE number = {of}" for of, to in ((3, 99), (4, 3), (99, 4))],
            "decision 3 ",
        ),
    ],
)
def test_a_row_that_was_altered_removed_or_swapped_is_named(tmp_path: Path, statements: list[str], named: str) -> None:
    truth = record(tmp_path, 20)
    change(tmp_path, *statements)
    for use in (read, check, lambda folder: record(folder, 1)):
        error = refused(use, tmp_path)
        assert error.reason in ("decisions-damaged", "decisions-lost")
        assert f"copy {BACKUP} to decisions.sqlite" in str(error)
        assert named in str(error) or error.reason == "decisions-lost"
    (tmp_path / BACKUP).rename(tmp_path / "aside")
    assert named in str(refused(read, tmp_path))
    shutil.copy(tmp_path / "aside", tmp_path / "decisions.sqlite")
    assert read(tmp_path) == truth


def test_a_writer_that_is_open_adds_nothing_where_the_last_decisions_are_gone(tmp_path: Path) -> None:
    record(tmp_path, 5)
    with Decisions.open(tmp_path) as decisions:
        change(tmp_path, "DELETE FROM decisions WHERE number = 5")
        assert refused(lambda _: decisions.record("1", "anna", "skip"), tmp_path).reason == "decisions-damaged"


def test_decisions_that_are_read_again_are_those_of_the_file(tmp_path: Path) -> None:
    with Decisions.open(tmp_path) as first, Decisions.open(tmp_path) as second:
        for number in range(4):
            made = second.record(str(number), "anna", "skip")
            assert first.history() == second.history()
            assert first.history()[-1] == made
    other = tmp_path / "other"
    other.mkdir()
    truth = record(other, 6)
    (tmp_path / BACKUP).unlink()
    with Decisions.open(tmp_path, read_only=True) as decisions:
        assert len(decisions.history()) == 4
        shutil.copy(other / "decisions.sqlite", tmp_path / "decisions.sqlite")
        assert decisions.history() == truth


def test_the_backup_is_made_at_both_ends_of_writing(tmp_path: Path) -> None:
    def backed_up() -> int:
        copy = tmp_path / "copy"
        copy.mkdir(exist_ok=True)
        shutil.copy(tmp_path / BACKUP, copy / "decisions.sqlite")
        return len(read(copy))

    record(tmp_path, 0)
    assert not (tmp_path / BACKUP).exists()
    record(tmp_path, 3)
    assert backed_up() == 3
    assert (tmp_path / BACKUP).stat().st_mode & 0o777 == 0o600
    code = f"from embedkit.review import Decisions; d = Decisions.open({str(tmp_path)!r}); "
    code += "d.record('1', 'ben', 'skip'); import os; os._exit(9)"
    subprocess.run([sys.executable, "-P", "-c", code], check=False)
    assert backed_up() == 3
    before = (tmp_path / BACKUP).stat().st_ino
    read(tmp_path)
    assert (tmp_path / BACKUP).stat().st_ino == before, "who reads writes nothing"
    with Decisions.open(tmp_path):
        assert backed_up() == 4


@pytest.mark.parametrize("how", ["deleted", "emptied", "older", "another"])
def test_decisions_that_are_gone_while_a_backup_has_them_are_told(tmp_path: Path, how: str) -> None:
    path, older = tmp_path / "decisions.sqlite", tmp_path / "older"
    record(tmp_path, 2)
    shutil.copy(path, older)
    truth = record(tmp_path, 2, first=2)
    backup = (tmp_path / BACKUP).read_bytes()
    if how == "deleted":
        path.unlink()
    elif how == "emptied":
        os.truncate(path, 0)
    elif how == "older":
        shutil.copy(older, path)
    else:
        (tmp_path / "another").mkdir()
        record(tmp_path / "another", 5, first=50)
        shutil.copy(tmp_path / "another" / "decisions.sqlite", path)
    for use in (read, check, lambda folder: record(folder, 1)):
        error = refused(use, tmp_path)
        assert error.reason == "decisions-lost"
        assert BACKUP in str(error)
    assert (tmp_path / BACKUP).read_bytes() == backup
    if how in ("deleted", "older"):
        shutil.copy(tmp_path / BACKUP, path)
        assert read(tmp_path) == truth
    else:
        (tmp_path / BACKUP).unlink()
        read(tmp_path)


def test_a_damaged_backup_is_found_and_replaced(tmp_path: Path) -> None:
    record(tmp_path, 50)
    backup = tmp_path / BACKUP
    content = backup.read_bytes()
    for damaged in (content.replace(b"1.2.3.31", b"1.2.3.39"), content[:5000], b"", b"no database" * 1000):
        backup.write_bytes(damaged)
        assert len(read(tmp_path)) == 50
        error = refused(check, tmp_path)
        assert error.reason == "decisions-damaged"
        assert BACKUP in str(error)
    record(tmp_path, 0)
    check(tmp_path)


def test_a_backup_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / BACKUP).mkdir()
    record(tmp_path, 3)
    assert len(read(tmp_path)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 30])
def test_a_database_of_version_1_gets_its_checksums_and_keeps_every_decision(tmp_path: Path, count: int) -> None:
    path = write_first_version(tmp_path, count)
    content = path.read_bytes()
    before = read(tmp_path)
    assert [decision.number for decision in before] == list(range(1, count + 1))
    check(tmp_path)
    assert path.read_bytes() == content, "a reader changes nothing"
    assert record(tmp_path, 0) == before == read(tmp_path)
    assert (tmp_path / BACKUP).exists() == bool(count)
    assert path.stat().st_mode & 0o777 == 0o600
    assert record(tmp_path, 2)[-1].number == count + 2
    check(tmp_path)
    if count:
        change(tmp_path, "UPDATE decisions SET note = '' WHERE number = 7")
        assert "decision 7 " in str(refused(read, tmp_path))


def test_a_database_of_version_1_on_read_only_media_is_read(tmp_path: Path, mount: Mount) -> None:
    write_first_version(tmp_path, 9)
    mount("--bind", tmp_path, tmp_path)
    mount("-o", "remount,ro,bind", tmp_path)
    assert len(read(tmp_path)) == 9
    check(tmp_path)
    assert refused(lambda folder: record(folder, 1), tmp_path).reason == "index-read-only"


def test_version_1_that_is_damaged_is_not_upgraded(tmp_path: Path) -> None:
    path = write_first_version(tmp_path, 9)
    content = path.read_bytes()
    for stored, harm in ((b"anna", b"\xffnna"), (b"2026-01-02T03", b"2026-91-02T03"), (b"decisions", b"deci\xffions")):
        assert stored in content
        path.write_bytes(content.replace(stored, harm, 1 if stored == b"decisions" else -1))
        harmed = path.read_bytes()
        assert refused(lambda folder: record(folder, 1), tmp_path).reason == "decisions-damaged"
        assert path.read_bytes() == harmed


def test_one_who_reads_while_another_upgrades_goes_on(tmp_path: Path) -> None:
    write_first_version(tmp_path, 9)
    with Decisions.open(tmp_path, read_only=True) as reader:
        before = reader.history()
        assert record(tmp_path, 1) == reader.history()
        assert reader.history()[:9] == before


@pytest.mark.slow
def test_two_that_upgrade_at_once_both_get_it_done(tmp_path: Path) -> None:
    write_first_version(tmp_path, 200)
    code = f"from embedkit.review import Decisions; d = Decisions.open({str(tmp_path)!r}); d.record('1', 'x', 'skip')"
    both = [subprocess.Popen([sys.executable, "-P", "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    check(tmp_path)
    assert len(read(tmp_path)) == 202


def test_a_full_disk_leaves_version_1_as_it_was(tmp_path: Path) -> None:
    path = write_first_version(tmp_path, 60)
    size = path.stat().st_size
    code = f"""
import resource, signal
from embedkit.review import Decisions
from embedkit.errors import IndexFolderError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
try:
    Decisions.open({str(tmp_path)!r})
except IndexFolderError as error:
    print(error.reason)
"""
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert said in ("index-full", "index-unwritable")
    assert len(read(tmp_path)) == 60
    assert len(record(tmp_path, 1)) == 61
