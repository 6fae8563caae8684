"""One decision: what can be said of an image, what makes sense, and how a row of the database is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from embedkit.errors import UsageError
from embedkit.review.chain import Row

KEEP, RELABEL, OUT_OF_DOMAIN, UNUSABLE, SKIP = "keep", "relabel", "out-of-domain", "unusable", "skip"
VERDICTS = (KEEP, RELABEL, OUT_OF_DOMAIN, UNUSABLE, SKIP)
LONGEST_NOTE, LONGEST_NAME = 2000, 64
UNDO = "undo"


@dataclass(frozen=True)
class Decision:
    """One row: what a reviewer said of an image, or (`undoes`) that an earlier row is taken back."""

    number: int
    """From 1, rising in the order in which decisions were made."""
    image_id: str
    reviewer: str
    time: datetime
    """UTC."""
    verdict: str
    """One of `VERDICTS`, or `UNDO`."""
    region: str
    """The new region of a `relabel`; else ""."""
    prior: str
    """The region that the image had when it was decided on; "" for none."""
    note: str
    undoes: int | None = None
    """The number of the decision that this row takes back."""


def check_decision(image_id: str, reviewer: str, verdict: str, *, region: str, prior: str, note: str) -> None:
    """Raise UsageError ``bad-decision`` for what makes no sense."""
    problem = (
        "a reviewer has a name, of at most 64 printable characters"
        if not is_name(reviewer)
        else "an image is named by its id"
        if not image_id
        else f"a verdict is one of {', '.join(VERDICTS)}"
        if verdict not in VERDICTS
        else "a relabel, and only that, names a region, other than the one that the image has"
        if (verdict == RELABEL) != bool(region) or (region and region == prior)
        else "there is no label to keep"
        if verdict == KEEP and not prior
        else f"a note has at most {LONGEST_NOTE:,} characters"
        if len(note) > LONGEST_NOTE
        else ""
    )
    if problem:
        raise UsageError("bad-decision", problem)


def is_unicode(text: str) -> bool:
    """Whether a text can be stored: no half of a character is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_name(text: str) -> bool:
    """Whether a text can name a reviewer."""
    return text.strip() == text and 0 < len(text) <= LONGEST_NAME and text.isprintable()


def read_row(row: Row) -> Decision:
    """Read a row, with its checksum or without; raises ValueError or TypeError where none like it can be recorded."""
    number, image_id, reviewer, time, verdict, region, prior, note, undoes, *_ = row
    texts = (image_id, reviewer, time, verdict, region, prior, note)
    if not all(isinstance(text, str) for text in texts) or not is_name(reviewer) or not image_id:
        raise ValueError("a value is of another kind than it was")
    return Decision(number, image_id, reviewer, datetime.fromisoformat(time), verdict, region, prior, note, undoes)
