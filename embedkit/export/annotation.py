"""What a person gets who is to name images, or clusters of images: contact sheets and a table to fill in.

Nothing tells who a patient is: images go by their number on the sheet and their id, without path or header text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from embedkit.annotate import Clusters
from embedkit.errors import UsageError
from embedkit.export.folders import whole_folder
from embedkit.heads.folds import Ints
from embedkit.indexes import Index
from embedkit.indexes.storage import write_bytes
from embedkit.labels import Label
from embedkit.report.contact_sheet import encode_png, picture_rows
from embedkit.report.files import write_csv

SELECTED, NAMES, MEMBERS = "selected.csv", "names.csv", "members.csv"
_A_SHEET = 40


def write_selection(folder: Path, index: Index, rows: Ints) -> int:
    """Write `selected.csv`, a line an image of `rows` with an empty region, and its sheets; return how many sheets.

    Raises
    ------
    UsageError
        ``output-exists`` unless the folder is absent or empty.
    IndexFolderError
        Where it cannot be written.
    """
    numbers = np.arange(1, len(rows) + 1)
    sheets = [f"sheet-{1 + (number - 1) // _A_SHEET:03d}.png" for number in numbers.tolist()]
    ids = index.images["image_id"].take(rows).to_pylist()
    with whole_folder(folder) as place:
        for name in dict.fromkeys(sheets):
            part = np.flatnonzero(np.array(sheets) == name)
            _write_sheet(place / name, index, rows[part], [str(number) for number in numbers[part].tolist()])
        cells = zip(numbers.tolist(), sheets, ids, [""] * len(ids), strict=True)
        write_csv(place / SELECTED, ("number", "sheet", "image_id", "region"), cells)
    return len(set(sheets))


def write_clusters(folder: Path, index: Index, clusters: Clusters) -> None:
    """Write `names.csv`, a line a cluster with an empty region, a sheet each, and which image is in which cluster.

    Raises as `write_selection`.
    """
    ids = index.images["image_id"].to_pylist()
    sheets = [f"cluster-{number:03d}.png" for number in range(1, len(clusters) + 1)]
    with whole_folder(folder) as place:
        for cluster, name in enumerate(sheets):
            rows = clusters.examples(cluster, _A_SHEET)
            _write_sheet(place / name, index, rows, [f"{cosine:.2f}" for cosine in clusters.cosine[rows].tolist()])
        cells = ((n, *cell, "") for n, cell in enumerate(zip(sheets, clusters.sizes.tolist(), strict=True), start=1))
        write_csv(place / NAMES, ("cluster", "sheet", "images", "region"), cells)
        write_csv(place / MEMBERS, ("image_id", "cluster"), zip(ids, (clusters.of_image + 1).tolist(), strict=True))


def spread_names(names: Mapping[str, Label], members: Path) -> dict[str, Label]:
    """Give each image of a named cluster the name: labels by image id.

    `members` is the file of `write_clusters`; raises UsageError ``members-unreadable`` for another one, or one that
    lacks a cluster that is named.
    """
    try:
        with members.open(encoding="utf-8", newline="") as file:
            of_image = {row["image_id"]: row["cluster"] for row in csv.DictReader(file, strict=True)}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        message = (
            f"{members}: which image is in which cluster cannot be read; names are read beside the file of `cluster`"
        )
        raise UsageError("members-unreadable", message) from error
    if set(names) - set(of_image.values()):
        raise UsageError("members-unreadable", f"{members}: it lacks a cluster that is named; it is of another run")
    return {image_id: names[cluster] for image_id, cluster in of_image.items() if cluster in names}


def _write_sheet(path: Path, index: Index, rows: Ints, captions: Iterable[str]) -> None:
    write_bytes(path, encode_png(picture_rows(index.pictures(rows), list(captions))))
