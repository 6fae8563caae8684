"""An index that lives in memory, with a picture that tells its row, for maps."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from embedkit.quality.table import SCHEMA

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&${given} $\\alpha_"


class MapIndex:
    """Clusters of vectors, one a region; every eighth image has no label."""

    def __init__(self, count=80, regions=("hand", "knee", "foot"), seed=0):
        rng = np.random.default_rng(seed)
        true = rng.integers(0, len(regions), count)
        self.true = np.array(regions, dtype=object)[true]
        given = self.true.copy()
        given[::8] = ""
        names = [f"1.2.826.{row}" for row in range(count)]
        self.images = pa.table(
            {
                "image_id": names,
                "sop_instance_uid": names,
                "path": [f"/dump/CANARY^JANE/{row}.dcm" for row in range(count)],
                "region": pa.array(list(given), pa.string()),
            }
        )
        self.header_regions = self.images["region"]
        self.path = Path("/index")
        self.spaces = {"simclr": SimpleNamespace(encoder="0" * 64)}
        centres = rng.normal(size=(len(regions), 24))
        self._vectors = (centres[true] * 2 + rng.normal(size=(count, 24))).astype(np.float32)

    def __len__(self):
        return self.images.num_rows

    def space_name(self, space=None):
        return space or "simclr"

    def vectors(self, space=None):
        return self._vectors

    def pictures(self, rows):
        return np.stack([np.full((256, 256), 10 + 2 * row, np.uint8) for row in rows])


def write_issues(path, entries):
    """A table as `find-label-issues` writes it, of (row, issue, suggested region, score)."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(SCHEMA.names)
        for rank, (row, issue, region, score) in enumerate(sorted(entries, key=lambda entry: -entry[3]), start=1):
            writer.writerow(
                [rank, f"1.2.826.{row}", "/dump/é\n.dcm", issue, "hand", region, score, 0.5, 0.5, "", "", "", "It is."]
            )
    return path
