"""Erasing decisions on images that were removed from an index: the one case in which rows of the database go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from embedkit.review.database import list_attributes
from embedkit.review.decisions import Decisions


def erase_decisions(index_path: Path | str, is_removed: Callable[[str], bool]) -> int:
    """Erase all decisions on images of which `is_removed` says so by their id, from the backup too; return the rows.

    Raises
    ------
    IndexFolderError
        As `Decisions.open`; without a database nothing is made.
    """
    return sum(_erase(Path(index_path), name, is_removed) for name in list_attributes(Path(index_path)))


def _erase(folder: Path, attribute: str, is_removed: Callable[[str], bool]) -> int:
    with Decisions.open(folder, attribute, read_only=True) as decisions:
        if not any(is_removed(decision.image_id) for decision in decisions.history()):
            return 0
    with Decisions.open(folder, attribute) as decisions:
        return decisions.erase(is_removed)
