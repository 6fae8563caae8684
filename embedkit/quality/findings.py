"""What was found out about the images of an index, and the issues that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from embedkit.heads.neighbours import Flags
from embedkit.quality.conflicts import HEADER_DOUBT
from embedkit.quality.duplicates import Duplicates
from embedkit.quality.pictures import Numbers
from embedkit.quality.rarity import RareLabel
from embedkit.quality.screening import Screening
from embedkit.quality.table import (
    HEADER_CONFLICT,
    MISLABELLED,
    MISSING_LABEL,
    NEAR_DUPLICATE,
    NONE,
    NOT_CHECKED,
    OUT_OF_DOMAIN,
    RARE_LABEL,
    STUDY_CONFLICT,
    UNUSABLE,
)


@dataclass(frozen=True)
class Findings:
    """What was found out about N images."""

    screening: Screening
    unusable: Numbers
    """float64 (N,), 0..1."""
    missing: Flags
    """bool (N,): no label came with the image, and nobody has given it one."""
    settled: Flags
    """bool (N,): a person has judged the image."""
    rare_labels: Mapping[int, RareLabel]
    """By row, those that nobody has judged."""
    duplicates: Duplicates
    kept: Mapping[int, int]
    """By row of a repeated image, the one of its group to keep."""
    study_conflicts: Mapping[int, tuple[int, ...]]
    """By row, those of the images in its study that contradict its label."""
    header_conflicts: Mapping[int, str]
    """By row, what the header claims twice and differently, in words."""

    @property
    def wrong(self) -> Numbers:
        """How sure it is that something is wrong with the label or the picture, float64 (N,), 0..1."""
        doubt = np.maximum(self.screening.wrong, self.unusable)
        for row, rare in self.rare_labels.items():
            doubt[row] = max(doubt[row], rare.doubt)
        return np.where(self.settled, self.screening.wrong, doubt)


@dataclass(frozen=True)
class Issue:
    """One issue of one image, a row of the table, with the other images that show it (none: its neighbours).

    `region` is the one to suggest, "" for what the ranking says; `reason` is why, where a finder of one's own says so.
    """

    row: int
    issue: str
    score: float
    evidence: tuple[int, ...] = ()
    region: str = ""
    reason: str = ""


def list_issues(found: Findings) -> Iterator[Issue]:
    """Yield every issue of every image, and one row for each image without any."""
    labels, out_of_domain, doubt = found.screening.labels, found.screening.out_of_domain, found.wrong
    blank = (found.unusable > 0.5) & ~found.settled
    out = (out_of_domain > 0.5) & ~blank
    wrong = labels.is_issue & ~out  # of an image that a person called out of domain, the label is wrong too
    rare = np.isin(np.arange(len(blank)), list(found.rare_labels))
    for flags, issue, score in (
        (blank, UNUSABLE, found.unusable),
        (out, OUT_OF_DOMAIN, out_of_domain),
        (wrong, MISLABELLED, found.screening.wrong),
        (found.missing, MISSING_LABEL, 1 - labels.confidence),
    ):
        for row in np.flatnonzero(flags).tolist():
            yield Issue(row, issue, float(score[row]))
    for row, label in found.rare_labels.items():
        yield Issue(row, RARE_LABEL, label.doubt, region=label.resembles)
    for row, others in found.study_conflicts.items():
        yield Issue(row, STUDY_CONFLICT, float(doubt[row]), others)
    for row in found.header_conflicts:
        if not found.settled[row]:
            yield Issue(row, HEADER_CONFLICT, HEADER_DOUBT)
    repeats = list(_list_duplicates(found.duplicates))
    yield from repeats
    judged = blank | out | wrong | found.missing | rare
    for row in np.flatnonzero(~judged & ~labels.checked).tolist():
        yield Issue(row, NOT_CHECKED, 0.0)
    judged[[entry.row for entry in repeats]] = True
    for row in np.flatnonzero(~judged & labels.checked).tolist():
        yield Issue(row, NONE, float(doubt[row]))


def _list_duplicates(duplicates: Duplicates) -> Iterator[Issue]:
    """Yield an entry for each image that is shown by another one too, with the others, the surest first."""
    one = np.concatenate([duplicates.first, duplicates.second])
    other = np.concatenate([duplicates.second, duplicates.first])
    score = np.concatenate([duplicates.score, duplicates.score])
    order = np.lexsort((other, -score, one))
    rows, starts = np.unique(one[order], return_index=True)
    for row, members in zip(rows.tolist(), np.split(order, starts[1:]) if len(rows) else [], strict=True):
        yield Issue(row, NEAR_DUPLICATE, float(score[members[0]]), tuple(other[members].tolist()))
