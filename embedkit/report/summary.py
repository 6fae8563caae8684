"""The report of an archive: everything that a data owner is told, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from embedkit.indexes import Index
from embedkit.quality import IssueTable
from embedkit.quality.estimate import ErrorEstimate
from embedkit.report.archive import Archive, describe_archive
from embedkit.report.correction import Correction, compare_labels, measure_correction
from embedkit.report.suspicion import (
    Suspicion,
    read_suspicion,
    tabulate_quality,
    tabulate_suspects,
)
from embedkit.report.table import Table
from embedkit.review import Decision, find_consensus


@dataclass(frozen=True)
class Report:
    """What is in an archive, what is suspected, what a review changed, and where labels are worst."""

    archive: Archive
    suspicion: Suspicion
    correction: Correction
    suspects: Table
    quality: tuple[Table, ...]
    """By region, device, station and year, as far as the index tells them apart."""
    disputed: int
    """Images on which the reviewers disagree; their labels count as given."""
    notes: tuple[str, ...]
    """What could not be done, one sentence each."""

    @property
    def checked(self) -> int:
        """Labels that could be checked."""
        return int((self.correction.labels.labelled & ~self.suspicion.unchecked).sum())

    @property
    def expected(self) -> ErrorEstimate:
        """The wrong labels to expect before anybody looked."""
        return self.suspicion.expect(self.correction.labels.labelled)

    @property
    def left(self) -> ErrorEstimate:
        """The wrong labels to expect among the images that nobody read."""
        return self.suspicion.expect(self.correction.labels.labelled & ~self.correction.labels.read)

    @property
    def accuracy(self) -> Table:
        """Out-of-fold accuracy by method and labelling (table 2 of the paper)."""
        rows = [(one.method, one.stage, one.overall.images, one.overall) for one in self.correction.accuracy]
        columns = ("model", "judged by", "images", "accuracy")
        return Table("accuracy", "Out-of-fold accuracy (95% interval)", columns, tuple(rows))

    @property
    def accuracy_by_region(self) -> Table:
        """The same of the last method, the ensemble where there is one, by region."""
        found = [one for one in self.correction.accuracy if one.method == self.correction.accuracy[-1].method]
        names = sorted({name for one in found for name in one.regions})
        rows: list[tuple[object, ...]] = [(name, *(one.regions.get(name, nan) for one in found)) for name in names]
        columns = ("region", *(one.stage for one in found))
        title = f"Out-of-fold accuracy by region, {found[-1].method} (95% interval)" if found else ""
        return Table("accuracy-by-region", title, columns, tuple(rows))

    @property
    def agreement(self) -> Table:
        """Pairs of reviewers who read the same images."""
        rows = [
            (f"{first} and {second}", found.images, found.agreed / found.images, f"{found.kappa:.2f}")
            for (first, second), found in self.correction.agreement.items()
        ]
        columns = ("readers", "images read by both", "agreed", "Cohen's kappa")
        return Table("agreement", "Agreement of readers", columns, tuple(rows))

    @property
    def confusions(self) -> tuple[Table, ...]:
        """The two matrices of figure 4 of the paper, where somebody reviewed."""
        relabelled, change = self.correction.relabelled, self.correction.change
        return (
            *([relabelled.as_table("relabelled", RELABELLED, "reviewed \\ given")] if relabelled else []),
            *([change.as_table("model-change", CHANGE, "label \\ model")] if change else []),
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables that have a row."""
        accuracy = (self.accuracy, self.accuracy_by_region)
        own = (*self.archive.tables, self.suspects, *self.confusions, *accuracy, self.agreement, *self.quality)
        return tuple(table for table in own if table.rows)


RELABELLED = "Images reviewed: label after review by row, label as given by column"
CHANGE = "Change of the model's confusion matrix: label by row, model's answer by column"


def make_report(
    index: Index,
    issues: IssueTable,
    decisions: Sequence[Decision] = (),
    *,
    spaces: Sequence[str] = (),
    seed: int = 0,
) -> Report:
    """Sum up an archive.

    Parameters
    ----------
    issues
        The ranking of all its images (`find_label_issues` with `all_images`).
    decisions
        Those that stand (`embedkit.review.Decisions.latest`).
    spaces
        The vector spaces to measure accuracy by, all where none is named.

    Raises
    ------
    UsageError
        ``unknown-space``.
    """
    consensus = find_consensus(decisions)
    labels = compare_labels(index, consensus)
    suspicion = read_suspicion(issues)
    names = [index.space_name(name) for name in spaces] or list(index.spaces)
    vectors = {name: index.vectors(name) for name in names}
    patients = index.images["patient"].to_pylist()
    return Report(
        archive=describe_archive(index),
        suspicion=suspicion,
        correction=measure_correction(labels, vectors, patients, suspicion.suspected, decisions, seed=seed),
        suspects=tabulate_suspects(suspicion, labels),
        quality=tabulate_quality(index, suspicion, labels),
        disputed=sum(found.disputed for found in consensus.values()),
        notes=issues.notes,
    )


def pick_pictures(report: Report, count: int) -> list[int]:
    """Rows to show: changed labels first, then suspects that nobody read, the likeliest errors first."""
    labels, wrong = report.correction.labels, report.suspicion.wrong
    unread = report.suspicion.suspected & ~labels.read
    rows = np.flatnonzero(labels.changed | unread)
    return [int(row) for row in rows[np.lexsort((-wrong[rows], ~labels.changed[rows]))][:count]]
