"""Vectorised losses against the double loops of their papers' equations."""

from __future__ import annotations

import math

import pytest
import torch

from embedkit.pretraining.losses import nt_xent, regression, sup_con


def _views(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 16, generator=torch.Generator().manual_seed(seed))


def _exponentials(views: torch.Tensor, temperature: float) -> list[list[float]]:
    return [[math.exp(float(torch.cosine_similarity(a, b, dim=0)) / temperature) for b in views] for a in views]


def _naive_nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float) -> float:
    views = torch.cat([first, second])
    batch, total = len(first), 0.0
    for i, row in enumerate(_exponentials(views, temperature)):
        others = sum(value for k, value in enumerate(row) if k != i)
        total -= math.log(row[(i + batch) % (2 * batch)] / others)
    return total / len(views)


def _naive_sup_con(views: torch.Tensor, classes: list[int], temperature: float) -> float:
    losses = []
    for i, row in enumerate(_exponentials(views, temperature)):
        positives = [k for k in range(len(views)) if k != i and classes[k] == classes[i]]
        others = sum(value for k, value in enumerate(row) if k != i)
        if positives:
            losses.append(-sum(math.log(row[k] / others) for k in positives) / len(positives))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_equals_the_naive_double_loop(temperature: float) -> None:
    first, second = _views(7), _views(7, 1)
    expected = _naive_nt_xent(first, second, temperature)
    assert float(nt_xent(first, second, temperature)) == pytest.approx(expected, rel=1e-5)


def test_nt_xent_is_lowest_for_equal_pairs() -> None:
    first, second = _views(8), _views(8, 1)
    assert nt_xent(first, first.clone(), 0.5) < nt_xent(first, second, 0.5)


@pytest.mark.parametrize("classes", [[0, 0, 1, 1, 1, 2, 2, 0], [0, 0, 1, 2, 3, 4, 5, 6], [0] * 8])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_sup_con_equals_the_naive_double_loop(classes: list[int], temperature: float) -> None:
    views = _views(8)
    expected = _naive_sup_con(views, classes, temperature)
    assert float(sup_con(views, torch.tensor(classes), temperature)) == pytest.approx(expected, rel=1e-5)


def test_sup_con_with_pairs_alone_is_nt_xent() -> None:
    first, second = _views(6), _views(6, 1)
    pairs = torch.arange(6).repeat(2)
    assert torch.allclose(sup_con(torch.cat([first, second]), pairs, 0.3), nt_xent(first, second, 0.3))


def test_sup_con_without_any_positive_is_zero_and_pushes_nothing() -> None:
    views = _views(5).requires_grad_()
    loss = sup_con(views, torch.arange(5), 0.5)
    loss.backward()
    assert float(loss.detach()) == 0
    assert views.grad is not None
    assert torch.equal(views.grad, torch.zeros_like(views))


def test_an_anchor_without_a_positive_gives_no_nan() -> None:
    views = _views(5).requires_grad_()
    loss = sup_con(views, torch.tensor([0, 0, 1, 2, 3]), 0.1)
    loss.backward()
    assert torch.isfinite(loss)
    assert views.grad is not None
    assert torch.isfinite(views.grad).all()


def test_regression_equals_the_squared_distance_of_unit_vectors() -> None:
    first, second = _views(6), _views(6, 1)
    naive = sum(
        sum((float(x / a.norm()) - float(y / b.norm())) ** 2 for x, y in zip(a, b, strict=True))
        for a, b in zip(first, second, strict=True)
    )
    assert float(regression(first, second)) == pytest.approx(naive / 6, rel=1e-5)
