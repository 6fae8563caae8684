"""The TOML file of a vocabulary: its regions, read and checked."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from embedkit.dicom.spelling import keys_of
from embedkit.errors import UsageError


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
    area: bool = False
    """True for what is wider than a region ("spine"): it means none, and beside a region that is no part of it neither
    is meant."""

    @property
    def all_spellings(self) -> tuple[str, ...]:
        """Its name and body part, too."""
        return tuple(text for text in (self.name, self.body_part, *self.spellings) if text)


def read_vocabulary(path: Path, *, own: bool) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Read regions and areas, and the words for sides and views; the patterns of one's `own` file are checked.

    Raises UsageError ``vocabulary-invalid`` where it is none.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(f"{path}: {error}") from error
    except RecursionError as error:
        raise _wrong(f"{path}: its values are nested too deeply") from error
    words = _read_texts(document.pop("sides_and_views", []), "sides_and_views")
    tables = _check_regions([_read_region(name, table) for name, table in document.items()])
    if own:  # the tests have looked through the shipped one
        _check_patterns(tables)
    return tables, words


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
    area = table.get("area", False)
    if not isinstance(area, bool):
        raise _wrong(f'["{name}"] area must be true or false')
    sct, srt, spellings, patterns = (_read_texts(table.get(key, []), f'["{name}"] {key}') for key in known[:4])
    return Region(name, sct, srt, spellings, patterns, body_part, part_of, area)


def _read_texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise _wrong(f"{place} must be a list of texts")
    return tuple(value)


def _check_regions(regions: list[Region]) -> tuple[Region, ...]:
    if all(region.area for region in regions):
        raise _wrong("it names no region")
    owners: dict[tuple[str, str], str] = {}
    part_of = {region.name: region.part_of for region in regions}
    for region in regions:
        keys = {("spelling", key) for text in region.all_spellings for key in keys_of(text)}
        keys |= {(scheme, code) for scheme in ("sct", "srt") for code in getattr(region, scheme)}
        for kind, key in sorted(keys):
            if not key:
                raise _wrong(f'["{region.name}"] has a spelling without a letter or digit')
            other = owners.setdefault((kind, key), region.name)
            if other != region.name:
                raise _wrong(f'the {kind} "{key}" stands under "{other}" and under "{region.name}"')
        _check_part(region, part_of)
    return tuple(regions)


def _check_patterns(regions: tuple[Region, ...]) -> None:
    for region in regions:
        for pattern in region.patterns:
            _check_pattern(region.name, pattern)


def _check_part(region: Region, part_of: dict[str, str]) -> None:
    whole, seen = region.part_of, {region.name}
    while whole:
        if whole not in part_of:
            raise _wrong(f'["{region.name}"] is part_of "{whole}", which is no region')
        if whole in seen:
            raise _wrong(f'["{region.name}"] is part_of itself')
        seen.add(whole)
        whole = part_of[whole]


def _check_pattern(name: str, pattern: str) -> None:
    unescaped = re.sub(r"\\.|\[[^\]]*\]", "", pattern)
    if any(char in unescaped for char in "*+{"):
        raise _wrong(f'["{name}"] the pattern "{pattern}" repeats (* + or {{}}): write the alternatives')
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise _wrong(f'["{name}"] the pattern "{pattern:.200}" is no regular expression: {error}') from error
    if compiled.match(""):
        raise _wrong(f'["{name}"] the pattern "{pattern}" matches nothing at all, so every description')
