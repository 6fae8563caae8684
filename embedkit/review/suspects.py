"""The suspects as they are read: one entry an image, with all its issues, and in words why it is suspected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.quality import IssueTable, read_issues
from embedkit.quality.table import (
    DOUBTFUL,
    HEADER_CONFLICT,
    MISSING_LABEL,
    NEAR_DUPLICATE,
    NONE,
    NOT_CHECKED,
    STUDY_CONFLICT,
)
from embedkit.review.agreement import Consensus

_COLUMNS = (
    "sop_instance_uid",
    "issue",
    "given_region",
    "suggested_region",
    "score",
    "confidence",
    "neighbour_agreement",
    "evidence",
    "reason",
)

_PATIENCE = {MISSING_LABEL: 1, NEAR_DUPLICATE: 2, HEADER_CONFLICT: 3}
"""Issues that can wait."""


@dataclass(frozen=True)
class Suspect:
    """One image to be judged."""

    image_id: str
    issues: tuple[str, ...]
    """The worst first; `none` for a label that is doubted a little; empty for an image that is only read again."""
    suggested: str = ""
    """The region that we suggest; "" for none."""
    score: float = 0.0
    """Of the worst issue, 0..1."""
    confidence: float = 0.0
    """Probability of the suggested region."""
    neighbour_agreement: float = 0.0
    """Share of the neighbours' vote that the suggested region has."""
    neighbours: tuple[str, ...] = ()
    """Image ids of the nearest images of other patients."""
    repeats: tuple[str, ...] = ()
    """Image ids of the same exposure under other UIDs."""
    reasons: tuple[str, ...] = ()
    """Why, a sentence or two for each issue."""


def list_suspects(index: Index, issues: IssueTable) -> list[Suspect]:
    """Suspects of a ranking of this index, the worst first; of one of all images, also what is a little doubtful.

    Labels that are there and doubted come first, then missing ones, then mere repeats: so a person's time mends most.
    """
    ids = index.images["image_id"].to_pylist()
    worth = issues.worth_reading()
    rows = worth.table.select(_COLUMNS).to_pylist()
    found = _merge((ids[row], fields) for row, fields in zip(worth.rows, rows, strict=True))
    return sorted(found, key=lambda suspect: min(_PATIENCE.get(issue, 0) for issue in suspect.issues))


def read_suspects(path: Path, index: Index) -> list[Suspect]:
    """Suspects of a file that `find-label-issues --out` wrote, .csv or .parquet, in its order.

    Every frame of a file that is named there is a suspect. Images that the index does not hold are passed over.

    Raises
    ------
    UsageError
        ``issues-unreadable`` where it is no such file, ``issues-of-another-index`` where it names no image of this one.
    """
    ids: dict[str, list[str]] = {}
    for image_id, uid in zip(*(index.images[c].to_pylist() for c in ("image_id", "sop_instance_uid")), strict=True):
        ids.setdefault(uid, []).append(image_id)
    rows = read_issues(path, _COLUMNS).to_pylist()
    found = _merge((image_id, row) for row in rows for image_id in ids.get(row["sop_instance_uid"], ()))
    if not found:
        raise UsageError("issues-of-another-index", f"{path}: it names no suspect that is in this index")
    return found


def settle_rows(index: Index, consensus: Mapping[str, Consensus]) -> dict[int, str]:
    """By row of the index, the region that reviewers agreed on, "" for none: `reviewed` of `find_label_issues`."""
    return {
        row: consensus[image_id].region
        for row, image_id in enumerate(index.images["image_id"].to_pylist())
        if image_id in consensus and not consensus[image_id].disputed
    }


def correct_labels(index: Index, consensus: Mapping[str, Consensus]) -> Index:
    """The same index with the regions that reviewers agreed on (`find_consensus`) in the place of those given.

    An image that is out of the domain or unusable has none. Disputed images keep theirs.
    """
    regions = [
        consensus[image_id].region if image_id in consensus and not consensus[image_id].disputed else region
        for image_id, region in zip(*(index.images[c].to_pylist() for c in ("image_id", "region")), strict=True)
    ]
    return index.with_regions(pa.array(regions, pa.string()))


def explain(suspect: Suspect, given: str, near: Iterable[str]) -> list[str]:
    """Why an image is suspected, in sentences; `near` are the regions of its neighbours, "" for none."""
    near, sentences = list(near), list(suspect.reasons)
    if suspect.suggested == given != "" and suspect.confidence:
        sentences.append(f"A model that never saw this patient says so too: {suspect.confidence:.0%}.")
    if given and near:
        sentences.append(f"Of the {len(near)} nearest, {near.count(given)} are labelled {given} as this one is.")
    return sentences


def _merge(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Suspect]:
    """One suspect an image, at the place of its worst issue."""
    found: dict[str, Suspect] = {}
    for image_id, row in rows:
        if row["issue"] == NOT_CHECKED or (row["issue"] == NONE and float(row["score"]) < DOUBTFUL):
            continue
        read = _read(image_id, row)
        held = found.setdefault(image_id, read)
        if row["issue"] not in held.issues:
            found[image_id] = replace(
                held,
                issues=(*held.issues, row["issue"]),
                neighbours=held.neighbours or read.neighbours,
                repeats=held.repeats or read.repeats,
                reasons=(*held.reasons, *read.reasons),
            )
    return list(found.values())


def _read(image_id: str, row: Mapping[str, Any]) -> Suspect:
    evidence = tuple(name for name in str(row["evidence"]).split(";") if name)
    repeated = row["issue"] == NEAR_DUPLICATE
    in_study = row["issue"] == STUDY_CONFLICT
    return Suspect(
        image_id,
        (str(row["issue"]),),
        str(row["suggested_region"]),
        float(row["score"]),
        float(row["confidence"]),
        float(row["neighbour_agreement"]),
        neighbours=() if repeated or in_study else evidence,
        repeats=evidence if repeated else (),
        reasons=(reason,) if (reason := str(row["reason"])) else (),
    )
