"""What is suspected: how many images of each kind, how many labels are expected to be wrong, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from embedkit.heads.neighbours import Flags
from embedkit.indexes import Index
from embedkit.quality import ISSUES, IssueTable
from embedkit.quality.estimate import ErrorEstimate, estimate_errors
from embedkit.quality.pictures import Numbers
from embedkit.quality.table import MISLABELLED, NONE, NOT_CHECKED, OUT_OF_DOMAIN, RARE_LABEL, UNUSABLE
from embedkit.report.confusion import NO_LABEL
from embedkit.report.correction import Labelling
from embedkit.report.table import Table

_DOUBTS = (MISLABELLED, OUT_OF_DOMAIN, UNUSABLE)
GROUPS = 25
"""Rows of a breakdown; smaller groups are added up."""
_BREAKDOWNS = {"region": "region, as given", "device": "device", "station": "station", "year": "year of the study"}


@dataclass(frozen=True)
class Suspicion:
    """What is held of N images before anybody looked."""

    issues: dict[str, Flags]
    """bool (N,) by issue."""
    wrong: Numbers
    """float64 (N,), 0..1: how likely the given label is wrong; 0 where there is none."""
    unchecked: Flags
    """Bool (N,): there is a label, and nothing to hold it against."""
    disagreement: float = 0.0
    """By how much two estimates of the number of wrong labels differ."""

    @property
    def suspected(self) -> Flags:
        """Bool (N,): the label is held to be wrong, or none can be right."""
        return np.asarray(np.any([self.issues[issue] for issue in _DOUBTS], axis=0), dtype=bool)

    def expect(self, rows: Flags) -> ErrorEstimate:
        """How many labels among `rows`, bool (N,), are expected to be wrong."""
        chances = self.wrong[rows]
        return estimate_errors(chances, np.zeros(len(chances), dtype=bool), self.disagreement)


def read_suspicion(issues: IssueTable) -> Suspicion:
    """Read a ranking of all images (`find_label_issues` with `all_images`)."""
    rows = np.array(issues.rows, dtype=np.int64)
    kinds = np.array(issues.table["issue"].to_pylist(), dtype=object)
    scores = np.array(issues.table["score"].to_pylist(), dtype=np.float64)
    labelled = np.array([bool(region) for region in issues.table["given_region"].to_pylist()], dtype=bool)
    flags = {}
    for issue in ISSUES:
        flags[issue] = np.zeros(issues.images, dtype=bool)
        flags[issue][rows[kinds == issue]] = True
    wrong = np.zeros(issues.images)
    telling = np.isin(kinds, (*_DOUBTS, RARE_LABEL, NONE)) & labelled
    np.maximum.at(wrong, rows[telling], scores[telling])
    unchecked = np.isin(np.arange(issues.images), rows[kinds == NOT_CHECKED])
    return Suspicion(flags, wrong, unchecked, issues.estimate.disagreement if issues.estimate else 0.0)


def tabulate_suspects(suspicion: Suspicion, labels: Labelling) -> Table:
    """Suspects by kind, how many of them were read, and of how many the label was wrong."""
    rows = []
    for issue, flags in suspicion.issues.items():
        read = flags & labels.read
        changed = int((read & labels.changed).sum())
        share = changed / int(read.sum()) if read.any() else nan
        rows.append((issue, int(flags.sum()), int(read.sum()), changed, share))
    columns = ("issue", "images", "reviewed", "label changed", "of those reviewed")
    return Table("suspects", "Suspects by kind", columns, tuple(rows))


def tabulate_quality(index: Index, suspicion: Suspicion, labels: Labelling) -> tuple[Table, ...]:
    """Label quality by region, device, station and year, where the index has more than one of them."""
    tables = []
    for name, words in _BREAKDOWNS.items():
        values = labels.given if name == "region" else [str(value or "") for value in index.images[name].to_pylist()]
        if len({*values}) > 1:
            tables.append(_break_down(name, words, values, suspicion, labels))
    return tuple(tables)


def _break_down(name: str, words: str, values: Sequence[str], suspicion: Suspicion, labels: Labelling) -> Table:
    met, place = np.unique(np.array(values, dtype=str), return_inverse=True)
    often = np.argsort(-np.bincount(place), kind="stable")
    shown = often[:GROUPS].tolist()
    order = sorted(shown) if name == "year" else shown
    unknown = NO_LABEL if name == "region" else "not known"
    rows = [(str(met[one]) or unknown, *_measure(place == one, suspicion, labels)) for one in order]
    if len(met) > GROUPS:
        rows.append((f"{len(met) - GROUPS:,} others", *_measure(np.isin(place, often[GROUPS:]), suspicion, labels)))
    columns = (name, "images", "without label", "suspects", "reviewed", "label was wrong", "labels wrong, estimated")
    return Table(f"quality-by-{name}", f"Label quality by {words}", columns, tuple(rows))


def _measure(rows: Flags, suspicion: Suspicion, labels: Labelling) -> tuple[int | float, ...]:
    """Counts of a group, and the share of its labels that is wrong: as read, and as expected of those checked only."""
    labelled = rows & labels.labelled
    known = labelled & (labels.read | ~suspicion.unchecked)
    wrong = int((rows & labels.wrong).sum())
    share = (wrong + suspicion.expect(known & ~labels.read).expected) / known.sum() if known.any() else np.nan
    return (
        int(rows.sum()),
        int((rows & ~labels.labelled).sum()),
        int((rows & suspicion.suspected).sum()),
        int((rows & labels.read).sum()),
        wrong,
        float(share),
    )
