"""The one writer of an index: takes the lock, clears what a killed writer left, and commits."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from embedkit.dicom.codecs.choice import Codecs
from embedkit.indexes.attempts import Attempt, is_limited
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.lock import LOCK_NAME, hold_lock
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
    images_name,
    labels_name,
    manifest_name,
    next_manifest,
    removed_name,
    search_name,
    table_name,
    vectors_name,
)
from embedkit.indexes.manifest_files import (
    describe_fallback,
    find_newest_manifest,
    manifest_numbers,
    read_manifest,
    read_newest_manifest,
    write_manifest,
)
from embedkit.indexes.overlay import write_overlay
from embedkit.indexes.shards import write_images, write_table, write_vectors
from embedkit.indexes.storage import TEMPORARY_SUFFIX, make_folder, remove_files, sha256_of, sync_folder, write_bytes
from embedkit.indexes.stored_paths import KEY_NAME, StoredPaths, stored_paths
from embedkit.indexes.vectors import usable

if TYPE_CHECKING:
    from embedkit.indexes.image_table import ImageTable
    from embedkit.indexes.search import VectorSearch
from numpy.typing import NDArray

from embedkit.errors import EncoderError, IndexFolderError, UsageError


class IndexWriter:
    """Adds to an index; every public method is one commit, after which the state is on the disk."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest

    @property
    def patient_key(self) -> bytes:
        """The key of this index's patient hashes."""
        return (self.folder / KEY_NAME).read_bytes()

    def paths(self, near: Iterable[Path] = ()) -> StoredPaths:
        """Return how this index keeps paths; `near` as of `HashedPaths`."""
        return stored_paths(self.folder, self.manifest, near)

    def add_space(self, name: str, space: Space) -> None:
        """Add a vector space, or check that it is there with the same encoder.

        Raises
        ------
        EncoderError
            ``encoder-mismatch`` where the index's vectors were made by something else.
        """
        held = self.manifest.spaces.get(name)
        if held is None or (held == space and not held.method and space.method):
            self._commit(spaces=self.manifest.spaces | {name: space})
        elif held != space:
            pairs = [(key, str(value), str(getattr(space, key))) for key, value in vars(held).items()]
            differing = ", ".join(f"{key} ({was:.12}, now {now:.12})" for key, was, now in pairs if was != now)
            message = (
                f"{self.folder}: space {name} was made with another {differing}, and vectors of the two do not mix"
            )
            raise EncoderError("encoder-mismatch", f"{message}; use the earlier one, or embed into a new index")

    def add_shard(
        self,
        rows: Sequence[ImageRow],
        vectors: dict[str, NDArray[np.float32]],
        attempt: Attempt | None = None,
        codecs: Codecs = "fast",
    ) -> None:
        """Add a shard: `vectors` of each space, (rows, d), zero for a row without a picture.

        An `attempt` read it, by `codecs`.
        """
        number = self.manifest.next_shard
        pictured = np.array([bool(row.picture) for row in rows])
        sha256 = write_images(self.folder / images_name(number), rows)
        files = {space: self._write_vectors(number, space, array, pictured) for space, array in vectors.items()}
        tried = attempt if any(map(is_limited, rows)) else None
        shard = Shard(number, len(rows), sha256, files, tried, codecs)
        self._commit(shards=(*self.manifest.shards, shard), next_shard=number + 1)

    def add_vectors(self, place: int, space: str, vectors: NDArray[np.float32], pictured: NDArray[np.bool_]) -> None:
        """Add the vectors of one more space to the shard at a place of the list."""
        shard = self.manifest.shards[place]
        files = shard.vectors | {space: self._write_vectors(shard.number, space, vectors, pictured)}
        shards = list(self.manifest.shards)
        shards[place] = replace(shard, vectors=files)
        self._commit(shards=tuple(shards))

    def replace_shards(self, shards: Sequence[Shard]) -> None:
        """Put shards, new ones among them, in the place of all; where rows went, ids mean other images than before."""
        next_shard = max([self.manifest.next_shard, *(shard.number + 1 for shard in shards)])
        same_ids = [shard.rows for shard in shards] == [shard.rows for shard in self.manifest.shards]
        search = self.manifest.search if same_ids else {}
        self._commit(shards=tuple(shards), next_shard=next_shard, search=search)

    def forget_earlier(self) -> None:
        """Delete all that is not of this state, which otherwise the one before it is kept for."""
        for number in manifest_numbers(self.folder):
            if number != self.manifest.number:
                remove_files([self.folder / manifest_name(number)])
        _remove_leftovers(self.folder, self.manifest)

    def set_removed(self, hashes: pa.Table) -> None:
        """Put the hashes of what was removed in the place of the earlier ones."""
        number = self.manifest.number + 1
        sha256 = write_table(self.folder / removed_name(number), hashes)
        self._commit(removed=RemovedFile(number, sha256))

    def set_labels(self, overlay: pa.Table) -> None:
        """Put a labels overlay in the place of the earlier one."""
        number = self.manifest.number + 1
        sha256 = write_overlay(self.folder / labels_name(number), overlay)
        self._commit(labels=LabelsFile(number, sha256))

    def upgrade(self, overlay: pa.Table | None, spaces: Mapping[str, Space]) -> None:
        """Write the state in the newest format, with labels and spaces as they are in it."""
        number = self.manifest.number + 1
        labels = overlay and LabelsFile(number, write_overlay(self.folder / labels_name(number), overlay))
        self._commit(labels=labels, spaces=dict(spaces))

    def set_table(self, table: ImageTable) -> None:
        """Put the table of these shards and labels in the place of an earlier one."""
        number = self.manifest.number + 1
        path = self.folder / table_name(number)
        sha256 = table.write(path)
        self._commit(table=TableFile(number, sha256, path.stat().st_mtime_ns, len(table.images)))

    def set_reading(self, modalities: Collection[str], vocabulary: str) -> None:
        """Note which modalities a complete run took, and the digest of the vocabulary that it mapped labels by."""
        settled = {"modalities": tuple(sorted(modalities)), "vocabulary": vocabulary or self.manifest.vocabulary}
        if any(getattr(self.manifest, name) != value for name, value in settled.items()):
            self._commit(**settled)

    def set_search(self, space: str, found: VectorSearch) -> None:
        """Put a FAISS index in the place of the earlier one."""
        number = self.manifest.number + 1
        path = self.folder / search_name(space, number)
        entry = SearchFile(number, found.write(path), found.ids_digest, path.stat().st_mtime_ns)
        self._commit(search=self.manifest.search | {space: entry})

    def _write_vectors(
        self, number: int, space: str, vectors: NDArray[np.float32], pictured: NDArray[np.bool_]
    ) -> VectorFile:
        good = usable(vectors)
        clean = np.where(good[:, None], vectors, np.float32(0))
        sha256 = write_vectors(self.folder / vectors_name(number, space), clean)
        return VectorFile(sha256, tuple(np.flatnonzero(pictured & ~good).tolist()))

    def _commit(self, **changes: Any) -> None:
        manifest = next_manifest(self.manifest, **changes)
        write_manifest(self.folder, manifest)
        self.manifest = manifest


