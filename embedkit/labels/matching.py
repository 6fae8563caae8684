"""Which images the rows of a label table mean: by image id, else by path, wherever only one image can be meant.

Tables come from other machines: with a drive letter or another mount before the paths, in another case, without
extension. The rules are in docs/labels.md. A row that could mean several images means none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from embedkit.labels.header import Label
from embedkit.labels.table import LabelRow, LabelTable, path_parts
from embedkit.sources import IMAGE_EXTENSION

ABSENT, SEVERAL = "not-in-the-index", "several-images"
REJECTED, CONTRADICTING = "rejected-file", "contradicts-another-row"
"""Why a row labels no image."""


class KnownFile(NamedTuple):
    """A file of an index, an image or rejected."""

    path: str
    """Absolute."""
    instance: str
    """What tells its content from other files': equal files have the same."""
    image_ids: tuple[str, ...]
    """The images that it is, or that an equal file is; none where it is rejected."""
    asked: bool = True
    """Whether a part of its path is enough to find it."""


@dataclass(frozen=True)
class UnmatchedRow:
    """A row of a label table that labels no image."""

    row: int
    """Its place in the file, from 1."""
    name: str
    """The image id or path that it gives."""
    why: str
    """`not-in-the-index`, `several-images`, `rejected-file` or `contradicts-another-row`."""


@dataclass(frozen=True)
class MatchedLabels:
    """What a label table says of the images of an index."""

    labels: dict[str, Label]
    """By image id."""
    unmatched: tuple[UnmatchedRow, ...]
    folders: str = ""
    """The folders at the beginning of its paths that were left out, as they are called otherwise here."""


Spelling = Callable[[str], str]
"""What makes of a path, or of a part of one, that which is compared."""


def _exact(path: str) -> str:
    return path


def match_labels(table: LabelTable, files: Sequence[KnownFile], spell: Spelling = _exact) -> MatchedLabels:
    """Find the images that each row of `table` means.

    An image id goes before a path, a longer end of a path before a shorter one, the exact spelling before another.
    Paths of `files` are such as `spell` makes of those that the table gives, and so are the names of unmatched rows.
    """
    by_id = _find_ids(table.rows, files)
    by_path = [
        (row, [*map(spell, _translate(row.path, table.path_map))])
        for row in table.rows
        if row.path and row.number not in by_id
    ]
    search = _PathSearch(files)
    folders = search.find(by_path)
    labels = search.labels
    for row in sorted((row for row in table.rows if row.number in by_id), key=lambda row: "#" in row.image_id):
        labels |= dict.fromkeys(by_id[row.number], row.label)
    lost = [row for row in table.rows if row.number not in by_id and row.number not in search.matched]
    named = ((row.number, row.image_id or spell(row.path)) for row in lost)
    unmatched = (UnmatchedRow(number, name, search.failed.get(number, ABSENT)) for number, name in named)
    return MatchedLabels(labels, tuple(unmatched), folders)


def _find_ids(rows: Iterable[LabelRow], files: Iterable[KnownFile]) -> dict[int, list[str]]:
    """By number of a row that names an image by its id: the ids of all frames that it means."""
    wanted: dict[str, list[str]] = {row.image_id: [] for row in rows if row.image_id}
    if not wanted:
        return {}
    for image_id in dict.fromkeys(image_id for file in files for image_id in file.image_ids):
        for name in {image_id, image_id.partition("#")[0]} & wanted.keys():
            wanted[name].append(image_id)
    return {row.number: wanted[row.image_id] for row in rows if wanted.get(row.image_id)}


def _translate(path: str, path_map: Sequence[tuple[str, str]]) -> list[str]:
    """The parts of a path, with the first pair of the map that fits applied."""
    parts = path_parts(path)
    for old, new in path_map:
        head = path_parts(old)
        if [_fold(part) for part in parts[: len(head)]] == [_fold(part) for part in head]:
            return path_parts(new) + parts[len(head) :]
    return parts


def _fold(path: str) -> str:
    """A path without case and without the ways to write an accent."""
    return unicodedata.normalize("NFC", path).casefold()


