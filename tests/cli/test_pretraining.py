"""`gauges` and `pretrain` as users type them, on a small archive of drawn pictures."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedkit.cli.app import _run
from embedkit.encoder import load_encoder

pytestmark = pytest.mark.slow

SMALL = ("--epochs", 1, "--batch-size", 8, "--view-size", 32)


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    """One command, in this process: torch is imported once. Returns stdout and stderr."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        ended = _run([str(argument) for argument in arguments])
    assert ended == code, out.getvalue() + err.getvalue()
    return out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two regions; one of the knees has a gauge beside it, and two have no region."""
    folder = tmp_path_factory.mktemp("archive")
    rng = np.random.default_rng(0)
    for number in range(18):
        region = ("hand", "knee", "")[number // 8]
        film = np.full((256, 256), 40, np.uint8)
        cv2.ellipse(film, (128, 128), (30 + number, 110), 20 * (region == "knee"), 0, 360, 130, -1)
        if number == 10:
            cv2.circle(film, (60, 60), 12, 245, -1)
        film = cv2.add(film, rng.integers(0, 12, film.shape, dtype=np.uint8))
        (folder / "films" / region).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "films" / region / f"{number}.png"), film)
    run("embed", folder / "films", "--labels-from-folders", "--index", folder / "index")
    return folder / "index"


def test_gauges_are_found_shown_and_kept(index: Path, tmp_path: Path) -> None:
    sheet, kept = tmp_path / "gauges.png", tmp_path / "gauges"
    found = json.loads(run("gauges", "--index", index, "--sheet", sheet, "--json")[0])
    assert found["candidates"] == 1
    assert cv2.imread(str(sheet), cv2.IMREAD_UNCHANGED) is not None
    assert not kept.exists()
    run("gauges", "--index", index, "--sheet", sheet, "--keep", 1, "--out", kept)
    gauge = cv2.imread(str(kept / "gauge-001.png"), cv2.IMREAD_UNCHANGED)
    assert 22 <= len(gauge) <= 32
    assert gauge[len(gauge) // 2, len(gauge) // 2, 0] > 230
    assert "1 to 1" in run("gauges", "--index", index, "--keep", "1,2", code=2)[1]
    out = tmp_path / "with-gauges.safetensors"
    run("pretrain", "--out", out, "--index", index, *SMALL, "--gauges", kept)
    assert load_encoder(str(out)).name == "with-gauges"


@pytest.mark.parametrize("method", ["byol", "supcon", "supervised"])
def test_every_method_makes_an_encoder(index: Path, tmp_path: Path, method: str) -> None:
    out = tmp_path / f"{method}.safetensors"
    command = ("pretrain", "--method", method, "--out", out, "--index", index, *SMALL, "--chunk", 4)
    said = json.loads(run(*command, "--json")[0])
    assert said["pictures"] == (16 if method == "supervised" else 18)
    assert said["knn_accuracy"] is not None
    assert load_encoder(str(out)).config.method == method
    assert [path.name for path in tmp_path.iterdir()] == [out.name], "neither a checkpoint nor pictures are left"


def test_the_starter_is_adapted_without_the_suspects_and_logged(index: Path, tmp_path: Path) -> None:
    suspects = tmp_path / "issues.csv"
    run("find-label-issues", "--all", "--index", index, "--out", suspects)
    lines = suspects.read_text().splitlines()
    suspects.write_text("\n".join(lines[:4]) + "\n")
    out, logs = tmp_path / "site.safetensors", tmp_path / "logs"
    command = ("pretrain", "--out", out, "--index", index, *SMALL, "--from", "starter", "--log-dir", logs)
    said = json.loads(run(*command, "--without", suspects, "--json")[0])
    assert said["pictures"] == 18 - len({line.split(",")[1] for line in lines[1:4]})
    assert {file.stat().st_mode & 0o777 for file in logs.glob("events.*")} == {0o600}


def test_two_processes_train_one_encoder(index: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    embedkit = [sys.executable, "-P", "-c", "from embedkit.cli import main; main()"]
    command = ["pretrain", "--out", tmp_path / "both.safetensors", "--index", index, *SMALL]
    done = subprocess.run([*torchrun, *embedkit, *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written") == 1
    assert load_encoder(str(tmp_path / "both.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "dino"), "'simclr', 'byol'"),
        (("--augmentation", "weak"), "head-training"),
        (("--from", "no-such-encoder"), "no-such-encoder"),
        (("--without", "no-such-table.csv"), "no-such-table.csv"),
        (("--gauges", "no-such-folder"), "no-such-folder"),
        (("--batch-size", 64), "batch size"),
    ],
)
def test_bad_usage_says_what_to_do_in_one_line(
    index: Path, tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    _, error = run("pretrain", "--out", tmp_path / "site.safetensors", "--index", index, "-q", *arguments, code=2)
    assert said in error
    assert len(error.splitlines()) == 1
