"""The region vocabulary: which codes, spellings and words of a header mean which anatomical region.

The shipped vocabulary is ``regions.toml`` beside this file; a site brings its own (docs/labels.md).

    >>> vocabulary = Vocabulary.load()
    >>> vocabulary.region_of_spelling("FOOT_LT")
    'foot'
    >>> vocabulary.region_of_code("T-D9200", "SRT")
    'knee'
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from embedkit.errors import UsageError

SHIPPED = Path(__file__).with_name("regions.toml")

LONGEST_TEXT = 256
"""Characters of a label or description that are looked at; an LO value has at most 64 (PS3.5 table 6.2-1)."""

_SCHEMES = {
    "SCT": "sct",
    "SRT": "srt",
    "SNM3": "srt",
    "99SDM": "srt",
}  # PS3.16 table 8-1; the last two are retired names


@dataclass(frozen=True)
class Region:
    """One region and all that means it, as a table of the TOML file."""

    name: str
    sct: tuple[str, ...] = ()
    srt: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    body_part: str = ""
    """The value of BodyPartExamined to write for it, a code string (PS3.5 6.2); one of the spellings."""
    part_of: str = ""
    """A description that names both this region and that one means this one."""


@dataclass(frozen=True)
class Vocabulary:
    """All regions. `region_of_...` returns the name of one region, or "" where nothing maps: it never guesses."""

    regions: tuple[Region, ...]
    sides_and_views: frozenset[str] = frozenset()
    """Folded words that a spelling may have beside the region."""

    @classmethod
    def load(cls, path: Path | None = None) -> Vocabulary:
        """Read a TOML file, or the shipped vocabulary; `UsageError` where it is not one."""
        path = path or SHIPPED
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _wrong(f"{path}: {error}") from error
        words = _read_texts(document.pop("sides_and_views", []), "sides_and_views")
        regions = _check_regions([_read_region(name, table) for name, table in document.items()])
        return cls(regions, frozenset(fold(word) for word in words))

    def region(self, name: str) -> Region | None:
        """The region of this name."""
        return next((region for region in self.regions if region.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The regions' names in the order of the file."""
        return tuple(region.name for region in self.regions)

    def region_of_code(self, code: str, scheme: str) -> str:
        """Region of a code value and its coding scheme designator (PS3.3 section 8)."""
        return self._codes.get((_SCHEMES.get(scheme.strip().upper(), ""), code.strip().upper()), "")

    def region_of_spelling(self, text: str) -> str:
        """Region of a whole label such as BodyPartExamined, in any case, with or without side and view."""
        return self._region_of_whole(text) or self.region_of_description(text)

    def is_spelling(self, text: str) -> bool:
        """Whether all of the text is in the vocabulary, so that it can say nothing about a patient."""
        folded = fold(text)
        return bool(self._region_of_whole(text)) or any(p.fullmatch(folded) for p in self._patterns.values())

    def nearest_spelling(self, text: str) -> str:
        """The name or spelling that a mistyped label resembles most; "" where none comes near."""
        spellings = {fold(known): known for region in self.regions for known in reversed(_names_of(region))}
        near = get_close_matches(fold(text), spellings, n=1)
        return spellings[near[0]] if near else ""

    def _region_of_whole(self, text: str) -> str:
        words = fold(text).split()
        bare = [word for word in words if word not in self.sides_and_views and not (word.isdigit() and len(word) < 3)]
        # "L SPINE" is a spelling as it stands: only where that fails is the "L" a side.
        return self._spellings.get("".join(words)) or self._spellings.get("".join(bare), "")

    def region_of_description(self, text: str) -> str:
        """The one region that a free text names; "" where it names none, or several."""
        found = self.regions_in(text)
        return next(iter(found)) if len(found) == 1 else ""

    def regions_in(self, text: str) -> dict[str, str]:
        """Every region that a free text names, with the (folded) words that name it.

        Words inside a longer match do not count ("radius" in "distal radius"), nor does a region of which another
        named one is a part.
        """
        folded = fold(text)
        found = [(region, match) for region, pattern in self._patterns.items() for match in pattern.finditer(folded)]
        outer: dict[str, str] = {}
        for region, match in found:
            if not any(_inside(match, other) for _, other in found):
                outer.setdefault(region, match.group())
        wholes = {region.part_of for region in self.regions if region.name in outer}
        return {region: words for region, words in outer.items() if region not in wholes}

    @cached_property
    def _codes(self) -> dict[tuple[str, str], str]:
        return {
            (scheme, code): region.name
            for region in self.regions
            for scheme in ("sct", "srt")
            for code in getattr(region, scheme)
        }

    @cached_property
    def _spellings(self) -> dict[str, str]:
        return {_key(text): region.name for region in self.regions for text in _names_of(region)}

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {region.name: _compile(region.patterns) for region in self.regions if region.patterns}


