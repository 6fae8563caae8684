"""Shared fixtures: the real radiographs, where they are at hand, and file systems to mount."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
Mount = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a root folder on the path: `import cli` would make a second copy of `embedkit.cli`."""
    if any(Path(entry or ".").resolve() == REPOSITORY for entry in sys.path[1:]):
        sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != REPOSITORY]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real radiographs (`EMBEDKIT_TEST_DATA`); the test is skipped where it is absent."""
    folder = Path(os.environ.get("EMBEDKIT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "fracatlas.csv").is_file():
        pytest.skip(f"no real radiographs at {folder}: set EMBEDKIT_TEST_DATA")
    return folder


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount file systems for one test; needs the right to."""
    mounted: list[str] = []

    def run_mount(*arguments: str | Path) -> None:
        if subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system is not allowed here")
        mounted.append(str(arguments[-1]))

    yield run_mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
