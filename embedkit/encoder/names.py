"""How an encoder, and the vector space that it makes, may be called: the name becomes part of files' names."""

from __future__ import annotations

import re

SPACE_NAME = re.compile(r"(?!images$)[a-z0-9][a-z0-9_-]{0,63}")
