"""The region vocabulary: which codes, spellings and words of a header mean which anatomical region.

The shipped vocabulary is ``regions.toml`` beside this file; a site brings its own (docs/labels.md).

    >>> vocabulary = Vocabulary.load()
    >>> vocabulary.region_of_spelling("FOOT_LT")
    'foot'
    >>> vocabulary.region_of_spelling("L/S SPINE")
    'lumbar spine'
    >>> vocabulary.region_of_code("T-D9200", "SRT")
    'knee'
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from embedkit.dicom.spelling import compile_patterns, fold, keys_of
from embedkit.labels.vocabulary_file import Region, read_vocabulary

SHIPPED = Path(__file__).with_name("regions.toml")

_REMEMBERED = 1024
"""Texts whose regions are kept in memory."""

_COUNT = re.compile(r"[0-9]{1,2}(v|p|vw|vws|pr|st)?")
"""How many views: "2", "3V", "2P"."""

_SCHEMES = {
    "SCT": "sct",
    "SRT": "srt",
    "SNM3": "srt",
    "99SDM": "srt",
}  # PS3.16 table 8-1; the last two are retired names


@dataclass(frozen=True)
class Vocabulary:
    """All regions. `region_of_...` returns the name of one region, or "" where nothing maps: it never guesses."""

    regions: tuple[Region, ...]
    sides_and_views: frozenset[str] = frozenset()
    """Folded words that a spelling may have beside the region."""
    areas: tuple[Region, ...] = ()

    @classmethod
    def load(cls, path: Path | None = None) -> Vocabulary:
        """Read a TOML file, or the shipped vocabulary; `UsageError` where it is not one."""
        tables, words = read_vocabulary(path or SHIPPED, own=path is not None)
        regions, areas = (tuple(table for table in tables if table.area is area) for area in (False, True))
        return cls(regions, frozenset(key for word in words for key in keys_of(word)), areas)

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex of all that it says: tells it from another one."""
        said = repr((self.regions, self.areas, sorted(self.sides_and_views)))
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()

    def region(self, name: str) -> Region | None:
        """The region of this name."""
        return next((region for region in self.regions if region.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The regions' names in the order of the file."""
        return tuple(region.name for region in self.regions)

    def region_of_code(self, code: str, scheme: str) -> str:
        """Region of a code value and its coding scheme designator (PS3.3 section 8)."""
        return self._only_region(self.regions_of_code(code, scheme))

    def regions_of_code(self, code: str, scheme: str) -> tuple[str, ...]:
        """The region or the area that a code value stands for; () where it is unknown."""
        name = self._codes.get((_SCHEMES.get(scheme.strip().upper(), ""), code.strip().upper()))
        return (name,) if name else ()

    def region_of_spelling(self, text: str) -> str:
        """Region of a whole label such as BodyPartExamined, in any case, with or without side and view."""
        return self._only_region(tuple(self.regions_of_label(text)))

    def regions_of_label(self, text: str) -> dict[str, str]:
        """Every region or area that a whole label names, with the words that name it."""
        return self._read_whole(fold(text).split()) or self.regions_in(text)

    def is_spelling(self, text: str) -> bool:
        """Whether all of the text is in the vocabulary, so that it can say nothing about a patient."""
        folded = fold(text)
        words = folded.split()
        dated = sum(bool(_COUNT.fullmatch(word)) for word in words) > 1  # one number counts views, several are a date
        return (not dated and bool(self._read_whole(words))) or any(
            p.fullmatch(folded) for p in self._patterns.values()
        )

    def nearest_spelling(self, text: str, cutoff: float = 0.6) -> str:
        """The name or spelling that a mistyped label resembles most, by difflib's ratio; "" below `cutoff`."""
        spellings = {fold(known): known for region in self.regions for known in reversed(region.all_spellings)}
        near = get_close_matches(fold(text), spellings, n=1, cutoff=cutoff)
        return spellings[near[0]] if near else ""

    def _read_whole(self, words: list[str]) -> dict[str, str]:
        """The region or area of which folded words are a spelling, as they stand or beside sides and views.

        A letter counts as a side last of all, and never beside another letter: that of "L/S SPINE" is no left.
        """
        letters = [len(word) == 1 and word.isascii() for word in words]
        levels = [own and any(letters[max(0, i - 1) : i] + letters[i + 1 : i + 2]) for i, own in enumerate(letters)]
        proper = [not (word in self.sides_and_views or _COUNT.fullmatch(word)) for word in words]
        for kept in ([True] * len(words), letters, levels):
            read = [word for word, keep, own in zip(words, kept, proper, strict=True) if keep or own]
            name = self._spellings.get("".join(read))
            if name:
                return {name: " ".join(read)}
        return {}

    def region_of_description(self, text: str) -> str:
        """The one region that a free text names; "" where it names none, or several."""
        return self._only_region(tuple(self.regions_in(text)))

    def regions_in(self, text: str) -> dict[str, str]:
        """Every region or area that a free text names, with the (folded) words that name it.

        Words inside a longer match do not count ("radius" in "distal radius"), nor does a region or area of which
        another named one is a part.
        """
        folded = fold(text)
        found = self._found.get(folded)
        if found is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            found = self._found[folded] = self._find(folded)
        return dict(found)

    def _find(self, folded: str) -> dict[str, str]:
        found = [(name, match) for name, pattern in self._patterns.items() for match in pattern.finditer(folded)]
        outer: dict[str, str] = {}
        for name, match in found:
            if not any(_inside(match, other) for _, other in found):
                outer.setdefault(name, match.group())
        return {name: outer[name] for name in self.narrowest(outer)}

    def narrowest(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of some regions and areas of which no other one is a part."""
        distinct = dict.fromkeys(names)
        wholes = {whole for name in distinct for whole in self._wholes[name]}
        return tuple(name for name in distinct if name not in wholes)

    def names_several(self, names: Collection[str]) -> bool:
        """Whether these names, the narrowest of a source, stand for several regions: no wider source can choose."""
        return len(names) > 1 or any(area.name in names and area.name not in self._divided for area in self.areas)

    def _only_region(self, names: tuple[str, ...]) -> str:
        return names[0] if len(names) == 1 and names[0] in self._names else ""

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _tables(self) -> tuple[Region, ...]:
        return (*self.regions, *self.areas)

    @cached_property
    def _divided(self) -> frozenset[str]:
        """Areas with parts: where one is named, a wider source may still tell which part it is."""
        return frozenset(whole for wholes in self._wholes.values() for whole in wholes)

    @cached_property
    def _wholes(self) -> dict[str, tuple[str, ...]]:
        """All of which a region or area is a part, the part of a part among it."""
        part_of = {table.name: table.part_of for table in self._tables}

        def chain(whole: str) -> tuple[str, ...]:
            return (whole, *chain(part_of[whole])) if whole else ()

        return {name: chain(whole) for name, whole in part_of.items()}

    @cached_property
    def _found(self) -> dict[str, dict[str, str]]:
        """What `regions_in` found in the last texts: those of an archive repeat."""
        return {}

    @cached_property
    def _codes(self) -> dict[tuple[str, str], str]:
        return {
            (scheme, code): region.name
            for region in self._tables
            for scheme in ("sct", "srt")
            for code in getattr(region, scheme)
        }

    @cached_property
    def _spellings(self) -> dict[str, str]:
        return {key: table.name for table in self._tables for text in table.all_spellings for key in keys_of(text)}

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {table.name: compile_patterns(table.patterns) for table in self._tables if table.patterns}


def _inside(inner: re.Match[str], outer: re.Match[str]) -> bool:
    return inner.span() != outer.span() and outer.start() <= inner.start() and inner.end() <= outer.end()
