"""Several readers of the same images: how far they agree, and what counts where they do not.

A decision comes down to an outcome: the region that the image is to have, `out-of-domain` or `unusable`. To keep "hand"
and to relabel to "hand" are one outcome; a skip has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

from embedkit.review.decision import KEEP, OUT_OF_DOMAIN, RELABEL, SKIP, UNUSABLE, Decision


@dataclass(frozen=True)
class Agreement:
    """Two readers' outcomes on the images that both decided on."""

    outcomes: dict[str, tuple[str, str]]
    """By image id: the first and the second reader's outcome."""

    @property
    def images(self) -> int:
        """Images that both decided on, skips left out."""
        return len(self.outcomes)

    @property
    def agreed(self) -> int:
        """Images with the same outcome."""
        return sum(first == second for first, second in self.outcomes.values())

    @property
    def kappa(self) -> float:
        """Cohen's kappa (Educational and Psychological Measurement 20, 1960): agreement beyond chance.

        1 is full agreement, 0 what chance gives. NaN where there is no image, or both always said the same one thing.
        """
        if not self.outcomes:
            return nan
        first, second = (Counter(readings) for readings in zip(*self.outcomes.values(), strict=True))
        by_chance = sum(first[outcome] * second[outcome] for outcome in first) / self.images**2
        return (self.agreed / self.images - by_chance) / (1 - by_chance) if by_chance < 1 else nan


@dataclass(frozen=True)
class Consensus:
    """What counts for one image."""

    image_id: str
    prior: str
    """The region that the image had when it was first decided on; "" for none."""
    verdict: str
    """`keep`, `relabel`, `out-of-domain` or `unusable`; "" where the readers disagree."""
    region: str
    """The region that the image is to have: of `keep` and `relabel`; else ""."""
    readers: tuple[str, ...]
    """Who decided on the image, in the order of their decisions."""

    @property
    def disputed(self) -> bool:
        """True where no outcome has more than half of the readers: another reading is needed."""
        return not self.verdict


def outcome_of(decision: Decision) -> str:
    """The outcome of a decision, "" of a skip."""
    return {KEEP: decision.prior, RELABEL: decision.region, SKIP: ""}.get(decision.verdict, decision.verdict)


def measure_agreement(latest: Iterable[Decision], first: str, second: str) -> Agreement:
    """Compare two reviewers by the decisions that stand (`Decisions.latest`)."""
    outcomes: dict[str, dict[str, str]] = {first: {}, second: {}}
    for decision in latest:
        if decision.reviewer in outcomes and decision.verdict != SKIP:
            outcomes[decision.reviewer][decision.image_id] = outcome_of(decision)
    both = [image for image in outcomes[first] if image in outcomes[second]]
    return Agreement({image: (outcomes[first][image], outcomes[second][image]) for image in both})


def find_consensus(latest: Iterable[Decision]) -> dict[str, Consensus]:
    """What counts for each image that somebody decided on, by the decisions that stand (`Decisions.latest`).

    The outcome that more than half of its readers have; with one reader that one's, with two only what both say, with
    three the majority's. Skips are no readings.
    """
    readings: dict[str, list[Decision]] = {}
    for decision in latest:
        if decision.verdict != SKIP:
            readings.setdefault(decision.image_id, []).append(decision)
    return {image: _agree(image, decisions) for image, decisions in readings.items()}


def _agree(image_id: str, decisions: list[Decision]) -> Consensus:
    prior, readers = decisions[0].prior, tuple(decision.reviewer for decision in decisions)
    [(outcome, votes)] = Counter(map(outcome_of, decisions)).most_common(1)
    if 2 * votes <= len(decisions):
        return Consensus(image_id, prior, "", "", readers)
    if outcome in (OUT_OF_DOMAIN, UNUSABLE):
        return Consensus(image_id, prior, outcome, "", readers)
    return Consensus(image_id, prior, KEEP if outcome == prior else RELABEL, outcome, readers)
