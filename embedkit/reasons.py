"""Why a file was rejected, and what was odd about one that was taken: every code, with a sentence for people.

The codes are part of the index format: a code keeps its meaning. docs/reading.md says more about each.
"""

from __future__ import annotations

from embedkit.errors import RejectedFile

REASONS: dict[str, str] = {
    "not-a-regular-file": "It is a link, pipe, socket or device, and those are not followed.",
    "unreadable": "The file system does not let us read it.",
    "empty-file": "It has no bytes.",
    "file-too-large": "It is larger than the limit for one file.",
    "not-an-image": "Its content is neither DICOM nor PNG, JPEG or TIFF.",
    "dicomdir": "It is a DICOMDIR, a list of other files; the walk finds those by itself.",
    "header-unreadable": "Its DICOM header cannot be parsed.",
    "header-incomplete": "Its DICOM header lacks a value that every image must have, or was cut short.",
    "header-too-large": "Its DICOM header, or what it inflates to, is beyond any real radiograph's.",
    "other-modality": "Its modality is not among those asked for.",
    "no-pixel-data": "It is a DICOM object without a picture, such as a report or a presentation state.",
    "unsupported-transfer-syntax": "Its transfer syntax is one that is not read, such as video.",
    "unsupported-pixels": "Its pixels are of a kind that is not read, such as one bit, floating point or CMYK.",
    "too-many-pixels": "Its header claims more pixels than the limit.",
    "too-many-frames": "It has more frames than the limit.",
    "truncated": "Its pixel data is shorter than its header says.",
    "decode-failed": "Its pixel data is damaged: no decoder can read it.",
    "decoder-crashed": "It made the decoder crash.",
    "decoder-timeout": "It kept the decoder busy beyond the time limit.",
    "out-of-memory": "It needs more memory than one worker may use.",
    "unexpected-error": "It met an error that nobody foresaw: please report it.",
}

NOTES: dict[str, str] = {
    "executable-preamble": "The first bytes are those of a program (a polyglot); they were not used.",
    "no-preamble": "The DICOM file begins without preamble and file meta information.",
    "made-uid": "It has no SOP Instance UID, or none of the right shape; one was made from its content.",
    "cut-short": "Its pixel data ends too early; the rows that are there, most of all, were read.",
    "photometric-differs": "What it says its pixel values are is missing, misspelt or contradicted by them.",
    "encoding-differs": "Its pixel data is not what its transfer syntax says; it was read as what its bytes are.",
    "codestream-differs": "The header has other rows, columns or bits than the codestream, whose own were taken.",
    "frame-count-differs": "There are more or fewer frames than the header says; those that are there were read.",
    "laterality-differs": "The header names the left side in one place and the right one in another.",
    "view-differs": "The header names one view in one place and another view in another.",
    "burned-in-annotation": "The header says that text is burned into the pixels; it may name the patient.",
    "second-decoder": "The first decoder refused a frame; another one read it.",
}

INCOMPLETE = frozenset({"cut-short"})
"""Notes of images that lack a part of their pixels: what decides for others must not trust them."""


def reject(code: str) -> RejectedFile:
    """The exception to raise for one of the `REASONS`."""
    return RejectedFile(code, REASONS[code])
