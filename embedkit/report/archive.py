"""What is in an archive, in tables: regions, spellings, files that are no image of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from embedkit.indexes import REASONS, Index
from embedkit.report.confusion import NO_LABEL
from embedkit.report.table import Table

SPELLINGS = 60
"""Rows of the tables of spellings; what is rarer is counted together."""
_SOURCES = {
    "anatomic-region-sequence": "Anatomic Region Sequence",
    "body-part-examined": "Body Part Examined",
    "description": "description of study, series or procedure",
    "csv": "table of labels",
    "folder": "folder names",
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
    """`regions`, `sources`, `spellings`, `unmapped` and `rejected`; those without a row are left out."""


def describe_archive(index: Index) -> Archive:
    """Count what is in an index; no id, path or UID is in the counts."""
    columns = {name: index.images[name].to_pylist() for name in ("region", "given", "region_source", "patient")}
    region, source, patient = columns["region"], columns["region_source"], columns["patient"]
    spellings = Counter(zip(columns["given"], region, source, strict=True))
    tables = (
        _count("regions", "Regions, as given", ("region", "images", "share"), region, {"": NO_LABEL}),
        _count("sources", "Where the labels come from", ("source", "images", "share"), source, _SOURCES),
        _list(
            "spellings", "Spellings, and the region that each became", [key for key in spellings if key[1]], spellings
        ),
        _list(
            "unmapped",
            "Spellings that could not be mapped to a region",
            [key for key in spellings if key[0] and not key[1]],
            spellings,
        ),
        _count_rejected(index),
    )
    return Archive(
        images=len(index),
        labelled=sum(map(bool, region)),
        patients=len({*patient} - {""}),
        without_patient=patient.count(""),
        studies=len({*index.images["study_instance_uid"].to_pylist()} - {""}),
        rejected=index.rejected.num_rows,
        regions=len({*region} - {""}),
        tables=tuple(table for table in tables if table.rows),
    )


def _count(name: str, title: str, columns: tuple[str, ...], values: Sequence[str], words: dict[str, str]) -> Table:
    """How many images have each value, the commonest first."""
    counts = Counter(values).most_common()
    rows = tuple((words.get(value, value), count, count / len(values)) for value, count in counts)
    return Table(name, title, columns, rows)


def _list(name: str, title: str, keys: list[tuple[str, str, str]], counts: Counter[tuple[str, str, str]]) -> Table:
    """Spellings with region and source, the commonest first."""
    ordered = sorted(keys, key=lambda key: (-counts[key], key))
    rows = [(given, region, _SOURCES[source], counts[given, region, source]) for given, region, source in ordered]
    rest = rows[SPELLINGS:]
    more = [(f"{len(rest):,} rarer spellings", "", "", sum(row[3] for row in rest))] if rest else []
    kept = [*rows[:SPELLINGS], *more]
    if name == "unmapped":
        return Table(name, title, ("spelling", "found in", "images"), tuple((row[0], *row[2:]) for row in kept))
    return Table(name, title, ("spelling", "region", "found in", "images"), tuple(kept))


def _count_rejected(index: Index) -> Table:
    counts = Counter(index.rejected["reason"].to_pylist()).most_common()
    rows = tuple((reason, count, REASONS[reason]) for reason, count in counts)
    return Table("rejected", "Files that are no image of the archive, by reason", ("reason", "files", "why"), rows)
