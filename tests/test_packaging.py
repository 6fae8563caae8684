"""The packages as users get them: wheel, sdist and editable install give the same modules."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from .conftest import REPOSITORY

pytestmark = pytest.mark.slow

MEMBERS = ("embedkit/cli/app.py", "embedkit/indexes/index.py", "embedkit/labels/regions.toml", "embedkit/py.typed")


def _configured() -> dict[str, str]:
    """Package name to folder, as pyproject.toml lists them."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    return {name: settings["package-dir"].get(name, name.replace(".", "/")) for name in settings["packages"]}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that a build leaves nothing in the repository."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("embedkit", "cli", "indexes"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, copy)
    return copy


def _build(source: Path, kind: str) -> Path:
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        f"--{kind}",
        "--outdir",
        str(source / "dist"),
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = (source / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def test_every_package_folder_is_listed() -> None:
    folders = {
        path.parent.relative_to(REPOSITORY)
        for top in ("embedkit", "cli", "indexes")
        for path in (REPOSITORY / top).rglob("__init__.py")
    }
    assert {Path(folder) for folder in _configured().values()} == folders


def test_the_wheel_holds_every_room_and_nothing_generic(source: Path) -> None:
    names = zipfile.ZipFile(_build(source, "wheel")).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"embedkit"}
    assert set(MEMBERS) <= set(names)
    assert any(name.startswith("embedkit/encoder/starter/") for name in names)
    assert any(name.startswith("embedkit/report/templates/") for name in names)


def test_a_wheel_made_from_the_sdist_is_the_same(source: Path, tmp_path: Path) -> None:
    wheel = set(zipfile.ZipFile(_build(source, "wheel")).namelist())
    with tarfile.open(_build(source, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert set(zipfile.ZipFile(_build(unpacked, "wheel")).namelist()) == wheel


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_an_installation_gives_the_rooms_and_the_command(source: Path, tmp_path: Path, kind: str) -> None:
    target = str(_build(source, "wheel")) if kind == "wheel" else str(source)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # not its own .pth files
    install = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    subprocess.run([*install, *(["-e"] if kind == "editable" else []), target], check=True, capture_output=True)
    code = "import embedkit.cli, embedkit.indexes as i; print(embedkit.cli.__file__, i.__file__)"
    found = subprocess.run([python, "-P", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    home = str(source if kind == "editable" else environment)
    assert all(path.startswith(home) for path in found.stdout.split()), found.stdout
    help_text = subprocess.run([environment / "bin" / "embedkit", "--help"], check=True, capture_output=True, text=True)
    assert "find-label-issues" in help_text.stdout
