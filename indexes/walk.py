"""One walk over the sources: what is unchanged is passed over, the rest is read by worker processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from embedkit.indexes.catalogue import Catalogue
from embedkit.indexes.preparation import NO_PICTURES, Prepared, rejected_row
from embedkit.indexes.progress import ProgressMeter
from embedkit.sources import FoundFile, Source, find_files
from embedkit.sources.source import describe, list_items, open_item
from embedkit.workers import Pool


class Walk:
    """The walk of one run of `embed`.

    Attributes
    ----------
    roots : tuple[str, ...]
        The sources, as their paths begin in the index.
    kinds : Counter[str]
        How many files were `new`, `moved`, `changed` and `unchanged` so far.
    moved : dict[str, str]
        After the walk: by path of a file that is gone, that where the walk met its content.
    vanished : tuple[str, ...]
        After the walk: paths under the sources that the index knows and the walk did not meet, nor their content.
    """

    def __init__(
        self, sources: Sequence[Path | Source], index_folder: Path, known: Catalogue, *, gone: Sequence[Path] = ()
    ) -> None:
        """Prepare to walk over `sources`; of those `gone` nothing is left to meet."""
        self.roots = tuple(known.paths.text(root_of(source)) for source in (*sources, *gone))
        self.kinds = Counter[str]()
        self.moved: dict[str, str] = {}
        self.vanished: tuple[str, ...] = ()
        self._arrived: dict[str, tuple[str, str]] = {}
        self._sources, self._index_folder, self._known = sources, index_folder.resolve(), known
        self._unlisted: set[str] = set()

    def files(self) -> Iterator[FoundFile]:
        """Walk over the sources, files and folders first, but for the index itself."""
        paths = [source for source in self._sources if isinstance(source, Path)]
        others = (list_items(source) for source in self._sources if not isinstance(source, Path))
        files = (found for found in find_files(paths) if not found.path.is_relative_to(self._index_folder))
        return chain(files, chain.from_iterable(others))

    def read(
        self, pool: Pool[FoundFile, Prepared], meter: ProgressMeter, on_start: Callable[[], None], max_bytes: int
    ) -> Iterator[Prepared]:
        """Yield the rows and pictures of every file that is new or changed, in the order of the walk.

        `on_start` is called where there is any, before the first; an item of at most `max_bytes` is opened.
        """
        to_read = self._to_read(meter)
        for first in to_read:
            on_start()
            wanted = (open_item(found, max_bytes) for found in chain([first], to_read))
            for found, outcome in pool.map(wanted):
                prepared = outcome if isinstance(outcome, tuple) else self._reject(found, outcome.reason)
                first_row = prepared[0][0]
                self.kinds[self._known.kind_of(first_row)] += 1
                if self._known.has_content(first_row.content_blake3):
                    self._arrived.setdefault(first_row.content_blake3, (first_row.path, first_row.reason))
                if not self._known.holds(first_row):
                    yield prepared
                meter.advance(rejected=bool(first_row.reason), images=len(prepared[1]))
        self.moved = self._known.moved(self._arrived, self.roots, self._unlisted)
        moved = sum(self._known.is_new(path) for path in {*self.moved.values()})
        self.kinds += Counter(new=-moved, moved=moved)
        vanished = self._known.vanished(self.roots, self._unlisted)
        self.vanished = tuple(path for path in vanished if path not in self.moved)

    @property
    def given_up(self) -> int:
        """How many files were passed over because they were tried before, with no less time and memory."""
        return self._known.given_up

    @property
    def most_vanished(self) -> bool:
        """Whether more than half of the files that the index has under the sources vanished."""
        return 2 * len(self.vanished) > self._known.count_under(self.roots)

    def _to_read(self, meter: ProgressMeter) -> Iterator[FoundFile]:
        for found in self.files():
            if found.reason:
                self._unlisted.add(self._known.paths.text(found.path))  # it may be a folder
            if self._known.meet(found):
                yield found
            else:
                self.kinds["unchanged"] += 1
                meter.advance()

    def _reject(self, found: FoundFile, reason: str) -> Prepared:
        return [rejected_row(found, reason, self._known.paths)], NO_PICTURES


def root_of(source: Path | Source) -> Path:
    """What the paths of a source begin with."""
    return source.resolve() if isinstance(source, Path) else Path(describe(source))
