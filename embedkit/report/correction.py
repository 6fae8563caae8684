"""What a review changed: labels as they came against labels as reviewed, and what the heads make of both.

As in the paper (section 4.4) one set of predictions is judged by both labellings: what changes is the truth, not the
model. The predictions are out of fold, so that every image counts, and not only a test set. Beyond the paper, heads
are also fitted to the reviewed labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from embedkit.evaluation.intervals import Interval, mean_interval
from embedkit.heads import FoldedHeads, blend
from embedkit.heads.folds import Ints
from embedkit.heads.labels import encode_groups, encode_labels
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.indexes import Index
from embedkit.report.confusion import Confusion, confuse
from embedkit.review import Agreement, Consensus, Decision, measure_agreement
from embedkit.review.decision import OUT_OF_DOMAIN, SKIP, UNUSABLE

GIVEN = "labels as given"
FILTERED = "suspects left out"
REVIEWED = "labels as reviewed"
LEARNT = "reviewed, and learnt from"
ENSEMBLE = "ensemble"
_NO_REGION = (OUT_OF_DOMAIN, UNUSABLE)


@dataclass(frozen=True)
class Labelling:
    """Two labels of each of N images."""

    given: tuple[str, ...]
    """As they came, "" for none; of an image that was decided on, the label that it had then."""
    reviewed: tuple[str, ...]
    """A region, `out-of-domain` or `unusable`; as given where nobody decided or the reviewers disagree."""
    read: Flags
    """bool (N,): there is an outcome that counts."""

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions met, by name."""
        return tuple(sorted({*self.given, *self.reviewed} - {"", *_NO_REGION}))

    @property
    def changed(self) -> Flags:
        """Bool (N,): the review gave, took or changed the label."""
        return np.array([a != b for a, b in zip(self.given, self.reviewed, strict=True)], dtype=bool)

    @property
    def wrong(self) -> Flags:
        """Bool (N,): there was a label, and it was wrong."""
        return np.asarray(self.labelled & self.changed, dtype=bool)

    @property
    def labelled(self) -> Flags:
        """Bool (N,): a label was given."""
        return np.array([bool(label) for label in self.given], dtype=bool)


@dataclass(frozen=True)
class Accuracy:
    """How often one method named the label that counts at one stage."""

    method: str
    """A space, or `ENSEMBLE`."""
    stage: str
    """`GIVEN`, `FILTERED`, `REVIEWED` or `LEARNT`."""
    overall: Interval
    regions: dict[str, Interval]
    """By the label that counts: its recall."""


@dataclass(frozen=True)
class Correction:
    """What the review of an archive changed."""

    labels: Labelling
    relabelled: Confusion | None
    """Reviewed labels by row, given ones by column, of the images read (figure 4a); None where none was."""
    change: Confusion | None
    """Of the model's confusion matrix, labels by row and predictions by column, from given to reviewed labels of the
    same images (figure 4b); None where none was read, or nothing could be predicted."""
    accuracy: tuple[Accuracy, ...]
    """Table 2; empty where labelled images of fewer than two patients or regions were there."""
    agreement: dict[tuple[str, str], Agreement]
    """By pair of reviewers who read the same images."""


def compare_labels(index: Index, consensus: Mapping[str, Consensus]) -> Labelling:
    """The labels of all images of an index before and after what reviewers agreed on (`find_consensus`)."""
    given, reviewed, read = [], [], []
    for image_id, region in zip(*(index.images[c].to_pylist() for c in ("image_id", "region")), strict=True):
        found = consensus.get(image_id)
        counts = found is not None and not found.disputed
        given.append(found.prior if found is not None and counts else region)
        reviewed.append((found.region or found.verdict) if found is not None and counts else region)
        read.append(counts)
    return Labelling(tuple(given), tuple(reviewed), np.array(read, dtype=bool))


