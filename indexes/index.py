"""An index opened for reading: facts, pictures, vectors, and the radiographs that look alike."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from embedkit.indexes import image_table
from embedkit.indexes.checked_files import Tell, say_nothing
from embedkit.indexes.manifest import FORMAT_VERSION, images_name
from embedkit.indexes.manifest_files import describe_fallback, find_newest_manifest
from embedkit.indexes.paths import default_index
from embedkit.indexes.queries import Neighbour, Neighbours, Queries
from embedkit.indexes.rows import by_shard, read_vectors_by_shard
from embedkit.indexes.shards import read_pictures
from embedkit.indexes.stored_paths import HashedPaths, StoredPaths, stored_paths
from embedkit.indexes.vectors import usable
from embedkit.labels.attribute import REGION

if TYPE_CHECKING:
    import pyarrow as pa

    from embedkit.encoder import Encoder
    from embedkit.indexes.search import VectorSearch
    from embedkit.labels.attribute import Attribute
    from embedkit.sources import Source
from numpy.typing import NDArray

from embedkit.errors import IndexFolderError, UsageError


class Index:
    """An index, read-only, as it was when it was opened; a writer may go on meanwhile.

    Facts are mapped into memory: they are read from the disk when they are asked for.

    Attributes
    ----------
    path : Path
        The index folder.
    images : pyarrow.Table
        A row an image, ordered by path and frame: the columns of docs/index-format.md but for the picture. Labels of
        an overlay are laid over those of the headers.
    header_regions : pyarrow.ChunkedArray
        The region of each image by its file alone, "" where it tells none.
    rejected : pyarrow.Table
        The same columns for the frames of files, or whole files (frame 0), that are no image of the index, with their
        `reason`.
    image_files : int
        How many files the images are of. With `rejected_files` these are all files of the index.
    rejected_files : pyarrow.Table
        `path` and `reason` of each file of which no frame is an image, by path.
    rejected_frames : Counter[str]
        How many rows of `rejected` are frames that were read, by reason: of rejected files, and of others.
    attribute : str
        What the labels are of, in the columns `region`, `given` and `region_source`: the region, unless it was opened
        for another attribute.
    sources : tuple[Source, ...]
        Where originals are found that are no files, as they were given.
    spaces : dict[str, Space]
        The vector spaces by name.
    notes : list[str]
        What was found wrong in the folder so far and got round; answers are right but for what a note says is lost.
    """

    def __init__(self, path: Path, on_note: Tell = say_nothing) -> None:
        self.path, self._on_note, self.attribute = path, on_note, REGION
        self.sources: tuple[Source, ...] = ()
        self.notes: list[str] = []
        self._manifest, damaged = find_newest_manifest(path)
        if damaged:
            self._note(describe_fallback(path, self._manifest, damaged))
        if self._manifest.format < FORMAT_VERSION:
            self._note(f"{path}: an earlier embedkit made this index; `embedkit migrate` makes it one to write to")
        self._table, _ = image_table.load(path, self._manifest, tell=self._note)
        self.spaces, self._ids = dict(self._manifest.spaces), self._table.ids
        self._searches: dict[str, VectorSearch] = {}

    @classmethod
    def open(
        cls,
        path: Path | str | None = None,
        *,
        attribute: Attribute | None = None,
        sources: Sequence[Source] = (),
        on_note: Tell = say_nothing,
    ) -> Self:
        """Open the index in the folder `path`: the newest state that is whole. A note says where that is not the last.

        Without `path`, it is the folder that the commands take: EMBEDKIT_INDEX, or ``embedkit-index``. With an
        `attribute` its labels are of that, and not of the region. Originals that are no files are found in `sources`.
        `on_note` is told every line of `notes` when it comes up.

        Raises
        ------
        IndexFolderError
            ``index-absent``, ``index-damaged``, ``index-unreadable`` or ``index-too-new``.
        """
        index = cls(default_index() if path is None else Path(path), on_note)
        index.sources = tuple(sources)
        if attribute is not None:
            from embedkit.indexes.attributes import label_by  # noqa: PLC0415 (pydicom takes long to import)

            index._table = label_by(index.path, index._manifest, index._table, attribute)
            index.attribute = attribute.name
        return index

    @property
    def images(self) -> pa.Table:
        """See the class."""
        self._table.refuse_if_changed()
        return self._table.images

    @property
    def rejected(self) -> pa.Table:
        """See the class."""
        self._table.refuse_if_changed()
        return self._table.rejected

    @property
    def image_files(self) -> int:
        """See the class."""
        self._table.refuse_if_changed()
        return self._table.image_files

    @property
    def rejected_files(self) -> pa.Table:
        """See the class."""
        self._table.refuse_if_changed()
        return self._table.rejected_files

    @property
    def rejected_frames(self) -> Counter[str]:
        """See the class."""
        self._table.refuse_if_changed()
        return self._table.rejected_frames

    @property
    def header_regions(self) -> pa.ChunkedArray:
        """See the class."""
        self._table.refuse_if_changed()
        return self._table.header_regions

    def __len__(self) -> int:
        return len(self._ids)

    def with_regions(self, regions: pa.Array) -> Self:
        """The same index with other regions (images,) in the place of those of `images`."""
        images, other = self.images, copy(self)
        place = images.schema.get_field_index("region")
        other._table = replace(self._table, images=images.set_column(place, images.schema.field(place), regions))
        return other

    def vectors(self, space: str | None = None) -> NDArray[np.float32]:
        """Return the encoder's raw vectors, float32 (images, d), row for row with `images`.

        Raises
        ------
        UsageError
            ``unknown-space``, or ``several-spaces`` where none is named and there are several.
        IndexFolderError
            ``space-incomplete`` or ``index-damaged``.
        """
        return self._vectors_of(np.arange(len(self)), space)

    def pictures(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the pictures of `rows` of `images`, uint8 (n, 256, 256); raises as `vectors` does."""
        pictures = np.empty((len(rows), 256, 256), np.uint8)
        for position, picture in self.walk_pictures(rows):
            pictures[position] = picture
        return pictures

    def walk_pictures(self, rows: Sequence[int] | NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield every position in `rows` and its picture, in the order of the shards: each file is read once."""
        from embedkit.image import decode_picture  # noqa: PLC0415 (OpenCV takes long to import)

        for path, position, png in self._walk_stored(rows):
            try:
                yield position, decode_picture(png)
            except ValueError as error:
                raise IndexFolderError("index-damaged", f"{path}: it has a damaged picture") from error

    def stored_pictures(self, rows: Sequence[int] | NDArray[np.int64]) -> list[bytes]:
        """Return the PNG files of the pictures of `rows` of `images`; raises as `vectors` does."""
        stored = [b""] * len(rows)
        for _, position, png in self._walk_stored(rows):
            stored[position] = png
        return stored

    def _walk_stored(self, rows: Sequence[int] | NDArray[np.int64]) -> Iterator[tuple[Path, int, bytes]]:
        """Yield the file, the position in `rows` and the PNG of each picture, in the order of the shards."""
        for place, positions, local in by_shard(self._manifest, self._ids[np.asarray(rows, np.int64)]):
            shard = self._manifest.shards[place]
            path = self.path / images_name(shard.number)
            stored = read_pictures(path, shard.rows)
            for position, row in zip(positions, local, strict=True):
                yield path, int(position), stored[row]

    def rows_of(self, image_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of images by `image_id`; -1 for one that is not in the index."""
        return np.array([self._table.row_of_image(image_id) for image_id in image_ids], np.int64)

    def nearest(
        self, queries: NDArray[np.float32], k: int, space: str | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the distances and the indices of the images nearest to `queries`, as FAISS and scikit-learn do.

        Parameters
        ----------
        queries
            float32 (q, d), as the encoder gives them: their length does not matter.
        k
            How many for each query.
        space
            The embedding space, where the index has several.

        Returns
        -------
        distances
            float32 (q, k), rising: (1 - cosine) / 2, 0 the same direction, 1 the opposite one; infinite where there
            are fewer than `k`.
        indices
            int64 (q, k): rows of `images`; -1 where there are fewer than `k`.

        Raises
        ------
        UsageError
            ``bad-vector`` for a query that is zero, not finite or of another dimension; else as `vectors`.
        """
        name = self.space_name(space)
        queries = np.asarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.spaces[name].dimension or not usable(queries).all():
            raise UsageError(
                "bad-vector", f"queries must be finite, not zero, of shape (n, {self.spaces[name].dimension})"
            )
        cosines, ids = self._search(name).nearest(queries, k)
        if ids.max(initial=-1) >= len(self._row_of_id) - 1:
            raise IndexFolderError("index-damaged", f"{self.path}: the FAISS file of {name} is of another index")
        distances = np.where(ids < 0, np.float32(np.inf), (1 - cosines) / 2)
        return distances, np.where(ids < 0, -1, self._row_of_id[ids])

    def similar(
        self,
        query: str | Path | NDArray[np.generic],
        k: int = 10,
        space: str | None = None,
        *,
        encoder: str | Path | Encoder | None = None,
    ) -> Neighbours:
        """Return the `k` images nearest to a query, nearest first.

        Parameters
        ----------
        query
            An image of the index, which is left out of the answer: its `image_id`, its SOP Instance UID (the first
            frame), or its path. Or the path of any file that `embed` reads, of which the first image counts; a
            radiograph, uint8 (H, W) with bright bone; an embedding, float32 (d,).
        k
            How many.
        space
            The embedding space, where the index has several.
        encoder
            What made the space, where it is not a shipped encoder: its file, or itself. Only a file or a radiograph
            needs it.

        Raises
        ------
        UsageError
            ``unknown-image`` for what is neither in the index nor a file; the reason why a file has no image;
            ``bad-image`` for an array that is no radiograph; else as `nearest`.
        EncoderError
            ``encoder-mismatch`` where the encoder of the space is not the one given, or not a shipped one.
        """
        own = self.find(query) if isinstance(query, str | Path) else None
        held = None if own is None else self._vectors_of(np.array([own]), space)[0]
        vector = self._queries.embed(query, space, encoder) if held is None else held
        distances, rows = self.nearest(vector[None], k + (own is not None), space)
        found = [(int(r), float(d)) for d, r in zip(distances[0], rows[0], strict=True) if r not in (-1, own)][:k]
        ids, paths, regions = (self.images[name] for name in ("image_id", "path", "region"))
        return Neighbours(
            Neighbour(row, ids[row].as_py(), paths[row].as_py(), regions[row].as_py(), distance)
            for row, distance in found
        )

    def space_name(self, name: str | None = None) -> str:
        """Return `name` where it is a space of this index, or that of its only space; raises as `vectors` does."""
        if name is None and len(self.spaces) == 1:
            return next(iter(self.spaces))
        if name in self.spaces:
            return str(name)
        held = ", ".join(self.spaces) or "none"
        reason = "several-spaces" if name is None else "unknown-space"
        raise UsageError(reason, f"{self.path}: name one of the vector spaces of this index: {held}")

    def _vectors_of(self, rows: NDArray[np.int64], space: str | None) -> NDArray[np.float32]:
        name = self.space_name(space)
        vectors = np.empty((len(rows), self.spaces[name].dimension), np.float32)
        for positions, values in read_vectors_by_shard(self.path, self._manifest, name, self._ids[rows]):
            vectors[positions] = values
        return vectors

    def _search(self, space: str) -> VectorSearch:
        """Return the space's FAISS index, in memory brought up to date where the file is not."""
        from embedkit.indexes.search import load  # noqa: PLC0415 (FAISS takes long to import)

        if space not in self._searches:
            ids = np.sort(self._ids)
            self._searches[space] = load(self.path, self._manifest, space, ids, tell=self._note)[0]
        return self._searches[space]

    def _note(self, note: str) -> None:
        self.notes.append(note)
        self._on_note(note)

    def digest(self, columns: Sequence[str], spaces: Sequence[str]) -> str:
        """SHA-256 in hex of what is worked out from these columns, spaces and the pictures: the same for the same."""
        from embedkit.indexes.state import digest_state  # noqa: PLC0415 (hashlib and Arrow's IPC, which few need)

        return digest_state(self._manifest, self.images, self._ids, columns, spaces)

    def find(self, query: str | Path) -> int | None:
        """Return the row of the image with this `image_id`, SOP Instance UID or path; None where there is none."""
        row = self._table.row_of_image(str(query))
        row = row if row >= 0 else self._table.row_of_image(f"{query}#1")  # a SOP Instance UID, of several frames
        names = (text for path in (Path(query).resolve(), Path(query)) for text in self.paths.texts(path))
        rows = [row] if row >= 0 else map(self._table.row_of_path, names)
        return next((row for row in rows if row >= 0), None)

    def shown(self, query: str) -> str:
        """Return an `image_id` or a path as it may be told: no name of a file or folder where paths are hashed."""
        if not isinstance(self.paths, HashedPaths) or self._table.row_of_image(query) >= 0:
            return query
        return self.paths.texts(Path(query).resolve())[-1]

    @cached_property
    def _queries(self) -> Queries:
        return Queries(self)

    @cached_property
    def paths(self) -> StoredPaths:
        """How paths are kept, and files found by them: none where the key of hashed paths is missing."""
        try:
            return stored_paths(self.path, self._manifest)
        except IndexFolderError as error:
            self._note(f"{error}; until then no file of this index is found by its path, nor in its place")
            return HashedPaths(secrets.token_bytes(32))

    @cached_property
    def _row_of_id(self) -> NDArray[np.int64]:
        rows = np.full(sum(shard.rows for shard in self._manifest.shards) + 1, -1, np.int64)
        rows[self._ids] = np.arange(len(self._ids))
        return rows
