"""Heads on frozen vectors: a linear and a neighbour classifier of regions, and their out-of-fold probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.heads.confidence import NEVER, Threshold, find_thresholds
from embedkit.heads.cross_validation import FoldedHeads, cross_validate, fit_head
from embedkit.heads.domain import Domain, fit_domain
from embedkit.heads.ensemble import Ensemble, Member, Vectors, blend, fit_blend, fit_ensemble
from embedkit.heads.folds import assign_folds, assign_parts, number_groups
from embedkit.heads.knn import vote
from embedkit.heads.linear import LinearHead, fit_linear
from embedkit.heads.moments import Moments, add_up
from embedkit.heads.neighbours import Neighbourhood, Neighbours, Search, build_search, keep_first, walk_neighbours
from embedkit.heads.self_training import fit_self_trained
from embedkit.heads.storage import load_head, save_head
from embedkit.heads.whitening import whiten
from embedkit.lazy import import_on_use

if TYPE_CHECKING:
    from embedkit.heads.estimators import LinearClassifier, NeighbourClassifier

__all__ = [
    "NEVER",
    "Domain",
    "Ensemble",
    "FoldedHeads",
    "LinearClassifier",
    "LinearHead",
    "Member",
    "Moments",
    "NeighbourClassifier",
    "Neighbourhood",
    "Neighbours",
    "Search",
    "Threshold",
    "Vectors",
    "add_up",
    "assign_folds",
    "assign_parts",
    "blend",
    "build_search",
    "cross_validate",
    "find_thresholds",
    "fit_blend",
    "fit_domain",
    "fit_ensemble",
    "fit_head",
    "fit_linear",
    "fit_self_trained",
    "keep_first",
    "load_head",
    "number_groups",
    "save_head",
    "vote",
    "walk_neighbours",
    "whiten",
]

__getattr__ = import_on_use(  # scikit-learn takes long to import
    __name__, {"LinearClassifier": "estimators", "NeighbourClassifier": "estimators"}
)
