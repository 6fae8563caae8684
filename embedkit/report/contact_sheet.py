"""Contact sheets: one radiograph and those that look like it, or pictures in rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np

from embedkit.indexes import Index, Neighbour
from embedkit.quality.pictures import Pictures

_SIDE = 256
_COLUMNS = 5
_SMALL, _ABREAST = 208, 8
_GAP = 12
_CAPTION = 30
_GROUND, _TEXT, _FRAME = 14, 214, 96


def contact_sheet(query: Pictures, pictures: Pictures, captions: Sequence[str]) -> Pictures:
    """Lay out a query picture, uint8 (256, 256), twice its size, and others, uint8 (n, 256, 256), five a row.

    `captions`, n + 1 short texts, the query's first; what is not Latin is shown as "?". Returns grey, uint8 (H, W).
    """
    lines = max(2, -(-len(pictures) // _COLUMNS))
    cell = _SIDE + _CAPTION
    height = _GAP + lines * (cell + _GAP)
    columns = min(_COLUMNS, len(pictures))
    width = _GAP + 2 * _SIDE + _GAP + columns * (_SIDE + _GAP)
    sheet = np.full((height, width), _GROUND, dtype=np.uint8)
    large = np.asarray(cv2.resize(query, (2 * _SIDE, 2 * _SIDE), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    _place(sheet, large, _GAP, _GAP, captions[0])
    for number, picture in enumerate(pictures):
        top = _GAP + number // _COLUMNS * (cell + _GAP)
        left = _GAP + 2 * _SIDE + _GAP + number % _COLUMNS * (_SIDE + _GAP)
        _place(sheet, picture, top, left, captions[number + 1])
    return sheet


def picture_rows(pictures: Pictures, captions: Sequence[str], columns: int = _ABREAST) -> Pictures:
    """Lay out pictures, uint8 (n, 256, 256), a little smaller, in rows of `columns`, each with its caption.

    Returns grey, uint8 (H, W).
    """
    cell = _SMALL + _CAPTION + _GAP
    across = min(columns, len(pictures))
    shape = (_GAP + -(-len(pictures) // columns) * cell, _GAP + across * (_SMALL + _GAP))
    sheet = np.full(shape, _GROUND, dtype=np.uint8)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        small = np.asarray(cv2.resize(picture, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        top, left = _GAP + number // columns * cell, _GAP + number % columns * (_SMALL + _GAP)
        _place(sheet, small, top, left, caption)
    return sheet


def draw_neighbours(index: Index, query: Pictures, region: str, neighbours: Sequence[Neighbour]) -> bytes:
    """Draw the contact sheet of `Index.similar` as PNG: regions and distances, nothing about a patient.

    `query` is the picture that was asked about, uint8 (256, 256), and `region` its region, "" where unknown.
    """
    rows = np.array([neighbour.row for neighbour in neighbours], dtype=np.int64)
    captions = [f"query  {region}".strip(), *(f"{n.region or 'no label'}  {n.distance:.3f}" for n in neighbours)]
    return encode_png(contact_sheet(query, index.pictures(rows), captions))


def encode_png(picture: Pictures) -> bytes:
    """Encode grey, uint8 (H, W), as PNG."""
    return cv2.imencode(".png", picture)[1].tobytes()


def _place(sheet: Pictures, picture: Pictures, top: int, left: int, caption: str) -> None:
    height, width = picture.shape
    sheet[top : top + height, left : left + width] = picture
    cv2.rectangle(sheet, (left - 1, top - 1), (left + width, top + height), _FRAME, 1)
    text = unicodedata.normalize("NFKD", caption).encode("ascii", "replace").decode()
    while _width(text) > width:
        text = f"{text[:-3]}.."
    cv2.putText(sheet, text, (left, top + height + 21), cv2.FONT_HERSHEY_DUPLEX, 0.55, _TEXT, 1, cv2.LINE_AA)


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 0.55, 1)[0][0])
