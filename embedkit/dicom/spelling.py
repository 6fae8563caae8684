"""How labels are compared: without case, accents and punctuation, an umlaut written in any way (docs/labels.md).

>>> fold("Füße, links")
'fusse links'
>>> sorted(keys_of("Füße"))
['fuesse', 'fusse']
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_TEXT = 256
"""Characters of a label or description that are looked at; an LO value has at most 64 (PS3.5 table 6.2-1)."""

_CJK = "\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_CJK_LETTER = re.compile(f"[{_CJK}]")
_BESIDE_CJK = re.compile(f"(?<=[{_CJK}])(?=[a-z0-9])|(?<=[a-z0-9])(?=[{_CJK}])")
_ACCENTS = re.compile("[\u0300-\u0305\u0307-\u036f]|(?<![\u0418\u0438])\u0306")
"""Combining marks; the Cyrillic short i is a letter of its own."""
_NO_WORD = re.compile(r"[\W_]+")
_UMLAUT = re.compile("[äöü]")
_TWO = {"ä": "ae", "ö": "oe", "ü": "ue"}


def fold(text: str) -> str:
    """Lower case, without accents, with one blank for every run of anything that is no letter or digit."""
    text = text[:LONGEST_TEXT]
    plain = text.lower() if text.isascii() else _BESIDE_CJK.sub(" ", _strip_accents(text).casefold())
    return _NO_WORD.sub(" ", plain).strip()


def has_cjk(text: str) -> bool:
    """Whether it has Chinese, Japanese or Korean letters, of which one may be a whole word."""
    return bool(_CJK_LETTER.search(text))


def _strip_accents(text: str) -> str:
    """Without the accents of Latin, Greek and Cyrillic letters; kana and hangul keep their parts."""
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))


def keys_of(text: str) -> set[str]:
    """A spelling folded and without blanks, with umlauts as letters and as two letters."""
    return {fold(form).replace(" ", "") for form in (text, _UMLAUT.sub(lambda match: _TWO[match[0]], text.lower()))}


def _either(umlaut: re.Match[str]) -> str:
    return f"(?:{umlaut[0]}|{_TWO[umlaut[0]]})"


def compile_patterns(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One expression; what has Chinese, Japanese or Korean letters is found inside words: they have no blanks."""
    plain = [_strip_accents(_UMLAUT.sub(_either, text)).replace("ß", "ss") for text in patterns]
    inside = [text for text in plain if has_cjk(text)]
    words = [text for text in plain if not has_cjk(text)]
    bounded = rf"(?<!\w)(?:{'|'.join(words)})(?!\w)"
    return re.compile("|".join([*inside, *([bounded] if words else [])]))
