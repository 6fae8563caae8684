"""docs/index-format.md names all there is, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from embedkit.indexes import Index, remove
from embedkit.indexes.checked_files import NOTE_NAME
from embedkit.indexes.overlay import OVERLAY_SCHEMA
from embedkit.indexes.shards import FACTS_SCHEMA, IMAGES_SCHEMA

from .conftest import Embed, write_dump
from .test_labels import label_by_path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "index-format.md"


def table_under(heading: str) -> dict[str, str]:
    """The first cells of a table, without backquotes, and the rest of their lines."""
    section = DOCUMENT.read_text().split(heading, 1)[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE))


def test_every_column_is_documented_with_its_type() -> None:
    documented = {name: cells.split(" | ")[0] for name, cells in table_under("## Columns of").items()}
    types = {field.name: "list of string" if field.name == "notes" else str(field.type) for field in IMAGES_SCHEMA}
    assert documented == types
    assert all(f"`{name}`" in DOCUMENT.read_text() for name in OVERLAY_SCHEMA.names)


def test_every_file_and_every_key_of_the_manifest_is_documented(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 5)
    run(labels=label_by_path)
    index = tmp_path / "index"
    remove(index, Index.open(index).images["image_id"].to_pylist()[:1])
    kinds = {re.sub(r"\d{6}", "NNNNNN", str(path.relative_to(index))) for path in index.rglob("*") if path.is_file()}
    kinds = {kind.replace("tiny", "SPACE") for kind in kinds}
    by_others = {"decisions.sqlite", "decisions-backup.sqlite", NOTE_NAME, "rankings/KEY.ranking"}
    assert kinds | by_others == set(table_under("# The index folder"))
    manifest = json.loads(max(index.glob("manifest-*.json")).read_text())
    assert set(manifest) == {"sha256", "manifest"}
    keys = table_under("## The manifest")
    assert set(manifest["manifest"]) == set(keys)
    inner = {
        "spaces": manifest["manifest"]["spaces"]["tiny"],
        "shards": manifest["manifest"]["shards"][0],
        "search": manifest["manifest"]["search"]["tiny"],
        "labels": manifest["manifest"]["labels"],
    }
    assert {(key, name) for key, names in inner.items() for name in names if f"`{name}`" not in keys[key]} == set()


@pytest.mark.slow
def test_files_are_what_the_document_says(tmp_path: Path, run: Embed) -> None:
    write_dump(tmp_path / "dump", 5)
    run(labels=label_by_path)
    index = tmp_path / "index"
    for path in sorted(index.glob("shards/*.images.parquet")):
        assert pq.read_schema(path).equals(IMAGES_SCHEMA)
    assert Index.open(index).images.schema.equals(FACTS_SCHEMA)
    assert Index.open(index).rejected.schema.equals(FACTS_SCHEMA)
    assert pq.read_schema(next(index.glob("labels-*.parquet"))).equals(OVERLAY_SCHEMA)
    assert str(pq.read_schema(next(index.glob("shards/*.tiny.parquet"))).field("vector").type).startswith("fixed_size")
    assert (index / "patient-key").stat().st_size == 32
    assert (index / "lock").stat().st_size == 0
