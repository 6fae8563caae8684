"""An index with codes that only a newer version knows: they stand for themselves, and nothing ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from embedkit.demo import write_demo_dump
from embedkit.dicom import InstanceFacts
from embedkit.indexes import Index
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.writer import open_existing
from embedkit.report.archive import describe_archive

from .test_commands import run


def test_codes_of_a_newer_version_stand_for_themselves(tmp_path: Path) -> None:
    dump, index = tmp_path / "dump", tmp_path / "index"
    write_demo_dump(tmp_path, images=2, seed=34)
    run("embed", dump, "--index", index)
    facts = InstanceFacts("1.2.3")
    image = replace(facts, given="Knie", region_source="newer-source")
    with open_existing(index) as writer:
        rows = [
            ImageRow("/1.dcm", 1, 1, "00", image, 1, notes=("newer-note",)),
            ImageRow("/2.dcm", 1, 1, "01", facts, reason="newer-reason"),
        ]
        writer.add_shard(rows, {"simclr": np.eye(2, 512, dtype=np.float32)})
    for told in (run("info", "--index", index), run("embed", dump, "--index", index)):
        assert "newer-note" in told.stdout
        assert "newer-reason" in told.stdout
    tables = {table.name: table.rows for table in describe_archive(Index.open(index)).tables}
    assert ("Knie", "newer-source", 1) in tables["unmapped"]
    assert ("newer-reason", 1, "newer-reason") in tables["rejected"]
