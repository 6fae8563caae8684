"""What `--help` and `--version` say: choices as choices, and no types of Python."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import embedkit
from embedkit.cli.app import app
from embedkit.encoder.encoding import PRECISIONS, RUNTIMES
from embedkit.pretraining import METHODS
from embedkit.report.projection import PROJECTIONS

from .test_commands import run

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def _help(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_speaks_of_numbers_texts_and_paths(command: str) -> None:
    text = _help(command)
    placeholders = {*re.findall(r"<[^>]*>", text)}
    choices = {found for found in placeholders if "|" in found}
    assert placeholders - choices <= {"<number>", "<text>", "<path>"}
    assert "<=" not in text


@pytest.mark.parametrize(
    ("command", "option", "choices"),
    [
        ("embed", "precision", ("auto", *PRECISIONS)),
        ("embed", "runtime", ("auto", *RUNTIMES)),
        ("embed", "codecs", ("fast", "library")),
        ("pretrain", "method", METHODS),
        ("pretrain", "augmentation", ("pretraining", "head-training")),
        ("pretrain", "precision", ("auto", "bf16", "fp32")),
        ("report", "projection", PROJECTIONS),
    ],
)
def test_choices_are_shown_and_are_those_of_the_library(command: str, option: str, choices: tuple[str, ...]) -> None:
    assert f"--{option} <{'|'.join(choices)}>" in _help(command)


def test_another_word_than_a_choice_is_refused_with_the_choices(tmp_path: Path) -> None:
    said = run("report", "--map", "m.svg", "--projection", "pca", code=2, cwd=tmp_path).stderr
    assert (
        said
        == "embedkit: Invalid value for '--projection': 'pca' is not one of 'umap', 'tsne'. Try `embedkit --help`.\n"
    )


def test_the_version_is_that_of_the_installation() -> None:
    assert embedkit.__version__ == version("embedkit")
    assert run("--version").stdout == f"embedkit {embedkit.__version__}\n"
