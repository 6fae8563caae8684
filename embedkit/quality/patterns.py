"""Errors that go one way: a technologist who files elbows as forearms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.quality.ranking import LabelRanking

_LEAST_IMAGES = 5
_CHANCE = 1e-3
"""How rarely a pair may be met so often by chance, all pairs together."""


@dataclass(frozen=True)
class ConfusionPattern:
    """A region that is given the label of another one more often than errors at random would."""

    region: str
    """What the images show, as far as we can tell."""
    given_region: str
    """What they are filed as."""
    images: int
    """Suspects filed so."""
    share: float
    """Of all images that seem to show `region`, those filed so."""

    def __str__(self) -> str:
        """The pattern in a sentence."""
        return (
            f"{self.images:,} images of {self.region} seem to be filed as {self.given_region}, "
            f"{self.share:.0%} of all of {self.region}: a habit rather than slips."
        )


def find_patterns(labels: LabelRanking) -> tuple[ConfusionPattern, ...]:
    """Find pairs of classes that far more suspects share than errors at random would; the commonest first.

    At random, as many suspects of all other pairs would fall on a pair as its region's share of the images says. A pair
    counts from 5 suspects on, where a Poisson number of that mean would hardly ever be so large.
    """
    suspects, classes = labels.is_issue & (labels.suggested >= 0), len(labels.classes)
    pairs = labels.suggested[suspects] * classes + labels.given[suspects]
    counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    shown = np.bincount(labels.suggested[labels.suggested >= 0], minlength=classes)
    found = []
    for true, given in np.argwhere(counts >= _LEAST_IMAGES).tolist():
        images = int(counts[true, given])
        chance = float(shown[true]) / max(float(shown.sum()) * (classes - 1), 1.0)
        if _tail(images, (len(pairs) - images) * chance / max(1 - chance, _CHANCE)) < _CHANCE / classes**2:
            share = images / float(shown[true])
            found.append(ConfusionPattern(labels.classes[true], labels.classes[given], images, share))
    return tuple(sorted(found, key=lambda pattern: (-pattern.images, pattern.region, pattern.given_region)))


def _tail(count: int, mean: float) -> float:
    """The probability that a Poisson number is `count` or more."""
    below, term = 0.0, float(np.exp(-mean))
    for number in range(count):
        below += term
        term *= mean / (number + 1)
    return max(1 - below, 0.0)
