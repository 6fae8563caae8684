"""The decisions: what `record` returned is there whatever happens next, and nothing is ever changed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from embedkit.errors import IndexFolderError, UsageError
from embedkit.review import Decision, Decisions

from ..conftest import Mount
from .first_version import write_first_version


@pytest.fixture
def store(tmp_path: Path):
    with Decisions.open(tmp_path) as decisions:
        yield decisions


def facts(decision: Decision) -> tuple[str, str, str, str]:
    return decision.image_id, decision.reviewer, decision.verdict, decision.region


def test_a_decision_is_kept_with_who_when_and_what_was_there_before(store: Decisions) -> None:
    made = store.record("1.2.3", "anna", "relabel", region="hand", prior="elbow", note="clear ✓")
    assert made == store.history()[0] == store.latest()[0]
    assert (made.number, made.prior, made.note) == (1, "elbow", "clear ✓")
    assert made.time.utcoffset().total_seconds() == 0
    assert abs(made.time.timestamp() - time.time()) < 60


def test_of_several_decisions_the_newest_stands_and_undo_brings_back_the_one_before(store: Decisions) -> None:
    first = store.record("1", "anna", "keep", prior="hand")
    store.record("2", "anna", "skip")
    second = store.record("1", "anna", "unusable", prior="hand")
    assert [facts(d)[:3] for d in store.latest()] == [("2", "anna", "skip"), ("1", "anna", "unusable")]
    taken_back = store.undo(second.number, "anna")
    assert taken_back.undoes == second.number
    assert first in store.latest()
    store.undo(first.number, "anna")
    assert [d.image_id for d in store.latest()] == ["2"]
    assert len(store.history()) == 5, "nothing is removed"


def test_only_ones_own_decision_can_be_undone_and_once(store: Decisions) -> None:
    made = store.record("1", "anna", "keep", prior="hand")
    with pytest.raises(UsageError):
        store.undo(made.number, "ben")
    undone = store.undo(made.number, "anna")
    for number in (made.number, undone.number, 99):
        with pytest.raises(UsageError):
            store.undo(number, "anna")


def test_the_same_press_sent_again_is_one_decision(store: Decisions) -> None:
    first = store.record("1", "anna", "skip", press="a")
    assert store.record("1", "anna", "skip", press="a") == first
    undone = store.undo(first.number, "anna", press="b")
    assert store.undo(first.number, "anna", press="b") == undone
    assert len(store.history()) == 2
    with pytest.raises(UsageError):
        store.record("2", "anna", "skip", press="a")
    assert store.record("1", "ben", "skip", press="a").reviewer == "ben", "another's press is another one"


@pytest.mark.parametrize(
    "decision",
    [
        {"verdict": "maybe"},
        {"verdict": "undo"},
        {"verdict": "relabel"},
        {"verdict": "relabel", "region": "hand", "prior": "hand"},
        {"verdict": "keep"},
        {"verdict": "skip", "region": "hand"},
        {"verdict": "skip", "note": "x" * 2001},
        {"verdict": "skip", "reviewer": ""},
        {"verdict": "skip", "reviewer": "a\nb"},
        {"verdict": "skip", "image_id": ""},
    ],
)
def test_what_makes_no_sense_is_refused(store: Decisions, decision: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        store.record(**{"image_id": "1", "reviewer": "anna"} | decision)
    assert refused.value.reason == "bad-decision"
    assert store.history() == []


def test_rows_can_be_neither_changed_nor_removed(store: Decisions) -> None:
    store.record("1", "anna", "skip")
    other = sqlite3.connect(store.path)
    for statement in ("UPDATE decisions SET verdict = 'keep'", "DELETE FROM decisions"):
        with pytest.raises(sqlite3.IntegrityError, match="only added"):
            other.execute(statement)
    other.close()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Decisions.open(tmp_path) as decisions:
            decisions.record("1", "anna", "skip")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) >= {"decisions.sqlite", "decisions.sqlite-journal"}
    assert set(modes.values()) == {0o600}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "decisions.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IndexFolderError):
        Decisions.open(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_many_reviewers_write_at_once(tmp_path: Path) -> None:
    def work(name: str) -> None:
        with Decisions.open(tmp_path) as decisions:  # the first ones race for making the table, too
            for number in range(20):
                decisions.record(str(number), name, "skip")

    threads = [threading.Thread(target=work, args=(f"reader {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Decisions.open(tmp_path) as decisions:
        assert len(decisions.latest()) == 6 * 20
        assert [d.image_id for d in decisions.latest("reader 3")] == [str(n) for n in range(20)]


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "no database":
        content = bytearray(b"reviewer,verdict\n" * 100)
    elif how == "cut":
        content = content[: len(content) // 2]
    elif how == "torn page":
        content[4096:8192] = os.urandom(4096)
    elif how == "another database":
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE holidays (day TEXT)")
        other.close()
        return
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["no database", "cut", "torn page", "another database"])
def test_a_damaged_database_is_told_and_left_as_it_is(tmp_path: Path, how: str) -> None:
    with Decisions.open(tmp_path) as decisions:
        for number in range(50):
            decisions.record(str(number), "anna", "skip", note="n" * 200)
    damage(tmp_path / "decisions.sqlite", how)
    before = (tmp_path / "decisions.sqlite").read_bytes()
    with pytest.raises(IndexFolderError) as refused:
        Decisions.open(tmp_path)
    assert refused.value.reason == "decisions-damaged"
    assert len(str(refused.value).splitlines()) == 1
    if how != "another database":
        assert (tmp_path / "decisions.sqlite").read_bytes() == before


@pytest.mark.parametrize("text", ["anna", "hand", "knee", "\u00e4nderung", "1.2.3"])
def test_a_text_that_nobody_recorded_is_damage(text: str, tmp_path: Path) -> None:
    with Decisions.open(tmp_path) as decisions:
        decisions.record("1.2.3", "anna", "relabel", region="hand", prior="knee", note="\u00e4nderung")
        decisions.check()
    path, stored = tmp_path / "decisions.sqlite", text.encode()
    content = path.read_bytes()
    path.write_bytes(content.replace(stored, b"\xff" + stored[1:]))
    assert path.read_bytes() != content
    with Decisions.open(tmp_path, read_only=True) as decisions:
        for read in (decisions.check, decisions.latest):
            with pytest.raises(IndexFolderError) as refused:
                read()
            assert refused.value.reason == "decisions-damaged"


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    Decisions.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "decisions.sqlite") as other:
        other.execute("PRAGMA user_version = 3")
    other.close()
    with pytest.raises(IndexFolderError, match="newer") as refused:
        Decisions.open(tmp_path)
    assert refused.value.reason == "decisions-too-new"


def test_without_an_index_there_is_nothing_to_decide_on(tmp_path: Path) -> None:
    with pytest.raises(IndexFolderError) as refused:
        Decisions.open(tmp_path / "absent")
    assert refused.value.reason == "index-absent"


@pytest.mark.slow
def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from embedkit.review import Decisions
from embedkit.errors import IndexFolderError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
decisions = Decisions.open({str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
done = 0
try:
    while True:
        decisions.record(str(done), "anna", "skip", note="n" * 1000)
        done += 1
except IndexFolderError as error:
    print(done, error.reason)
"""
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said[1] in ("index-full", "index-unwritable")
    with Decisions.open(tmp_path) as decisions:
        assert len(decisions.history()) == int(said[0]) > 5
        decisions.record("after", "anna", "skip")


