"""Checks every byte of an index against its checksums."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from embedkit.errors import IndexFolderError
from embedkit.indexes.checked_files import NOTE_NAME
from embedkit.indexes.manifest import (
    Manifest,
    images_name,
    manifest_name,
    manifest_numbers,
    read_manifest,
    read_newest_manifest,
    vectors_name,
)
from embedkit.indexes.storage import remove_files, sha256_of


def verify(path: Path | str) -> list[str]:
    """Return what is wrong with the index at `path`, a line a problem; an empty list where every byte is right.

    The manifest before the newest is checked too: it is what an index falls back on.

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
    if problems:  # readers look again, and do not go by what they found earlier
        with suppress(IndexFolderError):
            remove_files([folder / NOTE_NAME])
    return problems or _row_problems(folder, manifest)


def _manifest_problem(folder: Path, number: int) -> str:
    try:
        read_manifest(folder, number)
    except (IndexFolderError, FileNotFoundError) as error:
        return f"{manifest_name(number)}: {error}"
    return ""


def _row_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Compare the rows of all files: their bytes are right here, so only the program that wrote them can be wrong."""
    problems = []
    for number, shard in enumerate(manifest.shards):
        names = [images_name(number), *(vectors_name(number, space) for space in shard.vectors)]
        for name in names:
            with (folder / name).open("rb") as file:  # pyarrow takes no path that this locale cannot say
                rows = pq.read_metadata(file).num_rows
            if rows != shard.rows:
                problems.append(f"{name}: {rows} rows where there should be {shard.rows}")
    return problems