Rebuild = Callable[[Path, Manifest, Sequence[int]], Manifest]
"""Puts a manifest in the place of damaged ones, given their numbers and the newest one that is whole."""


@contextmanager
def open_writer(
    folder: Path, rebuild: Rebuild | None = None, *, hash_paths: bool = False, upgrade: bool = False
) -> Iterator[IndexWriter]:
    """Open an index for writing, or make one in an empty or absent folder, with hashed paths if asked for.

    An index whose newest manifest is damaged is refused, and nothing of it removed, unless `rebuild` makes it good. So
    is one of an earlier format, unless it is to be `upgrade`d: earlier versions cannot read it after the first commit.

    Raises
    ------
    IndexFolderError
        ``index-foreign``, ``index-locked``, ``index-damaged``, ``index-too-new``, ``index-earlier``, ``index-full``,
        ``index-read-only``.
    UsageError
        ``paths-not-hashed`` where they are to be, and the index was made without.
    """
    _refuse_foreign(folder)
    for part in (folder, folder / "shards", folder / "faiss"):
        make_folder(part)
    with hold_lock(folder):
        begun = bool(manifest_numbers(folder))
        manifest, damaged = find_newest_manifest(folder) if begun else (_start(folder, hash_paths), [])
        if damaged:
            if rebuild is None:
                raise IndexFolderError("index-damaged", describe_fallback(folder, manifest, damaged))
            manifest = rebuild(folder, manifest, damaged)
        if manifest.format < FORMAT_VERSION and not upgrade:
            message = f"{folder}: an earlier embedkit wrote this index (format {manifest.format})"
            raise IndexFolderError("index-earlier", f"{message}; `embedkit migrate` makes it one to write to")
        if not (folder / KEY_NAME).is_file() or sha256_of(folder / KEY_NAME) != manifest.patient_key:
            message = f"{folder}: the patient key is missing or damaged; restore {KEY_NAME}, or embed into a new folder"
            raise IndexFolderError("index-damaged", message)
        if hash_paths and not manifest.hashed_paths:
            message = f"{folder}: this index was made without --hash-paths, and keeps the names of files and folders"
            raise UsageError("paths-not-hashed", f"{message}; embed into a new folder, or leave the option out")
        _remove_leftovers(folder, manifest)
        yield IndexWriter(folder, manifest)


