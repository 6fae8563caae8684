"""docs/command-line.md says what every command and option is, in the words of its help."""

from __future__ import annotations

from typer.main import get_command

from embedkit.cli.app import app

from ..conftest import REPOSITORY

TEXT = (REPOSITORY / "docs" / "command-line.md").read_text(encoding="utf-8")


def _section(command: str) -> str:
    return TEXT.split(f"\n## {command}\n", 1)[1].split("\n## ", 1)[0]


def test_every_command_option_and_help_text_is_documented() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [line[3:] for line in TEXT.splitlines() if line.startswith("## ")] == ["Every command", *commands]
    everywhere = TEXT.split("\n## Every command\n", 1)[1].split("\n## ", 1)[0]
    for name, command in commands.items():
        assert command.help.splitlines()[0] in _section(name), name
        for option in command.params:
            flag = next((text for text in option.opts if text.startswith("--")), option.opts[0])
            shown = f"`{flag}`" if option.param_type_name == "option" else option.metavar or option.name.upper()
            where = everywhere if flag in ("--index", "--json", "--quiet", "--help") else _section(name)
            assert shown in where, f"{name} {flag}"
            if option.help:
                assert option.help in where, f"{name} {flag}: {option.help}"
