"""The files of manifests: reading the newest whole one, and committing the next by rename.

A manifest is JSON, sealed by its own checksum. Those of earlier formats read as they would be in this one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from embedkit.dicom.codecs.choice import CODECS, Codecs
from embedkit.encoder.names import SPACE_NAME
from embedkit.errors import IndexFolderError
from embedkit.indexes.attempts import Attempt
from embedkit.indexes.manifest import (
    FORMAT_VERSION,
    LabelsFile,
    Manifest,
    RemovedFile,
    SearchFile,
    Shard,
    Space,
    TableFile,
    VectorFile,
    manifest_name,
)
from embedkit.indexes.storage import remove_files, write_bytes

_READABLE = (1, 2, 3)
"""What earlier versions wrote is read, and written to after `embedkit migrate`."""
_MANIFEST_NAME = re.compile(r"manifest-(\d{6,})\.json")
_DECISIONS = " (`embedkit export --out decisions.csv` writes what reviewers decided all the same)"
_TRIES = 5
"""A reader looks again where a writer replaced the manifests that it was about to read."""
_HEAD, _MIDDLE, _TAIL = b'{"sha256":"', b'","manifest":', b"}\n"


def manifest_numbers(folder: Path) -> list[int]:
    """Return the numbers of the manifests in `folder`, newest first."""
    matches = (_MANIFEST_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in matches if match), reverse=True)


def read_newest_manifest(folder: Path) -> Manifest:
    """Return the newest manifest whose checksum holds; raises as `find_newest_manifest` does."""
    return find_newest_manifest(folder)[0]


def find_newest_manifest(folder: Path) -> tuple[Manifest, list[int]]:
    """Return the newest manifest whose checksum holds, and the numbers of newer ones that are damaged, newest first.

    Where there are damaged ones, the manifest is without what was committed last.

    Raises
    ------
    IndexFolderError
        ``index-absent``, ``index-unreadable``, ``index-damaged`` where no manifest is whole, ``index-too-new`` where
        the newest one was written by a later version of the program.
    """
    for _ in range(_TRIES):
        try:
            numbers = manifest_numbers(folder) if folder.is_dir() else []
        except OSError as error:
            raise IndexFolderError("index-unreadable", f"{folder}: it cannot be read ({error.strerror})") from error
        if not numbers:
            raise IndexFolderError("index-absent", f"{folder}: there is no index here; `embedkit embed` makes one")
        damaged: list[int] = []
        for number in numbers:
            try:
                return read_manifest(folder, number), damaged
            except FileNotFoundError:  # a writer has committed meanwhile
                continue
            except IndexFolderError as error:
                if error.reason != "index-damaged":
                    raise
                damaged.append(number)
    raise IndexFolderError("index-damaged", f"{folder}: no manifest is whole; embed into a new folder{_DECISIONS}")


def describe_fallback(folder: Path, manifest: Manifest, damaged: Sequence[int]) -> str:
    """Say what it means that manifests newer than this one are damaged."""
    lost = " and ".join(manifest_name(number) for number in damaged)
    return (
        f"{folder}: {lost} cannot be read, so that this is the state of {manifest_name(manifest.number)}, without what "
        "was committed after it; `embedkit verify --repair` rebuilds that from the files that stand"
    )


def read_manifest(folder: Path, number: int) -> Manifest:
    """Read one manifest; raises `IndexFolderError` as `find_newest_manifest` does, and `FileNotFoundError`."""
    path = folder / manifest_name(number)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise IndexFolderError("index-unreadable", f"{path}: it cannot be read ({error.strerror})") from error
    body = data[len(_HEAD) + 64 + len(_MIDDLE) : -len(_TAIL)]
    if data != _seal(body):
        raise IndexFolderError("index-damaged", f"{path}: its checksum does not hold")
    try:
        content = json.loads(body)
        written = content["format"]
        if written in _READABLE:
            return _from_json(number, content)
        newer = written > FORMAT_VERSION
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise IndexFolderError("index-damaged", f"{path}: it is not a manifest of this program") from error
    if not newer:
        raise IndexFolderError("index-damaged", f"{path}: there is no format {written}")
    message = f"{folder}: format {written} was written by a newer embedkit; this one reads up to {FORMAT_VERSION}"
    raise IndexFolderError("index-too-new", message + _DECISIONS)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Commit: put `manifest` in place; the one before it stays until the next commit."""
    write_bytes(folder / manifest_name(manifest.number), _seal(_to_json(manifest)))
    old = [number for number in manifest_numbers(folder) if number < manifest.number - 1]
    remove_files([folder / manifest_name(number) for number in old])


