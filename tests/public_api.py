"""The page of the public names, docs/api.md: ``python -m tests.public_api`` in the repository writes it anew."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
ROOMS = (
    "",
    "progress",
    "workers",
    "sources",
    "dicom",
    "labels",
    "labels.attribute",
    "labels.texts",
    "image",
    "encoder",
    "pretraining",
    "indexes",
    "heads",
    "evaluation",
    "quality",
    "annotate",
    "review",
    "report",
    "export",
    "demo",
)
_HEAD = """# Public names

What can be imported from embedkit, room by room ([architecture](architecture.md)), with the first sentence of what it
says of itself; `help(name)` has the rest: shapes, dtypes, errors. A name that does not stand here is private, whatever
it is called, and so is a module that is no heading: it may change at any time. How public names change is in
[upgrading](upgrading.md). This page is written by `python -m tests.public_api`.
"""


def compose_page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"\n{line}" for room in ROOMS for line in _describe_room(room)) + "\n"


def _describe_room(room: str) -> Iterator[str]:
    name = f"embedkit.{room}".rstrip(".")
    module = importlib.import_module(name)
    own = [word for word, value in vars(module).items() if getattr(value, "__module__", "") == name]
    names = getattr(module, "__all__", None) or [word for word in own if not word.startswith("_")]
    yield f"## {name}\n"
    yield f"{_first_sentence(module)}\n"
    yield "| name | what it is |"
    yield "|---|---|"
    for word in sorted(names, key=lambda word: (word.lower(), word)):
        value = getattr(module, word)
        yield f"| `{word}{_signature(value)}` | {_describe(value)} |"
    yield ""


def _signature(value: Any) -> str:
    """The names of the parameters; those with a default have `=` behind them."""
    if not inspect.isroutine(value):
        return ""
    parts, starred = [], False
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        parts.append(prefix + parameter.name + ("=" if parameter.default is not parameter.empty else ""))
    return f"({', '.join(parts)})"


def _describe(value: Any) -> str:
    if inspect.isclass(value) or inspect.isroutine(value):
        return _first_sentence(value)
    return f"a constant, of type `{type(value).__name__}`"


def _first_sentence(value: Any) -> str:
    text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return re.sub(r"``?", "`", text).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(compose_page(), encoding="utf-8")
