"""How suspicious each label is, by us and by others, on the same vectors; a function a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from embedkit.heads.folds import assign_folds
from embedkit.indexes.vectors import unit
from embedkit.quality import Graph, LabelRanking, find_graph, rank_label_issues

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
_NEAR = 20
_FOLDS, _STRENGTH = 5, 0.005
"""Of the peers' logistic regression: about the best strength of 0.001 to 1, on seeds that are not reported."""


@dataclass(frozen=True)
class Space:
    """The vectors of N images, and what follows from them alone."""

    vectors: Floats
    groups: Ints
    graph: Graph
    cosine: Floats
    """float32 (N, N); -2 from each image to itself."""
    near: Ints
    """The 20 nearest images of other patients in the encoder's own space, int64 (N, 20)."""

    @classmethod
    def of(cls, vectors: Floats, groups: Ints) -> Space:
        """Search and compare once for all sets of labels."""
        cosine = compare_all(vectors)
        cross_patient = np.where(groups[:, None] == groups, -2, cosine)
        near = np.argsort(-cross_patient, axis=1)[:, :_NEAR]
        return cls(vectors, groups, find_graph(vectors, groups), cosine, near)


def compare_all(vectors: Floats) -> Floats:
    """The cosines of all pairs, float32 (N, N); -2 from each to itself."""
    units = unit(vectors)
    cosine = units @ units.T
    np.fill_diagonal(cosine, -2)
    return np.asarray(cosine, np.float32)


def rank_by_us(spaces: Sequence[Space], given: Ints, seed: int) -> LabelRanking:
    """Our ranking."""
    vectors = {str(number): space.vectors for number, space in enumerate(spaces)}
    graphs = {str(number): space.graph for number, space in enumerate(spaces)}
    return rank_label_issues(given, vectors, groups=spaces[0].groups, graph=graphs, seed=seed)


def regress(space: Space, given: Ints, seed: int, classes: int) -> Doubles:
    """Out-of-fold probabilities, (N, K), of logistic regression on standardised unit vectors; folds by patient."""
    units = unit(space.vectors)
    standard = ((units - units.mean(axis=0)) / (units.std(axis=0) + 1e-6)).astype(np.float32)
    folds = assign_folds(given, space.groups, _FOLDS, seed)
    cut = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(_FOLDS)]
    model = LogisticRegression(C=_STRENGTH, tol=1e-3, max_iter=1000)
    seen = cross_val_predict(model, standard, given, cv=cut, method="predict_proba")
    table = np.full((len(given), classes), 1e-9)
    table[:, np.unique(given)] = seen
    return table / table.sum(axis=1, keepdims=True)


def rank_by_cleanlab(table: Doubles, given: Ints, by: str, filter_by: str = "prune_by_noise_rate") -> Doubles:
    """What `find_label_issues` lists, in its order, and after it all others in the order of the same score."""
    score = -get_label_quality_scores(given, table, method=by)
    listed = find_label_issues(given, table, filter_by=filter_by, return_indices_ranked_by=by, n_jobs=1)
    score = (score - score.min()) / max(float(np.ptp(score)), 1e-12)
    score[listed] += 1
    return score


def rank_by_selfclean(cosine: Floats, given: Ints) -> Doubles:
    """SelfClean's intra/extra class ratio with one neighbour (arXiv 2305.17048), as its package computes it."""
    distance = np.clip((1 - cosine) / 2, 0, None)
    np.fill_diagonal(distance, np.inf)
    same = given[:, None] == given
    near, far = (np.where(chosen, distance, np.inf).min(axis=1) for chosen in (same, ~same))
    near = np.where(np.isfinite(near), near, distance[np.isfinite(distance)].max())
    return -np.asarray(far**2 / (near**2 + far**2), dtype=np.float64)


def rank_by_simifeat(near: Ints, given: Ints) -> Doubles:
    """SimiFeat (arXiv 2110.06283): -log of the share of 10 neighbours, (N, 10), that have the given label."""
    return -np.log((given[near] == given[:, None]).mean(axis=1) + 1e-3)


def rank_by_vote(near: Ints, given: Ints, classes: int) -> Doubles:
    """By how many of 20 neighbours, (N, 20), the commonest other label has more than the given one."""
    votes = np.stack([(given[near] == code).sum(axis=1) for code in range(classes)], axis=1).astype(np.float64)
    row = np.arange(len(given))
    own = votes[row, given].copy()
    votes[row, given] = -1
    return votes.max(axis=1) - own


def rank_by_peers(space: Space, given: Ints, seed: int, classes: int) -> dict[str, Doubles]:
    """Every peer's suspicion, float64 (N,), by name."""
    table = regress(space, given, seed, classes)
    return {
        "cleanlab, self-confidence": rank_by_cleanlab(table, given, "self_confidence"),
        "cleanlab, normalized margin": rank_by_cleanlab(table, given, "normalized_margin"),
        "cleanlab, predicted_neq_given": rank_by_cleanlab(table, given, "self_confidence", "predicted_neq_given"),
        "the same, normalized margin": rank_by_cleanlab(table, given, "normalized_margin", "predicted_neq_given"),
        "SelfClean": rank_by_selfclean(space.cosine, given),
        "SimiFeat": rank_by_simifeat(space.near[:, :10], given),
        "kNN vote": rank_by_vote(space.near, given, classes),
    }
