"""The map as one interactive HTML file: pan, zoom, and a look at the radiograph under the pointer.

Points are drawn on a canvas from numbers in the page, eight bytes each. UIDs and regions are shown, paths are not.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from embedkit.indexes import Index
from embedkit.report.map import CORRECTED, RegionMap, by_interest
from embedkit.report.page import encode_webp, fill_page
from embedkit.report.palette import colour_regions

PICTURED = 2_000
_SIDE, _QUALITY = 160, 75
_FINEST = 65_535
_AT_ONCE = 256
_STARS = ("suspect", CORRECTED)
_STAR = "M0-8 2.1-2.9 7.6-2.5 3.4 1.1 4.7 6.5 0 3.6-4.7 6.5-3.4 1.1-7.6-2.5-2.1-2.9Z"


def map_page(index: Index, drawn: RegionMap, *, pictured: int = PICTURED) -> str:
    """Write the page of a map of `index`, with the pictures of `pictured` images (about 2 kB each).

    Those with a star come first, then other suspects, then a sample.
    """
    order = by_interest(drawn)
    count = min(pictured, len(order))
    return fill_page(
        "map",
        title=escape(drawn.title),
        summary=_summarise(drawn, count),
        side=str(_SIDE),
        data=json.dumps(_collect(index, drawn, order, count), separators=(",", ":")).replace("<", "\\u003c"),
    )


def _summarise(drawn: RegionMap, count: int) -> str:
    total = len(drawn.regions)
    stars = sum(found.starred for found in drawn.findings.values())
    which = "all of them" if count >= total else f"{count:,} of them, those with a star first"
    return f"{total:,} radiographs, {stars:,} with a star; pictures of {which} are in this file"


def _collect(index: Index, drawn: RegionMap, order: Sequence[int], pictured: int) -> dict[str, object]:
    """Everything that the script draws; points in `order`."""
    rows = np.array(order, dtype=np.int64)
    colours = colour_regions(drawn.regions)
    names = [*drawn.medians, *([""] if "" in drawn.regions else [])]
    number = {name: place for place, name in enumerate(names)}
    low = drawn.points.min(axis=0)
    scale = _FINEST / max(float(np.ptp(drawn.points, axis=0).max()), 1e-6)

    def place(points: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
        """The same scale for both axes, y downwards."""
        across, up = np.atleast_2d((points - low) * scale).T
        down = np.ptp(drawn.points[:, 1]) * scale - up
        return np.asarray(np.rint(np.stack([across, down], axis=1)), "<u2")

    found = [drawn.findings[row] for row in order[: len(drawn.findings)]]
    return {
        "names": names,
        "colours": [colours[name] for name in names],
        "places": _as_text(place(drawn.points[rows])),
        "regions": _as_text(np.array([number[drawn.regions[row]] for row in order], dtype="<u2")),
        "extent": np.ptp(place(drawn.points).astype(int), axis=0).tolist(),
        "middles": [[number[name], *place(middle)[0].tolist()] for name, middle in drawn.medians.items()],
        "kinds": [int(finding.issue == CORRECTED) for finding in found if finding.starred],
        "stars": list(_STARS[: 2 if any(finding.issue == CORRECTED for finding in found) else 1]) if found else [],
        "corrected": CORRECTED,
        "star": _STAR,
        "details": _describe(index, drawn, order[: max(pictured, len(found))], pictured),
    }


def _describe(index: Index, drawn: RegionMap, order: Sequence[int], pictured: int) -> list[list[object]]:
    """For each image: its id, its picture ("" beyond the first `pictured`), and what was found."""
    pictures: list[str] = []
    for start in range(0, pictured, _AT_ONCE):
        part = order[start : min(start + _AT_ONCE, pictured)]
        rows = np.sort(np.array(part, dtype=np.int64))
        coded = dict(zip(rows.tolist(), (encode_webp(p, _SIDE, _QUALITY) for p in index.pictures(rows)), strict=True))
        pictures += [coded[row] for row in part]
    pictures += [""] * (len(order) - len(pictures))
    names = index.images["image_id"].take(np.array(order, dtype=np.int64)).to_pylist()
    found = [drawn.findings.get(row) for row in order]
    told = [[one.issue, one.region, round(one.score, 4)] if one else ["", "", 0] for one in found]
    return [[name, picture, *words] for name, picture, words in zip(names, pictures, told, strict=True)]


def _as_text(numbers: npt.NDArray[np.uint16]) -> str:
    return base64.b64encode(numbers.tobytes()).decode()
