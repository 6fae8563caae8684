"""The online accuracy against a naive count, and the pictures that are read ahead."""

from __future__ import annotations

import math

import torch

from embedkit.pretraining.monitoring import knn_accuracy
from embedkit.pretraining.training_set import read_ahead


def _naive(vectors: torch.Tensor, codes: list[int], groups: list[int], k: int) -> float:
    right = 0
    for i, vector in enumerate(vectors):
        cosines = [(float(torch.cosine_similarity(vector, other, dim=0)), j) for j, other in enumerate(vectors)]
        near = sorted(((c, j) for c, j in cosines if groups[j] != groups[i]), reverse=True)[:k]
        ballots: dict[int, float] = {}
        for cosine, j in near:
            ballots[codes[j]] = ballots.get(codes[j], 0.0) + math.exp(cosine / 0.07)
        right += bool(ballots) and max(ballots, key=lambda code: ballots[code]) == codes[i]
    return right / len(vectors)


def test_knn_accuracy_equals_a_naive_count() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 3, (60,), generator=generator)
    groups = torch.randint(0, 12, (60,), generator=generator)
    vectors = torch.randn(60, 8, generator=generator) + 1.5 * torch.nn.functional.one_hot(codes, 8)
    for k in (1, 5, 20):
        expected = _naive(vectors, codes.tolist(), groups.tolist(), k)
        assert knn_accuracy(vectors, codes, groups, k) == expected
        assert 0.3 < expected < 1


def test_images_of_one_patient_have_no_vote_for_each_other() -> None:
    vectors, codes = torch.eye(4).repeat_interleave(2, dim=0), torch.arange(8) // 2
    assert knn_accuracy(vectors, codes, torch.arange(8), k=1) == 1
    assert knn_accuracy(vectors, codes, codes, k=1) == 0
    assert knn_accuracy(vectors, codes, torch.zeros(8, dtype=torch.long), k=1) == 0


def test_reading_ahead_keeps_order_and_errors() -> None:
    assert list(read_ahead(lambda n: n * n, 3, 7)) == [9, 16, 25, 36]
    assert list(read_ahead(lambda n: n, 5, 5)) == []
    try:
        list(read_ahead(lambda n: 1 // (n - 2), 0, 4))
    except ZeroDivisionError:
        return
    raise AssertionError("an error of the thread is lost")