def measure_correction(
    labels: Labelling,
    vectors: Mapping[str, Floats],
    patients: Sequence[str],
    suspected: Flags,
    decisions: Sequence[Decision] = (),
    *,
    seed: int = 0,
) -> Correction:
    """Measure what a review changed.

    Parameters
    ----------
    vectors
        float32 (N, D) by space; several make an ensemble, which adds up their probabilities (paper, section 4.3).
    patients
        N patients, "" for an unknown one; no image is judged by heads that saw its patient.
    suspected
        bool (N,): the images to leave out for `FILTERED`.
    decisions
        Those that stand (`Decisions.latest`).
    """
    groups, _ = encode_groups(patients, len(patients))
    judge = _Judge(labels, vectors, groups, seed)
    relabelled = change = None
    if labels.read.any():
        relabelled = confuse(_pick(labels.reviewed, labels.read), _pick(labels.given, labels.read))
    if labels.read.any() and judge.possible(labels.given):
        named = list(judge.predict(labels.given).values())[-1]
        change = _confuse_all(labels, labels.reviewed, named) - _confuse_all(labels, labels.given, named)
    return Correction(labels, relabelled, change, judge.score(suspected), _agree(decisions))


class _Judge:
    """Predicts and scores by heads that have not seen the patient."""

    def __init__(self, labels: Labelling, vectors: Mapping[str, Floats], groups: Ints, seed: int) -> None:
        self._labels, self._vectors, self._groups, self._seed = labels, vectors, groups, seed
        self._known: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}

    def possible(self, truth: tuple[str, ...]) -> bool:
        """Tell whether the labels `truth` are of two regions and two patients at least."""
        rows = np.array([label in self._labels.regions for label in truth], dtype=bool)
        return len({*_pick(truth, rows)}) > 1 and len(np.unique(self._groups[rows])) > 1

    def predict(self, truth: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """The regions that heads fitted to the labels `truth` name, by method; the ensemble last."""
        if truth not in self._known:
            regions = self._labels.regions
            codes = encode_labels([label if label in regions else "" for label in truth], regions).codes
            tables = {
                space: FoldedHeads(values, codes, self._groups, len(regions), seed=self._seed).probabilities()
                for space, values in self._vectors.items()
            }
            if len(tables) > 1:
                tables[ENSEMBLE] = blend(list(tables.values()))
            names = np.array(regions, dtype=object)
            self._known[truth] = {method: tuple(names[table.argmax(axis=1)]) for method, table in tables.items()}
        return self._known[truth]

    def score(self, suspected: Flags) -> tuple[Accuracy, ...]:
        """Score every method at every stage; only images that had a label are judged."""
        labels = self._labels
        if not self.possible(labels.given):
            return ()
        kept = np.array([label not in _NO_REGION for label in labels.reviewed], dtype=bool)
        stages = [
            (GIVEN, labels.given, labels.given, labels.labelled),
            (FILTERED, labels.given, labels.given, labels.labelled & ~suspected),
        ]
        if labels.read.any():
            stages += [
                (REVIEWED, labels.given, labels.reviewed, labels.labelled & kept),
                (LEARNT, labels.reviewed, labels.reviewed, labels.labelled & kept),
            ]
        found = [
            self._measure(method, stage, named, truth, chosen)
            for stage, learnt, truth, chosen in stages
            if self.possible(learnt)
            for method, named in self.predict(learnt).items()
        ]
        methods = list(dict.fromkeys(one.method for one in found))
        return tuple(sorted(found, key=lambda one: methods.index(one.method)))

    def _measure(self, method: str, stage: str, named: Sequence[str], truth: Sequence[str], chosen: Flags) -> Accuracy:
        labels = np.array(truth, dtype=object)
        right = np.array(named, dtype=object) == labels

        def over(rows: Flags) -> Interval:
            return mean_interval(right[rows], self._groups[rows])

        regions = [region for region in self._labels.regions if (chosen & (labels == region)).any()]
        return Accuracy(method, stage, over(chosen), {name: over(chosen & (labels == name)) for name in regions})


def _confuse_all(labels: Labelling, truth: Sequence[str], named: Sequence[str]) -> Confusion:
    """The confusion matrix of the images that had a label."""
    return confuse(_pick(truth, labels.labelled), _pick(named, labels.labelled))


def _pick(labels: Sequence[str], rows: Flags) -> list[str]:
    return [label for label, chosen in zip(labels, rows, strict=True) if chosen]


def _agree(decisions: Sequence[Decision]) -> dict[tuple[str, str], Agreement]:
    reviewers = sorted({decision.reviewer for decision in decisions if decision.verdict != SKIP})
    pairs = {pair: measure_agreement(decisions, *pair) for pair in combinations(reviewers, 2)}
    return {pair: found for pair, found in pairs.items() if found.images}
