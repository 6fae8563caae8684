"""Heads on frozen vectors: a linear and a neighbour classifier of regions, and their out-of-fold probabilities."""

from embedkit.heads.cross_validation import FoldedHeads, cross_validate, fit_head
from embedkit.heads.folds import assign_folds, number_groups
from embedkit.heads.knn import vote
from embedkit.heads.linear import LinearHead, fit_linear
from embedkit.heads.moments import Moments, add_up
from embedkit.heads.neighbours import Neighbourhood, Neighbours, Search, build_search, keep_first, walk_neighbours
from embedkit.heads.storage import load_head, save_head
from embedkit.heads.whitening import whiten

__all__ = [
    "FoldedHeads",
    "LinearHead",
    "Moments",
    "Neighbourhood",
    "Neighbours",
    "Search",
    "add_up",
    "assign_folds",
    "build_search",
    "cross_validate",
    "fit_head",
    "fit_linear",
    "keep_first",
    "load_head",
    "number_groups",
    "save_head",
    "vote",
    "walk_neighbours",
    "whiten",
]
