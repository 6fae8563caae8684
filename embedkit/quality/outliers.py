"""Images that belong to none of the labels.

A foreign image (a chest in a skeletal archive) carries whatever label was typed in, so what tells it from an error in
the label alone is its company: around it, one image after the other has a label that the head does not believe
(`doubt`). Two views on one plate lie as far out and are as mixed, but their labels are believed. A single foreign image
lies far from the images of every label (`remoteness`).

Once a few have been found so, a head learns "foreign" as one more class and finds the others of their kind.
"""

from __future__ import annotations

import numpy as np

from embedkit.heads import FoldedHeads
from embedkit.heads.moments import Floats
from embedkit.quality.fusion import log_margin, multiply_beliefs
from embedkit.quality.inputs import RankingInput
from embedkit.quality.pictures import Numbers
from embedkit.quality.reviewing import Verdicts
from embedkit.quality.surroundings import Graph, Surroundings, mean_around

LEAST_IMAGES = 50
"""Labelled images below which there is no telling what is foreign."""
_LEAST_SEEDS = 4
_ROUNDS = 2
_FIRST_BOUND, _KIN_BOUND = 9.0, 4.0
"""Log odds beyond which the first sign and the head are not believed; so added up, they are calibrated."""


def weigh_company(graph: Graph, around: Surroundings, probabilities: Floats, data: RankingInput) -> Numbers:
    """Log odds that each image is of no region among the labels, float64 (N,).

    `probabilities`, float32 (N, K), are out-of-fold. Labels that cannot be checked are not heard: no head believes
    them. The weights are about those of a logistic regression on simulated dumps of real radiographs, where each region
    in turn was the foreign one, with 1%, 3% and 12% of foreign images, and none.
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


def spread_to_kin(data: RankingInput, verdicts: Verdicts, odds: Numbers, seed: int = 0) -> Numbers:
    """Log odds after a head has learnt from the images found so far what foreign ones look like, float64 (N,).

    `odds` are those of `weigh_company`; where a person has judged, the verdict counts. The head never sees the patient
    of the image that it judges.
    """
    if not data.spaces:
        return odds
    classes = len(data.classes)
    first = np.clip(odds, -_FIRST_BOUND, _FIRST_BOUND)
    for _ in range(_ROUNDS):
        found = np.where(verdicts.known, verdicts.foreign, odds > 0)
        if np.count_nonzero(found) < _LEAST_SEEDS:
            break
        codes = np.where(found, classes, data.codes)
        heads = [FoldedHeads(vectors, codes, data.groups, classes + 1, seed=seed) for vectors in data.spaces]
        belief = multiply_beliefs([head.probabilities() for head in heads])
        share = np.clip(belief[:, classes].astype(np.float64), 1e-6, 1 - 1e-6)
        odds = (first + np.clip(np.log(share / (1 - share)), -_KIN_BOUND, _KIN_BOUND)) / 2
    return odds
