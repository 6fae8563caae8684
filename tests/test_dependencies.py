"""What the package and its tests import is declared in pyproject.toml, and what is declared is used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from .conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = ("embedkit", "cli", "indexes")
DYNAMIC = ("import_module", "importorskip")
FOUND_BY_OTHERS = {"pylibjpeg", "pylibjpeg-openjpeg"}
"""Plugins that pydicom finds by itself."""
USED_BY_TORCH = {"tensorboard"}


def _declared(requirements: list[str]) -> set[str]:
    names = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {_normalised(found.group()) for found in names if found}


def _normalised(name: str) -> str:
    """The name of a distribution as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _imports(path: Path) -> Iterator[str]:
    """The top-level names of all modules that a file imports anywhere, also within functions or by a literal name.

    What is imported for types alone is not.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    conditions = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    for_types = [node for node in conditions if getattr(node.test, "id", "") == "TYPE_CHECKING"]
    left_out = {id(inner) for node in for_types for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in DYNAMIC:
                yield str(node.args[0].value).split(".")[0]


@cache
def _imported(folders: tuple[str, ...]) -> frozenset[str]:
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    own = {"embedkit", *(path.stem for path in files)}
    return frozenset({name for path in files for name in _imports(path)} - own - set(sys.stdlib_module_names))


@cache
def _distributions() -> dict[str, set[str]]:
    """The distributions that bring each module."""
    return {module: {_normalised(name) for name in names} for module, names in packages_distributions().items()}


@pytest.mark.parametrize(
    ("folders", "requirements"),
    [
        (PACKAGE, PROJECT["dependencies"]),
        (("tests",), PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]),
    ],
    ids=["package", "tests"],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], requirements: list[str]) -> None:
    declared = _declared(requirements)
    brought = {module: _distributions().get(module, {_normalised(module)}) for module in _imported(folders)}
    assert {module: names for module, names in brought.items() if not names & declared} == {}


def test_what_is_declared_is_used() -> None:
    used = {name for module in _imported(PACKAGE) for name in _distributions().get(module, {_normalised(module)})}
    same = {"faiss-cpu", "faiss-gpu"}  # one module by two distributions
    used |= same if used & same else set()
    assert _declared(PROJECT["dependencies"]) - used == FOUND_BY_OTHERS | USED_BY_TORCH
