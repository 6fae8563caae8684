"""Checks every byte of an index against its checksums."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from embedkit.errors import IndexFolderError
from embedkit.indexes.checked_files import NOTE_NAME
from embedkit.indexes.manifest import Manifest, images_name, labels_name, manifest_name, vectors_name
from embedkit.indexes.manifest_files import manifest_numbers, read_manifest, read_newest_manifest
from embedkit.indexes.overlay import read_overlay
from embedkit.indexes.removal import read_removed
from embedkit.indexes.sealed_files import list_rankings, read_sealed
from embedkit.indexes.shards import read_facts
from embedkit.indexes.storage import remove_files, sha256_of

_NUMBER = re.compile(r"\d{6,}")
_ADVICE = "`embedkit compact` rids the index of it"


def verify(path: Path | str, *, deep: bool = False) -> list[str]:
    """Return what is wrong with the index at `path`, a line a problem; an empty list where every byte is right.

    The manifest before the newest is checked too: it is what an index falls back on. Where `deep`, it is wrong too if
    anything is left of images that were removed, or of an earlier state that could hold it.

    Raises
    ------
    IndexFolderError
        ``index-absent``, ``index-damaged`` where no manifest is whole, or ``index-too-new``.
    """
    folder = Path(path)
    manifest = read_newest_manifest(folder)
    problems = [problem for number in manifest_numbers(folder) if (problem := _manifest_problem(folder, number))]
    for name, sha256 in manifest.live_files().items():
        try:
            if sha256_of(folder / name) != sha256:
                problems.append(f"{name}: its content is not what was written")
        except FileNotFoundError:
            problems.append(f"{name}: it is missing")
        except OSError as error:
            problems.append(f"{name}: it cannot be read ({error.strerror})")
    problems += [
        f"{path.relative_to(folder)}: its content is not what was written; it is not used"
        for path in list_rankings(folder)
        if read_sealed(path) is None
    ]
    if problems:  # readers look again, and do not go by what they found earlier
        with suppress(IndexFolderError):
            remove_files([folder / NOTE_NAME])
    return problems or [*_row_problems(folder, manifest), *(_find_remains(folder, manifest) if deep else ())]


def _find_remains(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Tell of rows and labels of removed images, and of files from before they were removed."""
    removed = read_removed(folder, manifest)
    for shard in manifest.shards:
        names = read_facts(folder / images_name(shard.number), shard.rows, ("sop_instance_uid", "content_blake3"))
        left = sum(removed.hold(*pair) for pair in zip(*(column.to_pylist() for column in names.columns), strict=True))
        if left:
            yield f"{images_name(shard.number)}: {left:,} rows of removed images; {_ADVICE}"
    if manifest.labels:
        name = labels_name(manifest.labels.number)
        if left := sum(map(removed.hold_image, read_overlay(folder / name)["image_id"].to_pylist())):
            yield f"{name}: {left:,} labels of removed images; {_ADVICE}"
    if manifest.removed:
        yield from _find_earlier(folder, manifest, manifest.removed.number)


def _find_earlier(folder: Path, manifest: Manifest, removal: int) -> Iterator[str]:
    """Tell of files from before the commit of a removal: shards that no longer count, and what was derived."""
    named = manifest.live_files()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        number = _NUMBER.search(path.name)
        if number and name not in named and (name.startswith("shards/") or int(number[0]) < removal):
            yield f"{name}: it may hold removed images; {_ADVICE}"


def _manifest_problem(folder: Path, number: int) -> str:
    try:
        read_manifest(folder, number)
    except (IndexFolderError, FileNotFoundError) as error:
        return f"{manifest_name(number)}: {error}"
    return ""


def _row_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Compare the rows of all files: their bytes are right here, so only the program that wrote them can be wrong."""
    problems = []
    for shard in manifest.shards:
        names = [images_name(shard.number), *(vectors_name(shard.number, space) for space in shard.vectors)]
        for name in names:
            with (folder / name).open("rb") as file:  # pyarrow takes no path that this locale cannot say
                rows = pq.read_metadata(file).num_rows
            if rows != shard.rows:
                problems.append(f"{name}: {rows} rows where there should be {shard.rows}")
    return problems
