"""The decisions of several indexes made into those of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from embedkit.review.database import list_attributes
from embedkit.review.decision import Decision
from embedkit.review.decisions import Decisions


def merge_decisions(indexes: Sequence[Path], out: Path) -> int:
    """Record all decisions of several indexes in that at `out`, in the order in which they were made.

    A row that stands in several, as of an index and its copy, is recorded once. Returns the rows recorded; where there
    are none, no database is made.

    Raises
    ------
    IndexFolderError
        As `Decisions.open` and `Decisions.history`.
    """
    attributes = {name for index in indexes for name in list_attributes(index)}
    return sum(_merge_decisions(indexes, out, name) for name in sorted(attributes))


def _merge_decisions(indexes: Sequence[Path], out: Path, attribute: str) -> int:
    histories = []
    for index in indexes:
        with Decisions.open(index, attribute, read_only=True) as decisions:
            histories.append(decisions.history())
    rows = _join(histories)
    if rows:
        with Decisions.open(out, attribute) as decisions:
            decisions.restore(rows)
    return len(rows)


def _join(histories: Iterable[Sequence[Decision]]) -> list[tuple[Decision, int | None]]:
    """Decisions by time, and of each that takes one back the place, from 0, of that one."""
    place: dict[tuple[object, ...], int] = {}
    found: list[tuple[Decision, tuple[object, ...] | None]] = []
    for history in histories:
        by_number = {decision.number: _identify(decision, None) for decision in history if decision.undoes is None}
        for decision in history:
            undone = by_number.get(decision.undoes) if decision.undoes else None
            if place.setdefault(_identify(decision, undone), len(found)) == len(found):
                found.append((decision, undone))
    order = sorted(range(len(found)), key=lambda row: found[row][0].time)
    new = {_identify(*found[row]): number for number, row in enumerate(order)}
    return [(found[row][0], None if (undone := found[row][1]) is None else new[undone]) for row in order]


def _identify(decision: Decision, undone: tuple[object, ...] | None) -> tuple[object, ...]:
    said = (decision.image_id, decision.reviewer, decision.time, decision.verdict, decision.region, decision.note)
    return (*said, undone)
