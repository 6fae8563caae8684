"""Chunks and processes: the loss and the gradients of a batch do not depend on who computes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from embedkit.pretraining import METHODS, Processes
from embedkit.pretraining.gradient_cache import backpropagate
from embedkit.pretraining.losses import nt_xent

from .training_process import first_step


def _network(norm: bool) -> nn.Module:
    torch.manual_seed(0)
    inner = nn.BatchNorm2d(4) if norm else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, 4, 3), inner, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 8)).double()


def _loss(outputs: torch.Tensor) -> torch.Tensor:
    first, second = outputs.double().chunk(2)
    return nt_xent(first, second, 0.3)


def _gradients(network: nn.Module) -> list[torch.Tensor]:
    return [p.grad for p in network.parameters() if p.grad is not None]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 5, 16, 40])
def test_cached_gradients_equal_those_of_one_large_graph(chunk: int) -> None:
    views = torch.rand(16, 1, 8, 8, dtype=torch.float64)
    whole, cached = _network(norm=False), _network(norm=False)
    loss = _loss(whole(views))
    loss.backward()
    assert torch.allclose(backpropagate(cached, cached, views.split(chunk), _loss), loss)
    for one, other in zip(_gradients(whole), _gradients(cached), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-7)


def test_with_batchnorm_they_equal_one_graph_over_the_same_chunks() -> None:
    views = torch.rand(16, 1, 8, 8, dtype=torch.float64)
    whole, cached = _network(norm=True), _network(norm=True)
    loss = _loss(torch.cat([whole(chunk) for chunk in views.split(4)]))
    loss.backward()
    assert torch.allclose(backpropagate(cached, cached, views.split(4), _loss), loss)
    for one, other in zip(_gradients(whole), _gradients(cached), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-7)
    assert torch.allclose(whole[1].running_mean, cached[1].running_mean), "each chunk moves the statistics once"
    assert int(cached[1].num_batches_tracked) == 4


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the processes: BatchNorm over chunks of four magnifies the rounding of sums in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path: Path) -> None:
    script = Path(__file__).with_name("training_process.py")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*torchrun, script, "step", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    for method in METHODS:
        for name, value in first_step(method, 4, Processes()).items():
            for shared in (first, second):
                assert torch.allclose(shared[f"{method}.{name}"], value, rtol=1e-3, atol=1e-5), (method, name)
