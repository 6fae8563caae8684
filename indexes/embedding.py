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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from embedkit.indexes import catalogue
from embedkit.indexes.catalogue import Catalogue, is_under
from embedkit.indexes.encoding import fill_space, space_of
from embedkit.indexes.manifest import labels_name
from embedkit.indexes.overlay import LabelSource, make_overlay, read_overlay
from embedkit.indexes.preparation import NO_PICTURES, prepare_rows, rejected_row
from embedkit.indexes.progress import EmbedReport, ProgressMeter, ReportProgress
from embedkit.indexes.rows import VANISHED, LiveRows, read_live_rows
from embedkit.indexes.shard_queue import ShardQueue
from embedkit.indexes.shards import ImageRow, path_text
from embedkit.indexes.writer import IndexWriter, open_writer

from embedkit.dicom import FoundFile, InstanceFacts, ReadingOptions, WorkerPool, find_files
from embedkit.errors import UsageError

if TYPE_CHECKING:
    from embedkit.encoder import Encoder

_REPORTED_COLUMNS = (*catalogue.COLUMNS, "image_id", "notes")


@dataclass(frozen=True)
class EmbedSettings:
    """How to embed; what to read is said by `ReadingOptions`."""

    workers: int | None = None
    """Worker processes; None for one a core."""
    memory_bytes: int | None = None
    """What one worker may use; None for the pool's own limit."""
    timeout_s: float | None = None
    """What one file may take; None for the pool's own limit."""
    shard_files: int = 512
    """Files a shard: the unit of commitment."""
    forget_vanished: bool = False
    """Take files out of the index that are gone from the sources; else they stay and are only reported."""


def embed(
    sources: Sequence[Path],
    index_path: Path,
    *,
    encoders: Sequence[Encoder],
    labels: LabelSource | None = None,
    reading: ReadingOptions | None = None,
    settings: EmbedSettings | None = None,
    on_progress: ReportProgress | None = None,
) -> EmbedReport:
    """Bring the index at `index_path` up to date with `sources`; make it where there is none.

    Parameters
    ----------
    sources
        Files and folders. Images of other sources that are in the index stay there.
    encoders
        One a vector space. Images that are in the index already get their vectors from the stored pictures.
    labels
        Labels that go before those of the headers, for images under `sources`; None keeps what the index has.

    Raises
    ------
    UsageError
        ``source-not-found`` or ``no-encoder``.
    EncoderError
        ``encoder-mismatch`` where a space of the index was made by something else.
    IndexFolderError
        As `open_writer`; what was committed before stays.
    KeyboardInterrupt
        After the files that were ready have been committed.
    """
    if not encoders:
        raise UsageError("no-encoder", "name at least one encoder")
    spaces = {encoder.name: space_of(encoder) for encoder in encoders}
    find_files(sources)  # refuses a source that is not there before anything is written
    report = EmbedReport()
    with open_writer(Path(index_path)) as writer:
        for name, space in spaces.items():
            writer.add_space(name, space)
        with _timed(report, "fill"):
            for encoder in encoders:
                fill_space(writer, encoder)
        _add_files(
            writer,
            sources=sources,
            encoders=encoders,
            reading=reading or ReadingOptions(),
            settings=settings or EmbedSettings(),
            on_progress=on_progress,
            report=report,
        )
        with _timed(report, "finish"):
            live = read_live_rows(writer.folder, writer.manifest, _REPORTED_COLUMNS)
            _set_labels(writer, live, labels, _roots(sources))
            for name in writer.manifest.spaces:
                _fit_search(writer, live, name)
    _count_rows(live, report)
    return report


