"""How far the work is, as a terminal, a notebook and a log show it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from embedkit import display
from embedkit.progress import ignore_progress

STAGES = (
    "from embedkit.display import shown\n"
    "with shown(True) as tell:\n"
    "    for done in range(1, 4): tell('Embedding', done, 3, f'{done} images')\n"
    "    tell('Neighbours', 5, 5)\n"
)


def test_nobody_is_told_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[object, ...]] = []
    with display.shown(lambda *words: told.append(words)) as tell:
        tell("Embedding", 1, 2)
    assert told == [("Embedding", 1, 2)]
    with display.shown(False) as tell:
        assert tell is ignore_progress
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar() -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    subprocess.run([sys.executable, "-c", STAGES], stderr=theirs, stdout=subprocess.PIPE, env=environment, check=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    text = shown.decode()
    assert "Embedding" in text
    assert "3/3" in text
    assert "3 images" in text
    assert "Neighbours" in text


def test_a_notebook_shows_a_bar_of_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display, "_in_notebook", lambda: True)
    with display.shown(True) as tell:
        for done in range(1001):
            tell("Embedding", done, 1000, f"{done} images")
        tell("Neighbours", 7, None)
    lines = capsys.readouterr().err.split("\n")
    assert lines[0].split("\r")[-1].startswith(f"Embedding [{'#' * 24}] 1,000/1,000")
    assert lines[0].rstrip().endswith("1000 images")
    assert len(lines[0].split("\r")) < 50
    assert lines[1].split("\r")[-1].startswith("Neighbours 7 ")


def test_a_log_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(display, "_LINE_EVERY_S", 0)
    with display.shown(True) as tell:
        tell("Embedding", 1, 4, "1 image")
        tell("Embedding", 3, 4, "3 images")
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "Embedding: 1 of 4",
        "Embedding: 3 of 4",
    ]


NOTEBOOK = """
import embedkit
report = embedkit.embed({dump!r}, {index!r}, on_progress=True)
index = embedkit.Index.open({index!r})
print(report.images, len(index.similar({image!r}, k=2).to_pandas()))
"""


def test_a_notebook_embeds_with_a_bar(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat

    from .indexes.conftest import write_dump

    dump = write_dump(tmp_path / "dump", 4)
    source = NOTEBOOK.format(dump=str(dump), index=str(tmp_path / "index"), image=str(dump / "study0/000.png"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    kernel = {"name": "python3", "display_name": "python3"}
    notebook.metadata["kernelspec"] = kernel
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = notebook.cells[0].outputs
    text = {name: "".join(o.text for o in outputs if o.get("name") == name) for name in ("stdout", "stderr")}
    assert text["stdout"].split() == ["4", "2"]
    assert "Embedding [" in text["stderr"]
    assert "ipywidgets" not in text["stderr"]
