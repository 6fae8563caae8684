"""Mapping labels of headers again, by another vocabulary, from the texts that the index keeps of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import pyarrow as pa

from embedkit.dicom.identifiers import WITHHELD
from embedkit.errors import IndexFolderError
from embedkit.indexes.columns import texts
from embedkit.indexes.labelling import LabelChange
from embedkit.indexes.manifest import Shard, images_name, vectors_name
from embedkit.indexes.shards import FACTS_SCHEMA, IMAGES_SCHEMA, read_table, write_table
from embedkit.indexes.storage import write_bytes
from embedkit.indexes.writer import IndexWriter
from embedkit.labels.header import Label, label_of
from embedkit.labels.texts import parse_texts
from embedkit.labels.vocabulary import Vocabulary
from embedkit.progress import Advance, ignore_progress

_LABEL = ("region", "given", "region_source")
_READ = pa.schema([IMAGES_SCHEMA.field(name) for name in (*_LABEL, "header_texts", "reason")])
_REMEMBERED = 2**16
"""Labels of texts that are kept in memory: many images say the same."""


def map_labels_again(
    writer: IndexWriter, vocabulary: Vocabulary, on_progress: Advance = ignore_progress
) -> tuple[LabelChange, ...]:
    """Map the labels of all headers by this vocabulary; return what changed, the most frequent change first.

    Labels of tables, of folders and of people stay. A row that an earlier format wrote has no texts: of it the label as
    it was given is mapped again. Raises as `read_table`.
    """
    read = lru_cache(_REMEMBERED)(partial(_read_label, vocabulary))
    held, shards = writer.manifest, list(writer.manifest.shards)
    number, changes = held.next_shard, Counter[tuple[str, str]]()
    for place, shard in enumerate(held.shards):
        stored = read_table(writer.folder / images_name(shard.number), _READ, shard.rows)
        rows = list(zip(*(stored[name].to_pylist() for name in ("header_texts", *_LABEL)), strict=True))
        labels = [read(*row) for row in rows]
        if [(label.region, label.given, label.source) for label in labels] != [row[1:] for row in rows]:
            images = zip(rows, labels, stored["reason"].to_pylist(), strict=True)
            changes.update((row[1], label.region) for row, label, reason in images if not reason)
            shards[place] = _write_anew(writer.folder, shard, number, labels)
            number += 1
        on_progress(place + 1, len(shards))
    if tuple(shards) != held.shards:
        writer.replace_shards(shards)
    return tuple(LabelChange(*pair, count) for pair, count in changes.most_common() if pair[0] != pair[1])


def _read_label(vocabulary: Vocabulary, header_texts: str, region: str, given: str, source: str) -> Label:
    """The label of a row; `region`, `given` and `source` are those that it has."""
    if header_texts:
        label = label_of(parse_texts(header_texts), vocabulary)
        return replace(label, given=given) if label.region == region and label.source == source else label
    if not given or given == WITHHELD:
        return Label(region, given, source)
    return Label(vocabulary.region_of_spelling(given), given, source)


def _write_anew(folder: Path, shard: Shard, number: int, labels: Sequence[Label]) -> Shard:
    """Write a shard with other labels under another number."""
    table = read_table(folder / images_name(shard.number), IMAGES_SCHEMA, shard.rows)
    columns = zip(*((label.region, label.given, label.source) for label in labels), strict=True)
    for name, values in zip(_LABEL, columns, strict=True):
        table = table.set_column(table.schema.get_field_index(name), FACTS_SCHEMA.field(name), texts(values))
    sha256 = write_table(folder / images_name(number), table)
    for space, file in shard.vectors.items():
        earlier = folder / vectors_name(shard.number, space)
        if write_bytes(folder / vectors_name(number, space), earlier.read_bytes()) != file.sha256:
            raise IndexFolderError("index-damaged", f"{earlier}: it is not what was written; see `embedkit verify`")
    return replace(shard, number=number, sha256=sha256)
