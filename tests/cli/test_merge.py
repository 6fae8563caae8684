"""`embedkit merge`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from embedkit.indexes import Index
from embedkit.review import Decisions

from ..indexes.conftest import write_dump
from .test_commands import run


def test_two_archives_become_one_with_their_decisions(tmp_path: Path) -> None:
    for name, first in (("one", 0), ("two", 20)):
        run("embed", write_dump(tmp_path / name, 5, first), "--index", tmp_path / f"{name}-index", "--quiet")
        with Decisions.open(tmp_path / f"{name}-index") as decisions:
            image_id = Index.open(tmp_path / f"{name}-index").images["image_id"][0].as_py()
            decisions.record(image_id, "anna", "unusable")
    parts, merged = [tmp_path / "one-index", tmp_path / "two-index"], tmp_path / "merged"
    done = run("merge", *parts, "--out", merged, "--json")
    told = json.loads(done.stdout)
    assert (told["images"], told["met_again"], told["rejected"]) == (10, 0, 2)
    assert list(told["of_each"].values()) == [5, 5]
    assert "another patient key" in done.stderr
    assert "every file is as it was written" in run("verify", "--index", merged).stdout
    table = run("export", "--out", tmp_path / "decisions.csv", "--index", merged)
    assert table.returncode == 0
    assert (tmp_path / "decisions.csv").read_text().count(",unusable,,anna,") == 2
    shutil.rmtree(tmp_path / "one")
    assert "there already" in run("merge", *parts, "--out", merged, code=2).stderr
    assert "two indexes" in run("merge", parts[0], "--out", tmp_path / "more", code=2).stderr
