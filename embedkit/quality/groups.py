"""Groups of images that show one exposure, and which of each to keep.

A repeat of a repeat is a repeat: groups are the connected components of the pairs found. The one to keep is the one
that holds the most: most pixels in the original file, then fewest thumbnail pixels driven to black or white by a
window, then the first path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from embedkit.quality.duplicates import Duplicates
from embedkit.quality.pictures import Pictures

KEEP, REPEAT = "keep", "repeat"
_BLACK, _WHITE = 2, 253
"""Grey levels beyond which nothing can be told any more."""


def choose_kept(
    duplicates: Duplicates, pixels: npt.NDArray[np.int64], thumbnails: Pictures, paths: Sequence[str]
) -> Mapping[int, int]:
    """By row of each image that is repeated, the row of the one to keep of its group, which may be itself.

    Parameters
    ----------
    duplicates
        Pairs of rows among N images.
    pixels
        int64 (N,), rows times columns of each original.
    thumbnails
        uint8 (N, 32, 32).
    paths
        N paths.
    """
    rows = np.unique(np.concatenate([duplicates.first, duplicates.second]))
    grey = ((thumbnails[rows] > _BLACK) & (thumbnails[rows] < _WHITE)).sum(axis=(1, 2))
    worth = {
        row: (-int(pixels[row]), -int(shown), paths[row], row) for row, shown in zip(rows.tolist(), grey, strict=True)
    }
    kept = {row: row for row in worth}

    def best_of(row: int) -> int:
        while kept[row] != row:
            kept[row] = kept[kept[row]]
            row = kept[row]
        return row

    for pair in zip(duplicates.first.tolist(), duplicates.second.tolist(), strict=True):
        better, other = sorted(map(best_of, pair), key=worth.__getitem__)
        kept[other] = better
    return {row: best_of(row) for row in kept}
