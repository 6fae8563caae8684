"""Images that belong to none of the labels.

An out-of-domain image (a chest in a skeletal archive) carries whatever label was typed in. What tells it from an error
in the label alone is a k-NN score: around it, one image after the other has a label that the head does not believe
(`doubt`). Two views on one plate lie as far out and are as mixed, but their labels are believed. A single image of this
kind lies far from the images of every label (`remoteness`).

Once a few have been found so, self-training finds the others of their kind: "out of domain" is one more class.
"""

from __future__ import annotations

import numpy as np

from embedkit.heads import FoldedHeads
from embedkit.heads.moments import Floats
from embedkit.quality.fusion import log_margin, multiply_probabilities
from embedkit.quality.inputs import RankingInput
from embedkit.quality.neighbourhood import Graph, NeighbourhoodFeatures, mean_around
from embedkit.quality.pictures import Numbers
from embedkit.quality.reviewing import Verdicts

LEAST_IMAGES = 50
"""Labelled images below which there is no telling what is out of domain."""
_LEAST_SEEDS = 4
_ROUNDS = 2
_FIRST_BOUND, _SELF_TRAINED_BOUND = 9.0, 4.0
"""Log odds beyond which the first sign and the head are not believed; so added up, they are calibrated."""


def score_by_neighbours(
    graph: Graph, around: NeighbourhoodFeatures, probabilities: Floats, data: RankingInput
) -> Numbers:
    """Log odds that each image is of no region among the labels, float64 (N,).

    `probabilities`, float32 (N, K), are out-of-fold. Labels that cannot be checked are not heard: no head believes
    them. The weights are about those of a logistic regression on simulated dumps of real radiographs, where each region
    in turn was out of domain, with 1%, 3% and 12% of out-of-domain images, and none.
    """
    codes = np.where(data.checkable, data.codes, -1)
    given = probabilities[np.arange(len(codes)), np.maximum(codes, 0)]
    doubt = mean_around(graph, 1 - given, data.checkable).astype(np.float64)
    margin = np.clip(log_margin(probabilities, codes), -6, 6)
    far = np.log(around.remoteness.astype(np.float64) + 1e-6)
    middle = float(np.median(far))
    spread = 1.4826 * float(np.median(np.abs(far - middle))) + 1e-6
    alone = np.maximum((far - middle) / spread - 3.5, 0)
    return np.asarray(12.5 * doubt + 0.36 * margin + 3 * alone - 7.6, dtype=np.float64)


def self_train(data: RankingInput, verdicts: Verdicts, odds: Numbers, seed: int = 0) -> Numbers:
    """Log odds after a head has learnt from the images found so far what others of their kind look like, float64 (N,).

    `odds` are those of `score_by_neighbours`; where a person has judged, the verdict counts. The head never sees the
    patient of the image that it judges.
    """
    if not data.spaces:
        return odds
    classes = len(data.classes)
    first = np.clip(odds, -_FIRST_BOUND, _FIRST_BOUND)
    for _ in range(_ROUNDS):
        found = np.where(verdicts.known, verdicts.out_of_domain, odds > 0)
        if np.count_nonzero(found) < _LEAST_SEEDS:
            break
        codes = np.where(found, classes, data.codes)
        heads = [FoldedHeads(vectors, codes, data.groups, classes + 1, seed=seed) for vectors in data.spaces]
        probability = multiply_probabilities([head.probabilities() for head in heads])
        share = np.clip(probability[:, classes].astype(np.float64), 1e-6, 1 - 1e-6)
        odds = (first + np.clip(np.log(share / (1 - share)), -_SELF_TRAINED_BOUND, _SELF_TRAINED_BOUND)) / 2
    return odds
