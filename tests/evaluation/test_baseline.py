"""The supervised baseline: it learns what can be seen, keeps what it did, and goes on after a kill."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from embedkit.evaluation import BaselineSettings, SupervisedBaseline
from embedkit.evaluation.baseline import _read_answer

SMALL = BaselineSettings(steps=8, batch_size=8, picture_size=32)


@pytest.fixture(autouse=True)
def _one_thread():
    """Small batches on many threads spend their time waiting for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def index():
    """Forty pictures: bright above, or bright below."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 60, (40, 256, 256), dtype=np.uint8)
    pictures[::2, :128] += 150
    pictures[1::2, 128:] += 150
    images = pa.table({"image_id": [f"1.2.{number}" for number in range(40)]})
    return SimpleNamespace(images=images, pictures=lambda rows: pictures[np.asarray(rows)])


@pytest.mark.slow
def test_it_learns_to_tell_what_can_be_seen_and_repeats_nothing(index, tmp_path):
    rows, others = np.arange(0, 20), np.arange(20, 40)
    steps = []
    baseline = SupervisedBaseline(index, tmp_path / "baseline", SMALL, steps.append)
    named = baseline(rows, rows % 2, others)
    assert (named == others % 2).mean() > 0.9
    assert steps[-1].done == steps[-1].total >= 8
    done = len(steps)
    assert (baseline(rows, rows % 2, others) == named).all()
    assert len(steps) == done, "a draw that is done is read back"
    (kept,) = (tmp_path / "baseline").glob("*.json")
    for damaged in (b"", b"{", b"[1]", b"null", b"[" * 100_000, kept.read_bytes().replace(b"1", b"1.5")):
        assert _read_answer(kept, 20) is not None
        whole = kept.read_bytes()
        kept.write_bytes(damaged)
        assert _read_answer(kept, 20) is None
        kept.write_bytes(whole)
    baseline(rows[:4], rows[:4] % 2, others)
    assert len(steps) > done, "another draw is another piece of work"
    assert all(path.suffix == ".json" for path in (tmp_path / "baseline").iterdir())


@pytest.mark.slow
def test_a_draw_that_was_stopped_goes_on(index, tmp_path):
    rows, others = np.arange(0, 16), np.arange(20, 40)
    whole = SupervisedBaseline(index, tmp_path / "whole", SMALL)(rows, rows % 2, others)

    class StoppedError(Exception):
        pass

    def stop(step):
        if step.done == 5:
            raise StoppedError

    folder = tmp_path / "stopped"
    with pytest.raises(StoppedError):
        SupervisedBaseline(index, folder, SMALL, stop)(rows, rows % 2, others)
    steps = []
    again = SupervisedBaseline(index, folder, SMALL, steps.append)(rows, rows % 2, others)
    assert steps[0].done == 5, "four steps, two epochs, were kept"
    assert (again == whole).all()
