"""Images that belong to none of the labels.

Two signs, both from the neighbourhood. A group of foreign images (chests in a skeletal archive) lies close together,
but its labels are whatever was typed in: many labels in one place (`mixture`), none of which accounts for how close the
neighbours are (`scatter`). A single foreign image lies far from the images of every label (`remoteness`).
"""

from __future__ import annotations

import numpy as np

from embedkit.quality.fusion import sigmoid
from embedkit.quality.pictures import Numbers
from embedkit.quality.surroundings import Surroundings

LEAST_IMAGES = 50
"""Labelled images below which there is no telling what is foreign."""


def score_out_of_domain(around: Surroundings) -> Numbers:
    """How sure it is that each image is of no region among the labels, float64 (N,), 0..1.

    The weights of scatter and mixture are those of a logistic regression on simulated dumps of real radiographs: clean
    ones, with 3% and with 13% of foreign images.
    """
    far = np.log(around.remoteness.astype(np.float64) + 1e-6)
    middle = float(np.median(far))
    spread = 1.4826 * float(np.median(np.abs(far - middle))) + 1e-6
    alone = np.maximum((far - middle) / spread - 3.5, 0)
    return sigmoid(2.3 * around.scatter + 6.7 * around.mixture + 3 * alone - 10.8)
