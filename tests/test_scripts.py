"""embedkit in a script of one's own: no `__main__` guard, another start method, next to pools of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from .indexes.conftest import write_dump

SCRIPT = """
import multiprocessing
multiprocessing.set_start_method({method!r})
import embedkit
report = embedkit.embed("dump/")
index = embedkit.Index.open()
near = index.similar("dump/study0/000.png", k=2)
print(report.images, index.path, len(near), len(index.similar("copy.png")))
"""
PARALLEL = """
import multiprocessing
import embedkit

def count(folder):
    return len(embedkit.Index.open(folder).similar("copy.png", k=3))

if __name__ == "__main__":
    embedkit.embed("dump/", "index")
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(*pool.map(count, ["index"] * 2))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dump(tmp_path / "dump", 5)
    (tmp_path / "copy.png").write_bytes((tmp_path / "dump/study1/001.png").read_bytes())
    return tmp_path


def run_script(folder: Path, script: str) -> str:
    """Run it as a file in `folder`; return what it prints."""
    (folder / "script.py").write_text(script)
    environment = {name: value for name, value in os.environ.items() if name != "EMBEDKIT_INDEX"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, env=environment, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_script_needs_no_guard(folder: Path, method: str) -> None:
    assert run_script(folder, SCRIPT.format(method=method)).split() == ["5", "embedkit-index", "2", "5"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_of_a_script_search_at_the_same_time(folder: Path, method: str) -> None:
    assert run_script(folder, PARALLEL.format(method=method)).split() == ["3", "3"]


def test_a_program_without_a_file_embeds(folder: Path) -> None:
    code = "import embedkit; print(embedkit.embed('dump/').images)"
    for arguments in (["-c", code], ["-"]):
        done = subprocess.run(
            [sys.executable, *arguments], input=code, cwd=folder, capture_output=True, text=True, timeout=300
        )
        assert (done.stdout, done.stderr) == ("5\n", "")


def test_an_empty_name_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import embedkit

    monkeypatch.chdir(folder)
    for sources, index in (("", "index"), ("dump/", "")):
        with pytest.raises(embedkit.UsageError, match="empty"):
            embedkit.embed(sources, index)
    monkeypatch.setenv("EMBEDKIT_INDEX", "elsewhere")
    embedkit.embed([Path("dump/study0")])
    assert embedkit.Index.open().path == Path("elsewhere")
    assert not (folder / "embedkit-index").exists()


NOTEBOOK = """
import embedkit
report = embedkit.embed("dump/", on_progress=True)
near = embedkit.Index.open().similar("copy.png")
print(report.images, list(near.to_pandas().columns)[:2])
"""


@pytest.mark.slow
def test_a_notebook_embeds_and_shows_how_far_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDKIT_INDEX", raising=False)
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # or jupyter-client warns
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel():
        outputs = client.execute_cell(notebook.cells[0], 0).outputs
    streams = [(output.name, output.text) for output in outputs if output.output_type == "stream"]
    texts = {stream: "".join(text for name, text in streams if name == stream) for stream in ("stdout", "stderr")}
    assert texts["stdout"] == "5 ['row', 'image_id']\n"
    assert "Embedding" in texts["stderr"]
