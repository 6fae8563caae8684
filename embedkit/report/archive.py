"""What is in an archive, in tables: regions, spellings, files that are no image of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from embedkit.indexes import ANNOTATOR, CLUSTER, REASONS, Index
from embedkit.report.confusion import NO_LABEL
from embedkit.report.table import Table

SPELLINGS = 40
"""Rows of the tables of spellings; what is rarer is counted together."""
_SOURCES = {
    "anatomic-region-sequence": "Anatomic Region Sequence",
    "primary-anatomic-structure": "Primary Anatomic Structure Sequence",
    "body-part-examined": "Body Part Examined",
    "description": "description of study, series or procedure",
    "procedure-code": "code of a protocol or procedure",
    "csv": "table of labels",
    "folder": "folder names",
    ANNOTATOR: "chosen images, named by a person",
    CLUSTER: "clusters, named in one go",
    "": NO_LABEL,
}


@dataclass(frozen=True)
class Archive:
    """Counts of an archive."""

    images: int
    labelled: int
    """Images with a region."""
    patients: int
    """Patients known by an id."""
    without_patient: int
    """Images without one."""
    studies: int
    rejected: int
    """Files that are no image of the archive."""
    regions: int
    tables: tuple[Table, ...]
    """`regions`, `sources`, `unmapped`, `rejected` and `spellings`; those without a row are left out."""


def describe_archive(index: Index) -> Archive:
    """Count what is in an index; no id, path or UID is in the counts."""
    columns = {name: index.images[name].to_pylist() for name in ("region", "given", "region_source", "patient")}
    region, source, patient = columns["region"], columns["region_source"], columns["patient"]
    spellings = Counter(zip(columns["given"], region, source, strict=True))
    tables = (
        _count("regions", "Regions, as given", ("region", "images", "share"), region, {"": NO_LABEL}),
        _count("sources", "Where the labels come from", ("source", "images", "share"), source, _SOURCES),
        _list_spellings(spellings, mapped=False),
        _count_rejected(index),
        _list_spellings(spellings, mapped=True),
    )
    return Archive(
        images=len(index),
        labelled=sum(map(bool, region)),
        patients=len({*patient} - {""}),
        without_patient=patient.count(""),
        studies=len({*index.images["study_instance_uid"].to_pylist()} - {""}),
        rejected=index.rejected_files.num_rows,
        regions=len({*region} - {""}),
        tables=tuple(table for table in tables if table.rows),
    )


def _count(name: str, title: str, columns: tuple[str, ...], values: Sequence[str], words: dict[str, str]) -> Table:
    """How many images have each value, the commonest first."""
    counts = Counter(values).most_common()
    rows = tuple((words.get(value, value), count, count / len(values)) for value, count in counts)
    return Table(name, title, columns, rows)


def _list_spellings(spellings: Counter[tuple[str, str, str]], *, mapped: bool) -> Table:
    """Labels as they stand at their source, the commonest first; those without a region, or the others."""
    found = [(key, count) for key, count in spellings.items() if key[0] and bool(key[1]) == mapped]
    ordered = sorted(found, key=lambda item: (-item[1], item[0]))
    rows: list[tuple[object, ...]] = [
        (given, region, _SOURCES.get(source, source), count) for (given, region, source), count in ordered[:SPELLINGS]
    ]
    if rest := ordered[SPELLINGS:]:
        rows.append((f"{len(rest):,} rarer spellings", "", "", sum(count for _, count in rest)))
    if mapped:
        columns = ("spelling", "region", "found in", "images")
        return Table("spellings", "Spellings, and the region that each became", columns, tuple(rows))
    title = "Spellings that could not be mapped to a region"
    return Table("unmapped", title, ("spelling", "found in", "images"), tuple((row[0], *row[2:]) for row in rows))


def _count_rejected(index: Index) -> Table:
    counts = Counter(index.rejected_files["reason"].to_pylist()).most_common()
    rows = tuple((reason, count, REASONS.get(reason, reason)) for reason, count in counts)
    return Table("rejected", "Files that are no image of the archive, by reason", ("reason", "files", "why"), rows)