def fold(text: str) -> str:
    """Lower case, without accents, with one blank for every run of anything that is no letter or digit."""
    decomposed = unicodedata.normalize("NFKD", text[:LONGEST_TEXT])
    plain = "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()
    return re.sub(r"[\W_]+", " ", plain).strip()


def _names_of(region: Region) -> tuple[str, ...]:
    return tuple(text for text in (region.name, region.body_part, *region.spellings) if text)


def _key(text: str) -> str:
    return fold(text).replace(" ", "")


def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)")


def _inside(inner: re.Match[str], outer: re.Match[str]) -> bool:
    return inner.span() != outer.span() and outer.start() <= inner.start() and inner.end() <= outer.end()


def _wrong(message: str) -> UsageError:
    return UsageError("vocabulary-invalid", f"the region vocabulary cannot be used: {message}")


def _read_region(name: str, table: object) -> Region:
    if not isinstance(table, dict) or not name.strip():
        raise _wrong(f'"{name}" must be a table such as ["knee"]')
    known = [field.name for field in fields(Region)][1:]
    unknown = [key for key in table if key not in known]
    if unknown:
        raise _wrong(f'["{name}"] has the unknown key "{unknown[0]}"; known are {", ".join(known)}')
    body_part, part_of = table.get("body_part", ""), table.get("part_of", "")
    if not isinstance(body_part, str) or not re.fullmatch("[A-Z0-9_ ]{0,16}", body_part):
        raise _wrong(f'["{name}"] body_part must be a text of at most 16 of A-Z, 0-9, blank and _')
    if not isinstance(part_of, str):
        raise _wrong(f'["{name}"] part_of must be a text')
    sct, srt, spellings, patterns = (_read_texts(table.get(key, []), f'["{name}"] {key}') for key in known[:4])
    return Region(name, sct, srt, spellings, patterns, body_part, part_of)


def _read_texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise _wrong(f"{place} must be a list of texts")
    return tuple(value)


def _check_regions(regions: list[Region]) -> tuple[Region, ...]:
    if not regions:
        raise _wrong("it names no region")
    owners: dict[tuple[str, str], str] = {}
    names = {region.name for region in regions}
    for region in regions:
        keys = {("spelling", _key(text)) for text in _names_of(region)}
        keys |= {(scheme, code) for scheme in ("sct", "srt") for code in getattr(region, scheme)}
        for kind, key in sorted(keys):
            if not key:
                raise _wrong(f'["{region.name}"] has a spelling without a letter or digit')
            other = owners.setdefault((kind, key), region.name)
            if other != region.name:
                raise _wrong(f'the {kind} "{key}" stands under "{other}" and under "{region.name}"')
        if region.part_of and region.part_of not in names:
            raise _wrong(f'["{region.name}"] is part_of "{region.part_of}", which is no region')
        for pattern in region.patterns:
            _check_pattern(region.name, pattern)
    return tuple(regions)


def _check_pattern(name: str, pattern: str) -> None:
    unescaped = re.sub(r"\\.|\[[^\]]*\]", "", pattern)
    if any(char in unescaped for char in "*+{"):
        raise _wrong(f'["{name}"] the pattern "{pattern}" repeats (* + or {{}}): write the alternatives')
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise _wrong(f'["{name}"] the pattern "{pattern}" is no regular expression: {error}') from error
    if compiled.match(""):
        raise _wrong(f'["{name}"] the pattern "{pattern}" matches nothing at all, so every description')