def _seal(body: bytes) -> bytes:
    """Wrap the manifest with its own checksum; every byte of the file is either checked or constant."""
    return _HEAD + hashlib.sha256(body).hexdigest().encode() + _MIDDLE + body + _TAIL


def _to_json(manifest: Manifest) -> bytes:
    """Write compactly, a line a shard: a large archive has 100,000 of them, and a commit writes them all."""
    head = {
        "format": FORMAT_VERSION,
        "patient_key": manifest.patient_key,
        "spaces": {name: asdict(space) for name, space in manifest.spaces.items()},
        "search": {name: asdict(file) for name, file in manifest.search.items()},
        "labels": asdict(manifest.labels) if manifest.labels else None,
        "modalities": manifest.modalities,
        "table": asdict(manifest.table) if manifest.table else None,
        "hashed_paths": manifest.hashed_paths,
        "vocabulary": manifest.vocabulary,
        "removed": asdict(manifest.removed) if manifest.removed else None,
        "next_shard": manifest.next_shard,
    }
    shards = ",\n".join(
        f'{{"number":{shard.number},'
        + _shard_to_json(shard.rows, shard.sha256, tuple(shard.vectors.items()), shard.tried, shard.codecs)[1:]
        for shard in manifest.shards
    )
    return f'{_compact(head)[:-1]},"shards":[\n{shards}]}}'.encode()


@lru_cache(maxsize=2**18)
def _shard_to_json(
    rows: int, sha256: str, vectors: tuple[tuple[str, VectorFile], ...], tried: Attempt | None, codecs: Codecs
) -> str:
    """Shards never change, so their lines are made once in a run."""
    files = {space: {"sha256": file.sha256} | ({"bad": file.bad} if file.bad else {}) for space, file in vectors}
    attempt = {"tried": asdict(tried)} if tried else {}
    chosen = {"codecs": codecs} if codecs != "fast" else {}
    return _compact({"rows": rows, "sha256": sha256, "vectors": files} | attempt | chosen)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _from_json(number: int, content: dict[str, Any]) -> Manifest:
    """Build a manifest; raises ValueError, KeyError, TypeError or AttributeError for anything that is none."""
    if not all(SPACE_NAME.fullmatch(name) for name in (*content["spaces"], *content["search"])):
        raise ValueError("a space's name becomes part of a file's name")
    labels, table, removed = content["labels"], content["table"], content.get("removed")
    shards = tuple(_shard_from_json(place, shard) for place, shard in enumerate(content["shards"]))
    next_shard = int(content.get("next_shard", len(shards)))
    if len({shard.number for shard in shards}) < len(shards) or any(shard.number >= next_shard for shard in shards):
        raise ValueError("two shards of one number, or a number to come")
    return Manifest(
        number,
        content["patient_key"],
        {name: Space(**space) for name, space in content["spaces"].items()},
        shards,
        {
            name: SearchFile(int(file["number"]), file["sha256"], file["ids"], int(file["mtime_ns"]))
            for name, file in content["search"].items()
        },
        LabelsFile(int(labels["number"]), labels["sha256"]) if labels else None,
        tuple(content["modalities"]),
        TableFile(int(table["number"]), table["sha256"], int(table["mtime_ns"]), int(table["images"]))
        if table
        else None,
        content["format"],
        bool(content.get("hashed_paths")),
        str(content.get("vocabulary", "")),
        RemovedFile(int(removed["number"]), removed["sha256"]) if removed else None,
        next_shard,
    )


def _shard_from_json(place: int, shard: dict[str, Any]) -> Shard:
    """Build a shard; its number was its place before format 3."""
    files = {name: VectorFile(file["sha256"], tuple(file.get("bad", ()))) for name, file in shard["vectors"].items()}
    if not all(SPACE_NAME.fullmatch(name) for name in files):
        raise ValueError("a space's name becomes part of a file's name")
    tried = shard.get("tried")
    attempt = Attempt(int(tried["memory_bytes"]), float(tried["timeout_s"]), str(tried["version"])) if tried else None
    number, rows, codecs = int(shard.get("number", place)), int(shard["rows"]), shard.get("codecs", "fast")
    if not (0 <= rows < 1 << 31 and 0 <= number < 1 << 31):
        raise ValueError("a shard holds the rows of some hundred files")
    if codecs not in CODECS:
        raise ValueError("codecs that nobody knows")
    return Shard(number, rows, shard["sha256"], files, attempt, codecs)