def _add_files(
    writer: IndexWriter,
    *,
    sources: Sequence[Path],
    encoders: Sequence[Encoder],
    reading: ReadingOptions,
    settings: EmbedSettings,
    on_progress: ReportProgress | None,
    report: EmbedReport,
) -> None:
    """Read what is new or changed under `sources`, and commit it shard by shard."""
    with _timed(report, "catalogue"):
        known = Catalogue(read_live_rows(writer.folder, writer.manifest, catalogue.COLUMNS), reading.modalities)
    reading = replace(reading, patient_key=writer.patient_key)
    limits = {"workers": settings.workers, "memory_bytes": settings.memory_bytes, "timeout_s": settings.timeout_s}
    pool = WorkerPool(partial(prepare_rows, options=reading), **{k: v for k, v in limits.items() if v is not None})
    queue = ShardQueue(writer, encoders, settings.shard_files)
    unlisted: set[str] = set()
    kinds = Counter[str]()
    walk = partial(_files, sources, writer.folder.resolve())
    with _timed(report, "prepare"), pool, queue, ProgressMeter(walk, on_progress) as meter:
        to_read = _unread(walk(), known, meter, kinds, unlisted)
        for found, outcome in pool.map(to_read):
            rows, pictures = (
                outcome if isinstance(outcome, tuple) else ([rejected_row(found, outcome.reason)], NO_PICTURES)
            )
            kinds[known.kind_of(rows[0])] += 1
            if not known.holds(rows[0]):
                queue.add(rows, pictures)
            meter.advance(rejected=bool(rows[0].reason), images=len(pictures))
        report.vanished = known.vanished(_roots(sources), unlisted)
        if settings.forget_vanished:
            for path in report.vanished:
                queue.add([ImageRow(path, 0, 0, "", InstanceFacts(""), reason=VANISHED)], NO_PICTURES)
    report.files, report.new = kinds.total(), kinds["new"]
    report.unchanged, report.changed = kinds["unchanged"], kinds["changed"]
    report.seconds |= queue.seconds


def _files(sources: Sequence[Path], index_folder: Path) -> Iterator[FoundFile]:
    """Walk over the sources, but for the index itself."""
    return (found for found in find_files(sources) if not found.path.is_relative_to(index_folder))


def _unread(
    walk: Iterator[FoundFile], known: Catalogue, meter: ProgressMeter, kinds: Counter[str], unlisted: set[str]
) -> Iterator[FoundFile]:
    """Yield the files that have to be read; collect in `unlisted` what may be a folder that cannot be listed."""
    for found in walk:
        if found.reason:
            unlisted.add(path_text(found.path))
        if known.meet(found):
            yield found
        else:
            kinds["unchanged"] += 1
            meter.advance()


def _set_labels(writer: IndexWriter, live: LiveRows, labels: LabelSource | None, roots: Sequence[str]) -> None:
    """Ask `labels` for images under `roots`; those of other sources keep the labels that they have."""
    if labels is None:
        return
    images = live.table.filter(live.is_image).select(["image_id", "path"])
    asked = [is_under(path, roots) for path in images["path"].to_pylist()]
    overlay = make_overlay(images.filter(asked), labels)
    if writer.manifest.labels:
        earlier = read_overlay(writer.folder / labels_name(writer.manifest.labels.number))
        others = images.filter(pc.invert(asked))["image_id"]
        overlay = pa.concat_tables([earlier.filter(pc.is_in(earlier["image_id"], value_set=others)), overlay])
    writer.set_labels(overlay)


def _fit_search(writer: IndexWriter, live: LiveRows, space: str) -> None:
    """Bring the FAISS file of a space up to date; left as it is where some shard lacks vectors of the space."""
    from embedkit.indexes.search import load  # noqa: PLC0415 (FAISS takes long to import)

    if all(space in shard.vectors for shard in writer.manifest.shards):
        ids = np.sort(live.ids[live.is_image])
        found, as_stored = load(writer.folder, writer.manifest, space, ids)
        if not as_stored:
            writer.set_search(space, found)


def _count_rows(live: LiveRows, report: EmbedReport) -> None:
    """Count what the index holds now."""
    report.images = int(live.is_image.sum())
    rejected = live.table.filter(~live.is_image)
    report.rejected = Counter(rejected["reason"].to_pylist())
    report.notes = Counter(pc.list_flatten(live.table["notes"]).to_pylist())


def _roots(sources: Sequence[Path]) -> list[str]:
    return [path_text(Path(source).resolve()) for source in sources]


@contextmanager
def _timed(report: EmbedReport, stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        report.seconds[stage] = time.perf_counter() - start
