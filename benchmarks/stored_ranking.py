"""How long a ranking that is current takes to be read, beside a table of the same size read by pandas, in one run.

    python benchmarks/stored_ranking.py [--images 1000000]

The index is of its shards' facts alone: so many rows, one label in a hundred doubted, with UIDs and paths as long as
real ones. What is timed is all that stands between opening the index and having the suspects: the digest of its state,
the ranking, and the queue of the review.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from tables import draw_table

_ROWS = 20_000


def make_index(folder: Path, images: int) -> None:
    """Write shards of facts without pictures, and the table over them."""
    from embedkit.dicom import InstanceFacts
    from embedkit.indexes.derived import refresh_table
    from embedkit.indexes.image_rows import ImageRow
    from embedkit.indexes.writer import open_writer

    with open_writer(folder) as writer:
        for start in range(0, images, _ROWS):
            rows = [
                ImageRow(
                    f"/archive/dump/PAT{row // 3:07d}/ST{row:07d}/SE000000/IM{row:07d}",
                    10_000_000,
                    row,
                    f"{row:064x}",
                    InstanceFacts(
                        f"1.2.826.0.1.3680043.8.498.{row:040d}",
                        study_instance_uid=f"1.2.826.0.1.3680043.8.499.{row // 3:040d}",
                        modality="DX",
                        patient=f"{row // 3:032x}",
                        region=f"region {row % 20}",
                        given=f"REGION{row % 20}",
                        region_source="body-part-examined",
                        rows=2400,
                        columns=2000,
                    ),
                    1,
                )
                for row in range(start, min(start + _ROWS, images))
            ]
            writer.add_shard(rows, {})
        refresh_table(writer)


def make_ranking(ids: list[str], paths: list[str], regions: list[str]) -> object:
    """A ranking of all images, one in a hundred of them a suspect."""
    from embedkit.quality import IssueTable
    from embedkit.quality.table import SCHEMA

    count = len(ids)
    scores = np.sort(np.random.default_rng(0).random(count) ** 8)[::-1]
    names = np.where(np.arange(count) < count // 100, "mislabelled", "none")
    evidence = [";".join(ids[(row + step) % count] for step in range(1, 6)) for row in range(count)]
    reasons = ["Looks like region 3 (97% sure, 80% of the neighbours' vote)."] * (count // 100)
    columns = {
        "rank": np.arange(1, count + 1),
        "sop_instance_uid": ids,
        "path": paths,
        "issue": names.tolist(),
        "given_region": regions,
        "suggested_region": ["region 3"] * count,
        "score": scores,
        "confidence": scores,
        "neighbour_agreement": scores,
        "evidence": evidence,
        "duplicate_group": [""] * count,
        "duplicate_role": [""] * count,
        "reason": [*reasons, *[""] * (count - len(reasons))],
    }
    return IssueTable(pa.table(columns).cast(SCHEMA), tuple(range(count)), count, ())


def measure(images: int) -> dict[str, str]:
    """Seconds of each step."""
    from embedkit.indexes import Index
    from embedkit.quality.issues import _COLUMNS
    from embedkit.quality.stored_ranking import place_ranking, read_ranking, store_ranking
    from embedkit.review import list_suspects

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "index"
        make_index(folder, images)
        index = Index.open(folder)
        facts = [index.images[name].to_pylist() for name in ("image_id", "path", "region")]
        made = replace(make_ranking(*facts), made="2026-01-01T00:00:00+00:00")  # type: ignore[type-var, arg-type]
        kept = place_ranking(index, _COLUMNS, (), {}, 0)
        store_ranking(kept, made)  # type: ignore[arg-type]
        steps = {}
        start = time.perf_counter()
        index = Index.open(folder)
        kept = place_ranking(index, _COLUMNS, (), {}, 0)
        steps["digest"] = time.perf_counter() - start
        start = time.perf_counter()
        found = read_ranking(kept)
        steps["read"] = time.perf_counter() - start
        assert found is not None
        start = time.perf_counter()
        suspects = list_suspects(index, found)
        steps["queue"] = time.perf_counter() - start
        size = kept.stat().st_size / 1e6
        found.write_parquet(Path(place) / "table.parquet")
        start = time.perf_counter()
        import pandas as pd

        pd.read_parquet(Path(place) / "table.parquet")
        peer = time.perf_counter() - start
    seconds = {**steps, "together": sum(steps.values()), "pandas reads it": peer}
    told = {f"{name} s": f"{value:.2f}" for name, value in seconds.items()}
    return {"images": f"{images:,}", "suspects": f"{len(suspects):,}", **told, "MB": f"{size:.0f}"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000])
    print(draw_table([measure(images) for images in parser.parse_args().images]))


if __name__ == "__main__":
    main()
