"""Labels from outside the files (a CSV, folder names), laid over those of the headers when an index is opened.

A table may also say which patient an image shows; of that only the hash is kept, under the key of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from embedkit.dicom.facts import hash_patient
from embedkit.indexes.columns import texts, whole
from embedkit.indexes.shards import read_table, write_table
from embedkit.labels.attribute import REGION
from embedkit.labels.header import Label, label_from_folder
from embedkit.labels.vocabulary import Vocabulary

LabelSource = Callable[[str, Path], Label | None]
"""Gives the label of an image by its `image_id` and path, or None where it has none to give."""
ANNOTATOR, CLUSTER = "annotator", "cluster"
"""Sources of labels made with this program: a person looked at the image, or named the cluster that it lies in."""
OVERLAY_SCHEMA = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("image_id", "attribute", "region", "given", "source", "patient")
    ]
)
_COLUMNS = {"region": "region", "given": "given", "region_source": "source", "patient": "patient"}


def labels_from_folders(sources: Sequence[Path], vocabulary: Vocabulary) -> LabelSource:
    """Return the source of labels that takes them from the names of the folders between a source and its files."""
    roots = [root if root.is_dir() else root.parent.parent for root in (Path(source).resolve() for source in sources)]

    def label(image_id: str, path: Path) -> Label | None:  # noqa: ARG001 (a folder tells nothing of an id)
        root = next((root for root in roots if path.is_relative_to(root)), None)
        return label_from_folder(path.relative_to(root), vocabulary) if root else None

    return label


def make_overlay(labels: Mapping[str, Label], patient_key: bytes, attribute: str = REGION) -> pa.Table:
    """Lay out labels by `image_id`; patients are hashed under `patient_key`, as those of headers are."""
    rows = [
        (image_id, attribute, label.region, label.given, label.source, _hash(label.patient, patient_key))
        for image_id, label in labels.items()
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(OVERLAY_SCHEMA)
    return pa.Table.from_arrays([texts(column) for column in columns], schema=OVERLAY_SCHEMA)


def _hash(patient: str, key: bytes) -> str:
    return hash_patient("", patient, key) if patient else ""


def merge_overlays(newer: pa.Table, earlier: pa.Table) -> pa.Table:
    """Return the rows of `newer`, and those of `earlier` on other images; of patients, what either of them says.

    All of `newer` are of one attribute, or there are none; labels of other attributes stay.
    """
    of_another = pc.invert(pc.is_in(earlier["attribute"], value_set=newer["attribute"].unique()))
    others, earlier = earlier.filter(of_another), earlier.filter(pc.invert(of_another))
    place = pc.index_in(newer["image_id"], value_set=whole(earlier["image_id"]))
    patients = pc.if_else(
        pc.equal(newer["patient"], ""), pc.coalesce(earlier["patient"].take(place), pa.scalar("")), newer["patient"]
    )
    newer = newer.set_column(newer.schema.get_field_index("patient"), OVERLAY_SCHEMA.field("patient"), patients)
    kept = pc.invert(pc.is_in(earlier["image_id"], value_set=whole(newer["image_id"])))
    return pa.concat_tables([others, earlier.filter(kept), newer])


def write_overlay(path: Path, overlay: pa.Table) -> str:
    """Write an overlay; return the file's sha256."""
    return write_table(path, overlay)


def read_overlay(path: Path) -> pa.Table:
    """Read an overlay; raises `IndexFolderError` ``index-damaged``."""
    return read_table(path, OVERLAY_SCHEMA)


def lay_over(images: pa.Table, overlay: pa.Table, attribute: str = REGION) -> pa.Table:
    """Return `images` with the overlay's labels where it has one, and its patients where it names them."""
    overlay = overlay.filter(pc.is_in(overlay["attribute"], value_set=texts([attribute])))
    place = pc.index_in(images["image_id"], value_set=whole(overlay["image_id"]))
    for column, source in _COLUMNS.items():
        values = overlay[source].take(place)
        if column == "patient":
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
        labels = pc.coalesce(values, images[column])
        images = images.set_column(images.schema.get_field_index(column), images.schema.field(column), labels)
    return images