def _stem(path: str) -> str:
    """A path without the extension of an image; the last number of a UID is none."""
    return IMAGE_EXTENSION.sub("", _fold(path))


Rows = list[tuple[LabelRow, list[str]]]
"""Rows with the parts of their paths."""


class _PathSearch:
    """Matches the ends of paths; each file is found once, by the longest and most exact of the paths that end so."""

    def __init__(self, files: Sequence[KnownFile]) -> None:
        self.labels: dict[str, Label] = {}
        self.matched: set[int] = set()
        self.failed: dict[int, str] = {}
        self._files = files
        self._taken: set[str] = set()
        self._shared = len(_shared_folders(file.path.split("/") for file in self._asked()))

    def find(self, rows: Rows) -> str:
        """Match what can be; return the leading folders of the table that were left out.

        Only folders that all paths of the table begin with, and in their place only such as all files begin with: then
        they tell nothing apart. None is left out where some path is that of a file as it stands.
        """
        self._match_whole(rows)
        shared = [] if self.matched or self.failed else _shared_folders(parts for _, parts in rows)
        rows = self._left(rows)
        for leave_out in range(len(shared) + 1):
            if self._ends(rows, leave_out, _stem):
                for spelling in (_exact, _fold, _stem):
                    self._match_ends(self._left(rows), leave_out, spelling)
                return "/".join(shared[:leave_out])
        return ""

    def _left(self, rows: Rows) -> Rows:
        return [(row, parts) for row, parts in rows if row.number not in self.matched and row.number not in self.failed]

    def _asked(self) -> list[KnownFile]:
        return [file for file in self._files if file.asked and file.path not in self._taken]

    def _match_whole(self, rows: Rows) -> None:
        """Match whole paths, wherever the files are."""
        wanted: dict[str, list[LabelRow]] = {}
        for row, parts in rows:
            wanted.setdefault("/" + "/".join(parts), []).append(row)
        for file in self._files:
            if file.path in wanted:
                self._settle(wanted[file.path], [file])

    def _match_ends(self, rows: Rows, leave_out: int, spelling: Spelling) -> None:
        wanted: dict[str, list[LabelRow]] = {}
        for row, parts in rows:
            wanted.setdefault(spelling("/".join(parts[leave_out:])), []).append(row)
        for end, files in self._ends(rows, leave_out, spelling).items():
            self._settle(wanted[end], files)

    def _ends(self, rows: Rows, leave_out: int, spelling: Spelling) -> dict[str, list[KnownFile]]:
        """By end of a path that some row gives: the files whose longest such end it is."""
        wanted = {spelling("/".join(parts[leave_out:])) for _, parts in rows} - {""}
        lengths = sorted({end.count("/") + 1 for end in wanted}, reverse=True)
        found: dict[str, list[KnownFile]] = {}
        for file in self._asked() if wanted else ():
            parts = spelling(file.path.replace("\\", "/")).split("/")
            least = len(parts) - self._shared if leave_out else 1
            ends = ("/".join(parts[-length:]) for length in lengths if least <= length < len(parts))
            end = next((end for end in ends if end in wanted), None)
            if end is not None:
                found.setdefault(end, []).append(file)
        return found

    def _settle(self, rows: list[LabelRow], files: list[KnownFile]) -> None:
        """Give the label of equal rows to the one image that they can mean, or note why they mean none."""
        labels = {(row.label.region, row.label.patient) for row in rows}
        self._taken |= {file.path for file in files}
        if len({file.instance for file in files}) > 1:
            why = SEVERAL
        elif len(labels) > 1:
            why = CONTRADICTING
        elif not files[0].image_ids:
            why = REJECTED
        else:
            self.labels |= dict.fromkeys(files[0].image_ids, rows[0].label)
            self.matched |= {row.number for row in rows}
            return
        self.failed |= dict.fromkeys((row.number for row in rows), why)


def _shared_folders(paths: Iterable[list[str]]) -> list[str]:
    """The folders that all paths, given by their parts, begin with."""
    folders = [parts[:-1] for parts in paths]
    shared = takewhile(lambda level: len({_fold(part) for part in level}) == 1, zip(*folders, strict=False))
    return [level[0] for level in shared]
