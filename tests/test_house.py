"""The house rules: lint, types, the direction of imports, the public API, what the documentation says."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import embedkit

from .conftest import REPOSITORY
from .readme import read_commands

HEAVY = ("torch", "torchvision", "faiss", "cleanlab", "sklearn", "umap", "pydicom", "cv2", "pyarrow", "imagecodecs")


def _run(*command: str, cwd: Path = REPOSITORY) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages laid out as in site-packages: type checkers cannot follow an editable install."""
    place = tmp_path_factory.mktemp("installed")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "embedkit", place / "embedkit", ignore=ignored)
    for name in ("cli", "indexes"):
        shutil.copytree(REPOSITORY / name, place / "embedkit" / name, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", place)
    return place


def test_ruff() -> None:
    _run("ruff", "check", ".")
    _run("ruff", "format", "--check", ".")


@pytest.mark.slow
def test_mypy(installed: Path) -> None:
    _run("mypy", "-p", "embedkit", cwd=installed)


def test_a_room_imports_only_rooms_before_it(installed: Path) -> None:
    lint = shutil.which("lint-imports", path=Path(sys.executable).parent)
    assert lint
    done = subprocess.run([lint, "--no-cache"], cwd=installed, capture_output=True, text=True, env={"PYTHONPATH": "."})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_public_api_is_what_all_names() -> None:
    assert sorted(embedkit.__all__) == embedkit.__all__
    for name in embedkit.__all__:
        assert getattr(embedkit, name).__doc__, name
    with pytest.raises(AttributeError):
        _ = embedkit.no_such_name  # type: ignore[attr-defined]


def test_the_package_and_its_command_line_import_nothing_heavy() -> None:
    code = f"import sys, embedkit, embedkit.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_doctests() -> None:
    assert doctest.testmod(embedkit).failed == 0


def test_the_readme_has_two_commands_for_set_up() -> None:
    assert set(read_commands()) == {"demo", "test"}


PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_architecture_names_every_room() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (REPOSITORY / "embedkit").glob("*/__init__.py")] + ["indexes", "cli"]
    for room in rooms:
        assert re.search(rf"\b{room}\b", text), room


def test_the_changelog_and_the_citation_are_of_this_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, newest, *_ = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, re.MULTILINE)
    assert unreleased == ("Unreleased", "")
    assert newest[0] == project["version"]
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {newest[0]}\ndate-released: {newest[1]}\n" in citation


@pytest.mark.parametrize("section", ["a codec", "an encoder", "a source", "a finder"])
def test_the_files_that_contributors_are_sent_to_are_there(section: str) -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    steps = text.split(f"\n## How to add {section}\n", 1)[1].split("\n## ", 1)[0]
    paths = re.findall(r"`((?:embedkit|indexes|cli|tests|docs)/[^` ]*)`", steps)
    assert paths
    for path in paths:
        where = REPOSITORY / path
        assert where.exists() or ("NAME" in path and where.parent.is_dir()), path
