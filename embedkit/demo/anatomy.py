"""Where the bones of the fourteen regions lie: a table of simple shapes, which `drawing` turns into radiographs."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

from embedkit.demo.shapes import Point, Shape, arc, band, carpals, long_bone, mirrored, ray, vertebrae


@dataclass(frozen=True)
class Anatomy:
    """What one region is drawn from."""

    bones: tuple[Shape, ...]
    tissue: tuple[Shape, ...]


_Ray = tuple[Point, Point]
_FINGERS: tuple[_Ray, ...] = (  # from the carpus to the tip
    ((-0.2, 0.18), (-0.62, -0.5)),
    ((-0.1, 0.12), (-0.27, -0.88)),
    ((0.0, 0.11), (0.0, -0.95)),
    ((0.1, 0.13), (0.22, -0.85)),
    ((0.19, 0.18), (0.43, -0.66)),
)
_TOES: tuple[_Ray, ...] = (
    ((-0.26, 0.1), (-0.3, -0.85)),
    ((-0.12, 0.06), (-0.1, -0.88)),
    ((0.0, 0.08), (0.07, -0.8)),
    ((0.12, 0.12), (0.24, -0.7)),
    ((0.23, 0.2), (0.4, -0.58)),
)
_METACARPALS = tuple(((x * 1.9, -0.06), (x * 3.0, -1.15)) for x in (-0.17, -0.06, 0.05, 0.16))

_TRUNK = (band((0.0, -1.2), (0.0, 1.2), radius=0.9, density=1.0),)

REGIONS: dict[str, Anatomy] = {
    "clavicle": Anatomy(
        bones=(
            Shape(
                ((-0.72, -0.22), (-0.4, -0.3), (0.0, -0.12), (0.4, -0.02), (0.78, -0.12)),
                (0.07, 0.05, 0.045, 0.05, 0.08),
                1.2,
            ),
            long_bone((-0.82, 0.12), (-0.98, 1.2), 0.1, (0.2, 0.1)),
            band((-0.75, -0.28), (-0.45, -0.1), (-0.3, 0.25), radius=0.045, density=0.7),
            *(arc((0.85, 0.25 + 0.26 * i), (-0.75 - 0.1 * i, 0.3), (-0.5, 0.25), 0.03, 0.45) for i in range(4)),
        ),
        tissue=(
            band((-0.9, 0.4), (0.1, 0.35), (0.9, -0.1), radius=0.55, density=0.8),
            band((0.9, -1.0), (0.9, 1.0), radius=0.3),
        ),
    ),
    "shoulder": Anatomy(
        bones=(
            long_bone((-0.3, -0.2), (-0.5, 1.2), 0.13, (0.25, 0.13)),
            Shape(((-0.05, -0.3), (0.05, 0.1), (0.35, 0.8), (0.5, -0.2)), density=0.5),
            band((-0.05, -0.3), (0.02, 0.1), (0.35, 0.8), radius=0.03, density=0.8),
            Shape(((-0.35, -0.55), (0.0, -0.62), (0.5, -0.5), (1.1, -0.6)), (0.07, 0.05, 0.05, 0.06)),
            *(arc((1.0, 0.0 + 0.25 * i), (-0.5 - 0.06 * i, 0.35), (-0.5, 0.35), 0.03, 0.45) for i in range(5)),
        ),
        tissue=(band((-0.4, 0.0), (-0.5, 1.2), radius=0.42), band((0.2, 0.1), (1.1, 0.6), radius=0.75, density=0.8)),
    ),
    "skull": Anatomy(
        bones=(
            arc((0.0, -0.18), (0.68, 0.72), (0.0, 2.0), 0.045, 1.5),
            Shape(tuple((0.6 * cos(pi * k / 8), -0.2 + 0.62 * sin(pi * k / 8)) for k in range(16)), density=0.45),
            *mirrored(
                arc((0.27, 0.1), (0.17, 0.15), (0.0, 2.0), 0.022, 0.9),
                band((0.5, 0.35), (0.42, 0.75), (0.2, 0.92), radius=0.06),
            ),
            band((-0.2, 0.92), (0.2, 0.92), radius=0.07),
            arc((0.0, 0.32), (0.1, 0.14), (0.0, 2.0), 0.015, 0.6),
            *(
                band((x, 0.58), (x, 0.74), radius=0.028, density=1.1)
                for x in (-0.2, -0.13, -0.06, 0.01, 0.08, 0.15, 0.22)
            ),
        ),
        tissue=(band((0.0, -0.2), (0.0, 0.3), radius=0.72), band((0.0, 0.6), (0.0, 1.2), radius=0.45)),
    ),
    "rib": Anatomy(
        bones=(
            *vertebrae((0.75, -1.1), (0.75, 1.1), 9, (0.13, 0.09)),
            *(arc((0.75, -0.85 + 0.21 * i), (-1.45, 0.42), (-0.5, 0.5), 0.032, 0.6) for i in range(9)),
        ),
        tissue=(
            band((0.8, -1.2), (0.8, 1.2), radius=0.42),
            band((-0.3, 0.95), (0.8, 1.0), radius=0.4, density=0.9),
            band((-0.75, -0.6), (-0.85, 1.0), radius=0.12, density=0.7),
        ),
    ),
    "elbow": Anatomy(
        bones=(
            long_bone((-0.45, -1.2), (-0.35, 0.25), 0.12, (0.12, 0.22), 1.1),
            long_bone((-0.42, 0.48), (1.2, 0.42), 0.075, (0.16, 0.06)),
            long_bone((-0.12, 0.22), (1.2, 0.2), 0.07, (0.11, 0.08)),
        ),
        tissue=(band((-0.45, -1.2), (-0.38, 0.2), radius=0.42), band((-0.3, 0.33), (1.2, 0.3), radius=0.36)),
    ),
    "knee": Anatomy(
        bones=(
            long_bone((0.0, -1.3), (-0.14, -0.16), 0.15, (0.15, 0.2), 1.1),
            long_bone((0.0, -1.3), (0.14, -0.16), 0.15, (0.15, 0.2), 0.5),
            band((-0.24, 0.13), (0.24, 0.13), radius=0.09, density=0.7),
            long_bone((0.0, 0.2), (0.02, 1.3), 0.14, (0.27, 0.12), 1.1),
            long_bone((0.34, 0.36), (0.3, 1.3), 0.05, (0.08, 0.05), 0.8),
            band((0.0, -0.28), (0.0, -0.2), radius=0.15, density=0.45),
        ),
        tissue=(band((0.0, -1.2), (0.0, 0.0), (0.05, 1.2), radius=0.5),),
    ),
    "wrist": Anatomy(
        bones=(
            long_bone((-0.16, 1.3), (-0.16, 0.5), 0.13, (0.13, 0.22)),
            long_bone((0.24, 1.3), (0.22, 0.52), 0.09, (0.08, 0.13)),
            *carpals((0.0, 0.13), 0.3, 0.13),
            *(shape for root, tip in _METACARPALS for shape in ray(root, tip, (0.0, 1.0), 0.11)),
            *ray((-0.42, 0.0), (-1.0, -0.7), (0.0, 0.75), 0.11),
        ),
        tissue=(
            band((0.0, 1.3), (0.0, 0.3), radius=0.42, density=0.8),
            band((0.0, 0.1), (0.0, -1.2), radius=0.55, density=0.7),
        ),
    ),
    "hand": Anatomy(
        bones=(
            *(shape for root, tip in _FINGERS for shape in ray(root, tip, (0.0, 0.42, 0.7, 0.87, 1.0), 0.062)),
            *carpals((0.0, 0.28), 0.2, 0.075),
            long_bone((-0.1, 1.2), (-0.1, 0.48), 0.08, (0.08, 0.13)),
            long_bone((0.15, 1.2), (0.13, 0.5), 0.06, (0.05, 0.08)),
        ),
        tissue=(
            *(band(root, tip, radius=0.1, density=0.5) for root, tip in _FINGERS),
            band((0.0, 1.2), (0.0, 0.4), (0.0, 0.0), radius=0.28, density=0.6),
        ),
    ),
    "foot": Anatomy(
        bones=(
            *(shape for root, tip in _TOES[1:] for shape in ray(root, tip, (0.0, 0.62, 0.84, 0.94, 1.0), 0.06)),
            *ray(*_TOES[0], (0.0, 0.58, 0.84, 1.0), 0.105),
            *(
                band((x, y), (x, y + 0.08), radius=r, density=0.7)
                for x, y, r in (
                    (-0.25, 0.22, 0.11),
                    (-0.08, 0.2, 0.09),
                    (0.05, 0.22, 0.09),
                    (0.19, 0.36, 0.13),
                    (-0.15, 0.44, 0.13),
                )
            ),
            band((-0.06, 0.62), (0.06, 0.95), radius=0.2, density=0.8),
        ),
        tissue=(
            *(band(root, tip, radius=0.12, density=0.5) for root, tip in _TOES),
            band((0.0, 0.1), (0.02, 1.0), radius=0.36, density=0.8),
        ),
    ),
    "ankle": Anatomy(
        bones=(
            long_bone((0.25, -1.3), (0.25, -0.02), 0.13, (0.12, 0.21), 1.1),
            long_bone((0.42, -1.3), (0.42, 0.14), 0.06, (0.05, 0.1), 0.6),
            band((0.1, 0.25), (0.4, 0.24), radius=0.16, density=0.9),
            Shape(((0.2, 0.5), (0.55, 0.55), (0.85, 0.62)), (0.13, 0.17, 0.19), 0.9),
            band((-0.15, 0.4), (-0.18, 0.5), radius=0.14, density=0.8),
            band((-0.38, 0.5), (-0.4, 0.6), radius=0.13, density=0.7),
            long_bone((-0.5, 0.55), (-1.2, 0.8), 0.06, 0.1, 0.9),
            long_bone((-0.5, 0.65), (-1.2, 0.9), 0.05, 0.08, 0.6),
        ),
        tissue=(
            band((0.3, -1.3), (0.3, 0.2), radius=0.38),
            band((0.65, 0.5), (-1.2, 0.78), radius=0.34, density=0.9),
        ),
    ),
    "pelvis/hip": Anatomy(
        bones=(
            *mirrored(
                Shape(
                    ((0.14, -0.35), (0.35, -0.72), (0.72, -0.68), (0.78, -0.35), (0.5, 0.05), (0.25, -0.1)), density=0.6
                ),
                band(
                    (0.14, -0.35), (0.35, -0.72), (0.72, -0.68), (0.78, -0.35), (0.52, 0.05), radius=0.035, density=0.9
                ),
                long_bone((0.53, 0.2), (0.72, 0.4), 0.11, (0.16, 0.13), 0.8),
                long_bone((0.74, 0.38), (0.68, 1.3), 0.11, (0.14, 0.11)),
                arc((0.25, 0.48), (0.15, 0.17), (0.0, 2.0), 0.045, 0.8),
                band((0.38, 0.18), (0.06, 0.34), radius=0.05, density=0.8),
            ),
            Shape(((-0.2, -0.42), (0.2, -0.42), (0.06, 0.1), (-0.06, 0.1)), density=0.7),
            *vertebrae((0.0, -1.2), (0.0, -0.45), 3, (0.14, 0.1)),
        ),
        tissue=(*_TRUNK, *mirrored(band((0.6, 0.4), (0.62, 1.3), radius=0.36, density=0.5))),
    ),
    "cervical spine": Anatomy(
        bones=(
            *vertebrae((0.0, -0.5), (0.1, 0.75), 7, (0.13, 0.066), bow=-0.16),
            *(
                band(
                    (0.12 - 0.14 * sin(pi * (i + 0.5) / 7), -0.4 + 0.18 * i),
                    (0.5 + 0.03 * i, -0.28 + 0.19 * i),
                    radius=0.036,
                    density=0.8,
                )
                for i in range(7)
            ),
            arc((0.25, -1.05), (0.85, 0.5), (0.1, 0.9), 0.05, 1.2),
            Shape(((-1.0, -0.5), (-0.7, -0.35), (-0.35, -0.55), (-0.25, -0.85)), (0.08, 0.09, 0.09, 0.08), 1.1),
        ),
        tissue=(
            band((0.1, -0.4), (0.15, 1.2), radius=0.5, density=0.7),
            band((-0.1, -1.0), (0.4, -1.0), radius=0.6),
            band((-0.5, 1.2), (0.9, 1.2), radius=0.5, density=0.9),
        ),
    ),
    "thoracic spine": Anatomy(
        bones=(
            *vertebrae((0.0, -1.1), (0.0, 1.1), 11, (0.15, 0.085)),
            *mirrored(*(arc((0.1, -0.85 + 0.2 * i), (0.85, 0.32), (-0.5, 0.12), 0.026, 0.45) for i in range(10))),
        ),
        tissue=(
            band((0.0, -1.2), (0.0, 1.2), radius=0.42),
            *mirrored(band((1.0, -1.0), (1.0, 1.2), radius=0.3, density=0.5)),
            band((-0.7, 1.2), (0.7, 1.2), radius=0.45, density=0.9),
        ),
    ),
    "lumbar spine": Anatomy(
        bones=(
            *vertebrae((0.0, -1.05), (0.0, 0.62), 5, (0.22, 0.125)),
            *mirrored(
                *(band((0.2, -0.9 + 0.335 * i), (0.46, -0.95 + 0.335 * i), radius=0.035, density=0.6) for i in range(5))
            ),
            *mirrored(
                Shape(((0.3, 1.2), (0.36, 0.75), (0.7, 0.5), (0.98, 0.6), (1.0, 1.2)), density=0.6),
                band((0.36, 0.75), (0.7, 0.5), (0.98, 0.6), radius=0.03, density=0.8),
            ),
            *(band((0.0, -0.9 + 0.335 * i), (0.0, -0.78 + 0.335 * i), radius=0.03, density=0.6) for i in range(5)),
            Shape(((-0.26, 0.66), (0.26, 0.66), (0.12, 1.2), (-0.12, 1.2)), density=0.7),
        ),
        tissue=_TRUNK,
    ),
}
