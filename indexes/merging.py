"""Several indexes made into one: what embedding all of their dumps into one index would have given."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from embedkit.errors import IndexFolderError, UsageError
from embedkit.indexes import image_table
from embedkit.indexes.columns import flags
from embedkit.indexes.derived import refresh_table, update_spaces
from embedkit.indexes.image_table import ImageTable
from embedkit.indexes.lock import hold_lock
from embedkit.indexes.manifest import LabelsFile, Manifest, Shard, images_name, labels_name, vectors_name
from embedkit.indexes.manifest_files import read_newest_manifest, write_manifest
from embedkit.indexes.overlay import OVERLAY_SCHEMA, merge_overlays, read_overlay, write_overlay
from embedkit.indexes.removal import FILE_COLUMNS, keep_out, read_removed, take_out
from embedkit.indexes.rows import read_live_rows
from embedkit.indexes.storage import TEMPORARY_SUFFIX, make_folder, plain_errors, sha256_of, sync_folder
from embedkit.indexes.stored_paths import KEY_NAME
from embedkit.indexes.writer import open_writer
from embedkit.progress import OnProgress, ignore_progress


@dataclass(frozen=True)
class MergeReport:
    """What became of the images of several indexes in one."""

    images: int
    """Images in the new index."""
    of_each: tuple[int, ...]
    """Images in each of the others."""
    rejected: int
    """Files in the new index that have none: those of the others, and repeats of one index in another."""
    notes: tuple[str, ...] = ()

    @property
    def met_again(self) -> int:
        """Images that stand in several of the others, and once in the new one."""
        return sum(self.of_each) - self.images


def merge(
    indexes: Sequence[Path],
    out: Path,
    *,
    on_progress: OnProgress = ignore_progress,
    add: Callable[[Path], object] | None = None,
) -> MergeReport:
    """Make one index of several at `out`, as embedding their dumps one after the other would have.

    No original file is opened, and the others stay as they are. A path that stands in several counts as the last one
    has it, and so does a label from a table; of files with one SOP Instance UID one is an image, as always. The
    patient key is that of the first.

    Parameters
    ----------
    on_progress
        Is told how many shards of how many are copied, then as `embed` tells.
    add
        Is given the folder of the new index before it gets its name, to put more into it.

    Raises
    ------
    UsageError
        ``one-index`` where fewer than two are named, ``output-exists``, or ``spaces-differ`` where their vectors cannot
        stand in one space; ``paths-differ`` where paths are hashed, and not in all of them under one key.
    IndexFolderError
        As `read_newest_manifest` and `open_writer`; nothing is at `out` then.
    """
    folders = [Path(index) for index in indexes]
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise UsageError("one-index", "name two indexes or more, each of them once")
    if out.exists():
        raise UsageError("output-exists", f"{out}: it is there already; name a new folder")
    manifests = [read_newest_manifest(folder) for folder in folders]
    _check_spaces(folders, manifests)
    _check_paths(folders, manifests)
    of_each = tuple(len(image_table.load(*held)[0].images) for held in zip(folders, manifests, strict=True))
    with _new_folder(out) as place:
        _join(folders, manifests, place, on_progress)
        _keep_out_removed(folders, manifests, place)
        table = _derive(place, on_progress)
        if add:
            add(place)
    rejected = table.rejected_files.num_rows
    return MergeReport(len(table.images), of_each, rejected, tuple(_find_other_keys(folders, manifests)))


def _check_spaces(folders: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    """Refuse indexes whose spaces are not all the same."""
    for folder, manifest in zip(folders[1:], manifests[1:], strict=True):
        for name in sorted({*manifest.spaces, *manifests[0].spaces}):
            one, other = manifests[0].spaces.get(name), manifest.spaces.get(name)
            if one is None or other is None:
                lacking = folders[0] if one is None else folder
                message = (
                    f"{lacking} has no space {name}: embed its sources again with that encoder too, from the start"
                )
                raise UsageError("spaces-differ", f"{message} of one of its runs on; its stored pictures are used")
            if one != other:
                differing = ", ".join(key for key, value in vars(one).items() if value != getattr(other, key))
                message = f"{folder}: its space {name} was made with another {differing} than that of {folders[0]}"
                raise UsageError("spaces-differ", f"{message}, and vectors of the two do not mix")


def _check_paths(folders: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    """Refuse indexes that would keep one path in two ways."""
    for folder, manifest in zip(folders, manifests, strict=True):
        if manifest.hashed_paths and {(other.hashed_paths, other.patient_key) for other in manifests} != {
            (True, manifest.patient_key)
        }:
            message = f"{folder} hashes its paths, and not all others do so under the same key"
            raise UsageError("paths-differ", f"{message}: no file would be found; embed the sources into one index")


def _find_other_keys(folders: Sequence[Path], manifests: Sequence[Manifest]) -> Iterator[str]:
    """Yield a note for each index whose patients have hashes of their own."""
    for folder, manifest in zip(folders[1:], manifests[1:], strict=True):
        if manifest.patient_key != manifests[0].patient_key:
            known = "; what was removed from it alone is not kept out" if manifest.removed else ""
            yield f"{folder} has another patient key than {folders[0]}: a patient of both stands as two{known}"


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder that gets its name when all is in it; what a killed run left is removed by the next."""
    place = out.with_name(f".{out.name}{TEMPORARY_SUFFIX}")
    if place.exists():
        with hold_lock(place):  # whoever else is at it
            shutil.rmtree(place)
    for part in (place, place / "shards", place / "faiss"):
        make_folder(part)
    try:
        yield place
        with plain_errors(out):
            if out.exists():  # meanwhile
                raise UsageError("output-exists", f"{out}: it is there already; name a new folder")
            place.rename(out)
            sync_folder(out.parent)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _join(folders: Sequence[Path], manifests: Sequence[Manifest], place: Path, on_progress: OnProgress) -> None:
    """Copy shards under new numbers, lay the labels of the later over those of the earlier, and commit."""
    place.chmod(0o700)
    _copy(folders[0] / KEY_NAME, place / KEY_NAME, manifests[0].patient_key)
    advance, total = partial(on_progress, "Copying"), sum(len(manifest.shards) for manifest in manifests)
    shards: list[Shard] = []
    overlay: pa.Table | None = None
    for folder, manifest in zip(folders, manifests, strict=True):
        for shard in manifest.shards:
            number = len(shards)
            _copy(folder / images_name(shard.number), place / images_name(number), shard.sha256)
            for space, file in shard.vectors.items():
                _copy(folder / vectors_name(shard.number, space), place / vectors_name(number, space), file.sha256)
            shards.append(replace(shard, number=number))
            advance(len(shards), total)
        if manifest.labels:
            newer = read_overlay(folder / labels_name(manifest.labels.number))
            overlay = newer if overlay is None else merge_overlays(newer, overlay)
    sync_folder(place / "shards")
    modalities = set.intersection(*(set(manifest.modalities) for manifest in manifests))
    first = manifests[0]
    joined = Manifest(
        1,
        first.patient_key,
        first.spaces,
        tuple(shards),
        hashed_paths=first.hashed_paths,
        next_shard=len(shards),
    )
    if overlay is not None:
        sha256 = write_overlay(place / labels_name(1), overlay.cast(OVERLAY_SCHEMA))
        joined = replace(joined, labels=LabelsFile(1, sha256))
    vocabularies = {manifest.vocabulary for manifest in manifests}
    joined = replace(joined, vocabulary=vocabularies.pop() if len(vocabularies) == 1 else "")
    write_manifest(place, replace(joined, modalities=tuple(sorted(modalities))))


