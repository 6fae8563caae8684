"""How far few labels go: accuracy of heads fitted to a fraction of the training labels (paper, section 4.1).

Labels are drawn from each class in proportion, at least one of each, so that even the smallest draw knows every
region. Draws are repeated; with folds, they take turns with the folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.evaluation.intervals import DRAWS, draw_sums
from embedkit.evaluation.labelled import Labelled
from embedkit.evaluation.protocol import Round
from embedkit.heads import Moments, Vectors, fit_linear, fit_self_trained
from embedkit.heads.folds import Ints
from embedkit.heads.linear import softmax
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.progress import Advance, ignore_progress

FRACTIONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Draw:
    """One draw of labels: rows to learn from and rows to judge, int64, in the numbers of all images."""

    fraction: float
    number: int
    train: Ints
    test: Ints


@dataclass(frozen=True)
class FractionScore:
    """The accuracy of a method with a fraction of the labels: the mean over repeated draws.

    95 of 100 draws of labels and of test patients give an accuracy between `low` and `high`.
    """

    method: str
    fraction: float
    labels: int
    """Mean over the draws."""
    mean: float
    low: float
    high: float
    draws: int


Learner = Callable[[Ints, Ints, Ints], Ints]
"""(rows, their classes, other rows) -> the classes of the other rows, as learnt from the first; int64."""


def draw_labels(
    codes: Ints, rounds: Sequence[Round], fractions: Sequence[float], repeats: int, seed: int = 0
) -> Iterator[Draw]:
    """Draw training labels; the test rows are all of the round's. All labels are drawn once in every round."""
    for fraction in fractions:
        for number in range(len(rounds) if fraction == 1 else repeats):
            judged = rounds[number % len(rounds)]
            rng = np.random.default_rng((seed, number))
            rows = rng.permutation(np.flatnonzero(judged.train & (codes >= 0)))
            counts = np.bincount(codes[rows])
            wanted = np.maximum(np.round(fraction * counts), 1)
            place = np.empty(len(rows), np.int64)  # of each row among those of its class
            for code in range(len(counts)):
                place[codes[rows] == code] = np.arange(counts[code])
            yield Draw(fraction, number, rows[place < wanted[codes[rows]]], np.flatnonzero(judged.test))


def linear_learner(spaces: Vectors, classes: int) -> Learner:
    """Learns a linear head in each space; several add up their softmax outputs."""

    def learn(rows: Ints, codes: Ints, others: Ints) -> Ints:
        total = np.zeros((len(others), classes), np.float32)
        for vectors in spaces.values():
            head = fit_linear(Moments.of(vectors[rows], codes, classes), ("",) * classes)
            total += softmax(head.logits(vectors[others]))
        return np.asarray(total.argmax(axis=1), dtype=np.int64)

    return learn


def self_trained_learner(vectors: Floats, patients: Ints, classes: int) -> Learner:
    """Learns a linear head from labelled and other images, but none of the patients that are to be judged.

    `vectors` float32 (N, D); `patients` int64 (N,), -1 for images that nothing may be learnt from.
    """

    def learn(rows: Ints, codes: Ints, others: Ints) -> Ints:
        known = np.full(len(vectors), -1, np.int64)
        known[rows] = codes
        seen = (patients >= 0) & ~np.isin(patients, patients[others])
        head = fit_self_trained(vectors[seen], known[seen], ("",) * classes)
        return np.asarray(head.logits(vectors[others]).argmax(axis=1), dtype=np.int64)

    return learn


def score_fractions(
    learners: Mapping[str, Learner], data: Labelled, draws: Sequence[Draw], on_progress: Advance = ignore_progress
) -> tuple[FractionScore, ...]:
    """Let every method learn from every draw of labelled images."""
    results: dict[tuple[str, float], list[tuple[Draw, Flags]]] = {}
    total = len(learners) * len(draws)
    for at, (method, learn) in enumerate(learners.items()):
        for number, draw in enumerate(draws):
            on_progress(at * len(draws) + number, total, f"{method}, {draw.fraction:.1%} of the labels")
            named = learn(data.rows[draw.train], data.codes[draw.train], data.rows[draw.test])
            results.setdefault((method, draw.fraction), []).append((draw, named == data.codes[draw.test]))
    on_progress(total, total, "")
    return tuple(_summarise(*key, found, data.groups) for key, found in results.items())


def _summarise(method: str, fraction: float, found: Sequence[tuple[Draw, Flags]], groups: Ints) -> FractionScore:
    drawn = []
    for draw, right in found:
        patient = np.unique(groups[draw.test], return_inverse=True)[1]
        totals = np.stack([np.bincount(patient, weights=right), np.bincount(patient).astype(np.float64)], axis=1)
        sums = draw_sums(totals, max(DRAWS // len(found), 1), draw.number)
        drawn.append(sums[:, 0] / sums[:, 1])
    low, high = np.quantile(np.concatenate(drawn), (0.025, 0.975)).tolist()
    labels = round(float(np.mean([len(draw.train) for draw, _ in found])))
    mean = float(np.mean([right.mean() for _, right in found]))
    return FractionScore(method, fraction, labels, mean, low, high, len(found))
