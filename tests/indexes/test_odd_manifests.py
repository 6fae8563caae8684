"""A manifest from anybody, whose checksum holds: each value that cannot be is damage, and no traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedkit.errors import IndexFolderError
from embedkit.indexes import Index
from embedkit.indexes.attempts import Attempt
from embedkit.indexes.manifest import LabelsFile, Manifest, RemovedFile, SearchFile, Shard, Space, TableFile, VectorFile
from embedkit.indexes.manifest_files import _seal, _to_json, read_manifest

WHOLE = Manifest(
    1,
    "key",
    {"a": Space("e", "1", "fp32", "torch-cpu", 224, 512)},
    (Shard(0, 1, "s", {"a": VectorFile("v", (0,))}, Attempt(1, 1.0, "0")),),
    {"a": SearchFile(1, "s", "i", 1)},
    LabelsFile(1, "s"),
    ("CR",),
    TableFile(1, "s", 1, 1),
    vocabulary="v",
    removed=RemovedFile(1, "s"),
    next_shard=1,
)
ODD = (None, True, -1, 10**30, 1.5, float("inf"), float("nan"), "", "x", "../x", [], [1], {}, {"a": 1}, [[[]]])


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key and place of a document, as the way there."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*before, key)
        yield from places(value[key], (*before, key))


def put(document: Any, place: tuple[Any, ...], value: object) -> bytes:
    changed = copy.deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return json.dumps(changed).encode()


def read(folder: Path, body: bytes) -> str:
    """Open an index with this manifest and return the reason why it cannot be, "" where it can."""
    (folder / "manifest-000001.json").write_bytes(_seal(body))
    try:
        Index.open(folder)
    except IndexFolderError as error:
        return error.reason
    return ""


def test_no_odd_value_ends_in_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "manifest-000001.json").write_bytes(_seal(_to_json(WHOLE)))
    assert read_manifest(tmp_path, 1) == WHOLE
    document = json.loads(_to_json(WHOLE))
    reasons = {read(tmp_path, put(document, place, value)) for place in places(document) for value in ODD}
    assert reasons <= {"", "index-damaged", "index-too-new"}


@pytest.mark.parametrize("rows", [-1, 1 << 31, 10**30, float("inf"), "x", None])
def test_a_shard_has_as_many_rows_as_one_can_have(tmp_path: Path, rows: object) -> None:
    document = json.loads(_to_json(WHOLE))
    assert read(tmp_path, put(document, ("shards", 0, "rows"), rows)) == "index-damaged"


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_damage(tmp_path: Path, body: bytes) -> None:
    assert read(tmp_path, body) == "index-damaged"
