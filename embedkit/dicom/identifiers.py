"""What a text that is kept must not repeat: the names, ids and dates of the header that it stands in (docs/labels.md).

Names are compared without case, accents and punctuation, and however their letters are written in ASCII: Müller is
MUELLER and MULLER, Øster is OSTER and OESTER. A date is withheld whosever it is.
"""

from __future__ import annotations

import re

from pydicom import Dataset

from embedkit.dicom.header import guesses_of, value_of
from embedkit.dicom.spelling import fold, has_cjk

WITHHELD = "(withheld)"
"""Stands for a text that names the patient, or one who treats or examines them, or that holds a date."""

_KEYWORDS = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientBirthDate",
    "ResponsiblePerson",
    "AccessionNumber",
    "AdmissionID",
    "ReferringPhysicianName",
    "RequestingPhysician",
    "PerformingPhysicianName",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "OperatorsName",
)
_LONGEST_TEXT = 1024
"""Characters that are looked at; fewer are kept."""
_WITH_ITEMS = "OtherPatientIDsSequence"

_LETTERS = str.maketrans(
    {"ø": "o", "œ": "o", "æ": "a", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t", "\u0131": "i", "ŋ": "n"}
)
"""Letters that Unicode does not take apart (NFKD), as ASCII."""
_SECOND = re.compile("(?<=[aou])e|(?<=a)a|(?<=s)[sz]|(?<=d)[hj]")
"""The second of the two letters that stand for ä, ö, ü, ø, æ, å, ß, ð and đ."""

_DAY, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:1[89]|20)[0-9]{2}"
_TWO, _MONTH_NUMBER = "(?:0[1-9]|[12][0-9]|3[01])", "(?:0[1-9]|1[0-2])"
_MONTH = (
    "(?:jan|ene|gen|feb|f[ée]v|mar|m[äa]e?r|apr|abr|avr|ma[iyg]|jui?n|giu|juil?|jul|lug|au?g|ago|ao[uû]|sep|set|o[ckt]t"
    "|nov|de[czk]|d[ée]c|dic)[^\\W\\d_]*"
)
_BETWEEN = r"[\s.,/_-]*"
_DATE = re.compile(
    rf"(?<!\d)(?:{_DAY}([\s./_-]+){_DAY}\1{_YEAR}|{_YEAR}([\s./_-]+){_DAY}\2{_DAY}|{_TWO}([./-]){_TWO}\3[0-9]{{2}}"
    rf"|{_YEAR}{_MONTH_NUMBER}{_TWO}|{_TWO}{_MONTH_NUMBER}{_YEAR}|{_MONTH_NUMBER}{_TWO}{_YEAR}"
    rf"|{_YEAR}\s*[年년]\s*{_DAY}\s*[月월]\s*{_DAY}"
    rf"|{_DAY}(?:st|nd|rd|th)?{_BETWEEN}(?:de{_BETWEEN})?{_MONTH}{_BETWEEN}(?:de{_BETWEEN})?(?:{_YEAR}|[0-9]{{2}})"
    rf"|{_YEAR}{_BETWEEN}{_MONTH}{_BETWEEN}{_DAY})(?!\d)"
    rf"|(?<![^\W\d_]){_MONTH}{_BETWEEN}{_DAY}(?:st|nd|rd|th)?{_BETWEEN}{_YEAR}(?!\d)",
    re.IGNORECASE,
)


class Identifiers:
    """The identifiers of one header, ready to be looked for."""

    def __init__(self, dataset: Dataset) -> None:
        items = value_of(dataset, _WITH_ITEMS)
        others = [item for item in items if isinstance(item, Dataset)] if isinstance(items, list) else []
        texts = [text for keyword in _KEYWORDS for text in _texts(dataset, keyword)]
        texts += [text for item in others for text in _texts(item, "PatientID")]
        self._tokens = {token for text in texts for token in _words(text) if len(token) > 1 or has_cjk(token)}
        self._birth = {form for text in _texts(dataset, "PatientBirthDate") for form in _short_dates(text)}

    def occur_in(self, text: str) -> bool:
        """Whether a text repeats one of them, or holds a date."""
        text = text[:_LONGEST_TEXT]
        if not text:
            return False
        if _DATE.search(text):
            return True
        plain = fold(text).split()
        simple = [_simplify(word) for word in plain]
        squeezed = ["".join(plain), "".join(simple)]
        words = {*plain, *simple}
        return not self._birth.isdisjoint(words) or any(_is_in(token, words, squeezed) for token in self._tokens)


def text_of(dataset: Dataset, keyword: str) -> str:
    """All values of an element in one line; "" where it is absent, empty or damaged."""
    value = value_of(dataset, keyword)
    values = [str(part).strip() for part in (value if isinstance(value, list) else [value])]
    return " ".join(filter(None, values))


def _texts(dataset: Dataset, keyword: str) -> list[str]:
    return [text for text in (text_of(dataset, keyword), *guesses_of(dataset, keyword)) if text]


def _words(text: str) -> list[str]:
    plain = fold(text).split()
    return [*plain, *map(_simplify, plain)]


def _simplify(word: str) -> str:
    """A folded word with one letter in the place of each that is written as one or as two."""
    return _SECOND.sub("", word.translate(_LETTERS))


def _is_in(token: str, words: set[str], squeezed: list[str]) -> bool:
    """Two letters count as a word; of a name without blanks (Chinese, Japanese, Korean) two neighbours count."""
    if has_cjk(token):
        parts = [token[at : at + 2] for at in range(max(1, len(token) - 1))]
        return any(part in text for part in parts for text in squeezed)
    return any(token in text for text in squeezed) if len(token) > 2 else token in words


def _short_dates(date: str) -> list[str]:
    """A birth date (PS3.5 DA) in six digits, as people write it."""
    year, month, day = date[2:4], date[4:6], date[6:8]
    return [year + month + day, day + month + year, month + day + year] if len(date) == 8 and date.isdigit() else []
