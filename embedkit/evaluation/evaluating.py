"""`evaluate`: the paper's tables and figures for one's own images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.evaluation.calibration import Calibration, calibration_error, reliability
from embedkit.evaluation.fractions import (
    FRACTIONS,
    FractionScore,
    Learner,
    draw_labels,
    linear_learner,
    score_fractions,
    self_trained_learner,
)
from embedkit.evaluation.intervals import Interval, mean_interval
from embedkit.evaluation.judging import Judgement, judge_ensemble, judge_linear, judge_neighbours
from embedkit.evaluation.labelled import Labelled, select_labelled
from embedkit.evaluation.protocol import Round, judged_rows, plan_folds, plan_split
from embedkit.heads import Ensemble, Vectors, fit_ensemble
from embedkit.heads.folds import Ints
from embedkit.indexes import Index
from embedkit.indexes.vectors import usable
from embedkit.progress import Advance, ignore_progress


@dataclass(frozen=True)
class EvaluationSettings:
    """How to evaluate."""

    folds: int = 0
    """0 for one split of 64, 16 and 20%; else every image is judged once."""
    fractions: tuple[float, ...] = FRACTIONS
    repeats: int = 10
    """Draws of each fraction of the labels."""
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """Top-1 accuracy of one method."""

    method: str
    overall: Interval
    regions: tuple[Interval, ...]
    """Of the images of each region: its recall."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured; every method judged the same images."""

    regions: tuple[str, ...]
    images: int
    """With a label."""
    patients: int
    protocol: str
    scores: tuple[Score, ...]
    confusion: Ints
    """int64 (K, K): images of the region of the row that `head` would name as that of the column."""
    calibration: tuple[Calibration, ...]
    fractions: tuple[FractionScore, ...]
    head: Ensemble
    """Fitted to all labelled images; its thresholds were learnt out of fold."""
    notes: tuple[str, ...]
    """What could not be judged, one sentence each."""


def evaluate(
    labels: npt.ArrayLike,
    vectors: Vectors,
    groups: npt.ArrayLike | None = None,
    *,
    without: Sequence[str] = (),
    encoders: Mapping[str, str] | None = None,
    preprocessing: str = "",
    learners: Mapping[str, Learner] | None = None,
    settings: EvaluationSettings | None = None,
    on_progress: Advance = ignore_progress,
) -> Evaluation:
    """Evaluate heads on raw vectors, float32 (N, D), of one or more spaces.

    Parameters
    ----------
    labels, groups
        Regions and patients of the N images, "" or None for none.
    without
        Regions to leave out.
    encoders, preprocessing
        What made the vectors, to go with the head: sha256 by space, and the version of the pictures.
    learners
        Methods to compare by fractions of the labels, beside the linear heads; rows are those of `vectors`.
    on_progress
        Gets draws of labels done, of how many, and which comes next.

    Raises
    ------
    UsageError
        ``too-few-labels``, ``unknown-region``, ``bad-labels``, ``bad-groups`` or ``bad-vectors``.
    """
    settings = settings or EvaluationSettings()
    data = select_labelled(labels, groups, without)
    whole = {name: _check(name, values, np.size(labels)) for name, values in vectors.items()}
    points = {name: values[data.rows] for name, values in whole.items()}
    classes, codes = len(data.regions), data.codes
    rounds = _plan(data, settings)
    judgements = _judge(points, codes, rounds, classes)
    best = judgements[-1] if len(points) > 1 else judgements[0]
    test = judged_rows(rounds)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (codes[test], best.probabilities[test].argmax(axis=1)), 1)
    draws = list(draw_labels(codes, rounds, settings.fractions, settings.repeats, settings.seed))
    methods = {f"{name} linear": linear_learner({name: values}, classes) for name, values in whole.items()}
    for name, values in whole.items():
        methods[f"{name} self-trained"] = self_trained_learner(values, data.patients, classes)
    if len(points) > 1:
        methods["ensemble"] = linear_learner(whole, classes)
    return Evaluation(
        data.regions,
        len(codes),
        int(data.groups.max()) + 1,
        _describe(settings, test, data),
        tuple(_score(judgement, data, test, settings.seed) for judgement in judgements),
        confusion,
        tuple(_calibration(found, data, test, settings.seed) for found in judgements if found.method != "kNN"),
        score_fractions(methods | dict(learners or {}), data, draws, on_progress),
        fit_ensemble(
            points,
            codes,
            data.groups,
            data.regions,
            encoders=encoders,
            preprocessing=preprocessing,
            seed=settings.seed,
        ),
        data.notes,
    )


