"""The map of a vector space: a point an image, coloured by region, with a star where the label is in doubt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from embedkit.errors import UsageError
from embedkit.heads.moments import Floats
from embedkit.indexes import Index
from embedkit.progress import Advance, ignore_progress
from embedkit.quality import IssueTable, read_issues
from embedkit.quality.table import MISLABELLED, MISSING_LABEL, OUT_OF_DOMAIN, UNUSABLE
from embedkit.report.projection import project

CORRECTED = "corrected label"
_DOUBTS = (MISLABELLED, OUT_OF_DOMAIN, UNUSABLE)
ABOVE = 0.5


@dataclass(frozen=True)
class Finding:
    """What is known of an image beside its region."""

    issue: str
    """An issue of `embedkit.quality.ISSUES`, or `CORRECTED`."""
    region: str
    """The suggested region; for a corrected label, the one that the header gave. "" for none."""
    score: float
    """0..1; 1 for a corrected label."""

    @property
    def starred(self) -> bool:
        """Tell whether the label is or was in doubt; an image without a label has none."""
        return self.issue != MISSING_LABEL


@dataclass(frozen=True)
class RegionMap:
    """N images in two dimensions."""

    points: Floats
    """float32 (N, 2)."""
    regions: tuple[str, ...]
    """N region names, "" for none."""
    findings: dict[int, Finding]
    """By row: suspects, corrected labels, and suggestions for missing ones."""
    title: str
    """Space and projection, in words."""

    @cached_property
    def medians(self) -> dict[str, Floats]:
        """The place of each region that has a name, float32 (2,): that of its image nearest to its median."""
        names = np.array(self.regions, dtype=object)
        return {name: _middle(self.points[names == name]) for name in sorted({*self.regions} - {""})}


def make_map(
    index: Index,
    *,
    space: str | None = None,
    projection: str = "umap",
    seed: int = 0,
    issues: Path | IssueTable | None = None,
    above: float = ABOVE,
    settled: Collection[str] = (),
    on_progress: Advance = ignore_progress,
) -> RegionMap:
    """Project a space of an index, and mark suspects and corrected labels.

    Parameters
    ----------
    projection
        ``umap`` or ``tsne``.
    issues
        What `find_label_issues` found, or its .csv or .parquet file. Suspects of wrong labels, out-of-domain and
        unusable images get a star where their score is more than `above`.
    settled
        The ids of images that were decided on: they are no suspects any more.

    Raises
    ------
    UsageError
        ``empty-index``, ``unknown-projection``, ``unknown-space``, ``several-spaces``, ``issues-unreadable``, or
        ``issues-of-another-index`` where none of the issues is of an image of this one.
    """
    if not len(index):
        raise UsageError("empty-index", "the index holds no image: embed some first")
    name = index.space_name(space)
    findings = _read_findings(index, issues, above) if issues is not None else {}
    known = set(settled)
    decided = {row for row, image_id in enumerate(index.images["image_id"].to_pylist()) if image_id in known}
    findings = {row: found for row, found in findings.items() if row not in decided} | _corrected(index)
    points = project(index.vectors(name), projection, seed=seed, on_progress=on_progress)
    drawn = {"umap": "UMAP", "tsne": "t-SNE"}[projection]
    return RegionMap(points, tuple(index.images["region"].to_pylist()), findings, f"{drawn} of {name}")


def _middle(points: Floats) -> Floats:
    away = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return np.asarray(points[away.argmin()], np.float32)


def _corrected(index: Index) -> dict[int, Finding]:
    """The labels from outside the files that differ from a header's."""
    pairs = zip(index.header_regions.to_pylist(), index.images["region"].to_pylist(), strict=True)
    return {row: Finding(CORRECTED, was, 1.0) for row, (was, now) in enumerate(pairs) if was and was != now}


def _read_findings(index: Index, issues: Path | IssueTable, above: float) -> dict[int, Finding]:
    columns = ("sop_instance_uid", "issue", "suggested_region", "score")
    rows_of: dict[str, list[int]] = {}
    for row, uid in enumerate(index.images["sop_instance_uid"].to_pylist()):
        rows_of.setdefault(uid, []).append(row)  # the frames of one file share their UID
    table = read_issues(issues, columns) if isinstance(issues, Path) else issues.table.select(columns)
    listed = [tuple(fields.values()) for fields in table.to_pylist()]
    if listed and not any(uid in rows_of for uid, *_ in listed):
        raise UsageError("issues-of-another-index", f"{issues}: none of these images is in {index.path}")
    findings: dict[int, Finding] = {}
    for uid, issue, region, score in reversed(listed):  # the worst come first in the table, so they stay
        if issue == MISSING_LABEL or (issue in _DOUBTS and score > above):
            findings |= dict.fromkeys(rows_of.get(uid, ()), Finding(issue, region, score))
    return findings


def by_interest(drawn: RegionMap, seed: int = 0) -> list[int]:
    """All rows: those with a star first, then those with another finding, then the others in an order of chance."""
    found = sorted(drawn.findings, key=lambda row: (not drawn.findings[row].starred, -drawn.findings[row].score, row))
    others = np.setdiff1d(np.arange(len(drawn.regions)), found)
    return [*found, *np.random.default_rng(seed).permutation(others).tolist()]
