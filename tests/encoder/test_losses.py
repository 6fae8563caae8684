"""NT-Xent against the double loop of the paper's equation."""

from __future__ import annotations

import math

import pytest
import torch

from embedkit.encoder.losses import nt_xent


def _naive_nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float) -> float:
    views = [*first, *second]
    batch = len(first)
    total = 0.0
    for i, anchor in enumerate(views):
        similarity = [float(torch.cosine_similarity(anchor, other, dim=0)) / temperature for other in views]
        others = sum(math.exp(value) for k, value in enumerate(similarity) if k != i)
        total -= math.log(math.exp(similarity[(i + batch) % (2 * batch)]) / others)
    return total / len(views)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_equals_the_naive_double_loop(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 7, 16, generator=generator)
    assert float(nt_xent(first, second, temperature)) == pytest.approx(
        _naive_nt_xent(first, second, temperature), rel=1e-5
    )


def test_nt_xent_is_lowest_for_equal_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 8, 16, generator=generator)
    assert nt_xent(first, first.clone(), 0.5) < nt_xent(first, second, 0.5)
