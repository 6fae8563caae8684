"""Ranking images by how likely their label is wrong, on plain arrays.

Three signs are fused: the log odds that a noise model (see `noise`) gives of a head's out-of-fold probabilities after
two more fits without the images that confident learning flagged (Northcutt et al., arXiv 1911.00068, by cleanlab), and
the ratio of distances to images of the same and of another label, before and after the flagged ones are left out (see
`neighbourhood`). Where there are several spaces, their heads are multiplied and their ratios averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedkit.errors import UsageError
from embedkit.heads import FoldedHeads
from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.heads.neighbours import Flags
from embedkit.progress import Advance, ignore_progress
from embedkit.quality.confident import find_confident_errors
from embedkit.quality.fusion import add_signs, multiply_probabilities, read_as_probability
from embedkit.quality.inputs import RankingInput, Vectors, check_input
from embedkit.quality.neighbourhood import EVIDENCE, Graph, NeighbourhoodFeatures, find_graph, look_around
from embedkit.quality.noise import fit_noise
from embedkit.quality.pictures import Numbers
from embedkit.quality.reviewing import Verdicts, read_verdicts

_CUTS, _FEW_IMAGES = 4, 20_000
"""How often few images are dealt to folds anew: what a single cut makes of hard images is partly chance."""
_FIRST_RATIO_WEIGHT = 0.5
"""The first ratio is misled where errors are many, the second where right labels were flagged."""
_VERDICT_WEIGHT = 10.0
"""How many estimates a person's verdict counts for when scores are fitted."""


@dataclass(frozen=True)
class LabelRanking:
    """What is held of the label of each of N images; row for row with the input."""

    classes: tuple[str, ...]
    given: Ints
    """int64 (N,), number in `classes`; -1 for a missing label."""
    suggested: Ints
    """int64 (N,), number in `classes`; -1 where nothing can be suggested."""
    score: Numbers
    """float64 (N,), 0..1: how likely the given label is wrong; 0 where there is none or it cannot be checked."""
    confidence: Numbers
    """float64 (N,): the probability of the suggested class."""
    neighbour_agreement: Numbers
    """float64 (N,): the share of the neighbours' vote that the suggested class has; 0 without vectors."""
    probabilities: Floats
    """float32 (N, K): out-of-fold probabilities after the second fit; all zero where no head could be fitted."""
    graph: Graph | None
    """Who is near to whom, in the first space; None without vectors."""
    neighbourhood: NeighbourhoodFeatures | None
    notes: tuple[str, ...]
    """What could not be done, one sentence each."""
    checked: Flags
    """Bool (N,): there is a label that other patients' images could speak for or against, or a person has judged it."""
    disagreement: float = 0.0
    """By how much confident learning and the noise model differ in the number of wrong labels."""

    @property
    def is_issue(self) -> Flags:
        """Whether the label is held to be wrong, bool (N,)."""
        return np.asarray((self.score > 0.5) & (self.suggested != self.given) & (self.given >= 0), dtype=bool)

    @property
    def order(self) -> Ints:
        """All rows, the most suspicious first, int64 (N,); ties in the order of the input."""
        return np.argsort(-self.score, kind="stable")

    @property
    def neighbours(self) -> Ints:
        """The five nearest images of other patients, int64 (N, 5), -1 where there are fewer."""
        if self.graph is None:
            return np.full((len(self.given), EVIDENCE), -1, dtype=np.int64)
        return self.graph.nearest[:, :EVIDENCE]


def rank_label_issues(
    labels: npt.ArrayLike,
    vectors: Vectors | None = None,
    pred_probs: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    *,
    classes: npt.ArrayLike | None = None,
    graph: Graph | Mapping[str, Graph] | None = None,
    reviewed: Mapping[int, object] | None = None,
    seed: int = 0,
) -> LabelRanking:
    """Rank images by how likely their label is wrong.

    Parameters
    ----------
    labels
        N labels, text or whole numbers, as a list or a column of NumPy, pandas, polars or Arrow. None, NaN, NA, "" or a
        negative number for a missing one, and the text that NumPy and pandas make of them ("nan", "<NA>", "None").
    vectors
        float (N, D), of an encoder that has not seen the labels, or those of several by name. Zero or non-finite
        vectors are refused.
    pred_probs
        float (N, K), out-of-fold probabilities, columns in the order of `classes`; columns of a table are matched by
        name. Without them a linear head is cross-validated on the vectors. At least one of the two must be given.
    groups
        N patient ids, text or whole numbers; images of a group are never split between folds, never each other's
        neighbour. None, NaN or "" for an image of its own.
    classes
        K names that `labels` may have, in the order of the columns of `pred_probs`; by default the labels met, in the
        order of scikit-learn's `classes_`: text by character, digits too, whole numbers by value. Labels that are whole
        numbers and none of these names are places among them, from 0.
    graph
        The neighbours of the vectors, where they have been searched for already (`find_graph`); by name where the
        vectors are.
    reviewed
        What people said: by row, the class that the image is of, "" for none of them, written as in `labels`. Those
        labels are settled (score 0 or 1), and the scores of all others are fitted to them as well.
    seed
        Of the folds; the same input and seed give the same ranking.

    Raises
    ------
    UsageError
        ``bad-review`` for a row that is not there or what names no class; ``bad-labels``, ``bad-vectors``,
        ``bad-probabilities``, ``bad-groups``, ``bad-classes``, ``bad-graph`` or ``nothing-to-rank-by``.
    """
    data = check_input(labels, vectors, pred_probs, groups, classes)
    verdicts = read_verdicts(data, {} if reviewed is None else reviewed)
    if isinstance(graph, Mapping) and isinstance(vectors, Mapping):
        graphs = [graph[name] for name in vectors if name in graph]
    else:
        graphs = [graph] if isinstance(graph, Graph) else find_graphs(data)
    if graph is not None and {len(one.nearest) for one in graphs} != {len(data.codes)}:
        raise UsageError("bad-graph", "graph must be what find_graph found for these vectors, one for each space")
    return rank_input(data, graphs=graphs, verdicts=verdicts, seed=seed)


