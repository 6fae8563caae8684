"""Images sorted into clusters that a person can name in one go.

The idea of SAM-X (Hinterwimmer et al., European Radiology 33, 2022), here on vectors that are there already:
k-means (Lloyd; seeded as by Arthur and Vassilvitskii, "k-means++", 2007) on directions. Of each cluster a few images
are shown, from its middle to its edge, so that a mixed cluster is seen to be mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.errors import UsageError
from embedkit.heads.folds import Ints
from embedkit.heads.moments import Floats
from embedkit.indexes.vectors import unit

SHOWN = 40
_SAMPLE = 20_000
"""Images that the centres are fitted to."""
_CHUNK = 65536


@dataclass(frozen=True)
class Clusters:
    """N images in K clusters, the largest first."""

    of_image: Ints
    """int64 (N,), the number of each image's cluster, 0..K-1."""
    cosine: Floats
    """float32 (N,), to the centre of the cluster."""

    def __len__(self) -> int:
        return int(self.of_image.max(initial=-1)) + 1

    @property
    def sizes(self) -> Ints:
        """Images of each cluster, int64 (K,)."""
        return np.bincount(self.of_image, minlength=len(self))

    def examples(self, cluster: int, count: int = SHOWN) -> Ints:
        """Rows of a cluster, int64 (at most `count`,), evenly from its middle to its edge."""
        rows = np.flatnonzero(self.of_image == cluster)
        rows = rows[np.argsort(-self.cosine[rows], kind="stable")]
        return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))]


def find_clusters(vectors: Floats, count: int, *, seed: int = 0) -> Clusters:
    """Sort vectors, float32 (N, D), into at most `count` clusters; the same vectors and seed give the same clusters.

    Raises UsageError ``empty-index`` where there is no vector.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 (scikit-learn takes long to import)

    if len(vectors) == 0:
        raise UsageError("empty-index", "the index holds no image: embed some first")
    points = unit(vectors)
    rng = np.random.default_rng(seed)
    sample = points if len(points) <= _SAMPLE else points[np.sort(rng.choice(len(points), _SAMPLE, replace=False))]
    different = len(np.unique(sample, axis=0))
    fitted = KMeans(min(count, different), n_init=1, random_state=seed).fit(sample)
    centres = unit(np.ascontiguousarray(fitted.cluster_centers_, dtype=np.float32))
    of_image, cosine = np.empty(len(points), np.int64), np.empty(len(points), np.float32)
    for start in range(0, len(points), _CHUNK):
        part = slice(start, start + _CHUNK)
        near = points[part] @ centres.T
        of_image[part], cosine[part] = near.argmax(axis=1), near.max(axis=1)
    sizes = np.bincount(of_image, minlength=len(centres))
    place = np.empty(len(centres), np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(centres))
    return Clusters(place[of_image], cosine)
