"""A command: which slips it refuses, and how its help reads."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

from embedkit.errors import UsageError

_PYTHON_TYPE = re.compile(r"<(?:list\[)?(str|int|float|path)\]?(?: range)?>", re.IGNORECASE)
_WORDS = {"str": "<text>", "int": "<number>", "float": "<number>", "path": "<path>"}
_RANGE = re.compile(r"(\S+)<=x<=(\S+)")


class Command(TyperCommand):
    """A command that refuses what is a slip: an empty name, and an option given twice where one value counts.

    An empty name is a variable of a script that was not set, and as a path it would be the whole working folder.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse the slips, then parse."""
        if any(word == "" or (word.startswith("--") and word.endswith("=")) for word in args):
            raise UsageError("empty-name", "an argument or option is empty: is a variable of a script not set?")
        words = [word.split("=", 1)[0] for word in args]
        for option in self.params:
            if getattr(option, "multiple", True) or getattr(option, "is_flag", False):
                continue
            if sum(word in option.opts for word in words) > 1:
                raise UsageError("option-twice", f"{option.opts[0]} is given twice, and takes one value")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of arguments and options, in words and not in types of Python."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            rows = [_row(param, ctx) for param in self.get_params(ctx) if param.param_type_name == kind]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _row(param: Any, ctx: Any) -> tuple[str, str]:
    """What a parameter is called, with what it takes, and its help."""
    name, text = param.get_help_record(ctx)
    if param.param_type_name == "argument" and param.metavar:  # it says what it takes
        name = param.metavar
    return _PYTHON_TYPE.sub(lambda found: _WORDS[found.group(1).lower()], name), _RANGE.sub(r"\1 to \2", text)
