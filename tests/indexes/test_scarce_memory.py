"""Workers with too little memory: no file is called damaged for it, and the next run reads what this one could not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from embedkit.demo import write_demo_dump
from embedkit.indexes import EmbedSettings, Index, embed

from .conftest import TinyEncoder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of address space is Linux's")
@pytest.mark.parametrize("memory_bytes", [0, 1 << 19, 1 << 21, 1 << 22])
def test_no_file_is_called_damaged_for_want_of_memory(memory_bytes: int, tmp_path: Path) -> None:
    write_demo_dump(tmp_path, images=60, seed=3)

    def read(index: str, memory: int) -> dict[str, str]:
        settings = EmbedSettings(workers=2, memory_bytes=memory)
        embed([tmp_path / "dump"], tmp_path / index, encoders=[TinyEncoder()], settings=settings)
        opened = Index.open(tmp_path / index)
        both = (opened.images, opened.rejected)
        return {row["path"]: row["reason"] for table in both for row in table.select(["path", "reason"]).to_pylist()}

    right, scarce = read("right", 3 << 30), read("index", memory_bytes)
    wrong = {path: reason for path, reason in scarce.items() if reason not in (right[path], "out-of-memory")}
    assert wrong == {}
    assert "out-of-memory" in scarce.values()
    assert read("index", 3 << 30) == right
