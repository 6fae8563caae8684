"""How far long work is: one protocol for all of the house.

Work in one stage takes an `Advance`; work in several takes an `OnProgress`, and hands each stage
``partial(on_progress, "Neighbours")``. `ignore_progress` is either.
"""

from __future__ import annotations

from typing import Protocol


class Advance(Protocol):
    """Is told how many of how many are done (None: not yet counted), and of what, in words."""

    def __call__(self, done: int, total: int | None, detail: str = "", /) -> None: ...  # noqa: D102


class OnProgress(Protocol):
    """As `Advance`, and first which stage the work is in, as a person may read it."""

    def __call__(self, stage: str, done: int, total: int | None, detail: str = "", /) -> None: ...  # noqa: D102


def ignore_progress(*_: object) -> None:
    """Tell nobody."""
