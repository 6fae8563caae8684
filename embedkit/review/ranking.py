"""Ranking the suspects again by what reviewers decided meanwhile, in a process of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from embedkit.dicom import WorkerPool
from embedkit.indexes import Index
from embedkit.quality import find_label_issues
from embedkit.review.agreement import find_consensus
from embedkit.review.decisions import SKIP, Decisions
from embedkit.review.suspects import Suspect, list_suspects, settle_rows

DECISIONS_BETWEEN = 10
"""A ranking costs seconds to minutes of a core, and a single decision moves little."""


def rank_suspects(path: Path, space: str | None = None) -> list[Suspect]:
    """Rank the suspects of the index at `path`; what reviewers agreed on settles those images and sharpens the rest.

    Images that somebody decided on are left out, unless they only skipped them. Raises as `find_label_issues` does.
    """
    index = Index.open(path)
    with Decisions.open(path, read_only=True) as decisions:
        latest = decisions.latest()
    decided = {decision.image_id for decision in latest if decision.verdict != SKIP}
    reviewed = settle_rows(index, find_consensus(latest))
    found = list_suspects(index, find_label_issues(index, space=space, all_images=True, reviewed=reviewed))
    return [suspect for suspect in found if suspect.image_id not in decided]


def _rank_aside(path: Path, space: str | None) -> list[Suspect]:
    os.nice(10)  # the person at the screen goes first
    return rank_suspects(path, space)


class Reranker:
    """Ranks again after every `DECISIONS_BETWEEN` decisions, and hands the suspects to `use`."""

    def __init__(self, path: Path, space: str | None, use: Callable[[list[Suspect]], None]) -> None:
        self._path, self._rank, self._use = path, partial(_rank_aside, space=space), use
        self._lock = threading.Lock()
        self._waiting = 0
        self._pool: WorkerPool[Path, list[Suspect]] | None = None

    def count_decision(self) -> None:
        """Take note of a decision; returns at once."""
        with self._lock:
            self._waiting += 1
            if self._waiting < DECISIONS_BETWEEN or self._pool is not None:
                return
            self._waiting = 0
            # As much memory and time as the first ranking may have had: it is our own code on our own data.
            self._pool = WorkerPool(self._rank, workers=1, memory_bytes=1 << 42, timeout_s=86400)
        threading.Thread(target=self._run, args=(self._pool,), name="embedkit-ranking", daemon=True).start()

    def close(self) -> None:
        """End a ranking that is under way."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()

    def _run(self, pool: WorkerPool[Path, list[Suspect]]) -> None:
        try:
            with pool:
                [(_, outcome)] = pool.map([self._path])
            if isinstance(outcome, list):  # else the order stays as it is, which costs nobody anything
                self._use(outcome)
        finally:
            with self._lock:
                self._pool = None
