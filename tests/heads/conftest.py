from typing import NamedTuple

import numpy as np
import pytest


class Clusters(NamedTuple):
    vectors: np.ndarray
    codes: np.ndarray
    groups: np.ndarray


@pytest.fixture
def clusters():
    """Three classes in 16 dimensions that overlap a little, two images a patient."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(3), 40)
    groups = np.arange(120) // 2
    vectors = rng.normal(size=(3, 16))[codes] + rng.normal(size=(120, 16)) + 1
    return Clusters(vectors.astype(np.float32), codes, groups)
