"""Colours that regions are told apart by.

Chosen farthest first in CIELAB, each from all before it and from grey, for normal vision and with deuteranopia and
protanopia simulated (Machado et al., 2009), at a lightness that stands out on black and on white.
"""

from __future__ import annotations

from collections.abc import Iterable

COLOURS = (
    *("#3d8fe0", "#cccc1f", "#e01447", "#00e0ad", "#b84785", "#00d6f5", "#ebad66", "#d6520a", "#4766eb"),
    *("#528f66", "#c28fc2", "#c233ad", "#f57085", "#70d6cc", "#5cad33", "#1fb8f5", "#f5a385", "#528fff"),
    *("#e0c252", "#0aad8f", "#00853d", "#8fb81f", "#1499a3", "#007aad", "#ad995c"),
)
UNLABELLED = "#7c8792"


def colour_regions(regions: Iterable[str]) -> dict[str, str]:
    """A colour for each region met, by name in order; grey for "". From the 26th on colours come again."""
    named = sorted({region for region in regions if region})
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(named)} | {"": UNLABELLED}
