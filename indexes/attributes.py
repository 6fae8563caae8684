"""The labels of another attribute than the region, from the texts of headers that the index keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedkit.errors import UsageError
from embedkit.indexes.columns import texts
from embedkit.indexes.image_table import HEADER_REGION, ImageTable
from embedkit.indexes.manifest import Manifest, images_name, labels_name
from embedkit.indexes.overlay import lay_over, read_overlay
from embedkit.indexes.rows import by_shard
from embedkit.indexes.shards import IMAGES_SCHEMA, read_table
from embedkit.labels.attribute import Attribute, check_attribute_name
from embedkit.labels.header import Label
from embedkit.labels.texts import parse_texts

_TEXTS = pa.schema([IMAGES_SCHEMA.field("header_texts")])


def label_by(folder: Path, manifest: Manifest, table: ImageTable, attribute: Attribute) -> ImageTable:
    """Return a table of images whose labels are of `attribute`: of headers, and laid over them those of tables.

    Raises
    ------
    UsageError
        ``bad-attribute`` for a name that cannot be one, or where it reads what is none of its values.
    IndexFolderError
        ``index-damaged`` where texts or labels cannot be read.
    """
    check_attribute_name(attribute.name)
    labels = _read_labels(attribute, read_header_texts(folder, manifest, table.ids))
    columns = {
        "region": texts([label.region for label in labels]),
        "given": texts([label.given for label in labels]),
        "region_source": texts([label.source for label in labels]),
    }
    images = table.images
    for name, column in columns.items():
        images = images.set_column(images.schema.get_field_index(name), images.schema.field(name), column)
    if manifest.labels:
        images = lay_over(images, read_overlay(folder / labels_name(manifest.labels.number)), attribute.name)
    stored = table.stored.slice(0, len(table.images))
    place = stored.schema.get_field_index(HEADER_REGION)
    stored = stored.set_column(place, stored.schema.field(place), columns["region"])
    return ImageTable(stored, images, table.rejected, table.file)


def read_header_texts(folder: Path, manifest: Manifest, ids: NDArray[np.int64]) -> list[str]:
    """Return the texts of the headers of images, as JSON; "" where there are none."""
    found = [""] * len(ids)
    for place, positions, local in by_shard(manifest, ids):
        shard = manifest.shards[place]
        stored = read_table(folder / images_name(shard.number), _TEXTS, shard.rows)["header_texts"].to_pylist()
        for position, row in zip(positions.tolist(), local.tolist(), strict=True):
            found[position] = stored[row]
    return found


def _read_labels(attribute: Attribute, header_texts: list[str]) -> list[Label]:
    """Many images say the same: it is read once."""
    read = {text: attribute.read(parse_texts(text)) for text in {*header_texts}}
    strange = sorted({label.region for label in read.values()} - {"", *attribute.values})
    if strange:
        message = f"the attribute {attribute.name} reads {strange[0]!r}, which is none of its values"
        raise UsageError("bad-attribute", message)
    return [read[text] for text in header_texts]
