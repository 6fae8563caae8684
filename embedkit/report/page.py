"""What every page has: one HTML file that needs nothing else, no server, no network, no other file.

Pictures are inside as data URIs. The content security policy lets nothing in but them, the style and the script of the
page itself, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from string import Template

import cv2

from embedkit.quality.pictures import Pictures


def fill_page(name: str, *, scripted: bool = True, **fields: str) -> str:
    """Fill the page `name` of the templates with its style, its script and `fields`, which must be escaped."""
    style, script = read_template(f"{name}.css"), read_template(f"{name}.js") if scripted else ""
    allowed = f"'{_hash(script)}'" if scripted else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = Template(read_template("head.html")).substitute(policy=policy, style=style)
    return Template(read_template(f"{name}.html")).substitute(fields, head=head, script=script)


@cache
def read_template(name: str) -> str:
    """Read a file of the templates."""
    return (files("embedkit.report") / "templates" / name).read_text(encoding="utf-8")


def encode_webp(picture: Pictures, side: int, quality: int = 82) -> str:
    """A picture, uint8 (S, S), as WebP of `side` pixels in base64; 10 kB at 256 px, 2 kB at 112."""
    small = picture if side == len(picture) else cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, quality])[1]
    return base64.b64encode(coded.tobytes()).decode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
