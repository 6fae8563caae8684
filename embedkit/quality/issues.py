"""Finding everything that is wrong with the labels of an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from embedkit.display import shown
from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.progress import OnProgress
from embedkit.quality.conflicts import find_study_conflicts, name_header_conflict
from embedkit.quality.duplicates import NO_DUPLICATES, find_duplicates
from embedkit.quality.estimate import estimate_errors
from embedkit.quality.evidence import HEADERS, Witness
from embedkit.quality.finder import Finder, add_issues
from embedkit.quality.findings import Findings, Issue, list_issues
from embedkit.quality.groups import KEEP, REPEAT, choose_kept
from embedkit.quality.patterns import find_patterns
from embedkit.quality.pictures import name_fault, survey_pictures
from embedkit.quality.ranking import LabelRanking
from embedkit.quality.rarity import find_rare_labels
from embedkit.quality.screening import screen_labels
from embedkit.quality.spaces import choose_spaces
from embedkit.quality.stored_ranking import place_ranking, read_ranking, store_ranking, with_time
from embedkit.quality.table import (
    DOUBTFUL,
    HEADER_CONFLICT,
    MISLABELLED,
    MISSING_LABEL,
    NEAR_DUPLICATE,
    NONE,
    NOT_CHECKED,
    OUT_OF_DOMAIN,
    RARE_LABEL,
    SCHEMA,
    STUDY_CONFLICT,
    UNUSABLE,
    IssueTable,
)

_ORDER = (
    UNUSABLE,
    OUT_OF_DOMAIN,
    MISLABELLED,
    RARE_LABEL,
    NEAR_DUPLICATE,
    STUDY_CONFLICT,
    HEADER_CONFLICT,
    MISSING_LABEL,
    NONE,
    NOT_CHECKED,
)
_PLACE = {issue: place for place, issue in enumerate(_ORDER)}
_COLUMNS = ("image_id", "sop_instance_uid", "path", "notes", "rows", "columns", *HEADERS)
"""Of the index, all that a ranking is made from beside pictures and vectors."""
_ALIKE = {
    OUT_OF_DOMAIN: "No region fits: the labels around it are doubted too, or it is far from all.",
    NOT_CHECKED: "Not checked: its label needs images of other patients, and of another label, to be held against.",
}
"""What is said of every image with the issue."""


def find_label_issues(
    index: Index,
    *,
    space: str | Sequence[str] | None = None,
    all_images: bool = False,
    reviewed: Mapping[int, str] | None = None,
    seed: int = 0,
    finders: Sequence[Finder] = (),
    on_progress: OnProgress | bool = False,
) -> IssueTable:
    """Find wrong labels, out-of-domain, unusable and repeated images, and missing labels.

    Parameters
    ----------
    index
        An open index; regions, patients, vectors and pictures are read from it.
    space
        The vector space, or several, of encoders that have not seen the labels; where none is named, all spaces that
        shipped encoders made that were trained without labels, or the only one.
    all_images
        Add a row for every image without any issue: `none`, or `not-checked` where its label could not be checked.
    reviewed
        What people said of images: by row of `index.images` the region that it shows, "" for none of the regions. What
        they found right is no longer listed, what they found wrong has the score 1, and all other scores are
        fitted to their verdicts too. A region that no image was given is none of the regions.
    seed
        Of the folds; the same index and seed give the same table.
    finders
        Finders of other kinds of issues, beside those of `ISSUES`.
    on_progress
        Is told what is being done ("Pictures", "Neighbours", "Labels", "Repeats"), and how much of how much is done.
        True shows a bar on stderr, in a terminal or a notebook.

    Raises
    ------
    UsageError
        ``empty-index`` where there is no image; ``unknown-space`` or ``several-spaces``; ``bad-review``; ``bad-finder``
        as `add_issues`.
    """
    if len(index.images) == 0:
        raise UsageError("empty-index", "the index holds no image: embed some first")
    spaces, notes = choose_spaces(index, space)
    verdicts = dict(reviewed or {})
    kept = place_ranking(index, _COLUMNS, spaces, verdicts, seed) if isinstance(index, Index) else None
    found = read_ranking(kept) if kept else None
    if found is None:
        with shown(on_progress) as tell:
            found = _rank(index, spaces, verdicts, seed, tell)
        if kept:
            store_ranking(kept, with_time(found))
    found = add_issues(index, found, finders)
    return replace(found if all_images else found.listed(), notes=(*notes, *found.notes))


def _rank(
    index: Index, spaces: Sequence[str], reviewed: Mapping[int, str], seed: int, on_progress: OnProgress
) -> IssueTable:
    """Rank all images, those without an issue too."""
    columns = {name: index.images[name].to_pylist() for name in _COLUMNS}
    findings = _examine(index, columns, spaces, reviewed=reviewed, seed=seed, on_progress=on_progress)
    labels = findings.screening.labels
    entries = sorted(list_issues(findings), key=lambda e: (-e.score, _PLACE[e.issue], e.row))
    reasons = _explain(entries, Witness(labels, findings.duplicates, columns), index, findings)
    return IssueTable(
        _tabulate(entries, findings, columns, reasons),
        tuple(entry.row for entry in entries),
        len(index.images),
        findings.screening.notes,
        find_patterns(labels),
        estimate_errors(findings.wrong, findings.settled, labels.disagreement) if labels.checked.any() else None,
    )


def _examine(
    index: Index,
    columns: Mapping[str, list[str]],
    spaces: Sequence[str],
    *,
    reviewed: Mapping[int, str],
    seed: int,
    on_progress: OnProgress,
) -> Findings:
    regions, patients = (np.array(columns[name], dtype=object) for name in ("region", "patient"))
    survey = survey_pictures(len(regions), index.stored_pictures, partial(on_progress, "Pictures"))
    blank = survey.shows_nothing
    vectors = {space: index.vectors(space) for space in spaces}
    settled = np.isin(np.arange(len(regions)), list(reviewed))
    labels = np.where(blank & ~settled, "", regions)  # a person saw something
    known = {*labels.tolist()}
    rare = find_rare_labels(labels.tolist(), columns["patient"])
    verdicts = {row: region if region in known else "" for row, region in reviewed.items()}
    screening = screen_labels(labels, vectors, patients, reviewed=verdicts, seed=seed, on_progress=on_progress)
    duplicates, graph = NO_DUPLICATES, screening.labels.graph
    if graph is not None:  # blank plates resemble each other and are no duplicates
        instances = columns["sop_instance_uid"]
        found = find_duplicates(
            graph.candidates,
            instances,
            survey.thumbnails,
            index.pictures,
            partial(on_progress, "Repeats"),
            negatives=survey.negatives,
        )
        duplicates = found.with_one_of(~blank)  # a copy under a window may show too little, its original does not
    pixels = np.array(columns["rows"], np.int64) * np.array(columns["columns"], np.int64)
    listed = screening.labels.is_issue | (screening.out_of_domain > 0.5) | blank | settled
    return Findings(
        screening,
        survey.unusable,
        (regions == "") & ~settled,
        settled,
        {row: label for row, label in rare.items() if not settled[row]},
        duplicates,
        choose_kept(duplicates, pixels, survey.thumbnails, columns["path"]),
        dict(find_study_conflicts(screening.labels, columns["study_instance_uid"], ~listed)),
        {row: said for row, notes in enumerate(columns["notes"]) if (said := name_header_conflict(notes))},
    )


def _explain(entries: list[Issue], witness: Witness, index: Index, found: Findings) -> tuple[str, ...]:
    """Say in a sentence why each entry is listed; nothing of an image without an issue."""
    unusable = [entry.row for entry in entries if entry.issue == UNUSABLE]
    faults = {row: name_fault(picture) for row, picture in zip(unusable, index.pictures(unusable), strict=True)}
    say: dict[str, Callable[[Issue], str]] = {
        UNUSABLE: lambda entry: f"The picture is {faults[entry.row]}.",
        MISLABELLED: lambda entry: witness.of_label(entry.row),
        NEAR_DUPLICATE: lambda entry: witness.of_duplicate(entry.row, entry.evidence),
        MISSING_LABEL: lambda entry: witness.of_missing(entry.row),
        STUDY_CONFLICT: lambda entry: witness.of_study(entry.row, entry.evidence),
        HEADER_CONFLICT: lambda entry: found.header_conflicts[entry.row],
        RARE_LABEL: lambda entry: str(found.rare_labels[entry.row]),
        NONE: lambda entry: witness.of_doubt(entry.row) if entry.score >= DOUBTFUL else "",
    }
    return tuple(_ALIKE[entry.issue] if entry.issue in _ALIKE else say[entry.issue](entry) for entry in entries)


def _tabulate(entries: list[Issue], found: Findings, columns: dict[str, list[str]], reasons: Sequence[str]) -> pa.Table:
    hidden = {entry.row for entry in entries if entry.issue in (UNUSABLE, OUT_OF_DOMAIN, NOT_CHECKED)}
    return pa.Table.from_pylist(
        [
            _describe(entry, found, columns, suggest=entry.row not in hidden) | {"rank": rank, "reason": reason}
            for rank, (entry, reason) in enumerate(zip(entries, reasons, strict=True), start=1)
        ],
        schema=SCHEMA,
    )


def _describe(entry: Issue, found: Findings, columns: dict[str, list[str]], *, suggest: bool) -> dict[str, object]:
    row, labels = entry.row, found.screening.labels
    suggested, confidence, agreement = _suggest(entry, labels) if suggest else ("", 0.0, 0.0)
    evidence = entry.evidence or [near for near in labels.neighbours[row].tolist() if near >= 0]
    return {
        "sop_instance_uid": columns["sop_instance_uid"][row],
        "path": columns["path"][row],
        "issue": entry.issue,
        "given_region": columns["region"][row],
        "suggested_region": suggested,
        "score": entry.score,
        "confidence": confidence,
        "neighbour_agreement": agreement,
        "evidence": ";".join(columns["image_id"][near] for near in evidence),
        "duplicate_group": columns["image_id"][found.kept[row]] if entry.issue == NEAR_DUPLICATE else "",
        "duplicate_role": (KEEP if found.kept[row] == row else REPEAT) if entry.issue == NEAR_DUPLICATE else "",
    }


def _suggest(entry: Issue, labels: LabelRanking) -> tuple[str, float, float]:
    """The region to suggest, its probability, and its share of the neighbours' vote; 0 for what is not known."""
    best = int(labels.suggested[entry.row])
    named = labels.classes[best] if best >= 0 else ""
    if entry.region in ("", named):
        sure, agreement = labels.confidence[entry.row], labels.neighbour_agreement[entry.row]
        return (named, float(sure), float(agreement)) if named else ("", 0.0, 0.0)
    if entry.region not in labels.classes:
        return entry.region, 0.0, 0.0
    code, around = labels.classes.index(entry.region), labels.neighbourhood
    agreement = 0.0 if around is None else float(around.votes[entry.row, code])
    return entry.region, float(labels.probabilities[entry.row, code]), agreement
