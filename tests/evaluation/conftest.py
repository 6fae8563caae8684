from typing import NamedTuple

import numpy as np
import pytest

REGIONS = ("hand", "knee", "foot", "hip")


class Archive(NamedTuple):
    labels: np.ndarray
    spaces: dict
    patients: np.ndarray


@pytest.fixture(scope="session")
def archive():
    """600 images of four regions that overlap a little, three a patient, in two spaces that err apart."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 200).repeat(3)
    centres = rng.normal(size=(4, 24))
    spaces = {
        name: (centres[codes] + rng.normal(0, 1.1, (600, 24)) + 1).astype(np.float32) for name in ("simclr", "byol")
    }
    labels = np.array(REGIONS, dtype=object)[codes]
    return Archive(labels, spaces, np.array([f"p{number // 3}" for number in range(600)], dtype=object))
