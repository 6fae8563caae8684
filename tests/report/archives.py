"""An archive that lives in memory, whose truth is known, and readers who tell it."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from embedkit.quality import IssueTable
from embedkit.quality.table import SCHEMA
from embedkit.review import Decision

REGIONS = ("foot", "hand", "knee")


class ArchiveIndex:
    """120 images of three regions in two spaces; a sixth of the labels is wrong, some are missing."""

    def __init__(self, seed=0, count=120, spaces=("simclr", "byol")):
        rng = np.random.default_rng(seed)
        true = rng.integers(0, 3, count)
        self.true = [REGIONS[region] for region in true]
        given = list(self.true)
        self.wrong, self.out_of_domain, self.blank, self.missing = np.split(rng.permutation(count)[:32], [18, 23, 25])
        for row in self.wrong:
            given[row] = str(rng.choice([name for name in REGIONS if name != given[row]]))
        for row in self.out_of_domain:
            self.true[row] = "out-of-domain"
        for row in self.blank:
            self.true[row] = "unusable"
        for row in self.missing:
            given[row] = ""
        names = [f"1.2.826.{row}" for row in range(count)]
        self.images = pa.table(
            {
                "image_id": names,
                "sop_instance_uid": names,
                "study_instance_uid": [f"1.2.840.{row // 3}" for row in range(count)],
                "path": [f"/dump/CANARY^JANE/{row}.dcm" for row in range(count)],
                "region": given,
                "given": [region.upper() for region in given],
                "region_source": ["body-part-examined" if region else "" for region in given],
                "patient": [f"hash{row // 2}" for row in range(count)],
                "device": ["Acme One" if row % 3 else "" for row in range(count)],
                "station": ["ROOM1"] * count,
                "year": pa.array([2018 + row % 2 for row in range(count)], pa.int32()),
            }
        )
        self.header_regions = self.images["region"]
        self.rejected_files = pa.table({"reason": ["truncated", "not-an-image", "truncated"]})
        self.path = Path("/index")
        self.spaces = {name: SimpleNamespace(encoder="0" * 64) for name in spaces}
        centres = rng.normal(size=(3, 12))
        self._vectors = {
            name: (centres[true] + rng.normal(size=(count, 12)) + 0.1).astype(np.float32) for name in spaces
        }

    def __len__(self):
        return self.images.num_rows

    def space_name(self, space=None):
        return space or next(iter(self.spaces))

    def vectors(self, space=None):
        return self._vectors[self.space_name(space)]

    def pictures(self, rows):
        return np.stack([np.full((256, 256), 10 + row, np.uint8) for row in rows])

    def with_column(self, name, values):
        place = self.images.schema.get_field_index(name)
        self.images = self.images.set_column(place, name, [pa.array(values)])
        return self


def rank(index):
    """A ranking of all images by what is planted: most of the wrong labels, and one right one."""
    suspects = dict.fromkeys([*index.wrong[:12], int(np.setdiff1d(range(20), index.wrong)[0])], ("mislabelled", 0.9))
    suspects |= dict.fromkeys(index.out_of_domain, ("out-of-domain", 0.8)) | dict.fromkeys(
        index.blank, ("unusable", 1.0)
    )
    suspects |= dict.fromkeys(index.missing, ("missing-label", 0.3))
    entries = [(row, *suspects.get(row, ("none", 0.1))) for row in range(len(index))]
    entries.sort(key=lambda entry: -entry[2])
    given = index.images["region"].to_pylist()
    rows = [
        dict(
            zip(
                SCHEMA.names,
                (rank, f"1.2.826.{row}", "/dump/CANARY^JANE", issue, given[row], "", score, 0.5, 0.5, "", "", "", ""),
                strict=True,
            )
        )
        for rank, (row, issue, score) in enumerate(entries, start=1)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return IssueTable(table, tuple(int(row) for row, *_ in entries), len(index), ("A note.",))


def decide(row, outcome, prior, reviewer="anna", number=1):
    """A decision that makes `outcome` of the label `prior` of an image."""
    verdict = outcome if outcome in ("out-of-domain", "unusable", "skip") else "keep" if outcome == prior else "relabel"
    time = datetime(2024, 5, 6, tzinfo=UTC)
    region = outcome if verdict == "relabel" else ""
    return Decision(number, f"1.2.826.{row}", reviewer, time, verdict, region, prior, "CANARY^JANE")


def decide_by_truth(index, rows, reviewer="anna"):
    given = index.images["region"].to_pylist()
    return [decide(row, index.true[row], given[row], reviewer) for row in rows]
