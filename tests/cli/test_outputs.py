"""Where a command may write: folders that are missing are made, and what cannot be is said before the work begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedkit.errors import IndexFolderError
from embedkit.indexes.storage import write_bytes

from .test_commands import run

pytestmark = pytest.mark.slow

OUTPUTS = {
    "classify": ("--out", "c.csv"),
    "evaluate": ("--head-out", "h.safetensors"),
    "explain 1.2.3": ("--out", "why.png"),
    "export": ("--cohort", "c.parquet"),
    "find-label-issues": ("--out", "i.html"),
    "gauges": ("--sheet", "g.png"),
    "pretrain": ("--out", "e.safetensors"),
    "report": ("--map", "m.svg"),
    "similar 1.2.3": ("--sheet", "s.png"),
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_file_in_the_way_of_a_folder_is_said_first(command: str, tmp_path: Path) -> None:
    option, name = OUTPUTS[command]
    (tmp_path / "taken").write_text("a file")
    (tmp_path / name).mkdir()
    for place, said in (
        ("taken", "there is no such folder"),
        (f"taken/{name}", "no such folder"),
        (".", "name a file"),
    ):
        done = run(*command.split(), option, f"{place}/{name}", "--index", "no-index", code=2, cwd=tmp_path)
        assert said in done.stderr
        assert "committed" not in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_library_says_that_a_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(IndexFolderError, match="no such folder") as caught:
        write_bytes(tmp_path / "missing" / "issues.csv", b"")
    assert "committed" not in str(caught.value)
