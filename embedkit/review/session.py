"""What the page shows and takes, without the web around it: queue, details, decisions, agreement."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from embedkit.errors import UsageError
from embedkit.image.picture import encode_picture
from embedkit.indexes import Index
from embedkit.review.agreement import measure_agreement
from embedkit.review.decision import SKIP, Decision
from embedkit.review.decisions import Decisions
from embedkit.review.suspects import Suspect, explain

_NEIGHBOURS = 5
_SIBLINGS = 12
_CACHED_PICTURES = 512
_PLACEHOLDER = 200
"""A patient or study of more images than this is no patient, but an id such as "ANONYMOUS"."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Press:
    """One press of a key that decides, as the page sends it."""

    row: int
    verdict: str
    region: str
    note: str
    press: str


class Session:
    """One index under review, by one reviewer or several. Threads may share it.

    Parameters
    ----------
    index
        As it is when the review begins.
    decisions
        Those of this index.
    suspects
        The order to read in.
    regions
        Names that an image may be relabelled to, beside those of the index.

    Attributes
    ----------
    after_decision
        Called after each decision and each undo.
    """

    def __init__(
        self,
        index: Index,
        decisions: Decisions,
        suspects: Sequence[Suspect],
        regions: Iterable[str] = (),
    ) -> None:
        self.index, self.decisions = index, decisions
        self.after_decision: Callable[[], None] = lambda: None
        self._facts = {
            name: index.images[name].to_pylist()
            for name in ("image_id", "region", "given", "view", "laterality", "year", "study_instance_uid", "patient")
        }
        counts = {name: self._facts["region"].count(name) for name in sorted({*self._facts["region"]} - {""})}
        known = sorted(counts, key=lambda name: -counts[name])
        self.regions = [*known, *(name for name in regions if name not in counts)]
        self._groups = {name: _group(self._facts[name]) for name in ("study_instance_uid", "patient")}
        self._lock = threading.Lock()
        self._pictures: OrderedDict[int, bytes] = OrderedDict()
        self._version = 0
        self._suspects: dict[str, Suspect] = {}
        self.use_ranking(suspects)

    def use_ranking(self, suspects: Sequence[Suspect]) -> None:
        """Put a new ranking in the place of the one before; images of it that were decided on stay known."""
        held = dict(zip((s.image_id for s in suspects), suspects, strict=True))
        rows = dict(zip(held, self.index.rows_of(list(held)).tolist(), strict=True))
        with self._lock:
            decided = {decision.image_id for decision in self.decisions.latest()}
            kept = {name: suspect for name, suspect in self._suspects.items() if name in decided and name not in held}
            self._suspects = {name: suspect for name, suspect in held.items() if rows[name] >= 0} | kept
            self._version += 1

    def queue(self, reviewer: str, second: str = "") -> Document:
        """Every suspect in order, with the reviewer's own verdict; or the images that `second` read before."""
        latest = self.decisions.latest()
        own = {decision.image_id: decision for decision in latest if decision.reviewer == reviewer}
        others = {d.image_id for d in latest if d.reviewer != reviewer and d.verdict != SKIP}
        suspects = dict(self._suspects)
        chosen = (
            [d.image_id for d in latest if d.reviewer == second and d.verdict != SKIP] if second else list(suspects)
        )
        rows = self.index.rows_of(chosen).tolist()
        return {
            "version": self._version,
            "number": max((decision.number for decision in latest), default=0),
            "suspects": [
                self._entry(row, suspects.get(name) or Suspect(name, ()), own.get(name), name in others)
                for row, name in zip(rows, chosen, strict=True)
                if row >= 0
            ],
            "readers": _count_readers(latest, reviewer),
        }

    def details(self, row: int) -> Document:
        """What is shown beside the radiograph of a row."""
        name = self._fact("image_id", row)
        suspect = self._suspects.get(name) or Suspect(name, ())
        near = self.index.rows_of(suspect.neighbours).tolist() or [n.row for n in self.index.similar(name, _NEIGHBOURS)]
        near = [other for other in near if other >= 0][:_NEIGHBOURS]
        repeats = [other for other in self.index.rows_of(suspect.repeats).tolist() if other >= 0][:_NEIGHBOURS]
        kind, siblings = self._siblings(row)
        self._load_pictures([*near, *repeats, *siblings])
        given = self._facts["region"][row]
        return {
            "row": row,
            "uid": name,
            "given": given,
            "verbatim": self._facts["given"][row],
            "about": self._about(row),
            "suggested": suspect.suggested,
            "confidence": suspect.confidence,
            "neighbour_agreement": suspect.neighbour_agreement,
            "why": explain(suspect, given, [self._facts["region"][other] for other in near]),
            "neighbours": [self._thumbnail(other) for other in near],
            "repeats": [self._thumbnail(other) for other in repeats],
            "siblings": [self._thumbnail(other) for other in siblings],
            "sibling_kind": kind,
        }

    def check_row(self, row: int) -> None:
        """Raise UsageError ``unknown-image`` where there is no such row."""
        self._fact("image_id", row)

    def picture(self, row: int) -> bytes:
        """The stored picture of a row, PNG."""
        self.check_row(row)
        return self._load_pictures([row])[row]

    def decide(self, reviewer: str, press: Press) -> Decision:
        """Record a decision; raises as `Decisions.record` does, and `bad-decision` for a region that is not known."""
        if press.region and press.region not in self.regions:
            raise UsageError("bad-decision", "this region is not in the list")
        made = self.decisions.record(
            self._fact("image_id", press.row),
            reviewer,
            press.verdict,
            region=press.region,
            prior=self._facts["region"][press.row],
            note=press.note,
            press=press.press,
        )
        self.after_decision()
        return made

    def undo(self, reviewer: str, number: int, press: str) -> int:
        """Take a decision back, and return the row of its image; raises as `Decisions.undo` does."""
        made = self.decisions.undo(number, reviewer, press=press)
        self.after_decision()
        return int(self.index.rows_of([made.image_id])[0])

    def state(self, reviewer: str, since: int) -> Document:
        """What changed for a page that knows all decisions up to number `since`."""
        latest = self.decisions.latest()
        fresh = [d.image_id for d in latest if d.number > since and d.reviewer != reviewer and d.verdict != SKIP]
        return {
            "version": self._version,
            "number": max((decision.number for decision in latest), default=0),
            "elsewhere": [row for row in self.index.rows_of(fresh).tolist() if row >= 0],
        }

    def agreement(self, first: str, second: str) -> Document:
        """How far two reviewers agree; `kappa` is null where it says nothing."""
        found = measure_agreement(self.decisions.latest(), first, second)
        kappa = None if isnan(found.kappa) else found.kappa
        return {"images": found.images, "agreed": found.agreed, "kappa": kappa}

    def _entry(self, row: int, suspect: Suspect, own: Decision | None, elsewhere: bool) -> Document:
        return {
            "row": row,
            "issues": suspect.issues,
            "given": self._facts["region"][row],
            "suggested": suspect.suggested,
            "score": round(suspect.score, 4),
            "elsewhere": elsewhere,
            "own": own and {"number": own.number, "verdict": own.verdict, "region": own.region, "note": own.note},
        }

    def _fact(self, name: str, row: int) -> Any:
        if not 0 <= row < len(self.index):
            raise UsageError("unknown-image", "there is no such image")
        return self._facts[name][row]

    def _about(self, row: int) -> str:
        view, side, year = (self._facts[name][row] for name in ("view", "laterality", "year"))
        return ", ".join(str(fact) for fact in (view, side, year) if fact)

    def _siblings(self, row: int) -> tuple[str, list[int]]:
        """Other images of the study; of the patient, where the study has no other."""
        for kind, name in (("study", "study_instance_uid"), ("patient", "patient")):
            others = [other for other in self._groups[name].get(self._facts[name][row], ()) if other != row]
            if 0 < len(others) < _PLACEHOLDER:
                return kind, others[:_SIBLINGS]
        return "study", []

    def _thumbnail(self, row: int) -> Document:
        return {"row": row, "region": self._facts["region"][row], "about": self._about(row)}

    def _load_pictures(self, rows: Iterable[int]) -> dict[int, bytes]:
        """PNGs by row; those of one radiograph are read together, as they often lie in one shard."""
        wanted = dict.fromkeys(rows)
        with self._lock:
            found = {row: self._pictures[row] for row in wanted if row in self._pictures}
        missing = [row for row in wanted if row not in found]
        if missing:
            read = zip(missing, self.index.pictures(missing), strict=True)
            found |= {row: encode_picture(picture) for row, picture in read}
            with self._lock:
                self._pictures.update(found)
                while len(self._pictures) > _CACHED_PICTURES:
                    self._pictures.popitem(last=False)
        return found


def _group(keys: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        if key:
            groups.setdefault(key, []).append(row)
    return groups


def _count_readers(latest: Sequence[Decision], reviewer: str) -> dict[str, int]:
    """Other reviewers, and how many images each read."""
    counts: dict[str, int] = {}
    for decision in latest:
        if decision.reviewer != reviewer and decision.verdict != SKIP:
            counts[decision.reviewer] = counts.get(decision.reviewer, 0) + 1
    return counts
