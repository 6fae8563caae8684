"""The command line: `embedkit COMMAND`. One file a command; only this room prints or exits."""

from embedkit.cli.app import main

__all__ = ["main"]
