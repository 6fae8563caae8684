import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.heads import Neighbours, vote, walk_neighbours
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
    for hood in walk_neighbours(vectors, groups, k):
        for row, rows, cosine in zip(
            hood.rows.tolist(), hood.cross_patient.rows, hood.cross_patient.cosine, strict=True
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
    for hood in walk_neighbours(vectors, groups, 5):
        assert (hood.cross_patient.rows >= 0).all()
        assert (groups[hood.cross_patient.rows] != groups[hood.rows][:, None]).all()


def test_memory_is_bounded_where_a_search_is_widened(monkeypatch):
    from embedkit.heads import neighbours
    from embedkit.indexes import nearest

    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(5, 0.1, (90, 8)), rng.normal(-5, 1, (900, 8))]).astype(np.float32)
    groups, search, asked, told = np.r_[np.zeros(90, np.int64), np.arange(1, 901)], nearest.nearest_among, [], []

    def watched(queries, directions, k):
        asked.append(len(queries) * k)
        return search(queries, directions, k)

    monkeypatch.setattr(neighbours, "_CELLS", 2000)
    monkeypatch.setattr(nearest, "_QUERIES_AT_ONCE", 400)
    monkeypatch.setattr(nearest, "nearest_among", watched)
    monkeypatch.setattr(neighbours.np, "percentile", lambda *_: 1)
    hoods = list(walk_neighbours(vectors, groups, 10, lambda *progress: told.append(progress)))
    assert max(asked) <= 400 * 11
    assert len(asked) > 3
    assert np.concatenate([hood.rows for hood in hoods]).tolist() == list(range(990))
    assert told == [(400, 990), (800, 990), (990, 990)]
    for hood in hoods:
        assert (groups[hood.cross_patient.rows] != groups[hood.rows][:, None]).all()


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
