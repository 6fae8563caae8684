"""Finders of one's own: kinds of issues beside those of this room, ranked, shown, judged and exported as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embedkit.errors import UsageError
from embedkit.indexes import Index
from embedkit.quality.findings import Issue
from embedkit.quality.table import ISSUES, NONE, NOT_CHECKED, SCHEMA, IssueTable

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


class Finder(Protocol):
    """Finds one kind of issue in an index; `find_label_issues(index, finders=[...])` takes any number of them."""

    @property
    def issue(self) -> str:
        """Names the kind in tables and pages: a to z, 0 to 9 and -, and none of `ISSUES`."""

    def find(self, index: Index, /) -> Iterator[Issue]:
        """Yield the images that have it.

        Each is an `Issue` with the row of `index.images`, this kind, a score in 0..1 (how sure it is, higher is worse)
        and a `reason`, a sentence that a person can check at the picture. `evidence` are rows of other images that show
        it; `region` is the label to suggest. No name or id of a patient may stand in the reason.
        """


def add_issues(index: Index, ranking: IssueTable, finders: Sequence[Finder]) -> IssueTable:
    """Return a ranking of all images with what finders found, ranked anew; an image with an issue has no row `none`.

    Raises
    ------
    UsageError
        ``bad-finder`` for a name that is taken or no name, a row that is not there, or a score out of 0..1.
    """
    found = [issue for finder in finders for issue in _check(finder, index)]
    if not found:
        return ranking
    held = {issue.row for issue in found}
    rows = np.array(ranking.rows, np.int64)
    has_none = pc.is_in(ranking.table["issue"], value_set=pa.array([NONE, NOT_CHECKED])).to_numpy(zero_copy_only=False)
    kept = np.flatnonzero(~(has_none & np.isin(rows, list(held))))
    added = pa.Table.from_pylist([_describe(index, issue) for issue in found], schema=SCHEMA)
    table = pa.concat_tables([ranking.table.take(pa.array(kept)), added])
    order = np.argsort(-table["score"].to_numpy(), kind="stable")
    table = table.take(pa.array(order)).set_column(0, SCHEMA.field("rank"), pa.array(np.arange(1, len(order) + 1)))
    every = np.concatenate([rows[kept], np.array([issue.row for issue in found], np.int64)])[order]
    return replace(ranking, table=table, rows=tuple(every.tolist()))


def _check(finder: Finder, index: Index) -> Iterator[Issue]:
    name = finder.issue
    if not _NAME.fullmatch(name) or name in (*ISSUES, NONE, NOT_CHECKED):
        raise UsageError(
            "bad-finder", f"{name!r} cannot name a kind of issue: use a to z, 0 to 9 and -, and no known one"
        )
    for issue in finder.find(index):
        if issue.issue != name or not 0 <= issue.row < len(index) or not 0 <= issue.score <= 1:
            message = f"the finder of {name} gave {issue.issue!r} for row {issue.row} with the score {issue.score}"
            raise UsageError("bad-finder", f"{message}: rows are of this index, scores in 0..1")
        yield issue


def _describe(index: Index, issue: Issue) -> dict[str, object]:
    facts = {name: index.images[name][issue.row].as_py() for name in ("sop_instance_uid", "path", "region")}
    return {
        "rank": 0,
        "sop_instance_uid": facts["sop_instance_uid"],
        "path": facts["path"],
        "issue": issue.issue,
        "given_region": facts["region"],
        "suggested_region": issue.region,
        "score": issue.score,
        "confidence": 0.0,
        "neighbour_agreement": 0.0,
        "evidence": ";".join(index.images["image_id"][row].as_py() for row in issue.evidence),
        "duplicate_group": "",
        "duplicate_role": "",
        "reason": issue.reason,
    }
