"""Ranking the suspects again by what reviewers decided meanwhile, in a process of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from embedkit.indexes import Index
from embedkit.indexes.checked_files import Tell, say_nothing
from embedkit.labels.attribute import Attribute
from embedkit.progress import OnProgress, ignore_progress
from embedkit.quality import Finder, IssueTable, find_label_issues
from embedkit.review.agreement import find_consensus
from embedkit.review.decision import SKIP, Decision
from embedkit.review.decisions import Decisions
from embedkit.review.suspects import Suspect, list_suspects, settle_rows
from embedkit.workers import WorkerPool

DECISIONS_BETWEEN = 10
"""A ranking costs seconds to minutes of a core, and a single decision moves little."""


def find_open_issues(
    index: Index,
    latest: Iterable[Decision],
    *,
    space: str | Sequence[str] | None = None,
    all_images: bool = False,
    finders: Sequence[Finder] = (),
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> IssueTable:
    """Find label issues, heeding the decisions that stand (`Decisions.latest`); the notes say how many were heeded.

    What reviewers agreed on settles those images and sharpens the scores of all others. Settled images are left out,
    or with `all_images` listed as settled, with the score 0 or 1. Other arguments and errors as of `find_label_issues`.
    """
    consensus = find_consensus(latest)
    reviewed = settle_rows(index, consensus)
    issues = find_label_issues(
        index,
        space=space,
        all_images=all_images,
        reviewed=reviewed,
        seed=seed,
        finders=finders,
        on_progress=on_progress,
    )
    heeded = (*issues.notes, *_say_what_was_heeded(len(reviewed), sum(one.disputed for one in consensus.values())))
    return replace(issues if all_images else issues.without(reviewed), notes=heeded)


def _say_what_was_heeded(settled: int, disputed: int) -> Iterator[str]:
    if settled:
        yield f"Heeded what reviewers decided: {_count(settled)} settled."
    if disputed:
        yield f"Ranked as if nobody had read them: {_count(disputed)} on which reviewers disagree."


def _count(images: int) -> str:
    return f"{images:,} image{'s' * (images != 1)}"


def rank_suspects(
    path: Path, space: str | None = None, attribute: Attribute | None = None, tell: Tell = say_nothing
) -> list[Suspect]:
    """Rank the suspects of the index at `path`, heeding its decisions as `find_open_issues` does.

    `tell` is told when a ranking that was kept was made. Images that somebody decided on are left out, unless they only
    skipped them. Raises as `find_label_issues` does.
    """
    index = Index.open(path, attribute=attribute)
    with Decisions.open(path, index.attribute, read_only=True) as decisions:
        latest = decisions.latest()
    decided = {decision.image_id for decision in latest if decision.verdict != SKIP}
    issues = find_open_issues(index, latest, space=space, all_images=True)
    if issues.made:
        tell(issues.say_when())
    found = list_suspects(index, issues)
    return [suspect for suspect in found if suspect.image_id not in decided]


def _rank_aside(path: Path, space: str | None, attribute: Attribute | None) -> list[Suspect]:
    os.nice(10)  # the person at the screen goes first
    return rank_suspects(path, space, attribute)


class Reranker:
    """Ranks again after every `DECISIONS_BETWEEN` decisions, and hands the suspects to `use`."""

    def __init__(
        self,
        path: Path,
        space: str | None,
        use: Callable[[list[Suspect]], None],
        attribute: Attribute | None = None,
    ) -> None:
        self._path, self._rank, self._use = path, partial(_rank_aside, space=space, attribute=attribute), use
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
