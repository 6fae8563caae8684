"""Taking images out for good, as when somebody withdraws consent: they do not come back with the next `embed`.

What is kept of them is a keyed hash of their SOP Instance UID and one of their content, which tell nothing without the
file that they are to keep out. Their rows and pictures are gone when the index has been compacted (`compaction`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from embedkit.dicom.instance import InstanceFacts
from embedkit.errors import UsageError
from embedkit.indexes.columns import texts, whole
from embedkit.indexes.derived import refresh_table, update_spaces
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.manifest import Manifest, labels_name, removed_name
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.indexes.overlay import read_overlay
from embedkit.indexes.removed_images import RemovedImages
from embedkit.indexes.rows import VANISHED, read_live_rows
from embedkit.indexes.sealed_files import forget_rankings
from embedkit.indexes.shards import read_table
from embedkit.indexes.stored_paths import KEY_NAME, StoredPaths
from embedkit.indexes.writer import IndexWriter, open_existing
from embedkit.labels.table import column_names, find_column, read_rows
from embedkit.progress import OnProgress, ignore_progress

REMOVED_SCHEMA = pa.schema([pa.field("hash", pa.string(), nullable=False)])
FILE_COLUMNS = ("image_id", "path", "sop_instance_uid", "content_blake3")
_NAMES = ("image_id", "sop_instance_uid", "path")


@dataclass(frozen=True)
class RemovalReport:
    """What became of images that were to be removed."""

    images: int
    files: int
    """With an image or several, or none: repeats of the images are removed too."""
    unknown: tuple[str, ...] = ()
    """Names of images that the index does not have."""


def remove(index_path: Path | str, names: Sequence[str], *, on_progress: OnProgress = ignore_progress) -> RemovalReport:
    """Take images out of the index at `index_path`, with their labels and whatever repeats them.

    Parameters
    ----------
    names
        Image ids, SOP Instance UIDs or paths. All frames of a file go together.

    Raises
    ------
    UsageError
        ``unknown-image`` where the index has none of them; nothing was changed then.
    IndexFolderError
        As `open_existing`.
    """
    with open_existing(Path(index_path)) as writer:
        files = read_live_rows(writer.folder, writer.manifest, (*FILE_COLUMNS, "reason")).table
        chosen, unknown = _choose(files, names, writer.paths())
        if not chosen.num_rows:
            raise UsageError("unknown-image", f"{index_path}: none of these images is in it")
        files_gone = take_out(writer, chosen)
        update_spaces(writer, refresh_table(writer), on_progress)
    return RemovalReport(pc.sum(pc.equal(chosen["reason"], "")).as_py(), files_gone, unknown)


def take_out(writer: IndexWriter, files: pa.Table) -> int:
    """Take out rows that count, with the columns that tell of files, and keep these out; return how many files."""
    removed = RemovedImages(writer.patient_key)
    keep_out(writer, removed.hash_all([*files["sop_instance_uid"].to_pylist(), *files["content_blake3"].to_pylist()]))
    _drop_labels(writer, files)
    forget_rankings(writer.folder)
    paths = sorted({*files["path"].to_pylist()})
    writer.add_shard([ImageRow(path, 0, 0, "", InstanceFacts(""), reason=VANISHED) for path in paths], {})
    return len(paths)


def keep_out(writer: IndexWriter, hashes: Collection[str]) -> None:
    """Keep out what has these hashes, beside what is kept out already."""
    every = read_removed(writer.folder, writer.manifest).hashes.union(hashes)
    writer.set_removed(pa.Table.from_arrays([texts(sorted(every))], schema=REMOVED_SCHEMA))


def read_names(path: Path) -> list[str]:
    """Read the column `image_id`, `sop_instance_uid` or `path` of a CSV file; raises UsageError ``labels-invalid``."""
    with read_rows(path) as rows:
        place = find_column(column_names(next(rows, [])), _NAMES, path)
        return [row[place] for row in rows if place < len(row) and row[place]]


def read_newest_removed(index_path: Path | str) -> RemovedImages:
    """As `read_removed`, of the newest state of the index in a folder; raises as `read_newest_manifest` too."""
    return read_removed(Path(index_path), read_newest_manifest(Path(index_path)))


def read_removed(folder: Path, manifest: Manifest) -> RemovedImages:
    """Read what was removed from an index; raises `IndexFolderError` ``index-damaged``."""
    key = (folder / KEY_NAME).read_bytes()
    if manifest.removed is None:
        return RemovedImages(key)
    table = read_table(folder / removed_name(manifest.removed.number), REMOVED_SCHEMA)
    return RemovedImages(key, frozenset(table["hash"].to_pylist()))


def _choose(files: pa.Table, names: Sequence[str], paths: StoredPaths) -> tuple[pa.Table, tuple[str, ...]]:
    """The rows of the files that are named, and of all that have their UID or their content; and names of none."""
    named: dict[str, list[int]] = {}
    for column in ("image_id", "sop_instance_uid", "path"):
        for row, value in enumerate(files[column].to_pylist()):
            named.setdefault(value, []).append(row)
    rows: set[int] = set()
    unknown = []
    for name in names:
        found = {row for text in (name, *paths.texts(Path(name).resolve())) for row in named.get(text, ())}
        rows |= found
        if not found:
            unknown.append(name)
    first = files.take(pa.array(sorted(rows), pa.int64()))
    alike = [
        pc.and_(pc.is_in(files[column], value_set=whole(first[column])), pc.not_equal(files[column], texts([""])[0]))
        for column in ("sop_instance_uid", "content_blake3", "path")
    ]
    return files.filter(pc.or_(pc.or_(alike[0], alike[1]), alike[2])), tuple(unknown)


def _drop_labels(writer: IndexWriter, files: pa.Table) -> None:
    if writer.manifest.labels is None:
        return
    overlay = read_overlay(writer.folder / labels_name(writer.manifest.labels.number))
    kept = overlay.filter(pc.invert(pc.is_in(overlay["image_id"], value_set=whole(files["image_id"]))))
    if len(kept) < len(overlay):
        writer.set_labels(kept)
