"""Text of a header whose Specific Character Set may be wrong or absent (PS3.3 C.12.1.1.2, PS3.5 6.1).

The declared set is one witness among several: many devices write UTF-8 under any declaration, others declare nothing
and write the set of their country. What cannot be read beyond doubt is "": better no label than a garbled one.

    >>> read_characters("Hüfte".encode("utf-8"), ["latin_1"])
    'Hüfte'
    >>> read_characters("Hüfte".encode("latin-1"), ["utf_8"])
    'Hüfte'
    >>> read_characters("膝".encode("gb18030"), ["GB18030"])
    '膝'
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence

from pydicom.charset import CODES_TO_ENCODINGS, decode_bytes

LONGEST_VALUE = 4096
"""Bytes of a value that are looked at."""

_ESCAPE = b"\x1b"
_DELIMITERS = {0xD, 0xA, 0x9, 0xC, 0x5C, 0x5E, 0x3D}
"""Control characters, backslash, ^ and =: after each the first character set holds again (PS3.5 6.1.2.5.3)."""

_UTF_8, _LATIN = "utf-8", frozenset({"iso8859-1", "cp1252", "ascii"})
_DOUBLE = {"gb18030": "gb2312", "gbk": "gb2312", "gb2312": "gb2312", "euc_kr": "euc_kr", "shift_jis": "shift_jis"}
"""Sets of two bytes a character, each with the core of it that texts are made of."""

GUESSES = ("gb18030", "shift_jis", "euc_kr", "iso8859_5", "cp1251", "koi8_r", "euc_jp", "big5", "cp850")
"""Sets that devices write without saying so."""

_TWO_BYTES = re.compile(rb"(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf])*")
_OTHER_LETTERS = re.compile("[\x00-\x7f\u0386-\u03ce\u0400-\u06ff]*")
"""Greek, Cyrillic, Hebrew, Arabic."""
_WORD = re.compile(r"[^\W\d_]+")
_SIGNS = frozenset("°ªº²³µ·§±®©½«»¿¡\xa0\xb4\u2018\u2019\u201c\u201d\u2013\u2014\u2026")
_ONE_LETTER = frozenset("àáéèíóúÀÁÉÈÍÓÚ")


def read_characters(value: bytes, declared: Sequence[str]) -> str:
    """Text of a value; "" where it cannot be told.

    Parameters
    ----------
    value
        As it stands in the file.
    declared
        Python's names of the declared character sets, as pydicom translates them.
    """
    value = value[:LONGEST_VALUE]
    if _ESCAPE in value and any(code in value for code in CODES_TO_ENCODINGS):
        return _read_escapes(value, declared)
    if value.isascii():
        return value.decode("ascii")
    return next(_readings(value, declared), "")


def guess_characters(value: bytes) -> Iterator[str]:
    """What a value says in each of the sets that devices write without saying so, for one who knows what to expect."""
    for name in GUESSES:
        text = _decode(value[:LONGEST_VALUE], name)
        if text:
            yield text


def _readings(value: bytes, declared: Sequence[str]) -> Iterator[str]:
    names = [codecs.lookup(name).name for name in declared]
    text = _undo_twice(_decode(value, _UTF_8))
    if text and not _is_double(value, names[0], text):
        yield text
    for name in (*names, "cp1252"):
        text = _decode(value, name) if name != _UTF_8 else ""
        if text and (name not in _LATIN or _is_latin(text)):
            yield text


def _is_double(value: bytes, name: str, text: str) -> bool:
    """Whether what is good UTF-8, too, is of another set with two bytes a character: the one of a Han character may do.

    It is not where it makes accented letters within a word ("Hüfte") or a word of Greek, Cyrillic, Hebrew or Arabic;
    one or two such letters are rather Han where a set of two bytes is declared.
    """
    if not _TWO_BYTES.fullmatch(value) or _is_latin(text):
        return False
    few = len(value) - len(text) < 3
    return not _OTHER_LETTERS.fullmatch(text) or (few and name in _DOUBLE and bool(_decode(value, _DOUBLE[name])))


def _undo_twice(text: str) -> str:
    """UTF-8 that was taken for Latin-1 and written as UTF-8 once more."""
    try:
        return text.encode("cp1252").decode(_UTF_8)
    except UnicodeError:
        return text


def _read_escapes(value: bytes, declared: Sequence[str]) -> str:
    """Code extensions (ISO 2022): an escape sequence says itself which set follows, declared or not."""
    text = decode_bytes(value, [*declared, *CODES_TO_ENCODINGS.values()], _DELIMITERS)
    return "" if _is_garbled(text) else text


def _decode(value: bytes, name: str) -> str:
    """Text in one set, "" where it is none of it; a last character that was cut through is left out."""
    try:
        text = codecs.getincrementaldecoder(name)().decode(value)
        return "" if text.isascii() or _is_garbled(text) else text
    except UnicodeError:
        return ""


def _is_garbled(text: str) -> bool:
    """Whether it has a replacement character or a control of U+0080 to U+009F: it was read in the wrong set once."""
    return any("\x7f" < char < "\xa0" or char == "\ufffd" for char in text)


def _is_latin(text: str) -> bool:
    """Whether accented letters stand where words have them: beside plain ones, and fewer."""
    for word in _WORD.findall(text):
        accented = sum(char > "\x7f" for char in word)
        if 2 * accented > len(word) and word not in _ONE_LETTER:
            return False
    return all(char <= "\x7f" or char in _SIGNS or (char.isalpha() and char < "\u0250") for char in text)
