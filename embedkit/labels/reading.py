"""The labels of one file that was read: its region, what attributes are read from, and what contradicts itself."""

from __future__ import annotations

from dataclasses import replace

from embedkit.dicom.reading import ReadFile
from embedkit.labels.consistency import find_disagreements
from embedkit.labels.header import label_of
from embedkit.labels.texts import read_header_texts, write_texts
from embedkit.labels.vocabulary import Vocabulary


def read_labels(read: ReadFile, vocabulary: Vocabulary | None) -> ReadFile:
    """Return what was read of a file with its label, by a vocabulary (None: none is looked for), and more notes."""
    if read.header is None:
        return read
    notes, facts = (*read.notes, *find_disagreements(read.header)), read.facts
    if vocabulary is not None:
        texts = read_header_texts(read.header.dataset)
        label = label_of(texts, vocabulary)
        facts = replace(
            facts,
            region=label.region,
            given=label.given,
            region_source=label.source,
            header_texts=write_texts(texts.conceal(lambda text: vocabulary.regions_in(text).values())),
        )
    return replace(read, facts=facts, notes=notes)