def evaluate_index(
    index: Index,
    *,
    spaces: Sequence[str] = (),
    without: Sequence[str] = (),
    learners: Mapping[str, Learner] | None = None,
    settings: EvaluationSettings | None = None,
    on_progress: Advance = ignore_progress,
) -> Evaluation:
    """Evaluate heads on the labelled images of an index, in `spaces` or all.

    Learners get rows of `Index.images`. Raises as `evaluate` and `Index.vectors` do.
    """
    names = [index.space_name(name) for name in spaces] or list(index.spaces)
    return evaluate(
        index.images["region"].to_pylist(),
        {name: index.vectors(name) for name in names},
        index.images["patient"].to_pylist(),
        without=without,
        encoders={name: index.spaces[name].encoder for name in names},
        preprocessing=index.spaces[names[0]].preprocessing,
        learners=learners,
        settings=settings,
        on_progress=on_progress,
    )


def _plan(data: Labelled, settings: EvaluationSettings) -> list[Round]:
    if settings.folds:
        return plan_folds(data.codes, data.groups, settings.folds, settings.seed)
    return plan_split(data.codes, data.groups, settings.seed)


def _describe(settings: EvaluationSettings, test: Ints, data: Labelled) -> str:
    patients = len(np.unique(data.groups[test]))
    how = f"{settings.folds} folds" if settings.folds else "a split of 64/16/20%"
    return f"{how} by patient; {len(test):,} images of {patients:,} patients judged"


def _judge(points: Vectors, codes: Ints, rounds: list[Round], classes: int) -> list[Judgement]:
    """Judge by the linear head and the neighbours in each space, and by the ensemble last where there are several."""
    linear = [judge_linear(name, values, codes, rounds, classes) for name, values in points.items()]
    near = [judge_neighbours(name, values, codes, rounds, classes) for name, values in points.items()]
    together = [judge_ensemble(linear, codes, rounds)] if len(linear) > 1 else []
    return [*linear, *near, *together]


def _score(judgement: Judgement, data: Labelled, test: Ints, seed: int) -> Score:
    codes, groups = data.codes[test], data.groups[test]
    right = judgement.probabilities[test].argmax(axis=1) == codes
    each = (np.flatnonzero(codes == code) for code in range(len(data.regions)))
    by_region = tuple(mean_interval(right[rows], groups[rows], seed=seed) for rows in each)
    return Score(judgement.name, mean_interval(right, groups, seed=seed), by_region)


def _calibration(judgement: Judgement, data: Labelled, test: Ints, seed: int) -> Calibration:
    groups, errors, bins = data.groups[test], [], []
    for table in (judgement.raw[test], judgement.probabilities[test]):
        confidence, right = table.max(axis=1), table.argmax(axis=1) == data.codes[test]
        errors.append(calibration_error(confidence, right, groups, seed=seed))
        bins.append(reliability(confidence, right, groups, seed=seed))
    return Calibration(judgement.name, judgement.temperature, errors[0], errors[1], bins[0], bins[1])


def _check(space: str, vectors: npt.ArrayLike, count: int) -> npt.NDArray[np.float32]:
    points = np.asarray(vectors, dtype=np.float32)
    if points.ndim != 2 or len(points) != count or not usable(points).all():
        raise UsageError("bad-vectors", f"{space}: vectors must be finite, not zero, of shape ({count}, D)")
    return points
