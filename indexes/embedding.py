"""`embed`: the walk that fills an index.

Worker processes read files while this process encodes and writes the shard before. A shard is committed when it is
complete; a run that was stopped at any moment is continued by the next one, with the same rows in the end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from embedkit.dicom import InstanceFacts
from embedkit.display import shown
from embedkit.errors import IndexFolderError, UsageError
from embedkit.image import PreparationOptions
from embedkit.indexes import catalogue
from embedkit.indexes.attempts import Attempt, find_settled
from embedkit.indexes.catalogue import Catalogue
from embedkit.indexes.derived import refresh_table, update_spaces
from embedkit.indexes.encoders import load_encoders
from embedkit.indexes.encoding import fill_space, space_of
from embedkit.indexes.image_rows import ImageRow
from embedkit.indexes.image_table import ImageTable, read_columns
from embedkit.indexes.labelling import LabelReport, lay_labels
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.indexes.overlay import LabelSource
from embedkit.indexes.paths import default_index, path_text
from embedkit.indexes.preparation import NO_PICTURES, Prepared, prepare_rows
from embedkit.indexes.progress import EmbedReport, ProgressMeter
from embedkit.indexes.remapping import map_labels_again
from embedkit.indexes.removal import read_removed
from embedkit.indexes.rows import VANISHED
from embedkit.indexes.shard_queue import ShardQueue
from embedkit.indexes.stored_paths import StoredPaths, stored_paths
from embedkit.indexes.walk import Walk
from embedkit.indexes.writer import IndexWriter, open_writer
from embedkit.labels import LabelTable
from embedkit.labels.vocabulary import Vocabulary
from embedkit.progress import OnProgress
from embedkit.sources import FoundFile, Source, find_files
from embedkit.sources.source import describe
from embedkit.workers import Executor, LocalExecutor, Pool

if TYPE_CHECKING:
    from embedkit.encoder import Encoder


@dataclass(frozen=True)
class EmbedSettings:
    """How to embed; what to read is said by `PreparationOptions`."""

    workers: int | None = None
    """Worker processes; None for one a core."""
    memory_bytes: int = 3 << 30
    """What a worker may allocate for one file."""
    timeout_s: float = 60.0
    """What one file may take."""
    retry_failed: bool = False
    """Read files again that timed out, crashed or ran out of memory; else only with more time or memory than then."""
    shard_files: int = 512
    """Files a shard: the unit of commitment."""
    forget_vanished: bool = False
    """Take files out of the index that are gone from the sources; else they stay and are only reported."""
    forget_most: bool = False
    """Forget them also where they are more than half of those under the sources, as of a disk that is not mounted."""
    map_labels_again: bool = False
    """Map the labels of headers by the vocabulary also of images that are in the index already."""
    hash_paths: bool = False
    """Make an index that keeps no name of a file or a folder, only keyed hashes; one that is there stays as it is."""

    @property
    def attempt(self) -> Attempt:
        """What each file is given."""
        return Attempt.now(self.memory_bytes, self.timeout_s)


def embed(
    sources: str | Path | Source | Sequence[str | Path | Source],
    index_path: str | Path | None = None,
    *,
    encoders: Sequence[str | Encoder] | None = None,
    labels: LabelTable | LabelSource | None = None,
    replace_labels: bool = False,
    reading: PreparationOptions | None = None,
    settings: EmbedSettings | None = None,
    executor: Executor | None = None,
    on_progress: OnProgress | bool = False,
) -> EmbedReport:
    """Bring the index at `index_path` up to date with `sources`; make it where there is none.

    ``embed("dump/")`` is ``embedkit embed dump/``.

    Parameters
    ----------
    sources
        A file, a folder or another `Source`, or several. Images of other sources that are in the index stay there. A
        file whose content is met at another path than before, and that is gone from there, has moved: its row does,
        with labels and decisions. With `forget_vanished`, a source may be gone whose files the index has.
    index_path
        The index folder; EMBEDKIT_INDEX, or ``embedkit-index``, where none is named.
    encoders
        One a vector space: an encoder, or the name or file of one. None for those of the index, or the starter encoder
        for a new one; beside names, those of the index too. Images that are in the index already get their vectors from
        the stored pictures.
    labels
        Labels that go before those of the headers, added to what the index has. A table is matched to the images under
        `sources`, and to any whose id or whole path it names. Where it names no image, the labels stay as they are:
        `EmbedReport.labels` tells.
    replace_labels
        Take away the labels that earlier tables and folders gave to images under `sources`, before `labels` are added.
    executor
        What reads the files; worker processes on this machine, unless another one is given.
    on_progress
        Is told how far the work is; True shows a bar on stderr, in a terminal or a notebook.

    Raises
    ------
    UsageError
        ``source-not-found``, ``bad-source`` or ``source-failed`` (see `list_items`), ``no-encoder``;
        ``paths-not-hashed`` as `open_writer`.
    EncoderError
        ``encoder-mismatch`` where a space of the index was made by something else.
    IndexFolderError
        As `open_writer`; what was committed before stays.
    KeyboardInterrupt
        After the files that were ready have been committed.
    """
    folder = default_index() if index_path is None else Path(index_path)
    several = sources if isinstance(sources, Sequence) and not isinstance(sources, str) else [sources]
    paths = [Path(source) if isinstance(source, str) else source for source in several]
    if "" in (*several, index_path):
        raise UsageError("empty-name", "a path is empty: is a variable not set?")
    with shown(on_progress) as tell:
        return _embed(
            paths,
            folder,
            load_encoders(folder, encoders),
            labels,
            replace_labels=replace_labels,
            reading=reading,
            settings=settings,
            executor=executor,
            on_progress=tell,
        )


def _embed(
    sources: Sequence[Path | Source],
    index_path: Path,
    encoders: Sequence[Encoder],
    labels: LabelTable | LabelSource | None,
    *,
    replace_labels: bool,
    reading: PreparationOptions | None,
    settings: EmbedSettings | None,
    executor: Executor | None,
    on_progress: OnProgress,
) -> EmbedReport:
    spaces = {encoder.name: space_of(encoder) for encoder in encoders}
    present, gone = _check_sources(sources, index_path, forget=bool(settings and settings.forget_vanished))
    reading, settings = reading or PreparationOptions(vocabulary=Vocabulary.load()), settings or EmbedSettings()
    seconds: dict[str, float] = {}
    with open_writer(index_path, hash_paths=settings.hash_paths) as writer:
        paths = writer.paths([source.resolve() for source in sources if isinstance(source, Path)])
        with _timed(seconds, "fill"):
            for encoder in encoders:
                writer.add_space(encoder.name, spaces[encoder.name])
                fill_space(writer, encoder, partial(on_progress, f"Encoding by {encoder.name}"))
        mapped = None
        if settings.map_labels_again and reading.vocabulary:
            mapped = map_labels_again(writer, reading.vocabulary, partial(on_progress, "Mapping labels"))
        prepare = partial(
            prepare_rows,
            options=replace(reading, patient_key=writer.patient_key),
            paths=paths,
            removed=read_removed(writer.folder, writer.manifest),
        )
        pools = executor or LocalExecutor(settings.workers)
        with pools.open(prepare, memory_bytes=settings.memory_bytes, timeout_s=settings.timeout_s) as pool:
            # the workers start while the catalogue is read
            with _timed(seconds, "catalogue"):
                known = _read_catalogue(writer, paths, reading, settings)
                walk = Walk(present, writer.folder, known, gone=gone)
            with _timed(seconds, "prepare"):
                seconds |= _add_files(writer, walk, encoders, pool, reading, settings=settings, on_progress=on_progress)
        writer.set_reading(reading.modalities, reading.vocabulary.digest if reading.vocabulary else "")
        with _timed(seconds, "finish"):
            labelled = None
            if labels is not None or replace_labels:
                vocabulary = reading.vocabulary or Vocabulary.load()
                labelled = lay_labels(writer, labels, vocabulary, paths=paths, roots=walk.roots, replace=replace_labels)
            table = refresh_table(writer)
            update_spaces(writer, table, on_progress)
    report = _report(walk, table, labelled, seconds, forgotten=len(_forgotten(walk, settings)))
    return replace(report, mapped=mapped)


def _check_sources(
    sources: Sequence[Path | Source], index_path: Path, *, forget: bool
) -> tuple[list[Path | Source], list[Path]]:
    """Tell sources that are there from those that are to be forgotten, and refuse any other, as `embed` says."""
    present: list[Path | Source] = []
    gone: list[Path] = []
    for source in sources:
        if not isinstance(source, Path):
            describe(source)
            present.append(source)
            continue
        try:
            find_files([source])
            present.append(source)
        except UsageError as error:
            count = _count_known(index_path, source)
            if not count:
                raise
            if not forget:
                message = f"{error}; its {count:,} files stay in the index. If it moved, embed it where it is now; "
                raise UsageError(error.reason, f"{message}--forget-vanished takes them out") from error
            gone.append(source)
    return present, gone


def _count_known(index_path: Path, source: Path) -> int:
    """How many files the index has under a source that is gone; none where it may only be out of sight."""
    try:
        root, manifest = Path(source).resolve(), read_newest_manifest(index_path)
        known = Catalogue(read_columns(index_path, manifest, catalogue.COLUMNS), stored_paths(index_path, manifest))
    except (IndexFolderError, OSError, RuntimeError, ValueError):  # as `find_files` has it; `embed` says what is wrong
        return 0
    return known.count_under([known.paths.text(root)]) if StoredPaths().is_gone(path_text(root)) else 0


def _read_catalogue(
    writer: IndexWriter, paths: StoredPaths, reading: PreparationOptions, settings: EmbedSettings
) -> Catalogue:
    table = read_columns(writer.folder, writer.manifest, catalogue.COLUMNS)
    return Catalogue(
        table,
        paths,
        more_modalities=not reading.modalities <= set(writer.manifest.modalities),
        settled=find_settled(table, writer.manifest.shards, settings.attempt, reading.codecs),
        retry=settings.retry_failed,
    )


def _add_files(
    writer: IndexWriter,
    walk: Walk,
    encoders: Sequence[Encoder],
    pool: Pool[FoundFile, Prepared],
    reading: PreparationOptions,
    *,
    settings: EmbedSettings,
    on_progress: OnProgress,
) -> dict[str, float]:
    """Read what is new or changed, and commit it shard by shard; return the seconds of the commits."""
    queue = ShardQueue(writer, encoders, settings.shard_files, settings.attempt, reading.codecs)
    with queue, ProgressMeter(walk.files, on_progress) as meter:
        for rows, pictures in walk.read(pool, meter, queue.warm_up, reading.max_file_bytes):
            queue.add(rows, pictures)
        for path in (*walk.moved, *_forgotten(walk, settings)):
            queue.add([ImageRow(path, 0, 0, "", InstanceFacts(""), reason=VANISHED)], NO_PICTURES)
    return queue.seconds


def _forgotten(walk: Walk, settings: EmbedSettings) -> tuple[str, ...]:
    """The paths that are to be taken out of the index."""
    return walk.vanished if settings.forget_vanished and (settings.forget_most or not walk.most_vanished) else ()


def _report(
    walk: Walk, table: ImageTable, labels: LabelReport | None, seconds: dict[str, float], *, forgotten: int
) -> EmbedReport:
    return EmbedReport(
        files=walk.kinds.total(),
        new=walk.kinds["new"],
        unchanged=walk.kinds["unchanged"],
        changed=walk.kinds["changed"],
        moved=walk.moved,
        vanished=walk.vanished,
        forgotten=forgotten,
        images=len(table.images),
        image_files=table.image_files,
        rejected=Counter(table.rejected_files["reason"].to_pylist()),
        given_up=walk.given_up,
        rejected_frames=table.rejected_frames,
        notes=Counter(pc.list_flatten(table.images["notes"]).to_pylist()),
        labels=labels,
        seconds=seconds,
    )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = time.perf_counter() - start
