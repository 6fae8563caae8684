"""The suspects as one HTML file.

Every text is escaped. UIDs and regions are shown, paths are not: folders are named after patients often enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template

import numpy as np

from embedkit.indexes import Index
from embedkit.quality import IssueTable
from embedkit.quality.groups import KEEP, REPEAT
from embedkit.quality.pictures import Pictures
from embedkit.quality.table import NEAR_DUPLICATE, STUDY_CONFLICT
from embedkit.report.page import encode_webp, fill_page, read_template

PICTURED = 300
_SUSPECT_SIDE, _NEIGHBOUR_SIDE = 256, 128
_NO_SUGGESTION = {"out-of-domain": "none of the regions", "unusable": "nothing to see"}
_AT_ONCE = 64
_ADVICE = {KEEP: " Of its group, this is the one to keep.", REPEAT: " Another one of its group is the one to keep."}

_HEADINGS = {NEAR_DUPLICATE: "The same exposure as", STUDY_CONFLICT: "Filed otherwise in the same study"}


@dataclass(frozen=True)
class _Suspect:
    """A row of the table, with the rows of its evidence in the index."""

    row: int
    fields: dict[str, object]
    evidence: tuple[int, ...]

    @property
    def pair(self) -> str:
        """The two regions, as filtered by."""
        return f"{self.given} → {self.suggested}"

    @property
    def given(self) -> str:
        """The given region, in words."""
        return str(self.fields["given_region"] or "no label")

    @property
    def suggested(self) -> str:
        """The suggested region, in words."""
        return str(self.fields["suggested_region"] or _NO_SUGGESTION.get(str(self.fields["issue"]), "no suggestion"))


def issues_page(index: Index, issues: IssueTable, *, pictured: int = PICTURED) -> str:
    """Write the page; the first `pictured` suspects with pictures (about 10 kB each), the others as lines."""
    suspects = _list_suspects(index, issues)
    regions = index.images["region"].to_pylist()
    cards = []
    for start in range(0, min(pictured, len(suspects)), _AT_ONCE):
        part = suspects[start : min(start + _AT_ONCE, pictured)]
        cards += _draw_cards(index, part, regions)
    return fill_page(
        "issues",
        summary=f"{len(suspects):,} suspects among {issues.images:,} images",
        notes="".join(f"<li>{escape(note)}</li>" for note in _list_notes(issues, len(suspects), pictured)),
        issues="".join(_draw_choices(issues.counts)),
        pairs="".join(_draw_pairs(suspects)),
        cards="".join(cards),
        lines="".join(map(_draw_line, suspects[pictured:])),
    )


def _list_suspects(index: Index, issues: IssueTable) -> list[_Suspect]:
    """The rows of the table but those of images without an issue."""
    listed = issues.listed()
    chosen = list(zip(listed.rows, listed.table.to_pylist(), strict=True))
    named = [[name for name in str(fields["evidence"]).split(";") if name] for _, fields in chosen]
    rows = iter(index.rows_of([name for names in named for name in names]).tolist())
    return [
        _Suspect(row, fields, tuple(next(rows) for _ in names))
        for (row, fields), names in zip(chosen, named, strict=True)
    ]


def _list_notes(issues: IssueTable, suspects: int, pictured: int) -> tuple[str, ...]:
    """The errors to expect, the patterns among them, and what could not be done or shown."""
    found = [str(issues.estimate)] if issues.estimate else []
    return (*found, *map(str, issues.patterns), *issues.notes, *_limit(suspects, pictured))


def _limit(suspects: int, pictured: int) -> tuple[str, ...]:
    if suspects <= pictured:
        return ()
    return (
        f"Pictures are shown for the first {pictured:,} suspects; the other {suspects - pictured:,} are listed below.",
    )


def _draw_cards(index: Index, suspects: Sequence[_Suspect], regions: Sequence[str]) -> list[str]:
    rows = sorted({row for suspect in suspects for row in (suspect.row, *suspect.evidence) if row >= 0})
    picture_of = dict(zip(rows, index.pictures(np.array(rows, dtype=np.int64)), strict=True))
    return [_draw_card(suspect, picture_of, regions) for suspect in suspects]


def _draw_card(suspect: _Suspect, picture_of: dict[int, Pictures], regions: Sequence[str]) -> str:
    neighbours = (_draw_neighbour(suspect, picture_of[row], regions[row]) for row in suspect.evidence[:5] if row >= 0)
    return Template(read_template("suspect.html")).substitute(
        _texts(suspect),
        picture=_as_uri(picture_of[suspect.row], _SUSPECT_SIDE),
        neighbours="".join(neighbours),
        heading=_HEADINGS.get(str(suspect.fields["issue"]), "Nearest, of other patients"),
    )


def _draw_neighbour(suspect: _Suspect, picture: Pictures, region: str) -> str:
    kind = {suspect.fields["suggested_region"]: "suggested", suspect.fields["given_region"]: "given"}
    return Template(read_template("neighbour.html")).substitute(
        kind=kind.get(region, "") if region else "",
        picture=_as_uri(picture, _NEIGHBOUR_SIDE),
        side=_NEIGHBOUR_SIDE,
        region=escape(region or "no label"),
    )


def _draw_line(suspect: _Suspect) -> str:
    return Template(read_template("line.html")).substitute(_texts(suspect))


def _texts(suspect: _Suspect) -> dict[str, str]:
    """Every text of a suspect, escaped."""
    fields = suspect.fields
    shares = {name: float(str(fields[name])) for name in ("score", "confidence", "neighbour_agreement")}
    texts = {name: f"{share:.2f}" for name, share in shares.items()} | {
        "rank": f"{fields['rank']}",
        "issue": str(fields["issue"]),
        "uid": str(fields["sop_instance_uid"]),
        "reason": str(fields["reason"]) + _ADVICE.get(str(fields["duplicate_role"]), ""),
        "group": str(fields["duplicate_group"]),
        "given": suspect.given,
        "suggested": suspect.suggested,
        "known": "" if fields["suggested_region"] else "unknown",
        "pair": suspect.pair,
    }
    return {name: escape(text) for name, text in texts.items()}


def _draw_choices(counts: dict[str, int]) -> list[str]:
    return [
        f'<label><input type="checkbox" value="{issue}" checked><span>{issue}</span> <b>{count:,}</b></label>'
        for issue, count in counts.items()
        if count
    ]


def _draw_pairs(suspects: Sequence[_Suspect]) -> list[str]:
    pairs = Counter(suspect.pair for suspect in suspects)
    return [
        f'<option value="{escape(pair)}">{escape(pair)} ({count:,})</option>'
        for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    ]


def _as_uri(picture: Pictures, side: int) -> str:
    return f"data:image/webp;base64,{encode_webp(picture, side)}"