def _keep_out_removed(folders: Sequence[Path], manifests: Sequence[Manifest], place: Path) -> None:
    """Take out what was removed from any of the indexes, and keep out what was under the key of the first."""
    with open_writer(place) as writer:
        rows = read_live_rows(place, writer.manifest, FILE_COLUMNS).table
        files = list(zip(*(rows[name].to_pylist() for name in ("sop_instance_uid", "content_blake3")), strict=True))
        hashes: set[str] = set()
        for removed in map(read_removed, folders, manifests):
            if removed.key == writer.patient_key:
                hashes |= removed.hashes
            chosen = rows.filter(flags(np.array([removed.hold(*names) for names in files], bool)))
            if len(chosen):
                take_out(writer, chosen)
        if hashes:
            keep_out(writer, hashes)


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file that must be as it was written."""
    with plain_errors(target.parent):
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError as error:
            message = f"{source}: it is missing; see `embedkit verify`, or run again if the index was written meanwhile"
            raise IndexFolderError("index-damaged", message) from error
        target.chmod(0o600)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    if sha256_of(target) != sha256:
        raise IndexFolderError("index-damaged", f"{source}: it is not as it was written; see `embedkit verify`")


def _derive(place: Path, on_progress: OnProgress) -> ImageTable:
    with open_writer(place) as writer:
        table = refresh_table(writer)
        update_spaces(writer, table, on_progress)
        return table
