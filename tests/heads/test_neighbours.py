import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.heads import Neighbours, build_search, vote, walk_neighbours
from embedkit.heads.knn import TEMPERATURE


def naive_strangers(vectors, groups, row, k):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit[row]
    order = [other for other in np.argsort(-cosine, kind="stable") if groups[other] != groups[row]]
    return order[:k], cosine


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 20), st.integers(1, 12))
def test_neighbours_are_those_of_a_loop_and_never_of_the_same_patient(seed, count, patients, k):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    groups = rng.integers(0, patients, count)
    for hood in walk_neighbours(build_search(vectors), vectors, groups, k):
        for row, rows, cosine in zip(
            range(hood.part.start, hood.part.stop), *(hood.strangers.rows, hood.strangers.cosine), strict=True
        ):
            expected, near = naive_strangers(vectors, groups, row, min(k, count))
            there = rows[rows >= 0]
            assert len(there) == len(expected)
            assert cosine[: len(there)] == pytest.approx(near[expected], abs=1e-5)
            assert (groups[there] != groups[row]).all()


def test_a_patient_with_most_of_the_images_still_gets_strangers():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(5, 0.01, (300, 8)), rng.normal(-5, 1, (6, 8))]).astype(np.float32)
    groups = np.array([0] * 300 + [1, 2, 3, 4, 5, 6])
    for hood in walk_neighbours(build_search(vectors), vectors, groups, 5):
        own = np.arange(hood.part.start, hood.part.stop)
        assert (hood.strangers.rows >= 0).all()
        assert (groups[hood.strangers.rows] != groups[own][:, None]).all()


def test_memory_is_bounded_by_chunks(monkeypatch):
    from embedkit.heads import neighbours

    monkeypatch.setattr(neighbours, "_CELLS", 200)
    rng = np.random.default_rng(0)
    vectors, groups = rng.normal(size=(100, 8)).astype(np.float32), np.arange(100) // 3
    search, asked = build_search(vectors), []

    def watched(queries, k):
        asked.append(len(queries) * k)
        return search(queries, k)

    parts = [hood.part for hood in walk_neighbours(watched, vectors, groups, 10)]
    assert max(asked) <= 200
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert parts[-1].stop == 100


def test_votes_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 3, 50)
    rows = rng.integers(-1, 50, (20, 6))
    cosine = rng.uniform(0.2, 1, (20, 6)).astype(np.float32)
    shares = vote(Neighbours(rows, cosine), codes, 3)
    for query in range(20):
        ballots = np.zeros(3)
        for row, near in zip(rows[query], cosine[query], strict=True):
            if row >= 0 and codes[row] >= 0:
                ballots[codes[row]] += np.exp(near / TEMPERATURE)
        assert shares[query] == pytest.approx(ballots / max(ballots.sum(), 1e-12), abs=1e-5)


def test_without_voters_there_is_no_vote():
    nobody = Neighbours(np.array([[-1, 0]]), np.array([[-1, 0.9]], dtype=np.float32))
    assert vote(nobody, np.array([-1]), 2).tolist() == [[0, 0]]
