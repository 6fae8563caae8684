"""What can be said of an image, and be wrong: its region, or anything else that its header or a table tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from embedkit.errors import UsageError

if TYPE_CHECKING:
    from embedkit.labels.header import Label
    from embedkit.labels.texts import HeaderTexts
    from embedkit.labels.vocabulary import Vocabulary

REGION = "region"
"""The name of the attribute that labels are of where none is named."""
_NAME = re.compile(r"(?!.*backup$)[a-z][a-z0-9-]{0,31}")


class Attribute(Protocol):
    """An attribute of images: what its labels can be, and how they are read from a header.

    An index is opened for one (`Index.open(path, attribute=...)`): its labels are then of this attribute, and all that
    finds, shows, takes and exports labels works on them. It is pickled where work is done in other processes.
    """

    @property
    def name(self) -> str:
        """Names labels and decisions in the index: a to z, 0 to 9 and -, such as ``view``."""

    @property
    def values(self) -> tuple[str, ...]:
        """What a label can be, in the order in which a person is asked."""

    @property
    def mirrored(self) -> bool:
        """Whether a mirror image has the same label: a view does, a side does not."""

    def read(self, header: HeaderTexts, /) -> Label:
        """The label that a header gives; one whose `region` is "" where it gives none of the values.

        `Label.given` is the text that it was read from, `Label.source` where that stands.
        """


class RegionAttribute:
    """The anatomical region, by a vocabulary."""

    name = REGION
    mirrored = True

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    @property
    def values(self) -> tuple[str, ...]:
        """The regions of the vocabulary."""
        return self._vocabulary.names

    def read(self, header: HeaderTexts, /) -> Label:
        """As `label_of`."""
        from embedkit.labels.header import label_of  # noqa: PLC0415 (who opens an index needs no pydicom)

        return label_of(header, self._vocabulary)


def check_attribute_name(name: str) -> None:
    """Raise UsageError ``bad-attribute`` for what cannot be part of a file's name."""
    if not _NAME.fullmatch(name):
        raise UsageError("bad-attribute", f"{name!r} cannot name an attribute: use a to z, 0 to 9 and -, at most 32")
