"""Matrix products take the threads that an idle core is there for; no more."""

import numpy as np
import pytest
import threadpoolctl

from embedkit import threads
from embedkit.heads import FoldedHeads
from embedkit.heads import linear as linear_module
from embedkit.heads import moments as moments_module
from embedkit.heads import whitening as whitening_module
from embedkit.heads.whitening import whiten


def blas_threads():
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def seen(monkeypatch):
    """The threads that BLAS has whenever a fit brings vectors to length 1."""
    counts = set()

    def watch(module):
        unit = module.unit

        def spy(vectors):
            counts.update(blas_threads())
            return unit(vectors)

        monkeypatch.setattr(module, "unit", spy)

    for module in (linear_module, moments_module, whitening_module):
        watch(module)
    return counts


@pytest.mark.parametrize("idle", [1, 2])
def test_fits_and_whitening_take_a_thread_for_each_idle_core(idle, seen, monkeypatch):
    monkeypatch.setattr(threads, "count_idle_cores", lambda: idle)
    before = blas_threads()
    rng = np.random.default_rng(0)
    vectors, codes = rng.normal(size=(60, 8)).astype(np.float32), np.arange(60) % 3
    FoldedHeads(vectors, codes, np.arange(60), 3).probabilities()
    whiten(vectors)
    assert seen == {idle}
    assert blas_threads() == before


@pytest.mark.parametrize(("load", "idle"), [("1/9", 4), ("2/9", 3), ("4/9", 1), ("9/9", 1)])
def test_what_runs_already_is_left_its_core(load, idle, tmp_path, monkeypatch):
    (tmp_path / "loadavg").write_text(f"0.1 0.2 0.3 {load} 77\n")
    monkeypatch.setattr(threads, "_LOAD", tmp_path / "loadavg")
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(4))
    assert threads.count_idle_cores() == idle


def test_where_the_load_is_not_told_all_cores_count(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_LOAD", tmp_path / "none")
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(4))
    assert threads.count_idle_cores() == 4