def find_graphs(data: RankingInput, on_progress: Advance = ignore_progress) -> list[Graph]:
    """The neighbours in each space; none for a single image. `on_progress` is told of each space from 0 again."""
    return [find_graph(vectors, data.groups, on_progress) for vectors in data.spaces] if len(data.codes) > 1 else []


def rank_input(data: RankingInput, *, graphs: Sequence[Graph], verdicts: Verdicts, seed: int) -> LabelRanking:
    """`rank_label_issues` for input that has been checked."""
    probabilities, excluded = _fit_without_errors(data, verdicts, seed)
    views = [look_around(graph, data.codes, excluded=excluded, classes=len(data.classes)) for graph in graphs]
    around = NeighbourhoodFeatures.mean_of(views) if views else None
    return _judge(data, verdicts, _Signs(probabilities, excluded, graphs[0] if graphs else None, around))


def _fit_without_errors(data: RankingInput, verdicts: Verdicts, seed: int) -> tuple[Floats, Flags]:
    """Out-of-fold probabilities, float32 (N, K), of heads fitted without what is flagged, and the flags, bool (N,).

    Heads without the errors find more of them: flags and fit are made a second time.
    """
    codes, classes = data.codes, len(data.classes)
    if data.probabilities is not None:
        return data.probabilities, verdicts.correct(_find_errors(data, data.probabilities))
    if not data.spaces or classes < 2 or len(np.unique(data.groups[codes >= 0])) < 2:
        return np.zeros((len(codes), classes), dtype=np.float32), verdicts.wrong
    cuts = _CUTS if len(codes) <= _FEW_IMAGES else 1
    heads = [
        [FoldedHeads(vectors, codes, data.groups, classes, seed=seed + cut) for cut in range(cuts)]
        for vectors in data.spaces
    ]
    flagged = verdicts.correct(_find_errors(data, _average(heads)))
    flagged = verdicts.correct(_find_errors(data, _average(heads, flagged)))
    return _average(heads, flagged), flagged


def _average(heads: Sequence[Sequence[FoldedHeads]], excluded: Flags | None = None) -> Floats:
    """The mean over differently cut folds, the product over spaces, float32 (N, K)."""
    averaged = [np.mean([head.probabilities(excluded) for head in cuts], axis=0) for cuts in heads]
    return multiply_probabilities([probability.astype(np.float32) for probability in averaged])


def _find_errors(data: RankingInput, probabilities: Floats) -> Flags:
    """What confident learning flags among the labels that can be checked, bool (N,)."""
    flagged = np.zeros(len(data.codes), dtype=bool)
    if data.checkable.any():
        flagged[data.checkable] = find_confident_errors(data.codes[data.checkable], probabilities[data.checkable])
    return flagged


@dataclass(frozen=True)
class _Signs:
    """What speaks for and against the labels."""

    probabilities: Floats
    flagged: Flags
    graph: Graph | None
    around: NeighbourhoodFeatures | None


def _judge(data: RankingInput, verdicts: Verdicts, signs: _Signs) -> LabelRanking:
    """Fuse the signs into a score, and name the class that fits best."""
    row = np.arange(len(data.codes))
    votes = np.zeros_like(signs.probabilities) if signs.around is None else signs.around.votes
    probability = (signs.probabilities if signs.probabilities.any() else votes).astype(np.float64)
    suggested, sure, agreement = np.full(len(row), -1), np.zeros(len(row)), np.zeros(len(row))
    if len(data.classes) > 1:
        best = probability.argmax(axis=1)
        sure, agreement = probability[row, best], votes[row, best].astype(np.float64)
        suggested = np.where(sure > 0, best, -1)
    score, disagreement = _score(data, verdicts, signs)
    return LabelRanking(
        data.classes,
        data.codes,
        np.where(verdicts.known, verdicts.codes, suggested),
        score,
        np.where(verdicts.known, 1, sure),
        agreement,
        signs.probabilities,
        signs.graph,
        signs.around,
        data.notes,
        data.checkable | verdicts.known,
        disagreement,
    )


def _score(data: RankingInput, verdicts: Verdicts, signs: _Signs) -> tuple[Numbers, float]:
    """How likely each label is wrong, float64 (N,), and by how much two estimates of their number differ."""
    score, among = np.zeros(len(data.codes)), data.checkable
    score[verdicts.wrong] = 1
    if not among.any():
        return score, 0.0
    noise = fit_noise(signs.probabilities[among], data.codes[among])
    odds = np.zeros(len(score), dtype=np.float32)
    odds[among] = noise.log_odds
    around = signs.around
    ratios = [] if around is None else [(around.ratio, _FIRST_RATIO_WEIGHT), (around.ratio_second, 1.0)]
    suspicion = add_signs([(odds, 1.0), *ratios], among)[among]
    flagged, known = signs.flagged[among], verdicts.known[among]
    target = np.where(known, verdicts.wrong[among], (noise.wrong + flagged) / 2)
    fitted = read_as_probability(suspicion, target, np.where(known, _VERDICT_WEIGHT, 1.0))
    score[among] = np.where(known, verdicts.wrong[among], fitted)
    return score, abs(float(noise.wrong[~known].sum()) - int(np.count_nonzero(flagged[~known])))
