"""A small dump of plain pictures, and an encoder that costs nothing and gives the same numbers everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.indexes import EmbedReport, EmbedSettings, embed


@dataclass(frozen=True)
class TinyEncoder:
    """Means of 16 x 16 fields times whole numbers: exact, whatever the batch."""

    name: str = "tiny"
    seed: int = 0
    runtime: str = "numpy"
    precision: str = "fp32"
    input_size: int = 256
    dimension: int = 512
    method: str = "none"
    labels_seen: bool | None = False

    @property
    def digest(self) -> str:
        return f"{self.seed:064x}"

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        sums = pictures.reshape(-1, 16, 16, 16, 16).sum(axis=(2, 4), dtype=np.int64).reshape(-1, 256)
        weights = np.random.default_rng(self.seed).integers(-3, 4, (256, self.dimension))
        return np.asarray(sums @ weights, np.float32) / 4096 + 1


def write_picture(path: Path, seed: int) -> None:
    """Write a small PNG that looks like no other seed's."""
    rng = np.random.default_rng(seed)
    grey = cv2.resize(rng.integers(40, 255, (6, 6), np.uint8), (80, 80), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", grey)[1].tobytes())


def write_dump(folder: Path, pictures: int, first_seed: int = 0) -> Path:
    """Write pictures and one file that is none."""
    for number in range(pictures):
        write_picture(folder / f"study{number % 3}" / f"{number:03d}.png", first_seed + number)
    (folder / "study0" / "notes.txt").write_text("no picture")
    return folder


Embed = Callable[..., EmbedReport]


@pytest.fixture
def run(tmp_path: Path) -> Embed:
    """`embed` of `tmp_path/dump` into `tmp_path/index`, in shards of 4 files with one worker."""

    def run_embed(
        sources: list[Path] | None = None, index: Path | None = None, *encoders: TinyEncoder, **options: object
    ) -> EmbedReport:
        chosen: dict[str, Any] = {
            name: options.pop(name) for name in ("forget_vanished", "hash_paths") if name in options
        }
        settings = EmbedSettings(workers=1, shard_files=4, **chosen)
        return embed(
            sources or [tmp_path / "dump"],
            index or tmp_path / "index",
            encoders=encoders or [TinyEncoder()],
            settings=settings,
            **options,  # type: ignore[arg-type]
        )

    return run_embed
