"""Laying labels over those of the headers: of tables and folders, of people, and of named clusters.

A table adds to what the index has. What is to be taken away is said (`replace`), and so is what became of every row.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embedkit.indexes.catalogue import is_under
from embedkit.indexes.columns import flags
from embedkit.indexes.derived import refresh_table
from embedkit.indexes.index import Index
from embedkit.indexes.manifest import labels_name
from embedkit.indexes.overlay import (
    ANNOTATOR,
    CLUSTER,
    LabelSource,
    lay_over,
    make_overlay,
    merge_overlays,
    read_overlay,
)
from embedkit.indexes.paths import possible_texts, text_path
from embedkit.indexes.rows import read_live_rows
from embedkit.indexes.stored_paths import HashedPaths, StoredPaths
from embedkit.indexes.writer import IndexWriter, open_existing
from embedkit.labels.header import Label
from embedkit.labels.matching import KnownFile, MatchedLabels, UnmatchedRow, match_labels
from embedkit.labels.table import LabelTable
from embedkit.labels.vocabulary import Vocabulary

_COLUMNS = ("image_id", "path", "reason", "sop_instance_uid", "region", "given", "region_source", "patient")


@dataclass(frozen=True)
class LabelChange:
    """Images whose region a table changed."""

    before: str
    after: str
    images: int


@dataclass(frozen=True)
class LabelReport:
    """What became of a label table, or of the labels of folders; where nothing was matched, nothing was changed."""

    rows: int = 0
    """Rows of the table that have a label; of folders, the images that lie in one."""
    matched: int = 0
    """Of them, those that name an image of the index."""
    missing: int = 0
    """Rows of the table without a label; of folders, images in such as no region is called, where paths are hashed."""
    unmatched: tuple[UnmatchedRow, ...] = ()
    images: int = 0
    """Images that were named."""
    added: int = 0
    """Of them, those that had no region before."""
    changed: tuple[LabelChange, ...] = ()
    """Images that had another region before, the most frequent change first."""
    new_regions: dict[str, int] = field(default_factory=dict)
    """Images by region that neither the vocabulary nor the index knew before."""
    removed: int = 0
    """Images whose label of an earlier table or of folders was taken away."""
    folders: str = ""
    """The folders that the table's paths begin with, where those of the index begin with others."""


@dataclass(frozen=True)
class AddedLabels:
    """What became of labels that were to be added, in images."""

    added: int
    """They had no label, or only that of a cluster."""
    replaced: int
    """They had another one, which was to give way."""
    kept: int
    """They have a label of their own, which stays."""
    unknown: int
    """The index does not hold them."""


def label_images(
    index_path: Path, labels: LabelTable | None, vocabulary: Vocabulary, *, replace_labels: bool = False
) -> LabelReport:
    """Lay the labels of a table over those of the index at `index_path`; the original files need not be there.

    Parameters
    ----------
    replace_labels
        Take away the labels that earlier tables and folders gave to other images; without `labels`, to any.

    Raises
    ------
    IndexFolderError
        As `Index.open` and `open_writer`; nothing was changed then.
    """
    with open_existing(Path(index_path)) as writer:
        report = lay_labels(writer, labels, vocabulary, replace=replace_labels)
        refresh_table(writer)
    return report


def lay_labels(
    writer: IndexWriter,
    labels: LabelTable | LabelSource | None,
    vocabulary: Vocabulary,
    *,
    paths: StoredPaths | None = None,
    roots: Sequence[str] | None = None,
    replace: bool = False,
) -> LabelReport:
    """Lay labels over those of the headers, where they name an image; with `replace` as of `label_images`.

    Images that are not under `roots` keep their labels, unless a table names their id or whole path. Labels that were
    given with this program stay too, unless the table names the image. `paths` are those of the writer, where some
    folders are known by name.
    """
    files = read_live_rows(writer.folder, writer.manifest, _COLUMNS).table
    images = files.filter(pc.equal(files["reason"], ""))
    matched, rows, missing = _match(labels, files, paths or writer.paths(), roots, vocabulary)
    report = LabelReport(
        rows,
        matched=rows - len(matched.unmatched),
        missing=missing,
        unmatched=matched.unmatched,
        folders=matched.folders,
    )
    if labels is not None and not matched.labels:
        return report
    earlier = _read_earlier(writer)
    kept = earlier.filter(_kept(earlier, images, roots)) if replace else earlier
    overlay = merge_overlays(make_overlay(matched.labels, writer.patient_key), kept)
    before, after = lay_over(images, earlier), lay_over(images, overlay)
    if not after.equals(before):
        writer.set_labels(overlay)
    removed = len({*earlier["image_id"].to_pylist()} - {*overlay["image_id"].to_pylist()})
    return _compare(dataclasses.replace(report, removed=removed), matched.labels, before, after, vocabulary)


