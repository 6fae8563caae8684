"""The README's commands, for the tests and for continuous integration.

    python tests/readme.py test     prints the command that installs and passes the tests

A command is a fenced block behind a comment `<!-- command: NAME -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
_COMMAND = re.compile(r"<!-- command: (\w+) -->\n```(?:bash|sh)\n(.*?)\n```", re.DOTALL)


def read_commands() -> dict[str, str]:
    """The commands by name."""
    return dict(_COMMAND.findall(README.read_text(encoding="utf-8")))


if __name__ == "__main__":
    print(read_commands()[sys.argv[1]])  # noqa: T201
