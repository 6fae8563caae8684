"""Worker processes, for real: crashes, hangs, bombs, and parents that die."""

from __future__ import annotations

import itertools
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedkit.errors import RejectedFile, UsageError
from embedkit.reasons import REASONS
from embedkit.workers import WorkerPool, fork_server, start_ahead

HERE = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def functions(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    import worker_functions

    return worker_functions


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.02)


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_outcomes_come_in_the_order_of_the_items(functions):
    with WorkerPool(functions.double, workers=2) as pool:
        assert list(pool.map(range(50))) == [(item, 2 * item) for item in range(50)]
        assert list(pool.map([])) == []
        assert list(pool.map([7])) == [(7, 14)]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's")
def test_a_worker_keeps_the_memory_of_one_item_for_the_next(functions):
    size = 13 << 20  # bytes; 3,328 pages
    with WorkerPool(functions.page_faults_of, workers=1) as pool:
        first, *_, last = [faults for _, faults in pool.map([size] * 4)]
    assert last < 200, first


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_each_misdeed_costs_one_item(functions, tmp_path, workers):
    expected = {
        "crash": "decoder-crashed",
        "exit": "decoder-crashed",
        "killed": "out-of-memory",
        "hang": "decoder-timeout",
        "hang-in-c": "decoder-timeout",
        "bomb": "out-of-memory",
        "reject": "truncated",
        "bug": "unexpected-error",
        "unpicklable": "unexpected-error",
    }
    items = ["fine 0", f"crash-once {tmp_path / 'flag'}"]
    for number, name in enumerate(expected):
        items += [name, f"fine {number + 1}"]
    with WorkerPool(functions.misbehave, workers=workers, timeout_s=1.0, memory_bytes=1 << 30) as pool:
        outcomes = list(pool.map(items))
    assert [item for item, _ in outcomes] == items
    rejections = {item: outcome.reason for item, outcome in outcomes if isinstance(outcome, RejectedFile)}
    assert rejections == expected
    assert set(expected.values()) <= set(REASONS)
    assert all(outcome == item for item, outcome in outcomes if item not in expected)


def test_only_the_function_decides_what_a_rejection_says(functions):
    with WorkerPool(functions.misbehave, workers=1) as pool:
        (_, rejected), (_, bug) = pool.map(["reject", "bug"])
    assert str(rejected) == "short"
    assert "CANARY" not in str(bug)
    assert "ValueError, worker_functions.py:" in str(bug)


def test_workers_are_silent(functions, capfd):
    with WorkerPool(functions.misbehave, workers=1) as pool:
        assert [outcome for _, outcome in pool.map(["talk"])] == ["talk"]
    assert capfd.readouterr() == ("", "")


def test_items_are_taken_only_as_fast_as_outcomes(functions):
    numbers = itertools.count(1)
    items = itertools.islice(numbers, 1000)
    with WorkerPool(functions.double, workers=1, ahead=16) as pool:
        for count, (item, outcome) in enumerate(pool.map(items), 1):
            assert outcome == 2 * item
            assert numbers.__reduce__()[1][0] <= count + 16 + 4 + 1  # the next number is yet to be taken
    assert count == 1000


def test_leaving_early_ends_the_workers(functions):
    with WorkerPool(functions.process_id, workers=2) as pool:
        workers = {outcome for _, outcome in pool.map(range(40))}
        next(pool.map(["x"] * 100))
    assert not any(map(is_running, workers))


def test_an_error_of_the_consumer_passes_through(functions):
    with pytest.raises(KeyError), WorkerPool(functions.double, workers=1) as pool:  # noqa: PT012 (the loop is the test)
        for _ in pool.map(range(100)):
            raise KeyError
    with pytest.raises(ZeroDivisionError), WorkerPool(functions.double, workers=1) as pool:
        list(pool.map(1 // item for item in (1, 0)))


@pytest.mark.parametrize("module", ["worker_functions", "no_such_module"])
def test_a_server_that_was_started_ahead_is_the_next_pools_alone(functions, module):
    for _ in range(2):
        start_ahead(module)
    (server,) = fork_server._ahead
    with WorkerPool(functions.parent_id, workers=1) as first, WorkerPool(functions.parent_id, workers=1) as second:
        (_, one), (_, other) = (next(pool.map([0])) for pool in (first, second))
    assert one == server._process.pid != other
    assert not any(map(is_running, (one, other)))


def test_a_server_that_was_started_ahead_may_have_ended(functions):
    start_ahead("worker_functions")
    (server,) = fork_server._ahead
    server._process.kill()
    server._process.wait()
    with WorkerPool(functions.double, workers=1) as pool:
        assert list(pool.map([1])) == [(1, 2)]


def test_a_server_that_no_pool_takes_ends_with_its_parent():
    program = "from embedkit.workers import fork_server as f; f.start_ahead('json'); print(f._ahead[0]._process.pid)"
    done = subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", program], capture_output=True, check=True)
    assert not is_running(int(done.stdout))
    assert done.stderr == b""


def test_a_function_that_cannot_reach_a_worker(functions, monkeypatch):
    with pytest.raises((AttributeError, TypeError), match="lambda"), WorkerPool(lambda item: item, workers=1):
        pass
    function = functions.double
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != HERE])
    with pytest.raises(UsageError, match="ModuleNotFoundError") as error, WorkerPool(function, workers=1) as pool:
        list(pool.map([1]))
    assert error.value.reason == "workers-cannot-start"


def test_the_current_folder_is_no_place_to_import_from(functions, tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with WorkerPool(functions.double, workers=1) as pool:
        assert list(pool.map([1])) == [(1, 2)]


def test_a_parent_with_busy_threads(functions):
    """Forking such a parent would deadlock sooner or later."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            np.ones(10_000).sum()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with WorkerPool(functions.double, workers=2) as pool:
            assert len(list(pool.map(range(20)))) == 20
    finally:
        stop.set()
        for thread in threads:
            thread.join()


PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it runs in the background ignore it
sys.path.insert(0, sys.argv[1])
import worker_functions
from embedkit.workers import WorkerPool
try:
    with WorkerPool(worker_functions.announce_and_hang, workers=2) as pool:
        list(pool.map([sys.argv[2]] * 9))
except KeyboardInterrupt:
    raise SystemExit(130)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_workers_end_with_their_parent(tmp_path, sent, expected):
    command = [sys.executable, "-c", PARENT, HERE, str(tmp_path)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as parent:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        workers = [int(path.name) for path in tmp_path.iterdir()]
        os.killpg(parent.pid, sent)  # as the terminal does on Ctrl-C
        _, complaints = parent.communicate(timeout=60)
    assert parent.returncode == expected
    assert complaints == b""
    wait_until(lambda: not any(map(is_running, workers)))