def _compare(
    report: LabelReport, labels: Mapping[str, Label], before: pa.Table, after: pa.Table, vocabulary: Vocabulary
) -> LabelReport:
    """Tell what `labels` changed in the regions of images."""
    named = flags(np.array([image_id in labels for image_id in before["image_id"].to_pylist()], bool))
    pairs = zip(*(table["region"].filter(named).to_pylist() for table in (before, after)), strict=True)
    changes = Counter((was, now) for was, now in pairs if was != now)
    known = {*vocabulary.names, *before["region"].to_pylist()}
    return dataclasses.replace(
        report,
        images=len(labels),
        added=sum(count for (was, _), count in changes.items() if not was),
        changed=tuple(LabelChange(*pair, count) for pair, count in changes.most_common() if pair[0]),
        new_regions=dict(Counter(label.region for label in labels.values() if label.region not in known)),
    )


def add_labels(
    index_path: Path, labels: Mapping[str, Label], *, replace_labels: bool = False, keep: Collection[str] = ()
) -> AddedLabels:
    """Lay labels, by `image_id`, over those of the index at `index_path`.

    A label that came with the image stays unless `replace_labels`, and so does one given by a person; one that spread
    from a cluster gives way to any other. Images whose id is in `keep` stay as they are.

    Raises
    ------
    IndexFolderError
        As `Index.open` and `open_writer`; nothing was changed then.
    """
    with open_existing(Path(index_path)) as writer:
        images = Index.open(index_path).images
        held = pc.and_(pc.not_equal(images["region"], ""), pc.not_equal(images["region_source"], CLUSTER))
        named = {i: has for i, has in zip(images["image_id"].to_pylist(), held.to_pylist(), strict=True) if i in labels}
        taken = {i: labels[i] for i, has in named.items() if i not in keep and (replace_labels or not has)}
        if taken:
            writer.set_labels(merge_overlays(make_overlay(taken, writer.patient_key), _read_earlier(writer)))
            refresh_table(writer)
    replaced = sum(named[image_id] for image_id in taken)
    return AddedLabels(len(taken) - replaced, replaced, len(named) - len(taken), len(labels) - len(named))


def _read_earlier(writer: IndexWriter) -> pa.Table:
    if writer.manifest.labels is None:
        return make_overlay({}, b"")
    return read_overlay(writer.folder / labels_name(writer.manifest.labels.number))


def _match(
    labels: LabelTable | LabelSource | None,
    files: pa.Table,
    paths: StoredPaths,
    roots: Sequence[str] | None,
    vocabulary: Vocabulary,
) -> tuple[MatchedLabels, int, int]:
    """What the labels say of the images, and how many rows (of a table) or images (of folders) have one or none."""
    if labels is None:
        return MatchedLabels({}, ()), 0, 0
    known = _known_files(files, roots)
    if isinstance(labels, LabelTable):
        return match_labels(labels, known, paths.spell), len(labels), labels.missing
    places = ((file, paths.places(file.path)[0]) for file in known if file.asked)
    asked = ((image_id, path) for file, path in places for image_id in file.image_ids)
    named = {image_id: label for image_id, path in asked if (label := labels(image_id, path))}
    found = {image_id: kept for image_id, label in named.items() if (kept := _without_name(label, paths, vocabulary))}
    return MatchedLabels(found, ()), len(found), len(named) - len(found)


def _without_name(label: Label, paths: StoredPaths, vocabulary: Vocabulary) -> Label | None:
    """What may be kept of a label: of a folder's, where paths are hashed, only words of the vocabulary."""
    if label.source != "folder" or not isinstance(paths, HashedPaths) or vocabulary.is_spelling(label.given):
        return label
    return dataclasses.replace(label, given=label.region) if vocabulary.region(label.region) else None


def _known_files(files: pa.Table, roots: Sequence[str] | None) -> list[KnownFile]:
    """The files of an index by path; a file that repeats an image stands for that image."""
    images: dict[str, list[str]] = {}
    rows = files.select(("image_id", "path", "reason", "sop_instance_uid"))
    for image_id, _, reason, uid in _tuples(rows):
        if not reason:
            images.setdefault(uid, []).append(image_id)
    known: dict[str, KnownFile] = {}
    for _, path, reason, uid in _tuples(rows):
        if path not in known:
            instance, shown = (uid, tuple(images[uid])) if reason in ("", "duplicate-instance") else (path, ())
            known[path] = KnownFile(path, instance, shown, roots is None or is_under(path, roots))
    return [*known.values(), *_by_other_spelling(known.values())]


def _by_other_spelling(files: Iterable[KnownFile]) -> Iterator[KnownFile]:
    """Files whose names hold backslashes that an index escapes, by the path that a table of somebody else gives."""
    for file in files:
        for text in possible_texts(text_path(file.path)) if "\\x5cx" in file.path else ():
            if text != file.path:
                yield file._replace(path=text)


def _tuples(table: pa.Table) -> zip[tuple[str, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _kept(earlier: pa.Table, images: pa.Table, roots: Sequence[str] | None) -> pa.Array:
    """Which labels stay where those of tables and folders are taken away from images under `roots`."""
    paths = dict(zip(images["image_id"].to_pylist(), images["path"].to_pylist(), strict=True))
    made_here = np.array([source in (ANNOTATOR, CLUSTER) for source in earlier["source"].to_pylist()], bool)
    others = [
        roots is not None and not is_under(paths.get(image_id, ""), roots)
        for image_id in earlier["image_id"].to_pylist()
    ]
    return flags(made_here | np.array(others, bool))
