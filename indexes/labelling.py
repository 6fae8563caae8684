"""Adding labels to an index: those that people gave to chosen images, and those that spread from named clusters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from embedkit.dicom.labels import Label
from embedkit.indexes.index import Index
from embedkit.indexes.manifest import labels_name, read_newest_manifest
from embedkit.indexes.overlay import CLUSTER, make_overlay, merge_overlays, read_overlay
from embedkit.indexes.writer import open_writer


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
    read_newest_manifest(Path(index_path))  # refuses a folder without an index, which the writer would make
    with open_writer(Path(index_path)) as writer:
        images = Index.open(index_path).images
        held = pc.and_(pc.not_equal(images["region"], ""), pc.not_equal(images["region_source"], CLUSTER))
        named = {i: has for i, has in zip(images["image_id"].to_pylist(), held.to_pylist(), strict=True) if i in labels}
        taken = {i: labels[i] for i, has in named.items() if i not in keep and (replace_labels or not has)}
        if taken:
            overlay = make_overlay(images, lambda image_id, _: taken.get(image_id), writer.patient_key)
            if writer.manifest.labels:
                earlier = read_overlay(writer.folder / labels_name(writer.manifest.labels.number))
                overlay = merge_overlays(overlay, earlier)
            writer.set_labels(overlay)
    replaced = sum(named[image_id] for image_id in taken)
    return AddedLabels(len(taken) - replaced, replaced, len(named) - len(taken), len(labels) - len(named))
