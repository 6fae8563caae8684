"""Names that a person wrote into a table of ours: the region of an image, or of a cluster of images.

Unlike a site's own table of labels, whose unknown labels become regions of their own, such a table is typed by hand:
what the vocabulary does not know is a slip of the pen.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from embedkit.errors import UsageError
from embedkit.labels.header import Label
from embedkit.labels.table import column_names, find_column, read_rows, wrong_table
from embedkit.labels.vocabulary import Vocabulary

_SHOWN = 5


def is_selection(path: Path) -> bool:
    """Whether a table is the selected.csv of `select`; raises `UsageError` ``labels-invalid`` where it is no table."""
    with read_rows(path) as rows:
        return {"sheet", "image_id", "region"} <= set(column_names(next(rows, [])))


def read_annotations(
    path: Path, key: str, vocabulary: Vocabulary, *, source: str, regions: Collection[str] = ()
) -> dict[str, Label]:
    """Read what was written under `region`, by the column `key`; a row without a name is passed over.

    Parameters
    ----------
    source
        What the labels are to be known by (`Label.source`).
    regions
        Names that are good beside those of the vocabulary: regions that the index has already.

    Raises
    ------
    UsageError
        ``labels-invalid`` for another table, or where no row has a name; ``unknown-region`` for a name that means no
        region. Messages tell rows, and the nearest spelling, and never what is in a cell.
    """
    with read_rows(path) as rows:
        columns = column_names(next(rows, []))
        place, value = find_column(columns, (key,), path), find_column(columns, ("region",), path)
        named: dict[str, Label] = {}
        unknown: list[str] = []
        for number, row in enumerate(rows, start=2):
            text = row[value].strip() if len(row) > max(place, value) else ""
            if not text:
                continue
            region = text if text in regions else vocabulary.region_of_spelling(text)
            if not region:
                unknown.append(_advise(number, text, vocabulary))
            name = row[place].strip()
            if named.setdefault(name, Label(region, text, source)).region != region:
                raise wrong_table(path, f"row {number} contradicts an earlier row for the same {key}")
    if unknown:
        more = f"; and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise UsageError(
            "unknown-region",
            f"{path}: {'; '.join(unknown[:_SHOWN])}{more}. Mend them, or name regions of your own with --vocabulary",
        )
    if not named:
        raise wrong_table(path, "no row has a name under region yet")
    return named


def _advise(number: int, text: str, vocabulary: Vocabulary) -> str:
    near = vocabulary.nearest_spelling(text)
    advice = (
        f'the nearest spelling is "{near}"' if near else f"none comes near; there are {', '.join(vocabulary.names)}"
    )
    return f"row {number} names no region: {advice}"