@pytest.mark.slow
def test_kill_9_loses_no_decision_that_was_acknowledged(tmp_path: Path) -> None:
    code = f"""
import sys
from embedkit.review import Decisions
decisions = Decisions.open({str(tmp_path)!r})
number = int(sys.argv[1])
while True:
    decisions.record(str(number), "anna", "skip", press=str(number))
    print(number, flush=True)
    number += 1
"""
    pause, said = random.Random(0), 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(said)], stdout=subprocess.PIPE, start_new_session=True
        )
        process.stdout.readline()
        time.sleep(pause.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.stdout.close()
        process.wait()
        with Decisions.open(tmp_path) as decisions:
            kept = [int(d.image_id) for d in decisions.history()]
        assert kept == list(range(len(kept)))
        assert len(kept) >= (int(rest[-1]) + 1 if rest else said + 1), "what was acknowledged is there"
        said = len(kept)


def test_a_second_connection_in_the_same_process_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """Any close(2) of a descriptor of the database would drop them, and others would write while this one reads."""
    ask = f"""
import sqlite3
other = sqlite3.connect({str(tmp_path / "decisions.sqlite")!r}, timeout=0, isolation_level=None)
try:
    other.execute("BEGIN EXCLUSIVE")
except sqlite3.OperationalError as error:
    print(error.sqlite_errorname)
"""
    with Decisions.open(tmp_path) as first:
        first.record("1", "anna", "skip")
        first._connection.execute("BEGIN")
        first._connection.execute("SELECT * FROM decisions").fetchone()  # holds a shared lock from now on
        for read_only in (False, True):
            Decisions.open(tmp_path, read_only=read_only).close()
            said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
            assert said.strip() == "SQLITE_BUSY", f"{read_only=}"
        first._connection.execute("COMMIT")


def test_reopened_read_by_others_and_killed_it_has_every_decision(tmp_path: Path) -> None:
    """What a server does that ranks again, while another one begins and ends."""
    code = f"""
import sys
from embedkit.review import Decisions
decisions = Decisions.open({str(tmp_path)!r})
Decisions.open({str(tmp_path)!r}).close()
for number, _ in enumerate(sys.stdin):
    print(decisions.record(str(number), "anna", "skip").number, flush=True)
"""
    command = [sys.executable, "-P", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as server:
        for number in range(1, 31):
            server.stdin.write("\n")
            assert server.stdout.readline().strip() == str(number)
            if number % 10 == 0:
                opening = f"from embedkit.review import Decisions; Decisions.open({str(tmp_path)!r}).close()"
                subprocess.run([sys.executable, "-P", "-c", opening], check=True)
        server.kill()
    with Decisions.open(tmp_path, read_only=True) as decisions:
        assert [decision.number for decision in decisions.history()] == list(range(1, 31))


def test_a_database_that_was_replaced_takes_no_decision_into_nowhere(store: Decisions) -> None:
    store.record("1", "anna", "skip")
    store.path.rename(store.path.with_name("aside"))
    for what in ("gone", "another in its place"):
        with pytest.raises(IndexFolderError) as refused:
            store.record("2", "anna", "skip")
        assert refused.value.reason == "decisions-moved", what
        Decisions.open(store.path.parent).close()
    store.path.with_name("aside").rename(store.path)
    assert store.record("2", "anna", "skip").number == 2


def leave_behind(folder: Path, journal: str) -> None:
    """Let a process die in the midst of writing, 20 decisions on the disk: of version 1 in WAL mode, or of ours."""
    if journal == "WAL":
        write_first_version(folder, 5, undo=False)
    else:
        with Decisions.open(folder) as decisions:
            for number in range(20):
                decisions.record(str(number), "anna", "skip", note="n" * 1000)
    code = f"""
import os, sqlite3
other = sqlite3.connect({str(folder / "decisions.sqlite")!r}, isolation_level=None)
other.execute("PRAGMA journal_mode = {journal}")
other.execute("PRAGMA cache_size = 2")  # so that pages are written before the commit
names = ", ".join(row[1] for row in other.execute("PRAGMA table_info (decisions)") if row[1] != "number")
changed = names.replace("image_id", "image_id || ?1").replace("press", "press || ?1")
insert = f"INSERT INTO decisions ({{names}}) SELECT {{changed}} FROM decisions WHERE number < 6"
for round in range({3 if journal == "WAL" else 0}):
    other.execute(insert, (round,))
other.execute("BEGIN")
for round in range(100, 108):
    other.execute(insert, (round,))
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 9
    assert (folder / f"decisions.sqlite-{'wal' if journal == 'WAL' else 'journal'}").stat().st_size > 0


@pytest.mark.parametrize("journal", ["WAL", "TRUNCATE"])
@pytest.mark.parametrize("read_only", [True, False])
def test_what_a_killed_writer_left_is_mended(tmp_path: Path, journal: str, read_only: bool) -> None:
    leave_behind(tmp_path, journal)
    with Decisions.open(tmp_path, read_only=read_only) as decisions:
        assert len(decisions.history()) == 20
        if not read_only:
            assert decisions.record("more", "anna", "skip").number == 21
            assert not (tmp_path / "decisions.sqlite-wal").exists()
    with Decisions.open(tmp_path) as decisions:
        assert len(decisions.history()) == (20 if read_only else 21)


@pytest.mark.parametrize("journal", ["WAL", "TRUNCATE", "none left"])
def test_a_read_only_index_can_be_read(tmp_path: Path, mount: Mount, journal: str) -> None:
    if journal == "none left":
        with Decisions.open(tmp_path) as decisions:
            for number in range(20):
                decisions.record(str(number), "anna", "skip")
    else:
        leave_behind(tmp_path, journal)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    mount("--bind", tmp_path, tmp_path)
    mount("-o", "remount,ro,bind", tmp_path)
    with Decisions.open(tmp_path, read_only=True) as decisions:
        assert len(decisions.history()) == len(decisions.latest()) == 20
        with pytest.raises(IndexFolderError):
            decisions.record("more", "anna", "skip")
    with pytest.raises(IndexFolderError) as refused:
        Decisions.open(tmp_path)
    assert refused.value.reason == "index-read-only"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_reader_makes_no_database(tmp_path: Path) -> None:
    with Decisions.open(tmp_path, read_only=True) as decisions:
        assert decisions.history() == decisions.latest() == []
    (tmp_path / "decisions.sqlite").touch()  # somebody is about to make it
    with Decisions.open(tmp_path, read_only=True) as decisions:
        assert decisions.history() == []
    assert [path.name for path in tmp_path.iterdir()] == ["decisions.sqlite"]