@contextmanager
def open_existing(folder: Path, rebuild: Rebuild | None = None, *, upgrade: bool = False) -> Iterator[IndexWriter]:
    """As `open_writer`, but make no index where there is none; raises `IndexFolderError` ``index-absent`` then."""
    read_newest_manifest(folder)
    with open_writer(folder, rebuild, upgrade=upgrade) as writer:
        yield writer


def _refuse_foreign(folder: Path) -> None:
    """Refuse to write among files that are not an index's."""
    if not folder.exists():
        return
    if folder.is_dir():
        names = {path.name for path in folder.iterdir() if path.suffix != TEMPORARY_SUFFIX}
        if names <= {LOCK_NAME, KEY_NAME, "shards", "faiss"} or manifest_numbers(folder):
            return
    raise IndexFolderError("index-foreign", f"{folder}: this is not an index; name a new or an empty folder")


def _start(folder: Path, hash_paths: bool) -> Manifest:
    """Make the key and the first manifest; a killed start begins anew."""
    folder.chmod(0o700)
    sync_folder(folder.parent)
    manifest = Manifest(1, write_bytes(folder / KEY_NAME, secrets.token_bytes(32)), hashed_paths=hash_paths)
    write_manifest(folder, manifest)
    return manifest


def _remove_leftovers(folder: Path, manifest: Manifest) -> None:
    """Remove what neither this manifest nor the one before it names: remains of a killed writer, replaced files."""
    live = set(manifest.live_files())
    for number in manifest_numbers(folder):
        if number == manifest.number - 1:
            try:
                live |= set(read_manifest(folder, number).live_files())
            except IndexFolderError:
                remove_files([folder / manifest_name(number)])
        elif number != manifest.number:
            remove_files([folder / manifest_name(number)])
    kept = {folder / name for name in live}
    patterns = ("shards/*", "faiss/*", "labels-*.parquet", "removed-*.parquet", "table-*.arrow")
    candidates = [path for pattern in patterns for path in folder.glob(pattern)]
    remove_files([path for path in candidates if path not in kept])
    remove_files([*folder.glob(f".*{TEMPORARY_SUFFIX}")])
