"""The manifest: which files are the index, with their checksums. A new one, put in place by rename, is a commit.

No file name is ever read from a manifest: names follow from numbers, so that a manifest cannot point out of its folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from embedkit.dicom.codecs.choice import Codecs
from embedkit.indexes.attempts import Attempt
from embedkit.indexes.stored_paths import KEY_NAME

FORMAT_VERSION = 3


@dataclass(frozen=True)
class Space:
    """What all vectors of one space have in common; vectors of anything else never join them."""

    encoder: str
    """sha256 of the encoder's weights."""
    preprocessing: str
    precision: str
    runtime: str
    input_size: int
    dimension: int
    method: str = field(default="", compare=False)
    """How the encoder was trained, such as ``simclr``; "" where that is not known."""
    labels_seen: bool | None = field(default=None, compare=False)
    """Whether labels were used for it; None where that is not known."""


@dataclass(frozen=True)
class VectorFile:
    """The vectors of one shard in one space: `shards/NNNNNN.SPACE.parquet`."""

    sha256: str
    bad: tuple[int, ...] = ()
    """Rows of the shard that have a picture, but whose vector is zero or not finite."""


@dataclass(frozen=True)
class Shard:
    """One shard: `shards/NNNNNN.images.parquet`."""

    number: int
    rows: int
    sha256: str
    vectors: dict[str, VectorFile] = field(default_factory=dict)
    tried: Attempt | None = None
    """What the run gave to each file; only where some were rejected by it."""
    codecs: Codecs = "fast"
    """Those that the run read its files with."""


@dataclass(frozen=True)
class SearchFile:
    """A FAISS index: `faiss/SPACE-NNNNNN.faiss`."""

    number: int
    sha256: str
    ids: str
    """sha256 of the int64 ids in the index, ascending: tells whether it still fits the shards."""
    mtime_ns: int = 0
    """Its time of change when it was written; 0 where that is not known."""


@dataclass(frozen=True)
class LabelsFile:
    """The overlay of labels that came from outside the headers: `labels-NNNNNN.parquet`."""

    number: int
    sha256: str


@dataclass(frozen=True)
class RemovedFile:
    """The hashes of what was removed for good: `removed-NNNNNN.parquet`."""

    number: int
    sha256: str


@dataclass(frozen=True)
class TableFile:
    """The rows that count in these shards, with these labels: `table-NNNNNN.arrow`."""

    number: int
    sha256: str
    mtime_ns: int
    """Its time of change when it was written."""
    images: int
    """Rows that are images; they come first."""


@dataclass(frozen=True)
class Manifest:
    """The whole state of an index. Frozen: a change makes a new one, with the next number."""

    number: int
    patient_key: str
    """sha256 of the file `patient-key`."""
    spaces: dict[str, Space] = field(default_factory=dict)
    shards: tuple[Shard, ...] = ()
    search: dict[str, SearchFile] = field(default_factory=dict)
    labels: LabelsFile | None = None
    modalities: tuple[str, ...] = ()
    """Those that the last complete run took: with more of them, files of other modalities are read again."""
    table: TableFile | None = None
    """None where shards or labels have changed since it was made."""
    format: int = FORMAT_VERSION
    """That of the file it was read from; a commit writes the newest."""
    hashed_paths: bool = False
    """Whether every part of a path is kept as a hash; settled when the index is made."""
    vocabulary: str = ""
    """`Vocabulary.digest` of that which the last run mapped labels by; "" where that is not known."""
    removed: RemovedFile | None = None
    next_shard: int = 0
    """The number of the next shard: no number is given twice."""

    def live_files(self) -> dict[str, str]:
        """Return every file of this state, relative to the index folder, with its sha256."""
        files = {KEY_NAME: self.patient_key}
        for shard in self.shards:
            files[images_name(shard.number)] = shard.sha256
            files |= {vectors_name(shard.number, space): file.sha256 for space, file in shard.vectors.items()}
        files |= {search_name(space, file.number): file.sha256 for space, file in self.search.items()}
        if self.labels:
            files[labels_name(self.labels.number)] = self.labels.sha256
        if self.removed:
            files[removed_name(self.removed.number)] = self.removed.sha256
        if self.table:
            files[table_name(self.table.number)] = self.table.sha256
        return files


def images_name(shard: int) -> str:
    """Name the file with facts and pictures of a shard."""
    return f"shards/{shard:06d}.images.parquet"


def vectors_name(shard: int, space: str) -> str:
    """Name the file with the vectors of a shard in a space."""
    return f"shards/{shard:06d}.{space}.parquet"


def search_name(space: str, number: int) -> str:
    """Name the FAISS file that the manifest `number` brought."""
    return f"faiss/{space}-{number:06d}.faiss"


def labels_name(number: int) -> str:
    """Name the labels overlay that the manifest `number` brought."""
    return f"labels-{number:06d}.parquet"


def removed_name(number: int) -> str:
    """Name the hashes of what was removed, which the manifest `number` brought."""
    return f"removed-{number:06d}.parquet"


def table_name(number: int) -> str:
    """Name the table of rows that the manifest `number` brought."""
    return f"table-{number:06d}.arrow"


def manifest_name(number: int) -> str:
    """Name a manifest."""
    return f"manifest-{number:06d}.json"


def next_manifest(manifest: Manifest, **changes: Any) -> Manifest:
    """Return the successor of `manifest` with `changes`; with other shards or labels it has no table."""
    if {"shards", "labels"} & changes.keys():
        changes["table"] = None
    return replace(manifest, number=manifest.number + 1, format=FORMAT_VERSION, **changes)
